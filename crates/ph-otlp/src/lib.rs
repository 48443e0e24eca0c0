//! Telemetry to an OpenTelemetry collector: plain values, the OTLP bytes, one
//! connection, and for spans an exporter with a bounded queue.
//!
//! Two callers: the recorder (spans of calls) and the workbench (its own work).
//! Neither waits: [`Exporter::offer`] takes a span or counts it as dropped, and
//! `offered = exported + dropped + queued` holds in every [`Counts`] read.
//!
//! Decisions:
//! - The few messages of a trace export are written straight from [`Span`]
//!   ([`encode`]). The generated messages would copy every attribute twice and
//!   bring the OpenTelemetry SDK into the build; the tests use them as the judge.
//! - gRPC is one unary call on hyper's HTTP/2 client ([`Protocol::Grpc`]); that is
//!   all an exporter needs of gRPC.
//! - `https://` endpoints go through rustls, with the system's certificates or the
//!   file named by `OTEL_EXPORTER_OTLP_CERTIFICATE`.
//!
//! Not here: sampling (the caller offers what it wants kept), propagation
//! (`ph_base::trace`), HTTP proxies, compression.

mod connection;
pub mod encode;
mod exporter;
mod grpc;
pub mod logs;
pub mod metrics;
mod protobuf;
mod settings;
mod signal;
mod span;

pub use connection::{Accepted, Collector, SendError};
pub use exporter::{Counts, Exporter, SourceName, StartError, Tuning};
pub use settings::{Protocol, Settings, SettingsError};
pub use signal::Signal;
pub use span::{
    Attribute, AttributeOf, Event, EventOf, Kind, Link, Span, SpanOf, Status, StatusOf, Value,
    ValueOf, flags,
};
