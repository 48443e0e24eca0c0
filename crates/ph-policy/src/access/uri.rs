//! The form in which addresses of resources are compared: what a server that resolves them would come to.

use super::Thing;
use std::borrow::Cow;
use std::cell::OnceCell;

/// An address, and its form for comparing once that is asked for.
pub(super) struct Uri<'a> {
    raw: &'a str,
    form: OnceCell<Form<'a>>,
}

/// What an address comes to.
struct Form<'a> {
    text: Cow<'a, str>,
    /// It leads above where it begins, so that what it comes to depends on who resolves it.
    climbs: bool,
}

impl<'a> Uri<'a> {
    pub(super) fn of(thing: Thing<'a>) -> Self {
        let raw = match thing {
            Thing::Resource(raw) => raw,
            _ => "",
        };
        let form = OnceCell::new();
        Self { raw, form }
    }

    pub(super) fn normal(&self) -> &str {
        &self.form().text
    }

    /// Whether it leads above its root (`file://data/../../x`), or cannot be resolved for sure.
    pub(super) fn climbs(&self) -> bool {
        self.form().climbs
    }

    fn form(&self) -> &Form<'a> {
        self.form.get_or_init(|| form(self.raw))
    }
}

/// How often what is escaped may be escaped again.
const ESCAPED_MAX: usize = 4;

/// `file:///a/%2e%2e/b`, `FILE://localhost//b` and `file:///a\..\b` are all `file:///b`.
///
/// Escapes are resolved, also of escapes; `\` is `/`; of several slashes one counts; `.` and `..` are resolved. What
/// cannot be resolved within [`ESCAPED_MAX`] rounds keeps its last form, with its escapes.
pub(super) fn normal(uri: &str) -> Cow<'_, str> {
    form(uri).text
}

fn form(uri: &str) -> Form<'_> {
    if !is_suspicious(uri) {
        return Form {
            text: Cow::Borrowed(uri),
            climbs: false,
        };
    }
    let mut text = uri.to_owned();
    let mut climbs = false;
    for _ in 0..ESCAPED_MAX {
        let next = resolved(&unescaped(&text), &mut climbs);
        if next == text {
            let text = Cow::Owned(text);
            return Form { text, climbs };
        }
        text = next;
    }
    // What would still change is not what a server comes to.
    climbs |= resolved(&unescaped(&text), &mut climbs) != text;
    let text = Cow::Owned(text);
    Form { text, climbs }
}

/// Whether anything of it could be written in another way: most addresses are already as they are compared.
fn is_suspicious(uri: &str) -> bool {
    let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let scheme_len = uri.len() - path.len();
    uri.contains(['%', '\\'])
        || path.contains("//")
        || path.contains("/.")
        || path.starts_with('.')
        || uri.contains(":.")
        || path.starts_with("localhost/")
        || uri[..scheme_len].bytes().any(|b| b.is_ascii_uppercase())
}

fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digit = |at: usize| behind.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, digit(0), digit(1)) {
            // A `*` of a pattern is one; one of an address stays apart from it.
            (b'%', Some(2), Some(10)) => {
                out.extend_from_slice(b"%2A");
                rest = &behind[2..];
            }
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = &behind[2..];
            }
            (byte, _, _) => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// - `climbs`: set when it leads above where it begins.
