//! The admin listener: the API, and what it takes in for the store.

use crate::blocks::BlockDesk;
use crate::cases::CaseDesk;
use crate::configuration::ConfigurationDesk;
use crate::doors::Doors;
use crate::front::Front;
use crate::gatekeeper::Gatekeeper;
use crate::home::Home;
use crate::keys::KeyDesk;
use crate::notify::Desk;
use crate::objectives::Held;
use crate::pins::ToolDesk;
use crate::rules::Running;
use crate::servers::ServerDesk;
use crate::sinks::Sinks;
use crate::start_error::StartError;
use crate::stores::Readers;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use ph_api::{Ingested, IngestedKind, Intake, Peer, Sources, SpanMetrics};
use ph_recorder::Keeper;
use ph_store::logs::{Entry, Kind, Level};
use ph_wire::listener::{self, Place, Service, Stop};
use ph_wire::unread::{Lent, drain};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the API is made of; the same for every listener that a reload makes.
pub(crate) struct Admin {
    pub(crate) doors: Arc<Doors>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) front: Front,
    pub(crate) readers: Option<Readers>,
    pub(crate) sinks: Option<Arc<Sinks>>,
    pub(crate) rules: Arc<Running>,
    pub(crate) objectives: Arc<Held>,
    pub(crate) desk: Desk,
    pub(crate) cases: Arc<CaseDesk>,
    pub(crate) configurations: Arc<ConfigurationDesk>,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) spans: Arc<SpanMetrics>,
    pub(crate) version: String,
    pub(crate) tasks: TaskTracker,
    pub(crate) end: CancellationToken,
}

/// A listener that is open.
pub(crate) struct Open {
    pub(crate) address: SocketAddr,
    end: CancellationToken,
}

/// Takes the address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::ListenAdmin { address, source })
}

impl Admin {
    /// Serves on `listener` until the returned value is closed, or everything ends; says in the data
    /// directory where that is.
    pub(crate) fn serve(&self, listener: TcpListener, home: &Home) -> std::io::Result<Open> {
        let address = listener.local_addr()?;
        home.write_admin_address(address, self.doors.has_tls_for_admin())?;
        let end = self.end.child_token();
        let sources = Sources {
            numbers: self
                .readers
                .as_ref()
                .map(|readers| Arc::new(readers.series.clone()) as Arc<_>),
            logs: self.readers.as_ref().map(|readers| readers.logs.clone()),
            sinks: self.sinks.clone().map(|sinks| sinks as Arc<_>),
            intake: self
                .keeper
                .clone()
                .map(|keeper| Arc::new(TakesIn(keeper)) as Arc<_>),
            spans: Arc::clone(&self.spans),
            alertmanager: Some(Arc::new(self.desk.clone())),
            objectives: Arc::<Held>::clone(&self.objectives),
            tools: Some(Arc::new(ToolDesk(Arc::clone(&self.front.relay)))),
            keys: Some(Arc::new(KeyDesk::of(Arc::clone(self.front.auth.keyring())))),
            blocks: Some(Arc::new(BlockDesk(self.front.recorder.blocks()))),
            servers: Some(Arc::new(ServerDesk(Arc::clone(&self.front.relay)))),
            cases: Some(Arc::<CaseDesk>::clone(&self.cases)),
            configurations: Some(Arc::<ConfigurationDesk>::clone(&self.configurations)),
            evaluation: Some(Arc::<Running>::clone(&self.rules)),
            redactor: self.front.recorder.redactor(),
            admission: Arc::<Gatekeeper>::clone(&self.gatekeeper),
            version: self.version.clone(),
            end: end.clone(),
        };
        let router = ph_api::router(sources, self.front.beside());
        let service = Api(TowerToHyperService::new(router));
        let stop = Stop {
            accept: end.clone(),
            // Answers end by themselves, or with the process.
            abort: CancellationToken::new(),
            connections: self.tasks.clone(),
        };
        let door = Arc::clone(&self.doors.admin);
        self.tasks.spawn(async move {
            listener::serve(listener, Place::Here, service, door, stop).await;
        });
        Ok(Open { address, end })
    }
}

impl Open {
    /// Takes no more, and ends what has no end of its own.
    pub(crate) fn close(self) {
        self.end.cancel();
    }
}

/// The API as the listener asks it.
#[derive(Clone)]
struct Api(TowerToHyperService<axum::Router>);

impl Service for Api {
    type Body = Body;

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let (head, body) = request.into_parts();
        let (body, rest) = Lent::new(body);
        let mut request = Request::from_parts(head, Body::new(body));
        request.extensions_mut().insert(Peer(peer));
        let response = match self.0.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        // What was refused before it was read has come back by now.
        if let Ok(rest) = { rest }.try_recv() {
            drain(rest).await;
        }
        response
    }
}

/// Spans and log records that servers send in, on their way to the store.
struct TakesIn(Keeper);

impl Intake for TakesIn {
    fn offer(&self, entry: Ingested) -> bool {
        self.0.offer(&Entry {
            kind: match entry.kind {
                IngestedKind::Span => Kind::Span,
                IngestedKind::Log => Kind::Log,
            },
            level: Level::parse(entry.level).unwrap_or(Level::Info),
            time_unix_ns: entry.time_unix_ns,
            duration_ns: entry.duration_ns,
            status: 0,
            trace_id: entry.trace_id,
            server: &entry.service,
            method: "",
            tool: "",
            outcome: entry.outcome,
            json: &entry.json,
        })
    }
}
