//! Who a request was shown to be from.

use crate::Role;
use std::sync::Arc;

/// Who a request was shown to be from, by a key or a token. A request without one is anonymous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its name: of a key, or the subject of a token as `issuer-name:subject`; at most
    /// [`Self::NAME_BYTES_MAX`] bytes of visible ASCII, so that it can stand in logs and messages.
    pub name: Arc<str>,
    /// How it was shown.
    pub proof: Proof,
    /// The groups it is in, for rules; at most [`Self::GROUPS_MAX`].
    pub groups: Vec<Arc<str>>,
    /// The scopes of its token; at most [`Self::GROUPS_MAX`].
    pub scopes: Vec<Arc<str>>,
    /// What it may do on the admin listener; none: nothing.
    pub role: Option<Role>,
}

/// How a principal was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// An API key of ours.
    Key,
    /// A token that an authorization server signed.
    Token,
}

impl Principal {
    /// Longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;
    /// Most groups, and most scopes.
    pub const GROUPS_MAX: usize = 256;
}
