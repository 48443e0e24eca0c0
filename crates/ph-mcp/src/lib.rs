//! JSON-RPC envelope, MCP methods and revisions, and what a proxy changes in a message.
//!
//! Layer 1, sans I/O. Two readers with two tempers:
//! - [`envelope`] is strict, because policy rests on it: what a client sends is
//!   read once, whole, and refused when two parsers could read it differently.
//! - [`answer`] is lenient and incremental, because only telemetry rests on it:
//!   what a server sends goes on as it came, whatever we make of it.
//!
//! Not here: sockets, sessions, statuses of calls (`ph-record`), SSE and line framing (`ph-wire`).

pub mod about;
pub mod answer;
pub mod envelope;
pub mod error;
pub mod headers;
mod json;
pub mod lists;
mod message_id;
pub mod params;
pub mod session;
pub mod splice;

pub use answer::{AnswerScan, ServerMessage};
pub use envelope::{Envelope, EnvelopeError, Kind};
pub use message_id::MessageId;
