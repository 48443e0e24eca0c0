//! The YAML tree with its places, for texts of other formats that people write: rule files.
//!
//! Same reader and same bounds as for the configuration: 1 MiB, 32 levels, 50,000 values.

use std::ops::Range;

use ph_base::diagnostic::Diagnostic;

pub use crate::node::{Data, Entry, Node, Scalar};
use crate::report::Report;
use crate::{load, yaml};

/// Reads one YAML document. An empty text is an empty value.
///
/// # Errors
/// Where the text is not YAML, sets a key twice, or goes beyond a bound.
pub fn read(text: &str) -> Result<Node, Vec<Diagnostic>> {
    let mut report = Report::default();
    let root = load::tree_of(text, &mut report, |tree| yaml::read(text, tree));
    report.finish(root).map(|(root, _)| root)
}

/// The place in `text` of a piece of a scalar's value; `piece` counts bytes of the value.
///
/// Works for every style: the characters of a value stand in its text in the same order, with nothing
/// but white space, line ends and escapes between them. Falls back to the whole value.
#[must_use]
pub fn place(text: &str, node: &Node, piece: Range<usize>) -> Range<usize> {
    let (Data::Scalar(scalar), Some(source)) = (&node.data, text.get(node.at.clone())) else {
        return node.at.clone();
    };
    let own = without_anchor(source);
    let base = node.at.start + source.len() - own.len();
    let found = Style::of(own).and_then(|style| style.places(own, &scalar.text));
    let Some(places) = found else {
        return node.at.clone();
    };
    let seen = |until: usize| {
        let before = scalar.text.get(..until).unwrap_or(&scalar.text);
        before.chars().filter(|c| !c.is_whitespace()).count()
    };
    let (first, end) = (seen(piece.start), seen(piece.end));
    let at = |place: &Range<usize>| base + place.start..base + place.end;
    match (places.get(first), places[..end.min(places.len())].last()) {
        (Some(start), Some(last)) if end > first => at(start).start..at(last).end,
        // White space, or nothing: a point before what follows, or behind what came.
        (Some(start), _) => at(start).start..at(start).start,
        (None, _) => places
            .last()
            .map_or(node.at.clone(), |last| at(last).end..at(last).end),
    }
}

/// A scalar without the anchor and the tag that may stand before it.
fn without_anchor(source: &str) -> &str {
    let mut own = source;
    while own.starts_with(['&', '!']) {
        let word = own.find(char::is_whitespace).unwrap_or(own.len());
        own = own[word..].trim_start();
    }
    own
}

/// How a scalar is written.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Single,
    Double,
    /// `|` and `>`; the value begins after the first line end.
    Block,
}

impl Style {
    fn of(source: &str) -> Option<Self> {
        Some(match source.chars().next()? {
            '\'' => Self::Single,
            '"' => Self::Double,
            '|' | '>' => Self::Block,
            _ => Self::Plain,
        })
    }

    /// The place of each character of `value` that is no white space; none if the two do not agree.
    fn places(self, source: &str, value: &str) -> Option<Vec<Range<usize>>> {
        let start = match self {
            Self::Plain => 0,
            Self::Single | Self::Double => 1,
            Self::Block => source.find('\n')? + 1,
        };
        let mut wanted = value.chars().filter(|c| !c.is_whitespace()).peekable();
        let mut places = Vec::new();
        let mut rest = source.get(start..)?;
        while wanted.peek().is_some() {
            let (shown, len) = self.next(rest)?;
            if let Some(c) = shown.filter(|c| !c.is_whitespace()) {
                if wanted.next() != Some(c) {
                    return None;
                }
                let at = source.len() - rest.len();
                places.push(at..at + len);
            }
            rest = rest.get(len..)?;
        }
        Some(places)
    }

    /// The next character as it stands in the value, if it does, and its bytes in the source.
    fn next(self, rest: &str) -> Option<(Option<char>, usize)> {
        let first = rest.chars().next()?;
        match (self, first) {
            (Self::Single, '\'') => Some((Some('\''), 2)),
            (Self::Double, '\\') => escaped(rest),
            _ => Some((Some(first), first.len_utf8())),
        }
    }
}

fn escaped(rest: &str) -> Option<(Option<char>, usize)> {
    let kind = rest.chars().nth(1)?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        '0' | 'a' | 'b' | 'v' | 'e' | 'f' => return Some((Some(control(kind)), 2)),
        't' | 'n' | 'r' | ' ' | '\n' | 'N' | '_' | 'L' | 'P' | '\t' => {
            return Some((None, 1 + kind.len_utf8()));
        }
        _ => return Some((Some(kind), 1 + kind.len_utf8())),
    };
    let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
    Some((char::from_u32(code), 2 + digits))
}

fn control(kind: char) -> char {
    match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'e' => '\u{1b}',
        // White space, as far as places go.
        'v' | 'f' => ' ',
        _ => '\0',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of `piece` of the value of `e`, as the text that stands there.
    #[track_caller]
    fn check(text: &str, piece: &str, want: (usize, &str)) {
        let root = read(text).unwrap();
        let node = &root.entry("e").unwrap().value;
        let Data::Scalar(scalar) = &node.data else {
            panic!("no scalar")
        };
        let start = scalar.text.find(piece).unwrap();
        let at = place(text, node, start..start + piece.len());
        assert_eq!((at.start, &text[at]), want, "{text:?} {:?}", scalar.text);
    }

    #[test]
    fn a_piece_is_found_in_every_style() {
        check("e: up == 0", "==", (6, "=="));
        check("e: up\n  == 0\n", "== 0", (8, "== 0"));
        check("e: 'it''s up == 0'", "== 0", (13, "== 0"));
        check("e: \"a{b=\\\"c\\\"} == 0\"", "== 0", (15, "== 0"));
        check("e: \"\\u0061b\\tc\"", "b", (10, "b"));
        check("e: |\n  sum(up)\n  == 0\nf: 1\n", "== 0", (17, "== 0"));
        check("e: >-  # why\n  sum(up)\n  == 0\n", "== 0", (25, "== 0"));
        check("a: &x up == 0\ne: *x", "== 0", (9, "== 0"));
        check(
            "- 1\n".replace("- 1", "e: ä == 0").as_str(),
            "==",
            (6, "=="),
        );
    }

    #[test]
    fn a_point_between_words_is_before_what_follows() {
        let text = "e: |\n  up ==\n\nf: 1";
        let root = read(text).unwrap();
        let node = &root.entry("e").unwrap().value;
        assert_eq!(place(text, node, 2..2), 10..10);
        assert_eq!(place(text, node, 6..6), 12..12);
    }

    #[test]
    fn keys_twice_and_what_is_no_yaml_are_refused() {
        assert_eq!(read("a: 1\na: 2").unwrap_err().len(), 1);
        assert_eq!(read("a: [").unwrap_err().len(), 1);
        assert!(read("").unwrap().is_null());
    }
}
