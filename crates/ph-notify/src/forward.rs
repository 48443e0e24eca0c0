//! Alerts to an Alertmanager, as a Prometheus sends them: the newest word about each, from memory.
//!
//! What is not taken is said again with the next round of rules, and what is over for some time after;
//! so nothing is kept on disk here.

use crate::body::alertmanager;
use crate::counts::Counts;
use crate::post::{Outcome, Post};
use crate::settings::Hook;
use bytes::Bytes;
use ph_rules::Alert;
use ph_rules::dispatch::fingerprint;
use ph_wire::upstream::Upstream;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Alerts that wait, at most.
const ALERTS_MAX: usize = 10_000;
/// Alerts of one request, as Prometheus has it.
const BATCH_MAX: usize = 64;
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LAST: Duration = Duration::from_secs(30);

/// What is to be sent.
#[derive(Default)]
struct Waiting {
    /// How many offers there were.
    offers: u64,
    /// By fingerprint, with the number of the offer that it came with.
    alerts: BTreeMap<u64, (u64, Alert)>,
}

/// A part of it, on its way.
type Batch = Vec<(u64, (u64, Alert))>;

/// The queue to one Alertmanager.
pub(crate) struct Forward {
    name: String,
    hook: Arc<Hook>,
    waiting: Mutex<Waiting>,
    wake: Notify,
    end: CancellationToken,
    counts: Arc<Counts>,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Forward {
    pub(crate) fn new(
        name: String,
        hook: Arc<Hook>,
        end: CancellationToken,
        counts: Arc<Counts>,
        complain: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        Self {
            name,
            hook,
            waiting: Mutex::default(),
            wake: Notify::new(),
            end,
            counts,
            complain,
        }
    }

    /// Whether it leads where `hook` does.
    pub(crate) fn is_for(&self, hook: &Hook) -> bool {
        self.hook.place.uri == hook.place.uri && self.hook.place.authority == hook.place.authority
    }

    /// Nothing more is taken, and what waits is tried once more.
    pub(crate) fn end(&self) {
        self.end.cancel();
        self.wake.notify_one();
    }

    /// Queues alerts; newer word takes the place of older.
    pub(crate) fn offer(&self, alerts: &[Alert]) {
        let mut waiting = self.waiting();
        waiting.offers += 1;
        let number = waiting.offers;
        let map = &mut waiting.alerts;
        let mut dropped = 0;
        for alert in alerts {
            let fingerprint = fingerprint(&alert.labels);
            if map.len() >= ALERTS_MAX && !map.contains_key(&fingerprint) {
                dropped += 1;
                continue;
            }
            map.insert(fingerprint, (number, alert.clone()));
        }
        let queued = map.len();
        drop(waiting);
        self.publish(queued);
        if dropped > 0 {
            self.counts.dropped_many(&self.name, dropped);
        }
        self.wake.notify_one();
    }

    /// Runs until the end has come.
    pub(crate) async fn run(self: Arc<Self>) {
        let upstream = self.hook.place.upstream();
        let mut failures = 0_u32;
        loop {
            let batch = self.batch();
            if batch.is_empty() {
                if self.end.is_cancelled() {
                    return;
                }
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.end.cancelled() => {}
                }
                continue;
            }
            let outcome = self.send(&upstream, &batch).await;
            let was_failing = failures > 0;
            match &outcome {
                Outcome::Taken => {
                    failures = 0;
                    self.take_off(&batch);
                    self.counts.delivered(&self.name);
                }
                Outcome::Refused(why) => {
                    failures = failures.saturating_add(1);
                    self.take_off(&batch);
                    self.counts.rejected(&self.name);
                    self.tell(was_failing, "refused alerts", why);
                }
                Outcome::Later(asked, why) => {
                    failures = failures.saturating_add(1);
                    self.counts.retried(&self.name);
                    self.tell(
                        was_failing,
                        "did not take alerts, which are sent again",
                        why,
                    );
                    if self.end.is_cancelled() {
                        return;
                    }
                    self.pause(failures, *asked).await;
                }
            }
        }
    }

    async fn pause(&self, failures: u32, asked: Option<Duration>) {
        let own = PAUSE_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(8));
        let pause = own.max(asked.unwrap_or_default()).min(PAUSE_LAST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.end.cancelled() => {}
        }
    }

    fn batch(&self) -> Batch {
        let waiting = self.waiting();
        let alerts = waiting.alerts.iter().take(BATCH_MAX);
        alerts
            .map(|(fingerprint, alert)| (*fingerprint, alert.clone()))
            .collect()
    }

    /// What was said anew meanwhile stays.
    fn take_off(&self, batch: &Batch) {
        let mut waiting = self.waiting();
        for (fingerprint, (number, _)) in batch {
            if waiting
                .alerts
                .get(fingerprint)
                .is_some_and(|(newest, _)| newest == number)
            {
                waiting.alerts.remove(fingerprint);
            }
        }
        let queued = waiting.alerts.len();
        drop(waiting);
        self.publish(queued);
    }

    async fn send(&self, upstream: &Upstream, batch: &Batch) -> Outcome {
        let body = alertmanager::body(batch.iter().map(|(_, (_, alert))| alert));
        let post = Post {
            place: &self.hook.place,
            headers: &self.hook.headers,
            dedupe_key: None,
            body: Some(Bytes::from(body)),
            timeout: self.hook.timeout,
        };
        post.send(upstream).await
    }

    fn tell(&self, was_failing: bool, what: &str, why: &str) {
        if !was_failing {
            (self.complain)(&format!("{} {what}: {why}", self.name));
        }
    }

    fn publish(&self, queued: usize) {
        self.counts
            .set_queued(&BTreeMap::from([(self.name.as_str(), queued)]));
    }

    /// Changed whole: a panic elsewhere leaves it in order.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
