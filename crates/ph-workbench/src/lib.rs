//! An MCP server of our own: files, a database and HTTP as tools, each step of
//! their work a span that joins the caller's trace.
//!
//! It is what a first run has to talk to, what a demonstration shows, and the
//! traced end of our tests. Built on the official Rust SDK, which speaks both
//! eras of the protocol: sessions up to 2025-11-25, stateless since 2026-07-28.
//!
//! Everything it does is bounded, and it changes nothing: files below one root,
//! a database opened read-only, HTTP to hosts of a list.
//!
//! Not here: reading flags or the environment (the binary fills [`Options`]),
//! the OTLP format (`ph-otlp`), anything of the gateway.

mod access;
mod http;
mod options;
mod server;
mod stdio;
mod tools;
mod trace;

pub use http::serve_http;
pub use options::{Options, StartError};
pub use stdio::{serve_stdio, serve_stream};
