//! A span or a log record as an entry of the store: one JSON object, bounded, without secrets.

use super::message::{Attributes, Log, Origin, Record, Span, SpanStatus, span_id, trace_id};
use super::value::AnyValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ph_base::trace::TraceId;
use ph_record::{Redactor, SecretKind, mask};
use serde::Serialize;
use serde_json::{Map, Value};

/// Longest text that is kept, in characters; a longer one ends in `…`.
pub(crate) const TEXT_CHARS_MAX: usize = 1024;
/// Longest name of a span, a service, an event or a key, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 200;
/// Most bytes of the attributes of one object; those that no longer fit are counted as dropped.
pub(crate) const ATTRIBUTES_BYTES_MAX: usize = 8 * 1024;

/// A record that came in, ready for the store: see [`crate::Intake`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Which of the store's kinds.
    pub kind: IngestedKind,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// When it happened; of a span, when it ended.
    pub time_unix_ns: u64,
    /// How long a span took.
    pub duration_ns: Option<u64>,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// `service.name`, or `unknown_service`.
    pub service: String,
    /// `ok`, `error` or `unset` of a span; empty of a log record.
    pub outcome: &'static str,
    /// One JSON object without a line break, bounded, without what looks like a secret.
    pub json: Vec<u8>,
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestedKind {
    /// A span.
    Span,
    /// A log record.
    Log,
}

/// Why a record cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    Ids,
    Time,
}

impl Invalid {
    /// For the sender.
    pub(crate) fn as_text(self) -> &'static str {
        match self {
            Self::Ids => "a span needs a trace id of 16 bytes and a span id of 8, not all zero",
            Self::Time => "a record's time is 0 or more than an hour ahead of the clock here",
        }
    }
}

/// Clocks differ; a record further ahead than this would be the newest for ever.
const AHEAD_NS_MAX: u64 = 3_600_000_000_000;

/// `record` as an entry; `now_unix_ns` stands for the time of a log record that has none.
pub(crate) fn render(
    r: &Redactor,
    origin: &Origin<'_>,
    record: &Record<'_>,
    now_unix_ns: u64,
) -> Result<Ingested, Invalid> {
    match record {
        Record::Span(span) => self::span(r, origin, span, now_unix_ns),
        Record::Log(log) => self::log(r, origin, log, now_unix_ns),
    }
}

/// The line of a span.
#[derive(Serialize)]
struct SpanLine<'a> {
    timestamp: String,
    level: &'a str,
    kind: &'a str,
    message: &'a str,
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    service: &'a str,
    name: &'a str,
    span_kind: &'a str,
    start: String,
    duration: f64,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    common: Common,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkLine>,
}

#[derive(Serialize)]
struct EventLine {
    name: String,
    at_ms: f64,
    attributes: Map<String, Value>,
}

#[derive(Serialize)]
struct LinkLine {
    trace_id: String,
    span_id: String,
}

/// The line of a log record.
#[derive(Serialize)]
struct LogLine<'a> {
    timestamp: String,
    level: &'a str,
    kind: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
    #[serde(flatten)]
    common: Common,
}

