//! API keys as they are asked for and shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whoever holds the API keys. Its calls may block: they are made on threads for that.
pub trait Keys: Send + Sync {
    /// The keys, by name; those that were taken back for 30 more days.
    fn list(&self) -> Vec<KeyInfo>;

    /// Makes a key. When it returns it is kept.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    fn create(&self, key: NewKey) -> Result<MadeSecret, KeyRefusal>;

    /// Gives a key a new secret. When it returns it is kept.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    fn rotate(&self, name: &str, secret: NewSecret) -> Result<MadeSecret, KeyRefusal>;

    /// Takes a key back. When it returns it is good nowhere.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    fn revoke(&self, name: &str) -> Result<(), KeyRefusal>;
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is no such key.
    #[error("{0}")]
    Unknown(String),
    /// There is one already.
    #[error("{0}")]
    Taken(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be kept.
    #[error("{0}")]
    Unavailable(String),
}

/// An API key, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyInfo {
    /// Its name: the principal of calls with it.
    pub name: String,
    /// What it may do on the admin listener: `viewer`, `operator`, `admin`; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// When it was made, in Unix seconds.
    pub created: u64,
    /// When it was taken back, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
    /// Its secrets, the oldest first.
    pub secrets: Vec<SecretInfo>,
}

/// One secret of an API key, by what is no secret of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretInfo {
    /// The characters after `ph_` that say which one it is.
    pub id: String,
    /// When it was made, in Unix seconds.
    pub created: u64,
    /// Until when it is good, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// When it was last used, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
}

/// An API key that is to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// What it may do on the admin listener: `viewer`, `operator`, `admin`; absent: nothing.
    #[serde(default)]
    pub role: Option<String>,
    /// The groups it is in.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Until when it is good, in Unix seconds; absent: until it is taken back.
    #[serde(default)]
    pub expires: Option<u64>,
}

/// A secret that an API key is to get.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// For how many seconds those that it has are good beside the new one.
    #[serde(default)]
    pub overlap: u64,
    /// Until when the new one is good, in Unix seconds; absent: until it is taken back.
    #[serde(default)]
    pub expires: Option<u64>,
}

/// A secret that was made. It is shown this once.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct MadeSecret {
    /// The key.
    pub key: String,
    /// Which one it is.
    pub id: String,
    /// Until when it is good, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}
