//! Errors as a JSON text, bodies, and the way to whoever holds the alerts.

use super::{Alertmanager, Unavailable};
use crate::reply;
use crate::sources::Shared;
use crate::work::NotDone;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use ph_rules::dispatch::SilenceError;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// Longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest time that a call may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What is wrong, for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    status: StatusCode,
    text: String,
}

impl Wrong {
    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text: text.into(),
        }
    }

    fn unavailable(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            text: text.into(),
        }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        // A text is always JSON.
        let body = serde_json::to_string(&self.text).unwrap_or_default();
        reply::json(self.status, body)
    }
}

impl From<Unavailable> for Wrong {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(error.0)
    }
}

impl From<SilenceError> for Wrong {
    fn from(error: SilenceError) -> Self {
        let status = match &error {
            SilenceError::NotFound => StatusCode::NOT_FOUND,
            SilenceError::Invalid(_) | SilenceError::TooMany(_) => StatusCode::BAD_REQUEST,
            SilenceError::Expired(_) => StatusCode::CONFLICT,
            SilenceError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            status,
            text: error.to_string(),
        }
    }
}

/// Calls whoever holds the alerts, on a thread that may block.
pub(super) async fn call<T, E>(
    shared: &Shared,
    job: impl FnOnce(Arc<dyn Alertmanager>) -> Result<T, E> + Send + 'static,
) -> Result<T, Wrong>
where
    T: Send + 'static,
    E: Into<Wrong> + Send + 'static,
{
    let Some(alertmanager) = shared.sources.alertmanager.clone() else {
        return Err(Wrong::unavailable("no alerts are kept here"));
    };
    match shared
        .queries
        .run(TIME_MAX, move |_| job(alertmanager))
        .await
    {
        Ok(done) => done.map_err(Into::into),
        Err(NotDone::Queue) => Err(Wrong::unavailable(
            "too many queries run at once: try again",
        )),
        Err(NotDone::Lost) => Err(Wrong {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: "the call was lost".to_owned(),
        }),
    }
}

/// The JSON body of a request.
pub(super) async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Wrong> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX)
        .collect()
        .await;
    let body = body.map_err(|_| Wrong {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        text: format!("a body has at most {BODY_BYTES_MAX} bytes, or it was cut"),
    })?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| Wrong::bad_request(format!("the body cannot be read: {error}")))
}
