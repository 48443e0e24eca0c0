//! Secrets that are known by the word before them: `password=…`, `Bearer …`, `://user:password@`.

/// How every mark begins: what is redacted is not redacted again.
pub(super) const MARK: &[u8] = b"[redacted:";

/// Whether a word begins at `at`: also after an escape of JSON (`\n`) or of an address (`%20`).
pub(super) fn begins(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|n| bytes[n]) else {
        return true;
    };
    if !is_word(before) {
        return true;
    }
    let back = |n: usize| at.checked_sub(n).map(|n| bytes[n]);
    let hex = |n: usize| back(n).is_some_and(|b| b.is_ascii_hexdigit());
    let escaped = matches!(before, b'n' | b'r' | b't') && back(2) == Some(b'\\');
    let percent = back(3) == Some(b'%') && hex(1) && hex(2);
    let unicode = back(6) == Some(b'\\') && back(5) == Some(b'u') && (1..=4).all(hex);
    escaped || percent || unicode
}

/// `Bearer TOKEN`, `Basic TOKEN`: the token. `at..end` is the scheme.
pub(super) fn scheme(bytes: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    if !begins(bytes, at) {
        return None;
    }
    let rest = &bytes[end..];
    let from = if rest.starts_with(b"%20") {
        end + 3
    } else {
        end_of(bytes, end, |b| b == b' ')
    };
    let to = end_of(bytes, from, |b| {
        is_token(b) || matches!(b, b'/' | b'+' | b'=' | b'~' | b'%')
    });
    let is_prose = PROSE
        .iter()
        .any(|word| starts_with(&bytes[from..to], word.as_bytes()));
    let is_prose = is_prose && to - from < PROSE_MAX;
    (from > end && to >= from + SCHEME_TOKEN_MIN && !is_prose).then_some((from, to))
}

/// A longer word is none of [`PROSE`].
const PROSE_MAX: usize = 32;

/// Shorter words after `Bearer` are prose ("bearer token is missing").
const SCHEME_TOKEN_MIN: usize = 8;

/// What people and challenges write after `Bearer` and `Basic`.
const PROSE: [&str; 6] = [
    "authenti",
    "authoriz",
    "credential",
    "challenge",
    "resource_metadata",
    "error_description",
];

/// `password=VALUE`, `"api_key": "VALUE"`, `DB_PASSWORD: VALUE`, `--token VALUE`: the value.
///
/// - `at..end`: the word that announces it; the whole name may begin before, and ends with it.
pub(super) fn value(bytes: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    // `secret_key`, `secretKey`: the only names that go on.
    let on = [&b"_key"[..], b"-key", b"key"]
        .into_iter()
        .find(|on| starts_with(&bytes[end..], on));
    let end = end + on.map_or(0, <[u8]>::len);
    if bytes.get(end).is_some_and(|b| is_word(*b) || *b == b'-') {
        return None;
    }
    let after = end_of(bytes, end, |b| matches!(b, b'"' | b'\'' | b'\\' | b' '));
    let (from, argument) = match bytes.get(after) {
        Some(b'=' | b':') => (after + 1, false),
        Some(b'%') if starts_with(&bytes[after..], b"%3d") => (after + 3, false),
        Some(b'%') if starts_with(&bytes[after..], b"%3a") => (after + 3, false),
        Some(b',') if is_option(bytes, at) => (after + 1, true),
        Some(_) if after > end && is_option(bytes, at) => (end, true),
        _ => return None,
    };
    let from = end_of(bytes, from, |b| matches!(b, b' ' | b'\\'));
    if bytes[from..].starts_with(MARK) {
        return None;
    }
    // A list in JSON: its first value.
    let from = end_of(bytes, from, |b| matches!(b, b' ' | b'\\' | b'['));
    if bytes[from..].starts_with(b"${") {
        return None;
    }
    let quote = bytes
        .get(from)
        .copied()
        .filter(|b| matches!(b, b'"' | b'\''));
    let (from, to) = if let Some(quote) = quote {
        (
            from + 1,
            end_of(bytes, from + 1, |b| b != quote && b != b'\\'),
        )
    } else {
        let to = end_of(bytes, from, |b| {
            !b.is_ascii_whitespace()
                && !matches!(
                    b,
                    b',' | b';' | b'&' | b'"' | b'\'' | b'{' | b'}' | b')' | b']' | b'\\'
                )
        });
        (from, to)
    };
    let least = if argument { ARGUMENT_MIN } else { 1 };
    // `Authorization: Bearer x`: the scheme stays, what follows it is found by it.
    let is_scheme = scheme_word(&bytes[from..to]);
    (to >= from + least && !is_scheme && !is_nothing(&bytes[from..to])).then_some((from, to))
}

