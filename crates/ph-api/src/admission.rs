//! Who asks, what he may do, and that every change is written down: the one place that all endpoints go through.
//!
//! Whoever reads needs the role `viewer`, or what [`READS`] says. Whoever changes something needs what [`CHANGES`] says of the endpoint, and the
//! role `admin` where it says nothing.

use crate::console;
use crate::endpoint::{Endpoint, Methods};
use crate::reply::ApiError;
use crate::sources::Shared;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::header::{HeaderMap, WWW_AUTHENTICATE};
use http::{Extensions, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use ph_policy::{HeadRules, Role};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// Who may ask, and where changes are written down.
pub trait Admission: Send + Sync {
    /// Which `Host` and `Origin` are accepted.
    fn head_rules(&self) -> Arc<HeadRules>;

    /// Who asks.
    ///
    /// # Errors
    /// What is wrong with what it shows, or that it shows nothing and has to.
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, &'static str>;

    /// Takes note of a request that was refused.
    fn refused(&self, why: NotAdmitted);

    /// Writes an attempt at a change down. It may block.
    ///
    /// # Errors
    /// When it cannot be written; the change must not be made then.
    fn write(&self, attempt: &Attempt) -> std::io::Result<()>;
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `key:NAME`, or `anonymous`.
    pub name: Arc<str>,
    /// What it may do; none: nothing.
    pub role: Option<Role>,
}

/// Why a request was refused before its endpoint heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// Its `Host`.
    Host,
    /// Its `Origin`.
    Origin,
    /// Nobody knows who asks.
    Unauthenticated,
    /// Whoever asks may not.
    Forbidden,
    /// The change could not be written down.
    Unaudited,
}

impl NotAdmitted {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Host,
        Self::Origin,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Unaudited,
    ];

    /// The word in metrics.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Unaudited => "unaudited",
        }
    }
}

/// An attempt at a change, before it and after it: two entries with one id.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The same for both entries; random.
    pub id: u64,
    /// Who.
    pub caller: Caller,
    /// From where, when that is known.
    pub peer: Option<SocketAddr>,
    /// What, as in `silence.set`.
    pub action: &'static str,
    /// The method and the path.
    pub target: String,
    /// What was sent, cut to [`Attempt::TEXT_BYTES_MAX`]; secrets have to be taken out of it.
    pub sent: String,
    /// How it was (before), or how it is (after), where the endpoint can be read; cut to the same.
    pub state: Option<String>,
    /// What became of it.
    pub step: Step,
}

impl Attempt {
    /// Longest text of each kind, in bytes.
    pub const TEXT_BYTES_MAX: usize = 4096;
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It begins.
    Begun,
    /// The caller may not.
    Refused,
    /// It is over, with this HTTP status.
    Ended(u16),
}

/// Where a request came from; whoever serves the router puts it there.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What changing endpoints need, and what a change through them is called.
const CHANGES: &[(&str, Role, &str)] = &[
    ("/api/v2/alerts", Role::Operator, "alerts.post"),
    ("/api/v2/silences", Role::Operator, "silence.set"),
    ("/api/v2/silence/{id}", Role::Operator, "silence.expire"),
    (
        "/api/pilothouse/servers/{name}",
        Role::Operator,
        "server.change",
    ),
    (
        "/api/pilothouse/vulnerabilities",
        Role::Operator,
        "vulnerability.scan",
    ),
    (
        "/api/pilothouse/vulnerabilities/{id}",
        Role::Operator,
        "vulnerability.move",
    ),
    (
        "/api/pilothouse/blocks/{client}",
        Role::Operator,
        "block.lift",
    ),
    ("/api/pilothouse/tools", Role::Admin, "tools.approve"),
    ("/api/pilothouse/keys", Role::Admin, "key.create"),
    ("/api/pilothouse/keys/{name}", Role::Admin, "key.revoke"),
    (
        "/api/pilothouse/keys/{name}/secrets",
        Role::Admin,
        "key.rotate",
    ),
];

/// What reading needs where that is more than the role `viewer`.
const READS: &[(&str, Role)] = &[("/api/pilothouse/audit", Role::Operator)];

