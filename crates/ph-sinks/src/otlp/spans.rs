//! A line as spans: a call's two, or one that a server sent. Pure.

use super::line::Line;
use super::record::attribute;
use ph_base::trace::SpanId;
use ph_otlp::{Attribute, Event, Kind, Link, Span, Status, Value, flags};
use serde_json::Value as Json;
use std::time::Duration;

/// The spans of a line, none when it has none or its trace is not carried.
///
/// - `ratio`: share of traces carried for no other reason. By the trace's last seven bytes, as the
///   direct export does, so that both carry the same ones.
/// - `slow`: calls of at least this length are always carried.
pub(super) fn of(line: &Line, ratio: f64, slow: Duration) -> Vec<Span> {
    match line.kind {
        // As our own export decides, see `ph-recorder`.
        "call" if is_carried(line, ratio, slow) => of_call(line),
        "span" if falls_in(line, ratio) || failed(line) => received(line).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn is_carried(line: &Line, ratio: f64, slow: Duration) -> bool {
    let is_stream = line.fields.get("stream").is_some();
    let long = line
        .ms("duration")
        .is_some_and(|ns| u128::from(ns) >= slow.as_nanos());
    let asked = line
        .text("trace_flags")
        .is_some_and(|flags| flags.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']));
    failed(line) || asked || (long && !is_stream) || falls_in(line, ratio)
}

fn failed(line: &Line) -> bool {
    !matches!(
        line.text("outcome"),
        Some("ok" | "input_required" | "task" | "unset") | None
    )
}

fn falls_in(line: &Line, ratio: f64) -> bool {
    const TRACE_SPACE: f64 = (1_u64 << 56) as f64;
    let Some(id) = line.trace_id() else {
        return false;
    };
    let [.., a, b, c, d, e, f, g] = id.0;
    u64::from_be_bytes([0, a, b, c, d, e, f, g]) < (ratio.clamp(0.0, 1.0) * TRACE_SPACE) as u64
}

/// Our SERVER span, and the CLIENT span when the server was asked.
fn of_call(line: &Line) -> Vec<Span> {
    let duration_ns = line.ms("duration").unwrap_or(0);
    let start = line.end_unix_ns.saturating_sub(duration_ns);
    let Some(server_span) = line.span_id("span_id") else {
        return Vec::new();
    };
    let parent = line.span_id("parent_span_id");
    let remote = if parent.is_some() {
        flags::PARENT_IS_REMOTE
    } else {
        0
    };
    let mut spans = Vec::with_capacity(2);
    spans.extend(
        call_span(line, Kind::Server, server_span, parent, start, duration_ns).map(|mut span| {
            span.flags |= remote;
            span
        }),
    );
    if let Some(client_span) = line.span_id("upstream_span_id") {
        let from = start + line.ms("upstream_start_ms").unwrap_or(0);
        let ns = line.ms("upstream_ms").unwrap_or(0);
        spans.extend(call_span(
            line,
            Kind::Client,
            client_span,
            Some(server_span),
            from,
            ns,
        ));
    }
    spans
}

fn call_span(
    line: &Line,
    kind: Kind,
    span_id: SpanId,
    parent: Option<SpanId>,
    start_unix_ns: u64,
    duration_ns: u64,
) -> Option<Span> {
    let end_unix_ns = start_unix_ns.saturating_add(duration_ns);
    let failed = failed(line);
    let mut span = Span {
        trace_id: line.trace_id()?,
        span_id,
        parent,
        trace_state: String::new(),
        name: name(line).into(),
        kind,
        start_unix_ns,
        end_unix_ns,
        attributes: call_attributes(line),
        events: Vec::new(),
        links: Vec::new(),
        status: Status::Unset,
        flags: flags::PARENT_REMOTE_KNOWN,
    };
    if failed {
        let kind = error_type(line);
        let text = line
            .text("error")
            .or(line.text("message"))
            .unwrap_or_default()
            .to_owned();
        span.attributes
            .push(("error.type".into(), kind.clone().into()));
        span.events.push(Event {
            unix_ns: end_unix_ns,
            name: "exception".into(),
            attributes: vec![
                ("exception.type".into(), kind.into()),
                ("exception.message".into(), text.clone().into()),
            ],
        });
        span.status = Status::Error(text.into());
    }
    Some(span)
}

/// The method, and the tool unless the server does not list it: anybody can send a name.
fn name(line: &Line) -> String {
    let method = line.text("method").unwrap_or("call");
    match line.text("tool") {
        Some(tool) if line.number("status") != Some(404.0) => format!("{method} {tool}"),
        _ => method.to_owned(),
    }
}

fn error_type(line: &Line) -> String {
    match (line.fields.get("rpc_code"), line.text("outcome")) {
        (Some(code), Some("protocol_error")) => code.to_string(),
        (_, outcome) => outcome.unwrap_or("_OTHER").to_owned(),
    }
}

/// Line field → attribute by OpenTelemetry's conventions for MCP.
const CALL_ATTRIBUTES: &[(&str, &str)] = &[
    ("method", "mcp.method.name"),
    ("tool", "gen_ai.tool.name"),
    ("session", "mcp.session.id"),
    ("protocol_version", "mcp.protocol.version"),
    ("transport", "network.transport"),
    ("server", "pilothouse.server"),
    ("outcome", "pilothouse.outcome"),
    ("anomaly", "pilothouse.anomaly"),
];

fn call_attributes(line: &Line) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = CALL_ATTRIBUTES
        .iter()
        .filter_map(|(field, key)| Some(((*key).into(), line.text(field)?.to_owned().into())))
        .collect();
    let mut add = |key: &'static str, value: Value| attributes.push((key.into(), value));
    if line.text("tool").is_some() {
        add("gen_ai.operation.name", "execute_tool".into());
    }
    if let Some(id) = line.text("request_id") {
        add("jsonrpc.request.id", id.trim_matches('"').to_owned().into());
    }
    if let Some(code) = line.fields.get("rpc_code") {
        add("rpc.response.status_code", code.to_string().into());
    }
    if let Some(params) = line.text("params") {
        add("gen_ai.tool.call.arguments", params.to_owned().into());
    }
    attributes
}

/// A span that a server sent to us. Its service is an attribute here: a request has one resource.
fn received(line: &Line) -> Option<Span> {
    let duration_ns = line.ms("duration").unwrap_or(0);
    let start_unix_ns = line.end_unix_ns.saturating_sub(duration_ns);
    let mut attributes: Vec<Attribute> = object(line.fields.get("attributes"));
    if let Some(service) = line.text("service") {
        attributes.push(("service.name".into(), service.to_owned().into()));
    }
    Some(Span {
        trace_id: line.trace_id()?,
        span_id: line.span_id("span_id")?,
        parent: line.span_id("parent_span_id"),
        trace_state: String::new(),
        name: line.text("name").unwrap_or_default().to_owned().into(),
        kind: match line.text("span_kind") {
            Some("server") => Kind::Server,
            Some("client") => Kind::Client,
            _ => Kind::Internal,
        },
        start_unix_ns,
        end_unix_ns: line.end_unix_ns,
        attributes,
        events: list(line, "events")
            .filter_map(|event| {
                let at_ns = (event["at_ms"].as_f64()? * 1e6) as u64;
                Some(Event {
                    unix_ns: start_unix_ns.saturating_add(at_ns),
                    name: event["name"].as_str()?.to_owned().into(),
                    attributes: object(event.get("attributes")),
                })
            })
            .collect(),
        links: list(line, "links").filter_map(link).collect(),
        status: if failed(line) {
            Status::Error(line.text("error").unwrap_or_default().to_owned().into())
        } else {
            Status::Unset
        },
        flags: 0,
    })
}

fn list<'a>(line: &'a Line, name: &str) -> impl Iterator<Item = &'a Json> {
    line.fields
        .get(name)
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

fn object(value: Option<&Json>) -> Vec<Attribute> {
    let fields = value.and_then(Json::as_object).into_iter().flatten();
    fields
        .map(|(key, value)| (key.clone().into(), attribute(value)))
        .collect()
}

fn link(value: &Json) -> Option<Link> {
    let line = Line {
        kind: "span",
        end_unix_ns: 0,
        fields: value.as_object()?.clone(),
    };
    Some(Link {
        trace_id: line.trace_id()?,
        span_id: line.span_id("span_id")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Entry;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn line(kind: &'static str, json: &str) -> Line {
        let entry = Entry {
            seq: 1,
            time_unix_ns: 2_000_000_000,
            kind,
            json: json.replace("TRACE", TRACE).into_bytes(),
        };
        Line::read(&entry).unwrap()
    }

    fn carried(kind: &'static str, json: &str, ratio: f64) -> Vec<Span> {
        of(&line(kind, json), ratio, Duration::from_secs(1))
    }

    const CALL: &str = r#"{"trace_id":"TRACE","span_id":"00000000000000a1","parent_span_id":"00000000000000a0",
        "upstream_span_id":"00000000000000a2","upstream_start_ms":1.5,"upstream_ms":7,"duration":10,
        "method":"tools/call","tool":"search","outcome":"ok","status":200,"server":"files"}"#;

    #[test]
    fn a_call_is_two_spans_in_its_callers_trace() {
        let spans = carried("call", CALL, 1.0);
        let [received, sent] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!((received.kind, sent.kind), (Kind::Server, Kind::Client));
        assert_eq!(received.name, "tools/call search");
        assert_eq!(received.parent, Some(SpanId([0, 0, 0, 0, 0, 0, 0, 0xa0])));
        assert_eq!(sent.parent, Some(received.span_id));
        assert_eq!(
            (received.start_unix_ns, received.end_unix_ns),
            (1_990_000_000, 2_000_000_000)
        );
        assert_eq!(
            (sent.start_unix_ns, sent.end_unix_ns),
            (1_991_500_000, 1_998_500_000)
        );
        assert_eq!(received.status, Status::Unset);
    }

    #[test]
    fn failed_and_slow_calls_are_carried_whatever_the_ratio() {
        assert_eq!(carried("call", CALL, 0.0), []);
        let slow = CALL.replace("\"duration\":10", "\"duration\":1000");
        assert_eq!(carried("call", &slow, 0.0).len(), 2);
        let stream = slow.replace("\"duration\"", "\"stream\":true,\"duration\"");
        assert_eq!(carried("call", &stream, 0.0), []);
        let asked = CALL.replace("\"duration\"", "\"trace_flags\":\"01\",\"duration\"");
        assert_eq!(carried("call", &asked, 0.0).len(), 2);
        let failed = CALL.replace("\"ok\"", "\"timeout\",\"error\":\"too slow\"");
        let spans = carried("call", &failed, 0.0);
        assert_eq!(spans[0].status, Status::Error("too slow".into()));
        assert_eq!(spans[0].events.len(), 1);
    }

    #[test]
    fn what_a_server_sent_is_sent_on() {
        let json = r#"{"trace_id":"TRACE","span_id":"00000000000000b1","parent_span_id":"00000000000000a2",
            "name":"fs.stat","span_kind":"client","duration":2,"outcome":"error","error":"denied","service":"files",
            "attributes":{"n":1,"path":"/x"},"events":[{"name":"retry","at_ms":1,"attributes":{}}],
            "links":[{"trace_id":"TRACE","span_id":"00000000000000a2"}]}"#;
        let spans = carried("span", json, 0.0);
        let [span] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!((span.name.as_ref(), span.kind), ("fs.stat", Kind::Client));
        assert_eq!(span.start_unix_ns, 1_998_000_000);
        assert_eq!(span.attributes.len(), 3);
        assert_eq!((span.events.len(), span.links.len()), (1, 1));
        assert_eq!(span.status, Status::Error("denied".into()));
        assert_eq!(carried("stderr", json, 1.0), []);
    }
}
