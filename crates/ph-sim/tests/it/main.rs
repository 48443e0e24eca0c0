//! The fakes do what they say: a matrix of tests built on them is worth no more than they are.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod http_upstream;
mod stdio_server;
