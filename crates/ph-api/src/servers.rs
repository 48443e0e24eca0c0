//! Servers and their replicas as they are asked for and changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whoever runs the servers. Nothing of it waits.
pub trait Servers: Send + Sync {
    /// All of them, by name.
    fn servers(&self) -> Vec<ServerInfo>;

    /// Changes how one of them runs, until it is made anew or the daemon ends.
    ///
    /// # Errors
    /// [`ServerRefusal`].
    fn change(&self, name: &str, change: ServerChange) -> Result<(), ServerRefusal>;
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerRefusal {
    /// There is no such server.
    #[error("{0}")]
    Unknown(String),
    /// It is not a server that this can be done to.
    #[error("{0}")]
    NotPossible(String),
    /// It says nothing that could be done.
    #[error("{0}")]
    Senseless(String),
}

/// What is to become of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum ServerChange {
    /// Another number of replicas.
    Scale {
        /// How many, 0 to 64; `null` leaves it to the rules of the configuration again.
        replicas: Option<u32>,
    },
    /// New children in the place of those that run, one after the other.
    Restart,
    /// No new calls; calls in flight go on.
    Drain,
    /// New calls again.
    Resume,
    /// Another version takes its place, step by step.
    Replace {
        /// What.
        to: ReplaceTo,
        /// The shares of new calls and sessions that it gets one after the other, in percent; the last is 100.
        #[serde(default = "all_at_once")]
        steps: Vec<u8>,
        /// Seconds that a step lasts; `null`: until it is resumed.
        #[serde(default)]
        every_seconds: Option<u32>,
    },
    /// A replacement stays at its step.
    PauseReplacement,
    /// A replacement goes on; where a step has no time, with the next step.
    ResumeReplacement,
    /// What ran before the replacement gets everything again.
    UndoReplacement,
}

fn all_at_once() -> Vec<u8> {
    vec![100]
}

/// A version of a server. A command and an address take the role `admin`, and `admin.auth: keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ReplaceTo {
    /// The command that runs, with another version of a package among its arguments: `NAME@VERSION`.
    Package(String),
    /// Another command: the program and its arguments.
    Command(Vec<String>),
    /// Another address.
    Url(String),
}

/// A replacement that goes on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReplacementInfo {
    /// What takes the place, without secrets.
    pub to: String,
    /// `going`, `paused`, `draining` (the old version) or `undoing`.
    pub state: String,
    /// The share of new calls and sessions that it gets, in percent.
    pub weight: u8,
    /// The step, from 1 on.
    pub step: usize,
    /// The shares of all steps, in percent.
    pub steps: Vec<u8>,
    /// Seconds that a step lasts; absent: until it is resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<f64>,
    /// It answers. While it does not, the old version gets everything.
    pub up: bool,
}

/// One server.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ServerInfo {
    /// Its name.
    pub name: String,
    /// `stdio` or `http`.
    pub transport: String,
    /// `modern` or `legacy`, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub era: Option<String>,
    /// Whether the last health check passed; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// It gets no new calls.
    pub drained: bool,
    /// How many replicas are wanted; absent where that is not ours to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u16>,
    /// An operator said how many.
    pub fixed: bool,
    /// Calls begun and not yet over.
    pub in_flight: i64,
    /// Calls that wait for a replica with room.
    pub waiting: i64,
    /// Child processes that run, those of sessions and spare ones included.
    pub children: i64,
    /// Open sessions and streams.
    pub sessions: i64,
    /// The command that is started for it, word by word and as it is written, without secrets; absent: there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub command: Vec<String>,
    /// What each child may use of the machine; absent: nothing is bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ChildLimits>,
    /// The processes that run for it, those of sessions, spare ones and those on their way out included.
    pub processes: Vec<u32>,
    /// Its replicas, by slot; those of both versions while it is being replaced.
    pub replicas: Vec<ReplicaInfo>,
    /// What is to take its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<ReplacementInfo>,
    /// What runs is not what is configured: it was replaced.
    pub replaced: bool,
}

/// What a child, with all its descendants, may use of the machine. What is absent is not bounded.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChildLimits {
    /// Bytes of memory; beyond it the child is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// CPUs, as in `0.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Open files of each of its processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// What of it is not enforced here as it is meant, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_enforced: Option<String>,
}

/// One replica.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReplicaInfo {
    /// Its number; the label `replica`.
    pub slot: u16,
    /// `starting`, `ready`, `out` (left out for a while), `draining` or `down`.
    pub state: String,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Seconds for which it has been serving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
    /// Calls that it has.
    pub in_flight: u32,
    /// Children that came in another's place here.
    pub restarts: u32,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
