//! A lean reader of one line, which is one JSON object: finds a member without building a tree.
//!
//! Lines are our own, so it is lenient: where a text is cut or is no JSON, it ends.

use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// A value, as its bytes in the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// What stands between the quotes, escapes and all.
    Text(&'a [u8]),
    /// A number as written.
    Number(&'a [u8]),
    /// `true`, `false` or `null`.
    Word(&'a [u8]),
    /// An object with its braces.
    Object(&'a [u8]),
    /// A list with its brackets.
    List(&'a [u8]),
}

impl<'a> Value<'a> {
    /// As text; `None` for `null`.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(raw) => Some(unescaped(raw)),
            Self::Word(b"null") => None,
            Self::Number(raw) | Self::Word(raw) | Self::Object(raw) | Self::List(raw) => {
                Some(String::from_utf8_lossy(raw))
            }
        }
    }

    /// The bytes of an object.
    pub(crate) fn object(self) -> Option<&'a [u8]> {
        match self {
            Self::Object(raw) => Some(raw),
            _ => None,
        }
    }
}

/// The members of the object that `json` begins with: keys between their quotes, and values.
pub(crate) fn members(json: &[u8]) -> Members<'_> {
    let json = json.trim_ascii_start();
    Members {
        rest: json.strip_prefix(b"{").unwrap_or_default(),
    }
}

/// The first member of that name.
pub(crate) fn member<'a>(json: &'a [u8], name: &str) -> Option<Value<'a>> {
    members(json).find_map(|(key, value)| is_key(key, name).then_some(value))
}

/// The value at a path: the longest name first, since names may have dots themselves.
pub(crate) fn at_path<'a>(object: &'a [u8], path: &str) -> Option<Value<'a>> {
    if let Some(value) = member(object, path) {
        return Some(value);
    }
    // Bounded: a path has few dots, and each step goes deeper into the object.
    path.match_indices('.').rev().find_map(|(dot, _)| {
        let inner = member(object, &path[..dot])?.object()?;
        at_path(inner, &path[dot + 1..])
    })
}

fn is_key(key: &[u8], name: &str) -> bool {
    key == name.as_bytes() || (memchr(b'\\', key).is_some() && unescaped(key) == name)
}

/// See [`members`].
pub(crate) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.trim_ascii_start();
        let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        let (key, rest) = text(rest.strip_prefix(b"\"")?);
        let rest = rest.trim_ascii_start().strip_prefix(b":")?;
        let (value, rest) = value(rest.trim_ascii_start())?;
        self.rest = rest;
        Some((key, value))
    }
}

/// Splits a value off.
fn value(json: &[u8]) -> Option<(Value<'_>, &[u8])> {
    Some(match *json.first()? {
        b'"' => {
            let (inner, rest) = text(&json[1..]);
            (Value::Text(inner), rest)
        }
        b'{' => {
            let (whole, rest) = json.split_at(nested_end(json));
            (Value::Object(whole), rest)
        }
        b'[' => {
            let (whole, rest) = json.split_at(nested_end(json));
            (Value::List(whole), rest)
        }
        first => {
            let end = json
                .iter()
                .position(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace());
            let (word, rest) = json.split_at(end.unwrap_or(json.len()));
            if first == b'-' || first.is_ascii_digit() {
                (Value::Number(word), rest)
            } else {
                (Value::Word(word), rest)
            }
        }
    })
}

/// Names and most values end within so many bytes, sooner than a vector search would have begun.
const NEAR: usize = 24;

/// Splits at the quote that ends a text: what is before it, what is behind it.
fn text(json: &[u8]) -> (&[u8], &[u8]) {
    let near = json.iter().take(NEAR);
    let mut from = near
        .take_while(|byte| !matches!(byte, b'"' | b'\\'))
        .count();
    if json.get(from) == Some(&b'"') {
        return (&json[..from], &json[from + 1..]);
    }
    while let Some(found) = memchr2(b'"', b'\\', &json[from..]) {
        let at = from + found;
        if json[at] == b'"' {
            return (&json[..at], &json[at + 1..]);
        }
        from = (at + 2).min(json.len());
    }
    (json, &[])
}

/// Where the object or list that `json` begins with ends. Without recursion: depth is the sender's.
fn nested_end(json: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => at = json.len() - text(&json[at..]).1.len(),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    json.len()
}

