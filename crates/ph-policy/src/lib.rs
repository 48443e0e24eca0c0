//! From a request's head and the plan to: go there, or refuse with a reason. Pure.
//!
//! Layer 3: no async, no I/O, no clock. Rate limits, identities and tool rules
//! will be decided here too; they come with their own issue.

mod names;
mod route;

pub use names::HeadRules;
pub use route::{Head, Refusal, Route, Routes, decide};
