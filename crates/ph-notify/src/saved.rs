//! A notification as it lies in the outbox.

use ph_promql::Labels;
use ph_rules::dispatch::{Notification, Told};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) type Pairs = BTreeMap<String, String>;

/// Everything that a receiver is told, whatever its form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) receiver: String,
    pub(crate) group_key: String,
    pub(crate) group_labels: Pairs,
    pub(crate) alerts: Vec<SavedAlert>,
    pub(crate) at_ms: i64,
    pub(crate) dedupe_key: String,
}

/// One alert of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedAlert {
    pub(crate) fingerprint: u64,
    pub(crate) labels: Pairs,
    pub(crate) annotations: Pairs,
    pub(crate) starts_at_ms: i64,
    pub(crate) ends_at_ms: Option<i64>,
    pub(crate) generator_url: String,
}

impl Saved {
    pub(crate) fn is_firing(&self) -> bool {
        self.alerts.iter().any(|alert| alert.ends_at_ms.is_none())
    }
}

impl From<&Notification> for Saved {
    fn from(told: &Notification) -> Self {
        Self {
            receiver: told.receiver.clone(),
            group_key: told.group_key.clone(),
            group_labels: pairs(&told.group_labels),
            alerts: told.alerts.iter().map(SavedAlert::from).collect(),
            at_ms: told.at_ms,
            dedupe_key: told.dedupe_key.clone(),
        }
    }
}

impl From<&Told> for SavedAlert {
    fn from(told: &Told) -> Self {
        Self {
            fingerprint: told.fingerprint,
            labels: pairs(&told.labels),
            annotations: pairs(&told.annotations),
            starts_at_ms: told.starts_at_ms,
            ends_at_ms: told.ends_at_ms,
            generator_url: told.generator_url.clone(),
        }
    }
}

pub(crate) fn pairs(labels: &Labels) -> Pairs {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
