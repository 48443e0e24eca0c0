//! The exporter against a collector on loopback, and our bytes against the generated messages.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod collector;
mod delivery;
mod queue;
mod samples;
mod signals;
mod tls;
mod wire;
