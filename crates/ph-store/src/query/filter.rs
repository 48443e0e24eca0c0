//! What a query says: conditions, joined by and, or and not.

use super::field::{Field, FieldType, Known};
use super::units;
use ph_base::trace::TraceId;
use regex::{Regex, RegexBuilder, bytes};
use std::fmt;

/// A query that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub(super) expr: Expr,
}

/// How conditions are joined. `And` and `Or` hold at least two and never one of their own kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// True of every line.
    All,
    /// All of these.
    And(Vec<Expr>),
    /// At least one of these.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// Some value of the line contains this.
    Text(Needle),
    /// A field has a certain value.
    Field(Condition),
}

/// What a filter is made of, for who can answer without reading a line.
#[derive(Clone, Copy, Debug)]
pub enum Leaf<'a> {
    /// Some value of the line contains this.
    Text(&'a Needle),
    /// A field has a certain value.
    Field(&'a Condition),
}

/// A field and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The field.
    pub field: Field,
    /// The question.
    pub test: Test,
}

/// What is asked of a field. A negated test is true of lines that have the field, with another value.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The line has the field (`field=*`), or has not (`field!=*`).
    Present {
        /// It has not.
        negated: bool,
    },
    /// `field=a|b*`: the text is one of these.
    OneOf {
        /// It is none of these.
        negated: bool,
        /// At least one.
        any: Vec<Pattern>,
    },
    /// `field~"regex"`: the expression is found in the text.
    Like {
        /// It is not found.
        negated: bool,
        /// The expression.
        regex: Expression,
    },
    /// `status=200|5xx`: the number is in one of these ranges, both ends included.
    Within {
        /// It is in none of these.
        negated: bool,
        /// At least one.
        any: Vec<(i64, i64)>,
    },
    /// `duration>=2s`.
    Order {
        /// The comparison.
        order: Order,
        /// In the unit of the field's type: level number, nanoseconds, bytes.
        value: i64,
    },
    /// The same of a field that may be text or number.
    OrderAny {
        /// The comparison.
        order: Order,
        /// The number.
        value: f64,
    },
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

/// A text, where `*` stands for any letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the stars: one piece without a star.
    pub(super) pieces: Vec<String>,
}

/// A regular expression, searched anywhere in a text.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(super) regex: Regex,
}

/// A text that is looked for in all values of a line, whatever the case of its ASCII letters.
#[derive(Clone, Debug)]
pub struct Needle {
    text: String,
    /// For the bytes of a whole line: the longest part that stands there as it is. A line without it
    /// is done with at the speed of a search for bytes.
    in_line: bytes::Regex,
    /// For the text of a value.
    in_value: bytes::Regex,
}

/// A compiled expression is no larger than this, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Filter {
    /// Matches every line.
    pub fn all() -> Self {
        Self { expr: Expr::All }
    }

    /// Matches every line of a trace.
    pub fn of_trace(id: TraceId) -> Self {
        let hex = id.hex();
        let any = vec![Pattern::exact(String::from_utf8_lossy(&hex))];
        let field = Field::Known(Known::TraceId);
        let test = Test::OneOf {
            negated: false,
            any,
        };
        Self {
            expr: Expr::Field(Condition { field, test }),
        }
    }

    /// How its conditions are joined.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// `true` when every line matches.
    pub fn is_all(&self) -> bool {
        self.expr == Expr::All
    }

    /// What is known without reading lines: `leaf` says of each condition whether it is true (of the
    /// row, or of all rows of a block), false (of every one), or unknown.
    pub fn decide(&self, leaf: &mut dyn FnMut(Leaf<'_>) -> Option<bool>) -> Option<bool> {
        self.expr.decide(leaf)
    }

    /// Calls `each` with every condition, negated ones too.
    pub fn for_each(&self, each: &mut dyn FnMut(Leaf<'_>)) {
        self.expr.for_each(each);
    }
}

impl Expr {
    fn decide(&self, leaf: &mut dyn FnMut(Leaf<'_>) -> Option<bool>) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Text(needle) => leaf(Leaf::Text(needle)),
            Self::Field(condition) => leaf(Leaf::Field(condition)),
            Self::Not(inner) => inner.decide(leaf).map(|known| !known),
            Self::And(all) => {
                let mut known = Some(true);
                for one in all {
                    match one.decide(leaf) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => known = None,
                    }
                }
                known
            }
            Self::Or(any) => {
                let mut known = Some(false);
                for one in any {
                    match one.decide(leaf) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => known = None,
                    }
                }
                known
            }
        }
    }

    fn for_each(&self, each: &mut dyn FnMut(Leaf<'_>)) {
        match self {
            Self::All => {}
            Self::Text(needle) => each(Leaf::Text(needle)),
            Self::Field(condition) => each(Leaf::Field(condition)),
            Self::Not(inner) => inner.for_each(each),
            Self::And(inner) | Self::Or(inner) => inner.iter().for_each(|one| one.for_each(each)),
        }
    }
}

impl Pattern {
    pub(super) fn exact(text: impl Into<String>) -> Self {
        Self {
            pieces: vec![text.into()],
        }
    }

    /// Every `*` is a star.
    pub(super) fn with_stars(text: &str) -> Self {
        Self {
            pieces: text.split('*').map(ToOwned::to_owned).collect(),
        }
    }

    /// The text, when there is no star.
    pub fn as_exact(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// What stands between the stars; a text that matches has all of it.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().map(String::as_str)
    }

