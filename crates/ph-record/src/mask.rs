//! Leaves out of free text what is obviously a credential: error messages and children's stderr
//! repeat headers, addresses and environments.
//!
//! By form alone, so it catches the usual and not everything. It looks only where a word begins.

/// `text` with credentials replaced by `***`; `None` when there are none.
pub fn mask(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out: Option<String> = None;
    let mut done = 0;
    let mut at = 0;
    while at < bytes.len() {
        let begins = at == 0 || !is_word(bytes[at - 1]);
        let found = if bytes[at].is_ascii() && (begins || bytes[at] == b':') {
            secret_at(bytes, at, begins)
        } else {
            None
        };
        let Some((from, to)) = found else {
            at += 1;
            continue;
        };
        let out = out.get_or_insert_default();
        out.push_str(&text[done..from]);
        out.push_str("***");
        (done, at) = (to, to);
    }
    let mut out = out?;
    out.push_str(&text[done..]);
    Some(out)
}

/// Where the secret lies that is announced at `at`. Bounds fall on ASCII bytes.
fn secret_at(bytes: &[u8], at: usize, begins: bool) -> Option<(usize, usize)> {
    let rest = &bytes[at..];
    if rest.starts_with(b"://") {
        return userinfo(bytes, at + 3);
    }
    if !begins {
        return None;
    }
    known_form(bytes, at)
        .or_else(|| scheme(bytes, at))
        .or_else(|| assignment(bytes, at))
}

/// Tokens that are known by their first letters: `(prefix, least length of what follows)`.
const PREFIXES: [(&[u8], usize); 14] = [
    (b"sk-", 16),
    (b"sk_live_", 16),
    (b"ghp_", 20),
    (b"gho_", 20),
    (b"ghu_", 20),
    (b"ghs_", 20),
    (b"ghr_", 20),
    (b"github_pat_", 20),
    (b"glpat-", 16),
    (b"xoxb-", 10),
    (b"xoxp-", 10),
    (b"AKIA", 16),
    (b"ASIA", 16),
    (b"AIza", 30),
];

fn known_form(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let end = end_of(bytes, at, is_token);
    let word = &bytes[at..end];
    let by_prefix = PREFIXES
        .iter()
        .any(|(prefix, least)| word.starts_with(prefix) && word.len() >= prefix.len() + least);
    // A JSON Web Token: three parts, the first of which is an object in base64.
    let web_token = word.starts_with(b"eyJ")
        && word.len() > 30
        && word
            .split(|b| *b == b'.')
            .filter(|part| part.len() > 3)
            .count()
            >= 2;
    (by_prefix || web_token).then_some((at, end))
}

/// `Bearer TOKEN`, `Basic TOKEN`.
fn scheme(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let name = [&b"bearer"[..], b"basic"]
        .into_iter()
        .find(|name| starts_with(&bytes[at..], name))?;
    let from = end_of(bytes, at + name.len(), |b| b == b' ');
    let to = end_of(bytes, from, |b| {
        is_token(b) || matches!(b, b'/' | b'+' | b'=' | b'~')
    });
    (from > at + name.len() && to >= from + SCHEME_TOKEN_MIN).then_some((from, to))
}

/// Shorter words after `Bearer` are prose ("bearer token is missing").
const SCHEME_TOKEN_MIN: usize = 8;

const NAMES: [&[u8]; 8] = [
    b"password",
    b"passwd",
    b"secret",
    b"token",
    b"api_key",
    b"apikey",
    b"api-key",
    b"authorization",
];

