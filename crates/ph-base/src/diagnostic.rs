//! One thing wrong with one place in a text that an operator wrote, and how it is shown.
//!
//! A diagnostic keeps byte offsets into the operator's own text, so that the message can quote
//! the line. Values that came out of `${NAME}` or a file are never part of a diagnostic: what is
//! quoted is what stands in the text.

mod nearest;
mod place;

pub use nearest::nearest;
use std::fmt;
use std::ops::Range;

use place::{Place, printable_char};

/// One thing wrong with one place in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Byte offsets into the text as the operator wrote it. Always within the text and on
    /// character boundaries; empty where the place is a point.
    pub at: Range<usize>,
    /// The field that holds the place, as in `servers.files.limits`; empty at the top.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
    /// What to do about it, where we can tell.
    pub hint: Option<String>,
}

/// What can be wrong with a place in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that nobody reads.
    #[error("unknown field `{got}`")]
    UnknownField {
        /// The key as written.
        got: String,
        /// The keys that may stand there, in the order of the documentation.
        allowed: Vec<&'static str>,
    },
    /// A key of somebody else's format that Pilothouse does not use. A warning.
    #[error("field `{got}` is ignored")]
    IgnoredField {
        /// The key as written.
        got: String,
        /// The keys that are read there.
        allowed: Vec<&'static str>,
    },
    /// An entry that is left out on purpose, as a disabled server is. A warning.
    #[error("left out: {reason}")]
    LeftOut {
        /// Why.
        reason: &'static str,
    },
    /// A name that had to be changed to be usable. A warning.
    #[error("the name is changed to `{to}`")]
    Renamed {
        /// The name that is used.
        to: String,
    },
    /// A key that has to be there.
    #[error("missing field {}", OneOf(.fields))]
    MissingField {
        /// Any one of these would do.
        fields: &'static [&'static str],
    },
    /// Keys that exclude one another.
    #[error("`{got}` cannot stand beside `{with}`")]
    Conflict {
        /// The key at the place.
        got: &'static str,
        /// The key that it contradicts.
        with: &'static str,
    },
    /// Another kind of value than the field takes.
    #[error("expected {expected}, found {got}")]
    WrongType {
        /// The kind that belongs there, with its article: `a duration`.
        expected: &'static str,
        /// The kind that stands there, with its article: `a list`.
        got: &'static str,
    },
    /// The right kind of value, too small or too large.
    #[error("`{got}` is out of range")]
    OutOfRange {
        /// The value as written.
        got: String,
        /// The least value that is taken.
        min: String,
        /// The greatest value that is taken.
        max: String,
    },
    /// The right kind of value, but not one that the field understands.
    #[error("invalid value `{got}`")]
    BadValue {
        /// The value as written.
        got: String,
        /// What the field understands.
        expected: String,
    },
    /// A key that stands twice in the same mapping.
    #[error("field `{key}` is set twice")]
    Duplicate {
        /// The key.
        key: String,
        /// The line of its first appearance, counted from 1.
        first_line: usize,
    },
    /// The text is not YAML or JSON.
    #[error("syntax error: {message}")]
    Syntax {
        /// What the reader stumbled over.
        message: String,
    },
    /// An expression in PromQL that is wrong, or not supported.
    #[error("bad expression: {message}")]
    Expression {
        /// What is wrong with it.
        message: String,
    },
    /// A template of a label or an annotation that is wrong, or not supported.
    #[error("bad template: {message}")]
    Template {
        /// What is wrong with it.
        message: String,
    },
    /// The text goes beyond a bound of the reader.
    #[error("the configuration is too large: more than {max} {what}")]
    TooLarge {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A `${NAME}` or `file:` reference that cannot be resolved.
    #[error(transparent)]
    Secret(#[from] SecretProblem),
    /// Values that are each right and together dangerous.
    #[error("{what}")]
    Unsafe {
        /// What would happen.
        what: &'static str,
    },
    /// What works and is risky. A warning.
    #[error("{what}")]
    Risky {
        /// What may happen.
        what: &'static str,
    },
    /// A secret that stands in the text. A warning; the place itself is not quoted.
    #[error("{what}")]
    Exposed {
        /// What stands there.
        what: &'static str,
    },
    /// More problems than are worth printing. A warning: among what is shown is an error if there
    /// is one.
    #[error("{hidden} more problems are not shown")]
    More {
        /// How many were left out.
        hidden: usize,
    },
}

/// Why a reference to a value kept elsewhere cannot be resolved. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    /// `${NAME}` without a variable of that name and without a default.
    #[error("environment variable `{name}` is not set")]
    MissingVariable {
        /// The variable's name.
        name: String,
    },
    /// The variable is set, but not to UTF-8.
    #[error("environment variable `{name}` is not UTF-8")]
    VariableNotText {
        /// The variable's name.
        name: String,
    },
    /// `file:PATH` that cannot be read.
    #[error("file `{path}` cannot be read: {reason}")]
    UnreadableFile {
        /// The path as written, references unresolved.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// A `${` that is no reference.
    #[error("`{got}` is not a reference")]
    Malformed {
        /// The text from `$` on.
        got: String,
    },
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration works without this place.
    Warning,
    /// The configuration is not taken.
    Error,
}

impl Severity {
    /// The word that begins the message.
    #[must_use]
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Problem {
    /// Whether the configuration can be taken in spite of it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::IgnoredField { .. }
            | Self::LeftOut { .. }
            | Self::Renamed { .. }
            | Self::Risky { .. }
            | Self::Exposed { .. }
            | Self::More { .. } => Severity::Warning,
            Self::UnknownField { .. }
            | Self::MissingField { .. }
            | Self::Conflict { .. }
            | Self::WrongType { .. }
            | Self::OutOfRange { .. }
            | Self::BadValue { .. }
            | Self::Duplicate { .. }
            | Self::Syntax { .. }
            | Self::Expression { .. }
            | Self::Template { .. }
            | Self::TooLarge { .. }
            | Self::Secret(_)
            | Self::Unsafe { .. } => Severity::Error,
        }
    }

    /// The words beside the carets: what would have been right.
    fn label(&self) -> String {
        match self {
            Self::UnknownField { allowed, .. } => format!("expected {}", OneOf(allowed)),
            Self::IgnoredField { allowed, .. } if allowed.is_empty() => String::new(),
            Self::IgnoredField { allowed, .. } => format!("known here: {}", OneOf(allowed)),
            Self::OutOfRange { min, max, .. } => format!("expected {min} to {max}"),
            Self::BadValue { expected, .. } => format!("expected {expected}"),
            Self::Duplicate { first_line, .. } => format!("first set in line {first_line}"),
            Self::WrongType { .. }
            | Self::LeftOut { .. }
            | Self::Renamed { .. }
            | Self::MissingField { .. }
            | Self::Conflict { .. }
            | Self::Syntax { .. }
            | Self::Expression { .. }
            | Self::Template { .. }
            | Self::TooLarge { .. }
            | Self::Secret(_)
            | Self::Unsafe { .. }
            | Self::Risky { .. }
            | Self::Exposed { .. }
            | Self::More { .. } => String::new(),
        }
    }
}

