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
}

/// What is to become of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Its replicas, by slot.
    pub replicas: Vec<ReplicaInfo>,
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
