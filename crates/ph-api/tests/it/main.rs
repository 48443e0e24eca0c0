//! The router, asked as a client asks it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod admission;
mod alertmanager;
mod cost;
mod given;
mod live;
mod logs;
mod otlp;
mod prometheus;
mod reference;
mod rules;
mod slos;
mod surface;