/// The text that stands between quotes, escapes resolved; what is no escape stays as it is.
pub(crate) fn unescaped(raw: &[u8]) -> Cow<'_, str> {
    let Some(mut at) = memchr(b'\\', raw) else {
        return String::from_utf8_lossy(raw);
    };
    let mut out = Vec::with_capacity(raw.len());
    let mut from = 0;
    loop {
        out.extend_from_slice(&raw[from..at]);
        from = at + escape(&raw[at..], &mut out);
        match memchr(b'\\', &raw[from..]) {
            Some(next) => at = from + next,
            None => break,
        }
    }
    out.extend_from_slice(&raw[from..]);
    Cow::Owned(match String::from_utf8(out) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    })
}

/// Writes what the escape at the beginning of `raw` means; returns its length.
fn escape(raw: &[u8], out: &mut Vec<u8>) -> usize {
    let plain = match raw.get(1) {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(&b @ (b'"' | b'\\' | b'/')) => b,
        Some(b'u') => {
            let Some(first) = unit(raw) else {
                out.extend_from_slice(&raw[..2]);
                return 2;
            };
            let pair = [first, unit(raw.get(6..).unwrap_or_default()).unwrap_or(0)];
            let decoded = char::decode_utf16(pair).next().and_then(Result::ok);
            let character = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return 6 * character.len_utf16();
        }
        _ => {
            out.push(b'\\');
            return 1;
        }
    };
    out.push(plain);
    2
}

/// The code unit of `\uXXXX`.
fn unit(raw: &[u8]) -> Option<u16> {
    let digits = raw.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u16::from_str_radix(digits, 16).ok())?
}

/// A whole number; one with a point or an exponent is rounded. `None` beyond 64 bits.
pub(crate) fn whole(number: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(number).ok()?;
    text.parse().ok().or_else(|| rounded(text.parse().ok()?))
}

/// Milliseconds as lines have them, in nanoseconds.
pub(crate) fn ms_to_ns(ms: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(ms).ok()?;
    rounded(text.parse::<f64>().ok()? * 1e6)
}

fn rounded(number: f64) -> Option<i64> {
    // Beyond this, `as` would saturate.
    (number.abs() < 9.2e18).then(|| number.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_an_object() {
        #[track_caller]
        fn check(json: &str, want: &[(&str, Value<'_>)]) {
            let got: Vec<_> = members(json.as_bytes())
                .map(|(k, v)| (std::str::from_utf8(k).expect("UTF-8"), v))
                .collect();
            assert_eq!(got, want, "{json}");
        }
        check("{}", &[]);
        check(
            r#" { "a" : 1 , "b":"x\"y", "c":[{"a":"]"}],"d":{"e":"}"}, "f":true}"#,
            &[
                ("a", Value::Number(b"1")),
                ("b", Value::Text(br#"x\"y"#)),
                ("c", Value::List(br#"[{"a":"]"}]"#)),
                ("d", Value::Object(br#"{"e":"}"}"#)),
                ("f", Value::Word(b"true")),
            ],
        );
        // Cut, or no JSON.
        check(r#"{"a":"x"#, &[("a", Value::Text(b"x"))]);
        check(r#"{"a":"x\"#, &[("a", Value::Text(br"x\"))]);
        check(r#"{"a":{"b":1"#, &[("a", Value::Object(br#"{"b":1"#))]);
        check(r#"{"a""#, &[]);
        check("[1]", &[]);
        check("", &[]);
    }

    #[test]
    fn escapes() {
        #[track_caller]
        fn check(raw: &str, want: &str) {
            assert_eq!(unescaped(raw.as_bytes()), want, "{raw}");
        }
        check(r#"a\"b\\c\/d\n\t"#, "a\"b\\c/d\n\t");
        check(r"\u00e4\ud83d\ude00!", "ä😀!");
        check(r"\ud83d!", "\u{FFFD}!");
        check(r"\u00g0", r"\u00g0");
        check(r"\", r"\");
        check(r"\x", r"\x");
        check("ä", "ä");
    }

    proptest::proptest! {
        /// What a full reader finds is what this one finds.
        #[test]
        fn agrees_with_a_full_reader(
            pairs in proptest::collection::btree_map(".{0,6}", ".{0,12}", 0..6),
            number: i64,
        ) {
            let mut object = serde_json::Map::new();
            for (key, value) in &pairs {
                object.insert(key.clone(), value.clone().into());
            }
            object.insert("number".to_owned(), serde_json::json!({"deep": [number, "}"]}));
            let json = serde_json::Value::Object(object.clone()).to_string();
            for (key, value) in &object {
                let found = member(json.as_bytes(), key).and_then(Value::text);
                let want = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                proptest::prop_assert_eq!(found.as_deref(), Some(want.as_str()));
            }
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, path in "[a-c.]{1,6}") {
            let _ = members(&bytes).count();
            let _ = at_path(&bytes, &path);
            let _ = unescaped(&bytes);
        }
    }
}
