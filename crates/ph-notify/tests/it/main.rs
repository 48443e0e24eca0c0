//! The notifier from outside: real sockets, a real file.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod alertmanagers;
mod delivery;
mod given;
mod hearts;
