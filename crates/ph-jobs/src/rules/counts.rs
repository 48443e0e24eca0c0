//! The numbers of rules, as `/metrics` shows them.

use ph_record::catalogue::{self, Metric, RULE_SECONDS};
use ph_record::{Reading, SampleSource};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Groups that have a label of their own.
const GROUPS_MAX: usize = 99;
/// Names of alerts that have a label of their own.
const ALERTS_MAX: usize = 499;
/// All others.
const OTHER: &str = "other";

/// The numbers of all groups.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Evaluations of groups by how long they took, `+Inf` last.
    buckets: [AtomicU64; RULE_SECONDS.len() + 1],
    sum_ns: AtomicU64,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    /// By the label of the group. A group that is gone keeps its counters: they never fall.
    groups: BTreeMap<String, Arc<Totals>>,
    running: Vec<Arc<GroupCounts>>,
}

/// The numbers of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupCounts {
    totals: Arc<Totals>,
    /// Pending and firing, by the name of the alert.
    alerts: Mutex<BTreeMap<String, [u64; 2]>>,
}

/// What is summed up under one label.
#[derive(Debug, Default)]
struct Totals {
    evaluations: AtomicU64,
    failures: AtomicU64,
    missed: AtomicU64,
    last_ms: AtomicI64,
    last_ns: AtomicU64,
}

/// What one evaluation of a group came to.
pub(crate) struct Evaluated {
    pub(crate) at_ms: i64,
    pub(crate) took: Duration,
    pub(crate) rules: u64,
    pub(crate) failures: u64,
    /// Pending and firing, by the name of the alert; names without any with zeros.
    pub(crate) alerts: BTreeMap<String, [u64; 2]>,
}

impl Counts {
    /// Numbers for each of these groups; those that were counted before go on.
    pub(crate) fn replace(&self, labels: &[String]) -> Vec<Arc<GroupCounts>> {
        let mut shown = self.shown();
        let mut running = Vec::new();
        for label in labels {
            let is_own = shown.groups.contains_key(label) || shown.groups.len() < GROUPS_MAX;
            let label = if is_own { label.as_str() } else { OTHER };
            let totals = Arc::clone(shown.groups.entry(label.to_owned()).or_default());
            let alerts = Mutex::default();
            running.push(Arc::new(GroupCounts { totals, alerts }));
        }
        shown.running.clone_from(&running);
        running
    }

