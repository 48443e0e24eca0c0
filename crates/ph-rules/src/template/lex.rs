//! The words of a template.

use std::ops::Range;

use super::TemplateError;

/// Text between actions, or the words of one action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Token>, Range<usize>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) word: Word,
    pub(super) at: Range<usize>,
    /// White space stands before it.
    pub(super) spaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// A function or a keyword.
    Name(String),
    /// `$x`, with the sign.
    Variable(String),
    /// `.x`, without the dot.
    Field(String),
    Dot,
    Text(String),
    Number(Number),
    Pipe,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

pub(super) fn error<T>(at: Range<usize>, text: impl Into<String>) -> Result<T, TemplateError> {
    Err(TemplateError {
        at,
        text: text.into(),
    })
}

/// Cuts a text into what stands as it is and the actions.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let (mut from, mut trim) = (0, false);
    while let Some(found) = text[from..].find("{{") {
        let open = from + found;
        let inner = open + 2;
        let trims_before = is_trim_open(&text[inner..]);
        push_text(&mut pieces, &text[from..open], trim, trims_before);
        let start = if trims_before { inner + 1 } else { inner };
        let (tokens, end, trims_after) = action(text, start, open)?;
        if let Some(tokens) = tokens {
            pieces.push(Piece::Action(tokens, open..end));
        }
        (from, trim) = (end, trims_after);
    }
    push_text(&mut pieces, &text[from..], trim, false);
    Ok(pieces)
}

fn is_trim_open(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start {
        text.trim_start_matches(is_space)
    } else {
        text
    };
    let text = if trim_end {
        text.trim_end_matches(is_space)
    } else {
        text
    };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

type Action = (Option<Vec<Token>>, usize, bool);

/// The words from `start` to the closing braces, and where those end; no words for a comment.
fn action(text: &str, start: usize, open: usize) -> Result<Action, TemplateError> {
    if let Some(comment) = comment(text, start, open)? {
        return Ok(comment);
    }
    let mut tokens = Vec::new();
    let (mut at, mut spaced) = (start, false);
    loop {
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            return error(open..text.len(), "unclosed action");
        };
        if rest.starts_with("}}") {
            return Ok((Some(tokens), at + 2, false));
        }
        if spaced && rest.starts_with("-}}") {
            return Ok((Some(tokens), at + 3, true));
        }
        if is_space(first) {
            (at, spaced) = (at + 1, true);
            continue;
        }
        let (word, len) = word(text, at, first)?;
        tokens.push(Token {
            word,
            at: at..at + len,
            spaced,
        });
        (at, spaced) = (at + len, false);
    }
}

fn comment(text: &str, start: usize, open: usize) -> Result<Option<Action>, TemplateError> {
    let begin = start + text[start..].len() - text[start..].trim_start_matches(is_space).len();
    // White space before a comment is only allowed after a trim mark.
    let trimmed = text[open..].starts_with("{{-");
    if !text[begin..].starts_with("/*") || (begin > start && !trimmed) {
        return Ok(None);
    }
    let Some(len) = text[begin..].find("*/") else {
        return error(open..text.len(), "unclosed comment");
    };
    let end = begin + len + 2;
    let rest = &text[end..];
    if rest.starts_with("}}") {
        return Ok(Some((None, end + 2, false)));
    }
    let after = rest.trim_start_matches(is_space);
    if after.len() < rest.len() && after.starts_with("-}}") {
        return Ok(Some((None, text.len() - after.len() + 3, true)));
    }
    error(begin..end, "comment ends before closing delimiter")
}

fn word(text: &str, at: usize, first: char) -> Result<(Word, usize), TemplateError> {
    let rest = &text[at..];
    let single = |word: Word| Ok((word, first.len_utf8()));
    match first {
        '|' => single(Word::Pipe),
        '(' => single(Word::Open),
        ')' => single(Word::Close),
        ',' => single(Word::Comma),
        '=' => single(Word::Assign),
        ':' if rest.starts_with(":=") => Ok((Word::Declare, 2)),
        '"' => quoted(text, at),
        '`' => match rest[1..].find('`') {
            Some(len) => Ok((Word::Text(rest[1..=len].to_owned()), len + 2)),
            None => error(at..text.len(), "unterminated raw quoted string"),
        },
        '\'' => error(at..at + 1, "character constants are not supported"),
        '$' => {
            let name = name_len(&rest[1..]);
            Ok((Word::Variable(rest[..=name].to_owned()), name + 1))
        }
        '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(text, at),
        '.' => match name_len(&rest[1..]) {
            0 => single(Word::Dot),
            len => Ok((Word::Field(rest[1..=len].to_owned()), len + 1)),
        },
        '+' | '-' | '0'..='9' => number(text, at),
        c if c == '_' || c.is_alphabetic() => {
            let len = name_len(rest);
            Ok((Word::Name(rest[..len].to_owned()), len))
        }
        c => error(
            at..at + c.len_utf8(),
            format!("unexpected character `{}` in an action", c.escape_default()),
        ),
    }
}

fn name_len(rest: &str) -> usize {
    rest.find(|c: char| c != '_' && !c.is_alphanumeric())
        .unwrap_or(rest.len())
}

fn number(text: &str, at: usize) -> Result<(Word, usize), TemplateError> {
    let rest = &text[at..];
    let len = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '+' | '-' | '_'))
        .unwrap_or(rest.len());
    let written = &rest[..len];
    let plain = written
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E'));
    let number = if !plain {
        None
    } else if let Ok(whole) = written.parse::<i64>() {
        // A leading zero would be octal.
        let digits = written.trim_start_matches(['+', '-']);
        (digits == "0" || !digits.starts_with('0')).then_some(Number::Int(whole))
    } else {
        let float = written.parse::<f64>().ok().filter(|v| v.is_finite());
        float
            .filter(|_| written.contains(['.', 'e', 'E']))
            .map(Number::Float)
    };
    match number {
        Some(number) => Ok((Word::Number(number), len)),
        None => error(at..at + len, format!("bad number syntax: `{written}`")),
    }
}

/// A string in double quotes, with Go's escapes.
fn quoted(text: &str, at: usize) -> Result<(Word, usize), TemplateError> {
    let rest = &text[at + 1..];
    let mut value = String::new();
    let mut chars = rest.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Ok((Word::Text(value), place + 2)),
            '\n' => break,
            '\\' => {
                let from = at + 1 + place;
                let Some((c, len)) = escape(&rest[place + 1..]) else {
                    return error(from..from + 1, "bad escape in a string");
                };
                value.push(c);
                for _ in 0..len {
                    chars.next();
                }
            }
            c => value.push(c),
        }
    }
    error(at..text.len(), "unterminated quoted string")
}

/// What the characters after a backslash stand for, and how many they are.
fn escape(rest: &str) -> Option<(char, usize)> {
    let first = rest.chars().next()?;
    let plain = match first {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '"' => first,
        'x' | 'u' | 'U' => {
            let digits = match first {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let code = u32::from_str_radix(rest.get(1..=digits)?, 16).ok()?;
            // A byte beyond ASCII is no character by itself.
            let whole = first != 'x' || code < 0x80;
            return char::from_u32(code)
                .filter(|_| whole)
                .map(|c| (c, digits + 1));
        }
        _ => return None,
    };
    Some((plain, 1))
}
