//! Why a file was not read, and where.

use std::fmt;

/// A file that is not what its name says, or goes beyond a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ReadError {
    /// The file, relative to what was scanned.
    pub file: String,
    /// Where in it, for files that have lines.
    pub place: Option<Place>,
    /// What is wrong there.
    pub text: String,
}

/// A place in a text, counted from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl ReadError {
    /// An error of the file as a whole.
    pub(crate) fn whole(file: &str, text: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            text: text.into(),
        }
    }
}

impl Place {
    /// The place of a byte offset; offsets beyond the end mean the end.
    pub(crate) fn of(text: &str, at: usize) -> Self {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let text = "añ\nβγδ";
        let place = |at| {
            let Place { line, column } = Place::of(text, at);
            (line, column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(text.find('γ').unwrap()), (2, 2));
        assert_eq!(place(text.find('γ').unwrap() + 1), (2, 2));
        assert_eq!(place(1000), (2, 4));
    }
}
