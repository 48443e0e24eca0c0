//! One server, as it is reached, and whatever runs beside it to take its place.

use crate::health;
use crate::http::HttpServer;
use crate::inbound::Client;
use crate::relay::ApplyError;
use crate::replace::Next;
use crate::shared::Shared;
use crate::stdio::StdioServer;
use crate::tuning::Tuning;
use bytes::Bytes;
use http::Response;
use ph_mcp::envelope;
use ph_plan::Plan;
use ph_record::Server;
use ph_wire::body::Body;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One server, as it is reached.
pub(crate) struct Upstream {
    /// As configured, but for what runs: that can be another version.
    pub(crate) plan: ph_plan::Server,
    /// What the configuration says that runs.
    pub(crate) configured: Arc<ph_plan::Upstream>,
    /// What ran before this took its place.
    pub(crate) before: Option<Arc<ph_plan::Upstream>>,
    /// What is to take its place.
    pub(crate) next: Option<Arc<Next>>,
    pub(crate) server: Arc<Server>,
    pub(crate) way: Way,
    /// The number of its first replica.
    pub(crate) first_slot: u16,
    /// An operator wants it to get no new calls.
    pub(crate) drained: Arc<AtomicBool>,
    standing: Arc<Standing>,
    /// Cancelled when a newer plan has no use for it.
    pub(crate) retired: CancellationToken,
}

/// What its last health check found.
struct Standing {
    /// 1: passed, 0: failed, -1: none yet, or nobody checks.
    up: AtomicI64,
    /// It is that of the server: no older version runs beside it.
    is_shown: AtomicBool,
}

pub(crate) enum Way {
    Http(Arc<HttpServer>),
    Stdio(Arc<StdioServer>),
}

