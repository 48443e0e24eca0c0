//! A server that is a child process: Pilothouse is its HTTP server.
//!
//! A child is of one era for its whole life, and its first request decides which.
//! So one command can need two kinds of children at once: one shared child that
//! was asked `server/discover` first, for stateless clients, and one child for
//! each legacy session, whose first request is the client's `initialize`.

mod backoff;
mod events;
mod exchange;
mod held;
mod inbox;
mod legacy;
mod link;
mod modern;
mod pool;
mod session;
mod sharing;
mod standing;
mod supervise;
mod tool_headers;
mod tools;
mod waiter;

pub(crate) use supervise::not_enforced;

use crate::call::Call;
use crate::health::Finding;
use crate::inbound::Client;
use crate::reply::OwnError;
use crate::shared::Shared;
use crate::tuning::Tuning;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Response;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use link::{Ladder, Link};
use ph_base::Era;
use ph_mcp::Kind;
use ph_mcp::envelope::Body as RpcBody;
use ph_mcp::error::code;
use ph_record::{Ending, HealthResult, RefusedReason, Server};
use ph_wire::body::Body;
use ph_wire::child::ChildSpec;
pub(crate) use pool::SEATS_MAX;
use pool::{Pool, Shared as SharedChild};
use session::StdioSession;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server that is a child process.
pub(crate) struct StdioServer {
    shared: Arc<Shared>,
    server: Arc<Server>,
    spec: ChildSpec,
    ladder: Ladder,
    plan: ph_plan::Stdio,
    pub(crate) tuning: ArcSwap<Tuning>,
    state: Mutex<State>,
    /// The children that stateless clients share.
    pool: Arc<Pool>,
    /// What sessions have in common that share children.
    sharing: sharing::Sharing,
    /// An operator wants no children: no new calls.
    is_off: AtomicBool,
    /// Held while children are renewed.
    renewing: tokio::sync::Mutex<()>,
    /// A spare child was taken, or ended.
    spare_wanted: Notify,
    /// A child has died unasked.
    pub(crate) alarm: Notify,
    retired: CancellationToken,
    /// Children and their supervision.
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    sessions: HashMap<Box<str>, Arc<StdioSession>>,
    /// Children that no session has yet.
    spares: VecDeque<Arc<Link>>,
    /// Every child that is not gone yet, whatever it is for.
    links: Vec<Arc<Link>>,
}

