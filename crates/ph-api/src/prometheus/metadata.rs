//! `metadata` and `status/buildinfo`.

use super::QUERY_TIME_MAX;
use super::encode::{comma, json_text, success};
use super::error::PromError;
use super::query::read;
use super::series::limit;
use crate::params::{FormError, Params};
use crate::reply;
use crate::sources::{Metadata, Shared};
use crate::work::Stop;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ph_record::catalogue;
use std::collections::BTreeMap;

type Reply = Result<Response, PromError>;

/// Of which Prometheus the API is: its 2.x API without what that version has and we do not.
/// Grafana decides by it what it may ask for.
const LIKE_VERSION: &str = "2.42.0-compatible";

/// `/api/v1/metadata`: of our own metrics, and of those that were scraped.
pub(crate) async fn metadata(
    State(shared): State<Shared>,
    form: Result<Params, FormError>,
) -> Reply {
    let params = read(form)?;
    let limit_of_one = limit(&params, "limit_per_metric")?.unwrap_or(usize::MAX);
    let limit = limit(&params, "limit")?.unwrap_or(usize::MAX);
    let wanted = params.get("metric").map(str::to_owned);
    let scraped = shared.sources.numbers.clone();
    // The store's lock may be held by a write.
    let job = move |_: &Stop| {
        let scraped = scraped
            .map(|numbers| numbers.metadata())
            .unwrap_or_default();
        let all = own().chain(scraped);
        let all = all.filter(|found| wanted.as_ref().is_none_or(|wanted| *wanted == found.metric));
        write(all, limit, limit_of_one)
    };
    let data = shared.queries.run(QUERY_TIME_MAX, job).await?;
    Ok(reply::json(StatusCode::OK, success(&data, &[])))
}

/// Of our own metrics.
fn own() -> impl Iterator<Item = Metadata> {
    catalogue::ALL.iter().map(|metric| Metadata {
        metric: metric.name.into(),
        kind: metric.kind.as_str().into(),
        help: metric.help.into(),
        unit: String::new(),
    })
}

/// By metric, each thing that is known of it once.
fn write(all: impl Iterator<Item = Metadata>, limit: usize, limit_of_one: usize) -> String {
    let mut by_metric: BTreeMap<String, Vec<Metadata>> = BTreeMap::new();
    for found in all {
        let same = by_metric.entry(found.metric.clone()).or_default();
        if same.len() < limit_of_one && !same.contains(&found) {
            same.push(found);
        }
    }
    let mut data = String::from("{");
    for (i, (metric, found)) in by_metric.iter().take(limit).enumerate() {
        comma(&mut data, i);
        json_text(&mut data, metric);
        data.push_str(":[");
        for (i, one) in found.iter().enumerate() {
            comma(&mut data, i);
            data.push_str("{\"type\":");
            json_text(&mut data, &one.kind);
            data.push_str(",\"help\":");
            json_text(&mut data, &one.help);
            data.push_str(",\"unit\":");
            json_text(&mut data, &one.unit);
            data.push('}');
        }
        data.push(']');
    }
    data.push('}');
    data
}

/// `/api/v1/status/buildinfo`
pub(crate) async fn build_info(State(shared): State<Shared>) -> Response {
    let mut data = format!("{{\"version\":\"{LIKE_VERSION}\",\"revision\":");
    json_text(&mut data, &format!("pilothouse {}", shared.sources.version));
    data.push_str(",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}");
    reply::json(StatusCode::OK, success(&data, &[]))
}