/// Shorter words after `--token` are prose ("--token is missing").
const ARGUMENT_MIN: usize = 8;

/// Whether the name around `at` is an option of a command: it begins with `--`.
fn is_option(bytes: &[u8], at: usize) -> bool {
    let from = bytes[..at]
        .iter()
        .rposition(|b| !is_word(*b) && *b != b'-')
        .map_or(0, |n| n + 1);
    bytes[from..].starts_with(b"--")
}

fn scheme_word(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"bearer") || value.eq_ignore_ascii_case(b"basic")
}

/// What stands where a secret would, and is none: a literal of a language, a mask.
fn is_nothing(value: &[u8]) -> bool {
    let word = [
        &b"null"[..],
        b"none",
        b"nil",
        b"true",
        b"false",
        b"undefined",
        b"''",
    ]
    .into_iter()
    .any(|word| value.eq_ignore_ascii_case(word));
    word || value.iter().all(|b| matches!(b, b'*' | b'x' | b'.'))
}

/// `Cookie: …`, `Set-Cookie: …`, up to the end of the line or of the quoted text.
pub(super) fn cookie(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let after = end_of(bytes, end, |b| matches!(b, b'"' | b'\'' | b'\\' | b' '));
    if bytes.get(after) != Some(&b':') {
        return None;
    }
    let from = end_of(bytes, after + 1, |b| {
        matches!(b, b'"' | b'\'' | b'\\' | b' ')
    });
    if bytes[from..].starts_with(MARK) {
        return None;
    }
    let near = &bytes[from..bytes.len().min(from + COOKIE_NAME_MAX)];
    let name = near
        .iter()
        .position(|b| matches!(b, b'=' | b'\n' | b'\r' | b'"' | b' '))?;
    if near[name] != b'=' {
        return None;
    }
    let to = end_of(bytes, from, |b| {
        !matches!(b, b'\n' | b'\r' | b'"' | b'\'' | b'\\')
    });
    Some((from, to))
}

/// Longest name of a cookie.
const COOKIE_NAME_MAX: usize = 128;

/// The `user:password` of an address whose authority begins at `from`, or a long user alone.
pub(super) fn userinfo(bytes: &[u8], from: usize, open: bool) -> Option<(usize, usize)> {
    let end = end_of(bytes, from, |b| {
        !b.is_ascii_whitespace() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'')
    });
    let authority = &bytes[from..end];
    let Some(at_sign) = authority.iter().rposition(|b| *b == b'@') else {
        let colon = authority.iter().position(|b| *b == b':')?;
        let is_port = authority[colon + 1..].iter().all(u8::is_ascii_digit);
        return (open && end == bytes.len() && !is_port).then_some((from, end));
    };
    let user = &authority[..at_sign];
    (user.contains(&b':') || user.len() >= USER_MAX).then_some((from, from + at_sign))
}

/// A longer user is a token.
const USER_MAX: usize = 20;

pub(super) fn end_of(bytes: &[u8], from: usize, goes_on: impl Fn(u8) -> bool) -> usize {
    bytes[from..]
        .iter()
        .position(|b| !goes_on(*b))
        .map_or(bytes.len(), |n| from + n)
}

fn starts_with(bytes: &[u8], lower: &[u8]) -> bool {
    bytes
        .get(..lower.len())
        .is_some_and(|b| b.eq_ignore_ascii_case(lower))
}

pub(super) fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

pub(super) fn is_token(b: u8) -> bool {
    is_word(b) || matches!(b, b'-' | b'.')
}
