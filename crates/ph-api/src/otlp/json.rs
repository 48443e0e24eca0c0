//! The JSON encoding: protobuf's JSON mapping with hexadecimal ids and enums as numbers.
//!
//! Source: OTLP specification 1.x, "JSON Protobuf Encoding". Lists are held as raw text and read
//! one element at a time, so that the memory needed stays near the size of the body.

use super::Signal;
use super::message::{Attributes, EVENTS_MAX, Event, Link, Log, Origin, Record, Span, SpanStatus};
use super::value::{AnyValue, Budget, pair_json};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Hands every record of `body` to `take`, one at a time.
pub(crate) fn read(
    signal: Signal,
    body: &[u8],
    take: &mut dyn FnMut(&Origin<'_>, Record<'_>),
) -> Result<(), serde_json::Error> {
    let request: Request<'_> = serde_json::from_slice(body)?;
    let groups = match signal {
        Signal::Traces => request.resource_spans,
        Signal::Logs => request.resource_logs,
    };
    for group in groups {
        let group: ResourceGroup<'_> = serde_json::from_str(group.get())?;
        let mut origin = Origin::default();
        if let Some(resource) = group.resource {
            let resource: Resource<'_> = serde_json::from_str(resource.get())?;
            origin.resource = attributes(&resource.attributes, 0)?;
        }
        let scopes = match signal {
            Signal::Traces => group.scope_spans,
            Signal::Logs => group.scope_logs,
        };
        for scope in scopes {
            let group: ScopeGroup<'_> = serde_json::from_str(scope.get())?;
            origin.scope = group.scope.unwrap_or_default().name;
            let records = match signal {
                Signal::Traces => group.spans,
                Signal::Logs => group.log_records,
            };
            for raw in records {
                let record = match signal {
                    Signal::Traces => Record::Span(span(raw)?),
                    Signal::Logs => Record::Log(log(raw)?),
                };
                take(&origin, record);
            }
        }
    }
    Ok(())
}

type Raws<'a> = Vec<&'a RawValue>;

/// In protobuf's JSON, `null` is a field that is not there.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    resource_spans: Raws<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    resource_logs: Raws<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceGroup<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    scope_spans: Raws<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    scope_logs: Raws<'a>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    attributes: Raws<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeGroup<'a> {
    #[serde(borrow)]
    scope: Option<Scope<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    spans: Raws<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    log_records: Raws<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scope<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    name: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawSpan<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    trace_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "or_default")]
    span_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "or_default")]
    parent_span_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "or_default")]
    name: Cow<'a, str>,
    #[serde(deserialize_with = "or_default")]
    kind: Int,
    #[serde(deserialize_with = "or_default")]
    start_time_unix_nano: Int,
    #[serde(deserialize_with = "or_default")]
    end_time_unix_nano: Int,
    #[serde(borrow, deserialize_with = "or_default")]
    attributes: Raws<'a>,
    #[serde(deserialize_with = "or_default")]
    dropped_attributes_count: Int,
    #[serde(borrow, deserialize_with = "or_default")]
    events: Raws<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    links: Raws<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    status: RawStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStatus<'a> {
    #[serde(deserialize_with = "or_default")]
    code: Int,
    #[serde(borrow, deserialize_with = "or_default")]
    message: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawEvent<'a> {
    #[serde(deserialize_with = "or_default")]
    time_unix_nano: Int,
    #[serde(borrow, deserialize_with = "or_default")]
    name: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "or_default")]
    attributes: Raws<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawLink<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    trace_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "or_default")]
    span_id: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawLog<'a> {
    #[serde(deserialize_with = "or_default")]
    time_unix_nano: Int,
    #[serde(deserialize_with = "or_default")]
    observed_time_unix_nano: Int,
    #[serde(deserialize_with = "or_default")]
    severity_number: Int,
    #[serde(borrow, deserialize_with = "or_default")]
    severity_text: Cow<'a, str>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "or_default")]
    attributes: Raws<'a>,
    #[serde(deserialize_with = "or_default")]
    dropped_attributes_count: Int,
    #[serde(borrow, deserialize_with = "or_default")]
    trace_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "or_default")]
    span_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "or_default")]
    event_name: Cow<'a, str>,
}

/// `KeyValue`.
#[derive(Deserialize)]
pub(crate) struct Pair<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub(crate) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) value: Option<&'a RawValue>,
}

/// `AnyValue`: at most one of the members is there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Any<'a> {
    #[serde(borrow)]
    pub(crate) string_value: Option<Cow<'a, str>>,
    pub(crate) bool_value: Option<bool>,
    pub(crate) int_value: Option<Int>,
    pub(crate) double_value: Option<Double>,
    #[serde(borrow)]
    pub(crate) bytes_value: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) array_value: Option<Values<'a>>,
    #[serde(borrow)]
    pub(crate) kvlist_value: Option<Values<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Values<'a> {
    #[serde(borrow, default)]
    pub(crate) values: Raws<'a>,
}

