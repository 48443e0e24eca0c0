//! The record of a call, the metric catalogue, label tables and the sink.
//!
//! Layer 1: plain data and arithmetic. Times are arguments.
//! Not here: how a record is counted, written or exported (`ph-recorder`),
//! and when a call ends (`ph-relay`).

mod anomaly;
mod auth_failure;
mod call;
pub mod catalogue;
mod draft;
mod ending;
mod limits;
mod observation;
pub mod redact;
mod servers;
mod source;

pub use anomaly::{Anomaly, AnomalyKind, Caller, Shape};
pub use auth_failure::AuthFailure;
pub use call::{CallRecord, CallTrace, Direction, Replica, SessionTag, Transport};
pub use draft::Draft;
pub use ending::{Answer, Ending, Outcome, RefusedReason, Verdict};
pub use limits::{LimitIdx, LimitLabel, LimitTable, Limited};
pub use observation::{
    CageSample, EventKind, HealthResult, Observation, ProcSample, RecordSink, RestartReason,
    ServerEvent, ServerLine, ToolChange,
};
pub use redact::{KeyLines, RedactSettings, Redactor, SecretKind, mask};
pub use servers::{Live, Server, ServerIdx, ServerTable, ToolIdx, ToolTable};
pub use source::{Reading, SampleSource};
