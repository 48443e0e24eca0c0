//! What every part of the relay holds on to.

use crate::crowd::Crowd;
use crate::pins::Board;
use arc_swap::ArcSwap;
use ph_mcp::ServerMessage;
use ph_policy::anomaly::Blocks;
use ph_record::{
    EventKind, Observation, RecordSink, Replica, Server, ServerEvent, ServerIdx, ServerTable,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a relay is given.
pub struct SharedParts {
    /// Where observations go.
    pub sink: Arc<dyn RecordSink>,
    /// The servers by index.
    pub table: Arc<ServerTable>,
    /// Calls in flight; stopping waits for it.
    pub calls: TaskTracker,
    /// Who is refused for what was abnormal.
    pub blocks: Arc<ArcSwap<Blocks>>,
    /// Cancelled when whoever is left is cut.
    pub abort: CancellationToken,
    /// Cancelled when streams that stay open by design are to end.
    pub end_streams: CancellationToken,
    /// Cancelled when children are to end (after the calls).
    pub end_children: CancellationToken,
    /// The threads that carry calls.
    pub workers: Arc<ph_wire::workers::Workers>,
    /// Kills orphans when Pilothouse is killed.
    pub reaper: ph_wire::reaper::Reaper,
    /// Where children with bounds on memory or CPU get a group of their own.
    pub cgroups: Arc<ph_wire::cgroup::Cgroups>,
    /// Variables for children that are to export spans themselves.
    pub otel_env: Vec<(String, String)>,
}

/// Who is asked before a child is started.
pub trait StartGate: Send + Sync {
    /// Why it may not be started, in words for the operator and for clients. It is asked on a thread that carries
    /// calls: it may look at files, and must not wait for anything else.
    fn refusal(&self, server: &str, stdio: &ph_plan::Stdio) -> Option<String>;
}

/// What every part of the relay holds on to.
pub struct Shared {
    pub(crate) parts: SharedParts,
    /// Asked before each start of a child.
    pub(crate) gate: OnceLock<Arc<dyn StartGate>>,
    /// Spans are recorded: the trace context is passed on as ours.
    traced: AtomicBool,
    /// `params` are kept on records, at most this many bytes; 0 is off.
    params_bytes_max: AtomicUsize,
    /// Child processes of all servers, running or being ended.
    children: AtomicUsize,
    children_max: AtomicUsize,
    started: AtomicUsize,
    /// What each client has of sessions and streams.
    pub(crate) crowd: Arc<Crowd>,
    /// Sessions on children of ours, of all servers.
    sessions: AtomicUsize,
    sessions_max: AtomicUsize,
    /// Who wants to know when a server's tools are others, by server.
    tool_watchers: ArcSwap<HashMap<ServerIdx, Arc<Board>>>,
    /// Running children by process group.
    groups: Mutex<HashMap<u32, Running>>,
}

/// A running child, as whoever samples its resource use knows it.
#[derive(Clone)]
pub(crate) struct Running {
    pub server: ServerIdx,
    pub replica: Replica,
    /// Set where we have to look after its memory, since the kernel does not.
    pub memory: Option<Arc<MemoryWatch>>,
}

/// A bound on the memory of a process group that is looked at from time to time.
pub(crate) struct MemoryWatch {
    pub bytes_max: u64,
    /// Bytes that were used when it was exceeded.
    used: AtomicU64,
    exceeded: CancellationToken,
}

impl MemoryWatch {
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            used: AtomicU64::new(0),
            exceeded: CancellationToken::new(),
        })
    }

    /// The group uses this much now.
    pub(crate) fn look(&self, resident_bytes: u64) {
        if resident_bytes > self.bytes_max {
            self.used.fetch_max(resident_bytes, Relaxed);
            self.exceeded.cancel();
        }
    }

    /// Waits until more is used than may be; says how much.
    pub(crate) async fn exceeded(&self) -> u64 {
        self.exceeded.cancelled().await;
        self.used.load(Relaxed)
    }
}

