//! One MCP server behind Pilothouse: how it is reached and what it may use.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checked::{EnvName, FilePath, HeaderKey};
use crate::choices::Isolation;
use crate::pins::PinMode;
use crate::plan::{hours, minutes, ms, secs};
use crate::replicas::{Eject, Replicas};
use crate::section::section;
use crate::text::{Endpoint, Secret, Text};
use crate::units::ByteSize;

/// One MCP server behind Pilothouse.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// How it is reached.
    pub upstream: Upstream,
    /// Times after which a step of a call is given up.
    pub timeouts: Timeouts,
    /// Bounds on calls and frames.
    pub limits: Limits,
    /// Active probes.
    pub health: Health,
    /// How many replicas there are.
    pub replicas: Replicas,
    /// When one of them is left out.
    pub eject: Eject,
    /// Log files that its tools write; each new line is kept.
    pub log_files: Vec<FilePath>,
    /// What is done when its tools are no longer what they were; `pins.mode` if absent.
    pub pins: Option<PinMode>,
    /// Where its source or lockfile is, if the command does not show it.
    pub source: Option<FilePath>,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Upstream {
    /// A child process that speaks over its standard streams.
    Stdio(Stdio),
    /// A Streamable HTTP endpoint.
    Http(HttpUpstream),
}

/// A child process that speaks MCP over its standard streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Stdio {
    /// The program: a path, or a name looked up in `PATH`.
    pub command: Text,
    /// Its arguments.
    pub args: Vec<Text>,
    /// Variables set for it, besides those it inherits from Pilothouse.
    pub env: BTreeMap<EnvName, Secret>,
    /// Its working directory; Pilothouse's own if absent.
    pub cwd: Option<FilePath>,
    /// How children are shared among sessions.
    pub isolation: Isolation,
    /// Spare children kept ready for sessions that get a child of their own.
    pub prewarm: u32,
    /// Whether the child is given `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME`.
    pub otel: bool,
    /// What happens when it ends unasked.
    pub restart: Restart,
    /// How it is ended.
    pub stop: ChildStop,
    /// What it may use of the machine.
    pub resources: Resources,
}

/// A Streamable HTTP endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpUpstream {
    /// Its address.
    pub url: Endpoint,
    /// Further addresses of the same server.
    pub others: Vec<Endpoint>,
    /// Headers added to every request, names in lower case.
    pub headers: BTreeMap<HeaderKey, Secret>,
    /// PEM file of the certificate authorities trusted instead of the system's.
    pub ca_file: Option<FilePath>,
    /// Whether it sends its spans to Pilothouse, so that calls carry our trace context on.
    pub otel: bool,
}

section! {
    /// Times after which a step of a call is given up. None of them applies to streams that a
    /// client holds open to listen.
    pub struct Timeouts {
        /// Time to connect, TLS included.
        connect: Duration = secs(5), in ms(1)..=minutes(10);
        /// Time from the request to the first byte of the answer.
        first_byte: Duration = secs(60), in ms(1)..=hours(24);
        /// Quiet time between two pieces of an answer.
        idle: Duration = minutes(5), in ms(1)..=hours(24);
        /// Time of a whole call.
        total: Duration = minutes(10), in ms(1)..=hours(24);
        /// Time for `initialize`, the start of the child included.
        initialize: Duration = secs(60), in ms(1)..=hours(1);
    }
}

section! {
    /// Bounds on calls and frames of one server.
    pub struct Limits {
        /// Calls at the same time; further ones wait.
        in_flight_max: u32 = 256, in 1..=1_000_000;
        /// Calls that wait; beyond it 503.
        queue_max: u32 = 1024, in 0..=1_000_000;
        /// Longest line of a child's output.
        line_bytes_max: ByteSize = ByteSize::mib(16), in ByteSize::kib(4)..=ByteSize::gib(1);
    }
}

section! {
    /// Active probes of one server: `ping` or `server/discover`.
    pub struct Health {
        /// Whether the server is probed.
        enabled: bool = true;
        /// Time between two probes.
        interval: Duration = secs(15), in ms(100)..=hours(1);
        /// Time for one probe.
        timeout: Duration = secs(5), in ms(10)..=minutes(10);
    }
}

section! {
    /// What happens when a child ends unasked.
    pub struct Restart {
        /// Wait before the first restart; doubled for each further one.
        backoff_min: Duration = ms(500), in ms(1)..=hours(1);
        /// Longest wait before a restart.
        backoff_max: Duration = secs(30), in ms(1)..=hours(24);
        /// Ends within `crash_loop_window` after which the server counts as crash-looping.
        crash_loop_max: u32 = 5, in 1..=1_000;
        /// The time over which ends are counted.
        crash_loop_window: Duration = minutes(2), in secs(1)..=hours(24);
    }
}

section! {
    /// How a child is ended: end of input, then SIGTERM, then SIGKILL.
    pub struct ChildStop {
        /// Time between the end of its input and SIGTERM.
        stdin_grace: Duration = secs(2), in Duration::ZERO..=minutes(10);
        /// Time between SIGTERM and SIGKILL.
        term_grace: Duration = secs(3), in Duration::ZERO..=minutes(10);
    }
}

section! {
    /// What a child may use of the machine; absent means no limit.
    pub struct Resources {
        /// Memory of a child with its descendants. Beyond it the child is killed, and started
        /// again as after any unasked end.
        memory_max: Option<ByteSize> = None, in ByteSize::mib(1)..=ByteSize::gib(64 * 1024);
        /// CPUs of a child with its descendants, as in `0.5`. Enforced by control groups (version
        /// 2) only.
        cpu_max: Option<f64> = None, in 0.01..=1024.0;
        /// Open files of each process of the child.
        open_files_max: Option<u64> = None, in 16..=1_048_576;
    }
}
