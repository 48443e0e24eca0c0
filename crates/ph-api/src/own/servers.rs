//! `servers`: what runs, and how many of it.

use super::request;
use crate::admission::Caller;
use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::servers::{ReplaceTo, ServerChange, ServerInfo, ServerRefusal, Servers};
use crate::sources::Shared;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use ph_policy::Role;
use schemars::JsonSchema;
use serde::Serialize;

const NAME: &[Param] = &[Param::of("name", Kind::InPath, "The server's name.")];

/// The servers.
#[derive(Serialize, JsonSchema)]
pub(super) struct ServerList {
    /// By name.
    pub(super) servers: Vec<ServerInfo>,
}

/// The endpoints of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/api/pilothouse/servers",
            methods: Methods::Get,
            summary: "The servers and their replicas: ready, age, restarts, calls in flight.",
            params: &[],
            answer: Answer::json::<ServerList>(),
            route: get(list),
        },
        Endpoint {
            path: "/api/pilothouse/servers/{name}",
            methods: Methods::GetOrPost,
            summary: "One server; POST scales, restarts, drains, resumes or replaces it, and does not wait for that.",
            params: NAME,
            answer: Answer::exchange::<ServerInfo, ServerChange, ServerInfo>(),
            route: get(one).post(change),
        },
    ]
}

async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, &[])?;
    let servers = known(&shared)?.servers();
    reply::value(&ServerList { servers })
}

async fn one(State(shared): State<Shared>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let servers = known(&shared)?.servers();
    let found = servers.into_iter().find(|server| server.name == name);
    reply::value(&found.ok_or_else(|| ServerRefusal::Unknown("there is no such server".into()))?)
}

async fn change(
    shared: State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let role = request.extensions().get::<Caller>().and_then(|c| c.role);
    let posted: ServerChange = super::keys::body(request).await?;
    if runs_anything(&posted) && role != Some(Role::Admin) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "a command or an address that the configuration does not name takes the role `admin`",
        ));
    }
    known(&shared)?.change(&name, posted)?;
    one(shared, Path(name)).await
}

/// It has us run or ask what nobody has configured.
fn runs_anything(change: &ServerChange) -> bool {
    matches!(
        change,
        ServerChange::Replace {
            to: ReplaceTo::Command(_) | ReplaceTo::Url(_),
            ..
        }
    )
}

fn known(shared: &Shared) -> Result<&dyn Servers, ApiError> {
    shared.sources.servers.as_deref().ok_or_else(|| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no server is run from here",
        )
    })
}

impl From<ServerRefusal> for ApiError {
    fn from(refusal: ServerRefusal) -> Self {
        let status = match &refusal {
            ServerRefusal::Unknown(_) => StatusCode::NOT_FOUND,
            ServerRefusal::NotPossible(_) => StatusCode::CONFLICT,
            ServerRefusal::Senseless(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.to_string())
    }
}
