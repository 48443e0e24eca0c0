//! The servers of a plan, and the way of a request to one of them.

use crate::call::Call;
use crate::crowd::{self, Thing};
use crate::guard::Guard;
use crate::inbound::{BodyFault, BodyLimits, Client, read_body};
use crate::limits::{LimitStore, LocalStore};
use crate::pins::{PinError, Pins};
use crate::reply::OwnError;
use crate::shared::Shared;
use crate::upstream::{Upstream, Way};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue};
use http::{Method as HttpMethod, Request, Response};
use hyper::body::Incoming;
use ph_base::ServerName;
use ph_mcp::envelope::{self, Body as RpcBody};
use ph_mcp::error::code;
use ph_plan::Plan;
use ph_policy::{ClientRules, Principal};
use ph_record::{Ending, EventKind, RefusedReason, Replica, Server};
use ph_wire::body::Body;
use ph_wire::tls::TlsError;
use ph_wire::unread::drain;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::DropGuard;

/// The data plane.
pub struct Relay {
    pub(crate) shared: Arc<Shared>,
    pub(crate) running: ArcSwap<Running>,
    /// What was taken of limits in this process; it outlives their plan.
    own_limits: Arc<LocalStore>,
    /// Where limits are shared with other processes, from the next plan on.
    shared_limits: Mutex<Option<Arc<dyn LimitStore>>>,
    /// What servers' tools are; they outlive their plan, too.
    pins: Pins,
    /// Held while what runs is changed.
    changing: Mutex<()>,
    started: Instant,
}

/// What one plan made.
#[derive(Clone, Default)]
pub(crate) struct Running {
    pub(crate) servers: BTreeMap<ServerName, Arc<Upstream>>,
    limits: Option<BodyLimits>,
    /// `None` when nothing of a message is to be looked at.
    pub(crate) guard: Option<Arc<Guard>>,
    /// Who is counted as which client.
    pub(crate) clients: Option<Arc<ClientRules>>,
    /// Whether a session is only good for whom it was opened.
    binds_sessions: bool,
    /// Who asks servers for their tools, until dropped.
    pub(crate) watches: BTreeMap<ServerName, Arc<DropGuard>>,
    /// The plan.
    pub(crate) whole: Option<Arc<Plan>>,
}

/// Why a plan cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// TLS towards a server cannot be set up.
    #[error("server `{server}`: TLS cannot be set up")]
    Tls {
        /// The server.
        server: ServerName,
        /// Why.
        source: TlsError,
    },
    /// What is known of a server's tools cannot be read.
    #[error("server `{server}`: {source}")]
    Pins {
        /// The server.
        server: ServerName,
        /// Why.
        source: PinError,
    },
    /// More servers over the life of the process than there are indices for.
    #[error("too many different server names since the start; restart Pilothouse")]
    TooManyServers,
}

impl Relay {
    /// A relay without servers; see [`Relay::apply`]. It samples its children's
    /// resource use on the runtime that this is called within.
    pub fn new(shared: Arc<Shared>) -> Arc<Self> {
        tokio::spawn(crate::resources::watch(Arc::clone(&shared)));
        let table = Arc::clone(&shared.parts.table);
        let own_limits = LocalStore::new(LocalStore::BYTES_MAX, table);
        Arc::new(Self {
            shared,
            running: ArcSwap::default(),
            own_limits: Arc::new(own_limits),
            shared_limits: Mutex::default(),
            pins: Pins::default(),
            changing: Mutex::default(),
            started: Instant::now(),
        })
    }

    /// Where limits of the plans that are applied from now on are remembered; `None`: in this process.
    pub fn share_limits(&self, store: Option<Arc<dyn LimitStore>>) {
        *self.shared_limits() = store;
    }

    fn limit_store(&self) -> Arc<dyn LimitStore> {
        let shared = self.shared_limits().clone();
        shared.unwrap_or_else(|| Arc::<LocalStore>::clone(&self.own_limits))
    }

