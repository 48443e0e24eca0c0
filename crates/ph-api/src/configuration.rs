//! The configuration in its three states, and what was changed by whom, as they are asked for.

use ph_plan::Plan;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io;
use std::sync::Arc;

/// Whoever knows what was configured. No secret is in what it gives: references stay references.
pub trait Configurations: Send + Sync {
    /// All three states. Reads the file: it may block.
    fn states(&self) -> ConfigurationStates;

    /// The plan that runs.
    fn plan(&self) -> Arc<Plan>;

    /// The entries of the audit log that are wanted, the newest first. Reads files: it blocks.
    ///
    /// - `go_on`: asked now and then; where it says no, what was found so far is given.
    ///
    /// # Errors
    /// The system's error.
    fn audit(&self, wanted: &AuditWanted, go_on: &dyn Fn() -> bool) -> io::Result<AuditPage>;
}

/// The configuration as it stands on the disk, as it was refused last, and as it runs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConfigurationStates {
    /// The file; absent: a command or an address was given instead of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What stands in it now; absent where there is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskConfiguration>,
    /// What was refused last; absent: nothing, since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedConfiguration>,
    /// What runs.
    pub running: RunningConfiguration,
}

/// What stands in the file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiskConfiguration {
    /// `running`; `waiting`: it is good, and is taken up with the next look; `refused`; `unreadable`.
    pub verdict: String,
    /// When it was changed last, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<f64>,
    /// Its text without secrets; absent where nobody can say what in it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Everything that is wrong with it, each with its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<String>,
}

/// What was refused; what ran before runs on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RejectedConfiguration {
    /// When, in Unix seconds.
    pub at: f64,
    /// Why it was looked at: `SIGHUP`, `a file has changed`.
    pub cause: String,
    /// Everything that is wrong with it, each with its place.
    pub problems: String,
    /// Its text without secrets; absent where nobody can say what in it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What stands on the disk has been taken up since.
    pub is_over: bool,
}

/// What runs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunningConfiguration {
    /// A fingerprint of what it says, secrets left out.
    pub hash: String,
    /// Since when, in Unix seconds.
    pub since: f64,
    /// Why it was taken up: `start`, `SIGHUP`, `a file has changed`.
    pub cause: String,
    /// The text that it was read from, without secrets; absent without a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// All of it, every default filled in, without secrets.
    pub filled: Value,
}

/// Which entries of the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditWanted {
    /// Lines with this text, in any case; empty: all.
    pub text: String,
    /// Only this step; empty: all.
    pub step: String,
    /// At most so many.
    pub limit: usize,
}

/// Entries of the audit log.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// `false`: there may be older ones.
    pub complete: bool,
}

/// One entry of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct AuditEntry {
    /// When, as RFC 3339.
    pub ts: String,
    /// The same for all entries of one attempt.
    pub id: String,
    /// `begun`, `refused`, `done` or `failed`.
    pub step: String,
    /// Who: `key:NAME`, `anonymous`, `process`, `uid:N`.
    pub actor: String,
    /// What, as in `silence.set`.
    pub action: String,
    /// All else that the line has: `target`, `role`, `peer`, `status`, `sent`, `before`, `after`, `cause`, `why`.
    pub more: Map<String, Value>,
}