/// One of the `sessions.max`, until dropped.
pub(crate) struct SessionSlot(Arc<Shared>);

impl Drop for SessionSlot {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Relaxed);
    }
}

/// One of the `children.max`, until dropped.
pub(crate) struct ChildSlot {
    shared: Arc<Shared>,
    number: usize,
}

impl ChildSlot {
    /// Rises with every child, to spread them over the workers.
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

impl Drop for ChildSlot {
    fn drop(&mut self) {
        self.shared.children.fetch_sub(1, Relaxed);
    }
}

impl Shared {
    /// Shares `parts`.
    pub fn new(parts: SharedParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            gate: OnceLock::new(),
            traced: AtomicBool::new(false),
            params_bytes_max: 0.into(),
            children: 0.into(),
            children_max: usize::MAX.into(),
            started: 0.into(),
            crowd: Arc::default(),
            sessions: 0.into(),
            sessions_max: usize::MAX.into(),
            tool_watchers: ArcSwap::default(),
            groups: Mutex::default(),
        })
    }

    /// Who is asked before a child is started, from now on; the first that is given stays.
    pub fn guard_starts(&self, gate: Arc<dyn StartGate>) {
        let _ = self.gate.set(gate);
    }

    /// Says whether spans are recorded, and how many bytes of params are kept.
    pub fn configure(&self, traced: bool, params_bytes_max: usize) {
        self.traced.store(traced, Relaxed);
        self.params_bytes_max.store(params_bytes_max, Relaxed);
    }

    /// A child runs in this process group now.
    pub(crate) fn child_runs(&self, group: u32, running: Running) {
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(group, running);
    }

    /// It does no longer.
    pub(crate) fn child_gone(&self, group: u32) {
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&group);
    }

    pub(crate) fn children_by_group(&self) -> HashMap<u32, Running> {
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_bounds(&self, children_max: usize, sessions_max: usize) {
        self.children_max.store(children_max, Relaxed);
        self.sessions_max.store(sessions_max, Relaxed);
    }

    /// A place for one more session; `None` when there are `sessions.max`.
    pub(crate) fn session_slot(self: &Arc<Self>) -> Option<SessionSlot> {
        let max = self.sessions_max.load(Relaxed);
        let taken = self
            .sessions
            .fetch_update(Relaxed, Relaxed, |n| (n < max).then_some(n + 1));
        taken.ok().map(|_| SessionSlot(Arc::clone(self)))
    }

    /// A slot for one more child; `None` when there are `children.max`.
    pub(crate) fn child_slot(self: &Arc<Self>) -> Option<ChildSlot> {
        let max = self.children_max.load(Relaxed);
        let taken = self
            .children
            .fetch_update(Relaxed, Relaxed, |n| (n < max).then_some(n + 1));
        taken.ok()?;
        Some(ChildSlot {
            shared: Arc::clone(self),
            number: self.started.fetch_add(1, Relaxed),
        })
    }

    /// These want to know when their servers' tools are others.
    pub(crate) fn watch_tools(&self, watchers: HashMap<ServerIdx, Arc<Board>>) {
        self.tool_watchers.store(Arc::new(watchers));
    }

    /// A server has sent a notification.
    pub(crate) fn notified(&self, server: &Server, message: &ServerMessage) {
        if message.method.as_deref() == Some("notifications/tools/list_changed")
            && let Some(board) = self.tool_watchers.load().get(&server.idx)
        {
            board.ask_again();
        }
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.traced.load(Relaxed)
    }

    pub(crate) fn params_bytes_max(&self) -> usize {
        self.params_bytes_max.load(Relaxed)
    }

    pub(crate) fn event(&self, server: Option<&Server>, replica: Replica, kind: EventKind) {
        let server = server.map(|s| s.idx);
        self.parts.sink.observe(Observation::Event(ServerEvent {
            server,
            replica,
            at_unix_ns: unix_ns(),
            kind,
        }));
    }
}

/// Now, as Unix time in nanoseconds.
pub(crate) fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}