    /// Nothing panics while it is locked.
    fn shared_limits(&self) -> MutexGuard<'_, Option<Arc<dyn LimitStore>>> {
        let shared = self.shared_limits.lock();
        shared.unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `plan` from now on. Calls in flight keep what they began with; a
    /// server whose definition did not change keeps its sessions and children.
    ///
    /// Must be called within a tokio runtime: supervision is started on it.
    ///
    /// # Errors
    /// [`ApplyError`]; then the old plan runs on.
    pub fn apply(self: &Arc<Self>, plan: &Plan) -> Result<(), ApplyError> {
        let _one = self.changing();
        let old = self.running.load_full();
        self.shared
            .set_bounds(plan.children.max as usize, plan.sessions.max as usize);
        self.shared.crowd.set(&plan.clients);
        let mut servers = BTreeMap::new();
        let mut fresh = Vec::new();
        for (name, server_plan) in &plan.servers {
            let kept = old.servers.get(name).filter(|u| u.is_of(server_plan));
            let upstream = match kept {
                Some(upstream) => Arc::new(upstream.tuned(server_plan, plan)),
                None => {
                    let upstream = Arc::new(self.upstream(name, server_plan, plan)?);
                    fresh.push(Arc::clone(&upstream));
                    upstream
                }
            };
            let queue_max = i64::from(server_plan.limits.queue_max);
            upstream.server.live.queue_limit.store(queue_max, Relaxed);
            servers.insert(name.clone(), upstream);
        }
        let boards = self.pins.of_plan(plan, &servers, &self.shared);
        let boards = boards.map_err(|(server, source)| ApplyError::Pins { server, source })?;
        let watches = crate::pins::watches(&boards, &servers, &old);
        let limits = BodyLimits {
            bytes_max: plan.http.request_bytes_max.as_usize(),
            time_max: plan.http.body_timeout,
        };
        let is_kept =
            |name, old: &Upstream| servers.get(name).is_some_and(|new| new.way.is(&old.way));
        let retired: Vec<_> = old
            .servers
            .iter()
            .filter(|(n, u)| !is_kept(*n, u))
            .map(|(_, u)| Arc::clone(u))
            .collect();
        let given_up = old.servers.iter().filter_map(|(name, upstream)| {
            let next = upstream.next.as_ref()?;
            let now = servers.get(name).and_then(|u| u.next.as_ref());
            let is_kept = now.is_some_and(|now| Arc::ptr_eq(now, next));
            (!is_kept).then(|| Arc::clone(&next.upstream))
        });
        let given_up: Vec<_> = given_up.collect();
        self.running.store(Arc::new(Running {
            servers,
            limits: Some(limits),
            guard: Guard::new(
                plan,
                &self.shared,
                &self.limit_store(),
                &boards,
                self.started,
            ),
            watches,
            clients: Some(Arc::new(ClientRules::new(plan))),
            binds_sessions: plan.auth.checks().is_some(),
            whole: Some(Arc::new(plan.clone())),
        }));
        self.pins.swap(&boards, &self.shared);
        for upstream in retired {
            upstream.retire(plan.stop.drain);
            // A server that is replaced is looked at by its successor; one that is gone is neither up
            // nor down, and must not be told as down for ever.
            if !plan.servers.contains_key(&upstream.server.name) {
                upstream.server.live.up.store(-1, Relaxed);
                upstream.server.live.queue_limit.store(0, Relaxed);
            }
        }
        given_up
            .iter()
            .for_each(|next| next.retire(plan.stop.drain));
        for upstream in fresh {
            upstream.start(&self.shared);
        }
        Ok(())
    }