impl Diagnostic {
    /// How bad the problem is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.problem.severity()
    }

    /// The problem with its field on one line: for a log or an API. Unlike [`Self::render`] it
    /// quotes no whole line, which might hold a secret that stands in the text itself.
    #[must_use]
    pub fn message(&self) -> String {
        let (headline, label) = (self.headline(), self.problem.label());
        let between = if label.is_empty() { "" } else { ": " };
        printable(&format!("{headline}{between}{label}"))
    }

    fn headline(&self) -> String {
        let Self { path, problem, .. } = self;
        if path.is_empty() {
            return problem.to_string();
        }
        match problem {
            Problem::UnknownField { .. }
            | Problem::IgnoredField { .. }
            | Problem::MissingField { .. }
            | Problem::Conflict { .. }
            | Problem::WrongType { .. }
            | Problem::OutOfRange { .. }
            | Problem::BadValue { .. }
            | Problem::Duplicate { .. } => format!("{problem} in `{path}`"),
            Problem::LeftOut { .. }
            | Problem::Renamed { .. }
            | Problem::Syntax { .. }
            | Problem::Expression { .. }
            | Problem::Template { .. }
            | Problem::TooLarge { .. }
            | Problem::Secret(_)
            | Problem::Unsafe { .. }
            | Problem::Risky { .. }
            | Problem::Exposed { .. }
            | Problem::More { .. } => format!("`{path}`: {problem}"),
        }
    }

    /// Line and column of the place, both counted from 1, the column in characters.
    ///
    /// - `text`: the text that the diagnostic was made from.
    #[must_use]
    pub fn line_and_column(&self, text: &str) -> (usize, usize) {
        let place = Place::of(&self.at, text);
        (place.line, place.column)
    }

    /// The diagnostic as shown to people: message, place, the quoted line with carets, hint.
    ///
    /// - `file_name`: as the operator gave it.
    /// - `text`: the text that the diagnostic was made from.
    /// - returns: lines ended by `\n`, without color; control characters of the text are
    ///   replaced, so that it can be written to a terminal.
    #[must_use]
    pub fn render(&self, file_name: &str, text: &str) -> String {
        let hidden;
        let text = if let Problem::Exposed { .. } = self.problem {
            hidden = hide(text, &self.at);
            &hidden
        } else {
            text
        };
        let place = Place::of(&self.at, text);
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        let quote = place.quote();
        let (severity, column) = (self.severity().as_label(), place.column);
        let headline = printable(&self.headline());
        let label = printable(&self.problem.label());
        let carets = format!("{}{} {label}", quote.indent, "^".repeat(quote.carets));
        let mut lines = vec![
            format!("{severity}: {headline}"),
            format!("{gutter}--> {}:{number}:{column}", printable(file_name)),
            format!("{number} | {}", quote.source),
            format!("{gutter} | {carets}"),
        ];
        lines.extend(
            self.hint
                .as_ref()
                .map(|hint| format!("hint: {}", printable(hint))),
        );
        lines
            .iter()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}

