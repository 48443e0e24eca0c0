//! Parameters of a call as they may be kept.

use ph_record::Redactor;
use serde_json::Value;
use std::borrow::Cow;

/// `raw` as JSON text without secrets at any depth, cut to `bytes_max`.
///
/// `None` when `raw` is no JSON: what cannot be read cannot be redacted. A cut text ends in `…`.
pub(crate) fn redacted(redactor: &Redactor, raw: &str, bytes_max: usize) -> Option<String> {
    let mut value: Value = serde_json::from_str(raw).ok()?;
    clean(redactor, &mut value);
    let mut text = value.to_string();
    if text.len() > bytes_max {
        text.truncate(
            (0..=bytes_max)
                .rev()
                .find(|i| text.is_char_boundary(*i))
                .unwrap_or(0),
        );
        text.push('…');
    }
    Some(text)
}

/// Recursion is bounded by the reader, which refuses more than 128 levels.
fn clean(redactor: &Redactor, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in &mut *members {
                match redactor.keyed(key) {
                    Some(mark) => *value = mark.into(),
                    None => clean(redactor, value),
                }
            }
            // A key may be a secret itself, as in a map by token.
            let dirty = members
                .keys()
                .any(|key| matches!(redactor.text(key), Cow::Owned(_)));
            if dirty {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(key, value)| (redactor.text(&key).into_owned(), value))
                    .collect();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clean(redactor, item)),
        Value::String(text) => {
            if let Cow::Owned(clean) = redactor.text(text) {
                *text = clean;
            }
        }
        Value::Number(number) => {
            if let Some(number) = number.as_u64()
                && let Some(mark) = redactor.number(&number.to_string())
            {
                *value = mark.into();
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn applied(bytes_max: usize, raw: &str) -> Option<String> {
        redacted(&Redactor::default(), raw, bytes_max)
    }

    #[track_caller]
    fn check(raw: &str, want: Option<&str>) {
        assert_eq!(applied(1000, raw).as_deref(), want, "input {raw}");
    }

    #[test]
    fn secrets_are_left_out_at_any_depth() {
        check(
            r#"{"a":1,"b":[{"apiTOKENs":{"x":1}},[{"Password":"p"}]]}"#,
            Some(r#"{"a":1,"b":[{"apiTOKENs":"[redacted:key]"},[{"Password":"[redacted:key]"}]]}"#),
        );
        check(
            r#"{"pass\u0077ord":"p"}"#,
            Some(r#"{"password":"[redacted:key]"}"#),
        );
        check(r#"["x",null,true,1.5]"#, Some(r#"["x",null,true,1.5]"#));
        check(
            r#"{"header":"Bearer abcdefghijkl"}"#,
            Some(r#"{"header":"Bearer [redacted:bearer]"}"#),
        );
        check(
            r#"{"n":4111111111111111,"m":[4111111111111112]}"#,
            Some(r#"{"m":[4111111111111112],"n":"[redacted:card_number]"}"#),
        );
        check(
            r#"{"x":{"ghp_0123456789abcdefghij0123456789abcdef":1}}"#,
            Some(r#"{"x":{"[redacted:github_token]":1}}"#),
        );
        check(r#"{"password":"cut of"#, None);
        check("", None);
        check(&"[".repeat(200), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(applied(6, r#"{"aé":"xyz"}"#).as_deref(), Some("{\"aé\"…"));
        assert_eq!(applied(4, r#"{"aé":"xyz"}"#).as_deref(), Some("{\"a…"));
    }

    proptest! {
        /// However keys are cased and nested, the value below a secret key is not in the text.
        #[test]
        fn no_secret_survives(upper in any::<[bool; 8]>(), depth in 0..20_usize, prefix in "[a-z]{0,3}") {
            let word: String = "password".chars().zip(upper).map(|(c, up)| if up { c.to_ascii_uppercase() } else { c }).collect();
            let mut raw = format!(r#"{{"{prefix}{word}":["s3cr3t"]}}"#);
            for i in 0..depth {
                raw = if i % 2 == 0 { format!("[{raw}]") } else { format!(r#"{{"k":{raw}}}"#) };
            }
            let text = applied(10_000, &raw).unwrap();
            prop_assert!(!text.contains("s3cr3t"), "{}", text);
        }
    }
}
