//! `slos` and `slos/report`: how service levels stand.

use super::request;
use crate::clock;
use crate::endpoint::{Kind, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use crate::work::NotDone;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ph_plan::{Slo, SloName};
use ph_promql::{SeriesSource, SourceError};
use ph_rules::slo::{self, Month, Report, SloRow};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The forms of a report, the default first.
const FORMATS: &[&str] = &["json", "markdown", "html"];

pub(crate) const TABLE: &[Param] = &[Param::text("name", "Only this objective.")];

pub(crate) const REPORT: &[Param] = &[
    Param::text("month", "`2026-11`, in UTC; this month by default."),
    Param::of("format", Kind::OneOf(FORMATS), "The form of the answer."),
    Param::text("name", "Only this objective."),
];

/// Longest time a table may take, its wait for a turn included.
const TIME_MAX: Duration = Duration::from_secs(60);

/// How service levels stand now.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Slos {
    /// When, in Unix milliseconds.
    at_ms: i64,
    /// By name.
    slos: Vec<SloRow>,
}

/// The answer of `report` in its first form.
pub(crate) type ReportAnswer = Report;

/// `GET /api/pilothouse/slos`
pub(crate) async fn table(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, TABLE)?;
    let at_ms = clock::unix_ms();
    let slos = wanted(&shared, &params)?;
    let slos = over(&shared, move |source| slo::table(&slos, source, at_ms)).await?;
    reply::value(&Slos { at_ms, slos })
}

/// `GET /api/pilothouse/slos/report`
pub(crate) async fn report(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, REPORT)?;
    let now_ms = clock::unix_ms();
    let month = match params.get("month") {
        None => Month::of(now_ms),
        Some(text) => Month::parse(text).ok_or_else(|| {
            ApiError::bad_request("`month` is none").hint("it is written as in `2026-11`")
        })?,
    };
    let format = params.get("format").unwrap_or(FORMATS[0]);
    if !FORMATS.contains(&format) {
        return Err(
            ApiError::bad_request("`format` is none of those that there are")
                .hint(format!("there are {}", FORMATS.join(", "))),
        );
    }
    let slos = wanted(&shared, &params)?;
    let report = over(&shared, move |source| {
        slo::report(&slos, source, month, now_ms)
    })
    .await?;
    Ok(match format {
        "markdown" => reply::typed(
            StatusCode::OK,
            "text/markdown; charset=utf-8",
            slo::markdown(&report),
        ),
        "html" => reply::typed(
            StatusCode::OK,
            "text/html; charset=utf-8",
            slo::html(&report),
        ),
        _ => reply::value(&report)?,
    })
}

/// The objectives that were asked for.
fn wanted(shared: &Shared, params: &Params) -> Result<BTreeMap<SloName, Slo>, ApiError> {
    let mut all = shared.sources.objectives.slos();
    let Some(name) = params.get("name") else {
        return Ok(all);
    };
    let names: Vec<String> = all.keys().map(|name| format!("`{name}`")).collect();
    all.retain(|known, _| known.as_str() == name);
    if all.is_empty() {
        let hint = match names.as_slice() {
            [] => "none are configured".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        let shown: String = name.chars().take(64).collect();
        let error = format!("there is no objective `{shown}`");
        return Err(ApiError::new(StatusCode::NOT_FOUND, error).hint(hint));
    }
    Ok(all)
}

/// Runs `job` on the numbers of the other Prometheus, if there is one, else on the own ones.
async fn over<T: Send + 'static>(
    shared: &Shared,
    job: impl FnOnce(&dyn SeriesSource) -> Result<T, SourceError> + Send + 'static,
) -> Result<T, ApiError> {
    let elsewhere = shared.sources.objectives.elsewhere();
    let own = shared.sources.numbers.clone();
    if elsewhere.is_none() && own.is_none() {
        let error = "no numbers are kept here";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error).hint(
            "switch the store on (`store.enabled`), or name a Prometheus (`metrics.query`)",
        ));
    }
    let run = shared
        .queries
        .run(TIME_MAX, move |_| match (&elsewhere, &own) {
            (Some(elsewhere), _) => job(elsewhere.as_ref()),
            (None, Some(own)) => job(own.as_ref()),
            (None, None) => Err(SourceError::Read("there is nothing to read".to_owned())),
        });
    let done = run.await.map_err(|not_done| match not_done {
        NotDone::Queue => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too much else is being asked",
        ),
        NotDone::Lost => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer was lost"),
    })?;
    done.map_err(|error| {
        let status = match error {
            SourceError::TooManySamples { .. } | SourceError::TooManySeries { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            SourceError::Interrupted(_) | SourceError::Unsupported(_) | SourceError::Read(_) => {
                StatusCode::BAD_GATEWAY
            }
        };
        ApiError::new(status, error.to_string())
    })
}
