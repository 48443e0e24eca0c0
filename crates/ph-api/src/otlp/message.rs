//! What OTLP carries, as far as we keep it, whatever encoding it came in.

use super::value::Attribute;
use ph_base::trace::{SpanId, TraceId};
use std::borrow::Cow;

/// Most attributes that are kept of a span, a log record, an event or a resource.
pub(crate) const ATTRIBUTES_MAX: usize = 64;
/// Most events that are kept of a span, and most links.
pub(crate) const EVENTS_MAX: usize = 16;

/// Attributes: the first [`ATTRIBUTES_MAX`], and how many more there were.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes<'a> {
    pub(crate) kept: Vec<Attribute<'a>>,
    pub(crate) dropped: u64,
}

impl<'a> Attributes<'a> {
    /// `true` when there is room for one more; counts it as dropped otherwise.
    pub(crate) fn has_room(&mut self) -> bool {
        let room = self.kept.len() < ATTRIBUTES_MAX;
        self.dropped += u64::from(!room);
        room
    }

    /// The text of `key`, when it has one.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.kept.iter().find_map(|(k, value)| match value {
            super::value::AnyValue::Text(text) if k == key => Some(&**text),
            _ => None,
        })
    }

    pub(crate) fn push(&mut self, attribute: Attribute<'a>) {
        self.kept.push(attribute);
    }
}

/// Who sent a record: the resource and the instrumentation scope.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin<'a> {
    pub(crate) resource: Attributes<'a>,
    pub(crate) scope: Cow<'a, str>,
}

/// What a service without `service.name` is called; OpenTelemetry's own word.
pub(crate) const SERVICE_UNKNOWN: &str = "unknown_service";

impl Origin<'_> {
    /// `service.name`.
    pub(crate) fn service(&self) -> &str {
        self.resource
            .text("service.name")
            .filter(|name| !name.is_empty())
            .unwrap_or(SERVICE_UNKNOWN)
    }
}

/// A span. Ids are as they came: [`Span::ids`] checks them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span<'a> {
    pub(crate) trace_id: Cow<'a, [u8]>,
    pub(crate) span_id: Cow<'a, [u8]>,
    pub(crate) parent_id: Cow<'a, [u8]>,
    pub(crate) name: Cow<'a, str>,
    /// `SpanKind` as a number.
    pub(crate) kind: u64,
    pub(crate) start_unix_ns: u64,
    pub(crate) end_unix_ns: u64,
    pub(crate) attributes: Attributes<'a>,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) status: SpanStatus,
    pub(crate) status_message: Cow<'a, str>,
}

impl Span<'_> {
    /// Trace, span and parent; `None` when the first two are no valid ids.
    pub(crate) fn ids(&self) -> Option<(TraceId, SpanId, Option<SpanId>)> {
        let (trace, span) = (trace_id(&self.trace_id)?, span_id(&self.span_id)?);
        Some((trace, span, span_id(&self.parent_id)))
    }

    /// How long it took; 0 when it ends before it starts.
    pub(crate) fn duration_ns(&self) -> u64 {
        self.end_unix_ns.saturating_sub(self.start_unix_ns)
    }
}

/// How a span ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum SpanStatus {
    #[default]
    Unset,
    Ok,
    Error,
}

impl SpanStatus {
    pub(crate) fn of_number(number: u64) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    pub(crate) fn as_label(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event<'a> {
    pub(crate) unix_ns: u64,
    pub(crate) name: Cow<'a, str>,
    pub(crate) attributes: Attributes<'a>,
}

/// Another span that a span has to do with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Link<'a> {
    pub(crate) trace_id: Cow<'a, [u8]>,
    pub(crate) span_id: Cow<'a, [u8]>,
}

/// A log record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Log<'a> {
    /// When it happened, else when it was observed; 0 when neither is known.
    pub(crate) unix_ns: u64,
    /// `SeverityNumber`; 0 when it is not known.
    pub(crate) severity: u64,
    pub(crate) severity_text: Cow<'a, str>,
    pub(crate) body: Option<super::value::AnyValue<'a>>,
    pub(crate) attributes: Attributes<'a>,
    pub(crate) trace_id: Cow<'a, [u8]>,
    pub(crate) span_id: Cow<'a, [u8]>,
    pub(crate) event_name: Cow<'a, str>,
}

/// A record of either signal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record<'a> {
    Span(Span<'a>),
    Log(Log<'a>),
}

/// A valid trace id.
pub(crate) fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    let id: [u8; 16] = bytes.try_into().ok()?;
    (id != [0; 16]).then_some(TraceId(id))
}

/// A valid span id.
pub(crate) fn span_id(bytes: &[u8]) -> Option<SpanId> {
    let id: [u8; 8] = bytes.try_into().ok()?;
    (id != [0; 8]).then_some(SpanId(id))
}
