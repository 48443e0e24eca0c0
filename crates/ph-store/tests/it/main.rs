//! The stores from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;
mod logs;
mod series;
