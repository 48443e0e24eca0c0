//! `blocks`: clients that are refused for what was abnormal.

use super::request;
use crate::blocks::BlockInfo;
use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

const CLIENT: &[Param] = &[Param::of(
    "client",
    Kind::InPath,
    "The client as the list shows it, with `%2F` for a slash.",
)];

/// The clients that are refused.
#[derive(Serialize, JsonSchema)]
struct BlockList {
    /// By name.
    blocks: Vec<BlockInfo>,
}

/// A client that is let in again.
#[derive(Serialize, JsonSchema)]
struct Lifted {
    /// Its name.
    lifted: String,
}

/// The endpoints of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/api/pilothouse/blocks",
            methods: Methods::Get,
            summary: "The clients that are refused for what was abnormal.",
            params: &[],
            answer: Answer::json::<BlockList>(),
            route: get(list),
        },
        Endpoint {
            path: "/api/pilothouse/blocks/{client}",
            methods: Methods::GetOrDelete,
            summary: "One client that is refused; DELETE lets it in again.",
            params: CLIENT,
            answer: Answer::json::<BlockInfo>(),
            route: get(one).delete(lift),
        },
    ]
}

async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, &[])?;
    let blocks = all(&shared);
    reply::value(&BlockList { blocks })
}

async fn one(
    State(shared): State<Shared>,
    Path(client): Path<String>,
) -> Result<Response, ApiError> {
    let found = all(&shared).into_iter().find(|b| b.client == client);
    reply::value(&found.ok_or_else(not_refused)?)
}

async fn lift(
    State(shared): State<Shared>,
    Path(client): Path<String>,
) -> Result<Response, ApiError> {
    let blocks = shared.sources.blocks.as_ref();
    if !blocks.is_some_and(|blocks| blocks.lift(&client)) {
        return Err(not_refused());
    }
    reply::value(&Lifted { lifted: client })
}

fn all(shared: &Shared) -> Vec<BlockInfo> {
    let blocks = shared.sources.blocks.as_ref();
    blocks.map(|blocks| blocks.list()).unwrap_or_default()
}

fn not_refused() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "this client is not refused")
}
