//! The data listener's service: health, metrics, and the way to the relay.

use crate::limits::LimitsHome;
use arc_swap::ArcSwap;
use axum::routing::get;
use http::header::{
    ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use ph_auth::{Asked, Auth, Denied, unix_s};
use ph_policy::{Head, Principal, Refusal, Route, Routes, decide};
use ph_record::{EventKind, Observation, RecordSink, RefusedReason, Replica, ServerEvent};
use ph_recorder::Recorder;
use ph_relay::Relay;
use ph_wire::body::Body;
use ph_wire::listener::Service;
use ph_wire::unread::drain;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the data listener serves.
#[derive(Clone)]
pub(crate) struct Front {
    pub relay: Arc<Relay>,
    pub auth: Arc<Auth>,
    pub recorder: Recorder,
    pub routes: Arc<ArcSwap<Routes>>,
    pub limits: Arc<LimitsHome>,
    /// Stopping has begun.
    pub stopping: Arc<AtomicBool>,
}

impl Service for Front {
    type Body = Body;

    async fn answer(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let routes = self.routes.load_full();
        match self.admit(&routes, &mut request, peer).await {
            Ok((name, principal)) => self.relay.answer(name, request, peer, principal).await,
            // Boxed: it would make the future of every call as large as itself.
            Err(response) => {
                Box::pin(drain(request.into_body())).await;
                *response
            }
        }
    }
}

impl Front {
    /// Whose call it is and for which server; or what is answered without one, by the head alone.
    async fn admit<'r>(
        &self,
        routes: &'r Routes,
        request: &mut Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<(&'r str, Option<Arc<Principal>>), Box<Response<Body>>> {
        if let Some(name) = stands_twice(request.headers()) {
            let refusal = Refusal {
                reason: RefusedReason::Head,
                message: format!("`{name}` stands twice"),
            };
            return Err(Box::new(self.refuse(&refusal, peer)));
        }
        let header = |name: HeaderName| request.headers().get(name).and_then(|v| v.to_str().ok());
        let authority = request.uri().authority().map(|a| a.as_str());
        let host = match (header(HOST), authority) {
            // Whoever stands before or behind us could go by the other one.
            (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => None,
            (host, authority) => host.or(authority),
        };
        let head = Head {
            path: request.uri().path(),
            host,
            origin: header(ORIGIN),
        };
        let answer = match decide(&head, routes) {
            Ok(Route::Server(name)) if self.auth.is_on() => {
                let strange = self.relay.shut_out_stranger(name, request.headers(), peer);
                if let Some(response) = strange {
                    return Err(Box::new(response));
                }
                let path = head.path;
                let asked = Asked {
                    server: name,
                    path,
                    host,
                };
                let shown = self.auth.authenticate(request.headers(), asked, unix_s());
                let shown = shown.await;
                Auth::strip(request.headers_mut());
                match shown {
                    Ok(principal) => return Ok((name, principal)),
                    Err(denied) => self.deny(name, request.headers().clone(), peer, &denied),
                }
            }
            Ok(Route::Server(name)) => return Ok((name, None)),
            Ok(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => {
                method_not_allowed()
            }
            Ok(Route::Livez) => text(StatusCode::OK, "ok\n".into()),
            Ok(Route::Readyz) => {
                let (status, why) = self.ready_or_why();
                text(status, why)
            }
            Ok(Route::Resource {
                server,
                by_short_path,
            }) => self.resource(server, by_short_path, host),
            Ok(Route::Metrics) => self.metrics(header(ACCEPT)),
            Err(refusal) => self.refuse(&refusal, peer),
        };
        Err(Box::new(answer))
    }

    /// What the admin listener serves beside the API.
    pub(crate) fn beside(&self) -> axum::Router {
        let (ready, metrics) = (self.clone(), self.clone());
        let plain = |(status, text): (StatusCode, String)| {
            let kind = (CONTENT_TYPE, "text/plain; charset=utf-8");
            (status, [kind], text)
        };
        axum::Router::new()
            .route(
                "/livez",
                get(move || async move { plain((StatusCode::OK, "ok\n".into())) }),
            )
            .route(
                "/readyz",
                get(move || async move { plain(ready.ready_or_why()) }),
            )
            .route(
                "/metrics",
                get(move |headers: HeaderMap| async move {
                    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok());
                    let (kind, page) = metrics.recorder.render_metrics(accept);
                    ([(CONTENT_TYPE, kind)], page)
                }),
            )
    }

    /// 200 when every server has had its first health check and one is up; else 503 with the reason.
    fn ready_or_why(&self) -> (StatusCode, String) {
        if self.stopping.load(Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
        }
        match self.relay.unready() {
            None => {
                let limits = self.limits.trouble();
                let limits = limits.map_or_else(String::new, |text| text + "\n");
                let rejected = self.rejected();
                (StatusCode::OK, format!("ok\n{limits}{rejected}"))
            }
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        }
    }

    /// Says since when the configuration on disk is rejected, if it is: what runs is ready all the same.
    fn rejected(&self) -> String {
        let Some(since_ns) = self.recorder.rejected_since_ns() else {
            return String::new();
        };
        let since = i64::try_from(since_ns / 1_000_000_000).unwrap_or(i64::MAX);
        let since = jiff::Timestamp::from_second(since).unwrap_or_default();
        format!("the configuration on disk is rejected since {since}; an older one runs\n")
    }

    /// What is said of a server as a protected resource.
    fn resource(&self, server: &str, by_short_path: bool, host: Option<&str>) -> Response<Body> {
        let long = format!("/{server}/mcp");
        let path = if by_short_path { "/mcp" } else { &long };
        let asked = Asked { server, path, host };
        match self.auth.metadata(asked) {
            Some(metadata) => json(metadata),
            None => text(
                StatusCode::NOT_FOUND,
                "no tokens of authorization servers are taken here\n".into(),
            ),
        }
    }

    /// Tells a request that it has to show who it is from, and records that.
    fn deny(
        &self,
        name: &str,
        headers: HeaderMap,
        peer: SocketAddr,
        denied: &Denied,
    ) -> Response<Body> {
        let mut response = self.relay.deny(name, headers, peer, denied.failure);
        let challenge = denied.challenge.as_deref();
        if let Some(value) = challenge.and_then(|text| HeaderValue::from_str(text).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
    }

    fn metrics(&self, accept: Option<&str>) -> Response<Body> {
        let (kind, page) = self.recorder.render_metrics(accept);
        let mut response = text(StatusCode::OK, page);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }

    fn refuse(&self, refusal: &Refusal, peer: SocketAddr) -> Response<Body> {
        let at_unix_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        let kind = EventKind::Refused {
            reason: refusal.reason,
            peer: Some(peer),
        };
        self.recorder.observe(Observation::Event(ServerEvent {
            server: None,
            replica: Replica::None,
            at_unix_ns,
            kind,
        }));
        let status =
            StatusCode::from_u16(refusal.reason.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        text(status, format!("{}\n", refusal.message))
    }
}

/// Headers of which two could be read in two ways: the first by one program, the last by another.
const ONCE: [&str; 8] = [
    "host",
    "origin",
    "authorization",
    "x-api-key",
    "content-type",
    "mcp-session-id",
    "mcp-protocol-version",
    "last-event-id",
];

/// One of [`ONCE`] that stands there more than once.
fn stands_twice(headers: &HeaderMap) -> Option<&'static str> {
    if headers.len() == headers.keys_len() {
        return None;
    }
    let mut names = ONCE.into_iter();
    names.find(|name| headers.get_all(*name).iter().nth(1).is_some())
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn json(body: String) -> Response<Body> {
    let mut response = text(StatusCode::OK, body);
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn method_not_allowed() -> Response<Body> {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path takes GET\n".into(),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
