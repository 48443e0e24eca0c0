//! What the relay tells whoever keeps records.

use crate::{Anomaly, CallRecord, Replica, ServerIdx};
use ph_base::trace::{SpanId, TraceId};
use std::borrow::Cow;

/// One thing seen.
#[derive(Clone, Debug)]
pub enum Observation {
    /// A call is over.
    Call(Box<CallRecord>),
    /// A line on a child's stderr.
    Line(ServerLine),
    /// Something happened to a server.
    Event(ServerEvent),
    /// Resource use of a server's processes.
    Proc(ProcSample),
}

/// Where observations go. The relay knows nothing else of telemetry.
///
/// `observe` never blocks and never fails: what cannot be kept is counted by the sink.
pub trait RecordSink: Send + Sync + 'static {
    /// Takes one observation.
    fn observe(&self, observation: Observation);

    /// `text` as it may be shown to a client or kept: without secrets, as far as this sink knows them.
    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        crate::mask(text).map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

/// A line that a child wrote to stderr.
#[derive(Clone, Debug)]
pub struct ServerLine {
    /// Its server.
    pub server: ServerIdx,
    /// Its child.
    pub replica: Replica,
    /// Unix time in nanoseconds at which the line was read.
    pub at_unix_ns: u64,
    /// The line without its end, lossy UTF-8, at most 8 KiB.
    pub text: Box<str>,
    /// The call it belongs to, when that can be known.
    pub trace: Option<(TraceId, Option<SpanId>)>,
}

/// Why a child was started again. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RestartReason {
    /// It ended by itself.
    Exit,
    /// A signal ended it.
    Signal,
    /// It did not answer health checks, or could not be spoken to.
    Unhealthy,
    /// The configuration changed.
    Reload,
}

impl RestartReason {
    /// Every value, in index order.
    pub const ALL: [Self; 4] = [Self::Exit, Self::Signal, Self::Unhealthy, Self::Reload];

    /// The value of the `reason` label.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Unhealthy => "unhealthy",
            Self::Reload => "reload",
        }
    }
}

/// What a health check found. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HealthResult {
    /// The server answered, be it with an error: it is alive.
    Ok,
    /// It answered what is no JSON-RPC, or an HTTP 5xx.
    Error,
    /// It did not answer in time.
    Timeout,
    /// It could not be reached or started.
    Unreachable,
}

impl HealthResult {
    /// Every value, in index order.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Error, Self::Timeout, Self::Unreachable];

    /// The value of the `result` label.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

/// How the tools of a server are no longer what they were. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ToolChange {
    /// A tool that was not there.
    Added,
    /// A tool that is gone.
    Removed,
    /// Another definition of a tool.
    Changed,
    /// A tool under another name.
    Renamed,
}

impl ToolChange {
    /// Every value, in index order.
    pub const ALL: [Self; 4] = [Self::Added, Self::Removed, Self::Changed, Self::Renamed];

    /// The value of the `kind` label.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
        }
    }
}

