//! What a receiver is told.

use ph_promql::Labels;

/// One message to one receiver, about one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Name of the receiver.
    pub receiver: String,
    /// Names the group: `{}:{alertname="A"}`.
    pub group_key: String,
    /// The labels that the group was made by.
    pub group_labels: Labels,
    /// What it is about, never empty.
    pub alerts: Vec<Told>,
    /// Unix milliseconds at which it was decided.
    pub at_ms: i64,
    /// The same in every attempt to send it, and in no other notification.
    pub dedupe_key: String,
    /// Nothing has changed since the last one.
    pub is_repeat: bool,
}

/// An alert in a notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// See [`super::fingerprint()`].
    pub fingerprint: u64,
    /// Its identity.
    pub labels: Labels,
    /// What it says.
    pub annotations: Labels,
    /// Unix milliseconds.
    pub starts_at_ms: i64,
    /// Unix milliseconds; none while it fires.
    pub ends_at_ms: Option<i64>,
    /// Where its expression can be looked at.
    pub generator_url: String,
}

impl Notification {
    /// Whether any of its alerts fires.
    pub fn is_firing(&self) -> bool {
        self.alerts.iter().any(|alert| alert.ends_at_ms.is_none())
    }
}