impl Upstream {
    /// Prepares what `plan` says; nothing is started yet.
    ///
    /// - `beside`: what runs already, and goes on for now.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        server: Arc<Server>,
        plan: &ph_plan::Server,
        whole: &Plan,
        beside: Option<&Self>,
    ) -> Result<Self, ApplyError> {
        let own = Arc::clone(shared);
        // Who answered a call shows in its record.
        let first_slot = match beside {
            Some(old) if old.first_slot == 0 => crate::stdio::SEATS_MAX,
            _ => 0,
        };
        let way = match &plan.upstream {
            ph_plan::Upstream::Http(http) => {
                let made = HttpServer::new(own, Arc::clone(&server), plan, http, whole, first_slot);
                Way::Http(Arc::new(made.map_err(|source| ApplyError::Tls {
                    server: server.name.clone(),
                    source,
                })?))
            }
            ph_plan::Upstream::Stdio(stdio) => Way::Stdio(StdioServer::new(
                own,
                Arc::clone(&server),
                plan,
                stdio,
                whole,
                first_slot,
            )),
        };
        let configured = beside.map(|old| Arc::clone(&old.configured));
        Ok(Self {
            plan: plan.clone(),
            configured: configured.unwrap_or_else(|| Arc::new(plan.upstream.clone())),
            before: None,
            next: None,
            server,
            way,
            first_slot,
            drained: beside
                .map(|old| Arc::clone(&old.drained))
                .unwrap_or_default(),
            standing: Arc::new(Standing {
                up: AtomicI64::new(-1),
                is_shown: AtomicBool::new(beside.is_none()),
            }),
            retired: shared.parts.end_children.child_token(),
        })
    }

    pub(crate) fn start(self: &Arc<Self>, shared: &Arc<Shared>) {
        if let Way::Stdio(stdio) = &self.way {
            stdio.start();
        }
        health::start(Arc::clone(self), shared);
    }

    /// What takes a request of `client`, if that is not this.
    ///
    /// - `begins`: it may begin something; else it belongs to what has begun.
    pub(crate) fn other_for(&self, client: &Client, begins: bool) -> Option<Arc<Self>> {
        let next = self.next.as_ref()?;
        let is_theirs = match client.session_id() {
            Some(id) => next.upstream.way.has_session(id),
            None => begins && next.takes_one(),
        };
        is_theirs.then(|| Arc::clone(&next.upstream))
    }

    /// An operator wants it to get no new calls.
    pub(crate) fn is_paused(&self) -> bool {
        let is_off = matches!(&self.way, Way::Stdio(stdio) if stdio.is_off());
        is_off || self.drained.load(Relaxed)
    }

    /// A health check found this.
    ///
    /// - `up`: 1: passed, 0: failed, -1: nobody checks.
    pub(crate) fn found(&self, up: i64) {
        self.standing.up.store(up, Relaxed);
        if self.standing.is_shown.load(Relaxed) {
            self.server.live.up.store(up, Relaxed);
        }
    }

    /// Whether it can be given calls.
    pub(crate) fn is_well(&self) -> bool {
        let up = self.standing.up.load(Relaxed);
        match &self.way {
            Way::Http(http) => up == 1 || (up < 0 && !http.tuning.load().health.enabled),
            Way::Stdio(stdio) => up != 0 && stdio.is_there(),
        }
    }

    /// Its times and limits now.
    pub(crate) fn tuning(&self) -> Arc<Tuning> {
        match &self.way {
            Way::Http(http) => http.tuning.load_full(),
            Way::Stdio(stdio) => stdio.tuning.load_full(),
        }
    }

    /// The same server under a plan that changes only its times and limits, or that says now what has come
    /// in its place since.
    pub(crate) fn tuned(&self, server_plan: &ph_plan::Server, plan: &Plan) -> Self {
        self.way.tune(server_plan, plan);
        let is_as_before = *self.configured == server_plan.upstream;
        let next = self.next.clone().filter(|_| is_as_before);
        if let Some(next) = &next {
            next.upstream.way.tune(server_plan, plan);
        }
        Self {
            before: self.before.clone().filter(|_| is_as_before),
            configured: Arc::new(server_plan.upstream.clone()),
            next,
            ..self.running(server_plan)
        }
    }

    /// Whether it is what `plan` says: as it was configured, or as it runs.
    pub(crate) fn is_of(&self, plan: &ph_plan::Server) -> bool {
        *self.configured == plan.upstream || self.plan.upstream == plan.upstream
    }

    /// What runs here, without anything beside it.
    fn running(&self, server_plan: &ph_plan::Server) -> Self {
        Self {
            plan: ph_plan::Server {
                upstream: self.plan.upstream.clone(),
                ..server_plan.clone()
            },
            configured: Arc::clone(&self.configured),
            before: self.before.clone(),
            next: None,
            server: Arc::clone(&self.server),
            way: self.way.again(),
            first_slot: self.first_slot,
            drained: Arc::clone(&self.drained),
            standing: Arc::clone(&self.standing),
            retired: self.retired.clone(),
        }
    }

    /// The same with `next` to take its place, or with nothing.
    pub(crate) fn with_next(&self, next: Option<Arc<Next>>) -> Self {
        Self {
            next,
            ..self.running(&self.plan)
        }
    }

    /// What was beside `old` is in its place.
    pub(crate) fn in_place_of(&self, old: &Self) -> Self {
        old.standing.is_shown.store(false, Relaxed);
        self.standing.is_shown.store(true, Relaxed);
        self.found(self.standing.up.load(Relaxed));
        Self {
            before: Some(Arc::new(old.plan.upstream.clone())),
            ..self.running(&old.plan)
        }
    }

    /// Takes over from `old` what an operator has said, and shares its places for calls.
    pub(crate) fn follow(&self, old: &Self, whole: &Plan) {
        let tuning = Tuning::new(&self.plan, whole, Some(&old.tuning()));
        match &self.way {
            Way::Http(http) => http.tuning.store(tuning),
            Way::Stdio(stdio) => {
                stdio.tuning.store(tuning);
                if let Way::Stdio(old) = &old.way
                    && let Some((number, true)) = old.wanted()
                {
                    stdio.scale(Some(number));
                }
            }
        }
    }

    /// Returns when it has no more sessions, those of children ended in a moment without calls: after
    /// `replicas.drain` at the latest.
    pub(crate) async fn sessions_ended(&self) {
        match &self.way {
            Way::Stdio(stdio) => stdio.end_sessions_in_turn().await,
            Way::Http(http) => {
                let none = async {
                    while !http.sessions.are_none() {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                };
                let drain = http.tuning.load().replicas.drain;
                let _ = tokio::time::timeout(drain, none).await;
            }
        }
    }

    /// No new work; what is open drains within `drain`. Sessions of an HTTP server
    /// are its own and live on there.
    pub(crate) fn retire(&self, drain: Duration) {
        self.retired.cancel();
        match &self.way {
            Way::Stdio(stdio) => stdio.retire(drain),
            Way::Http(http) => http.hide(),
        }
    }
}

impl Way {
    pub(crate) async fn post(
        &self,
        client: Box<Client>,
        body: Bytes,
        read: &envelope::Body<'_>,
    ) -> Response<Body> {
        match self {
            Self::Http(http) => Arc::clone(http).post(client, body, read).await,
            Self::Stdio(stdio) => Arc::clone(stdio).post(client, body, read).await,
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(a), Self::Http(b)) => Arc::ptr_eq(a, b),
            (Self::Stdio(a), Self::Stdio(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn again(&self) -> Self {
        match self {
            Self::Http(http) => Self::Http(Arc::clone(http)),
            Self::Stdio(stdio) => Self::Stdio(Arc::clone(stdio)),
        }
    }

    fn tune(&self, server_plan: &ph_plan::Server, plan: &Plan) {
        match self {
            Self::Http(http) => http.tune(server_plan, plan),
            Self::Stdio(stdio) => stdio.tune(server_plan, plan),
        }
    }

    fn has_session(&self, id: &str) -> bool {
        match self {
            Self::Http(http) => http.sessions.find(id).is_some(),
            Self::Stdio(stdio) => stdio.session(id).is_some(),
        }
    }
}
