//! Rust text with everything that is not code blanked out.
//!
//! The rules look for words. A word in a comment, a string or a test is not a use, so those are
//! replaced by spaces of the same length: line numbers and columns stay what they are.

use std::ops::Range;

/// Replaces comments, strings and character literals by blanks.
///
/// Quotes stay, so that `"…"` is still seen to be a string. The result has as many bytes and the
/// same line ends as the input.
pub(crate) fn code_of(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while at < out.len() {
        match skipped_at(text.as_bytes(), at) {
            Some(Skipped { blank, next }) => {
                blank_out(&mut out, blank);
                at = next;
            }
            None => at += 1,
        }
    }
    into_text(&out)
}

/// Blanks every item under `#[cfg(test)]` in text that [`code_of`] has been through.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(") {
        let start = from + found;
        let condition_end = start + code[start..].find(']').unwrap_or(code.len() - start);
        from = condition_end;
        if is_test_condition(&code[start..condition_end]) {
            let end = item_end(code.as_bytes(), condition_end);
            blank_out(&mut out, start..end);
            from = end;
        }
    }
    into_text(&out)
}

/// The names of all test functions in text that [`code_of`] has been through.
///
/// A test function is the first `fn` after an attribute whose path ends in `test`.
pub(crate) fn test_names(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = code;
    while let Some(found) = rest.find("#[") {
        rest = &rest[found + 2..];
        let path: &str = rest.split(['(', ']']).next().unwrap_or_default().trim();
        if path != "test" && !path.ends_with("::test") {
            continue;
        }
        if let Some(name) = rest.find("fn ").map(|at| identifier(&rest[at + 3..])) {
            names.push(name);
        }
    }
    names
}

/// Whether the file holds nothing but tests, by its place or name.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

/// The line, counted from 1, that a byte offset lies in.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

/// Every place where `word` stands on its own: no letter, digit or `_` touches its ends, unless the
/// word itself begins or ends with another sign.
pub(crate) fn uses_of(code: &str, word: &str) -> Vec<usize> {
    let touches = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    let bytes = code.as_bytes();
    let (first, last) = match (word.as_bytes().first(), word.as_bytes().last()) {
        (Some(first), Some(last)) => (is_word(*first), is_word(*last)),
        _ => return Vec::new(),
    };
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| !(first && *at > 0 && touches(bytes.get(at - 1))))
        .filter(|at| !(last && touches(bytes.get(at + word.len()))))
        .collect()
}

/// A stretch that is not code, and where code goes on.
struct Skipped {
    blank: Range<usize>,
    next: usize,
}

fn skipped_at(text: &[u8], at: usize) -> Option<Skipped> {
    let rest = &text[at..];
    if rest.starts_with(b"//") {
        let end = at
            + rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
        return Some(Skipped {
            blank: at..end,
            next: end,
        });
    }
    if rest.starts_with(b"/*") {
        let end = block_comment_end(text, at);
        return Some(Skipped {
            blank: at..end,
            next: end,
        });
    }
    let begins_word = at == 0 || !is_word(text[at - 1]);
    if begins_word && let Some(skipped) = raw_string(text, at) {
        return Some(skipped);
    }
    match rest.first() {
        Some(b'"') => Some(quoted(text, at, b'"')),
        Some(b'\'') if is_char_literal(rest) => Some(quoted(text, at, b'\'')),
        _ => None,
    }
}

/// Block comments nest.
fn block_comment_end(text: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0usize, start);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(text.len())
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`: no escapes, as many `#` behind as before.
fn raw_string(text: &[u8], at: usize) -> Option<Skipped> {
    let rest = &text[at..];
    let prefix = [&b"br"[..], b"cr", b"r"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix))?;
    let hashes = rest[prefix.len()..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    let open = prefix.len() + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = at + open + 1;
    let length = text[body..]
        .windows(close.len())
        .position(|window| window == close);
    let end = length.map_or(text.len(), |length| body + length);
    Some(Skipped {
        blank: body..end,
        next: (end + close.len()).min(text.len()),
    })
}

fn quoted(text: &[u8], open: usize, quote: u8) -> Skipped {
    let mut at = open + 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    let end = at.min(text.len());
    Skipped {
        blank: open + 1..end,
        next: (end + 1).min(text.len()),
    }
}

/// Tells `'a'` and `'\n'` from the lifetime `'a`.
fn is_char_literal(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xE0 => 2,
                0xE0..0xF0 => 3,
                _ => 4,
            };
            rest.get(1 + width) == Some(&b'\'')
        }
        None => false,
    }
}

/// `#[cfg(test)]` and `#[cfg(any(test, …))]`, but not `#[cfg(not(test))]`.
fn is_test_condition(attribute: &str) -> bool {
    !attribute.contains("not(") && !uses_of(attribute, "test").is_empty()
}

/// The end of the item that follows: its closing brace, or a semicolon before any brace.
fn item_end(code: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn identifier(text: &str) -> &str {
    let text = text.trim_start();
    let end = text
        .bytes()
        .position(|byte| !is_word(byte))
        .unwrap_or(text.len());
    &text[..end]
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn blank_out(out: &mut [u8], range: Range<usize>) {
    for byte in &mut out[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Whole characters were blanked, or none of their bytes, so this never loses any.
fn into_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_code(text: &str, want: &str) {
        let got = code_of(text);
        assert_eq!(got, want, "input {text:?}");
        assert_eq!(got.len(), text.len());
    }

    #[test]
    fn comments_and_strings_are_blanked() {
        check_code("a // b\nc", "a     \nc");
        check_code("a /* b /* c */ d */ e", "a                   e");
        check_code("f(\"x // y\") // z", "f(\"      \")     ");
        check_code(r#"f("a\"b") c"#, r#"f("    ") c"#);
        check_code("r#\"a\"b\"# c", "r#\"   \"# c");
        check_code("br\"\\\" c", "br\" \" c");
        check_code("for\"x\"", "for\" \"");
        check_code("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check_code("'x' '\\'' 'é' 'a", "' ' '  ' '  ' 'a");
        check_code("\"open", "\"    ");
    }

    #[test]
    fn tests_are_blanked() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}";
        let got = without_tests(code);
        assert!(got.contains("fn a"), "{got}");
        assert!(got.contains("fn c"), "{got}");
        assert!(!got.contains("fn b"), "{got}");
        assert_eq!(got.len(), code.len());

        let got = without_tests("#[cfg(test)]\nuse x;\nfn a() {}");
        assert!(got.contains("fn a") && !got.contains("use x"), "{got}");

        let kept = "#[cfg(not(test))]\nfn a() {}";
        assert_eq!(without_tests(kept), kept);
        assert!(!without_tests("#[cfg(any(test, feature = \"\"))]\nfn a() {}").contains("fn a"));
    }

    #[test]
    fn tests_are_named() {
        let code = "#[test]\nfn one() {}\n#[tokio::test(start_paused = true)]\n#[x]\nasync fn two() {}\n\
                    #[derive(Debug)]\nfn three() {}\n#[ test ]\nfn four() {}";
        assert_eq!(test_names(code), ["one", "two", "four"]);
    }

    #[test]
    fn uses_stand_alone() {
        assert_eq!(uses_of("std::fs std::fsync xstd::fs", "std::fs"), [0]);
        assert_eq!(uses_of("a.await b.await_it", ".await"), [1]);
        assert_eq!(uses_of("x", ""), Vec::<usize>::new());
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(line_of("a\nb\nc", 0), 1);
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
