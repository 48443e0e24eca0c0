//! What the queries' endpoints share, and those that evaluate nothing.

use super::QUERY_TIME_MAX;
use super::encode::{self, success};
use super::error::PromError;
use super::time::{duration_ms, time_ms};
use crate::params::{FormError, Params};
use crate::reply;
use crate::sources::{Numbers, Shared};
use axum::response::Response;
use http::StatusCode;
use ph_promql::{Annotation, Query, Severity};
use std::sync::Arc;
use std::time::Duration;

type Form = Result<Params, FormError>;
type Reply = Result<Response, PromError>;

/// `/api/v1/format_query`
pub(crate) async fn format_query(form: Form) -> Reply {
    let query = parsed(&read(form)?)?;
    let mut data = String::new();
    encode::json_text(&mut data, &query.pretty());
    Ok(reply::json(StatusCode::OK, success(&data, &[])))
}

/// `/api/v1/parse_query`: whether it is a query, and what it gives. The tree is left out: its form is
/// that of Prometheus's own parser.
pub(crate) async fn parse_query(form: Form) -> Reply {
    let query = parsed(&read(form)?)?;
    let kind = match query.value_type() {
        ph_promql::ValueType::Scalar => "scalar",
        ph_promql::ValueType::String => "string",
        ph_promql::ValueType::Vector => "vector",
        ph_promql::ValueType::Matrix => "matrix",
    };
    let data = format!("{{\"type\":\"{kind}\"}}");
    Ok(reply::json(StatusCode::OK, success(&data, &[])))
}

/// What is said of an answer that `limit` has cut.
pub(crate) fn cut_remark() -> Annotation {
    Annotation {
        severity: Severity::Warning,
        text: "results truncated due to limit".into(),
    }
}

/// The store of series.
pub(crate) fn numbers(shared: &Shared) -> Result<Arc<dyn Numbers>, PromError> {
    shared.sources.numbers.clone().ok_or_else(|| {
        PromError::unavailable("no history is kept: the store is switched off (`store.enabled`)")
    })
}

pub(crate) fn read(form: Form) -> Result<Params, PromError> {
    form.map_err(|(_, text)| PromError::bad_data(text))
}

pub(crate) fn parsed(params: &Params) -> Result<Query, PromError> {
    Ok(ph_promql::parse(params.get("query").unwrap_or_default())?)
}

/// The time a query may take: as asked for, at most [`QUERY_TIME_MAX`].
pub(crate) fn timeout(params: &Params) -> Result<Duration, PromError> {
    let Some(text) = params.get("timeout") else {
        return Ok(QUERY_TIME_MAX);
    };
    let ms = duration_ms(text).ok_or_else(|| no_duration("timeout", text))?;
    Ok(QUERY_TIME_MAX.min(Duration::from_millis(u64::try_from(ms).unwrap_or(0))))
}

pub(crate) fn time(params: &Params, name: &str) -> Result<Option<i64>, PromError> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    let t_ms = time_ms(text);
    Ok(Some(t_ms.ok_or_else(|| no_time(name, text))?))
}

pub(crate) fn required_time(params: &Params, name: &str) -> Result<i64, PromError> {
    time(params, name)?.ok_or_else(|| no_time(name, ""))
}

fn no_time(name: &str, text: &str) -> PromError {
    PromError::parameter(
        name,
        format_args!("cannot parse {text:?} to a valid timestamp"),
    )
}

pub(crate) fn no_duration(name: &str, text: &str) -> PromError {
    PromError::parameter(
        name,
        format_args!("cannot parse {text:?} to a valid duration"),
    )
}
