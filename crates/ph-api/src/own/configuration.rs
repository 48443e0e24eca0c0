//! `configuration` and `audit`.

use super::request;
use crate::configuration::{AuditPage, AuditWanted, ConfigurationStates, Configurations};
use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use crate::work::{NotDone, Stop};
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that reading files may take.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Steps of an entry; the first stands for all of them.
const STEPS: &[&str] = &["all", "begun", "refused", "done", "failed"];

const AUDIT: &[Param] = &[
    Param::text("text", "Only entries with this text, in any case."),
    Param::of("step", Kind::OneOf(STEPS), "Only this step."),
    Param::of(
        "limit",
        Kind::Number {
            default: 50,
            max: 1000,
        },
        "Most entries of the answer.",
    ),
];

/// The endpoints of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = |path, summary, params, answer, route| Endpoint {
        path,
        methods: Methods::Get,
        summary,
        params,
        answer,
        route,
    };
    vec![
        read(
            "/api/pilothouse/configuration",
            "The configuration as it stands on the disk, as it was refused last, and as it runs; without secrets.",
            &[],
            Answer::json::<ConfigurationStates>(),
            get(states),
        ),
        read(
            "/api/pilothouse/audit",
            "What was changed and tried, by whom: the audit log, the newest first. For operators.",
            AUDIT,
            Answer::json::<AuditPage>(),
            get(audit),
        ),
    ]
}

async fn states(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, &[])?;
    let states = call(&shared, |known, _| known.states()).await?;
    reply::value(&states)
}

async fn audit(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, AUDIT)?;
    let step = params.get("step").unwrap_or(STEPS[0]);
    if !STEPS.contains(&step) {
        let text = format!("`step` is one of {}", STEPS.join(", "));
        return Err(ApiError::bad_request(text).field("step"));
    }
    let wanted = AuditWanted {
        text: params.get("text").unwrap_or_default().to_owned(),
        step: if step == STEPS[0] { "" } else { step }.to_owned(),
        limit: request::number(&params, AUDIT, "limit")?,
    };
    let page = call(&shared, move |known, stop| {
        known.audit(&wanted, &|| stop.check().is_ok())
    });
    let page = page.await?.map_err(|error| {
        let text = format!("the audit log cannot be read: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    })?;
    reply::value(&page)
}

async fn call<T: Send + 'static>(
    shared: &Shared,
    job: impl FnOnce(Arc<dyn Configurations>, &Stop) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let unavailable = |why: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let Some(known) = shared.sources.configurations.clone() else {
        return Err(unavailable("nobody knows the configuration here").hint("only a daemon does"));
    };
    let done = shared.queries.run(TIME_MAX, move |stop| job(known, stop));
    done.await.map_err(|not_done| match not_done {
        NotDone::Queue => unavailable("too many queries run at once: try again"),
        NotDone::Lost => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the call was lost"),
    })
}