    /// What the text begins with; all of it when there is no star.
    pub fn prefix(&self) -> &str {
        self.pieces.first().map_or("", String::as_str)
    }

    /// Whether a text matches, from its first letter to its last.
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_some_and(|only| only == text);
        };
        let Some(rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else {
            return false;
        };
        // The first place of each piece leaves the most for the others.
        middle.iter().all(|piece| {
            let found = rest.find(piece.as_str());
            rest = found.map_or(rest, |at| &rest[at + piece.len()..]);
            found.is_some()
        })
    }
}

impl Expression {
    /// # Errors
    /// What is wrong with the expression.
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(text)
            .size_limit(REGEX_BYTES_MAX)
            .build()?;
        Ok(Self { regex })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// Whether it is found in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl Needle {
    /// # Errors
    /// A text that is too long.
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        let is_raw = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ';
        let runs = text.split(|c| !is_raw(c));
        let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
        Ok(Self {
            text: text.to_owned(),
            in_line: whatever_case(longest)?,
            in_value: whatever_case(text)?,
        })
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a value contains it.
    pub fn is_in(&self, value: &str) -> bool {
        self.in_value.is_match(value.as_bytes())
    }

    /// `false` when no value of the line can contain it. Keys are searched too.
    pub fn may_be_in_line(&self, json: &[u8]) -> bool {
        self.in_line.is_match(json)
    }
}

/// An expression for just this text. Only ASCII letters have a case here: folding others would cost
/// the fast search.
fn whatever_case(text: &str) -> Result<bytes::Regex, regex::Error> {
    let mut pattern = String::with_capacity(text.len() * 4);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            pattern.push(char::from(byte));
        } else {
            pattern.push_str(&format!("\\x{byte:02x}"));
        }
    }
    bytes::RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(REGEX_BYTES_MAX)
        .build()
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Order {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }

    pub(super) fn holds<T: PartialOrd>(self, got: &T, value: &T) -> bool {
        match self {
            Self::Above => got > value,
            Self::AtLeast => got >= value,
            Self::Below => got < value,
            Self::AtMost => got <= value,
        }
    }
}

/// Written so that it is read back as the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Expr::All => Ok(()),
            expr => expr.fmt(f),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Text(needle) => quoted(&needle.text, f),
            Self::Field(condition) => condition.fmt(f),
            Self::Not(inner) => match **inner {
                Self::And(_) | Self::Or(_) => write!(f, "NOT ({inner})"),
                _ => write!(f, "NOT {inner}"),
            },
            Self::And(all) => joined(all, " ", f, |one| matches!(one, Self::Or(_))),
            Self::Or(any) => joined(any, " OR ", f, |_| false),
        }
    }
}

fn joined(
    all: &[Expr],
    between: &str,
    f: &mut fmt::Formatter<'_>,
    needs_parentheses: fn(&Expr) -> bool,
) -> fmt::Result {
    for (nth, one) in all.iter().enumerate() {
        if nth > 0 {
            f.write_str(between)?;
        }
        if needs_parentheses(one) {
            write!(f, "({one})")?;
        } else {
            write!(f, "{one}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        let equals = |negated: &bool| if *negated { "!=" } else { "=" };
        match &self.test {
            Test::Present { negated } => write!(f, "{field}{}*", equals(negated)),
            Test::OneOf { negated, any } => {
                write!(f, "{field}{}", equals(negated))?;
                separated(any, f, |pattern, f| pattern.fmt(f))
            }
            Test::Like { negated, regex } => {
                write!(f, "{field}{}", if *negated { "!~" } else { "~" })?;
                quoted(regex.as_str(), f)
            }
            Test::Within { negated, any } => {
                write!(f, "{field}{}", equals(negated))?;
                separated(any, f, |(from, to), f| {
                    if from == to {
                        f.write_str(&number(field.field_type(), *from))
                    } else {
                        write!(f, "{}xx", from / 100)
                    }
                })
            }
            Test::Order { order, value } => {
                let value = number(field.field_type(), *value);
                write!(f, "{field}{}{value}", order.sign())
            }
            Test::OrderAny { order, value } => write!(f, "{field}{}{value}", order.sign()),
        }
    }
}

fn separated<T>(
    all: &[T],
    f: &mut fmt::Formatter<'_>,
    each: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (nth, one) in all.iter().enumerate() {
        if nth > 0 {
            f.write_str("|")?;
        }
        each(one, f)?;
    }
    Ok(())
}

fn number(field_type: FieldType, value: i64) -> String {
    match field_type {
        FieldType::Duration => units::show_duration(value),
        FieldType::Bytes => units::show_bytes(value),
        FieldType::Level => usize::try_from(value)
            .ok()
            .and_then(|level| units::LEVELS.get(level))
            .map_or_else(|| value.to_string(), |name| (*name).to_owned()),
        FieldType::Number | FieldType::Text | FieldType::Any => value.to_string(),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_exact() {
            Some(text) if !is_plain(text) => quoted(text, f),
            _ => f.write_str(&self.pieces.join("*")),
        }
    }
}

/// What a quoted text is between.
pub(super) const QUOTES: [char; 2] = ['"', '\''];

/// A value that needs no quotes.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(is_plain_char)
        && !text.contains('*')
        && !text.starts_with(QUOTES)
}

/// A letter that a value without quotes can have.
pub(super) fn is_plain_char(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '(' | ')' | '|')
}

/// In quotes, with the escapes that the reader knows.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
