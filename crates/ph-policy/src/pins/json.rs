//! A strict reader of JSON that can be put into canonical form: I-JSON (RFC 7493), bounded.
//!
//! What two readers could understand differently is a [`Fault`]: a key that stands twice, half of a
//! surrogate pair, a number that no double holds.

use std::ops::Range;

/// Deepest nesting.
pub(super) const DEPTH_MAX: usize = 64;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// Finite.
    Number(f64),
    Text(Box<str>),
    List(Vec<Json>),
    /// In the order of the text; no key is there twice.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    /// Reads a whole text.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let mut reader = Reader::new(text);
        let value = reader.value()?;
        reader.end()?;
        Ok(value)
    }

    /// The member `key` of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        members.iter().find(|(k, _)| &**k == key).map(|(_, v)| v)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Why a text has no canonical form, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at byte {at}")]
pub struct Fault {
    /// Byte in the text.
    pub at: usize,
    /// What is wrong, in words of ours.
    pub what: &'static str,
}

/// Reads values one after another.
pub(super) struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

type Read<T> = Result<T, Fault>;

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// Only white space follows.
    pub(super) fn end(&mut self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("something follows the value"),
        }
    }

    /// One value.
    pub(super) fn value(&mut self) -> Read<Json> {
        match self.peek() {
            Some(b'{') => {
                let mut members: Vec<(Box<str>, Json)> = Vec::new();
                self.object(|key, reader| {
                    let value = reader.value()?;
                    members.push((key, value));
                    Ok(())
                })?;
                let mut keys: Vec<&str> = members.iter().map(|(k, _)| &**k).collect();
                keys.sort_unstable();
                if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                    return self.fault("a key stands twice in the object that ends here");
                }
                Ok(Json::Object(members))
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.list(|reader| {
                    items.push(reader.value()?);
                    Ok(())
                })?;
                Ok(Json::List(items))
            }
            Some(b'"') => Ok(Json::Text(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.fault("a value is expected"),
        }
    }

    /// Skips one value, whose strings and numbers may be what [`Reader::value`] refuses. Gives its place.
    pub(super) fn skip(&mut self) -> Read<Range<usize>> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'{') => self.members(|reader| {
                reader.raw_string()?;
                reader.take(b':')?;
                reader.skip().map(drop)
            })?,
            Some(b'[') => self.list(|reader| reader.skip().map(drop))?,
            Some(b'"') => drop(self.raw_string()?),
            Some(b'-' | b'0'..=b'9') => drop(self.number_text()?),
            _ => drop(self.value()?),
        }
        Ok(start..self.at)
    }

    /// Calls `member` with each key, before its value, which it has to read.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(Box<str>, &mut Self) -> Read<()>,
    ) -> Read<()> {
        self.members(|reader| {
            let key = reader.string()?.into();
            reader.take(b':')?;
            member(key, reader)
        })
    }

    fn members(&mut self, member: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.container(b'{', b'}', member)
    }

    /// Calls `item` before each element, which it has to read.
    pub(super) fn list(&mut self, item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.container(b'[', b']', item)
    }

    fn container(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Read<()>,
    ) -> Read<()> {
        self.take(open)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fault("nested too deeply");
        }
        if self.peek() == Some(close) {
            self.at += 1;
        } else {
            loop {
                item(self)?;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(byte) if byte == close => {
                        self.at += 1;
                        break;
                    }
                    _ => return self.fault("`,` or the end of the container is expected"),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Read<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.fault(match byte {
            b':' => "`:` is expected",
            b'"' => "a key is expected",
            b'[' => "a list is expected",
            _ => "an object is expected",
        })
    }

    fn word(&mut self, word: &str, value: Json) -> Read<Json> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        self.fault("a value is expected")
    }

    fn number(&mut self) -> Read<f64> {
        let text = self.number_text()?;
        let number: f64 = text.parse().unwrap_or(f64::INFINITY);
        if number.is_finite() {
            return Ok(number);
        }
        self.fault("a number is larger than a double can be")
    }

    /// By the grammar of RFC 8259.
    fn number_text(&mut self) -> Read<&'t str> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        let byte = |at: usize| bytes.get(at).copied();
        let digits = |mut at: usize| {
            while byte(at).is_some_and(|b| b.is_ascii_digit()) {
                at += 1;
            }
            at
        };
        let mut at = start + usize::from(byte(start) == Some(b'-'));
        let whole = digits(at);
        if whole == at || (byte(at) == Some(b'0') && whole > at + 1) {
            return self.fault("a number is malformed");
        }
        at = whole;
        if byte(at) == Some(b'.') {
            let fraction = digits(at + 1);
            if fraction == at + 1 {
                return self.fault("a number is malformed");
            }
            at = fraction;
        }
        if matches!(byte(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(byte(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent == at + 1 + sign {
                return self.fault("a number is malformed");
            }
            at = exponent;
        }
        self.at = at;
        Ok(&self.text[start..at])
    }

    /// A string as it stands, without its quotes.
    fn raw_string(&mut self) -> Read<&'t str> {
        self.take(b'"')?;
        let (start, bytes) = (self.at, self.text.as_bytes());
        loop {
            match bytes.get(self.at) {
                None => return self.fault("a string does not end"),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    let escape = bytes.get(self.at).copied();
                    match escape {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                            self.at += 1;
                        }
                        Some(b'u') => {
                            let digits = bytes.get(self.at + 1..self.at + 5);
                            if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                                return self.fault("an escape is malformed");
                            }
                            self.at += 5;
                        }
                        _ => return self.fault("an escape is malformed"),
                    }
                }
                Some(0..0x20) => return self.fault("a control character stands in a string"),
                Some(_) => self.at += 1,
            }
        }
        let text = &self.text[start..self.at];
        self.at += 1;
        Ok(text)
    }

    fn string(&mut self) -> Read<String> {
        let raw = self.raw_string()?;
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.push_str(plain);
            // The grammar was checked above: an escape has its letter, and `u` four digits.
            let (letter, after) = escape.split_at(1);
            rest = after;
            match letter {
                "b" => out.push('\u{8}'),
                "f" => out.push('\u{c}'),
                "n" => out.push('\n'),
                "r" => out.push('\r'),
                "t" => out.push('\t'),
                "u" => {
                    let (unit, after) = unit(rest);
                    rest = after;
                    let scalar = match unit {
                        0xD800..=0xDBFF => {
                            let low = rest.strip_prefix("\\u").map(self::unit);
                            let Some((low @ 0xDC00..=0xDFFF, after)) = low else {
                                return self.fault("half of a surrogate pair stands alone");
                            };
                            rest = after;
                            0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                        }
                        unit => unit,
                    };
                    let Some(scalar) = char::from_u32(scalar) else {
                        return self.fault("half of a surrogate pair stands alone");
                    };
                    out.push(scalar);
                }
                other => out.push_str(other),
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn fault<T>(&self, what: &'static str) -> Read<T> {
        Err(Fault { at: self.at, what })
    }
}

/// Four hexadecimal digits and what follows them.
fn unit(text: &str) -> (u32, &str) {
    let (digits, rest) = text.split_at(4);
    (u32::from_str_radix(digits, 16).unwrap_or(0), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let fault = Json::read(text).unwrap_err();
        assert!(fault.what.contains(why), "{text}: {fault}");
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        refused(r#"{"a":1,"a":1}"#, "twice");
        refused(r#"{"a":1,"\u0061":2}"#, "twice");
        refused(r#"{"x":{"b":1,"a":2,"b":3}}"#, "twice");
        refused(r#""\ud800""#, "surrogate");
        refused(r#""\udc00""#, "surrogate");
        refused(r#""\ud83d\u0041""#, "surrogate");
        refused(r#"{"\udead":1}"#, "surrogate");
        refused("1e400", "larger");
        refused("-1e999", "larger");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "NaN",
            "tru",
            "nulll",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\n\"",
            "1 2",
            "[1}",
            "\u{feff}1",
        ] {
            assert!(Json::read(bad).is_err(), "{bad:?}");
            let mut reader = Reader::new(bad);
            assert!(reader.skip().is_err() || reader.end().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Json::read(&nested(DEPTH_MAX)).is_ok());
        refused(&nested(DEPTH_MAX + 1), "deep");
        refused(&"[{\"a\":".repeat(500_000), "deep");
        assert!(Reader::new(&nested(100_000)).skip().is_err());
    }

    #[test]
    fn what_is_skipped_may_be_flawed() {
        let text = r#" {"a":"\ud800","a":[1e999,{}]} "#;
        let mut reader = Reader::new(text);
        assert_eq!(&text[reader.skip().unwrap()], text.trim());
        assert!(reader.end().is_ok());
    }
}
