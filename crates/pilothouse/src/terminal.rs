//! What the place where output goes can show.

use crate::secrets;
use std::io::{self, IsTerminal};

/// How output is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Letters in a row.
    pub width: usize,
    /// Colours, and dots finer than letters.
    pub color: bool,
    /// Rows are cut at the width; where a program reads they are not.
    pub cut: bool,
}

/// Where nothing else is known.
const WIDTH: usize = 80;
/// Narrower, nothing can be shown; wider, nobody can read it.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=250;

impl Look {
    /// Of standard output.
    pub(crate) fn of_stdout() -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let told = secrets::variable("COLUMNS").and_then(|columns| columns.parse().ok());
        let asked = || {
            let size = rustix::termios::tcgetwinsize(&out).ok()?;
            Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
        };
        let width: usize = told.or_else(asked).unwrap_or(WIDTH);
        let is_plain = secrets::variable("NO_COLOR").is_some_and(|v| !v.is_empty())
            || secrets::variable("TERM").is_some_and(|v| v == "dumb");
        Self {
            width: width.clamp(*WIDTHS.start(), *WIDTHS.end()),
            color: is_terminal && !is_plain,
            cut: is_terminal,
        }
    }

    /// `text` in a colour of the terminal, when there are colours.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code())
        } else {
            text.to_owned()
        }
    }
}

/// What is said by a colour; never by a colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Titles.
    Bold,
    /// What is only needed sometimes.
    Faint,
    /// What failed.
    Bad,
    /// What to look at.
    Warn,
    /// One of several series.
    Series(usize),
}

impl Paint {
    fn code(self) -> &'static str {
        const SERIES: [&str; 8] = ["36", "33", "35", "32", "34", "31", "96", "93"];
        match self {
            Self::Bold => "1",
            Self::Faint => "2",
            Self::Bad => "31",
            Self::Warn => "33",
            Self::Series(nth) => SERIES[nth % SERIES.len()],
        }
    }
}

/// Text of others without what could command a terminal.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('⏎'),
            '\t' => out.push(' '),
            // Marks that turn the direction of text deceive, too.
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.push('\u{FFFD}');
            }
            c => out.push(c),
        }
    }
    out
}

/// The same for text of several lines, which stay lines.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// The beginning of a text, at most `width` letters, with a sign where it was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `text` and spaces up to a width.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let count = text.chars().count();
    format!("{text}{}", " ".repeat(width.saturating_sub(count)))
}

/// Spaces up to a width, and `text`.
pub(crate) fn pad_left(text: &str, width: usize) -> String {
    let count = text.chars().count();
    format!("{}{text}", " ".repeat(width.saturating_sub(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(clean("a\u{1b}[31m\nb\u{202e}"), "a\u{FFFD}[31m⏎b\u{FFFD}");
        assert_eq!(
            clean("a\u{200f}\u{2028}\u{9b}31m"),
            "a\u{FFFD}\u{FFFD}\u{FFFD}31m"
        );
        assert_eq!(clean_lines("a\u{1b}[1m\nb\r\n"), "a\u{FFFD}[1m\nb");
        assert_eq!(cut("häuser", 6), "häuser");
        assert_eq!(cut("häuser", 4), "häu…");
        assert_eq!(
            (pad("ä", 3), pad_left("ä", 3)),
            ("ä  ".into(), "  ä".into())
        );
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let mut look = Look {
            width: 80,
            color: false,
            cut: true,
        };
        assert_eq!(look.paint(Paint::Bad, "x"), "x");
        look.color = true;
        assert_eq!(look.paint(Paint::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(look.paint(Paint::Series(9), ""), "");
    }
}
