//! Label matchers.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// A compiled expression may not be bigger, bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// How a label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `=~`, anchored at both ends
    Re,
    /// `!~`, anchored at both ends
    Nre,
}

/// One condition of a selector.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Literal,
    /// A pattern that is nothing but `a|b|c`.
    OneOf(Vec<String>),
    /// `.*`
    Anything,
    /// `.+`
    NotEmpty,
    Regex(Regex),
}

/// A pattern that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp `{pattern}`: {reason}")]
pub struct MatcherError {
    /// The pattern.
    pub pattern: String,
    /// Why.
    pub reason: String,
}

impl Matcher {
    /// A matcher of the label `name`.
    ///
    /// # Errors
    /// When the pattern of `=~` or `!~` is no regular expression, or too big a one.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let test = match op {
            MatchOp::Eq | MatchOp::Ne => Test::Literal,
            MatchOp::Re | MatchOp::Nre => Test::of_pattern(&value)?,
        };
        Ok(Self {
            name,
            op,
            value,
            test,
        })
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or pattern as it was given.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value matches. A label that is not there has the empty value.
    pub fn matches(&self, value: &str) -> bool {
        let found = match &self.test {
            Test::Literal => self.value == value,
            Test::OneOf(values) => values.iter().any(|one| one == value),
            Test::Anything => true,
            Test::NotEmpty => !value.is_empty(),
            Test::Regex(regex) => regex.is_match(value),
        };
        found == matches!(self.op, MatchOp::Eq | MatchOp::Re)
    }

    /// When only certain values can match: those. An index can look them up instead of trying all.
    pub fn literals(&self) -> Option<Vec<&str>> {
        match (&self.op, &self.test) {
            (MatchOp::Eq, _) => Some(vec![&self.value]),
            (MatchOp::Re, Test::OneOf(values)) => Some(values.iter().map(String::as_str).collect()),
            _ => None,
        }
    }
}

impl Test {
    fn of_pattern(pattern: &str) -> Result<Self, MatcherError> {
        let is_plain = |c: char| !"\\.+*?()|[]{}^$".contains(c);
        if pattern == ".*" {
            return Ok(Self::Anything);
        }
        if pattern == ".+" {
            return Ok(Self::NotEmpty);
        }
        if pattern.chars().all(|c| c == '|' || is_plain(c)) {
            return Ok(Self::OneOf(pattern.split('|').map(str::to_owned).collect()));
        }
        anchored(pattern).map(Self::Regex)
    }
}

/// The pattern over a whole value; a dot matches a line end, too, as in Prometheus 3.
pub(crate) fn anchored(pattern: &str) -> Result<Regex, MatcherError> {
    let build = |pattern: &str| {
        RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(REGEX_BYTES_MAX)
            .build()
    };
    build(pattern)
        .or_else(|error| build(&literal_braces(pattern)).map_err(|_| error))
        .map_err(|error| MatcherError {
            pattern: pattern.to_owned(),
            reason: match error {
                regex::Error::CompiledTooBig(_) => "expression is too big".to_owned(),
                error => error
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .to_owned(),
            },
        })
}

/// Go takes a brace that begins no repetition as a brace; our engine wants it escaped.
fn literal_braces(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (one, after) = rest.split_at(c.len_utf8());
        if c == '\\' {
            let escaped = after.chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[..one.len() + escaped]);
            rest = &after[escaped..];
            continue;
        }
        if c == '{' && !is_repetition(after) {
            out.push('\\');
        }
        out.push(c);
        rest = after;
    }
    out
}

/// Whether `text` goes on as in `{2}`, `{2,}` or `{2,3}`.
fn is_repetition(text: &str) -> bool {
    let Some((inside, _)) = text.split_once('}') else {
        return false;
    };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    !least.is_empty()
        && [least, most]
            .iter()
            .all(|n| n.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Eq => "=",
            MatchOp::Ne => "!=",
            MatchOp::Re => "=~",
            MatchOp::Nre => "!~",
        };
        write!(out, "{}{op}{:?}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(op: MatchOp, pattern: &str, value: &str) -> bool {
        Matcher::new("a", op, pattern).unwrap().matches(value)
    }

    #[test]
    fn patterns_are_anchored() {
        assert!(matches(MatchOp::Re, "a.c", "abc"));
        assert!(!matches(MatchOp::Re, "b", "abc"));
        assert!(!matches(MatchOp::Re, "a|b", "abc"));
        assert!(matches(MatchOp::Re, "a|b", "b"));
        assert!(matches(MatchOp::Re, "x.*", "x\ny"));
        assert!(matches(MatchOp::Nre, "b.", "abc"));
    }

    #[test]
    fn an_absent_label_is_empty() {
        assert!(matches(MatchOp::Eq, "", ""));
        assert!(matches(MatchOp::Re, ".*", ""));
        assert!(!matches(MatchOp::Re, ".+", ""));
        assert!(matches(MatchOp::Re, "a|", ""));
        assert!(matches(MatchOp::Ne, "a", ""));
        assert!(matches(MatchOp::Nre, "a", ""));
    }

    #[test]
    fn braces_that_repeat_nothing_are_braces() {
        assert!(matches(MatchOp::Re, "a{b}c.?", "a{b}c"));
        assert!(matches(MatchOp::Re, "a{2}", "aa"));
        assert!(matches(MatchOp::Re, r"a\{2}", "a{2}"));
    }

    #[test]
    fn literals_are_known() {
        let literals = |op, pattern| {
            let matcher = Matcher::new("a", op, pattern).unwrap();
            matcher.literals().map(|all| all.join(","))
        };
        assert_eq!(literals(MatchOp::Re, "x|y").as_deref(), Some("x,y"));
        assert_eq!(literals(MatchOp::Eq, "x|y").as_deref(), Some("x|y"));
        assert_eq!(literals(MatchOp::Re, "x.*"), None);
        assert_eq!(literals(MatchOp::Nre, "x|y"), None);
    }

    #[test]
    fn a_bad_pattern_is_an_error_and_a_big_one_too() {
        assert!(Matcher::new("a", MatchOp::Re, "(").is_err());
        let big = Matcher::new("a", MatchOp::Re, "(((x{100}){100}){100}){100}").unwrap_err();
        assert_eq!(big.reason, "expression is too big");
    }
}