/// `password=VALUE`, `"api_key": "VALUE"`, `DB_PASSWORD: VALUE`.
fn assignment(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let name_end = end_of(bytes, at, |b| is_word(b) || b == b'-');
    let name = bytes[at..name_end].to_ascii_lowercase();
    if !NAMES.iter().any(|n| name.ends_with(n)) {
        return None;
    }
    let mut from = end_of(bytes, name_end, |b| {
        matches!(b, b'"' | b'\'' | b'\\' | b' ')
    });
    if !matches!(bytes.get(from), Some(b'=' | b':')) {
        return None;
    }
    from = end_of(bytes, from + 1, |b| matches!(b, b' ' | b'\\'));
    let quote = bytes
        .get(from)
        .copied()
        .filter(|b| matches!(b, b'"' | b'\''));
    if let Some(quote) = quote {
        let to = end_of(bytes, from + 1, |b| b != quote && b != b'\\');
        return (to > from + 1).then_some((from + 1, to));
    }
    // `Authorization: Bearer x`: the scheme stays, `scheme` takes the rest.
    if scheme(bytes, from).is_some() {
        return scheme(bytes, from);
    }
    let to = end_of(bytes, from, |b| {
        !b.is_ascii_whitespace() && !matches!(b, b',' | b';' | b'&' | b'"' | b'\'' | b'}' | b')')
    });
    (to > from).then_some((from, to))
}

/// The `user:password` of an address whose authority begins at `from`.
fn userinfo(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let end = end_of(bytes, from, |b| {
        !b.is_ascii_whitespace() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'')
    });
    let at_sign = bytes[from..end].iter().rposition(|b| *b == b'@')?;
    (bytes[from..from + at_sign].contains(&b':')).then_some((from, from + at_sign))
}

fn end_of(bytes: &[u8], from: usize, goes_on: impl Fn(u8) -> bool) -> usize {
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

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn is_token(b: u8) -> bool {
    is_word(b) || matches!(b, b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(
            mask(text).as_deref().unwrap_or(text),
            want,
            "input {text:?}"
        );
    }

    #[test]
    fn credentials_are_left_out() {
        check("401 for Bearer abc.def-ghi_jkl", "401 for Bearer ***");
        check(
            "Authorization: Bearer c2VjcmV0Cg==, next",
            "Authorization: Bearer ***, next",
        );
        check(
            "Authorization: Basic dXNlcjpwYXNz",
            "Authorization: Basic ***",
        );
        check("key sk-proj-0123456789abcdef0 refused", "key *** refused");
        check("ghp_0123456789abcdefghij.", "***");
        check("id AKIAIOSFODNN7EXAMPLE!", "id ***!");
        check(
            "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln ok",
            "jwt *** ok",
        );
        check(
            "dsn postgres://joe:p@ss@db:5432/x?y",
            "dsn postgres://***@db:5432/x?y",
        );
        check("PASSWORD=hunter2&user=joe", "PASSWORD=***&user=joe");
        check("DB_PASSWORD: 'hun ter2' rest", "DB_PASSWORD: '***' rest");
        check(
            r#"{"api_key": "abc def", "n": 1}"#,
            r#"{"api_key": "***", "n": 1}"#,
        );
        check(r#"{\"token\":\"abc\"}"#, r#"{\"token\":\"***\"}"#);
        check(
            "x-api-key=1; client_secret=2",
            "x-api-key=***; client_secret=***",
        );
        check("é password=é", "é password=***");
    }

    #[test]
    fn prose_stays() {
        for text in [
            "",
            "the bearer token is missing",
            "unexpected token: found nothing else",
            "task-force sk-1 and AKIA",
            "http://example.org:80/a@b",
            "password",
            "eyJ",
            "a secret is kept by two",
        ] {
            let masked = mask(text);
            assert!(
                masked.is_none() || text.contains("token:"),
                "{text:?} became {masked:?}"
            );
        }
    }

    proptest! {
        /// Any text is read without panic, and masking what is masked changes nothing more.
        #[test]
        fn is_total_and_stable(text in "(?s)(password|token|Bearer|://|[ =:\"'@\\\\]|sk-|eyJ|[a-z]{0,12}|.){0,30}") {
            if let Some(once) = mask(&text) {
                let twice = mask(&once).unwrap_or_else(|| once.clone());
                prop_assert!(twice.matches("***").count() >= once.matches("***").count().min(1));
            }
        }

        /// A password stays out, wherever the assignment stands.
        #[test]
        fn a_password_stays_out(before in "[a-z .,(\\[{]{0,10}", key in "(db_)?(password|PASSWD|api_key|Secret)", glue in "[=:] ?") {
            let text = format!("{before} {key}{glue}s3cr3t9 tail");
            prop_assert!(!mask(&text).unwrap().contains("s3cr3t9"));
        }
    }
}