/// What both have.
#[derive(Serialize)]
struct Common {
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    resource: Map<String, Value>,
    #[serde(skip_serializing_if = "is_zero")]
    attributes_dropped: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn span(
    r: &Redactor,
    origin: &Origin<'_>,
    span: &Span<'_>,
    now_unix_ns: u64,
) -> Result<Ingested, Invalid> {
    let (trace, id, parent) = span.ids().ok_or(Invalid::Ids)?;
    let end = span.end_unix_ns.max(span.start_unix_ns);
    let is_error = span.status == SpanStatus::Error;
    let level = if is_error { "error" } else { "info" };
    let service = name(r, origin.service());
    let title = name(r, &span.name);
    let line = SpanLine {
        timestamp: rfc3339(end, now_unix_ns)?,
        level,
        kind: "span",
        message: &title,
        trace_id: trace.to_string(),
        span_id: id.to_string(),
        parent_span_id: parent.map(|id| id.to_string()),
        service: &service,
        name: &title,
        span_kind: kind_label(span.kind),
        start: rfc3339(span.start_unix_ns, now_unix_ns)?,
        duration: ms(span.duration_ns()),
        outcome: span.status.as_label(),
        error: some_text(r, &span.status_message),
        common: common(r, origin, &span.attributes),
        events: span
            .events
            .iter()
            .map(|event| EventLine {
                name: name(r, &event.name),
                at_ms: ms(event.unix_ns.saturating_sub(span.start_unix_ns)),
                attributes: attributes(r, &event.attributes).0,
            })
            .collect(),
        links: span
            .links
            .iter()
            .filter_map(|link| {
                Some(LinkLine {
                    trace_id: trace_id(&link.trace_id)?.to_string(),
                    span_id: span_id(&link.span_id)?.to_string(),
                })
            })
            .collect(),
    };
    let json = serde_json::to_vec(&line).map_err(|_| Invalid::Time)?;
    Ok(Ingested {
        kind: IngestedKind::Span,
        level,
        time_unix_ns: end,
        duration_ns: Some(span.duration_ns()),
        trace_id: Some(trace),
        service,
        outcome: span.status.as_label(),
        json,
    })
}

fn log(
    r: &Redactor,
    origin: &Origin<'_>,
    log: &Log<'_>,
    now_unix_ns: u64,
) -> Result<Ingested, Invalid> {
    let unix_ns = if log.unix_ns == 0 {
        now_unix_ns
    } else {
        log.unix_ns
    };
    let level = level(log.severity);
    let service = name(r, origin.service());
    let trace = trace_id(&log.trace_id);
    let line = LogLine {
        timestamp: rfc3339(unix_ns, now_unix_ns)?,
        level,
        kind: "log",
        message: message(r, log),
        trace_id: trace.map(|id| id.to_string()),
        span_id: trace
            .and_then(|_| span_id(&log.span_id))
            .map(|id| id.to_string()),
        service: &service,
        event: some_text(r, &log.event_name),
        severity: some_text(r, &log.severity_text),
        common: common(r, origin, &log.attributes),
    };
    let json = serde_json::to_vec(&line).map_err(|_| Invalid::Time)?;
    Ok(Ingested {
        kind: IngestedKind::Log,
        level,
        time_unix_ns: unix_ns,
        duration_ns: None,
        trace_id: trace,
        service,
        outcome: "",
        json,
    })
}

fn message(r: &Redactor, log: &Log<'_>) -> String {
    match &log.body {
        None | Some(AnyValue::Null) => name(r, &log.event_name),
        Some(AnyValue::Text(body)) => text(r, body),
        Some(other) => text(r, &plain(r, other).to_string()),
    }
}

fn common(r: &Redactor, origin: &Origin<'_>, own: &Attributes<'_>) -> Common {
    let (mut resource, dropped_of_resource) = attributes(r, &origin.resource);
    let (attributes, dropped) = attributes(r, own);
    // It stands in `service`.
    resource.remove("service.name");
    Common {
        scope: some_text(r, &origin.scope),
        attributes,
        resource,
        attributes_dropped: dropped + dropped_of_resource,
    }
}

/// Attributes as an object within [`ATTRIBUTES_BYTES_MAX`], and how many are not in it.
fn attributes(r: &Redactor, from: &Attributes<'_>) -> (Map<String, Value>, u64) {
    let mut out = Map::new();
    let (mut bytes, mut dropped) = (0, from.dropped);
    for (key, value) in &from.kept {
        let key = name(r, key);
        let value = keyed(r, &key, value);
        bytes += key.len()
            + value
                .as_str()
                .map_or_else(|| value.to_string().len(), str::len)
            + 6;
        if bytes > ATTRIBUTES_BYTES_MAX {
            dropped += 1;
        } else {
            out.insert(key, value);
        }
    }
    (out, dropped)
}

/// The value of `key`: hidden when the key announces a secret.
fn keyed(r: &Redactor, key: &str, value: &AnyValue<'_>) -> Value {
    // Numbers are counts more often than secrets: `gen_ai.usage.input_tokens`.
    let is_text = !matches!(
        value,
        AnyValue::Null | AnyValue::Bool(_) | AnyValue::Int(_) | AnyValue::Double(_)
    );
    if is_text && let Some(mark) = r.keyed(key) {
        return mark.into();
    }
    if mask(&format!("{key}=1")).is_some() {
        return SecretKind::Key.mark().into();
    }
    plain(r, value)
}

/// A value as plain JSON; numbers that JSON does not have as text.
fn plain(r: &Redactor, value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Text(value) => text(r, value).into(),
        AnyValue::Bool(yes) => (*yes).into(),
        AnyValue::Int(int) => (*int).into(),
        AnyValue::Double(double) => serde_json::Number::from_f64(*double)
            .map_or_else(|| double.to_string().into(), Into::into),
        AnyValue::Bytes(bytes) => {
            let firsts = &bytes[..bytes.len().min(TEXT_CHARS_MAX)];
            STANDARD.encode(firsts).into()
        }
        AnyValue::List(list) => list.iter().map(|value| plain(r, value)).collect(),
        AnyValue::Map(map) => map
            .iter()
            .map(|(key, value)| {
                let key = name(r, key);
                let value = keyed(r, &key, value);
                (key, value)
            })
            .collect(),
    }
}

