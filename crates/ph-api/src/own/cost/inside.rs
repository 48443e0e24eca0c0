//! Asking this API from within: by its handlers, without a connection.

use crate::own::{slos, tally};
use crate::prometheus;
use crate::reply::ApiError;
use crate::sources::Shared;
use crate::work::Stop;
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use ph_ledger::{Answer, Ask, Params, Refused};
use std::sync::Arc;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

/// Longest answer that is taken in, in bytes: that of a range query.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Answers what reckoning needs to know. Only for threads that may block.
#[derive(Clone)]
pub(super) struct Inside {
    router: Router,
    handle: Handle,
    stop: Option<Stop>,
}

impl Inside {
    /// Must be called within a runtime.
    pub(super) fn new(shared: &Shared) -> Self {
        let router = Router::new()
            .route("/api/v1/query", get(prometheus::instant))
            .route("/api/v1/query_range", get(prometheus::range))
            .route("/api/pilothouse/logs/tally", get(tally::tally))
            .route("/api/pilothouse/slos/report", get(slos::report))
            .with_state(Arc::clone(shared))
            .layer(from_fn_with_state(Arc::clone(shared), prometheus::forward));
        Self {
            router,
            handle: Handle::current(),
            stop: None,
        }
    }

    /// The same, for as long as `stop` says.
    pub(super) fn until(&self, stop: &Stop) -> Self {
        Self {
            stop: Some(stop.clone()),
            ..self.clone()
        }
    }

    async fn answer(&self, target: String) -> Result<Answer, ApiError> {
        let lost = |_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer was lost");
        let request = Request::get(target).body(Body::empty());
        let request = request.map_err(|error| ApiError::bad_request(error.to_string()))?;
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
        let body = body.await.map_err(lost)?.to_bytes().to_vec();
        Ok(Answer { status, body })
    }
}

impl Ask for Inside {
    type Error = ApiError;

    fn get(&self, path: &str, params: &Params) -> Result<Answer, ApiError> {
        let over = || {
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "there was not enough time to reckon this",
            )
            .hint("a shorter time or a larger step takes less")
        };
        let answer = self.answer(params.target(path));
        let Some(stop) = &self.stop else {
            return self.handle.block_on(answer);
        };
        stop.check().map_err(|_| over())?;
        let left = stop.time_left();
        let answer = self
            .handle
            .block_on(async { tokio::time::timeout(left, answer).await });
        answer.map_err(|_| over())?
    }
}

impl From<Refused> for ApiError {
    /// The question made sense; what was recorded does not answer it.
    fn from(refused: Refused) -> Self {
        let error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, refused.error);
        match refused.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
