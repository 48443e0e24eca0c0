//! An observation as one line of JSON.
//!
//! Fields and their order are documented in `docs/logs.md` and held by the golden lines of the
//! tests. Everything that a peer sent is escaped and bounded here; it lost its secrets when it was
//! observed (`redaction`).

mod file;
mod json;
mod level;
pub(crate) mod params;
mod time;

pub(crate) use file::{FileLine, FileLines};
pub use level::Level;

use json::Object;
use ph_base::Method;
use ph_base::trace::{SpanId, TraceId};
use ph_record::{
    Anomaly, CallRecord, Direction, EventKind, Limited, Observation, Replica, Server, ServerEvent,
    ServerIdx, ServerLine, SessionTag, Transport,
};
use std::sync::Arc;
pub(crate) use time::Stamp;

/// Writes lines; owned by the recorder's thread.
#[derive(Debug)]
pub(crate) struct Encoder {
    level_min: Level,
    /// Whether parameters are logged.
    params: bool,
    stamp: Stamp,
}

impl Encoder {
    /// - `level_min`: least level that is written.
    /// - `params`: whether parameters are logged.
    pub(crate) fn new(level_min: Level, params: bool) -> Self {
        Self {
            level_min,
            params,
            stamp: Stamp::default(),
        }
    }

    /// Appends the line of `observation` to `out`; `None` when its level is filtered out.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        servers: &[Arc<Server>],
        observation: &Observation,
    ) -> Option<Level> {
        let level = match observation {
            Observation::Call(record) => Level::of_call(record),
            Observation::Event(event) => Level::of_event(&event.kind),
            Observation::Line(_) => Level::Info,
            Observation::Proc(_) => return None,
        };
        if level < self.level_min {
            return None;
        }
        match observation {
            Observation::Call(record) => self.call(out, servers, record, level),
            Observation::Event(event) => self.event(out, servers, event, level),
            Observation::Line(line) => self.stderr(out, servers, line),
            Observation::Proc(_) => {}
        }
        Some(level)
    }

    fn call(&mut self, out: &mut Vec<u8>, servers: &[Arc<Server>], r: &CallRecord, level: Level) {
        let method = r.method_text.as_deref().unwrap_or(r.method.as_label());
        let outcome = r.verdict.outcome.as_label();
        // A resource's address may be long and private: it stands in `target`, not in the message.
        let named = r
            .target
            .as_deref()
            .filter(|_| matches!(r.method, Method::ToolsCall | Method::PromptsGet));
        let mut o = self.open(
            out,
            r.started_unix_ns.saturating_add(r.duration_ns),
            level,
            "call",
        );
        match named {
            Some(name) => o.texts("message", &[method, " ", name, ": ", outcome]),
            None => o.texts("message", &[method, ": ", outcome]),
        }
        trace(&mut o, r.trace.trace_id, Some(r.trace.server_span));
        if let Some(parent) = r.trace.parent {
            o.plain("parent_span_id", &parent.hex());
            o.plain("trace_flags", flags(r.trace.flags));
        }
        place(&mut o, servers, Some(r.server), r.replica);
        o.text("method", method);
        let key = if r.method == Method::ToolsCall {
            "tool"
        } else {
            "target"
        };
        o.some_text(key, r.target.as_deref());
        o.some_text("client", r.client.as_deref());
        o.some_text("principal", r.principal.as_deref());
        if let Some(session) = r.session {
            o.plain("session", &session_hex(session));
        }
        o.text("direction", direction(r.direction));
        o.text("era", r.era.as_label());
        o.some_text("protocol_version", r.revision.map(|r| r.as_str()));
        o.text("transport", transport(r.transport));
        o.some_text("request_id", r.request_id.as_deref());
        if self.params {
            o.some_text("params", r.params.as_deref());
        }
        o.number("status", r.verdict.status.into());
        if r.http_status != 0 {
            o.number("http_status", r.http_status.into());
        }
        o.text("outcome", outcome);
        o.text("blame", r.verdict.blame.as_label());
        o.ms("duration", r.duration_ns);
        o.ms("overhead_ms", r.overhead_ns);
        if r.waited_on_client_ns > 0 {
            o.ms("waited_on_client_ms", r.waited_on_client_ns);
        }
        upstream(&mut o, r);
        if r.is_stream {
            o.bool("stream", true);
        }
        o.bool("delivered", r.delivered);
        o.number("request_bytes", r.request_bytes);
        o.number("response_bytes", r.response_bytes);
        if let Some(code) = r.rpc_code {
            o.signed("rpc_code", code);
        }
        o.some_text("error", r.error.as_deref());
        o.some_text(
            "anomaly",
            r.shape.as_ref().map(|shape| shape.kind.as_label()),
        );
        if let Some(limited) = &r.limited {
            limits(&mut o, limited);
        }
        o.end();
    }

    fn stderr(&mut self, out: &mut Vec<u8>, servers: &[Arc<Server>], line: &ServerLine) {
        let mut o = self.open(out, line.at_unix_ns, Level::Info, "stderr");
        o.text("message", &line.text);
        if let Some((trace_id, span)) = line.trace {
            trace(&mut o, trace_id, span);
        }
        place(&mut o, servers, Some(line.server), line.replica);
        o.end();
    }

    fn event(
        &mut self,
        out: &mut Vec<u8>,
        servers: &[Arc<Server>],
        event: &ServerEvent,
        level: Level,
    ) {
        let mut o = self.open(out, event.at_unix_ns, level, "event");
        match &event.kind {
            EventKind::Note { text, .. } => o.some_text("message", Some(text)),
            kind => o.text("message", message(kind)),
        }
        o.text("event", name(&event.kind));
        place(&mut o, servers, event.server, event.replica);
        details(&mut o, &event.kind);
        if let EventKind::Anomaly(anomaly) = &event.kind {
            evidence(&mut o, servers, event.server, anomaly);
        }
        o.end();
    }

    fn open<'a>(
        &mut self,
        out: &'a mut Vec<u8>,
        at_unix_ns: u64,
        level: Level,
        kind: &str,
    ) -> Object<'a> {
        let mut o = Object::begin(out);
        o.plain("timestamp", self.stamp.at(at_unix_ns));
        o.text("level", level.as_label());
        o.text("kind", kind);
        o
    }
}

