//! An alert as it is held.

use super::incoming::Incoming;
use ph_promql::Labels;
use std::collections::BTreeSet;

/// What was last heard of an alert.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) fingerprint: u64,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) starts_at_ms: i64,
    pub(super) ends_at_ms: i64,
    pub(super) updated_at_ms: i64,
    /// `ends_at_ms` was not told, but follows from when it was last heard of.
    pub(super) is_timeout: bool,
    pub(super) generator_url: String,
    /// Groups that have told of its end, while others have not.
    pub(super) left: BTreeSet<String>,
}

impl Held {
    pub(super) fn new(fingerprint: u64, incoming: Incoming, now_ms: i64) -> Self {
        let Incoming { alert, is_timeout } = incoming;
        Self {
            fingerprint,
            labels: alert.labels,
            annotations: alert.annotations,
            starts_at_ms: alert.starts_at_ms,
            ends_at_ms: alert.ends_at_ms,
            updated_at_ms: now_ms,
            is_timeout,
            generator_url: alert.generator_url,
            left: BTreeSet::new(),
        }
    }

    pub(super) fn is_resolved(&self, now_ms: i64) -> bool {
        self.ends_at_ms <= now_ms
    }

    /// `newer` over `self`, as one alert when their times overlap.
    pub(super) fn followed_by(&self, newer: Self, now_ms: i64) -> Self {
        let within = |t: i64| self.starts_at_ms < t && t < self.ends_at_ms;
        if !within(newer.ends_at_ms) && !within(newer.starts_at_ms) {
            return newer;
        }
        let (old_is_over, new_is_over) = (self.is_resolved(now_ms), newer.is_resolved(now_ms));
        let keeps_its_end = if new_is_over {
            old_is_over
        } else {
            !self.is_timeout
        };
        let ends_at_ms = if keeps_its_end {
            newer.ends_at_ms.max(self.ends_at_ms)
        } else {
            newer.ends_at_ms
        };
        Self {
            starts_at_ms: newer.starts_at_ms.min(self.starts_at_ms),
            ends_at_ms,
            ..newer
        }
    }
}