/// Something that happened to a server, logged and counted.
#[derive(Clone, Debug)]
pub struct ServerEvent {
    /// Its server; `None` for what concerns the whole process.
    pub server: Option<ServerIdx>,
    /// Its child.
    pub replica: Replica,
    /// Unix time in nanoseconds.
    pub at_unix_ns: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a server.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A child was started.
    ChildStarted {
        /// Its process id.
        pid: u32,
    },
    /// A child ended.
    ChildExited {
        /// Its process id.
        pid: u32,
        /// `exit status: 1`, `signal: 9`, ….
        how: Box<str>,
        /// Its last lines on stderr, at most 2 KiB.
        stderr_tail: Box<str>,
        /// Pilothouse asked for it.
        expected: bool,
        /// It was ended since it used more memory than it may, by the kernel or by Pilothouse.
        over_memory: bool,
    },
    /// A child is started in another's place.
    Restart {
        /// Why.
        reason: RestartReason,
        /// How long it was waited before, in milliseconds.
        backoff_ms: u64,
    },
    /// Too many restarts in the window; none until an operator or the backoff ends it.
    CrashLoop {
        /// Restarts within the window.
        restarts: u32,
        /// The next try, in milliseconds.
        retry_in_ms: u64,
    },
    /// A health check is over.
    Health {
        /// What it found.
        result: HealthResult,
        /// How long it took, in nanoseconds.
        duration_ns: u64,
        /// Why it failed.
        error: Option<Box<str>>,
    },
    /// A request was refused before it was a call. Where a server is known, whoever refuses also counts
    /// it in [`crate::Live::refused`]; else the sink counts this event.
    Refused {
        /// Why.
        reason: crate::RefusedReason,
        /// Peer address.
        peer: Option<std::net::SocketAddr>,
    },
    /// Somebody behaves abnormally.
    Anomaly(Box<Anomaly>),
    /// A new plan is running.
    PlanLoaded {
        /// Its hash.
        hash: Box<str>,
        /// What is other than in the plan before; empty at the start.
        changes: Box<str>,
    },
    /// A plan was rejected; the old one runs on.
    PlanRejected {
        /// The diagnostics.
        reasons: Box<str>,
    },
    /// An alert fires, or has ended. Said once each time, whoever else is told how often.
    Alert {
        /// Its name.
        name: Box<str>,
        /// It began to fire; else it was resolved.
        firing: bool,
        /// Its label `severity`, or empty.
        severity: Box<str>,
        /// All its labels, as PromQL writes them.
        labels: Box<str>,
        /// Its annotation `summary`, or empty.
        summary: Box<str>,
    },
    /// A server's tools are no longer what they were.
    ToolDefinition {
        /// What happened.
        change: ToolChange,
        /// The tool.
        tool: Box<str>,
        /// What it was called before, where it was renamed.
        from: Option<Box<str>>,
        /// JSON pointers to what differs, with commas between, or empty.
        places: Box<str>,
        /// The server runs what it ran when the tool was accepted.
        same_artefact: bool,
        /// It cannot be called until it is approved.
        blocked: bool,
    },
    /// An operator has approved what a tool is now.
    ToolApproved {
        /// The tool.
        tool: Box<str>,
        /// Who it was, or empty.
        by: Box<str>,
    },
    /// The store cannot write; records are lost until it can.
    StoreFailing {
        /// Why, with its causes.
        error: Box<str>,
    },
    /// The store can write again.
    StoreRecovered {
        /// Records lost since the start, for whatever reason.
        dropped: u64,
    },
    /// Anything else worth a line (start, stop, signals).
    Note {
        /// `true` for a warning.
        warning: bool,
        /// The message.
        text: Box<str>,
    },
}

/// Resource use of one child's process group, from procfs.
#[derive(Clone, Copy, Debug)]
pub struct ProcSample {
    /// Its server.
    pub server: ServerIdx,
    /// Its children: a slot, or all children of sessions together.
    pub replica: Replica,
    /// CPU seconds used since the last sample (counters are summed by the sink), user and system.
    pub cpu_seconds_delta: f64,
    /// Bytes read from storage since the last sample.
    pub read_bytes_delta: u64,
    /// Bytes written to storage since the last sample.
    pub written_bytes_delta: u64,
    /// Resident memory now, in bytes.
    pub resident_bytes: u64,
    /// The most resident memory in the last minute, in bytes, also between two looks.
    pub resident_peak_bytes: u64,
    /// The most CPU in the last minute, in cores over some seconds.
    pub cpu_peak_cores: f64,
    /// What its control groups counted; `None` without one.
    pub cage: Option<CageSample>,
    /// Open file descriptors now.
    pub open_fds: u64,
    /// Largest share of its limit of open files that one process uses now.
    pub open_fds_ratio: f64,
    /// Processes now.
    pub processes: u64,
}

/// What the control groups of a replica's children counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CageSample {
    /// Seconds that processes waited for their share of CPU since the last sample.
    pub throttled_seconds_delta: f64,
    /// Periods in which they did, since the last sample.
    pub throttled_periods_delta: u64,
    /// The most memory that was charged to one of them since its start, cached files included. `None` where the kernel
    /// does not say.
    pub memory_peak_bytes: Option<u64>,
}
