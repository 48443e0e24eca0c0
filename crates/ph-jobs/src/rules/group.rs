//! One group, tick after tick.

use super::Outlet;
use super::counts::{Counts, Evaluated, GroupCounts};
use super::local::Local;
use super::overlay::Overlay;
use super::ticker::Job;
use ph_promql::{Labels, SeriesSource, is_stale};
use ph_rules::{Alert, GroupRun, GroupStatus};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// What all groups share.
pub(crate) struct Common {
    pub(crate) store: Arc<dyn SeriesSource + Send + Sync>,
    pub(crate) outlet: Arc<dyn Outlet>,
    pub(crate) overlay: Overlay,
    pub(crate) counts: Counts,
    /// Everything ends: an expression that is being answered is given up.
    pub(crate) is_over: AtomicBool,
}

/// A group as others see it.
pub(crate) struct Shown {
    /// `None` once another one has taken over its state.
    run: Mutex<Option<GroupRun>>,
    /// As it was when somebody looked last.
    last: Mutex<Option<GroupStatus>>,
}

/// A group that is evaluated.
pub(crate) struct GroupJob {
    pub(crate) common: Arc<Common>,
    pub(crate) key: String,
    pub(crate) interval: Duration,
    pub(crate) rules: u64,
    pub(crate) names: Vec<String>,
    pub(crate) shown: Arc<Shown>,
    pub(crate) counts: Arc<GroupCounts>,
    /// Alerts that were said to fire, and since when.
    pub(crate) said: HashMap<Labels, i64>,
    /// What fired before the start was taken up again.
    pub(crate) is_restored: bool,
}

/// One tick may take so long, or an interval if that is more.
const TICK_MIN: Duration = Duration::from_secs(30);

impl Shown {
    pub(crate) fn new(run: GroupRun) -> Self {
        Self {
            run: Mutex::new(Some(run)),
            last: Mutex::default(),
        }
    }

    /// How the group is doing; while it is being evaluated, how it was when that was asked before.
    pub(crate) fn status(&self) -> Option<GroupStatus> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_busy = matches!(self.run.try_lock(), Err(TryLockError::WouldBlock));
        if !(is_busy && last.is_some())
            && let Some(run) = &*self.run()
        {
            *last = Some(run.status());
        }
        last.clone()
    }

    /// Changed whole: a panic of a rule leaves it in order.
    pub(crate) fn run(&self) -> MutexGuard<'_, Option<GroupRun>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job for GroupJob {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn interval_ms(&self) -> i64 {
        i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX)
    }

    fn run(&mut self, due_ms: i64) {
        let begun = Instant::now();
        let common = Arc::clone(&self.common);
        let limit = self.interval.max(TICK_MIN);
        let mut local = Local::new(&*common.store, &common.overlay, limit, &common.is_over);
        let shown = Arc::clone(&self.shown);
        let mut guard = shown.run();
        let Some(run) = &mut *guard else {
            return;
        };
        if !self.is_restored {
            // What cannot be known begins anew; why is said when the rule itself is evaluated.
            let _unknown = run.restore(due_ms, &mut local);
            self.is_restored = true;
        }
        local.forget_times();
        let tick = run.tick(due_ms, &mut local);
        let took = begun.elapsed();
        run.took(took, local.times());
        drop(guard);
        let evaluated = Evaluated {
            at_ms: due_ms,
            took,
            rules: self.rules,
            failures: tick.failures.len() as u64,
            alerts: self.states(&tick.samples),
        };
        common.counts.evaluated(&self.counts, evaluated);
        if !tick.samples.is_empty() {
            common
                .outlet
                .samples(&self.key, tick.samples_at_ms, tick.samples);
        }
        self.say(&tick.alerts);
        if !tick.alerts.is_empty() {
            common.outlet.alerts(tick.alerts);
        }
        common.outlet.evaluated();
    }

    fn missed(&mut self, times: u64) {
        self.counts.missed(times);
    }
}

impl GroupJob {
    /// Goes on where the group of the same name stood.
    pub(crate) fn adopt(&mut self, old: Self) {
        if let (Some(run), Some(old)) = (&mut *self.shown.run(), old.shown.run().take()) {
            run.adopt(old);
        }
        self.said = old.said;
        // The end of an alert whose rule is gone is told by nobody.
        let is_known = |labels: &Labels| {
            let name = labels.get("alertname").unwrap_or_default();
            self.names.iter().any(|known| known == name)
        };
        self.said.retain(|labels, _| is_known(labels));
        self.is_restored = old.is_restored;
    }

    /// The end of a group that is no longer wanted.
    pub(crate) fn end(self, now_ms: i64) {
        let run = self.shown.run().take();
        if let Some(tick) = run.map(|run| run.end(now_ms)) {
            let Common {
                overlay, outlet, ..
            } = &*self.common;
            overlay.add(tick.samples_at_ms, &tick.samples);
            outlet.samples(&self.key, tick.samples_at_ms, tick.samples);
        }
    }

    /// Pending and firing, by the name of the alert, as the samples say it.
    fn states(&self, samples: &[(Labels, f64)]) -> BTreeMap<String, [u64; 2]> {
        let zeros = self.names.iter().map(|name| (name.clone(), [0; 2]));
        let mut states: BTreeMap<String, [u64; 2]> = zeros.collect();
        for (labels, v) in samples {
            if labels.metric_name() != Some("ALERTS") || is_stale(*v) {
                continue;
            }
            let of_name = states.get_mut(labels.get("alertname").unwrap_or_default());
            if let Some(counts) = of_name {
                counts[usize::from(labels.get("alertstate") == Some("firing"))] += 1;
            }
        }
        states
    }

    /// Says what began to fire and what ended, once each; alerts are handed on far more often.
    fn say(&mut self, alerts: &[Alert]) {
        for alert in alerts {
            let known = self.said.get(&alert.labels).copied();
            if alert.resolved {
                if known.is_some() {
                    self.said.remove(&alert.labels);
                    self.common.outlet.changed(alert);
                }
            } else if known != Some(alert.starts_at_ms) {
                self.said.insert(alert.labels.clone(), alert.starts_at_ms);
                self.common.outlet.changed(alert);
            }
        }
    }
}
