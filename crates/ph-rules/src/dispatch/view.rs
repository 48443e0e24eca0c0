//! What can be seen from outside.

use super::rows::MatcherRow;
use super::silence::SilenceState;
use ph_promql::Labels;

/// An alert that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertView {
    /// See [`super::fingerprint()`].
    pub fingerprint: u64,
    /// Its identity.
    pub labels: Labels,
    /// What it says.
    pub annotations: Labels,
    /// Unix milliseconds.
    pub starts_at_ms: i64,
    /// Unix milliseconds at which it counts as resolved unless it is heard of again.
    pub ends_at_ms: i64,
    /// Unix milliseconds at which it was last heard of.
    pub updated_at_ms: i64,
    /// Where its expression can be looked at.
    pub generator_url: String,
    /// Who hears of it.
    pub receivers: Vec<String>,
    /// Ids of the silences that keep it quiet.
    pub silenced_by: Vec<String>,
    /// Fingerprints of the alerts that keep it quiet.
    pub inhibited_by: Vec<u64>,
}

impl AlertView {
    /// Somebody or something keeps it quiet.
    pub fn is_suppressed(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }
}

/// Alerts that are told of together.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupView {
    /// The labels that it was made by.
    pub labels: Labels,
    /// Who hears of it.
    pub receiver: String,
    /// Those that are not over.
    pub alerts: Vec<AlertView>,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceView {
    /// A UUID.
    pub id: String,
    /// Which alerts.
    pub matchers: Vec<MatcherRow>,
    /// Unix milliseconds.
    pub starts_at_ms: i64,
    /// Unix milliseconds.
    pub ends_at_ms: i64,
    /// Unix milliseconds.
    pub updated_at_ms: i64,
    /// Whose it is.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Where it is in its life.
    pub state: SilenceState,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Our version.
    pub version: String,
    /// Unix milliseconds at which it was started.
    pub started_at_ms: i64,
    /// Routes and receivers as Alertmanager would have them configured, without secrets.
    pub config: String,
    /// Names of the receivers.
    pub receivers: Vec<String>,
    /// Milliseconds after which a posted alert without an end counts as resolved.
    pub resolve_timeout_ms: i64,
}
