//! Matchers of alerts, in the words of Alertmanager: `severity="critical"`.

use std::fmt;

use regex::RegexBuilder;
use serde_json::{Value as Json, json};

use crate::node::Node;
use crate::reader::Reader;
use crate::value::{STRING, Value, not_as_expected};

/// What a label has to be for an alert to be meant. A label that is absent has the value `""`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertMatcher {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what: a value, or a regular expression that has to match the whole value.
    pub value: String,
    /// As written, when there is a reference in it: what it resolves to is not shown.
    reference: Option<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
}

impl MatchOp {
    /// The operator as written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        }
    }

    /// Whether the value is a regular expression.
    #[must_use]
    pub const fn is_regex(self) -> bool {
        matches!(self, Self::Matches | Self::NotMatches)
    }
}

/// Bytes of a compiled expression: what one matcher may cost.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl AlertMatcher {
    /// Reads `label="value"`, with `=`, `!=`, `=~` or `!~`; the quotes may be left out.
    /// `None` for what is none, or for a regular expression that does not compile.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(text.len());
        let (label, rest) = text.split_at(end);
        if label.is_empty() || label.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (op, rest) = operator(rest.trim_start())?;
        let value = unquoted(rest.trim_start())?;
        let compiles = || {
            RegexBuilder::new(&format!("^(?s:{value})$"))
                .size_limit(REGEX_BYTES_MAX)
                .build()
                .is_ok()
        };
        (!op.is_regex() || compiles()).then(|| Self {
            label: label.to_owned(),
            op,
            value: value.clone(),
            reference: None,
        })
    }

    fn shown(&self) -> String {
        self.reference.clone().unwrap_or_else(|| self.to_string())
    }
}

impl fmt::Debug for AlertMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AlertMatcher").field(&self.shown()).finish()
    }
}

fn operator(text: &str) -> Option<(MatchOp, &str)> {
    // The longer ones first: `=~` begins with `=`.
    [
        MatchOp::Matches,
        MatchOp::NotMatches,
        MatchOp::NotEqual,
        MatchOp::Equal,
    ]
    .into_iter()
    .find_map(|op| Some((op, text.strip_prefix(op.as_str())?)))
}

/// The value without its quotes; `None` for quotes that do not close, or stand inside.
fn unquoted(text: &str) -> Option<String> {
    let inside = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let mut value = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(other) => value.extend(['\\', other]),
                None => return None,
            },
            c => value.push(c),
        }
    }
    Some(value)
}

/// As it could be written, always with quotes.
impl fmt::Display for AlertMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}\"", self.label, self.op.as_str())?;
        for c in self.value.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

impl Value for AlertMatcher {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, STRING)?;
        let text = &resolved.text;
        let reference = text.is_reference().then(|| text.written().to_owned());
        Self::parse(text.as_str())
            .map(|matcher| Self {
                reference,
                ..matcher
            })
            .or_else(|| not_as_expected(node, &resolved, EXPECTED, reader))
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "minLength": 2})
    }

    fn show(&self) -> Json {
        self.shown().into()
    }
}

const EXPECTED: &str = "a matcher such as `severity=\"critical\"`, with `=`, `!=`, `=~` or `!~`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_and_shown() {
        for (text, shown) in [
            ("severity=critical", r#"severity="critical""#),
            (r#" a != "b c" "#, r#"a!="b c""#),
            (r#"a=~"x|y.*""#, r#"a=~"x|y.*""#),
            ("a!~", r#"a!~"""#),
            (r#"a="q\"\\\n""#, r#"a="q\"\\\n""#),
            (r"a=~\d+", r#"a=~"\\d+""#),
            ("a==b", r#"a="=b""#),
        ] {
            let parsed = AlertMatcher::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(parsed.to_string(), shown, "{text}");
            assert_eq!(AlertMatcher::parse(shown), Some(parsed), "{text}");
        }
        for bad in [
            "", "a", "1a=b", "a=\"b", "a=b\"", "a=\"b\"c", "a=~(", "=b", "a b=c", "a=\\",
        ] {
            assert_eq!(AlertMatcher::parse(bad), None, "{bad}");
        }
    }
}
