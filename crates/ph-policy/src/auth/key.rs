//! API keys: how one is written, and what is kept of it.

use crate::{Principal, Proof};
use ph_record::AuthFailure;
use ring::digest;
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// How every key begins. Redaction knows it.
pub const KEY_PREFIX: &str = "ph_";

/// Characters of the part that names a key's secret, and of the secret.
const ID_LEN: usize = 10;
const SECRET_LEN: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a principal may do on the admin listener; each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Read.
    Viewer,
    /// Silence alerts, restart, scale and drain servers.
    Operator,
    /// Everything: keys and approvals.
    Admin,
}

impl Role {
    /// Every role, from the least to the greatest.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A key as it is written: `ph_`, ten characters that say which one it is, `_`, and 43 of its secret,
/// which is more than 256 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyText<'a> {
    text: &'a str,
}

/// Never the key itself.
impl fmt::Debug for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({KEY_PREFIX}{}_…)", self.id())
    }
}

impl<'a> KeyText<'a> {
    /// Reads a key; `None` for what is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(KEY_PREFIX)?;
        let is_part = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric());
        let (id, secret) = rest.split_once('_')?;
        let fits = id.len() == ID_LEN && secret.len() == SECRET_LEN;
        (fits && is_part(id) && is_part(secret)).then_some(Self { text })
    }

    /// Which key it is; no secret.
    pub fn id(&self) -> &'a str {
        let start = KEY_PREFIX.len();
        self.text.get(start..start + ID_LEN).unwrap_or_default()
    }

    /// What is kept of it.
    pub fn digest(&self) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, self.text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }

    /// Makes a key of random bytes; `None` when there were too few of them: ask again with others.
    pub fn make(random: &[u8]) -> Option<String> {
        // 248 is the largest multiple of 62 in a byte: beyond it some characters would come more often.
        let mut characters = random
            .iter()
            .filter(|byte| **byte < 248)
            .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        let mut text = KEY_PREFIX.to_owned();
        text.extend(characters.by_ref().take(ID_LEN));
        text.push('_');
        text.extend(characters.take(SECRET_LEN));
        (text.len() == KEY_PREFIX.len() + ID_LEN + 1 + SECRET_LEN).then_some(text)
    }
}

/// One secret of a key, as it is kept.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// SHA-256 of the whole key.
    pub digest: [u8; 32],
    /// From then on it is no longer good, in Unix seconds.
    pub expires_unix_s: Option<u64>,
    /// It was taken back.
    pub revoked: bool,
    /// Whom it shows.
    pub principal: Arc<Principal>,
}

impl StoredKey {
    /// Whether `presented` is this key, and good at `now_unix_s`.
    ///
    /// # Errors
    /// Why not. Whoever does not have the key learns no more than that it is unknown.
    pub fn check(
        &self,
        presented: &KeyText<'_>,
        now_unix_s: u64,
    ) -> Result<&Arc<Principal>, AuthFailure> {
        let is_it: bool = self.digest.ct_eq(&presented.digest()).into();
        if !is_it {
            return Err(AuthFailure::UnknownKey);
        }
        if self.revoked {
            return Err(AuthFailure::RevokedKey);
        }
        if self.expires_unix_s.is_some_and(|at| now_unix_s >= at) {
            return Err(AuthFailure::ExpiredKey);
        }
        Ok(&self.principal)
    }
}

impl Principal {
    /// Whom an API key shows.
    pub fn of_key(name: &str, role: Option<Role>, groups: Vec<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            proof: Proof::Key,
            groups,
            scopes: Vec::new(),
            role,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> String {
        let random: Vec<u8> = (0..=255)
            .map(|i: u8| i.wrapping_mul(7).wrapping_add(seed))
            .collect();
        KeyText::make(&random).unwrap()
    }

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let text = key(1);
        let read = KeyText::parse(&text).unwrap();
        assert_eq!((text.len(), read.id()), (57, &text[3..13]));
        assert_eq!(KeyText::make(&[0; 52]), None, "too few random bytes");
        assert_eq!(KeyText::make(&[255; 500]), None);
        let longer = format!("{text}a");
        for bad in [
            "",
            "ph_",
            "ph__",
            &text[1..],
            &text[..56],
            &longer,
            &text.replacen("ph_", "PH_", 1),
        ] {
            assert_eq!(KeyText::parse(bad), None, "{bad}");
        }
        assert!(
            !format!("{read:?}").contains(&text[14..]),
            "no secret is shown"
        );
    }

    #[test]
    fn only_the_key_itself_is_good_until_it_ends() {
        let (own, other) = (key(1), key(2));
        let (own, other) = (
            KeyText::parse(&own).unwrap(),
            KeyText::parse(&other).unwrap(),
        );
        let principal = Arc::new(Principal::of_key("ci", Some(Role::Viewer), Vec::new()));
        let mut stored = StoredKey {
            digest: own.digest(),
            expires_unix_s: Some(100),
            revoked: false,
            principal,
        };
        let label = |r: Result<&Arc<Principal>, AuthFailure>| {
            r.map_or_else(AuthFailure::as_label, |_| "ok")
        };
        assert_eq!(label(stored.check(&own, 99)), "ok");
        assert_eq!(label(stored.check(&own, 100)), "expired_key");
        assert_eq!(label(stored.check(&other, 99)), "unknown_key");
        stored.revoked = true;
        assert_eq!(label(stored.check(&own, 99)), "revoked_key");
        assert_eq!(
            label(stored.check(&other, 99)),
            "unknown_key",
            "who lacks the key learns nothing"
        );
    }
}
