//! Why a text is no query, and where.

use std::fmt;
use std::ops::Range;

/// One thing wrong with one place in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// Byte offsets into the text; on character boundaries, empty where the place is a point.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What may stand there, where that can be said.
    pub expected: Option<String>,
    /// What to do about it, where we can tell.
    pub hint: Option<String>,
}

/// What is quoted of a query, in characters before and behind the place.
const QUOTED_BEFORE: usize = 50;
const QUOTED_CHARS: usize = 100;

impl QueryError {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            expected: None,
            hint: None,
        }
    }

    pub(super) fn expected(self, what: impl Into<String>) -> Self {
        Self {
            expected: Some(what.into()),
            ..self
        }
    }

    pub(super) fn hint(self, what: impl Into<String>) -> Self {
        Self {
            hint: Some(what.into()),
            ..self
        }
    }

    /// The column of the place in `text`, in characters, counted from 1.
    pub fn column(&self, text: &str) -> usize {
        text.char_indices()
            .take_while(|(at, _)| *at < self.at.start)
            .count()
            + 1
    }

    /// The whole message, with the query and a mark below the place.
    ///
    /// ```text
    /// unknown field `tol`
    ///   tol=searchFiles
    ///   ^^^ expected `tool`
    /// hint: did you mean `tool`?
    /// ```
    pub fn render(&self, text: &str) -> String {
        let chars: Vec<char> = text.chars().map(printable).collect();
        let start = self.column(text) - 1;
        let count = text
            .char_indices()
            .filter(|(at, _)| self.at.contains(at))
            .count();
        let first = start.saturating_sub(QUOTED_BEFORE);
        let last = (first + QUOTED_CHARS).min(chars.len());
        let before = if first > 0 { "…" } else { "" };
        let behind = if last < chars.len() { "…" } else { "" };
        let quoted: String = chars[first..last].iter().collect();
        let indent = " ".repeat(start - first + before.chars().count());
        let carets = "^".repeat(count.min(last.saturating_sub(start)).max(1));
        let mut out = format!(
            "{}\n  {before}{quoted}{behind}\n  {indent}{carets}",
            self.message
        );
        if let Some(expected) = &self.expected {
            out.push_str(&format!(" expected {expected}"));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("\nhint: {hint}"));
        }
        out
    }
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, ": expected {expected}")?;
        }
        Ok(())
    }
}

impl std::error::Error for QueryError {}
