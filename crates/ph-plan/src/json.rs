//! JSON text → tree, with the comments and trailing commas that desktop clients allow.
//!
//! YAML is said to include JSON, but not its surrogate pairs (`\ud83d\ude00`), its tabs and its
//! `//` comments; and what a JSON reader says about a mistake in JSON is clearer.

use std::ops::Range;

use ph_base::diagnostic::{Diagnostic, Problem};

use crate::node::Scalar;
use crate::tree::{Step, Tree};

/// Feeds one JSON value to `tree`.
///
/// - errors: the first place where the text is not JSON or goes beyond a bound.
pub(crate) fn read(text: &str, tree: &mut Tree<'_>) -> Step {
    let mut json = Json { text, at: 0 };
    let mut open: Vec<Bracket> = Vec::new();
    loop {
        json.skip_blank()?;
        if open.last() == Some(&Bracket::Map) && tree.expects_key() {
            json.key(tree)?;
        }
        let opened = json.value(tree, &mut open)?;
        if opened {
            json.skip_blank()?;
            if !json.closes(&open) {
                continue;
            }
        }
        // After a value: close what ends here, until a comma asks for more or all is closed.
        loop {
            json.skip_blank()?;
            let Some(bracket) = open.last().copied() else {
                return json.end();
            };
            if json.take(b',') {
                json.skip_blank()?;
                if !json.closes(&open) {
                    break;
                }
            }
            if !json.take(bracket.end()) {
                return Err(json.unexpected(bracket.expected_after()));
            }
            open.pop();
            tree.close(json.at)?;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    List,
    Map,
}

impl Bracket {
    fn end(self) -> u8 {
        match self {
            Self::List => b']',
            Self::Map => b'}',
        }
    }

    fn expected_after(self) -> &'static str {
        match self {
            Self::List => "`,` or `]`",
            Self::Map => "`,` or `}`",
        }
    }
}

struct Json<'t> {
    text: &'t str,
    /// Bytes consumed; always on a character boundary.
    at: usize,
}

impl Json<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn closes(&self, open: &[Bracket]) -> bool {
        open.last()
            .is_some_and(|bracket| self.peek() == Some(bracket.end()))
    }

    /// Spaces, line ends, a byte order mark, `// …` and `/* … */`.
    fn skip_blank(&mut self) -> Step {
        loop {
            let rest = &self.text[self.at..];
            let blank = rest.len()
                - rest
                    .trim_start_matches([' ', '\t', '\n', '\r', '\u{FEFF}'])
                    .len();
            self.at += blank;
            let rest = &self.text[self.at..];
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let Some(len) = rest.find("*/") else {
                    return Err(self.failure(self.at..self.at + 2, "a comment that does not end"));
                };
                self.at += len + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn key(&mut self, tree: &mut Tree<'_>) -> Step {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        self.string(tree)?;
        self.skip_blank()?;
        if self.take(b':') {
            self.skip_blank()
        } else {
            Err(self.unexpected("`:`"))
        }
    }

    /// Reads a scalar, or the beginning of a collection; says whether it was the latter.
    fn value(
        &mut self,
        tree: &mut Tree<'_>,
        open: &mut Vec<Bracket>,
    ) -> Result<bool, Box<Diagnostic>> {
        let at = self.at..self.at + 1;
        match self.peek() {
            Some(b'{') => {
                tree.open_map(at, None)?;
                open.push(Bracket::Map);
            }
            Some(b'[') => {
                tree.open_list(at, None)?;
                open.push(Bracket::List);
            }
            Some(b'"') => return self.string(tree).map(|()| false),
            Some(_) => return self.word(tree).map(|()| false),
            None => return Err(self.unexpected("a value")),
        }
        self.at += 1;
        Ok(true)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self, tree: &mut Tree<'_>) -> Step {
        let rest = &self.text[self.at..];
        let len = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
            .unwrap_or(rest.len());
        let word = &rest[..len];
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && serde_json::from_str::<serde_json::Number>(word).is_ok();
        if !is_number && !matches!(word, "true" | "false" | "null") {
            if word.is_empty() {
                return Err(self.unexpected("a value"));
            }
            let message = format!("expected a value, found `{word}`");
            return Err(self.failure(self.at..self.at + len, &message));
        }
        let at = self.at..self.at + len;
        self.at = at.end;
        tree.scalar(
            Scalar {
                text: word.to_owned(),
                plain: true,
            },
            at,
            None,
        )
    }

    fn string(&mut self, tree: &mut Tree<'_>) -> Step {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        if end >= bytes.len() {
            return Err(self.failure(start..start + 1, "a string that does not end"));
        }
        end += 1;
        // Both ends are ASCII quotes, so the slice is on character boundaries.
        let value = serde_json::from_str::<String>(&self.text[start..end]).map_err(|error| {
            let inside = error.column().saturating_sub(1);
            self.failure(
                start + inside.min(end - start - 1)..end,
                "a string with an invalid escape or control character",
            )
        })?;
        self.at = end;
        tree.scalar(
            Scalar {
                text: value,
                plain: false,
            },
            start..end,
            None,
        )
    }

    fn end(&self) -> Step {
        if self.at < self.text.len() {
            Err(self.unexpected("the end of the file"))
        } else {
            Ok(())
        }
    }

    fn unexpected(&self, expected: &str) -> Box<Diagnostic> {
        let found = self.text[self.at..].chars().next();
        let at = self.at..self.at + found.map_or(0, char::len_utf8);
        let found = found.map_or("the end of the file".to_owned(), |c| format!("`{c}`"));
        self.failure(at, &format!("expected {expected}, found {found}"))
    }

    fn failure(&self, at: Range<usize>, message: &str) -> Box<Diagnostic> {
        // A place inside a string may fall into a character.
        let mut start = at.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let problem = Problem::Syntax {
            message: message.to_owned(),
        };
        Box::new(Diagnostic {
            at: start..at.end.max(start),
            path: String::new(),
            problem,
            hint: None,
        })
    }
}
