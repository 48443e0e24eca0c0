//! Who a request is from: what it shows, and whether that holds. Time and keys are arguments.

mod challenge;
mod claims;
mod json;
mod key;
mod keyset;
mod metadata;
mod presented;
mod token;

#[cfg(test)]
mod tests;

pub use challenge::{Challenge, Resource};
pub use claims::{TokenRules, Verified};
pub use key::{KEY_PREFIX, KeyText, Role, StoredKey};
pub use keyset::{KeySet, KeySetError};
pub use metadata::{MetadataError, jwks_url, metadata_urls};
pub use presented::{Presented, presented};
pub use token::Token;
