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

use json::{Object, key};
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
            Some(name) => o.texts(key!("message"), &[method, " ", name, ": ", outcome]),
            None => o.texts(key!("message"), &[method, ": ", outcome]),
        }
        trace(&mut o, r.trace.trace_id, Some(r.trace.server_span));
        if let Some(parent) = r.trace.parent {
            o.plain(key!("parent_span_id"), &parent.hex());
            o.plain(key!("trace_flags"), flags(r.trace.flags));
        }
        place(&mut o, servers, Some(r.server), r.replica);
        o.text(key!("method"), method);
        let key = if r.method == Method::ToolsCall {
            key!("tool")
        } else {
            key!("target")
        };
        o.some_text(key, r.target.as_deref());
        o.some_text(key!("client"), r.client.as_deref());
        o.some_text(key!("principal"), r.principal.as_deref());
        if let Some(session) = r.session {
            o.plain(key!("session"), &session_hex(session));
        }
        o.label(key!("direction"), direction(r.direction));
        o.label(key!("era"), r.era.as_label());
        o.some_text(key!("protocol_version"), r.revision.map(|r| r.as_str()));
        o.label(key!("transport"), transport(r.transport));
        o.some_text(key!("request_id"), r.request_id.as_deref());
        if self.params {
            o.some_text(key!("params"), r.params.as_deref());
        }
        o.number(key!("status"), r.verdict.status.into());
        if r.http_status != 0 {
            o.number(key!("http_status"), r.http_status.into());
        }
        o.label(key!("outcome"), outcome);
        o.label(key!("blame"), r.verdict.blame.as_label());
        o.ms(key!("duration"), r.duration_ns);
        o.ms(key!("overhead_ms"), r.overhead_ns);
        if r.waited_on_client_ns > 0 {
            o.ms(key!("waited_on_client_ms"), r.waited_on_client_ns);
        }
        upstream(&mut o, r);
        if r.is_stream {
            o.bool(key!("stream"), true);
        }
        o.bool(key!("delivered"), r.delivered);
        o.number(key!("request_bytes"), r.request_bytes);
        o.number(key!("response_bytes"), r.response_bytes);
        if let Some(code) = r.rpc_code {
            o.signed(key!("rpc_code"), code);
        }
        o.some_text(key!("error"), r.error.as_deref());
        o.some_text(
            key!("anomaly"),
            r.shape.as_ref().map(|shape| shape.kind.as_label()),
        );
        if let Some(limited) = &r.limited {
            limits(&mut o, limited);
        }
        o.end();
    }

    fn stderr(&mut self, out: &mut Vec<u8>, servers: &[Arc<Server>], line: &ServerLine) {
        let mut o = self.open(out, line.at_unix_ns, Level::Info, "stderr");
        o.text(key!("message"), &line.text);
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
            EventKind::Note { text, .. } => o.some_text(key!("message"), Some(text)),
            kind => o.text(key!("message"), message(kind)),
        }
        o.text(key!("event"), name(&event.kind));
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
        kind: &'static str,
    ) -> Object<'a> {
        let mut o = Object::begin(out);
        o.plain(key!("timestamp"), self.stamp.at(at_unix_ns));
        o.label(key!("level"), level.as_label());
        o.label(key!("kind"), kind);
        o
    }
}

fn trace(o: &mut Object<'_>, trace_id: TraceId, span: Option<SpanId>) {
    o.plain(key!("trace_id"), &trace_id.hex());
    if let Some(span) = span {
        o.plain(key!("span_id"), &span.hex());
    }
}

/// The limit that refused a call, and those that would have: several stand in one text, as the store's columns
/// have no lists.
fn limits(o: &mut Object<'_>, limited: &Limited) {
    o.some_text(key!("limit"), limited.by.as_ref().map(|label| &*label.name));
    let names: Vec<_> = limited.dry_run.iter().map(|label| &*label.name).collect();
    if !names.is_empty() {
        o.text(key!("limit_dry_run"), &names.join(","));
    }
}

/// Our CLIENT span, of which the trace view makes what the server did with the call.
fn upstream(o: &mut Object<'_>, r: &CallRecord) {
    let Some(start_ns) = r.upstream_start_ns else {
        return;
    };
    let end_ns = r.upstream_end_ns.unwrap_or(r.duration_ns);
    o.plain(key!("upstream_span_id"), &r.trace.client_span.hex());
    o.ms(key!("upstream_start_ms"), start_ns);
    o.ms(key!("upstream_ms"), end_ns.saturating_sub(start_ns));
}

