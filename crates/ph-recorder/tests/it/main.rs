//! The recorder through its public face.

#![expect(
    clippy::disallowed_methods,
    reason = "a golden file is re-blessed by an environment variable"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod anomalies;
mod balance;
mod given;
mod lines;
mod metrics;
mod spans;
mod store;
