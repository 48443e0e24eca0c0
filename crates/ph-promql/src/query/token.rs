//! The words of a query with their places. `promql-parser` has the grammar and says nothing of places;
//! this says where things are, and stops what would make the parser panic or recurse without end.

use crate::error::ParseError;

/// A query is not longer, bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// A query has not more words.
const TOKENS_MAX: usize = 4_000;
/// Parentheses are not deeper.
const DEPTH_MAX: usize = 200;
/// A query has not more operators: a chain of them is a tree as deep as it is long.
const OPERATORS_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a function's, label's or metric's name.
    Word,
    Number,
    Duration,
    String,
    /// An operator, a bracket, a comma.
    Sign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Bytes from the start of the query.
    pub(super) at: usize,
    /// Inside of braces, where a word is a label's name.
    pub(super) in_braces: bool,
}

impl Token<'_> {
    pub(super) fn is(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

/// Splits a query into words.
pub(super) fn scan(query: &str) -> Result<Vec<Token<'_>>, ParseError> {
    if query.len() > TEXT_BYTES_MAX {
        let text = format!("the query is longer than {TEXT_BYTES_MAX} bytes");
        return Err(ParseError::at(query, TEXT_BYTES_MAX, text));
    }
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut open: Vec<(char, usize)> = Vec::new();
    let (mut at, mut operators) = (0, 0);
    while let Some(first) = query[at..].chars().next() {
        let rest = &query[at..];
        let in_braces = open.last().is_some_and(|(bracket, _)| *bracket == '{');
        let in_brackets = open.last().is_some_and(|(bracket, _)| *bracket == '[');
        let (kind, length) = match first {
            c if c.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            '#' => {
                at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => (Kind::String, string_bytes(query, at, first)?),
            c if c.is_ascii_digit() => number_or_duration(rest),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number_or_duration(rest),
            c if c == '_' || c.is_ascii_alphabetic() || (c == ':' && !in_brackets) => {
                let colons = !in_braces && !in_brackets;
                let end = rest.find(|c: char| {
                    !(c == '_' || c.is_ascii_alphanumeric() || (c == ':' && colons))
                });
                (Kind::Word, end.unwrap_or(rest.len()))
            }
            _ => (Kind::Sign, sign_bytes(rest)),
        };
        let token = Token {
            kind,
            text: &rest[..length],
            at,
            in_braces,
        };
        if kind == Kind::Sign {
            follow_brackets(query, first, at, &mut open)?;
        }
        tokens.push(token);
        operators += usize::from(is_operator(&token));
        if operators > OPERATORS_MAX {
            let text = format!("the query has more than {OPERATORS_MAX} operators");
            return Err(ParseError::at(query, at, text));
        }
        if tokens.len() > TOKENS_MAX {
            let text = format!("the query has more than {TOKENS_MAX} words");
            return Err(ParseError::at(query, at, text));
        }
        at += length;
    }
    if let Some((bracket, at)) = open.last() {
        let name = match bracket {
            '(' => "parenthesis",
            '[' => "bracket",
            _ => "brace",
        };
        return Err(ParseError::at(query, *at, format!("unclosed left {name}")));
    }
    Ok(tokens)
}

fn is_operator(token: &Token<'_>) -> bool {
    const WORDS: [&str; 4] = ["and", "or", "unless", "atan2"];
    match token.kind {
        Kind::Sign => !token.in_braces && !"()[]{},:".contains(token.text),
        Kind::Word => WORDS.iter().any(|word| token.is_word(word)),
        _ => false,
    }
}

fn follow_brackets(
    query: &str,
    sign: char,
    at: usize,
    open: &mut Vec<(char, usize)>,
) -> Result<(), ParseError> {
    let wanted = match sign {
        '(' | '[' | '{' => {
            open.push((sign, at));
            if open.len() > DEPTH_MAX {
                let text = format!("brackets are nested more than {DEPTH_MAX} deep");
                return Err(ParseError::at(query, at, text));
            }
            return Ok(());
        }
        ')' => '(',
        ']' => '[',
        '}' => '{',
        _ => return Ok(()),
    };
    match open.pop() {
        Some((bracket, _)) if bracket == wanted => Ok(()),
        _ => Err(ParseError::at(query, at, format!("unexpected `{sign}`"))),
    }
}

/// The length of the string that begins at `at`, with its quotes.
fn string_bytes(query: &str, at: usize, quote: char) -> Result<usize, ParseError> {
    let mut escaped = false;
    for (i, c) in query[at..].char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return Ok(i + 1),
            '\n' if quote != '`' => break,
            _ => {}
        }
    }
    Err(ParseError::at(query, at, "unterminated quoted string"))
}

fn number_or_duration(rest: &str) -> (Kind, usize) {
    let digits = |from: usize, hex: bool| {
        rest[from..]
            .find(|c: char| !(c.is_ascii_digit() || (hex && c.is_ascii_hexdigit())))
            .map_or(rest.len(), |end| from + end)
    };
    if rest.starts_with("0x") || rest.starts_with("0X") {
        return (Kind::Number, digits(2, true));
    }
    let mut end = digits(0, false);
    if rest[end..].starts_with(['s', 'm', 'h', 'd', 'w', 'y']) {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        return (Kind::Duration, end.unwrap_or(rest.len()));
    }
    if rest[end..].starts_with('.') {
        end = digits(end + 1, false);
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
        end = digits(end + 1 + sign, false);
    }
    (Kind::Number, end)
}

fn sign_bytes(rest: &str) -> usize {
    const TWO: &[&str] = &["==", "!=", "<=", ">=", "=~", "!~", "</", ">/"];
    if TWO.iter().any(|two| rest.starts_with(two)) {
        return 2;
    }
    rest.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(query: &str) -> Vec<&str> {
        let tokens = scan(query).unwrap();
        tokens.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_have_their_places() {
        let tokens = scan("sum by (a) (x:y{b=~\"}\"}[5m:1m] offset 1d2h) # end").unwrap();
        let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        let wanted = "sum by ( a ) ( x:y { b =~ \"}\" } [ 5m : 1m ] offset 1d2h )";
        assert_eq!(texts, wanted.split(' ').collect::<Vec<_>>());
        assert_eq!(tokens[6].at, 12);
        assert!(tokens[8].in_braces && !tokens[6].in_braces);
    }

    #[test]
    fn numbers_of_all_kinds() {
        assert_eq!(
            texts("0x1f 1e-3 .5 5. 1.5e+6"),
            ["0x1f", "1e-3", ".5", "5.", "1.5e+6"]
        );
        assert_eq!(texts("a>=1"), ["a", ">=", "1"]);
    }

    #[test]
    fn what_is_open_is_named_with_its_place() {
        let place = |query: &str| scan(query).unwrap_err().to_string();
        assert_eq!(
            place("sum(a"),
            "1:4: parse error: unclosed left parenthesis"
        );
        assert_eq!(place("a\n)"), "2:1: parse error: unexpected `)`");
        assert_eq!(place("'a"), "1:1: parse error: unterminated quoted string");
        assert!(scan(&"(".repeat(300)).is_err());
        assert!(scan(&"1+".repeat(3000)).is_err());
    }
}