/// Longest body of a change, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Longest time for it to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// What one endpoint asks for.
#[derive(Clone)]
pub(crate) struct Needs {
    shared: Shared,
    /// To read; who reads at all has been asked before.
    reading: Role,
    change: Option<(Role, &'static str)>,
    /// Reads the thing that the endpoint changes.
    reader: Option<MethodRouter>,
}

impl Needs {
    pub(crate) fn of(endpoint: &Endpoint, shared: &Shared) -> Self {
        let path = endpoint.path;
        let change = change_of(endpoint);
        let is_one_thing = path.contains('{') && endpoint.methods != Methods::Post;
        let reader = (change.is_some() && is_one_thing)
            .then(|| endpoint.route.clone().with_state(Arc::clone(shared)));
        Self {
            shared: Arc::clone(shared),
            reading: reading_of(path),
            change,
            reader,
        }
    }
}

/// What reading at a path needs.
fn reading_of(path: &str) -> Role {
    let of_table = READS.iter().find(|(known, _)| *known == path);
    of_table.map_or(Role::Viewer, |(_, role)| *role)
}

/// What a change through an endpoint needs and is called; nothing where nothing is changed.
fn change_of(endpoint: &Endpoint) -> Option<(Role, &'static str)> {
    let path = endpoint.path;
    let of_table = CHANGES.iter().find(|(known, _, _)| *known == path);
    match endpoint.methods {
        Methods::Get | Methods::GetOrForm => None,
        Methods::Post if is_intake(path) => None,
        Methods::Post | Methods::GetOrPost | Methods::GetOrDelete => Some(
            // What nobody has thought of is for admins.
            of_table.map_or((Role::Admin, path), |(_, role, action)| (*role, *action)),
        ),
    }
}

/// The role that reading an endpoint or sending to it needs; none for what servers of this machine send.
pub(crate) fn role(endpoint: &Endpoint, is_read: bool) -> Option<Role> {
    if is_intake(endpoint.path) {
        return None;
    }
    let change = change_of(endpoint).filter(|_| !is_read);
    Some(change.map_or_else(|| reading_of(endpoint.path), |(role, _)| role))
}

/// Spans and log records of servers; they change nothing, and children of ours have no key.
fn is_intake(path: &str) -> bool {
    matches!(path, "/v1/traces" | "/v1/logs" | "/v1/metrics")
}

/// Finds out who asks. Whoever asks for more than whether we live has to be somebody, except for OTLP from
/// this machine and for the files of the console.
pub(crate) fn identify(shared: &Shared, request: &mut Request) -> Result<(), ApiError> {
    let admission = &shared.sources.admission;
    let path = request.uri().path();
    let is_local = |request: &Request| {
        let peer = request.extensions().get::<Peer>();
        peer.is_none_or(|Peer(peer)| peer.ip().to_canonical().is_loopback())
    };
    let is_open = matches!(path, "/livez" | "/readyz")
        || (is_intake(path) && is_local(request))
        || console::is_open(request.method(), path, request.headers());
    match admission.caller(request.headers()) {
        Ok(caller) if is_open || caller.role.is_some() => {
            request.extensions_mut().insert(caller);
            Ok(())
        }
        Ok(caller) => {
            admission.refused(NotAdmitted::Forbidden);
            Err(forbidden(&caller, Role::Viewer))
        }
        Err(_) if is_open => Ok(()),
        Err(why) => {
            admission.refused(NotAdmitted::Unauthenticated);
            Err(ApiError::new(StatusCode::UNAUTHORIZED, why).hint(
                "send `Authorization: Bearer KEY`; `pilothouse keys create NAME --role viewer` makes one",
            ))
        }
    }
}

/// The answer of [`identify`] with what a client needs to know.
pub(crate) fn unidentified(error: ApiError) -> Response {
    let mut response = error.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"pilothouse admin\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn forbidden(caller: &Caller, needed: Role) -> ApiError {
    let role = caller.role.map_or("no role", Role::as_str);
    ApiError::new(
        StatusCode::FORBIDDEN,
        format!(
            "this needs the role {}; {} has {role}",
            needed.as_str(),
            caller.name
        ),
    )
}

/// Lets a request through to its endpoint: a change only if its caller may make it, and once it is written down.
pub(crate) async fn pass(State(needs): State<Needs>, request: Request, next: Next) -> Response {
    let (role, action) = match needs.change {
        Some(change) if !matches!(*request.method(), Method::GET | Method::HEAD) => change,
        _ => return read(&needs, request, next).await,
    };
    let admission = Arc::clone(&needs.shared.sources.admission);
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        admission.refused(NotAdmitted::Unauthenticated);
        return ApiError::new(StatusCode::UNAUTHORIZED, "nobody knows who asks").into_response();
    };
    let (head, body) = request.into_parts();
    let redactor = &needs.shared.sources.redactor;
    let mut attempt = Attempt {
        id: rand_id(),
        peer: head.extensions.get::<Peer>().map(|Peer(peer)| *peer),
        action,
        target: cut(&redactor.text(&format!("{} {}", head.method, head.uri))),
        sent: String::new(),
        state: None,
        step: Step::Refused,
        caller,
    };
    if attempt.caller.role < Some(role) {
        admission.refused(NotAdmitted::Forbidden);
        // It is refused whether that can be written down or not.
        let _written = write(&admission, attempt.clone()).await;
        return forbidden(&attempt.caller, role).into_response();
    }
    let body = Limited::new(body, BODY_BYTES_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIME_MAX, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            let text = "the body is longer than 4 MiB, or was cut";
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(_) => {
            let text = "the body took longer than 30 s";
            return ApiError::new(StatusCode::REQUEST_TIMEOUT, text).into_response();
        }
    };
    attempt.sent = cut(&redactor.text(&String::from_utf8_lossy(&body)));
    attempt.state = needs.read(head.uri.clone(), head.extensions.clone()).await;
    attempt.step = Step::Begun;
    if let Err(error) = write(&admission, attempt.clone()).await {
        admission.refused(NotAdmitted::Unaudited);
        return ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("nothing was changed, since it could not be written to the audit log: {error}"),
        )
        .into_response();
    }
    let extensions = head.extensions.clone();
    let uri = head.uri.clone();
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    attempt.state = needs.read(uri, extensions).await;
    attempt.step = Step::Ended(response.status().as_u16());
    // It has happened: what is not written now is said by whoever writes.
    let _written = write(&admission, attempt).await;
    response
}

