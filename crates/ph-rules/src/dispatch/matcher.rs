//! Matchers as Alertmanager writes them: `{severity="critical", job=~"api|web", team!=ops}`.

use ph_promql::{Labels, MatchOp, Matcher, MatcherError};
use std::fmt;

/// Longest text of one or more matchers, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most matchers of one route, silence or rule of inhibition.
const MATCHERS_MAX: usize = 64;

/// Conditions that all have to hold. Those of routes are sorted by name, value and operator.
#[derive(Clone, Debug, Default)]
pub struct Matchers(Vec<Matcher>);

/// A text that is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// There is no name, or no operator.
    #[error("bad matcher format: {0}")]
    Format(String),
    /// A quote is missing, or one too many.
    #[error("matcher value contains unescaped double quote: {0}")]
    Quote(String),
    /// The pattern is no regular expression.
    #[error(transparent)]
    Pattern(#[from] MatcherError),
    /// More than is looked at.
    #[error(
        "a matcher text has at most {TEXT_BYTES_MAX} bytes, and at most {MATCHERS_MAX} matchers"
    )]
    TooLong,
}

impl Matchers {
    /// Matchers in any order.
    ///
    /// # Errors
    /// When there are more than 64.
    pub fn new(mut all: Vec<Matcher>) -> Result<Self, SyntaxError> {
        all.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        Self::as_given(all)
    }

    /// Matchers that stay in their order: a silence is shown as it was made.
    pub(super) fn as_given(all: Vec<Matcher>) -> Result<Self, SyntaxError> {
        if all.len() > MATCHERS_MAX {
            return Err(SyntaxError::TooLong);
        }
        Ok(Self(all))
    }

    /// Every text is one matcher or several.
    ///
    /// # Errors
    /// The first text that is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, SyntaxError> {
        let mut all = Vec::new();
        for text in texts {
            all.extend(parse_matchers(text)?);
            if all.len() > MATCHERS_MAX {
                return Err(SyntaxError::TooLong);
            }
        }
        Self::new(all)
    }

    /// Whether all hold. A label that is not there is empty.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0
            .iter()
            .all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Matcher> {
        self.0.iter()
    }
}

fn sort_key(matcher: &Matcher) -> (&str, &str, u8) {
    let op = match matcher.op() {
        MatchOp::Eq => 0,
        MatchOp::Ne => 1,
        MatchOp::Re => 2,
        MatchOp::Nre => 3,
    };
    (matcher.name(), matcher.value(), op)
}

impl PartialEq for Matchers {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(a, b)| sort_key(a) == sort_key(b))
    }
}

impl Eq for Matchers {}

/// `{a="b",c=~"d"}`, the form of group keys.
impl fmt::Display for Matchers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("{")?;
        for (at, matcher) in self.0.iter().enumerate() {
            if at > 0 {
                out.write_str(",")?;
            }
            write!(
                out,
                "{}{}\"{}\"",
                matcher.name(),
                sign(matcher.op()),
                escaped(matcher.value())
            )?;
        }
        out.write_str("}")
    }
}

/// How an operator is written.
fn sign(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Eq => "=",
        MatchOp::Ne => "!=",
        MatchOp::Re => "=~",
        MatchOp::Nre => "!~",
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

/// Reads several matchers, divided by commas, perhaps in braces.
///
/// # Errors
/// [`SyntaxError`] of the first that is none.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, SyntaxError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SyntaxError::TooLong);
    }
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let parts = pieces(text);
    if parts.len() > MATCHERS_MAX {
        return Err(SyntaxError::TooLong);
    }
    parts.into_iter().map(parse_matcher).collect()
}

/// Cuts at commas outside of quotes. An empty last piece is none.
fn pieces(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let (mut from, mut in_quotes, mut is_escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            ',' if !in_quotes => {
                all.push(&text[from..at]);
                from = at + 1;
                // What is escaped is always next to its backslash.
                is_escaped = false;
            }
            '"' if is_escaped => is_escaped = false,
            '"' => in_quotes = !in_quotes,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    let last = text[from..].trim();
    if !last.is_empty() {
        all.push(last);
    }
    all
}

/// Reads one matcher: a name, an operator, a value with or without quotes.
///
/// # Errors
/// [`SyntaxError`].
pub fn parse_matcher(text: &str) -> Result<Matcher, SyntaxError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SyntaxError::TooLong);
    }
    let format = || SyntaxError::Format(text.to_owned());
    let trimmed = text.trim();
    let is_in_name = |c: char| c == '_' || c == ':' || c.is_ascii_alphanumeric();
    let end = trimmed.find(|c| !is_in_name(c)).ok_or_else(format)?;
    let (name, rest) = trimmed.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format());
    }
    let rest = rest.trim_start();
    let signs = [
        ("=~", MatchOp::Re),
        ("!~", MatchOp::Nre),
        ("!=", MatchOp::Ne),
        ("=", MatchOp::Eq),
    ];
    let (op, value) = signs
        .iter()
        .find_map(|(sign, op)| Some((*op, rest.strip_prefix(sign)?.trim_start())))
        .ok_or_else(format)?;
    Ok(Matcher::new(name, op, unquoted(value)?)?)
}

/// The value without its quotes and escapes. A backslash that escapes nothing is a backslash.
fn unquoted(raw: &str) -> Result<String, SyntaxError> {
    let wrong = || SyntaxError::Quote(raw.to_owned());
    let (inside, mut is_open) = match raw.strip_prefix('"') {
        Some(inside) => (inside, true),
        None => (raw, false),
    };
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some(c @ ('"' | '\\')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            '"' if is_open && rest.as_str().is_empty() => is_open = false,
            '"' => return Err(wrong()),
            c => out.push(c),
        }
    }
    if is_open { Err(wrong()) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn read(text: &str) -> String {
        match Matchers::parse([text]) {
            Ok(all) => all.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn written_as_alertmanager_does() {
        for (text, want) in [
            ("", "{}"),
            ("{}", "{}"),
            ("a=b", r#"{a="b"}"#),
            (r#"{b="2", a=~"x|y",}"#, r#"{a=~"x|y",b="2"}"#),
            (
                r#" foo = "bar,baz" , x!~ "a.b" "#,
                r#"{foo="bar,baz",x!~"a.b"}"#,
            ),
            (r#"a="say \"hi\"\n""#, r#"{a="say \"hi\"\n"}"#),
            (r#"a=\d+"#, r#"{a="\\d+"}"#),
            ("a=", r#"{a=""}"#),
            ("a!=b", r#"{a!="b"}"#),
            ("a===b", r#"{a="==b"}"#),
            (r"a=b\", r#"{a="b\\"}"#),
        ] {
            assert_eq!(read(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for text in [
            "foo",
            "1a=b",
            "=x",
            "a b=c",
            "a<b",
            "{,}",
            r#"a="b"#,
            r#"a=b"c"#,
            r#"a="b"c"#,
            "a=~(",
        ] {
            assert!(Matchers::parse([text]).is_err(), "{text}");
        }
        assert!(Matchers::parse(vec!["a=b"; 65]).is_err());
        assert!(parse_matchers(&"a".repeat(TEXT_BYTES_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(values in prop::collection::vec(".{0,12}", 0..4)) {
            let all = values.iter().enumerate().map(|(at, value)| {
                Matcher::new(format!("l{at}"), MatchOp::Eq, value.as_str()).unwrap()
            });
            let all = Matchers::new(all.collect()).unwrap();
            prop_assert_eq!(Matchers::parse([all.to_string().as_str()]).unwrap(), all);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = parse_matchers(&text);
        }
    }
}