fn span(raw: &RawValue) -> Result<Span<'_>, serde_json::Error> {
    let s: RawSpan<'_> = serde_json::from_str(raw.get())?;
    Ok(Span {
        trace_id: hex(&s.trace_id),
        span_id: hex(&s.span_id),
        parent_id: hex(&s.parent_span_id),
        name: s.name,
        kind: s.kind.unsigned(),
        start_unix_ns: s.start_time_unix_nano.unsigned(),
        end_unix_ns: s.end_time_unix_nano.unsigned(),
        attributes: attributes(&s.attributes, s.dropped_attributes_count.unsigned())?,
        events: firsts(&s.events, event)?,
        links: firsts(&s.links, link)?,
        status: SpanStatus::of_number(s.status.code.unsigned()),
        status_message: s.status.message,
    })
}

fn event(raw: &RawValue) -> Result<Event<'_>, serde_json::Error> {
    let e: RawEvent<'_> = serde_json::from_str(raw.get())?;
    Ok(Event {
        unix_ns: e.time_unix_nano.unsigned(),
        name: e.name,
        attributes: attributes(&e.attributes, 0)?,
    })
}

fn link(raw: &RawValue) -> Result<Link<'_>, serde_json::Error> {
    let l: RawLink<'_> = serde_json::from_str(raw.get())?;
    Ok(Link {
        trace_id: hex(&l.trace_id),
        span_id: hex(&l.span_id),
    })
}

fn log(raw: &RawValue) -> Result<Log<'_>, serde_json::Error> {
    let l: RawLog<'_> = serde_json::from_str(raw.get())?;
    let (time, observed) = (
        l.time_unix_nano.unsigned(),
        l.observed_time_unix_nano.unsigned(),
    );
    Ok(Log {
        unix_ns: if time == 0 { observed } else { time },
        severity: l.severity_number.unsigned(),
        severity_text: l.severity_text,
        body: l
            .body
            .map(|raw| AnyValue::json(raw, &mut Budget::default()))
            .transpose()?,
        attributes: attributes(&l.attributes, l.dropped_attributes_count.unsigned())?,
        trace_id: hex(&l.trace_id),
        span_id: hex(&l.span_id),
        event_name: l.event_name,
    })
}

/// The first [`EVENTS_MAX`] of a list.
fn firsts<'a, T>(
    raws: &[&'a RawValue],
    read: fn(&'a RawValue) -> Result<T, serde_json::Error>,
) -> Result<Vec<T>, serde_json::Error> {
    raws.iter().take(EVENTS_MAX).map(|raw| read(raw)).collect()
}

fn attributes<'a>(
    raws: &[&'a RawValue],
    dropped: u64,
) -> Result<Attributes<'a>, serde_json::Error> {
    let mut attributes = Attributes {
        dropped: dropped & u64::from(u32::MAX),
        ..Attributes::default()
    };
    for raw in raws {
        if attributes.has_room() {
            attributes.push(pair_json(raw, &mut Budget::default())?);
        }
    }
    Ok(attributes)
}

/// Hexadecimal of either case; empty when it is none, which is no valid id.
fn hex(text: &str) -> Cow<'static, [u8]> {
    const LONGEST: usize = 32;
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    if text.len() > LONGEST || text.len() % 2 == 1 {
        return Cow::Borrowed(&[]);
    }
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect();
    bytes.unwrap_or_default().into()
}

/// A 64-bit number: JSON's mapping has them as text, and some SDKs as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Int(pub(crate) i64);

impl Int {
    /// As an unsigned number: `fixed64` and counts go beyond `i64` in theory only.
    fn unsigned(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntVisitor)
    }
}

struct IntVisitor;

impl Visitor<'_> for IntVisitor {
    type Value = Int;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or one as text")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Int, E> {
        Ok(Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Int, E> {
        Ok(Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Int, E> {
        let number = text.parse().or_else(|_| {
            text.parse::<u64>()
                .map(|n| i64::try_from(n).unwrap_or(i64::MAX))
        });
        number
            .map(Int)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// A double: text for what JSON has no number for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Double(pub(crate) f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DoubleVisitor)
    }
}

struct DoubleVisitor;

impl Visitor<'_> for DoubleVisitor {
    type Value = Double;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or one as text")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Double, E> {
        Ok(Double(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Double, E> {
        Ok(Double(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Double, E> {
        Ok(Double(value as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Double, E> {
        match text {
            "NaN" => Ok(Double(f64::NAN)),
            "Infinity" => Ok(Double(f64::INFINITY)),
            "-Infinity" => Ok(Double(f64::NEG_INFINITY)),
            _ => text
                .parse()
                .map(Double)
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}
