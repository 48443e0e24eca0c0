//! The data plane: sessions, upstreams, children, deadlines, and the record of every call.
//!
//! Layer 4. It knows of telemetry only [`ph_record::RecordSink`]: a full disk
//! cannot slow a call. Not here: listening (`ph-wire`), routing (`ph-policy`),
//! what becomes of records (`ph-recorder`).

mod control;
mod relay;
mod replace;
mod shared;
mod shown;
mod upstream;

mod call;
mod cancel;
mod crowd;
mod drive;
mod guard;
mod heard;
mod identity;
mod inbound;
mod limits;
mod permits;
mod pins;
mod reply;
mod session;
mod signal;
mod tuning;

mod health;
mod http;
mod resources;
mod stdio;

pub use control::{ControlError, LimitStatus, ReplicaStatus, ServerStatus};
pub use limits::{Held, Lacking, LimitStore, LocalStore, Taking, Verdict};
pub use pins::{Approval, ApproveError, PinError, PinKeep, Pinned, Pins};
pub use relay::{ApplyError, Relay};
pub use replace::ReplacementStatus;
pub use shared::{Shared, SharedParts, StartGate};
