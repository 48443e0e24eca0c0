//! Answers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// A JSON answer from JSON text.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    typed(status, "application/json", body)
}

/// An answer of the given media type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A JSON answer from a value; only a value that JSON has no form for fails.
pub(crate) fn value(value: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(|_| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer cannot be written as JSON",
        )
    })?;
    Ok(json(StatusCode::OK, body))
}

/// An error of our own API: what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    error: String,
    hint: Option<String>,
    field: Option<String>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            hint: None,
            field: None,
        }
    }

    /// A parameter that is wrong.
    pub(crate) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// What is missing and what to do about it, where the question made sense and what is kept does not answer it.
    pub(crate) fn unanswered(&self) -> Option<(String, Option<String>)> {
        let is_it = self.status == StatusCode::UNPROCESSABLE_ENTITY;
        is_it.then(|| (self.error.clone(), self.hint.clone()))
    }

    /// With the parameter that is wrong, for whoever shows a form.
    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// As it is sent.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ErrorBody {
    /// What is wrong.
    pub(crate) error: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// The parameter that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.error,
            hint: self.hint,
            field: self.field,
        };
        // A struct of texts is always JSON.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        json(self.status, body)
    }
}
