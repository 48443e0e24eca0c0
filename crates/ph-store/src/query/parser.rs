//! From a text to a filter, or to the first thing that is wrong with it.
//!
//! ```text
//! query     = [ either ]
//! either    = both { "OR" both }
//! both      = term { [ "AND" ] term }
//! term      = ( "NOT" | "-" ) term | "(" either ")" | quoted | word | "*"
//!           | field ( "=" | "!=" ) value { "|" value }
//!           | field ( "~" | "!~" ) value
//!           | field ( ">" | ">=" | "<" | "<=" ) value
//! ```

use super::condition;
use super::error::QueryError;
use super::field::Field;
use super::filter::{Condition, Expr, Filter, Needle, QUOTES, is_plain_char};
use std::ops::Range;

/// The longest query that is read, in bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Parentheses and negations within one another.
const DEPTH_MAX: usize = 64;
/// Conditions and texts in all; each costs time for every line.
const TERMS_MAX: usize = 256;

/// Reads a query. An empty one matches every line.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(text: &str) -> Result<Filter, QueryError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the query is longer than {TEXT_BYTES_MAX} bytes");
        return Err(QueryError::new(0..0, message));
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        terms: 0,
    };
    parser.skip_space();
    if parser.is_done() {
        return Ok(Filter::all());
    }
    let expr = parser.either()?;
    if parser.is_done() {
        return Ok(Filter { expr });
    }
    // Only this ends an expression before its end.
    let at = parser.at..parser.at + 1;
    Err(QueryError::new(at, "this `)` closes nothing").hint("put text with parentheses in quotes"))
}

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    terms: usize,
}

/// A value as it stands in the query.
pub(super) struct Written {
    /// Quotes removed and escapes resolved.
    pub text: String,
    /// It stood in quotes, where nothing has a meaning of its own.
    pub is_quoted: bool,
    /// Where.
    pub at: Range<usize>,
}

/// The signs between a field and its value; longer ones first.
const SIGNS: [&str; 12] = [
    "!=", "!~", ">=", "<=", "=~", "==", "=>", "=<", "=", "~", ">", "<",
];

impl<'a> Parser<'a> {
    fn either(&mut self) -> Result<Expr, QueryError> {
        let mut any = vec![self.both()?];
        while self.take_word("OR") {
            any.push(self.both()?);
        }
        Ok(one_or(any, Expr::Or, |expr, any| match expr {
            Expr::Or(inner) => any.extend(inner),
            other => any.push(other),
        }))
    }

    fn both(&mut self) -> Result<Expr, QueryError> {
        let mut all = vec![self.term()?];
        loop {
            let is_and = self.take_word("AND");
            let is_over = self.is_done() || self.peek() == Some(')') || self.peek_word() == "OR";
            if is_over && !is_and {
                break;
            }
            all.push(self.term()?);
        }
        Ok(one_or(all, Expr::And, |expr, all| match expr {
            Expr::And(inner) => all.extend(inner),
            other => all.push(other),
        }))
    }

