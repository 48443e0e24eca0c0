//! What an operator sees of servers and asks of them while they run.

use crate::call::Call;
use crate::inbound::Client;
use crate::relay::Relay;
use crate::replace::ReplacementStatus;
use crate::reply::OwnError;
use crate::stdio::{StdioServer, not_enforced};
use crate::upstream::{Upstream, Way};
use bytes::Bytes;
use http::Response;
use ph_base::Era;
use ph_mcp::Kind;
use ph_mcp::envelope::Body as RpcBody;
use ph_mcp::error::code;
use ph_record::Ending;
use ph_wire::body::Body;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// When a client is to ask again whether a server that an operator has drained takes calls again.
const PAUSED_RETRY_SECONDS: u64 = 30;

/// One server, as an operator sees it.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// `stdio` or `http`.
    pub transport: &'static str,
    /// Which era it speaks, once that is known.
    pub era: Option<Era>,
    /// The last health check: passed, failed, or none yet.
    pub up: Option<bool>,
    /// It takes no new calls.
    pub drained: bool,
    /// How many replicas are wanted; `None` where that is not ours to say.
    pub wanted: Option<u16>,
    /// An operator said how many.
    pub fixed: bool,
    /// Calls begun and not yet over.
    pub in_flight: i64,
    /// Calls that wait for a replica with room.
    pub waiting: i64,
    /// Child processes that run, those of sessions included.
    pub children: i64,
    /// Open sessions and streams.
    pub sessions: i64,
    /// The command that is started for it, word by word and as it is written, without secrets; none: it has an address.
    pub command: Vec<String>,
    /// What each child may use of the machine; `None` where nothing is bounded.
    pub limits: Option<LimitStatus>,
    /// The processes that run for it: those of sessions, spare ones, and those of a version that is on its way out
    /// included.
    pub processes: Vec<u32>,
    /// Its replicas, those of both versions while it is being replaced.
    pub replicas: Vec<ReplicaStatus>,
    /// What is to take its place.
    pub replacement: Option<ReplacementStatus>,
    /// It was replaced: what runs is not what is configured.
    pub replaced: bool,
}

/// What a child, with all its descendants, may use of the machine.
#[derive(Clone, Debug)]
pub struct LimitStatus {
    /// Bytes of memory.
    pub memory_bytes_max: Option<u64>,
    /// CPUs.
    pub cpus_max: Option<f64>,
    /// Open files of each of its processes.
    pub open_files_max: Option<u64>,
    /// What of it is not enforced here as it is meant, and why.
    pub not_enforced: Option<String>,
}

/// One replica of a server.
#[derive(Clone, Debug)]
pub struct ReplicaStatus {
    /// Its number; the `replica` label.
    pub slot: u16,
    /// `starting`, `ready`, `out`, `draining`, `down`, `spare`, or `session`: it is one session's alone.
    pub state: &'static str,
    /// Its process.
    pub pid: Option<u32>,
    /// Its address.
    pub address: Option<String>,
    /// How long it has been serving.
    pub age: Option<Duration>,
    /// Calls that it has.
    pub in_flight: u32,
    /// Children that were started in another's place here, since the seat was taken.
    pub restarts: u32,
    /// Why it is down.
    pub why: Option<String>,
}

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such server.
    #[error("no server is called `{0}`")]
    Unknown(String),
    /// It is reached by URL: it is started and stopped by somebody else.
    #[error("server `{0}` is reached by URL: whoever runs it can {1} it")]
    NotOurs(String, &'static str),
    /// It has a child for each session.
    #[error(
        "server `{0}` speaks the legacy era: it has a child for each session, as many as `sessions.max`; there is no number to set"
    )]
    PerSession(String),
    /// It is being replaced.
    #[error("server `{0}` is being replaced already: wait until that is over, or undo it")]
    Replacing(String),
    /// It is not being replaced, or not so that this could be done.
    #[error(
        "server `{0}`: there is no replacement now with which this could be done; `pilothouse servers` shows what goes on"
    )]
    NotReplaced(String),
    /// There is nothing to replace.
    #[error("server `{0}` runs this already")]
    SameVersion(String),
    /// It cannot be that version.
    #[error("server `{0}`: {1}")]
    NoVersion(String, ph_plan::VersionError),
    /// The version cannot run.
    #[error("{0}")]
    NotMade(String),
    /// Whoever reaches the admin listener may ask.
    #[error(
        "a command or an address that the configuration does not name is taken only where `admin.auth` is `keys`; another version of a package that it names (`NAME@VERSION`) is taken everywhere"
    )]
    OnlyWithKeys,
    /// More than there can be.
    #[error("at most {max} replicas, not {asked}")]
    TooMany {
        /// What was asked for.
        asked: u32,
        /// The bound.
        max: u16,
    },
}