impl StdioServer {
    /// Prepares the server; nothing is started yet.
    ///
    /// - `first_slot`: the number of its first shared child.
    pub(crate) fn new(
        shared: Arc<Shared>,
        server: Arc<Server>,
        plan: &ph_plan::Server,
        stdio: &ph_plan::Stdio,
        whole: &ph_plan::Plan,
        first_slot: u16,
    ) -> Arc<Self> {
        let ladder = Ladder {
            stdin_grace: stdio.stop.stdin_grace,
            term_grace: stdio.stop.term_grace,
        };
        Arc::new(Self {
            spec: supervise::spec(&shared, &server, plan, stdio),
            ladder,
            plan: stdio.clone(),
            tuning: ArcSwap::new(Tuning::new(plan, whole, None)),
            state: Mutex::default(),
            pool: Pool::new(Arc::clone(&server), first_slot),
            sharing: sharing::Sharing::default(),
            is_off: AtomicBool::new(false),
            renewing: tokio::sync::Mutex::default(),
            spare_wanted: Notify::new(),
            alarm: Notify::new(),
            retired: shared.parts.end_children.child_token(),
            tasks: TaskTracker::new(),
            shared,
            server,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries one body that a client posted.
    pub(crate) async fn post(
        self: Arc<Self>,
        client: Box<Client>,
        body: Bytes,
        read: &RpcBody<'_>,
    ) -> Response<Body> {
        if !is_json(&client) {
            let error = OwnError::new(
                415,
                code::REFUSED,
                "`Content-Type` must be application/json",
            );
            return self.refuse_all(&client, &body, read, RefusedReason::MediaType, &error);
        }
        match read {
            RpcBody::One(envelope) if client.era(envelope) == Era::Modern => {
                self.post_modern(client, body, envelope).await
            }
            RpcBody::One(envelope) => self.post_legacy(client, body, envelope).await,
            RpcBody::Batch(messages)
                if messages.iter().any(|(_, e)| client.era(e) == Era::Modern) =>
            {
                let error =
                    OwnError::new(400, code::INVALID_REQUEST, "stateless MCP has no batches");
                self.refuse_all(&client, &body, read, RefusedReason::Malformed, &error)
            }
            RpcBody::Batch(messages) => self.post_batch(client, body, messages).await,
        }
    }

    /// Refuses a whole body: every request in it is a call that was refused.
    fn refuse_all(
        &self,
        client: &Client,
        body: &Bytes,
        read: &RpcBody<'_>,
        reason: RefusedReason,
        error: &OwnError,
    ) -> Response<Body> {
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(body).unwrap_or("");
        let of = |envelope| Call::of_client(&self.shared, &self.server, client, text, envelope);
        match read {
            RpcBody::One(envelope) if envelope.kind == Kind::Request => {
                self.refuse(of(envelope), reason, error)
            }
            RpcBody::One(_) => {
                self.shared.refused(&self.server, reason, client.peer);
                error.response(None)
            }
            RpcBody::Batch(messages) => {
                let requests = messages
                    .iter()
                    .map(|(_, e)| e)
                    .filter(|e| e.kind == Kind::Request);
                requests.for_each(|envelope| _ = self.refuse(of(envelope), reason, error));
                error.response(None)
            }
        }
    }

    /// What the client of a session calls itself.
    pub(crate) fn client_of(&self, session_id: &str) -> Option<Arc<str>> {
        let state = self.state();
        state.sessions.get(session_id)?.client.get().cloned()
    }

    /// Takes up or opens an event stream of a legacy session.
    pub(crate) async fn get(self: Arc<Self>, client: Box<Client>) -> Response<Body> {
        if client.era_of_head() == Era::Modern {
            return self.only_post(&client);
        }
        self.get_legacy(&client)
    }

    /// Ends a legacy session.
    pub(crate) async fn delete(self: Arc<Self>, client: Box<Client>) -> Response<Body> {
        if client.era_of_head() == Era::Modern {
            return self.only_post(&client);
        }
        self.delete_legacy(&client)
    }

    fn only_post(&self, client: &Client) -> Response<Body> {
        self.shared
            .refused(&self.server, RefusedReason::HttpMethod, client.peer);
        let mut response =
            OwnError::new(405, code::REFUSED, "stateless MCP takes POST only").response(None);
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        response
    }

    /// Ends a call that is refused before the child has seen it.
    fn refuse(&self, mut call: Call, reason: RefusedReason, error: &OwnError) -> Response<Body> {
        call.set_transport(ph_record::Transport::Stdio);
        call.set_error(&error.message);
        call.record().rpc_code = Some(error.code);
        let id = call.id_raw.clone();
        call.finish(Ending::Refused(reason), error.status, true);
        error.response(id.as_deref())
    }

    /// Ends a call for which there is no child.
    fn unavailable(&self, mut call: Call, ending: Ending, error: &OwnError) -> Response<Body> {
        call.set_transport(ph_record::Transport::Stdio);
        call.set_error(&error.message);
        let id = call.id_raw.clone();
        call.finish(ending, error.status, true);
        error.response(id.as_deref())
    }

    /// Ends sessions that were quiet for longer than `idle`.
    pub(crate) fn sweep(&self, idle: Duration) {
        let quiet: Vec<_> = self
            .state()
            .sessions
            .values()
            .filter(|s| s.is_idle(idle))
            .map(Arc::clone)
            .collect();
        for session in quiet {
            self.end_session(&session.id);
        }
    }

    /// One health check, bounded by `limit`: the shared child is asked `server/discover`,
    /// a spare or a session's child `ping`.
    pub(crate) async fn check(&self, limit: Duration) -> Finding {
        let shared = self.pool.summary.borrow().clone();
        let (link, method) = match &shared {
            SharedChild::Starting | SharedChild::Asleep => return self.check_start(limit).await,
            SharedChild::Down { why, .. } => {
                return (HealthResult::Unreachable, Some(why.to_string()));
            }
            SharedChild::Up(link) => (Some(Arc::clone(link)), self.health_question().0),
            SharedChild::No => {
                let state = self.state();
                let any = state.spares.front().cloned();
                let any = any.or_else(|| {
                    let mut own = state.sessions.values().filter_map(|s| s.own_link());
                    own.next().cloned()
                });
                (any, "ping")
            }
        };
        let Some(link) = link else {
            return (
                HealthResult::Unreachable,
                Some("no child is running".into()),
            );
        };
        let params = if method == "ping" {
            "{}"
        } else {
            supervise::OWN_PARAMS
        };
        match link.ask(method, params, limit).await {
            Ok(_) => (HealthResult::Ok, None),
            Err(Some(why)) => (HealthResult::Unreachable, Some(why.to_string())),
            Err(None) => (
                HealthResult::Timeout,
                Some(format!("no answer within {limit:?}")),
            ),
        }
    }

    /// What shared children are asked to find out whether they are well: method and params.
    fn health_question(&self) -> (&'static str, &'static str) {
        if self.plan.isolation.shares_sessions() {
            ("ping", "{}")
        } else {
            ("server/discover", supervise::OWN_PARAMS)
        }
    }

    /// A server that is starting is neither up nor down; its first answer is the check.
    async fn check_start(&self, limit: Duration) -> Finding {
        let mut watched = self.pool.summary.subscribe();
        let settled =
            watched.wait_for(|s| !matches!(s, SharedChild::Starting | SharedChild::Asleep));
        match tokio::time::timeout(limit, settled).await {
            Ok(Ok(state)) => match &*state {
                SharedChild::Down { why, .. } => (HealthResult::Unreachable, Some(why.to_string())),
                _ => (HealthResult::Ok, None),
            },
            _ => (HealthResult::Timeout, Some("the server is starting".into())),
        }
    }

    /// The server is starting, or sleeps until it is called: a failed check says nothing.
    pub(crate) fn is_starting(&self) -> bool {
        let shared = self.pool.summary.borrow();
        matches!(*shared, SharedChild::Starting | SharedChild::Asleep)
    }

    /// Whether calls and sessions find children, or wake them.
    pub(crate) fn is_there(&self) -> bool {
        let shared = self.pool.summary.borrow();
        !matches!(*shared, SharedChild::Starting | SharedChild::Down { .. })
    }

    /// An operator wants it to have no children.
    pub(crate) fn is_off(&self) -> bool {
        self.is_off.load(Relaxed)
    }

    /// Which era it speaks, once that is known.
    pub(crate) fn era(&self) -> Option<Era> {
        match &*self.pool.summary.borrow() {
            SharedChild::No => Some(Era::Legacy),
            SharedChild::Up(_) | SharedChild::Asleep if self.plan.isolation.shares_sessions() => {
                Some(Era::Legacy)
            }
            SharedChild::Up(_) | SharedChild::Asleep => Some(Era::Modern),
            SharedChild::Starting | SharedChild::Down { .. } => None,
        }
    }

    /// Takes over what a reload can change; calls in flight keep what they have.
    pub(crate) fn tune(&self, plan: &ph_plan::Server, whole: &ph_plan::Plan) {
        self.tuning
            .store(Tuning::new(plan, whole, Some(&self.tuning.load())));
        self.pool.look_again();
    }

    /// No new work. Children end when the calls on them have, after `drain` at the latest.
    pub(crate) fn retire(self: &Arc<Self>, drain: Duration) {
        self.retired.cancel();
        self.pool.hide();
        let mut state = self.state();
        let sessions = std::mem::take(&mut state.sessions);
        state.spares.clear();
        drop(state);
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let until = Instant::now() + drain;
            while Instant::now() < until && this.links().iter().any(|link| link.has_calls()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            sessions.values().for_each(|session| session.end());
            this.links().iter().for_each(|link| link.close());
        });
    }

    fn links(&self) -> Vec<Arc<Link>> {
        self.state().links.clone()
    }

    /// Returns when all children are gone. Call after `retire`.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Whether the body says that it is JSON. A browser's form could post anything else across origins.
fn is_json(client: &Client) -> bool {
    let kind = client
        .headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// What the client's `Accept` allows: `(json, events, events before json)`.
fn accepts(client: &Client) -> (bool, bool, bool) {
    let Some(accept) = client.headers.get(ACCEPT).and_then(|v| v.to_str().ok()) else {
        return (true, true, false);
    };
    // What every SDK sends, and the order that prefers neither.
    if accept == "application/json, text/event-stream" {
        return (true, true, false);
    }
    let place = |kinds: [&str; 3]| kinds.iter().filter_map(|k| accept.find(k)).min();
    let json = place(["application/json", "application/*", "*/*"]);
    let events = place(["text/event-stream", "text/*", "*/*"]);
    (
        json.is_some(),
        events.is_some(),
        matches!((json, events), (Some(j), Some(e)) if e < j) || json.is_none(),
    )
}
