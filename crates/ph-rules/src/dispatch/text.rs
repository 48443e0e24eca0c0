//! Texts as Alertmanager writes them.

use ph_promql::Labels;
use std::fmt::Write as _;

/// `{alertname="A", job="b"}`: sorted as texts of name and value, not by names.
pub(super) fn label_set(labels: &Labels) -> String {
    let mut parts: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    parts.sort();
    format!("{{{}}}", parts.join(", "))
}

/// In double quotes, as Go's `%q` writes a text.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        quote_char(&mut out, c);
    }
    out.push('"');
    out
}

fn quote_char(out: &mut String, c: char) {
    let short = match c {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '\u{7}' => Some("\\a"),
        '\u{8}' => Some("\\b"),
        '\u{c}' => Some("\\f"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        '\u{b}' => Some("\\v"),
        _ => None,
    };
    let code = u32::from(c);
    // Writing into a `String` cannot fail.
    let _ = match short {
        Some(short) => out.write_str(short),
        None if c.is_ascii_control() => write!(out, "\\x{code:02x}"),
        None if is_printable(c) => out.write_char(c),
        None if code > 0xffff => write!(out, "\\U{code:08x}"),
        None => write!(out, "\\u{code:04x}"),
    };
}

/// Behind a letter, since a mark that stands alone is escaped.
fn is_printable(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    pair.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_are_sorted_as_texts() {
        let labels = Labels::from_pairs([("a", "1"), ("a1", "x\"y\\\n"), ("b", "ü\u{a0}\u{1}日")]);
        let want = r#"{a1="x\"y\\\n", a="1", b="ü\u00a0\x01日"}"#;
        assert_eq!(label_set(&labels), want);
        assert_eq!(label_set(&Labels::default()), "{}");
    }
}