/// A text without what looks like a credential, at most [`TEXT_CHARS_MAX`] long.
fn text(r: &Redactor, text: &str) -> String {
    masked(r, text, TEXT_CHARS_MAX)
}

/// A name without what looks like a credential, at most [`NAME_CHARS_MAX`] long.
pub(crate) fn name(r: &Redactor, text: &str) -> String {
    masked(r, text, NAME_CHARS_MAX)
}

fn some_text(r: &Redactor, from: &str) -> Option<String> {
    (!from.is_empty()).then(|| text(r, from))
}

/// Masked before it is cut: a secret that is cut in two is no longer known as one.
fn masked(r: &Redactor, text: &str, chars_max: usize) -> String {
    let head = cut(text, chars_max * 4);
    let clean = if head.len() < text.len() {
        r.cut(head)
    } else {
        r.text(head)
    };
    let kept = cut(&clean, chars_max);
    if kept.len() < clean.len() || head.len() < text.len() {
        format!("{kept}…")
    } else {
        clean.into_owned()
    }
}

/// The first `chars_max` characters.
fn cut(text: &str, chars_max: usize) -> &str {
    text.char_indices()
        .nth(chars_max)
        .map_or(text, |(at, _)| &text[..at])
}

fn rfc3339(unix_ns: u64, now_unix_ns: u64) -> Result<String, Invalid> {
    if unix_ns == 0 || unix_ns > now_unix_ns.saturating_add(AHEAD_NS_MAX) {
        return Err(Invalid::Time);
    }
    let at = Timestamp::from_nanosecond(unix_ns.into()).map_err(|_| Invalid::Time)?;
    Ok(format!("{at:.9}"))
}

/// Milliseconds with three decimals, cut.
fn ms(ns: u64) -> f64 {
    (ns / 1_000) as f64 / 1_000.0
}

/// `SpanKind`.
pub(crate) fn kind_label(kind: u64) -> &'static str {
    match kind {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "unspecified",
    }
}

/// `SeverityNumber`, in steps of four.
fn level(severity: u64) -> &'static str {
    match severity {
        1..=4 => "trace",
        5..=8 => "debug",
        13..=16 => "warn",
        17..=24 => "error",
        _ => "info",
    }
}