impl Relay {
    /// Most replicas that an operator can ask for.
    pub const REPLICAS_MAX: u16 = 64;

    /// All servers, by name.
    pub fn servers(&self) -> Vec<ServerStatus> {
        let groups = self.shared.children_by_group();
        let upstreams = self.upstreams();
        let status = |upstream: &Arc<Upstream>| {
            let own = groups
                .iter()
                .filter(|(_, running)| running.server == upstream.server.idx);
            let mut processes: Vec<u32> = own.map(|(pid, _)| *pid).collect();
            processes.sort_unstable();
            ServerStatus {
                processes,
                command: self.command_of(upstream),
                limits: self.limits_of(upstream),
                ..upstream.status()
            }
        };
        upstreams.iter().map(status).collect()
    }

    fn command_of(&self, upstream: &Upstream) -> Vec<String> {
        let ph_plan::Upstream::Stdio(stdio) = &upstream.plan.upstream else {
            return Vec::new();
        };
        let words = std::iter::once(&stdio.command).chain(&stdio.args);
        let sink = &self.shared.parts.sink;
        let shown = words.map(|word| sink.redact(word.written()).into_owned());
        shown.collect()
    }

    fn limits_of(&self, upstream: &Upstream) -> Option<LimitStatus> {
        let ph_plan::Upstream::Stdio(stdio) = &upstream.plan.upstream else {
            return None;
        };
        let wanted = &stdio.resources;
        let limits = LimitStatus {
            memory_bytes_max: wanted.memory_max.map(ph_plan::ByteSize::bytes),
            cpus_max: wanted.cpu_max,
            open_files_max: wanted.open_files_max,
            not_enforced: not_enforced(wanted, &self.shared.parts.cgroups),
        };
        let is_any = limits.memory_bytes_max.is_some()
            || limits.cpus_max.is_some()
            || limits.open_files_max.is_some();
        is_any.then_some(limits)
    }

    /// What is started for a server when something has to be: as configured, or what has replaced that.
    pub fn version_of(&self, name: &str) -> Option<ph_plan::Upstream> {
        let upstream = self.upstream_of(name).ok()?;
        Some(upstream.plan.upstream.clone())
    }

