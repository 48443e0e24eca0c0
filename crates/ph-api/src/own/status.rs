//! `store` and `sinks`.

use super::request;
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::{NumbersStats, Shared, SinkStatus};
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

/// How much is kept.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Store {
    /// Records of calls, spans, lines and events.
    logs: Logs,
    /// Numbers over time.
    series: Option<NumbersStats>,
}

/// Of records.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Logs {
    /// How many there are.
    records: u64,
    /// Bytes of their files.
    bytes: u64,
    /// Bytes of their JSON.
    json_bytes: u64,
    /// Sealed segments.
    segments: usize,
    /// Bytes of their files, columns and indices with them.
    sealed_bytes: u64,
    /// Bytes of the JSON in them.
    sealed_json_bytes: u64,
    /// Files that are not sealed yet.
    unsealed: usize,
    /// Number of the first record and of the last.
    first: Option<u64>,
    last: Option<u64>,
    /// The earliest time and the latest, in Unix seconds.
    from: Option<f64>,
    to: Option<f64>,
}

/// The sinks.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Sinks {
    /// In the order of their names.
    sinks: Vec<SinkStatus>,
}

/// `GET /api/pilothouse/store`
pub(crate) async fn store(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, &[])?;
    let numbers = shared.sources.numbers.clone();
    let (stats, series) = request::search(&shared, move |reader, _| {
        Ok((reader.stats()?, numbers.map(|numbers| numbers.stats())))
    })
    .await?;
    let seconds = |ns: u64| (ns / 1_000_000) as f64 / 1_000.0;
    reply::value(&Store {
        logs: Logs {
            records: stats.records,
            bytes: stats.bytes,
            json_bytes: stats.json_bytes,
            segments: stats.segments,
            sealed_bytes: stats.sealed.bytes,
            sealed_json_bytes: stats.sealed.json_bytes,
            unsealed: stats.unsealed,
            first: stats.seqs.map(|(first, _)| first.0),
            last: stats.seqs.map(|(_, last)| last.0),
            from: stats.times_unix_ns.map(|(from, _)| seconds(from)),
            to: stats.times_unix_ns.map(|(_, to)| seconds(to)),
        },
        series,
    })
}

/// `GET /api/pilothouse/sinks`
pub(crate) async fn sinks(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, &[])?;
    let mut sinks = shared
        .sources
        .sinks
        .as_ref()
        .map_or_else(Vec::new, |s| s.sinks());
    sinks.sort_by(|a, b| a.name.cmp(&b.name));
    reply::value(&Sinks { sinks })
}