    /// What servers' tools are, where they are pinned.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    fn upstream(
        &self,
        name: &ServerName,
        plan: &ph_plan::Server,
        whole: &Plan,
    ) -> Result<Upstream, ApplyError> {
        let server = self
            .shared
            .parts
            .table
            .intern(name)
            .ok_or(ApplyError::TooManyServers)?;
        Upstream::new(&self.shared, server, plan, whole, None)
    }

    /// Nothing panics while it is held.
    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.running.load().servers.values().cloned().collect()
    }

    /// What stands in the way of readiness, in words: servers that have not had
    /// their first health check, or that not one server is up. `None`: ready.
    pub fn unready(&self) -> Option<String> {
        let running = self.running.load();
        let checked = || {
            running
                .servers
                .iter()
                .filter(|(_, u)| u.plan.health.enabled)
        };
        let names = |wanted: fn(i64) -> bool| {
            let found = checked().filter(|(_, u)| wanted(u.server.live.up.load(Relaxed)));
            found.map(|(n, _)| n.as_str()).collect::<Vec<_>>()
        };
        let (waiting, down) = (names(|up| up < 0), names(|up| up == 0));
        if !waiting.is_empty() {
            return Some(format!(
                "waiting for the first health check of {}",
                waiting.join(", ")
            ));
        }
        let all_down = !down.is_empty() && down.len() == running.servers.len();
        all_down.then(|| {
            format!(
                "not one server is up: the last health check of {} failed; see the logs",
                down.join(", ")
            )
        })
    }

    /// Ends all children; returns when they are gone.
    pub async fn stop_servers(&self) {
        let running = {
            let _one = self.changing();
            self.running.swap(Arc::default())
        };
        let nexts = running.servers.values().filter_map(|u| u.next.as_ref());
        let nexts = nexts.map(|next| &next.upstream);
        let all: Vec<_> = running.servers.values().chain(nexts).collect();
        for upstream in &all {
            upstream.retire(Duration::ZERO);
        }
        for upstream in all {
            if let Way::Stdio(stdio) = &upstream.way {
                stdio.stopped().await;
            }
        }
    }

    /// Answers a request to the MCP endpoint of `name`, of whoever it was shown to be from.
    pub async fn answer(
        &self,
        name: &str,
        request: Request<Incoming>,
        peer: SocketAddr,
        principal: Option<Arc<Principal>>,
    ) -> Response<Body> {
        let running = self.running.load_full();
        let found = running.servers.iter().find(|(n, _)| n.as_str() == name);
        let (Some((_, upstream)), Some(limits)) = (found, running.limits) else {
            return OwnError::new(404, code::REFUSED, "this server is no longer configured")
                .response(None);
        };
        let (head, body) = request.into_parts();
        let mut client = Client::new(peer, head.headers);
        client.principal = principal;
        let other = upstream.other_for(&client, head.method == HttpMethod::POST);
        let upstream = other.as_ref().unwrap_or(upstream);
        if running.binds_sessions && upstream.way.is_of_another(&client) {
            Box::pin(drain(body)).await;
            return self.not_their_session(upstream, &client);
        }
        running.identify(&mut client);
        if let (&(HttpMethod::GET | HttpMethod::DELETE), Some(guard)) =
            (&head.method, &running.guard)
        {
            if let Err(refusal) = guard.judge_head(&upstream.server, &client) {
                let peer = client.peer;
                self.shared.refused(&upstream.server, refusal.reason, peer);
                return refusal.error.response(None);
            }
            client.listing = guard.stream_listing(&upstream.server, &client);
        }
        match head.method {
            HttpMethod::POST => match read_body(&client.headers, body, limits).await {
                Ok(body) => {
                    client.waited_ns =
                        u64::try_from(client.received.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.post(upstream, &running, client, body).await
                }
                Err(fault) => self.unread(upstream, &client, fault),
            },
            // Boxed: these are rare, and would make the future of every call as large as their own.
            HttpMethod::GET => {
                let place = match running.place(&self.shared.crowd, Thing::Stream, &client) {
                    Ok(place) => place,
                    Err(refusal) => {
                        self.shared.refused(&upstream.server, refusal.reason, peer);
                        return refusal.error.response(None);
                    }
                };
                let mut response = match &upstream.way {
                    Way::Http(http) => Box::pin(Arc::clone(http).get(client)).await,
                    Way::Stdio(stdio) => Box::pin(Arc::clone(stdio).get(client)).await,
                };
                if let Some(place) = place {
                    response.body_mut().keep(Box::new(place));
                }
                response
            }
            HttpMethod::DELETE => match &upstream.way {
                Way::Http(http) => Box::pin(Arc::clone(http).delete(client)).await,
                Way::Stdio(stdio) => Box::pin(Arc::clone(stdio).delete(client)).await,
            },
            _ => {
                self.shared
                    .refused(&upstream.server, RefusedReason::HttpMethod, peer);
                let error = OwnError::new(
                    405,
                    code::REFUSED,
                    "an MCP endpoint takes POST, GET and DELETE",
                );
                let mut response = error.response(None);
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
                response
            }
        }
    }

    async fn post(
        &self,
        upstream: &Upstream,
        running: &Running,
        mut client: Box<Client>,
        body: Bytes,
    ) -> Response<Body> {
        // The message borrows the body, and the body moves on: both are cheap handles.
        let text = body.clone();
        match envelope::read_body(&text) {
            // Boxed: what few calls need would make the future of every call as large as its own.
            Ok(read) if upstream.is_paused() => {
                Box::pin(self.paused(upstream, client, body, &read)).await
            }
            Ok(read) => {
                let mut held = None;
                if let Some(thing) = crowd::wanted(&read, &client) {
                    match (running.place(&self.shared.crowd, thing, &client), &read) {
                        (Ok(place), _) if thing == Thing::Session => client.place = place,
                        (Ok(place), _) => held = place,
                        (Err(refusal), RpcBody::One(envelope)) => {
                            return self.refuse_one(
                                upstream,
                                &mut client,
                                &text,
                                envelope,
                                &refusal,
                            );
                        }
                        (Err(refusal), RpcBody::Batch(_)) => return refusal.error.response(None),
                    }
                }
                match (running.guard.as_ref(), &read) {
                    (None, _) => {}
                    (Some(guard), RpcBody::One(envelope)) => {
                        let judged = self.judge_one(upstream, guard, &mut client, &text, envelope);
                        if let Some(refused) = judged.await {
                            return refused;
                        }
                    }
                    (Some(guard), RpcBody::Batch(_)) => {
                        return Box::pin(self.post_batch(upstream, guard, client, body, &read))
                            .await;
                    }
                }
                let mut response = upstream.way.post(client, body, &read).await;
                if let Some(place) = held {
                    response.body_mut().keep(Box::new(place));
                }
                response
            }
            Err(fault) => {
                let mut call = Call::of_nobody(&self.shared, &upstream.server, &client);
                call.record().request_bytes = body.len() as u64;
                call.record().rpc_code = Some(fault.code());
                call.set_error(&fault.to_string());
                let error = OwnError::new(400, fault.code(), fault.to_string());
                self.refuse_call(call, RefusedReason::Malformed, &error)
            }
        }
    }

    /// A body that could not be read to its end.
    fn unread(&self, upstream: &Upstream, client: &Client, fault: BodyFault) -> Response<Body> {
        let (reason, text) = match fault {
            BodyFault::TooLarge => (
                RefusedReason::TooLarge,
                "the request body is larger than `http.request_bytes_max`",
            ),
            BodyFault::Slow => (
                RefusedReason::SlowBody,
                "the request body did not arrive within `http.body_timeout`",
            ),
            BodyFault::Broken => {
                let mut call = Call::of_nobody(&self.shared, &upstream.server, client);
                call.set_error("the client broke off within the request body");
                call.finish(Ending::ClientGone, 0, false);
                return OwnError::new(400, code::REFUSED, "the request body broke off")
                    .response(None);
            }
        };
        let call = Call::of_nobody(&self.shared, &upstream.server, client);
        let mut response = self.refuse_call(
            call,
            reason,
            &OwnError::new(reason.http_status(), code::REFUSED, text),
        );
        // What is left of the body is not read: this connection is of no further use.
        response
            .headers_mut()
            .insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    pub(crate) fn refuse_call(
        &self,
        mut call: Call,
        reason: RefusedReason,
        error: &OwnError,
    ) -> Response<Body> {
        call.set_error(&error.message);
        call.finish(Ending::Refused(reason), error.status, true);
        error.response(None)
    }
}

impl Running {
    /// The same with another way to one server.
    ///
    /// - `watch`: who asks it for its tools, where that is somebody else now.
    pub(crate) fn with(
        &self,
        name: &ServerName,
        upstream: Arc<Upstream>,
        watch: Option<Arc<DropGuard>>,
    ) -> Self {
        let mut other = self.clone();
        other.servers.insert(name.clone(), upstream);
        other
            .watches
            .extend(watch.map(|watch| (name.clone(), watch)));
        other
    }

    /// Notes who a client is, while somebody watches.
    pub(crate) fn identify(&self, client: &mut Client) {
        let watched = self.guard.as_ref().and_then(|g| g.anomalies.as_ref());
        if let Some(watched) = watched {
            client.caller = Some(watched.caller(client));
        }
    }
}

impl Shared {
    /// Counts and logs a request that was refused before it was a call.
    pub(crate) fn refused(&self, server: &Server, reason: RefusedReason, peer: SocketAddr) {
        server.live.refused[reason as usize].fetch_add(1, Relaxed);
        self.event(
            Some(server),
            Replica::None,
            EventKind::Refused {
                reason,
                peer: Some(peer),
            },
        );
    }
}
