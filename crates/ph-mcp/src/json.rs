//! A strict JSON cursor over a whole document: validates, skips, and gives ranges.
//!
//! It accepts what RFC 8259 accepts, no more; `fuzz/envelope` holds it to serde_json.

use std::borrow::Cow;
use std::ops::Range;

/// Deepest nesting that is read.
pub(crate) const DEPTH_MAX: usize = 128;

/// Why a text is not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub at: usize,
    pub what: &'static str,
}

/// What kind of value was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A value's place in the text, quotes or brackets included.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub kind: ValueKind,
    pub range: Range<usize>,
}

pub(crate) struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// The text is known to be JSON: values are skipped without looking into them.
    checked: bool,
}

type Read<T> = Result<T, Fault>;

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
            checked: false,
        }
    }

    /// A cursor over the value at `range`, which has been read before and is JSON.
    pub(crate) fn within(text: &'a str, range: &Range<usize>) -> Self {
        Self {
            at: range.start,
            checked: true,
            ..Self::new(&text[..range.end])
        }
    }

    pub(crate) fn fault<T>(&self, what: &'static str) -> Read<T> {
        Err(Fault { at: self.at, what })
    }

    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Read<()> {
        match self.peek() {
            Some(b) if b == byte => {
                self.at += 1;
                Ok(())
            }
            _ => self.fault(what),
        }
    }

    /// Nothing but white space follows.
    pub(crate) fn end(&mut self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("something follows the message"),
        }
    }

    /// Visits the members of an object: `visit(key, value)`, the value already checked.
    pub(crate) fn object(
        &mut self,
        mut visit: impl FnMut(Cow<'a, str>, Value) -> Read<()>,
    ) -> Read<()> {
        self.take(b'{', "an object is expected")?;
        self.enter()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fault("a key is expected");
            }
            let (key, is_plain) = self.string()?;
            let key = &self.text[key];
            let key = if is_plain {
                Cow::Borrowed(key)
            } else {
                unquote(key)
            };
            self.take(b':', "`:` is expected")?;
            let value = self.value()?;
            visit(key, value)?;
            if self.comma_or(b'}')? {
                return Ok(());
            }
        }
    }

    /// Visits the elements of an array.
    pub(crate) fn array(&mut self, mut visit: impl FnMut(Value) -> Read<()>) -> Read<()> {
        self.take(b'[', "an array is expected")?;
        self.enter()?;
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            let value = self.value()?;
            visit(value)?;
            if self.comma_or(b']')? {
                return Ok(());
            }
        }
    }

    fn enter(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.fault("nested too deeply")
        } else {
            Ok(())
        }
    }

    /// After an element: `true` at the end of the container.
    fn comma_or(&mut self, close: u8) -> Read<bool> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(b) if b == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(true)
            }
            _ => self.fault("`,` or the end of the container is expected"),
        }
    }

    /// Checks and skips one value.
    pub(crate) fn value(&mut self) -> Read<Value> {
        let first = self.peek();
        let start = self.at;
        let kind = match first {
            Some(b'{') => {
                self.skip_container()?;
                ValueKind::Object
            }
            Some(b'[') => {
                self.skip_container()?;
                ValueKind::Array
            }
            _ => self.scalar()?,
        };
        Ok(Value {
            kind,
            range: start..self.at,
        })
    }

    fn scalar(&mut self) -> Read<ValueKind> {
        match self.peek() {
            Some(b'"') => {
                self.string()?;
                Ok(ValueKind::String)
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(ValueKind::Number)
            }
            Some(b't') => self.word("true", ValueKind::Bool),
            Some(b'f') => self.word("false", ValueKind::Bool),
            Some(b'n') => self.word("null", ValueKind::Null),
            _ => self.fault("a value is expected"),
        }
    }

    fn word(&mut self, word: &str, kind: ValueKind) -> Read<ValueKind> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(kind)
        } else {
            self.fault("a value is expected")
        }
    }

    /// Skips a container without recursion; one bit per open container says object or array.
    fn skip_container(&mut self) -> Read<()> {
        if self.checked {
            return self.skip_checked_container();
        }
        let floor = self.depth;
        let mut is_object = [false; DEPTH_MAX + 1];
        loop {
            // Here a value is expected.
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.enter()?;
                    is_object[self.depth] = open == b'{';
                    let close = if open == b'{' { b'}' } else { b']' };
                    if self.peek() == Some(close) {
                        self.at += 1;
                        self.depth -= 1;
                    } else {
                        if is_object[self.depth] {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => {
                    self.scalar()?;
                }
            }
            // Here a value has ended.
            loop {
                if self.depth == floor {
                    return Ok(());
                }
                let object = is_object[self.depth];
                if !self.comma_or(if object { b'}' } else { b']' })? {
                    if object {
                        self.key()?;
                    }
                    break;
                }
            }
        }
    }

    /// Skips a container that is known to be JSON: only brackets and strings matter.
    fn skip_checked_container(&mut self) -> Read<()> {
        let mut open = 0_usize;
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'{' | b'[' => open += 1,
                b'}' | b']' => {
                    open -= 1;
                    if open == 0 {
                        return Ok(());
                    }
                }
                b'"' => _ = self.skip_checked_string(),
                _ => {}
            }
        }
        self.fault("a container is not closed")
    }

    /// Skips a string whose opening quote has been read; `true` when it has no escape.
    fn skip_checked_string(&mut self) -> bool {
        let mut is_plain = true;
        while let Some(step) = plain_length(&self.bytes[self.at..]) {
            self.at += step;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return is_plain;
            }
            is_plain = false;
            self.at = (self.at + 2).min(self.bytes.len());
        }
        self.at = self.bytes.len();
        is_plain
    }

    fn key(&mut self) -> Read<()> {
        if self.peek() != Some(b'"') {
            return self.fault("a key is expected");
        }
        self.string()?;
        self.take(b':', "`:` is expected")
    }

    /// Reads a string; the range is without the quotes, and `true` says that it has no escape.
    fn string(&mut self) -> Read<(Range<usize>, bool)> {
        self.at += 1;
        let start = self.at;
        if self.checked {
            let is_plain = self.skip_checked_string();
            return Ok((start..self.at - 1, is_plain));
        }
        let mut is_plain = true;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(step) = plain_length(rest) else {
                return self.fault("a string is not closed");
            };
            // Without an early exit the compiler looks at many bytes at once.
            let has_control = rest[..step].iter().fold(false, |any, b| any | (*b < 0x20));
            if has_control {
                let control = rest[..step].iter().position(|b| *b < 0x20);
                self.at += control.unwrap_or(0);
                return self.fault("a control character stands in a string");
            }
            self.at += step;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok((start..self.at - 1, is_plain));
            }
            is_plain = false;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Read<()> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let hex = self.bytes.get(self.at + 2..self.at + 6);
                if !hex.is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fault("`\\u` needs four hex digits");
                }
                self.at += 6;
            }
            _ => return self.fault("unknown escape"),
        }
        Ok(())
    }

    fn number(&mut self) -> Read<()> {
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fault("a digit is expected"),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Read<()> {
        if self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.digits();
            Ok(())
        } else {
            self.fault("a digit is expected")
        }
    }
}

