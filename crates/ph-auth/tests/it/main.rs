//! Tokens against an authorization server that counts who asks it.
#![expect(
    clippy::unwrap_used,
    reason = "a server of the tests that cannot go on has failed them"
)]

mod issuer;
mod tokens;