/// `text` with `*` in the place of every character of the range, line ends excepted.
fn hide(text: &str, at: &Range<usize>) -> String {
    let hide = |(n, c): (usize, char)| match c {
        '\n' | '\r' => c,
        _ if at.contains(&n) => '*',
        _ => c,
    };
    text.char_indices().map(hide).collect()
}

fn printable(text: &str) -> String {
    text.chars().map(printable_char).collect()
}

/// Words as a choice: `` `a`, `b` or `c` ``.
#[derive(Clone, Copy, Debug)]
pub struct OneOf<'a>(pub &'a [&'static str]);

impl fmt::Display for OneOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, name) in self.0.iter().enumerate() {
            let between = match nth {
                0 => "",
                nth if nth + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{between}`{name}`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::place::QUOTED_CHARS_MAX;
    use super::*;

    fn unknown(at: Range<usize>) -> Diagnostic {
        Diagnostic {
            at,
            path: "servers[1].limits".to_owned(),
            problem: Problem::UnknownField {
                got: "timout_ms".to_owned(),
                allowed: vec!["timeout_ms", "body_bytes_max", "in_flight_max"],
            },
            hint: Some("did you mean `timeout_ms`?".to_owned()),
        }
    }

    /// The place of `needle` in `text`, shown by the two lines that quote it.
    #[track_caller]
    fn check(text: &str, needle: &str, want: [&str; 3]) {
        let start = text.find(needle).expect("the needle is in the text");
        let rendered = unknown(start..start + needle.len()).render("f", text);
        let lines: Vec<_> = rendered.lines().skip(1).take(3).collect();
        let label = " expected `timeout_ms`, `body_bytes_max` or `in_flight_max`";
        let want = [
            want[0].to_owned(),
            want[1].to_owned(),
            format!("{}{label}", want[2]),
        ];
        assert_eq!(lines, want, "text {text:?}");
    }

    #[test]
    fn the_whole_form() {
        let text = format!("{}      timout_ms: 500\n", "\n".repeat(13));
        let want = "\
error: unknown field `timout_ms` in `servers[1].limits`
  --> pilothouse.yaml:14:7
14 |       timout_ms: 500
   |       ^^^^^^^^^ expected `timeout_ms`, `body_bytes_max` or `in_flight_max`
hint: did you mean `timeout_ms`?
";
        assert_eq!(unknown(19..28).render("pilothouse.yaml", &text), want);
        assert_eq!(
            unknown(19..28).message(),
            "unknown field `timout_ms` in `servers[1].limits`: expected `timeout_ms`, `body_bytes_max` or `in_flight_max`"
        );
    }

    #[test]
    fn places() {
        check("ab", "ab", [" --> f:1:1", "1 | ab", "  | ^^"]);
        check("ab\ncd", "d", [" --> f:2:2", "2 | cd", "  |  ^"]);
        check("ab\r\ncd\r\n", "cd", [" --> f:2:1", "2 | cd", "  | ^^"]);
        // Characters, not bytes.
        check("äö🛶x", "x", [" --> f:1:4", "1 | äö🛶x", "  |    ^"]);
        // A tab is as wide below as above.
        check("\ta:\tx", "x", [" --> f:1:5", "1 | \ta:\tx", "  | \t  \t^"]);
        // Only the first line of a long range, at least one caret.
        check(
            "a: [b,\n c]",
            "[b,\n c]",
            [" --> f:1:4", "1 | a: [b,", "  |    ^^^"],
        );
        check("ab", "", [" --> f:1:1", "1 | ab", "  | ^"]);
        check(
            "a\u{1b}[31m",
            "[31m",
            [" --> f:1:3", "1 | a\u{FFFD}[31m", "  |   ^^^^"],
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}NEEDLE{}", "<".repeat(500), ">".repeat(500));
        let rendered = unknown(500..506).render("f", &text);
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines[1], " --> f:1:501");
        let quoted = format!("1 | …{}NEEDLE{}…", "<".repeat(40), ">".repeat(74));
        assert_eq!(lines[2], quoted);
        assert!(
            lines[3].starts_with(&format!("  | {}^^^^^^ expected", " ".repeat(41))),
            "{}",
            lines[3]
        );
        // A range beyond the window ends with it.
        let carets = unknown(500..1_000).render("f", &text).matches('^').count();
        assert!(carets <= QUOTED_CHARS_MAX, "{carets}");
    }

