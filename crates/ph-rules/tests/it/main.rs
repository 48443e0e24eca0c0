//! Rule files and their machines, from the outside.

#![expect(
    clippy::disallowed_methods,
    reason = "a golden file is re-blessed by an environment variable"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod cost;
mod machine;
mod properties;
mod reading;
mod slo;
mod standard;
mod unit;
