//! From a request's head and the plan to: go there, or refuse with a reason; from a call and the plan to:
//! this much is to be taken for it. Pure.
//!
//! Layer 3: no async, no I/O, no clock.

mod access;
pub mod anomaly;
mod auth;
mod charge;
mod client;
mod limit;
mod names;
pub mod pins;
pub mod pool;
mod principal;
pub mod replace;
mod route;

pub use access::{Access, By, Decision, Step, Thing, Wanted, Who};
pub use auth::{
    Challenge, KEY_PREFIX, KeySet, KeySetError, KeyText, MetadataError, Presented, Resource, Role,
    StoredKey, Token, TokenRules, Verified, jwks_url, metadata_urls, presented,
};
pub use charge::{Allowance, Kind, Now, Spent};
pub use client::{ClientId, ClientRules};
pub use limit::{Asked, Charge, Charges, Limit, Limits, Subject, Told, told};
pub use names::HeadRules;
pub use principal::{Principal, Proof};
pub use route::{Head, Refusal, Route, Routes, decide};
