//! `vulnerabilities`: cases, and what becomes of them.

use super::keys::body;
use super::request;
use crate::admission::Caller;
use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use crate::vulnerabilities::{CaseInfo, CaseList, CaseRefusal, Cases, NewMove};
use crate::work::NotDone;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that looking or moving may take.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time that a scan may take.
const SCAN_TIME_MAX: Duration = Duration::from_secs(120);

const LIST: &[Param] = &[
    Param::text("server", "Only this server."),
    Param::of(
        "severity",
        Kind::OneOf(&["critical", "high", "medium", "low"]),
        "Only this severity.",
    ),
    Param::text("state", "Only this state: `detected`, `patching`, …"),
    Param::of(
        "only",
        Kind::OneOf(&["open", "overdue", "accepted"]),
        "Only what is open, late, or lived with.",
    ),
    Param::of(
        "history",
        Kind::OneOf(&["true", "false"]),
        "With what happened to each.",
    ),
];
const ID: &[Param] = &[Param::of("id", Kind::InPath, "The case's number.")];

/// A scan that is to be made now.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewScan {
    /// Of this server; absent: of all.
    #[serde(default)]
    server: Option<String>,
}

/// The endpoints of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/api/pilothouse/vulnerabilities",
            methods: Methods::GetOrPost,
            summary: "Vulnerabilities of servers as cases, the most urgent first; POST scans now.",
            params: LIST,
            answer: Answer::exchange::<CaseList, NewScan, CaseList>(),
            route: get(list).post(scan),
        },
        Endpoint {
            path: "/api/pilothouse/vulnerabilities/{id}",
            methods: Methods::GetOrPost,
            summary: "One case with its history; POST moves it.",
            params: ID,
            answer: Answer::exchange::<CaseInfo, NewMove, CaseInfo>(),
            route: get(one).post(go),
        },
    ]
}

async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, LIST)?;
    for param in LIST {
        let (Kind::OneOf(words), Some(given)) = (param.kind, params.get(param.name)) else {
            continue;
        };
        if !words.contains(&given) {
            let text = format!("`{}` is one of {}", param.name, words.join(", "));
            return Err(ApiError::bad_request(text));
        }
    }
    if let Some(state) = params.get("state")
        && ph_vuln::life::State::parse(state).is_none()
    {
        let words = ph_vuln::life::State::ALL.map(ph_vuln::life::State::word);
        let text = format!("`state` is one of {}", words.join(", "));
        return Err(ApiError::bad_request(text));
    }
    let with_history = params.get("history") == Some("true");
    let mut all = call(&shared, TIME_MAX, move |cases| cases.list(with_history)).await?;
    let is = |name: &str, value: &str| params.get(name).is_none_or(|wanted| wanted == value);
    all.vulnerabilities.retain(|case| {
        let is_wanted = match params.get("only") {
            Some("open") => case.open,
            Some("overdue") => case.overdue,
            Some("accepted") => case.accepted_until.is_some(),
            _ => true,
        };
        is_wanted
            && is("server", &case.server)
            && is("severity", &case.severity)
            && is("state", &case.state)
    });
    all.servers.retain(|server| is("server", &server.server));
    reply::value(&all)
}

async fn scan(State(shared): State<Shared>, request: Request) -> Result<Response, ApiError> {
    let posted: NewScan = body(request).await?;
    let scanned = call(&shared, SCAN_TIME_MAX, move |cases| {
        cases.scan(posted.server.as_deref())?;
        let mut all = cases.list(false)?;
        if let Some(server) = &posted.server {
            all.vulnerabilities.retain(|case| case.server == *server);
            all.servers.retain(|scanned| scanned.server == *server);
        }
        Ok(all)
    });
    reply::value(&scanned.await?)
}

async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let id = number(&id)?;
    let found = call(&shared, TIME_MAX, move |cases| cases.one(id)).await?;
    reply::value(&found)
}

async fn go(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let id = number(&id)?;
    let caller = request.extensions().get::<Caller>();
    let by = caller.map_or_else(|| Arc::from(""), |caller| Arc::clone(&caller.name));
    let posted: NewMove = body(request).await?;
    let moved = call(&shared, SCAN_TIME_MAX, move |cases| {
        cases.go(id, posted, &by)
    });
    reply::value(&moved.await?)
}

fn number(id: &str) -> Result<u64, ApiError> {
    let unknown = || CaseRefusal::Unknown("there is no such case: it has a number".to_owned());
    Ok(id.parse().map_err(|_| unknown())?)
}

async fn call<T: Send + 'static>(
    shared: &Shared,
    time_max: Duration,
    job: impl FnOnce(Arc<dyn Cases>) -> Result<T, CaseRefusal> + Send + 'static,
) -> Result<T, ApiError> {
    let unavailable = |why: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let Some(cases) = shared.sources.cases.clone() else {
        return Err(unavailable("no cases are kept here"));
    };
    match shared.queries.run(time_max, move |_| job(cases)).await {
        Ok(done) => done.map_err(ApiError::from),
        Err(NotDone::Queue) => Err(unavailable("too many queries run at once: try again")),
        Err(NotDone::Lost) => Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the call was lost",
        )),
    }
}

impl From<CaseRefusal> for ApiError {
    fn from(refusal: CaseRefusal) -> Self {
        let status = match &refusal {
            CaseRefusal::Unknown(_) => StatusCode::NOT_FOUND,
            CaseRefusal::NotFromHere(_) => StatusCode::CONFLICT,
            CaseRefusal::Invalid(_) => StatusCode::BAD_REQUEST,
            CaseRefusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.to_string())
    }
}
