//! A key as it is kept: one row of JSON.

use serde::{Deserialize, Serialize};

/// A key: a name with its secrets, of which several may be good at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Unix seconds, as all times here.
    pub(crate) created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<u64>,
    pub(crate) secrets: Vec<SecretRow>,
}

/// One secret of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecretRow {
    pub(crate) id: String,
    /// SHA-256 of the whole key, in hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used: Option<u64>,
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let pairs = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]);
    pairs.collect()
}

pub(crate) fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_written() {
        let digest: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 8).unwrap());
        assert_eq!(digest_of_hex(&to_hex(&digest)), Some(digest));
        for bad in ["", "zz", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            assert_eq!(digest_of_hex(bad), None, "{bad}");
        }
    }
}
