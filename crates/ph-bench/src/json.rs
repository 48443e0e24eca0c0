//! The outline of a JSON text: members and elements as raw slices.
//!
//! Enough to find `id`, `method` and one argument without building a tree. It
//! finds where values end and nothing more: it is no validator, and a text that
//! is wrong inside a skipped value is passed over.

use memchr::memchr2;

/// The text ended, or had another shape, where a value was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The value of the first member called `key`, as raw text; `None` if `object`
/// is not an object or has no such member.
pub(crate) fn member<'a>(object: &'a [u8], key: &str) -> Option<&'a [u8]> {
    members(object)
        .map_while(Result::ok)
        .find(|(name, _)| *name == key.as_bytes())
        .map(|(_, value)| value)
}

/// The raw members of an object in order: (name between its quotes, value).
pub(crate) fn members(object: &[u8]) -> Members<'_> {
    let at = skip_space(object, 0);
    let state = if object.get(at) == Some(&b'{') {
        State::First
    } else {
        State::Broken
    };
    Members {
        text: object,
        at: at + 1,
        state,
    }
}

/// The first element of an array, as raw text.
pub(crate) fn first_element(array: &[u8]) -> Option<&[u8]> {
    let open = skip_space(array, 0);
    if array.get(open) != Some(&b'[') {
        return None;
    }
    let start = skip_space(array, open + 1);
    let end = skip_value(array, start).ok()?;
    array.get(start..end)
}

/// What stands between the quotes of a raw string value, escapes untouched.
pub(crate) fn unquoted(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The name between its quotes, and the value.
type Member<'a> = (&'a [u8], &'a [u8]);

/// Iterator of [`members`].
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    First,
    Rest,
    Done,
    Broken,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = match self.state {
            State::Done => return None,
            State::Broken => Err(Malformed),
            State::First | State::Rest => self.step().transpose()?,
        };
        self.state = match (&found, self.state) {
            (Ok(_), State::Done) => State::Done,
            (Ok(_), _) => State::Rest,
            (Err(_), _) => State::Done,
        };
        Some(found)
    }
}

impl<'a> Members<'a> {
    fn step(&mut self) -> Result<Option<Member<'a>>, Malformed> {
        let mut at = skip_space(self.text, self.at);
        match (self.text.get(at), self.state) {
            (Some(b'}'), _) => {
                self.state = State::Done;
                return Ok(None);
            }
            (Some(b','), State::Rest) => at = skip_space(self.text, at + 1),
            (Some(_), State::First) => {}
            _ => return Err(Malformed),
        }
        let name_end = skip_string(self.text, at)?;
        let colon = skip_space(self.text, name_end);
        if self.text.get(colon) != Some(&b':') {
            return Err(Malformed);
        }
        let start = skip_space(self.text, colon + 1);
        let end = skip_value(self.text, start)?;
        self.at = end;
        Ok(Some((
            &self.text[at + 1..name_end - 1],
            &self.text[start..end],
        )))
    }
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

fn skip_value(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at).ok_or(Malformed)? {
        b'"' => skip_string(text, at),
        b'{' | b'[' => skip_container(text, at),
        b',' | b':' | b'}' | b']' => Err(Malformed),
        _ => Ok(skip_scalar(text, at)),
    }
}

fn skip_scalar(text: &[u8], mut at: usize) -> usize {
    while !matches!(
        text.get(at),
        None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
    ) {
        at += 1;
    }
    at
}

fn skip_string(text: &[u8], at: usize) -> Result<usize, Malformed> {
    if text.get(at) != Some(&b'"') {
        return Err(Malformed);
    }
    let mut from = at + 1;
    loop {
        let rest = text.get(from..).ok_or(Malformed)?;
        let found = from + memchr2(b'"', b'\\', rest).ok_or(Malformed)?;
        if text[found] == b'"' {
            return Ok(found + 1);
        }
        from = found + 2;
    }
}

fn skip_container(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut depth = 0_usize;
    loop {
        match text.get(at).ok_or(Malformed)? {
            b'"' => {
                at = skip_string(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, key: &str, want: Option<&str>) {
        let got = member(text.as_bytes(), key).map(|v| String::from_utf8_lossy(v).into_owned());
        assert_eq!(got.as_deref(), want, "{key} of {text}");
    }

    #[test]
    fn members_are_found_at_the_first_level_only() {
        let text = r#" { "a" : {"id":1,"x":"}"} , "id":"q\"}" ,"n":[{"id":3},"]"],"z":-1.5e3}"#;
        check(text, "id", Some(r#""q\"}""#));
        check(text, "a", Some(r#"{"id":1,"x":"}"}"#));
        check(text, "n", Some(r#"[{"id":3},"]"]"#));
        check(text, "z", Some("-1.5e3"));
        check(text, "x", None);
        check("{}", "id", None);
        check("[1]", "id", None);
    }

    #[test]
    fn a_text_that_ends_early_is_malformed() {
        for text in [
            "",
            "{",
            r#"{"a"#,
            r#"{"a":"#,
            r#"{"a":{"b":1"#,
            r#"{"a":1"#,
            "7",
        ] {
            let last = members(text.as_bytes()).last();
            assert_eq!(last, Some(Err(Malformed)), "{text}");
        }
        assert_eq!(members(b"{}").next(), None);
    }

    #[test]
    fn first_element_is_raw() {
        assert_eq!(
            first_element(br#"[ {"a":[1]}, 2]"#),
            Some(&br#"{"a":[1]}"#[..])
        );
        assert_eq!(first_element(b"[]"), None);
        assert_eq!(first_element(b"{}"), None);
    }
}