fn place(o: &mut Object<'_>, servers: &[Arc<Server>], server: Option<ServerIdx>, replica: Replica) {
    let name = server.and_then(|idx| servers.get(usize::from(idx.0)));
    o.some_text(key!("server"), name.map(|s| s.name.as_str()));
    match replica {
        Replica::None => {}
        Replica::Session => o.text(key!("replica"), "session"),
        Replica::Slot(n) => o.text(key!("replica"), &n.to_string()),
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
    o.text(key!("anomaly"), anomaly.kind.as_label());
    if let Some(caller) = &anomaly.caller {
        o.text(key!("caller"), &caller.to_string());
    }
    let server = server.and_then(|idx| servers.get(usize::from(idx.0)));
    let tool = server.map(|server| server.tools.label(anomaly.tool));
    o.some_text(
        key!("tool"),
        tool.as_deref().filter(|tool| !tool.is_empty()),
    );
    o.text(key!("usual"), &anomaly.usual);
    o.text(key!("seen"), &anomaly.seen);
    o.text(key!("over"), &anomaly.over);
    if anomaly.untold > 0 {
        o.number(key!("untold"), anomaly.untold);
    }
    if let Some(seconds) = anomaly.blocked_s {
        o.number(key!("blocked_s"), seconds);
    }
}

fn details(o: &mut Object<'_>, kind: &EventKind) {
    match kind {
        EventKind::ChildStarted { pid } => o.number(key!("pid"), (*pid).into()),
        EventKind::ChildExited {
            pid,
            how,
            stderr_tail,
            expected,
            over_memory: _,
        } => {
            o.number(key!("pid"), (*pid).into());
            o.text(key!("exit"), how);
            o.bool(key!("expected"), *expected);
            o.some_text(key!("stderr_tail"), Some(stderr_tail));
        }
        EventKind::Restart { reason, backoff_ms } => {
            o.text(key!("reason"), reason.as_label());
            o.number(key!("backoff_ms"), *backoff_ms);
        }
        EventKind::CrashLoop {
            restarts,
            retry_in_ms,
        } => {
            o.number(key!("restarts"), (*restarts).into());
            o.number(key!("retry_in_ms"), *retry_in_ms);
        }
        EventKind::Health {
            result,
            duration_ns,
            error,
        } => {
            o.text(key!("result"), result.as_label());
            o.ms(key!("duration"), *duration_ns);
            o.some_text(key!("error"), error.as_deref());
        }
        EventKind::Refused { reason, peer, .. } => {
            o.text(key!("reason"), reason.as_label());
            o.number(key!("status"), reason.http_status().into());
            if let Some(peer) = peer {
                o.text(key!("peer"), &peer.to_string());
            }
        }
        EventKind::Anomaly(_) => {}
        EventKind::PlanLoaded { hash, changes } => {
            o.text(key!("hash"), hash);
            o.some_text(
                key!("changes"),
                Some(&**changes).filter(|text| !text.is_empty()),
            );
        }
        EventKind::PlanRejected { reasons } => o.some_text(key!("error"), Some(reasons)),
        EventKind::Alert {
            name,
            severity,
            labels,
            summary,
            ..
        } => {
            o.text(key!("alert"), name);
            o.text(key!("severity"), severity);
            o.text(key!("labels"), labels);
            o.some_text(key!("summary"), Some(summary));
        }
        EventKind::ToolDefinition {
            change,
            tool,
            from,
            places,
            same_artefact,
            blocked,
        } => {
            o.text(key!("change"), change.as_label());
            o.text(key!("tool"), tool);
            o.some_text(key!("from"), from.as_deref());
            o.some_text(key!("places"), Some(places));
            o.bool(key!("same_artefact"), *same_artefact);
            o.bool(key!("blocked"), *blocked);
        }
        EventKind::ToolApproved { tool, by } => {
            o.text(key!("tool"), tool);
            o.some_text(key!("by"), Some(by));
        }
        EventKind::StoreFailing { error } => o.text(key!("error"), error),
        EventKind::StoreRecovered { dropped } => o.number(key!("dropped"), *dropped),
        EventKind::Note { .. } => {}
    }
}
