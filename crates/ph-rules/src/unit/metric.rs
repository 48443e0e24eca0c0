//! `name{label="value"}`, as a series is written.

use std::ops::Range;

use ph_promql::{Labels, METRIC_NAME};

/// What is wrong with a text, and where in it.
pub(super) type Wrong = (Range<usize>, String);

/// Reads the labels of a series; `{}` has none.
pub(super) fn parse(text: &str) -> Result<Labels, Wrong> {
    let mut cursor = Cursor { text, at: 0 };
    let mut pairs = Vec::new();
    cursor.skip_space();
    let name = cursor.take_while(|c| c == ':' || c == '_' || c.is_ascii_alphanumeric());
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err((0..name.len(), "expected the name of a metric".to_owned()));
    }
    if !name.is_empty() {
        pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
    }
    cursor.skip_space();
    if cursor.take('{') {
        cursor.labels(&mut pairs)?;
    } else if name.is_empty() {
        return cursor.wrong("expected a metric such as `up{job=\"x\"}`");
    }
    cursor.skip_space();
    if cursor.at < text.len() {
        return cursor.wrong("unexpected after the series");
    }
    Ok(Labels::from_pairs(pairs))
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn wrong<T>(&self, what: &str) -> Result<T, Wrong> {
        let end = self.rest().chars().next().map_or(0, char::len_utf8);
        Err((self.at..self.at + end, what.to_owned()))
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, takes: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !takes(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.rest().starts_with(wanted);
        self.at += if is_there { wanted.len_utf8() } else { 0 };
        is_there
    }

    /// After `{`, up to and with `}`.
    fn labels(&mut self, pairs: &mut Vec<(String, String)>) -> Result<(), Wrong> {
        loop {
            self.skip_space();
            if self.take('}') {
                return Ok(());
            }
            let name = self.take_while(|c| c == '_' || c.is_ascii_alphanumeric());
            if name.is_empty() {
                return self.wrong("expected the name of a label");
            }
            self.skip_space();
            if !self.take('=') {
                return self.wrong("expected `=`");
            }
            self.skip_space();
            let value = self.quoted()?;
            pairs.push((name.to_owned(), value));
            self.skip_space();
            if !self.take(',') && !self.rest().starts_with('}') {
                return self.wrong("expected `,` or `}`");
            }
        }
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        let Some(quote) = self.rest().chars().next().filter(|c| "\"'`".contains(*c)) else {
            return self.wrong("expected a value in quotes");
        };
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err((
                    start..self.text.len(),
                    "the quotes are not closed".to_owned(),
                ));
            };
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Ok(value),
                '\\' if quote != '`' => value.push(self.escaped()?),
                c => value.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Wrong> {
        let plain = match self.rest().chars().next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some(c @ ('\\' | '"' | '\'')) => c,
            _ => return self.wrong("unknown escape"),
        };
        self.at += 1;
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read() {
        let shown = |text: &str| parse(text).map(|labels| labels.to_string());
        assert_eq!(shown("up"), Ok("up".to_owned()));
        assert_eq!(
            shown(" a:b { x = 'y', z=\"1\\\"\", } "),
            Ok("a:b{x=\"y\", z=\"1\\\"\"}".to_owned())
        );
        assert_eq!(shown("{}"), Ok("{}".to_owned()));
        assert_eq!(shown("{__name__=`up`}"), Ok("up".to_owned()));
        for (text, at) in [
            ("", 0),
            ("up{", 3),
            ("up{a}", 4),
            ("up{a=\"", 5),
            ("up x", 3),
            ("1x", 0),
        ] {
            assert_eq!(shown(text).unwrap_err().0.start, at, "{text}");
        }
    }
}
