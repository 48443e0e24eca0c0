//! The error envelope.

use super::encode::json_text;
use crate::reply;
use crate::work::NotDone;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ph_promql::{ErrorType, EvalError, ParseError, SourceError};
use std::fmt::Display;

/// `{"status":"error","errorType":…,"error":…}` with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PromError {
    kind: &'static str,
    status: StatusCode,
    text: String,
}

/// What Prometheus 3 answers when the client has gone; no client sees it.
const CLIENT_CLOSED: u16 = 499;

impl PromError {
    /// A parameter that is missing or wrong.
    pub(crate) fn bad_data(text: impl Into<String>) -> Self {
        Self::of(ErrorType::BadData, text.into())
    }

    /// `invalid parameter "NAME": …`
    pub(crate) fn parameter(name: &str, what: impl Display) -> Self {
        Self::bad_data(format!("invalid parameter \"{name}\": {what}"))
    }

    /// There is nothing of that kind here.
    pub(crate) fn unavailable(text: &str) -> Self {
        Self {
            kind: "unavailable",
            status: StatusCode::SERVICE_UNAVAILABLE,
            text: text.into(),
        }
    }

    fn of(kind: ErrorType, text: String) -> Self {
        let status = match kind {
            ErrorType::BadData => StatusCode::BAD_REQUEST,
            ErrorType::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorType::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            ErrorType::Canceled => {
                StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::BAD_REQUEST)
            }
            ErrorType::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            kind: kind.as_str(),
            status,
            text,
        }
    }

    /// An answer that would be too long.
    pub(crate) fn too_long(bytes_max: usize) -> Self {
        let mib = bytes_max / (1024 * 1024);
        Self::of(
            ErrorType::Execution,
            format!("the answer is longer than {mib} MiB: narrow the labels, the time or the step"),
        )
    }
}

impl From<EvalError> for PromError {
    fn from(error: EvalError) -> Self {
        Self::of(error.error_type(), error.to_string())
    }
}

impl From<SourceError> for PromError {
    fn from(error: SourceError) -> Self {
        EvalError::from(error).into()
    }
}

impl From<ParseError> for PromError {
    fn from(error: ParseError) -> Self {
        Self::parameter("query", error)
    }
}

impl From<NotDone> for PromError {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Queue => Self::of(
                ErrorType::Timeout,
                "query timed out in query queue: too many queries run at once".into(),
            ),
            NotDone::Lost => Self::of(ErrorType::Internal, "the query was lost".into()),
        }
    }
}

impl IntoResponse for PromError {
    fn into_response(self) -> Response {
        let mut body = format!(
            "{{\"status\":\"error\",\"errorType\":\"{}\",\"error\":",
            self.kind
        );
        json_text(&mut body, &self.text);
        body.push('}');
        reply::json(self.status, body)
    }
}
