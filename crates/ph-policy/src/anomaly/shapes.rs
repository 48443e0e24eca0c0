//! What a text of an argument looks like. One pass: at each byte that may begin something, so many bytes around
//! it are looked at, and no more.

mod command;
mod decode;
mod path;
mod sql;
mod target;
mod template;

pub(super) use decode::{decoded, is_plain};

use ph_record::{AnomalyKind, Shape};

/// What is configured.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Absolute paths have to be in one of these; without a slash at the end. None: any.
    pub(super) roots: Vec<String>,
    /// Loopback and private addresses are abnormal.
    pub(super) private_targets: bool,
}

/// What was found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: AnomalyKind,
    pub(super) excerpt: String,
}

impl Found {
    fn new(kind: AnomalyKind, text: &[u8], at: usize) -> Self {
        let from = at.saturating_sub(EXCERPT_BEFORE);
        let to = text.len().min(from + Shape::TEXT_BYTES_MAX);
        let excerpt = String::from_utf8_lossy(&text[from..to]);
        Self {
            kind,
            excerpt: excerpt.trim_matches(char::REPLACEMENT_CHARACTER).to_owned(),
        }
    }

    /// A text that nobody writes like this but to get something past a filter.
    pub(super) fn disguised(raw: &[u8]) -> Self {
        let at = raw.iter().position(|b| matches!(b, b'%' | b'\\'));
        Self::new(AnomalyKind::PathTraversal, raw, at.unwrap_or(0))
    }
}

/// So much of a text stands before what was found in it.
const EXCERPT_BEFORE: usize = 16;

/// The first thing that `text` looks like.
pub(super) fn look(text: &[u8], look: &Look) -> Option<Found> {
    if let Some(found) = path::whole(text, look) {
        return Some(found);
    }
    let found = |kind, at| Some(Found::new(kind, text, at));
    // Paths are judged once, from their first byte on.
    let mut token = 0;
    let mut judged_to = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'.' if at >= judged_to => {
                if text.get(at + 1) == Some(&b'.') {
                    let (climbs, end) = path::climbs(text, token, at);
                    judged_to = end;
                    if climbs {
                        return found(AnomalyKind::PathTraversal, at);
                    }
                }
                if path::is_secret_place(text, at) {
                    return found(AnomalyKind::PathTraversal, at);
                }
                if target::is_metadata_at_dot(text, at) {
                    return found(AnomalyKind::Ssrf, at);
                }
            }
            b'/' | b'\\' if at == token && path::is_secret_file(&text[at..]) => {
                return found(AnomalyKind::PathTraversal, at);
            }
            b'/' if command::is_shell_path(text, at) => {
                return found(AnomalyKind::CommandInjection, at);
            }
            b'\0' => return found(AnomalyKind::PathTraversal, at),
            b':' if target::is_inner(text, at, look) => return found(AnomalyKind::Ssrf, at),
            b'\'' | b'"' if sql::breaks_out(text, at) => {
                return found(AnomalyKind::SqlInjection, at);
            }
            b'_' | b'/' if sql::is_telling_name(text, at) => {
                return found(AnomalyKind::SqlInjection, at);
            }
            b'u' | b'U' if sql::is_union(text, at) => {
                return found(AnomalyKind::SqlInjection, at);
            }
            b';' if sql::is_second_statement(text, at) => {
                return found(AnomalyKind::SqlInjection, at);
            }
            b';' | b'|' | b'&' | b'`' | b'$' | b'\n' if command::follows(text, at) => {
                return found(AnomalyKind::CommandInjection, at);
            }
            b'{' | b'<' if template::begins(text, at) => {
                return found(AnomalyKind::TemplateInjection, at);
            }
            _ => {}
        }
        if matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'=' | b',' | b';' | b'`'
        ) {
            token = at + 1;
        }
    }
    None
}

/// The first path in `text` that climbs: all that is looked for in an address whose scheme is the server's own.
pub(super) fn climbing(text: &[u8]) -> Option<Found> {
    let two_dots = |at: &usize| text[*at..].starts_with(b"..");
    let climbs = |at: &usize| path::climbs(text, 0, *at).0;
    let at = match text.iter().position(|b| *b == 0) {
        Some(nul) => nul,
        None => (0..text.len()).find(two_dots).filter(climbs)?,
    };
    Some(Found::new(AnomalyKind::PathTraversal, text, at))
}

/// What follows spaces, tabs, line breaks and comments of SQL.
fn skip_space(mut text: &[u8]) -> &[u8] {
    loop {
        let rest = text.trim_ascii_start();
        let Some(inner) = rest.strip_prefix(b"/*") else {
            return rest;
        };
        let bounded = &inner[..inner.len().min(32)];
        match bounded.windows(2).position(|two| two == b"*/") {
            Some(end) => text = &inner[end + 2..],
            None => return rest,
        }
    }
}

/// What follows `word`, in upper or lower case, if `text` begins with it.
fn after_word<'a>(text: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word.as_bytes()).then_some(rest)
}

/// The same, where the word ends there.
fn after_whole_word<'a>(text: &'a [u8], word: &str) -> Option<&'a [u8]> {
    after_word(text, word).filter(|rest| !rest.first().is_some_and(|b| is_of_word(*b)))
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn begins_word(text: &[u8], at: usize) -> bool {
    at == 0 || !is_of_word(text[at - 1])
}

#[cfg(test)]
mod tests;
