//! Who a request is from: API keys, kept in a file of their own, and tokens of authorization servers, whose
//! keys are fetched and kept up to date.
//!
//! Layer 4. Not here: what a key or a token has to be like (`ph_policy`), which is pure.

mod auth;
mod clock;
mod fetch;
mod issuer_keys;
mod key_row;
mod keyring;
mod resources;
mod verified;

pub use auth::{Asked, Auth, Denied};
pub use clock::unix_s;
pub use keyring::{KeyOrder, KeyView, Keyring, KeyringError, MadeKey, SecretView};
