//! `traces/slowest` and `traces/{trace_id}`.

use super::logs::{ms, raw};
use super::request::{self, FROM, QUERY, SINCE, TO};
use crate::endpoint::{Kind, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use ph_base::trace::TraceId;
use ph_store::logs::{LogReader, Order, Search};
use ph_store::trace::Trace;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashSet;

pub(crate) const SLOWEST: &[Param] = &[
    QUERY,
    SINCE,
    FROM,
    TO,
    Param::of(
        "limit",
        Kind::Number {
            default: 20,
            max: 200,
        },
        "Traces.",
    ),
];

pub(crate) const TRACE: &[Param] = &[Param::of(
    "trace_id",
    Kind::InPath,
    "32 hexadecimal digits.",
)];

/// The slowest traces.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Slowest<'a> {
    /// By the duration of their slowest call, the longest first.
    #[serde(borrow)]
    traces: Vec<SlowTrace<'a>>,
    /// `false`: time ran out, so a slower one may be missing.
    complete: bool,
    /// What to narrow, when it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// One of them.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SlowTrace<'a> {
    /// 32 hexadecimal digits.
    trace_id: String,
    /// Of its slowest call, in milliseconds.
    duration: f64,
    /// That call, as it is stored.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    record: &'a RawValue,
}

/// A trace.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OneTrace<'a> {
    /// 32 hexadecimal digits.
    trace_id: &'a str,
    /// The tree: `spans` with their parents, own times and what was waited for; `rows` as they are shown, with
    /// identical siblings folded; `notes`, the lines beside. Times are milliseconds since its start.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    trace: serde_json::Value,
    /// Everything that carries its id, as it is stored, oldest first.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    records: Vec<&'a RawValue>,
    /// `false`: there are more records than one answer holds.
    complete: bool,
}

/// What is read of a call's line.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    trace_id: String,
    /// A stream by design has no latency.
    #[serde(default)]
    stream: bool,
}

/// `GET /api/pilothouse/traces/slowest`
pub(crate) async fn slowest(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, SLOWEST)?;
    let query = params.get("query").unwrap_or_default();
    // Read alone first: an error's place is in the text that was sent.
    let asked = request::filter(query)?;
    let filter = if asked.is_all() {
        request::filter("kind=call")?
    } else {
        request::filter(&format!("kind=call ({query})"))?
    };
    let (from_unix_ns, to_unix_ns) = request::times(&params)?;
    let limit = request::limit(&params, SLOWEST)?;
    let found = request::search(&shared, move |reader, budget| {
        reader.search(&Search {
            filter: &filter,
            from_unix_ns,
            to_unix_ns,
            order: Order::Slowest,
            // Several calls may share a trace, and streams are left out.
            limit: (limit * 5).min(Search::LIMIT_MAX),
            after: None,
            budget,
        })
    })
    .await?;
    let mut seen = HashSet::new();
    let mut traces = Vec::new();
    for hit in &found.hits {
        let Ok(record) = serde_json::from_slice::<&RawValue>(&hit.json) else {
            continue;
        };
        let Ok(line) = serde_json::from_str::<Line>(record.get()) else {
            continue;
        };
        if line.stream || line.trace_id.is_empty() || !seen.insert(line.trace_id.clone()) {
            continue;
        }
        traces.push(SlowTrace {
            trace_id: line.trace_id,
            duration: hit.duration_ns.map_or(0.0, ms),
            record,
        });
        if traces.len() == limit {
            break;
        }
    }
    reply::value(&Slowest {
        traces,
        complete: found.complete,
        hint: request::incomplete(found.complete, found.scanned, found.total),
    })
}

/// `GET /api/pilothouse/traces/{trace_id}`
pub(crate) async fn trace(
    State(shared): State<Shared>,
    Path(trace_id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, TRACE)?;
    let trace_id = trace_id.to_ascii_lowercase();
    let Some(id) = TraceId::parse(&trace_id) else {
        return Err(ApiError::bad_request("this is no trace id")
            .hint("32 hexadecimal digits: `trace_id` of a log line"));
    };
    let found = request::search(&shared, move |reader, _| reader.trace(id)).await?;
    if found.hits.is_empty() {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            format!("there is no record of trace `{trace_id}`"),
        )
        .hint("it may be older than what is kept, or its records are about to be written"));
    }
    let trace = Trace::build(found.hits.iter().map(|hit| hit.json.as_slice()));
    reply::value(&OneTrace {
        trace_id: &trace_id,
        trace: trace.to_json(&trace_id),
        records: raw(&found.hits),
        complete: found.complete && found.hits.len() < LogReader::TRACE_RECORDS_MAX,
    })
}
