//! Tokens against an authorization server that counts who asks it.

mod issuer;
mod tokens;
