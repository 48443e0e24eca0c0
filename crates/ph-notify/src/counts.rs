//! Our numbers.

use ph_record::catalogue::{self, Metric};
use ph_record::{Reading, SampleSource};
use ph_rules::dispatch::Dropped;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counters and gauges that the notifier writes and `/metrics` reads.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    receivers: BTreeMap<String, OfReceiver>,
    dropped_alerts: Dropped,
    dropped_offers: u64,
    state_failures: u64,
    alerts: [usize; 2],
    silences: [usize; 3],
    heartbeats: Option<[u64; 3]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfReceiver {
    delivered: u64,
    rejected: u64,
    dropped: u64,
    retries: u64,
    queued: usize,
    up: bool,
}

/// What came of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Sent,
    Failed,
    /// Rules were not evaluated.
    Withheld,
}

impl Counts {
    /// Lets there be these receivers and no other, with a heartbeat or without.
    pub(crate) fn set_names(&self, names: &BTreeSet<String>, has_heartbeat: bool) {
        let mut inner = self.inner();
        inner.receivers.retain(|name, _| names.contains(name));
        for name in names {
            // Nothing has failed yet.
            let fresh = OfReceiver {
                up: true,
                ..OfReceiver::default()
            };
            inner.receivers.entry(name.clone()).or_insert(fresh);
        }
        inner.heartbeats = has_heartbeat.then(|| inner.heartbeats.unwrap_or_default());
    }

    pub(crate) fn delivered(&self, receiver: &str) {
        self.change(receiver, |of| {
            (of.delivered, of.up) = (of.delivered + 1, true);
        });
    }

    pub(crate) fn rejected(&self, receiver: &str) {
        self.change(receiver, |of| {
            (of.rejected, of.up) = (of.rejected + 1, false);
        });
    }

    pub(crate) fn dropped(&self, receiver: &str) {
        self.change(receiver, |of| of.dropped += 1);
    }

    pub(crate) fn dropped_many(&self, receiver: &str, count: u64) {
        self.change(receiver, |of| of.dropped += count);
    }

    pub(crate) fn retried(&self, receiver: &str) {
        self.change(receiver, |of| (of.retries, of.up) = (of.retries + 1, false));
    }

    pub(crate) fn set_queued(&self, queued: &BTreeMap<&str, usize>) {
        for (receiver, count) in queued {
            self.change(receiver, |of| of.queued = *count);
        }
    }

    pub(crate) fn set_dropped_alerts(&self, dropped: Dropped) {
        self.inner().dropped_alerts = dropped;
    }

    pub(crate) fn dropped_offer(&self, alerts: usize) {
        self.inner().dropped_offers += alerts as u64;
    }

    pub(crate) fn state_failed(&self) {
        self.inner().state_failures += 1;
    }

    /// - `alerts`: active and suppressed; `silences`: active, pending, expired.
    pub(crate) fn set_levels(&self, alerts: [usize; 2], silences: [usize; 3]) {
        let mut inner = self.inner();
        (inner.alerts, inner.silences) = (alerts, silences);
    }

    pub(crate) fn beat(&self, beat: Beat) {
        let mut inner = self.inner();
        let counts = inner.heartbeats.get_or_insert_default();
        counts[beat as usize] += 1;
    }

    fn change(&self, receiver: &str, change: impl FnOnce(&mut OfReceiver)) {
        if let Some(of) = self.inner().receivers.get_mut(receiver) {
            change(of);
        }
    }

    /// Numbers are right after any panic.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SampleSource for Counts {
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        let inner = self.inner();
        let number = |count: usize| Reading::Value(count as f64);
        let count = |count: u64| Reading::Value(count as f64);
        for (name, of) in &inner.receivers {
            for (result, n) in [
                ("delivered", of.delivered),
                ("rejected", of.rejected),
                ("dropped", of.dropped),
            ] {
                out(&catalogue::ALERT_NOTIFICATIONS, &[name, result], count(n));
            }
        }
        for (name, of) in &inner.receivers {
            out(&catalogue::ALERT_RETRIES, &[name], count(of.retries));
        }
        for (name, of) in &inner.receivers {
            out(&catalogue::ALERT_QUEUED, &[name], number(of.queued));
        }
        for (name, of) in &inner.receivers {
            out(
                &catalogue::ALERT_RECEIVER_UP,
                &[name],
                count(u64::from(of.up)),
            );
        }
        let dropped = inner.dropped_alerts;
        for (reason, n) in [
            ("queue", inner.dropped_offers),
            ("alerts", dropped.alerts),
            ("groups", dropped.groups),
        ] {
            out(&catalogue::ALERTS_DROPPED, &[reason], count(n));
        }
        for (state, n) in ["active", "suppressed"].iter().zip(inner.alerts) {
            out(&catalogue::ALERTS, &[state], number(n));
        }
        for (state, n) in ["active", "pending", "expired"].iter().zip(inner.silences) {
            out(&catalogue::SILENCES, &[state], number(n));
        }
        out(
            &catalogue::ALERT_STATE_FAILURES,
            &[],
            count(inner.state_failures),
        );
        if let Some(beats) = inner.heartbeats {
            for (result, n) in ["sent", "failed", "withheld"].iter().zip(beats) {
                out(&catalogue::HEARTBEATS, &[result], count(n));
            }
        }
    }
}
