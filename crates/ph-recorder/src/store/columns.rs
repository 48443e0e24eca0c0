//! What a record is found by, taken from the observation itself: its JSON is not looked at.

use super::Batch;
use crate::line::Level;
use ph_base::Method;
use ph_record::{EventKind, Observation, Server, ServerIdx};
use ph_store::logs::{self, Entry, Kind};
use std::sync::Arc;

/// Copies the line of an observation into the batch. `json` has no line feed.
pub(crate) fn push(
    batch: &mut Batch,
    servers: &[Arc<Server>],
    observation: &Observation,
    level: Level,
    json: &[u8],
) {
    let name = |idx: ServerIdx| {
        servers
            .get(usize::from(idx.0))
            .map_or("", |s| s.name.as_str())
    };
    let blank = Entry {
        kind: Kind::Event,
        level: stored(level),
        time_unix_ns: 0,
        duration_ns: None,
        status: 0,
        trace_id: None,
        server: "",
        method: "",
        tool: "",
        outcome: "",
        json,
    };
    let entry = match observation {
        Observation::Call(r) => Entry {
            kind: Kind::Call,
            // As its `timestamp`: the time at which it was over.
            time_unix_ns: r.started_unix_ns.saturating_add(r.duration_ns),
            duration_ns: Some(r.duration_ns),
            status: r.verdict.status,
            trace_id: Some(r.trace.trace_id),
            server: name(r.server),
            method: r.method_text.as_deref().unwrap_or(r.method.as_label()),
            tool: match (r.method, &r.target) {
                (Method::ToolsCall, Some(tool)) => tool,
                _ => "",
            },
            outcome: r.verdict.outcome.as_label(),
            ..blank
        },
        Observation::Line(line) => Entry {
            kind: Kind::Stderr,
            time_unix_ns: line.at_unix_ns,
            trace_id: line.trace.map(|(trace_id, _)| trace_id),
            server: name(line.server),
            ..blank
        },
        Observation::Event(event) => Entry {
            time_unix_ns: event.at_unix_ns,
            server: event.server.map_or("", name),
            duration_ns: match event.kind {
                EventKind::Health { duration_ns, .. } => Some(duration_ns),
                _ => None,
            },
            status: match event.kind {
                EventKind::Refused { reason, .. } => reason.http_status(),
                _ => 0,
            },
            ..blank
        },
        Observation::Proc(_) => return,
    };
    batch.push(&entry);
}

/// A level as the store has it.
pub(crate) fn stored(level: Level) -> logs::Level {
    match level {
        Level::Trace => logs::Level::Trace,
        Level::Debug => logs::Level::Debug,
        Level::Info => logs::Level::Info,
        Level::Warn => logs::Level::Warn,
        Level::Error => logs::Level::Error,
    }
}
