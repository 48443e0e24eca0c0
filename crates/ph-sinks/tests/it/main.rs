//! Sinks against receivers that misbehave as real ones do.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod elastic;
mod memory;
mod otlp;
mod receiver;
