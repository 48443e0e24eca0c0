//! `me`: who asks, and what he may do.

use super::request;
use crate::admission::Caller;
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::extract::{Request, State};
use axum::response::Response;
use ph_policy::Role;
use schemars::JsonSchema;
use serde::Serialize;

/// Whoever asks.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Me {
    /// `key:NAME`, or `anonymous`.
    name: String,
    /// `viewer`, `operator` or `admin`; each may do what those before it may.
    role: Option<&'static str>,
    /// The version of Pilothouse that answers.
    version: String,
}

/// `GET /api/pilothouse/me`
pub(crate) async fn me(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, ApiError> {
    let query = request.uri().query().unwrap_or_default();
    request::only(&Params::parse(&[], query), &[])?;
    let caller = request.extensions().get::<Caller>();
    reply::value(&Me {
        name: caller.map_or_else(|| "anonymous".to_owned(), |caller| caller.name.to_string()),
        role: caller.and_then(|caller| caller.role).map(Role::as_str),
        version: shared.sources.version.clone(),
    })
}
