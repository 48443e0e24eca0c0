//! What a request shows of who it is from.

use super::key::KEY_PREFIX;
use ph_record::AuthFailure;

/// Longest credential, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 16 << 10;

/// What a request shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// An API key of ours, as far as its beginning says.
    Key(&'a str),
    /// Any other bearer token.
    Token(&'a str),
}

/// Reads what a request shows: one `Authorization: Bearer …`, or for an API key also one `X-API-Key: …`.
///
/// - `authorization`, `api_key`: all values of these headers; a value that is no text is `None`.
///
/// # Errors
/// [`AuthFailure::Malformed`] for more than one credential, for another scheme, and for what is no token.
pub fn presented<'a>(
    authorization: impl IntoIterator<Item = Option<&'a str>>,
    api_key: impl IntoIterator<Item = Option<&'a str>>,
) -> Result<Presented<'a>, AuthFailure> {
    let mut bearers = authorization.into_iter();
    let mut keys = api_key.into_iter();
    match (bearers.next(), keys.next(), bearers.next(), keys.next()) {
        (None, None, ..) => Ok(Presented::Nothing),
        (Some(Some(value)), None, None, _) => {
            let token = bearer(value).ok_or(AuthFailure::Malformed)?;
            Ok(if token.starts_with(KEY_PREFIX) {
                Presented::Key(token)
            } else {
                Presented::Token(token)
            })
        }
        (None, Some(Some(value)), _, None) => {
            let key = value.trim_matches([' ', '\t']);
            is_token68(key)
                .then_some(Presented::Key(key))
                .ok_or(AuthFailure::Malformed)
        }
        _ => Err(AuthFailure::Malformed),
    }
}

/// `Bearer`, at least one space, and the token of RFC 6750.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim_matches([' ', '\t']).split_once(' ')?;
    let token = rest.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_token68(token)).then_some(token)
}

/// The alphabet of RFC 6750, `b64token`, within bounds.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Every byte is looked at, whatever came before: without branches that is sixteen at a time.
    let is_of_it = |b: u8| {
        let is_letter = (b | 0x20).wrapping_sub(b'a') < 26;
        let is_digit_or_slash = b.wrapping_sub(b'/') < 11;
        is_letter
            | is_digit_or_slash
            | (b == b'-')
            | (b == b'.')
            | (b == b'_')
            | (b == b'~')
            | (b == b'+')
    };
    (1..=CREDENTIAL_BYTES_MAX).contains(&text.len())
        && !body.is_empty()
        && body.bytes().fold(true, |all, b| all & is_of_it(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(read: Result<Presented<'_>, AuthFailure>) -> String {
        match read {
            Ok(Presented::Nothing) => "nothing".into(),
            Ok(Presented::Key(text)) => format!("key {text}"),
            Ok(Presented::Token(text)) => format!("token {text}"),
            Err(failure) => failure.as_label().into(),
        }
    }

    #[track_caller]
    fn check(authorization: &[&str], api_key: &[&str], want: &str) {
        let of = |all: &[&'static str]| all.iter().map(|v| Some(*v)).collect::<Vec<_>>();
        let leak = |all: &[&str]| -> Vec<&'static str> {
            all.iter()
                .map(|v| &*String::leak((*v).to_owned()))
                .collect()
        };
        let (bearers, keys) = (of(&leak(authorization)), of(&leak(api_key)));
        assert_eq!(
            name(presented(bearers, keys)),
            want,
            "{authorization:?} {api_key:?}"
        );
    }

    #[test]
    fn the_alphabet_is_that_of_rfc_6750() {
        for b in 0..=127_u8 {
            let want = b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
            let text = format!("aaaaaaaaaaaaaaaaaaaa{}a", char::from(b));
            assert_eq!(is_token68(&text), want, "{b}");
        }
        assert!(!is_token68("aé") && is_token68("a=="));
    }

    #[test]
    fn one_credential_and_nothing_else() {
        check(&[], &[], "nothing");
        check(&["Bearer abc.def"], &[], "token abc.def");
        check(&["bearer  abc=="], &[], "token abc==");
        check(&["Bearer ph_x"], &[], "key ph_x");
        check(&[], &["ph_x"], "key ph_x");
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Basic abc",
            "Bearer a b",
            "Bearer a,b",
            "Bearer =",
            "Bearer ü",
            "abc",
        ] {
            check(&[bad], &[], "malformed");
        }
        check(&["Bearer a", "Bearer a"], &[], "malformed");
        check(&["Bearer a"], &["b"], "malformed");
        check(&[], &["a", "b"], "malformed");
        check(&[], &[""], "malformed");
        check(
            &[&format!("Bearer {}", "a".repeat(CREDENTIAL_BYTES_MAX + 1))],
            &[],
            "malformed",
        );
        assert_eq!(name(presented([None], [])), "malformed");
    }
}
