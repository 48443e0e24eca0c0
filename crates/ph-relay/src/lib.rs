//! The data plane: sessions, upstreams, children, deadlines, and the record of every call.
//!
//! Layer 4. It knows of telemetry only [`ph_record::RecordSink`]: a full disk
//! cannot slow a call. Not here: listening (`ph-wire`), routing (`ph-policy`),
//! what becomes of records (`ph-recorder`).

mod relay;
mod shared;

mod inbound;
mod call;
mod cancel;
mod reply;
mod drive;
mod permits;
mod signal;
mod session;
mod heard;

mod http;
mod stdio;
mod health;
mod resources;

pub use relay::{ApplyError, Relay};
pub use shared::{Shared, SharedParts};
