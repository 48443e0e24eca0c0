//! The operator's text becomes a [`Plan`], or every diagnostic with its position.
//!
//! Pure: no clock, no I/O, no async. Variables and files that a text refers to come from an
//! argument.

mod choices;
mod plan;
mod section;
mod server;
mod text;
mod units;

pub use choices::{Auth, Exposure, Isolation, LogLevel, OtlpProtocol};
pub use plan::{Children, Http, Log, Otlp, Plan, Sessions, Stop};
pub use server::{
    ChildStop, Health, HttpUpstream, Limits, Resources, Restart, Server, Stdio, Timeouts, Upstream,
};
pub use text::{Endpoint, Secret, Text};
pub use units::ByteSize;
