//! Which pods count: those that are ready, those that are not yet, those of which nothing was measured.

use serde::{Deserialize, Serialize};

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Its containers were started.
    #[default]
    Running,
    /// Not placed, or its images are fetched.
    Pending,
    /// It ended, and is replaced.
    Failed,
}

/// The condition `Ready` of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Whether it is.
    pub is_ready: bool,
    /// Since when it is, or is not.
    pub since_s: i64,
}

/// A pod, as the controller sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Where it is in its life.
    pub phase: Phase,
    /// It is being deleted.
    pub is_deleted: bool,
    /// When it was started; `None` before the kubelet has seen it.
    pub started_s: Option<i64>,
    /// `None` while the condition is not there.
    pub ready: Option<Ready>,
}

/// What was measured of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// In thousandths.
    pub value_milli: i64,
    /// End of the time that it is of.
    pub at_s: i64,
    /// Length of that time.
    pub window_s: i64,
}

/// A pod with what is known of it for one metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The pod.
    pub pod: Pod,
    /// What was measured: the sum over its containers, or of the one that the metric names.
    pub sample: Option<Sample>,
    /// What it requests of the resource; `None` if one of its containers requests nothing.
    pub request_milli: Option<i64>,
    /// So many further pods are just like it, and stand here with it.
    pub further: i64,
}

/// How long a pod's CPU says nothing, because it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Startup {
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`.
    pub cpu_initialization_s: i64,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`.
    pub initial_readiness_s: i64,
}

impl Default for Startup {
    fn default() -> Self {
        Self {
            cpu_initialization_s: 300,
            initial_readiness_s: 30,
        }
    }
}

/// What a pod counts as, for one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Its sample counts.
    Ready,
    /// Its sample does not count yet.
    Unready,
    /// It has no sample.
    Missing,
    /// It is on its way out.
    Ignored,
}

/// How many pods count as what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Ready, with a sample.
    pub ready: i64,
    /// Not ready yet.
    pub unready: i64,
    /// Without a sample.
    pub missing: i64,
    /// Failed or being deleted.
    pub ignored: i64,
}

impl Seen {
    /// So many pods it is.
    #[must_use]
    pub fn pods(&self) -> i64 {
        1 + self.further
    }

    /// What this pod counts as.
    ///
    /// - `cpu`: for CPU, how long starting takes; only CPU looks at readiness.
    #[must_use]
    pub fn group(&self, cpu: Option<Startup>, now_s: i64) -> Group {
        if self.pod.is_deleted || self.pod.phase == Phase::Failed {
            return Group::Ignored;
        }
        if self.pod.phase == Phase::Pending {
            return Group::Unready;
        }
        let Some(sample) = self.sample else {
            return Group::Missing;
        };
        match cpu {
            Some(startup) if self.pod.is_starting(sample, startup, now_s) => Group::Unready,
            _ => Group::Ready,
        }
    }
}

impl Pod {
    /// Running and ready: one of those that `Value` metrics scale.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Running && self.ready.is_some_and(|ready| ready.is_ready)
    }

    /// Whether its CPU is that of starting.
    fn is_starting(&self, sample: Sample, startup: Startup, now_s: i64) -> bool {
        let (Some(ready), Some(started_s)) = (self.ready, self.started_s) else {
            return true;
        };
        if started_s + startup.cpu_initialization_s > now_s {
            !ready.is_ready || sample.at_s < ready.since_s + sample.window_s
        } else {
            // Later only one that was never ready.
            !ready.is_ready && started_s + startup.initial_readiness_s > ready.since_s
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_of_a_start_does_not_count() {
        let at = |started_s: i64, is_ready: bool, since_s: i64, at_s: i64| Seen {
            pod: Pod {
                started_s: Some(started_s),
                ready: Some(Ready { is_ready, since_s }),
                ..Pod::default()
            },
            sample: Some(Sample {
                value_milli: 1,
                at_s,
                window_s: 30,
            }),
            request_milli: Some(1),
            further: 0,
        };
        let startup = Some(Startup::default());
        #[track_caller]
        fn check(seen: Seen, startup: Option<Startup>, want: Group) {
            assert_eq!(seen.group(startup, 1_000), want);
        }
        // Within five minutes: the sample must be of a time in which it was ready.
        check(at(900, true, 910, 940), startup, Group::Ready);
        check(at(900, true, 910, 939), startup, Group::Unready);
        check(at(900, false, 910, 999), startup, Group::Unready);
        // Later: one that was ready once counts though it is not now, one that never was does not.
        check(at(100, false, 500, 999), startup, Group::Ready);
        check(at(100, false, 110, 999), startup, Group::Unready);
        check(at(100, true, 110, 0), startup, Group::Ready);
        // Other metrics do not look at it.
        check(at(900, false, 910, 0), None, Group::Ready);
        let mut pending = at(900, true, 0, 0);
        pending.pod.phase = Phase::Pending;
        check(pending, None, Group::Unready);
        pending.pod.is_deleted = true;
        check(pending, None, Group::Ignored);
    }
}