fn trace(o: &mut Object<'_>, trace_id: TraceId, span: Option<SpanId>) {
    o.plain("trace_id", &trace_id.hex());
    if let Some(span) = span {
        o.plain("span_id", &span.hex());
    }
}

/// The limit that refused a call, and those that would have: several stand in one text, as the store's columns
/// have no lists.
fn limits(o: &mut Object<'_>, limited: &Limited) {
    o.some_text("limit", limited.by.as_ref().map(|label| &*label.name));
    let names: Vec<_> = limited.dry_run.iter().map(|label| &*label.name).collect();
    if !names.is_empty() {
        o.text("limit_dry_run", &names.join(","));
    }
}

/// Our CLIENT span, of which the trace view makes what the server did with the call.
fn upstream(o: &mut Object<'_>, r: &CallRecord) {
    let Some(start_ns) = r.upstream_start_ns else {
        return;
    };
    let end_ns = r.upstream_end_ns.unwrap_or(r.duration_ns);
    o.plain("upstream_span_id", &r.trace.client_span.hex());
    o.ms("upstream_start_ms", start_ns);
    o.ms("upstream_ms", end_ns.saturating_sub(start_ns));
}

fn place(o: &mut Object<'_>, servers: &[Arc<Server>], server: Option<ServerIdx>, replica: Replica) {
    let name = server.and_then(|idx| servers.get(usize::from(idx.0)));
    o.some_text("server", name.map(|s| s.name.as_str()));
    match replica {
        Replica::None => {}
        Replica::Session => o.text("replica", "session"),
        Replica::Slot(n) => o.text("replica", &n.to_string()),
    }
}

/// A session's digest as text.
pub(crate) fn session_hex(session: SessionTag) -> [u8; 12] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|i| {
        let byte = session.0[i / 2];
        DIGITS[usize::from(if i % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

/// W3C trace flags: of all that the caller may have set, only `sampled` means something to us.
fn flags(flags: u8) -> &'static [u8] {
    if flags & 1 == 1 { b"01" } else { b"00" }
}

/// The `transport` of a call, in OTel's words.
fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Http => "tcp",
        Transport::Stdio => "pipe",
    }
}

/// The `direction` of a call.
fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "to_server",
        Direction::ToClient => "to_client",
    }
}

/// The `event` of a line: what to search for.
fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::ChildStarted { .. } => "child_started",
        EventKind::ChildExited { .. } => "child_exited",
        EventKind::Restart { .. } => "restart",
        EventKind::CrashLoop { .. } => "crash_loop",
        EventKind::Health { .. } => "health",
        EventKind::Refused { .. } => "refused",
        EventKind::Anomaly(_) => "anomaly",
        EventKind::PlanLoaded { .. } => "plan_loaded",
        EventKind::PlanRejected { .. } => "plan_rejected",
        EventKind::Alert { firing: true, .. } => "alert_firing",
        EventKind::Alert { firing: false, .. } => "alert_resolved",
        EventKind::ToolDefinition { .. } => "tool_definition_changed",
        EventKind::ToolApproved { .. } => "tool_approved",
        EventKind::StoreFailing { .. } => "store_failing",
        EventKind::StoreRecovered { .. } => "store_recovered",
        EventKind::Note { .. } => "note",
    }
}

