//! The line that a diagnostic quotes, and where in it the place is.

use std::ops::Range;

/// The longest piece of a source line that is quoted, in characters. A longer line (a
/// configuration in one line of JSON) is cut around the place.
pub(super) const QUOTED_CHARS_MAX: usize = 120;

/// Where in the text a range begins.
pub(super) struct Place<'t> {
    /// Counted from 1.
    pub(super) line: usize,
    /// Counted from 1, in characters.
    pub(super) column: usize,
    source: &'t str,
    /// Characters of the range that stand on `source`; at least 1.
    chars: usize,
}

/// A piece of a source line and what is printed below it.
pub(super) struct Quote {
    pub(super) source: String,
    pub(super) indent: String,
    pub(super) carets: usize,
}

impl<'t> Place<'t> {
    /// Tolerates ranges that do not fit the text: a diagnostic may outlive an edit of the file.
    pub(super) fn of(at: &Range<usize>, text: &'t str) -> Self {
        let start = floor_boundary(text, at.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = &text[line_start..];
        let source = rest.split('\n').next().unwrap_or(rest);
        let source = source.strip_suffix('\r').unwrap_or(source);
        let end = floor_boundary(text, at.end).clamp(start, start.max(line_start + source.len()));
        Self {
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            source,
            chars: text[start..end].chars().count().max(1),
        }
    }

    pub(super) fn quote(&self) -> Quote {
        let column = self.column - 1;
        let total = self.source.chars().count();
        // Keep a third of the window before the place, so that its context is readable.
        let first = if total <= QUOTED_CHARS_MAX {
            0
        } else {
            column.saturating_sub(QUOTED_CHARS_MAX / 3)
        };
        let window: Vec<char> = self
            .source
            .chars()
            .skip(first)
            .take(QUOTED_CHARS_MAX)
            .map(printable_char)
            .collect();
        let (head, tail) = (
            if first > 0 { "…" } else { "" },
            if first + window.len() < total {
                "…"
            } else {
                ""
            },
        );
        // A tab stays a tab below itself, so that the carets line up at any tab width.
        let indent: String = head
            .chars()
            .map(|_| ' ')
            .chain(
                window
                    .iter()
                    .take(column - first)
                    .map(|c| if *c == '\t' { '\t' } else { ' ' }),
            )
            .collect();
        let room = (window.len() + 1).saturating_sub(column - first).max(1);
        Quote {
            source: format!("{head}{}{tail}", window.iter().collect::<String>()),
            indent,
            carets: self.chars.min(room),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A configuration may come from elsewhere; its control characters must not reach a terminal.
pub(super) fn printable_char(c: char) -> char {
    if c == '\t' || !c.is_control() {
        c
    } else {
        '\u{FFFD}'
    }
}
