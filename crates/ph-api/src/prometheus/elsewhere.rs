//! Questions that another Prometheus answers (`metrics.query`).

use super::error::PromError;
use crate::params::FORM_BYTES_MAX;
use crate::reply;
use crate::sources::Shared;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use http_body_util::{BodyExt, Limited};

/// Says who has answered.
const SOURCE: HeaderName = HeaderName::from_static("pilothouse-source");

/// Hands a question over when another Prometheus is named and knows the answer better.
pub(crate) async fn forward(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let known = shared.sources.evaluation.clone();
    let remote = known.as_ref().and_then(|known| known.remote());
    let (Some(known), Some(remote)) = (known, remote) else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    let is_theirs = is_of_numbers(path) || is_of_rules(path) && !known.evaluates_here();
    if !is_theirs || !matches!(*request.method(), Method::GET | Method::POST) {
        return next.run(request).await;
    }
    let target = request.uri().path_and_query().map(ToString::to_string);
    let target = target.unwrap_or_default();
    let form = (*request.method() == Method::POST).then(|| {
        let kind = request.headers().get(CONTENT_TYPE);
        kind.is_none_or(|kind| {
            kind.as_bytes()
                .starts_with(b"application/x-www-form-urlencoded")
        })
    });
    let body = match form {
        None => Bytes::new(),
        // What is no form is refused here, in our words.
        Some(false) => return next.run(request).await,
        Some(true) => match Limited::new(request.into_body(), FORM_BYTES_MAX)
            .collect()
            .await
        {
            Ok(body) => body.to_bytes(),
            Err(_) => {
                return PromError::bad_data("the form is longer than 1 MiB, or was cut")
                    .into_response();
            }
        },
    };
    match remote.ask(target, body).await {
        Ok((status, body)) => {
            let mut response = reply::json(status, body);
            if let Ok(url) = HeaderValue::from_str(&remote.url()) {
                response.headers_mut().insert(SOURCE, url);
            }
            response
        }
        Err(error) => {
            let url = remote.url();
            PromError::unavailable(&format!("`metrics.query` {url}: {error}")).into_response()
        }
    }
}

fn is_of_numbers(path: &str) -> bool {
    matches!(
        path,
        "/api/v1/query"
            | "/api/v1/query_range"
            | "/api/v1/query_exemplars"
            | "/api/v1/series"
            | "/api/v1/labels"
            | "/api/v1/metadata"
    ) || path.starts_with("/api/v1/label/")
}

fn is_of_rules(path: &str) -> bool {
    matches!(
        path,
        "/api/v1/rules" | "/api/v1/alerts" | "/api/v1/alertmanagers"
    )
}
