//! `mcp_server_operation_duration_seconds`, the histogram of OTel's MCP conventions.

use super::histogram::{Histogram, OTEL_BUCKETS, OTEL_NS, Totals};
use ph_base::{Method, Revision};
use ph_record::{Answer, CallRecord, Ending, Outcome, ToolIdx, Transport};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Its series of one server. Switched on by choice only, so a shared lock on the way is bearable;
/// the lock is exclusive only for a series' first call.
#[derive(Debug, Default)]
pub(crate) struct OtelCells(RwLock<BTreeMap<OtelKey, Arc<Histogram<OTEL_BUCKETS>>>>);

/// Labels of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OtelKey {
    pub(crate) method: Method,
    pub(crate) tool: ToolIdx,
    /// `""` for a success.
    pub(crate) error_type: &'static str,
    pub(crate) transport: &'static str,
    /// `""` when the client named no published revision.
    pub(crate) revision: &'static str,
}

/// Most series of one server; later ones are left out of this metric, which is a second view of
/// what the others count in full.
const SERIES_MAX: usize = 4096;

impl OtelCells {
    /// Counts one call that is no stream.
    pub(crate) fn fold(&self, record: &CallRecord) {
        let key = OtelKey {
            method: record.method,
            tool: record.tool,
            error_type: error_type(record),
            transport: transport(record.transport),
            revision: record.revision.map_or("", Revision::as_str),
        };
        if let Some(histogram) = self.histogram(key) {
            histogram.observe(&OTEL_NS, record.duration_ns);
        }
    }

    /// Every series, by label.
    pub(crate) fn read(&self) -> Vec<(OtelKey, Totals<OTEL_BUCKETS>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(key, histogram)| (*key, Totals::of([&**histogram])))
            .collect()
    }

    fn histogram(&self, key: OtelKey) -> Option<Arc<Histogram<OTEL_BUCKETS>>> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if known.is_some() {
            return known;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let room = all.len() < SERIES_MAX || all.contains_key(&key);
        room.then(|| Arc::clone(all.entry(key).or_default()))
    }
}

/// `network.transport` of the way to the server.
pub(crate) fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Http => "tcp",
        Transport::Stdio => "pipe",
    }
}

/// `error.type` as a label: the JSON-RPC code where it is one of the protocol's own, else `_OTHER`,
/// since a server may send any number.
fn error_type(record: &CallRecord) -> &'static str {
    match record.ending {
        Ending::Answered(Answer::Error(code)) => CODES
            .iter()
            .find(|(known, _)| *known == code)
            .map_or("_OTHER", |(_, label)| label),
        _ => match record.verdict.outcome {
            Outcome::Ok | Outcome::InputRequired | Outcome::Task => "",
            other => other.as_label(),
        },
    }
}

const CODES: [(i64, &str); 12] = [
    (-32700, "-32700"),
    (-32603, "-32603"),
    (-32602, "-32602"),
    (-32601, "-32601"),
    (-32600, "-32600"),
    (-32042, "-32042"),
    (-32022, "-32022"),
    (-32021, "-32021"),
    (-32020, "-32020"),
    (-32002, "-32002"),
    (-32001, "-32001"),
    (-32000, "-32000"),
];
