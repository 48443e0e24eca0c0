//! Log records → the bytes of an OTLP `ExportLogsServiceRequest`.
//!
//! Field numbers are those of opentelemetry-proto 1.x: `logs/v1/logs.proto`.

use crate::encode::{Source, scope_spans, write_attributes};
use crate::protobuf::Writer;
use crate::span::Attribute;
use ph_base::trace::{SpanId, TraceId};

/// How bad it is; the number is OTLP's `SeverityNumber`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Severity {
    /// `TRACE`.
    Trace = 1,
    /// `DEBUG`.
    Debug = 5,
    /// `INFO`.
    Info = 9,
    /// `WARN`.
    Warn = 13,
    /// `ERROR`.
    Error = 17,
}

impl Severity {
    fn text(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// One log record. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// When it happened.
    pub unix_ns: u64,
    /// How bad it is.
    pub severity: Severity,
    /// The line for people.
    pub body: String,
    /// Facts about it; keys are unique.
    pub attributes: Vec<Attribute>,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span it belongs to.
    pub span_id: Option<SpanId>,
}

mod record {
    pub(super) const TIME: u32 = 1;
    pub(super) const SEVERITY_NUMBER: u32 = 2;
    pub(super) const SEVERITY_TEXT: u32 = 3;
    pub(super) const BODY: u32 = 5;
    pub(super) const ATTRIBUTES: u32 = 6;
    pub(super) const TRACE_ID: u32 = 9;
    pub(super) const SPAN_ID: u32 = 10;
    pub(super) const OBSERVED_TIME: u32 = 11;
}

/// A request under construction.
#[derive(Default)]
pub struct Batch {
    records: Writer,
    count: usize,
}

impl Batch {
    /// Adds one record.
    pub fn push(&mut self, it: &LogRecord) {
        self.records.message(scope_spans::SPANS, |w| {
            w.fixed64(record::TIME, it.unix_ns);
            w.integer(record::SEVERITY_NUMBER, it.severity as u64);
            w.string(record::SEVERITY_TEXT, it.severity.text());
            w.message(record::BODY, |w| w.octets_always(1, it.body.as_bytes()));
            write_attributes(w, record::ATTRIBUTES, &it.attributes);
            if let Some(id) = &it.trace_id {
                w.octets(record::TRACE_ID, &id.0);
            }
            if let Some(id) = &it.span_id {
                w.octets(record::SPAN_ID, &id.0);
            }
            w.fixed64(record::OBSERVED_TIME, it.unix_ns);
        });
        self.count += 1;
    }

    /// Number of records in it.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The finished `ExportLogsServiceRequest`.
    pub fn finish(&self, source: &Source) -> Vec<u8> {
        source.request(&self.records.bytes)
    }
}
