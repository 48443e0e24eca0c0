//! Request ids, in a form that can be compared.

use crate::json::unquote;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A request id in a form in which equal ids are equal bytes: `7`, `7.0` and `7e0`
/// are one id, and so are `"a/b"` and `"a\/b"`. Strings keep a leading quote.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(Id);

/// The text alone: which of the two forms holds it follows from its length.
impl Hash for MessageId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
        state.write_u8(0xff);
    }
}

/// Ids are short as a rule, and there are three of them in every call.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Short(u8, [u8; MessageId::SHORT_BYTES_MAX]),
    Long(Box<str>),
}

impl MessageId {
    /// Longest id that needs no memory of its own.
    const SHORT_BYTES_MAX: usize = 38;

    /// The id written as `raw` (JSON text of a string or number).
    pub fn canonical(raw: &str) -> Self {
        if let Some(inner) = raw.strip_prefix('"') {
            let inner = inner.strip_suffix('"').unwrap_or(inner);
            return match unquote(inner) {
                Cow::Borrowed(_) => Self::of(&raw[..=inner.len()]),
                Cow::Owned(text) => Self::of(&format!("\"{text}")),
            };
        }
        if raw.bytes().all(|b| b.is_ascii_digit()) {
            return Self::of(raw);
        }
        match raw.parse::<f64>() {
            // Beyond 2^53 a float no longer tells neighbours apart: keep the text.
            Ok(f) if f.fract() == 0.0 && f.abs() < 9_007_199_254_740_992.0 => {
                Self::of(&format!("{f:.0}"))
            }
            _ => Self::of(raw),
        }
    }

    fn of(text: &str) -> Self {
        let mut short = [0; Self::SHORT_BYTES_MAX];
        match (short.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self(Id::Short(length, short))
            }
            _ => Self(Id::Long(text.into())),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Id::Short(length, bytes) => &bytes[..usize::from(*length)],
            Id::Long(text) => text.as_bytes(),
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        // It was text when it was put there.
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_compare_by_meaning() {
        let same = |a, b| assert_eq!(MessageId::canonical(a), MessageId::canonical(b));
        same("7", "7.0");
        same("-7", "-7e0");
        same(r#""a\u002fb""#, r#""a/b""#);
        same(
            &format!("\"{}\"", "x".repeat(90)),
            &format!("\"\\u0078{}\"", "x".repeat(89)),
        );
        assert_eq!(MessageId::canonical("\"abc\"").as_str(), "\"abc");
        assert_ne!(MessageId::canonical("7"), MessageId::canonical("\"7\""));
        assert_ne!(
            MessageId::canonical("9007199254740993"),
            MessageId::canonical("9007199254740992")
        );
    }
}
