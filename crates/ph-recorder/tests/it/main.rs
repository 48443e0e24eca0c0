//! The recorder through its public face.

#![expect(
    clippy::disallowed_methods,
    reason = "a golden file is re-blessed by an environment variable"
)]

mod balance;
mod given;
mod lines;
mod metrics;
mod spans;
