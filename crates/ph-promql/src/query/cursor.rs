//! A walk over the words of a query, along with its tree.

use super::node::Place;
use super::token::{Kind, Token};
use crate::error::{ParseError, line_and_column};

/// Knows the next word. What it is told to skip is there if the tree is that of the words.
pub(super) struct Cursor<'a> {
    query: &'a str,
    tokens: &'a [Token<'a>],
    next: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(query: &'a str, tokens: &'a [Token<'a>]) -> Self {
        Self {
            query,
            tokens,
            next: 0,
        }
    }

    /// Where the next word stands.
    pub(super) fn position(&self) -> usize {
        self.peek().map_or(self.query.len(), |token| token.at)
    }

    pub(super) fn place(&self, at: usize) -> Place {
        let (line, column) = line_and_column(self.query, at);
        Place { line, column }
    }

    pub(super) fn error(&self, text: impl Into<String>) -> ParseError {
        self.error_at(self.position(), text)
    }

    pub(super) fn error_at(&self, at: usize, text: impl Into<String>) -> ParseError {
        ParseError::at(self.query, at, text)
    }

    pub(super) fn unsupported_at(&self, at: usize, what: impl Into<String>) -> ParseError {
        ParseError::unsupported_at(self.query, at, what)
    }

    /// Skips unary pluses and says where the next word stands.
    pub(super) fn skip_pluses(&mut self) -> usize {
        let at = self.position();
        while self.skip("+") {}
        at
    }

    pub(super) fn skip(&mut self, sign: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(sign));
        self.next += usize::from(found);
        found
    }

    pub(super) fn skip_word(&mut self) {
        self.skip_kind(Kind::Word);
    }

    /// A number with all its signs: the parser makes one number of `- -1`.
    pub(super) fn skip_number(&mut self) {
        while self.skip("-") || self.skip("+") {}
        self.next += 1;
    }

    /// The string as it is written, and the bytes it stands for.
    pub(super) fn string(&mut self) -> (String, Vec<u8>) {
        let written = self.peek().map_or("", |token| token.text);
        self.next += 1;
        (written.to_owned(), unquote(written))
    }

    /// `name{…}`
    pub(super) fn skip_selector(&mut self) {
        self.skip_kind(Kind::Word);
        if self.skip("{") {
            while self.peek().is_some_and(|token| !token.is("}")) {
                self.next += 1;
            }
            self.next += 1;
        }
    }

    /// `[…]`
    pub(super) fn skip_brackets(&mut self) {
        while self.peek().is_some_and(|token| !token.is("]")) {
            self.next += 1;
        }
        self.next += 1;
    }

    /// `offset …` and `@ …`
    pub(super) fn skip_shifts(&mut self) {
        while let Some(token) = self.peek() {
            if !(token.is_word("offset") || token.is("@")) {
                return;
            }
            self.next += 1;
            while self.skip("-") || self.skip("+") {}
            self.next += 1;
            if self.skip("(") {
                self.skip(")");
            }
        }
    }

    /// An operator with `bool`, `on (…)` and `group_left (…)`.
    pub(super) fn skip_operator(&mut self) {
        self.next += 1;
        if self.peek().is_some_and(|token| token.is_word("bool")) {
            self.next += 1;
        }
        for words in [["on", "ignoring"], ["group_left", "group_right"]] {
            let found = self
                .peek()
                .is_some_and(|token| words.iter().any(|word| token.is_word(word)));
            if found {
                self.next += 1;
                self.skip_parentheses();
            }
        }
    }

    /// `by (…)` or `without (…)`
    pub(super) fn skip_grouping(&mut self) {
        let found = self
            .peek()
            .is_some_and(|token| token.is_word("by") || token.is_word("without"));
        if found {
            self.next += 1;
            self.skip_parentheses();
        }
    }

    fn skip_parentheses(&mut self) {
        if self.skip("(") {
            while self.peek().is_some_and(|token| !token.is(")")) {
                self.next += 1;
            }
            self.next += 1;
        }
    }

    fn skip_kind(&mut self, kind: Kind) {
        let found = self.peek().is_some_and(|token| token.kind == kind);
        self.next += usize::from(found);
    }

    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.next)
    }
}

/// The bytes of a quoted string that the parser has taken, so its escapes are well formed.
pub(super) fn unquote(written: &str) -> Vec<u8> {
    let inner = written
        .get(1..written.len().saturating_sub(1))
        .unwrap_or_default();
    if written.starts_with('`') {
        return inner.as_bytes().to_vec();
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        if c != '\\' {
            bytes.extend_from_slice(&rest.as_bytes()[..used]);
            rest = &rest[used..];
            continue;
        }
        let escape = rest[1..].chars().next().unwrap_or('\\');
        let number = |from: usize, digits: usize, radix: u32| {
            let digits = rest.get(from..from + digits)?;
            u32::from_str_radix(digits, radix).ok()
        };
        used = 1 + escape.len_utf8();
        let byte = |value: u8| vec![value];
        let made = match escape {
            'a' => byte(7),
            'b' => byte(8),
            'f' => byte(12),
            'n' => byte(b'\n'),
            'r' => byte(b'\r'),
            't' => byte(b'\t'),
            'v' => byte(11),
            'x' => {
                used += 2;
                number(2, 2, 16)
                    .and_then(|n| u8::try_from(n).ok())
                    .into_iter()
                    .collect()
            }
            '0'..='7' => {
                used += 2;
                number(1, 3, 8)
                    .and_then(|n| u8::try_from(n).ok())
                    .into_iter()
                    .collect()
            }
            'u' | 'U' => {
                let digits = if escape == 'u' { 4 } else { 8 };
                used += digits;
                let c = number(2, digits, 16).and_then(char::from_u32);
                c.map(|c| c.to_string().into_bytes()).unwrap_or_default()
            }
            other => other.to_string().into_bytes(),
        };
        bytes.extend(made);
        rest = rest.get(used..).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::unquote;

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(unquote(r#""a\n\"\u00e9""#), "a\n\"é".as_bytes());
        assert_eq!(unquote(r"'\xff\101'"), [0xff, b'A']);
        assert_eq!(unquote(r"`a\n`"), br"a\n");
    }
}
