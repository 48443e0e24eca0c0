//! Spans → the bytes of an OTLP `ExportTraceServiceRequest`.
//!
//! Field numbers are those of opentelemetry-proto 1.x: `trace/v1/trace.proto`,
//! `common/v1/common.proto`, `collector/trace/v1/trace_service.proto`.

use crate::protobuf::{Field, Reader, Writer};
use crate::span::{AttributeOf, Kind, SpanOf, StatusOf, ValueOf};

/// Who made the spans. Encoded once, put before every batch.
pub struct Source {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Source {
    /// - `service_name`, `service_version`: the resource attributes of these names.
    /// - `attributes`: further resource attributes; `service.name` and `service.version` in it lose.
    /// - `scope`: the name of the instrumentation scope, of the same version.
    pub fn new(
        service_name: &str,
        service_version: &str,
        attributes: &[(String, String)],
        scope: &str,
    ) -> Self {
        let mut writer = Writer::default();
        writer.message(resource_spans::RESOURCE, |resource| {
            let own = [
                ("service.name", service_name),
                ("service.version", service_version),
            ];
            for (key, value) in own {
                string_attribute(resource, RESOURCE_ATTRIBUTES, key, value);
            }
            for (key, value) in attributes
                .iter()
                .filter(|(key, _)| own.iter().all(|(name, _)| name != key))
            {
                string_attribute(resource, RESOURCE_ATTRIBUTES, key, value);
            }
        });
        let resource = std::mem::take(&mut writer.bytes);
        writer.message(scope_spans::SCOPE, |w| {
            w.string(1, scope);
            w.string(2, service_version);
        });
        Self {
            resource,
            scope: writer.bytes,
        }
    }

    /// An export request around encoded items. The messages of the three signals have the same
    /// numbers down to the items, which are field 2 of their scope.
    pub(crate) fn request(&self, items: &[u8]) -> Vec<u8> {
        let mut writer = Writer {
            bytes: Vec::with_capacity(items.len() + self.resource.len() + self.scope.len() + 32),
        };
        writer.message(1, |request| {
            request.bytes.extend_from_slice(&self.resource);
            request.message(resource_spans::SCOPE_SPANS, |scope| {
                scope.bytes.extend_from_slice(&self.scope);
                scope.bytes.extend_from_slice(items);
            });
        });
        writer.bytes
    }
}

/// A request under construction.
#[derive(Default)]
pub struct Batch {
    spans: Writer,
    count: usize,
}

impl Batch {
    /// Adds one span.
    pub fn push(&mut self, span: &SpanOf<'_>) {
        self.spans
            .message(scope_spans::SPANS, |w| write_span(w, span));
        self.count += 1;
    }

    /// Number of spans in it.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Size of the spans in bytes.
    pub fn len_bytes(&self) -> usize {
        self.spans.bytes.len()
    }

    /// The finished `ExportTraceServiceRequest`.
    pub fn finish(&self, source: &Source) -> Vec<u8> {
        source.request(&self.spans.bytes)
    }
}

/// What an `ExportTraceServiceResponse` says the collector did not take: the
/// number of spans, and why. `(0, "")` for an empty answer.
pub(crate) fn rejected(response: &[u8]) -> (u64, String) {
    let mut found = (0, String::new());
    for (number, field) in Reader(response) {
        let (1, Field::Octets(partial_success)) = (number, field) else {
            continue;
        };
        for part in Reader(partial_success) {
            match part {
                // int64: a negative number of spans would be nonsense.
                (1, Field::Integer(count)) => {
                    found.0 = u64::try_from(count.cast_signed()).unwrap_or(0);
                }
                (2, Field::Octets(text)) => found.1 = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    found
}

const RESOURCE_ATTRIBUTES: u32 = 1;

mod resource_spans {
    pub(super) const RESOURCE: u32 = 1;
    pub(super) const SCOPE_SPANS: u32 = 2;
}

pub(crate) mod scope_spans {
    pub(super) const SCOPE: u32 = 1;
    pub(crate) const SPANS: u32 = 2;
}

mod span {
    pub(super) const TRACE_ID: u32 = 1;
    pub(super) const SPAN_ID: u32 = 2;
    pub(super) const TRACE_STATE: u32 = 3;
    pub(super) const PARENT: u32 = 4;
    pub(super) const NAME: u32 = 5;
    pub(super) const KIND: u32 = 6;
    pub(super) const START: u32 = 7;
    pub(super) const END: u32 = 8;
    pub(super) const ATTRIBUTES: u32 = 9;
    pub(super) const EVENTS: u32 = 11;
    pub(super) const LINKS: u32 = 13;
    pub(super) const STATUS: u32 = 15;
    pub(super) const FLAGS: u32 = 16;
}

fn write_span(w: &mut Writer, it: &SpanOf<'_>) {
    w.octets(span::TRACE_ID, &it.trace_id.0);
    w.octets(span::SPAN_ID, &it.span_id.0);
    w.string(span::TRACE_STATE, &it.trace_state);
    if let Some(parent) = &it.parent {
        w.octets(span::PARENT, &parent.0);
    }
    w.string(span::NAME, &it.name);
    w.integer(span::KIND, kind_number(it.kind));
    w.fixed64(span::START, it.start_unix_ns);
    w.fixed64(span::END, it.end_unix_ns);
    write_attributes(w, span::ATTRIBUTES, &it.attributes);
    for event in &it.events {
        w.message(span::EVENTS, |w| {
            w.fixed64(1, event.unix_ns);
            w.string(2, &event.name);
            write_attributes(w, 3, &event.attributes);
        });
    }
    for link in &it.links {
        w.message(span::LINKS, |w| {
            w.octets(1, &link.trace_id.0);
            w.octets(2, &link.span_id.0);
        });
    }
    if let StatusOf::Error(text) = &it.status {
        w.message(span::STATUS, |w| {
            w.string(2, text);
            w.integer(3, STATUS_ERROR);
        });
    }
    w.fixed32(span::FLAGS, it.flags);
}

const STATUS_ERROR: u64 = 2;

fn kind_number(kind: Kind) -> u64 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    }
}

pub(crate) fn write_attributes(w: &mut Writer, field: u32, attributes: &[AttributeOf<'_>]) {
    for (key, value) in attributes {
        w.message(field, |w| {
            w.string(1, key);
            w.message(2, |w| match value {
                ValueOf::Str(text) => w.octets_always(1, text.as_bytes()),
                ValueOf::Bool(yes) => w.integer_always(2, u64::from(*yes)),
                ValueOf::Int(number) => w.integer_always(3, number.cast_unsigned()),
                ValueOf::Double(number) => w.fixed64(4, number.to_bits()),
            });
        });
    }
}

fn string_attribute(w: &mut Writer, field: u32, key: &str, value: &str) {
    w.message(field, |w| {
        w.string(1, key);
        w.message(2, |w| w.octets_always(1, value.as_bytes()));
    });
}
