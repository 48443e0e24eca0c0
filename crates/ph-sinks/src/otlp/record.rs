//! A line as an OTLP log record. Pure.

use super::line::Line;
use ph_otlp::logs::{LogRecord, Severity};
use ph_otlp::{Attribute, Value};
use serde_json::Value as Json;

/// `None` for spans, which are another signal.
pub(super) fn of(line: &Line) -> Option<LogRecord> {
    if line.kind == "span" {
        return None;
    }
    let own = ["timestamp", "level", "message", "trace_id", "span_id"];
    let attributes = line
        .fields
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| -> Attribute { (name.clone().into(), attribute(value)) })
        .collect();
    Some(LogRecord {
        unix_ns: line.end_unix_ns,
        severity: severity(line.text("level")),
        body: line.text("message").unwrap_or_default().to_owned(),
        attributes,
        trace_id: line.trace_id(),
        span_id: line.span_id("span_id"),
    })
}

fn severity(level: Option<&str>) -> Severity {
    match level {
        Some("trace") => Severity::Trace,
        Some("debug") => Severity::Debug,
        Some("warn") => Severity::Warn,
        Some("error") => Severity::Error,
        _ => Severity::Info,
    }
}

/// Lists and objects are carried as their JSON text.
pub(super) fn attribute(value: &Json) -> Value {
    match value {
        Json::String(text) => text.clone().into(),
        Json::Bool(yes) => (*yes).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.to_string().into(),
        },
        other => other.to_string().into(),
    }
}
