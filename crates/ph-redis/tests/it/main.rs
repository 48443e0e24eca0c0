//! With the real Redis.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod lanes;
mod server;
mod takes;