    /// Sets the number of shared children of a server; `None` leaves it to the rules again. Holds until
    /// the server is made anew or Pilothouse ends.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn scale(&self, name: &str, number: Option<u32>) -> Result<(), ControlError> {
        let versions = self.stdio(name, "scale")?;
        let max = Self::REPLICAS_MAX;
        let number = match number.map(|n| (n, u16::try_from(n))) {
            None => None,
            Some((_, Ok(n))) if n <= max => Some(n),
            Some((asked, _)) => return Err(ControlError::TooMany { asked, max }),
        };
        if versions.iter().all(|stdio| stdio.wanted().is_none()) {
            return Err(ControlError::PerSession(name.to_owned()));
        }
        versions.iter().for_each(|stdio| stdio.scale(number));
        Ok(())
    }

    /// Puts new children in the place of a server's, one after the other. Returns at once.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn restart(&self, name: &str) -> Result<(), ControlError> {
        let versions = self.stdio(name, "restart")?;
        versions.iter().for_each(|stdio| stdio.restart());
        Ok(())
    }

    /// Gives a server no new calls and sessions, or gives it them again. Calls in flight go on.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn drain(&self, name: &str, drained: bool) -> Result<(), ControlError> {
        let upstream = self.upstream_of(name)?;
        upstream.drained.store(drained, Relaxed);
        Ok(())
    }

    /// A body for a server that gets no new calls. Answers and notifications go on: calls in flight may
    /// wait for them.
    pub(crate) async fn paused(
        &self,
        upstream: &Upstream,
        client: Box<Client>,
        body: Bytes,
        read: &RpcBody<'_>,
    ) -> Response<Body> {
        let requests: Vec<_> = match read {
            RpcBody::One(envelope) => vec![&**envelope],
            RpcBody::Batch(messages) => messages.iter().map(|(_, e)| e).collect(),
        };
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(&body).unwrap_or("");
        let server = &upstream.server;
        let calls = requests.iter().filter(|e| e.kind == Kind::Request);
        let calls: Vec<_> = calls
            .map(|e| Call::of_client(&self.shared, server, &client, text, e))
            .collect();
        if calls.is_empty() {
            return upstream.way.post(client, body, read).await;
        }
        let why = format!("server `{}` gets no new calls at the moment", server.name);
        let error = OwnError::new(503, code::UNAVAILABLE, why).retry_after(PAUSED_RETRY_SECONDS);
        let only = if calls.len() == 1 {
            calls[0].id_raw.clone()
        } else {
            None
        };
        for mut call in calls {
            call.set_error(&error.message);
            call.finish(Ending::Overload, error.status, true);
        }
        error.response(only.as_deref())
    }

    pub(crate) fn upstream_of(&self, name: &str) -> Result<Arc<Upstream>, ControlError> {
        let found = self.upstreams().into_iter();
        let mut found = found.filter(|upstream| upstream.server.name.as_str() == name);
        found
            .next()
            .ok_or_else(|| ControlError::Unknown(name.to_owned()))
    }

    /// The children of a server: of both versions while it is being replaced.
    fn stdio(&self, name: &str, what: &'static str) -> Result<Vec<Arc<StdioServer>>, ControlError> {
        let upstream = self.upstream_of(name)?;
        let next = upstream.next.as_ref().map(|next| &next.upstream);
        let versions = std::iter::once(&upstream).chain(next);
        let ours = versions.filter_map(|version| match &version.way {
            Way::Stdio(stdio) => Some(Arc::clone(stdio)),
            Way::Http(_) => None,
        });
        let ours: Vec<_> = ours.collect();
        if ours.is_empty() {
            return Err(ControlError::NotOurs(name.to_owned(), what));
        }
        Ok(ours)
    }
}

impl Upstream {
    fn status(&self) -> ServerStatus {
        let live = &self.server.live;
        let (transport, era, wanted, mut replicas) = match &self.way {
            Way::Stdio(stdio) => ("stdio", stdio.era(), stdio.wanted(), stdio.replicas()),
            Way::Http(http) => ("http", None, None, http.replicas.status()),
        };
        let next = self.next.as_ref();
        let mut more = 0;
        match next.map(|next| &next.upstream.way) {
            Some(Way::Stdio(stdio)) => {
                more = stdio.wanted().map_or(0, |(wanted, _)| wanted);
                replicas.extend(stdio.replicas());
            }
            Some(Way::Http(http)) => replicas.extend(http.replicas.status()),
            None => {}
        }
        ServerStatus {
            name: self.server.name.to_string(),
            transport,
            era,
            up: match live.up.load(Relaxed) {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
            drained: self.drained.load(Relaxed),
            wanted: wanted.map(|(wanted, _)| wanted.saturating_add(more)),
            fixed: wanted.is_some_and(|(_, fixed)| fixed),
            in_flight: live.calls_in_flight.load(Relaxed),
            waiting: live.queue_depth.load(Relaxed),
            children: live.children.load(Relaxed),
            sessions: live.active_connections.load(Relaxed),
            command: Vec::new(),
            limits: None,
            processes: Vec::new(),
            replicas,
            replacement: next.map(|next| next.status()),
            replaced: *self.configured != self.plan.upstream,
        }
    }
}
