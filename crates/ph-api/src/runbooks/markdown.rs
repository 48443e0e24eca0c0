//! Markdown, as much of it as runbooks have: headings, paragraphs, lists, code, bold, links.

/// The text as HTML. Everything in it is escaped. A heading leads to the page of that name, as does a link to
/// another runbook; one to another document of the repository, which is not served here, is its words. A line
/// that is a comment is for the tests of the documentation.
pub(super) fn html(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("<!-- ") && line.ends_with(" -->") {
            continue;
        }
        if line.starts_with("```") {
            out.push_str("<pre><code>");
            for code in lines.by_ref().take_while(|code| !code.starts_with("```")) {
                out.push_str(&escaped(code));
                out.push('\n');
            }
            out.push_str("</code></pre>\n");
        } else if let Some(title) = line.strip_prefix("# ") {
            let title = escaped(title);
            out.push_str(&format!(
                "<h2><a href=\"/runbooks/{title}\">{title}</a></h2>\n"
            ));
        } else if let Some(item) = line.strip_prefix("- ") {
            let mut items = vec![item.to_owned()];
            while let Some(more) = lines.next_if(|line| line.starts_with(['-', ' '])) {
                match (more.strip_prefix("- "), items.last_mut()) {
                    (Some(item), _) => items.push(item.to_owned()),
                    (None, Some(last)) => last.extend([" ", more.trim()]),
                    (None, None) => {}
                }
            }
            out.push_str("<ul>\n");
            for item in items {
                out.push_str(&format!("<li>{}</li>\n", inline(&item)));
            }
            out.push_str("</ul>\n");
        } else if !line.is_empty() {
            let mut paragraph = line.to_owned();
            while let Some(more) =
                lines.next_if(|line| !line.is_empty() && !line.starts_with(['-', '#', '`']))
            {
                paragraph.extend([" ", more]);
            }
            out.push_str(&format!("<p>{}</p>\n", inline(&paragraph)));
        }
    }
    out
}

/// Code, bold and links within a line. What is opened and not closed stays as it is.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, from) = rest.split_at(at);
        out.push_str(&escaped(before));
        let (html, after) = mark(from).unwrap_or_else(|| {
            let (one, after) = from.split_at(1);
            (one.to_owned(), after)
        });
        out.push_str(&html);
        rest = after;
    }
    out + &escaped(rest)
}

fn mark(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('`') {
        let (code, after) = rest.split_once('`')?;
        return Some((format!("<code>{}</code>", escaped(code)), after));
    }
    if let Some(rest) = text.strip_prefix("**") {
        let (bold, after) = rest.split_once("**")?;
        return Some((format!("<strong>{}</strong>", inline(bold)), after));
    }
    let (words, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, after) = rest.split_once(')')?;
    let html = if target.starts_with("https://") {
        format!("<a href=\"{}\">{}</a>", escaped(target), inline(words))
    } else if let Some(alert) = runbook(target) {
        format!("<a href=\"/runbooks/{alert}\">{}</a>", inline(words))
    } else {
        inline(words)
    };
    Some((html, after))
}

/// The alert whose page the file beside this one is: `ServerDown.md`.
fn runbook(target: &str) -> Option<&str> {
    let name = target.strip_suffix(".md")?;
    let is_alert = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    is_alert.then_some(name)
}

/// Text without meaning in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(html(text), want);
    }

    #[test]
    fn what_runbooks_have_is_rendered() {
        check(
            "# Down\n\nb\nc\n",
            "<h2><a href=\"/runbooks/Down\">Down</a></h2>\n<p>b c</p>\n",
        );
        check(
            "[Down](Down.md) [other](../x.md)\n",
            "<p><a href=\"/runbooks/Down\">Down</a> other</p>\n",
        );
        check("<!-- needs: redis -->\na\n", "<p>a</p>\n");
        check(
            "- a\n  b\n- `c`\n",
            "<ul>\n<li>a b</li>\n<li><code>c</code></li>\n</ul>\n",
        );
        check(
            "**Look.** [here](x.md) [there](https://e.example/?a=1&b)\n",
            "<p><strong>Look.</strong> here <a href=\"https://e.example/?a=1&amp;b\">there</a></p>\n",
        );
        check(
            "```sh\na | b # **c**\n```\n",
            "<pre><code>a | b # **c**\n</code></pre>\n",
        );
    }

    #[test]
    fn nothing_of_the_text_becomes_markup() {
        check(
            "<b> & \"x\" 'y'\n",
            "<p>&lt;b&gt; &amp; &quot;x&quot; &#39;y&#39;</p>\n",
        );
        check(
            "`<i>` [<u>](https://a/\"b)\n",
            "<p><code>&lt;i&gt;</code> <a href=\"https://a/&quot;b\">&lt;u&gt;</a></p>\n",
        );
        check("[x](javascript:alert(1))\n", "<p>x)</p>\n");
        check("a ** b ` c [ d\n", "<p>a ** b ` c [ d</p>\n");
    }
}