    pub(crate) fn evaluated(&self, group: &GroupCounts, done: Evaluated) {
        let bucket = RULE_SECONDS
            .iter()
            .position(|bound| done.took.as_secs_f64() <= *bound);
        self.buckets[bucket.unwrap_or(RULE_SECONDS.len())].fetch_add(1, Relaxed);
        let took_ns = u64::try_from(done.took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(took_ns, Relaxed);
        let totals = &group.totals;
        totals.evaluations.fetch_add(done.rules, Relaxed);
        totals.failures.fetch_add(done.failures, Relaxed);
        totals.last_ms.store(done.at_ms, Relaxed);
        totals.last_ns.store(took_ns, Relaxed);
        *group.alerts() = done.alerts;
    }

    /// A panic elsewhere leaves lists and maps in order: they are changed whole.
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupCounts {
    pub(crate) fn missed(&self, times: u64) {
        self.totals.missed.fetch_add(times, Relaxed);
    }

    /// Declares the names of alerts, so that they read 0 before the first evaluation.
    pub(crate) fn declare(&self, names: impl Iterator<Item = String>) {
        let mut alerts = self.alerts();
        for name in names {
            alerts.entry(name).or_default();
        }
    }

    fn alerts(&self) -> MutexGuard<'_, BTreeMap<String, [u64; 2]>> {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SampleSource for Counts {
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        let shown = self.shown();
        type Read = fn(&Totals) -> f64;
        let of_groups: [(&'static Metric, Read); 5] = [
            (&catalogue::RULE_EVALUATIONS, |g| {
                g.evaluations.load(Relaxed) as f64
            }),
            (&catalogue::RULE_FAILURES, |g| {
                g.failures.load(Relaxed) as f64
            }),
            (&catalogue::RULE_MISSED, |g| g.missed.load(Relaxed) as f64),
            (&catalogue::RULE_GROUP_LAST, |g| {
                g.last_ms.load(Relaxed) as f64 / 1e3
            }),
            (&catalogue::RULE_GROUP_SECONDS, |g| {
                g.last_ns.load(Relaxed) as f64 / 1e9
            }),
        ];
        for (metric, read) in of_groups {
            for (label, group) in &shown.groups {
                out(metric, &[label], Reading::Value(read(group)));
            }
        }
        let buckets: Vec<u64> = self.buckets.iter().map(|one| one.load(Relaxed)).collect();
        let sum = self.sum_ns.load(Relaxed) as f64 / 1e9;
        let buckets = buckets.as_slice();
        out(
            &catalogue::RULE_SECONDS_HIST,
            &[],
            Reading::Histogram { buckets, sum },
        );
        let mut alerts: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for group in &shown.running {
            for (name, counts) in group.alerts().iter() {
                let is_own = alerts.contains_key(name) || alerts.len() < ALERTS_MAX;
                let name = if is_own { name.as_str() } else { OTHER };
                let sums = alerts.entry(name.to_owned()).or_default();
                sums[0] += counts[0];
                sums[1] += counts[1];
            }
        }
        for (name, [pending, firing]) in &alerts {
            for (state, count) in [("pending", pending), ("firing", firing)] {
                out(
                    &catalogue::RULE_ALERTS,
                    &[name, state],
                    Reading::Value(*count as f64),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(counts: &Counts) -> Vec<String> {
        let mut lines = Vec::new();
        counts.samples(&mut |metric, labels, reading| {
            if let Reading::Value(value) = reading {
                lines.push(format!("{} {} {value}", metric.name, labels.join(",")));
            }
        });
        lines
    }

    #[test]
    fn counters_stay_when_their_group_goes_and_alerts_do_not() {
        let counts = Counts::default();
        let labels = ["f;a".to_owned(), "f;b".to_owned()];
        let groups = counts.replace(&labels);
        groups[0].declare(["Down".to_owned()].into_iter());
        assert!(shown(&counts).contains(&"pilothouse_rule_alerts Down,firing 0".to_owned()));
        let done = Evaluated {
            at_ms: 5_000,
            took: Duration::from_millis(2),
            rules: 3,
            failures: 1,
            alerts: BTreeMap::from([("Down".to_owned(), [1, 2])]),
        };
        counts.evaluated(&groups[0], done);
        groups[1].missed(4);
        let lines = shown(&counts);
        for want in [
            "pilothouse_rule_evaluations_total f;a 3",
            "pilothouse_rule_evaluation_failures_total f;a 1",
            "pilothouse_rule_evaluation_failures_total f;b 0",
            "pilothouse_rule_iterations_missed_total f;b 4",
            "pilothouse_rule_group_last_evaluation_timestamp_seconds f;a 5",
            "pilothouse_rule_alerts Down,pending 1",
            "pilothouse_rule_alerts Down,firing 2",
        ] {
            assert!(lines.contains(&want.to_owned()), "{want}: {lines:#?}");
        }
        counts.replace(&labels[1..]);
        let lines = shown(&counts);
        assert!(lines.contains(&"pilothouse_rule_evaluations_total f;a 3".to_owned()));
        assert!(!lines.iter().any(|line| line.contains("Down")));
    }

    #[test]
    fn labels_are_bounded() {
        let counts = Counts::default();
        let labels: Vec<String> = (0..300).map(|n| format!("f;{n}")).collect();
        let groups = counts.replace(&labels);
        for (n, group) in groups.iter().enumerate() {
            group.declare((0..5).map(|k| format!("A{}", n * 5 + k)));
        }
        let lines = shown(&counts);
        let of = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
        assert_eq!(of("pilothouse_rule_evaluations_total"), GROUPS_MAX + 1);
        assert_eq!(of("pilothouse_rule_alerts"), 2 * (ALERTS_MAX + 1));
    }
}
