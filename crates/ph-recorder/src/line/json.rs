//! One JSON object per line, written by hand: it is the recorder's hottest loop.

use std::fmt::Write as _;

/// The name of a member with all that stands around it, so that it is written in one piece; see [`key!`].
#[derive(Clone, Copy)]
pub(crate) struct Key(pub(crate) &'static str);

/// A [`Key`]. The name must need no escape.
macro_rules! key {
    ($name:literal) => {
        $crate::line::json::Key(concat!(",\"", $name, "\":"))
    };
}
pub(crate) use key;

/// Writes the members of one object into a buffer.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `out`.
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Ends the object and its line.
    pub(crate) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// A text; every character that could end the string, the line or a terminal's patience is escaped.
    pub(crate) fn text(&mut self, key: Key, value: &str) {
        self.texts(key, &[value]);
    }

    /// A word of ours, which needs no escape.
    pub(crate) fn label(&mut self, key: Key, value: &'static str) {
        self.plain(key, value.as_bytes());
    }

    /// A text made of parts.
    pub(crate) fn texts(&mut self, key: Key, parts: &[&str]) {
        self.key(key);
        self.out.push(b'"');
        for part in parts {
            escape(self.out, part);
        }
        self.out.push(b'"');
    }

    /// A text, left out when there is none or it is empty.
    pub(crate) fn some_text(&mut self, key: Key, value: Option<&str>) {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            self.text(key, value);
        }
    }

    /// Bytes that are known to need no escape (digits, hex).
    pub(crate) fn plain(&mut self, key: Key, value: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    /// A whole number.
    pub(crate) fn number(&mut self, key: Key, value: u64) {
        self.key(key);
        digits(self.out, value);
    }

    /// A whole number that may be negative.
    pub(crate) fn signed(&mut self, key: Key, value: i64) {
        self.key(key);
        if value < 0 {
            self.out.push(b'-');
        }
        digits(self.out, value.unsigned_abs());
    }

    /// Nanoseconds as milliseconds with three decimals, cut, not rounded.
    pub(crate) fn ms(&mut self, key: Key, ns: u64) {
        self.key(key);
        digits(self.out, ns / 1_000_000);
        let us = ns / 1_000 % 1_000;
        let digit = |n: u64| b'0' + (n % 10) as u8;
        self.out
            .extend_from_slice(&[b'.', digit(us / 100), digit(us / 10), digit(us)]);
    }

    /// Yes or no.
    pub(crate) fn bool(&mut self, key: Key, value: bool) {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn key(&mut self, Key(key): Key) {
        let comma = usize::from(std::mem::take(&mut self.first));
        self.out.extend_from_slice(&key.as_bytes()[comma..]);
    }
}

fn digits(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return out.extend_from_slice(&text[at..]);
        }
    }
}

/// Writes `text` as the inside of a JSON string.
///
/// Besides what JSON demands, it escapes what could deceive a reader of the file: DEL and the C1
/// controls (terminals obey them), line separators, and marks that change the direction of text.
pub(crate) fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (i, byte) in bytes.iter().enumerate() {
        if !SUSPECT[usize::from(*byte)] {
            continue;
        }
        let Some(c) = text[i..].chars().next().filter(|c| must_escape(*c)) else {
            continue;
        };
        out.extend_from_slice(&bytes[done..i]);
        escape_char(out, c);
        done = i + c.len_utf8();
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Bytes that begin a character which may have to be escaped.
static SUSPECT: [bool; 256] = {
    let mut suspect = [false; 256];
    let mut i = 0;
    while i < 0x20 {
        suspect[i] = true;
        i += 1;
    }
    suspect[b'"' as usize] = true;
    suspect[b'\\' as usize] = true;
    suspect[0x7f] = true;
    // Lead bytes of U+0080..U+00BF and of U+2000..U+2FFF.
    suspect[0xc2] = true;
    suspect[0xe2] = true;
    suspect
};

fn must_escape(c: char) -> bool {
    matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || c.is_control()
}

fn escape_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c => {
            let mut text = String::with_capacity(6);
            // Writing to a `String` cannot fail; all of these are below U+10000.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
            out.extend_from_slice(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn controls_are_escaped() {
        let mut out = Vec::new();
        escape(
            &mut out,
            "a\"\\\n\r\t\u{0}\u{1b}[31m\u{7f}\u{9b}é\u{2028}\u{202e}€",
        );
        let want = "a\\\"\\\\\\n\\r\\t\\u0000\\u001b[31m\\u007f\\u009bé\\u2028\\u202e€";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.ms(key!("a"), 12_345_678);
        object.ms(key!("b"), 999);
        object.ms(key!("c"), u64::MAX);
        object.end();
        assert_eq!(
            out,
            b"{\"a\":12.345,\"b\":0.000,\"c\":18446744073709.551}\n"
        );
    }

    proptest! {
        /// serde_json reads back what was put in.
        #[test]
        fn what_is_written_is_read_back(text in any::<String>(), parts in any::<[String; 2]>(), n: u64, i: i64, yes: bool) {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            object.text(key!("text"), &text);
            object.some_text(key!("some"), Some(&text));
            object.texts(key!("parts"), &[&parts[0], &parts[1]]);
            object.label(key!("label"), "a_word");
            object.number(key!("n"), n);
            object.signed(key!("i"), i);
            object.bool(key!("yes"), yes);
            object.end();
            prop_assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
            prop_assert!(out.ends_with(b"\n"));
            prop_assert!(!std::str::from_utf8(&out[..out.len() - 1]).unwrap().chars().any(char::is_control));
            let read: Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read["text"].as_str(), Some(&*text));
            prop_assert_eq!(read["some"].as_str(), Some(&*text).filter(|t| !t.is_empty()));
            prop_assert_eq!(read["parts"].as_str(), Some(&*parts.concat()));
            prop_assert_eq!(read["label"].as_str(), Some("a_word"));
            prop_assert_eq!(read["n"].as_u64(), Some(n));
            prop_assert_eq!(read["i"].as_i64(), Some(i));
            prop_assert_eq!(read["yes"].as_bool(), Some(yes));
        }
    }
}
