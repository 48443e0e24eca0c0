//! The protobuf encoding of `ExportTraceServiceRequest` and `ExportLogsServiceRequest`.
//!
//! Field numbers: opentelemetry-proto 1.x, `trace/v1/trace.proto`, `logs/v1/logs.proto`,
//! `common/v1/common.proto`, `resource/v1/resource.proto`. Unknown fields are passed over.

use super::Signal;
use super::message::{Attributes, EVENTS_MAX, Event, Link, Log, Origin, Record, Span, SpanStatus};
use super::value::{AnyValue, Budget, pair};
use super::wire::{Fields, Malformed, Value};

/// Hands every record of `body` to `take`, one at a time.
pub(crate) fn read(
    signal: Signal,
    body: &[u8],
    take: &mut dyn FnMut(&Origin<'_>, Record<'_>),
) -> Result<(), Malformed> {
    for field in Fields::new(body) {
        if let (1, group) = field? {
            resource_group(signal, group.bytes()?, take)?;
        }
    }
    Ok(())
}

/// `ResourceSpans` or `ResourceLogs`: 1 resource, 2 scopes.
fn resource_group<'a>(
    signal: Signal,
    message: &'a [u8],
    take: &mut dyn FnMut(&Origin<'_>, Record<'_>),
) -> Result<(), Malformed> {
    let mut origin = Origin::default();
    // The resource may come after what it is the resource of.
    for field in Fields::new(message) {
        if let (1, resource) = field? {
            for field in Fields::new(resource.bytes()?) {
                if let (1, attribute) = field? {
                    add(&mut origin.resource, attribute)?;
                }
            }
        }
    }
    for field in Fields::new(message) {
        if let (2, scope) = field? {
            scope_group(signal, scope.bytes()?, &mut origin, take)?;
        }
    }
    Ok(())
}

/// `ScopeSpans` or `ScopeLogs`: 1 scope, 2 records.
fn scope_group<'a>(
    signal: Signal,
    message: &'a [u8],
    origin: &mut Origin<'a>,
    take: &mut dyn FnMut(&Origin<'_>, Record<'_>),
) -> Result<(), Malformed> {
    origin.scope = "".into();
    for field in Fields::new(message) {
        if let (1, scope) = field? {
            for field in Fields::new(scope.bytes()?) {
                if let (1, name) = field? {
                    origin.scope = name.text()?.into();
                }
            }
        }
    }
    for field in Fields::new(message) {
        if let (2, record) = field? {
            let record = match signal {
                Signal::Traces => Record::Span(span(record.bytes()?)?),
                Signal::Logs => Record::Log(log(record.bytes()?)?),
            };
            take(origin, record);
        }
    }
    Ok(())
}

fn span(message: &[u8]) -> Result<Span<'_>, Malformed> {
    let mut span = Span::default();
    for field in Fields::new(message) {
        let (number, value) = field?;
        match number {
            1 => span.trace_id = value.bytes()?.into(),
            2 => span.span_id = value.bytes()?.into(),
            4 => span.parent_id = value.bytes()?.into(),
            5 => span.name = value.text()?.into(),
            6 => span.kind = value.varint()?,
            7 => span.start_unix_ns = value.fixed64()?,
            8 => span.end_unix_ns = value.fixed64()?,
            9 => add(&mut span.attributes, value)?,
            10 => span.attributes.dropped += value.varint()? & u64::from(u32::MAX),
            11 if span.events.len() < EVENTS_MAX => span.events.push(event(value.bytes()?)?),
            13 if span.links.len() < EVENTS_MAX => span.links.push(link(value.bytes()?)?),
            15 => {
                for field in Fields::new(value.bytes()?) {
                    match field? {
                        (2, text) => span.status_message = text.text()?.into(),
                        (3, code) => span.status = SpanStatus::of_number(code.varint()?),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(span)
}

fn event(message: &[u8]) -> Result<Event<'_>, Malformed> {
    let mut event = Event::default();
    for field in Fields::new(message) {
        match field? {
            (1, value) => event.unix_ns = value.fixed64()?,
            (2, value) => event.name = value.text()?.into(),
            (3, value) => add(&mut event.attributes, value)?,
            _ => {}
        }
    }
    Ok(event)
}

fn link(message: &[u8]) -> Result<Link<'_>, Malformed> {
    let mut link = Link::default();
    for field in Fields::new(message) {
        match field? {
            (1, value) => link.trace_id = value.bytes()?.into(),
            (2, value) => link.span_id = value.bytes()?.into(),
            _ => {}
        }
    }
    Ok(link)
}

fn log(message: &[u8]) -> Result<Log<'_>, Malformed> {
    let mut log = Log::default();
    let mut observed = 0;
    for field in Fields::new(message) {
        let (number, value) = field?;
        match number {
            1 => log.unix_ns = value.fixed64()?,
            2 => log.severity = value.varint()?,
            3 => log.severity_text = value.text()?.into(),
            5 => log.body = Some(AnyValue::protobuf(value.bytes()?, &mut Budget::default())?),
            6 => add(&mut log.attributes, value)?,
            7 => log.attributes.dropped += value.varint()? & u64::from(u32::MAX),
            9 => log.trace_id = value.bytes()?.into(),
            10 => log.span_id = value.bytes()?.into(),
            11 => observed = value.fixed64()?,
            12 => log.event_name = value.text()?.into(),
            _ => {}
        }
    }
    if log.unix_ns == 0 {
        log.unix_ns = observed;
    }
    Ok(log)
}

fn add<'a>(attributes: &mut Attributes<'a>, message: Value<'a>) -> Result<(), Malformed> {
    if attributes.has_room() {
        attributes.push(pair(message, &mut Budget::default())?);
    }
    Ok(())
}
