//! `keys`: API keys.

use super::request;
use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::keys::{KeyInfo, KeyRefusal, Keys, MadeSecret, NewKey, NewSecret, SecretInfo};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use crate::work::NotDone;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// Longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest time that a change may take.
const TIME_MAX: Duration = Duration::from_secs(10);

const NAME: &[Param] = &[Param::of("name", Kind::InPath, "The key's name.")];

/// The API keys.
#[derive(Serialize, JsonSchema)]
struct KeyList {
    /// By name.
    keys: Vec<KeyInfo>,
}

/// The secrets of a key.
#[derive(Serialize, JsonSchema)]
struct SecretList {
    /// The oldest first.
    secrets: Vec<SecretInfo>,
}

/// A key that is no longer good.
#[derive(Serialize, JsonSchema)]
struct Revoked {
    /// Its name.
    revoked: String,
}

/// The endpoints of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/api/pilothouse/keys",
            methods: Methods::GetOrPost,
            summary: "The API keys, without secrets; POST makes one and shows its secret this once.",
            params: &[],
            answer: Answer::exchange::<KeyList, NewKey, MadeSecret>(),
            route: get(list).post(create),
        },
        Endpoint {
            path: "/api/pilothouse/keys/{name}",
            methods: Methods::GetOrDelete,
            summary: "One API key; DELETE takes it back, with all its secrets, at once.",
            params: NAME,
            answer: Answer::json::<KeyInfo>(),
            route: get(one).delete(revoke),
        },
        Endpoint {
            path: "/api/pilothouse/keys/{name}/secrets",
            methods: Methods::GetOrPost,
            summary: "The secrets of an API key, by their ids; POST gives it a new one.",
            params: NAME,
            answer: Answer::exchange::<SecretList, NewSecret, MadeSecret>(),
            route: get(secrets).post(rotate),
        },
    ]
}

async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, &[])?;
    let keys = call(&shared, |keys| Ok(keys.list())).await?;
    reply::value(&KeyList { keys })
}

async fn create(State(shared): State<Shared>, request: Request) -> Result<Response, ApiError> {
    let posted: NewKey = body(request).await?;
    let made = call(&shared, move |keys| keys.create(posted)).await?;
    reply::value(&made)
}

async fn one(State(shared): State<Shared>, Path(name): Path<String>) -> Result<Response, ApiError> {
    reply::value(&found(&shared, name).await?)
}

async fn secrets(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let secrets = found(&shared, name).await?.secrets;
    reply::value(&SecretList { secrets })
}

async fn rotate(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let posted: NewSecret = body(request).await?;
    let made = call(&shared, move |keys| keys.rotate(&name, posted)).await?;
    reply::value(&made)
}

async fn revoke(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let revoked = name.clone();
    call(&shared, move |keys| keys.revoke(&name)).await?;
    reply::value(&Revoked { revoked })
}

async fn found(shared: &Shared, name: String) -> Result<KeyInfo, ApiError> {
    call(shared, move |keys| {
        let all = keys.list();
        let found = all.into_iter().find(|key| key.name == name);
        found.ok_or_else(|| KeyRefusal::Unknown("there is no such API key".to_owned()))
    })
    .await
}

async fn call<T: Send + 'static>(
    shared: &Shared,
    job: impl FnOnce(Arc<dyn Keys>) -> Result<T, KeyRefusal> + Send + 'static,
) -> Result<T, ApiError> {
    let unavailable = |why: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let Some(keys) = shared.sources.keys.clone() else {
        return Err(unavailable("no API keys are kept here"));
    };
    match shared.queries.run(TIME_MAX, move |_| job(keys)).await {
        Ok(done) => done.map_err(ApiError::from),
        Err(NotDone::Queue) => Err(unavailable("too many queries run at once: try again")),
        Err(NotDone::Lost) => Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the call was lost",
        )),
    }
}

impl From<KeyRefusal> for ApiError {
    fn from(refusal: KeyRefusal) -> Self {
        let status = match &refusal {
            KeyRefusal::Unknown(_) => StatusCode::NOT_FOUND,
            KeyRefusal::Taken(_) => StatusCode::CONFLICT,
            KeyRefusal::Invalid(_) => StatusCode::BAD_REQUEST,
            KeyRefusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.to_string())
    }
}

/// What was posted.
pub(super) async fn body<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX);
    let body = body.collect().await.map_err(|_| {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body has at most {BODY_BYTES_MAX} bytes, or it was cut"),
        )
    })?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))
}
