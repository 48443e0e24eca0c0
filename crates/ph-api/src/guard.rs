//! What every request passes: its `Host` and `Origin`, and who asks; and that no answer is kept by a cache
//! unless it says so itself.

use crate::admission::{NotAdmitted, identify, unidentified};
use crate::reply::ApiError;
use crate::sources::Shared;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HOST, HeaderName, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

/// Refuses what a page of another site could have sent, by a name that it has pointed at us (DNS
/// rebinding) or from its own origin, and hands the rest on. No CORS header is ever sent.
pub(crate) async fn guard(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let refused = refusal(&shared, &request);
    let mut response = match refused {
        Some((why, text)) => {
            shared.sources.admission.refused(why);
            ApiError::new(StatusCode::FORBIDDEN, text).into_response()
        }
        None => match identify(&shared, &mut request) {
            Ok(()) => next.run(request).await,
            Err(error) => unidentified(error),
        },
    };
    let headers = response.headers_mut();
    // The console's files say it themselves: they are the same for everybody.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refusal(shared: &Shared, request: &Request) -> Option<(NotAdmitted, &'static str)> {
    // What is no text is nobody's name.
    // Kubelet and load balancers ask by an address.
    if matches!(request.uri().path(), "/livez" | "/readyz") {
        return None;
    }
    let header = |name: HeaderName| {
        let value = request.headers().get(name);
        value.map(|value| value.to_str().unwrap_or("?"))
    };
    let host = header(HOST).or_else(|| request.uri().authority().map(|a| a.as_str()));
    let rules = shared.sources.admission.head_rules();
    if !rules.accepts_host(host) {
        let text = "this `Host` is not served here: ask by localhost or a loopback address, or see `admin.allowed_hosts`";
        Some((NotAdmitted::Host, text))
    } else if !rules.accepts_origin(header(ORIGIN)) {
        Some((NotAdmitted::Origin, "this `Origin` is not allowed here"))
    } else {
        None
    }
}
