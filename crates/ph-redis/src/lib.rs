//! Limits on calls that several Pilothouse processes share: what was taken of them is remembered in Redis.
//!
//! A call costs one round trip: `take.lua` decides on all that is to be taken, by Redis's clock, and takes it.
//! `resp` and `script` are pure; `lane` is one worker's connection.

mod connection;
mod lane;
pub mod resp;
pub mod script;
mod shared;
mod stats;

pub use connection::Settings;
pub use lane::Away;
pub use shared::{SharedLimits, Taken};
pub use stats::{Stats, Tell, Trouble};