fn message(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::ChildStarted { .. } => "child started",
        EventKind::ChildExited { expected: true, .. } => "child ended",
        EventKind::ChildExited {
            expected: false, ..
        } => "child ended unexpectedly",
        EventKind::Restart { .. } => "child is started again",
        EventKind::CrashLoop { .. } => "child keeps ending, restarts are paused",
        EventKind::Health {
            result: ph_record::HealthResult::Ok,
            ..
        } => "health check passed",
        EventKind::Health { .. } => "health check failed",
        EventKind::Refused { .. } => "request refused",
        EventKind::Anomaly(anomaly) if anomaly.blocked_s.is_some() => {
            "abnormal access, the client is refused for a time"
        }
        EventKind::Anomaly(_) => "abnormal access",
        EventKind::PlanLoaded { .. } => "configuration loaded",
        EventKind::PlanRejected { .. } => "configuration rejected, the old one runs on",
        EventKind::Alert { firing: true, .. } => "alert fires",
        EventKind::Alert { firing: false, .. } => "alert resolved",
        EventKind::ToolDefinition { blocked: true, .. } => {
            "a tool is no longer what was accepted, and is blocked until it is approved"
        }
        EventKind::ToolDefinition { blocked: false, .. } => "a tool is no longer what was accepted",
        EventKind::ToolApproved { .. } => "a tool was approved as it is now",
        EventKind::StoreFailing { .. } => "the store cannot write, records are lost",
        EventKind::StoreRecovered { .. } => "the store can write again",
        EventKind::Note { .. } => "",
    }
}

/// What is abnormal of whom, and why.
fn evidence(
    o: &mut Object<'_>,
    servers: &[Arc<Server>],
    server: Option<ServerIdx>,
    anomaly: &Anomaly,
) {
    o.text("anomaly", anomaly.kind.as_label());
    if let Some(caller) = &anomaly.caller {
        o.text("caller", &caller.to_string());
    }
    let server = server.and_then(|idx| servers.get(usize::from(idx.0)));
    let tool = server.map(|server| server.tools.label(anomaly.tool));
    o.some_text("tool", tool.as_deref().filter(|tool| !tool.is_empty()));
    o.text("usual", &anomaly.usual);
    o.text("seen", &anomaly.seen);
    o.text("over", &anomaly.over);
    if anomaly.untold > 0 {
        o.number("untold", anomaly.untold);
    }
    if let Some(seconds) = anomaly.blocked_s {
        o.number("blocked_s", seconds);
    }
}

fn details(o: &mut Object<'_>, kind: &EventKind) {
    match kind {
        EventKind::ChildStarted { pid } => o.number("pid", (*pid).into()),
        EventKind::ChildExited {
            pid,
            how,
            stderr_tail,
            expected,
        } => {
            o.number("pid", (*pid).into());
            o.text("exit", how);
            o.bool("expected", *expected);
            o.some_text("stderr_tail", Some(stderr_tail));
        }
        EventKind::Restart { reason, backoff_ms } => {
            o.text("reason", reason.as_label());
            o.number("backoff_ms", *backoff_ms);
        }
        EventKind::CrashLoop {
            restarts,
            retry_in_ms,
        } => {
            o.number("restarts", (*restarts).into());
            o.number("retry_in_ms", *retry_in_ms);
        }
        EventKind::Health {
            result,
            duration_ns,
            error,
        } => {
            o.text("result", result.as_label());
            o.ms("duration", *duration_ns);
            o.some_text("error", error.as_deref());
        }
        EventKind::Refused { reason, peer, .. } => {
            o.text("reason", reason.as_label());
            o.number("status", reason.http_status().into());
            if let Some(peer) = peer {
                o.text("peer", &peer.to_string());
            }
        }
        EventKind::Anomaly(_) => {}
        EventKind::PlanLoaded { hash } => o.text("hash", hash),
        EventKind::PlanRejected { reasons } => o.some_text("error", Some(reasons)),
        EventKind::Alert {
            name,
            severity,
            labels,
            summary,
            ..
        } => {
            o.text("alert", name);
            o.text("severity", severity);
            o.text("labels", labels);
            o.some_text("summary", Some(summary));
        }
        EventKind::ToolDefinition {
            change,
            tool,
            from,
            places,
            same_artefact,
            blocked,
        } => {
            o.text("change", change.as_label());
            o.text("tool", tool);
            o.some_text("from", from.as_deref());
            o.some_text("places", Some(places));
            o.bool("same_artefact", *same_artefact);
            o.bool("blocked", *blocked);
        }
        EventKind::ToolApproved { tool, by } => {
            o.text("tool", tool);
            o.some_text("by", Some(by));
        }
        EventKind::StoreFailing { error } => o.text("error", error),
        EventKind::StoreRecovered { dropped } => o.number("dropped", *dropped),
        EventKind::Note { .. } => {}
    }
}