    fn term(&mut self) -> Result<Expr, QueryError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} parentheses and negations in one another");
            return Err(QueryError::new(self.at..self.at, message));
        }
        let expr = self.term_within()?;
        self.depth -= 1;
        self.skip_space();
        Ok(expr)
    }

    fn term_within(&mut self) -> Result<Expr, QueryError> {
        let start = self.at;
        match self.peek() {
            None => Err(self.nothing_here()),
            Some('(') => {
                self.bump('(');
                self.skip_space();
                let expr = self.either()?;
                if self.peek() != Some(')') {
                    let error = QueryError::new(start..start + 1, "this `(` is not closed");
                    return Err(error.expected("`)` at the end"));
                }
                self.bump(')');
                Ok(expr)
            }
            Some(')') => Err(self.nothing_here()),
            Some(quote) if QUOTES.contains(&quote) => {
                let written = self.quoted(quote)?;
                self.text_term(&written)
            }
            Some('-') => {
                self.bump('-');
                if self.peek().is_none_or(|c| c.is_whitespace() || c == '-') {
                    let error =
                        QueryError::new(start..self.at, "`-` says that something is not so");
                    return Err(error
                        .expected("a condition, a text or `(` right behind it")
                        .hint("put a text that begins with `-` in quotes"));
                }
                Ok(Expr::Not(Box::new(self.term()?)))
            }
            Some(_) if self.take_word("NOT") => Ok(Expr::Not(Box::new(self.term()?))),
            Some(_) => self.word_term(),
        }
    }

    /// A condition, or a word that is looked for.
    fn word_term(&mut self) -> Result<Expr, QueryError> {
        let start = self.at;
        let name =
            self.take_while(|c| is_plain_char(c) && !matches!(c, '=' | '!' | '<' | '>' | '~'));
        let at = start..self.at;
        self.skip_space();
        if let Some(sign) = self.take_sign() {
            return self.condition(name, at, sign);
        }
        if name == "*" {
            return Ok(Expr::All);
        }
        let next = self.peek().map_or(self.at, |c| self.at + c.len_utf8());
        if name.is_empty() {
            let message = match self.peek() {
                Some('|') => "`|` stands between the values of a field",
                _ => "this is no condition",
            };
            return Err(QueryError::new(start..next, message)
                .expected("a field, a text, `NOT` or `(`")
                .hint("as in `tool=read|write`; put text with signs in quotes"));
        }
        if matches!(name, "and" | "or" | "not") {
            let capitals = name.to_ascii_uppercase();
            let message = format!("`{name}` is a text here, and probably was not meant so");
            return Err(QueryError::new(at, message).hint(format!(
                "write `{capitals}`, or \"{name}\" in quotes to look for it"
            )));
        }
        if let Some((field, value)) = name.split_once(':')
            && Field::parse(field).is_ok()
            && !value.starts_with('/')
        {
            let message = format!("`{field}` is followed by `:`");
            let value = if value.is_empty() { "VALUE" } else { value };
            return Err(QueryError::new(at, message)
                .expected(format!("`{field}={value}`"))
                .hint("put it in quotes to look for it as text"));
        }
        if name.contains('*') {
            return Err(QueryError::new(at, "`*` has no meaning in a text")
                .hint("text is found wherever it stands; for parts of it: message~\"a.*b\""));
        }
        if self.peek() == Some('|') {
            return Err(
                QueryError::new(self.at..next, "`|` stands between the values of a field")
                    .hint("between texts and conditions it is `OR`"),
            );
        }
        let written = Written {
            text: name.to_owned(),
            is_quoted: false,
            at,
        };
        self.text_term(&written)
    }

    fn condition(
        &mut self,
        name: &str,
        at: Range<usize>,
        sign: &'static str,
    ) -> Result<Expr, QueryError> {
        let sign_at = self.at - sign.len()..self.at;
        if name.is_empty() {
            return Err(
                QueryError::new(sign_at, format!("no field before `{sign}`"))
                    .expected("a field, as in `tool=searchFiles`")
                    .hint("put text with signs in quotes"),
            );
        }
        let field = Field::parse(name).map_err(|near| unknown_field(name, at.clone(), near))?;
        self.count_term(&at)?;
        self.skip_space();
        let mut values = vec![self.value(&field, sign)?];
        self.skip_space();
        while self.peek() == Some('|') {
            self.bump('|');
            self.skip_space();
            values.push(self.value(&field, sign)?);
            self.count_term(&at)?;
            self.skip_space();
        }
        let test = condition::test(&field, sign, sign_at, &values)?;
        Ok(Expr::Field(Condition { field, test }))
    }

    fn value(&mut self, field: &Field, sign: &str) -> Result<Written, QueryError> {
        let start = self.at;
        match self.peek() {
            Some(quote) if QUOTES.contains(&quote) => self.quoted(quote),
            Some(c) if is_plain_char(c) => {
                let text = self.take_while(is_plain_char).to_owned();
                Ok(Written {
                    text,
                    is_quoted: false,
                    at: start..self.at,
                })
            }
            next => {
                let end = next.map_or(start, |c| start + c.len_utf8());
                let error = QueryError::new(start..end, format!("no value for `{field}`"))
                    .expected(condition::values_of(field));
                Err(match next {
                    Some('(') if sign.contains('~') => {
                        error.hint("put a regular expression in quotes")
                    }
                    Some('(') => error.hint(format!("several values are `{field}{sign}a|b`")),
                    _ => error,
                })
            }
        }
    }

    /// A text in quotes. `\"`, `\\`, `\n`, `\r` and `\t` are escapes; any other backslash stays, for
    /// regular expressions.
    fn quoted(&mut self, quote: char) -> Result<Written, QueryError> {
        let start = self.at;
        self.bump(quote);
        let mut text = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, c)) = chars.next() {
            if c == quote {
                self.at += offset + 1;
                return Ok(Written {
                    text,
                    is_quoted: true,
                    at: start..self.at,
                });
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, 't')) => text.push('\t'),
                Some((_, c)) if c == '\\' || QUOTES.contains(&c) => text.push(c),
                Some((_, c)) => text.extend(['\\', c]),
                None => break,
            }
        }
        let error = QueryError::new(start..start + 1, format!("this {quote} is not closed"));
        Err(error.expected(format!("another {quote}")))
    }

    fn text_term(&mut self, written: &Written) -> Result<Expr, QueryError> {
        self.count_term(&written.at)?;
        if written.text.is_empty() {
            return Err(QueryError::new(
                written.at.clone(),
                "an empty text is in every line",
            ));
        }
        let too_long = |_| QueryError::new(written.at.clone(), "this text is too long");
        Needle::new(&written.text).map(Expr::Text).map_err(too_long)
    }

    fn count_term(&mut self, at: &Range<usize>) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            let message = format!("more than {TERMS_MAX} conditions, values and texts");
            return Err(QueryError::new(at.clone(), message));
        }
        Ok(())
    }

    fn nothing_here(&self) -> QueryError {
        let end = self.peek().map_or(self.at, |c| self.at + c.len_utf8());
        QueryError::new(self.at..end, "something is missing here")
            .expected("a condition such as `tool=searchFiles`, a text or `(`")
    }

    /// Takes a keyword that is a word of its own, and the space behind it.
    fn take_word(&mut self, word: &str) -> bool {
        if self.peek_word() != word {
            return false;
        }
        self.at += word.len();
        self.skip_space();
        true
    }

    /// The letters up to the next space, quote or parenthesis.
    fn peek_word(&self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !is_plain_char(c));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn take_sign(&mut self) -> Option<&'static str> {
        let rest = &self.text[self.at..];
        let sign = SIGNS.iter().copied().find(|sign| rest.starts_with(sign))?;
        self.at += sign.len();
        Some(sign)
    }

    fn take_while(&mut self, is_in: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !is_in(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_space(&mut self) {
        self.take_while(|c| c.is_whitespace() || c.is_control());
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    fn is_done(&self) -> bool {
        self.at == self.text.len()
    }
}

/// The only one, or all of them joined, those of the same kind taken in.
fn one_or(
    mut all: Vec<Expr>,
    join: fn(Vec<Expr>) -> Expr,
    take_in: fn(Expr, &mut Vec<Expr>),
) -> Expr {
    if all.len() == 1
        && let Some(only) = all.pop()
    {
        return only;
    }
    let mut flat = Vec::with_capacity(all.len());
    all.into_iter().for_each(|one| take_in(one, &mut flat));
    join(flat)
}

fn unknown_field(name: &str, at: Range<usize>, near: Option<&'static str>) -> QueryError {
    let names: Vec<&str> = Field::names().collect();
    let error = QueryError::new(at, format!("unknown field `{name}`"));
    let error = error.expected(format!("one of {}", names.join(", ")));
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("what a tool was called with is `params.NAME`"),
    }
}
