//! Who a request is from: what it shows, and whether that holds. Time and keys are arguments.

mod challenge;
mod key;
mod presented;

pub use challenge::{Challenge, Resource};
pub use key::{KEY_PREFIX, KeyText, Role, StoredKey};
pub use presented::{Presented, presented};