/// Lets a question through: to most endpoints whoever was let in at all.
async fn read(needs: &Needs, request: Request, next: Next) -> Response {
    if needs.reading > Role::Viewer {
        let caller = request.extensions().get::<Caller>();
        let nobody = || Caller {
            name: "nobody".into(),
            role: None,
        };
        let caller = caller.cloned().unwrap_or_else(nobody);
        if caller.role < Some(needs.reading) {
            needs
                .shared
                .sources
                .admission
                .refused(NotAdmitted::Forbidden);
            return forbidden(&caller, needs.reading).into_response();
        }
    }
    next.run(request).await
}

impl Needs {
    /// How the thing is that a request to this endpoint is about.
    async fn read(&self, uri: Uri, extensions: Extensions) -> Option<String> {
        let reader = self.reader.clone()?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        *request.extensions_mut() = extensions;
        let Ok(response) = reader.oneshot(request).await;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
        let body = body.await.ok()?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        Some(cut(&self.shared.sources.redactor.text(&text)))
    }
}

async fn write(admission: &Arc<dyn Admission>, attempt: Attempt) -> std::io::Result<()> {
    let admission = Arc::clone(admission);
    let written = tokio::task::spawn_blocking(move || admission.write(&attempt)).await;
    written.unwrap_or_else(|_| Err(std::io::Error::other("the writer is gone")))
}

/// Tells attempts apart, also those of another process.
fn rand_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one(COUNT.fetch_add(1, Relaxed))
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(Attempt::TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::endpoints;

    #[test]
    fn every_endpoint_that_changes_something_has_a_role() {
        for endpoint in endpoints() {
            let changes = !matches!(endpoint.methods, Methods::Get | Methods::GetOrForm);
            let listed = CHANGES.iter().any(|(path, _, _)| *path == endpoint.path);
            assert!(
                !changes || listed || is_intake(endpoint.path),
                "{} is not in CHANGES: it would be for admins, without a name",
                endpoint.path
            );
        }
    }

    #[test]
    fn every_role_is_of_an_endpoint() {
        let all = endpoints();
        let reads = READS.iter().map(|(path, _)| path);
        for path in CHANGES.iter().map(|(path, ..)| path).chain(reads) {
            assert!(all.iter().any(|endpoint| endpoint.path == *path), "{path}");
        }
    }
}
