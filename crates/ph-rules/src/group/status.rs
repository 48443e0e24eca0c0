//! How a group and its rules are doing, for whoever shows it.

use std::time::Duration;

use ph_promql::Labels;

use super::{GroupRun, RuleRun};
use crate::RuleKind;

/// A group as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// The name of its file.
    pub file: String,
    /// How often it is evaluated.
    pub interval: Duration,
    /// How many alerts or series one rule may give; 0 for any number.
    pub limit: usize,
    /// How far back expressions are evaluated.
    pub query_offset: Duration,
    /// The time of the last tick, Unix milliseconds.
    pub last_evaluation_ms: Option<i64>,
    /// How long that took.
    pub took: Duration,
    /// In the order of the file.
    pub rules: Vec<RuleStatus>,
}

/// A rule as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleStatus {
    /// The name of the metric or of the alert.
    pub name: String,
    /// The expression as written.
    pub query: String,
    /// As written, with those of the group.
    pub labels: Vec<(String, String)>,
    /// Whether it could be evaluated.
    pub health: Health,
    /// Why not.
    pub last_error: Option<String>,
    /// When it was last evaluated, Unix milliseconds.
    pub last_evaluation_ms: Option<i64>,
    /// How long that took.
    pub took: Duration,
    /// What an alerting rule has besides; none for a recording rule.
    pub alerting: Option<AlertingStatus>,
}

/// An alerting rule as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertingStatus {
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// As written.
    pub annotations: Vec<(String, String)>,
    /// That of the alert that is worst.
    pub state: AlertState,
    /// Those that are pending or fire, by their labels.
    pub alerts: Vec<ActiveAlert>,
}

/// An alert that is pending or fires.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAlert {
    /// Its labels, without external ones.
    pub labels: Labels,
    /// Expanded.
    pub annotations: Labels,
    /// Whether it fires.
    pub state: AlertState,
    /// Since when its element is there, Unix milliseconds.
    pub active_at_ms: i64,
    /// Since when it fires without an element, Unix milliseconds.
    pub keep_firing_since_ms: Option<i64>,
    /// The value of its element when that was last there.
    pub value: f64,
}

/// What an alert can be, from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// Its element is not there.
    #[default]
    Inactive,
    /// Its element is there, not yet for long enough.
    Pending,
    /// It is told to people.
    Firing,
}

impl AlertState {
    /// As Prometheus writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// Whether a rule could be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It was not tried yet.
    Unknown,
    /// Yes.
    Ok,
    /// No.
    Err,
}

impl Health {
    /// As Prometheus writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Err => "err",
        }
    }
}

impl GroupRun {
    /// How the group and its rules are doing.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        GroupStatus {
            name: self.name.clone(),
            file: self.file.clone(),
            interval: self.interval,
            limit: self.limit,
            query_offset: self.query_offset,
            last_evaluation_ms: self.last_evaluation_ms,
            took: self.took,
            rules: self.rules.iter().map(RuleRun::status).collect(),
        }
    }
}

impl RuleRun {
    fn status(&self) -> RuleStatus {
        let texts = |pairs: &[(String, crate::Template)]| {
            let text =
                |(name, value): &(String, crate::Template)| (name.clone(), value.text().to_owned());
            pairs.iter().map(text).collect()
        };
        let alerting = match &self.rule.kind {
            RuleKind::Record { .. } => None,
            RuleKind::Alert {
                hold,
                keep_firing_for,
                annotations,
                ..
            } => Some(AlertingStatus {
                hold: *hold,
                keep_firing_for: *keep_firing_for,
                annotations: texts(annotations),
                state: self.alerting.state(),
                alerts: self.alerting.active(),
            }),
        };
        RuleStatus {
            name: self.rule.name().to_owned(),
            query: self.rule.expr.text().to_owned(),
            labels: texts(&self.rule.labels),
            health: self.health,
            last_error: self.last_error.clone(),
            last_evaluation_ms: self.last_evaluation_ms,
            took: self.took,
            alerting,
        }
    }
}