/// Bytes before the next quote or backslash; `None` when there is neither.
///
/// Most strings are short: a short way is gone by hand before `memchr` is worth its start.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    const BY_HAND: usize = 16;
    let near = &bytes[..bytes.len().min(BY_HAND)];
    let found = near.iter().position(|b| matches!(b, b'"' | b'\\'));
    found.or_else(|| {
        let far = memchr::memchr2(b'"', b'\\', &bytes[near.len()..]);
        far.map(|step| near.len() + step)
    })
}

/// The text of a checked string without its quotes; borrowed unless it has escapes.
///
/// A lone surrogate becomes U+FFFD.
pub(crate) fn unquote(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(i) = rest.find('\\') {
        out.push_str(&rest[..i]);
        let code = rest.as_bytes().get(i + 1).copied().unwrap_or(b'\\');
        rest = rest.get(i + 2..).unwrap_or("");
        match code {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (c, used) = code_point(rest);
                out.push(c);
                rest = rest.get(used..).unwrap_or("");
            }
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of `XXXX` or `XXXX\uYYYY`, and how many bytes it took.
fn code_point(rest: &str) -> (char, usize) {
    let unit = |text: Option<&str>| text.and_then(|t| u32::from_str_radix(t, 16).ok());
    let Some(first) = unit(rest.get(..4)) else {
        return (char::REPLACEMENT_CHARACTER, rest.len().min(4));
    };
    if (0xd800..0xdc00).contains(&first)
        && rest.get(4..6) == Some("\\u")
        && let Some(second @ 0xdc00..=0xdfff) = unit(rest.get(6..10))
    {
        let c = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER),
        4,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_valid(text: &str) -> bool {
        let mut c = Cursor::new(text);
        c.value().and_then(|_| c.end()).is_ok()
    }

    #[track_caller]
    fn check(text: &str) {
        let want = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(is_valid(text), want, "input {text:?}");
    }

    #[test]
    fn agrees_with_serde_json_on_corner_cases() {
        for text in [
            "{}",
            "[]",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "-",
            "-0",
            "1.",
            "1.5e+3",
            "1e",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\u{1}\"",
            "nul",
            "true false",
            " {\"a\" : [ {} , [ ] ] } ",
            "{\"a\"}",
            "[}",
            "",
            "\"",
            "{\"a\":{}}x",
        ] {
            check(text);
        }
        assert!(!is_valid(&"[".repeat(10_000)));
        assert!(is_valid(&format!(
            "{}{}",
            "[".repeat(DEPTH_MAX),
            "]".repeat(DEPTH_MAX)
        )));
        assert!(!is_valid(&format!(
            "{}{}",
            "[".repeat(DEPTH_MAX + 1),
            "]".repeat(DEPTH_MAX + 1)
        )));
    }

    #[test]
    fn strings_are_unquoted() {
        assert_eq!(unquote("plain"), "plain");
        assert_eq!(
            unquote(r#"a\"\\\/\n\u00e9\ud83d\ude00\ud800"#),
            "a\"\\/\né😀\u{fffd}"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}\",:0-9a\\\\eE.+-]{0,24}") {
            check(&text);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = is_valid(&text);
            let _ = unquote(&text);
        }
    }
}