    /// A text that changed meanwhile must not bring the message down.
    #[test]
    fn places_outside_the_text_are_brought_inside() {
        for text in ["", "ä", "a\n", "\n"] {
            for start in 0..4 {
                for end in 0..4 {
                    let diagnostic = unknown(start..end);
                    let (line, column) = diagnostic.line_and_column(text);
                    assert!(line <= 2 && column <= 2);
                    assert!(diagnostic.render("f", text).contains('^'));
                }
            }
        }
    }

    #[test]
    fn headlines() {
        #[track_caller]
        fn check(problem: Problem, want: &str) {
            let path = "log.level".to_owned();
            let diagnostic = Diagnostic {
                at: 0..0,
                path,
                problem,
                hint: None,
            };
            assert_eq!(diagnostic.message(), want);
        }
        check(
            Problem::MissingField {
                fields: &["a", "b"],
            },
            "missing field `a` or `b` in `log.level`",
        );
        check(
            Problem::Secret(SecretProblem::MissingVariable {
                name: "X".to_owned(),
            }),
            "`log.level`: environment variable `X` is not set",
        );
        check(
            Problem::BadValue {
                got: "loud".to_owned(),
                expected: OneOf(&["info"]).to_string(),
            },
            "invalid value `loud` in `log.level`: expected `info`",
        );
        check(
            Problem::OutOfRange {
                got: "9".to_owned(),
                min: "1".to_owned(),
                max: "5".to_owned(),
            },
            "`9` is out of range in `log.level`: expected 1 to 5",
        );
        check(
            Problem::WrongType {
                expected: "a list",
                got: "nothing",
            },
            "expected a list, found nothing in `log.level`",
        );
        check(
            Problem::Duplicate {
                key: "a".to_owned(),
                first_line: 3,
            },
            "field `a` is set twice in `log.level`: first set in line 3",
        );
    }
}
