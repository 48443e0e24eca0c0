//! Ids, closed enums, trace context and diagnostics that every other crate speaks.
//!
//! Layer 0: no I/O, no clock, no async. What is here is vocabulary, not help:
//! a function belongs here only when it is the one way to read or write a type of this crate.

mod blame;
mod chain;
pub mod diagnostic;
mod era;
pub mod ids;
mod method;
mod server_name;
pub mod trace;

pub use blame::Blame;
pub use chain::Chain;
pub use era::{Era, Revision, is_modern_version};
pub use method::Method;
pub use server_name::{ServerName, ServerNameError};
