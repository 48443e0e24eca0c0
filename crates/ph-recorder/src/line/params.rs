//! Parameters of a call as they may be logged.

use ph_record::mask;
use serde_json::Value;

/// Whose values are left out of logged parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// Parts of keys, in lower case.
    keys: Vec<String>,
    bytes_max: usize,
}

/// Stands in place of what was left out.
const REDACTED: &str = "***";

impl Redaction {
    /// - `keys`: a value is left out when its key contains one of these, whatever the case.
    /// - `bytes_max`: longest text that is logged.
    pub(crate) fn new(keys: &[String], bytes_max: usize) -> Self {
        let keys = keys
            .iter()
            .filter(|k| !k.is_empty())
            .map(|k| k.to_lowercase())
            .collect();
        Self { keys, bytes_max }
    }

    /// `raw` as JSON text without the values of secret keys at any depth, cut to the bound.
    ///
    /// `None` when `raw` is no JSON: what cannot be read cannot be redacted. A cut text ends in `…`.
    pub(crate) fn apply(&self, raw: &str) -> Option<String> {
        let mut value: Value = serde_json::from_str(raw).ok()?;
        self.clean(&mut value);
        let mut text = value.to_string();
        if text.len() > self.bytes_max {
            text.truncate(
                (0..=self.bytes_max)
                    .rev()
                    .find(|i| text.is_char_boundary(*i))
                    .unwrap_or(0),
            );
            text.push('…');
        }
        Some(text)
    }

    /// Recursion is bounded by the reader, which refuses more than 128 levels.
    fn clean(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    if self.is_secret(key) {
                        *value = REDACTED.into();
                    } else {
                        self.clean(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean(item)),
            Value::String(text) => {
                if let Some(masked) = mask(text) {
                    *text = masked;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn is_secret(&self, key: &str) -> bool {
        let key = key.to_lowercase();
        self.keys.iter().any(|part| key.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redaction(bytes_max: usize) -> Redaction {
        Redaction::new(&["Token".to_owned(), "password".to_owned()], bytes_max)
    }

    #[track_caller]
    fn check(raw: &str, want: Option<&str>) {
        assert_eq!(redaction(1000).apply(raw).as_deref(), want, "input {raw}");
    }

    #[test]
    fn secrets_are_left_out_at_any_depth() {
        check(
            r#"{"a":1,"b":[{"apiTOKENs":{"x":1}},[{"Password":"p"}]]}"#,
            Some(r#"{"a":1,"b":[{"apiTOKENs":"***"},[{"Password":"***"}]]}"#),
        );
        check(r#"{"pass\u0077ord":"p"}"#, Some(r#"{"password":"***"}"#));
        check(r#"["x",null,true,1.5]"#, Some(r#"["x",null,true,1.5]"#));
        check(
            r#"{"header":"Bearer abcdefghijkl"}"#,
            Some(r#"{"header":"Bearer ***"}"#),
        );
        check(r#"{"password":"cut of"#, None);
        check("", None);
        check(&"[".repeat(200), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(
            redaction(6).apply(r#"{"aé":"xyz"}"#).as_deref(),
            Some("{\"aé\"…")
        );
        assert_eq!(
            redaction(4).apply(r#"{"aé":"xyz"}"#).as_deref(),
            Some("{\"a…")
        );
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
            let text = redaction(10_000).apply(&raw).unwrap();
            prop_assert!(!text.contains("s3cr3t"), "{}", text);
        }
    }
}