fn resolved(text: &str, climbs: &mut bool) -> String {
    let text = text.replace('\\', "/");
    let Some((scheme, rest)) = text.split_once(':') else {
        *climbs |= leads_above(&text);
        return text;
    };
    let scheme = scheme.to_ascii_lowercase();
    // `urn:a:b` has no path.
    if !rest.starts_with('/') {
        *climbs |= leads_above(rest);
        return format!("{scheme}:{rest}");
    }
    let (authority, path) = match rest.strip_prefix("//") {
        Some(behind) => behind.split_at(behind.find('/').unwrap_or(behind.len())),
        None => ("", rest),
    };
    // A server that only takes `file://` off sees a path where we see a host.
    *climbs |= authority == "..";
    let authority = authority.to_ascii_lowercase();
    let authority = if scheme == "file" && authority == "localhost" {
        ""
    } else {
        &authority
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut ends_open = path.ends_with('/');
    for part in path.split('/') {
        ends_open = match part {
            "" => ends_open,
            "." => true,
            ".." => {
                *climbs |= parts.pop().is_none();
                true
            }
            part => {
                parts.push(part);
                path.ends_with('/')
            }
        };
    }
    let tail = if ends_open && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{scheme}://{authority}{slash}{}{tail}", parts.join("/"))
}

/// Whether a path that is not resolved here has a way up that its own parts do not pay for.
fn leads_above(path: &str) -> bool {
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn however_it_is_written() {
        for (uri, want) in [
            ("file:///b", "file:///b"),
            ("file:///a/../b", "file:///b"),
            ("file:///a/%2e%2E/b", "file:///b"),
            ("file:///a/%252e%252e/b", "file:///b"),
            ("file:///a/..%2fb", "file:///b"),
            ("file:///a\\..\\b", "file:///b"),
            ("file:///a/%5c../%5C/../b", "file:///b"),
            ("FILE://LocalHost//b", "file:///b"),
            ("file:////b", "file:///b"),
            ("file:///../../b", "file:///b"),
            ("file://..\\", "file://../"),
            ("file://../a/..", "file://../"),
            ("file:///a/./b/", "file:///a/b/"),
            ("file:///a/b/..", "file:///a/"),
            ("file:///*", "file:///*"),
            ("file:///a%20b/*", "file:///a b/*"),
            ("file:///%2a", "file:///%2A"),
            ("https://Example.com/a/../b", "https://example.com/b"),
            ("db://x", "db://x"),
            ("urn:a:%62", "urn:a:b"),
            ("test://static/{id}", "test://static/{id}"),
            ("*", "*"),
            ("", ""),
            ("%", "%"),
        ] {
            assert_eq!(normal(uri), want, "{uri}");
        }
    }

    #[test]
    fn what_leads_above_its_root_is_known_in_any_escape() {
        for uri in [
            "file://data/../../x",
            "file://data/../x",
            "file:///../x",
            "file:///a/../../x",
            "file:///a/%2e%2e/%2E./x",
            "file:///a/..%2f..%2fx",
            "file:///a/..%252f..%252fx",
            "file:///%25252e%25252e/x",
            "file:///a\\..\\..\\x",
            "file:///a/%5c..%5c../x",
            "file:/../x",
            "file:../x",
            "file:a/../../x",
            "file://../x",
            "file://%2e%2e/x",
            "../x",
            "a/%2e%2e/../x",
            "https://example.com/..",
            "file:///%2525252525252e",
        ] {
            assert!(form(uri).climbs, "{uri} comes to {}", normal(uri));
        }
        for uri in [
            "file:///a/../b",
            "file:///a/b/../../c",
            "file:///a/%2e%2e/b",
            "file:///a%20b",
            "file:///a/...",
            "file:///a..b/..c",
            "file://localhost/a/..",
            "https://example.com/a%2fb/..",
            "urn:a:..b",
            "db:a/../b",
            "test://static/{id}",
            "x",
            "",
        ] {
            assert!(!form(uri).climbs, "{uri} comes to {}", normal(uri));
        }
    }

    proptest! {
        #[test]
        fn once_is_enough_and_no_way_up_is_left(text in "(file|x)://[a/.%2eE5cfF\\\\*]{0,24}") {
            let once = normal(&text).into_owned();
            prop_assert!(text.matches('%').count() > 3 || normal(&once) == once, "{} {}", once, normal(&once));
            let escapes = once.contains('%');
            // What stands before the first slash is a host, whatever it is called.
            let path = once.splitn(4, '/').nth(3).unwrap_or("");
            prop_assert!(escapes || !path.split('/').any(|part| part == ".."), "{}", once);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = normal(&text);
        }
    }
}
