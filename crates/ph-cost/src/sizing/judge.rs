//! What would have happened: a container's recorded use, with other requests and limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PodSamples, Resources, Samples};

/// The kubelet waits so long before it starts a container again that was killed again and again.
const BACK_OFF_S: f64 = 300.0;

/// What was wanted in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// When it begins.
    pub at_s: i64,
    /// How long it lasts.
    pub seconds: f64,
    /// CPU, as a mean.
    pub cpu_milli: f64,
    /// CPU in the busy part of it; the rest is idle. At least the mean.
    pub cpu_busy_milli: f64,
    /// The most memory.
    pub memory_bytes: f64,
    /// Whether the container was started in it.
    pub is_start: bool,
}

/// What a choice of requests and limits would have come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SizingOutcome")]
pub struct Outcome {
    /// Days that were replayed, of all pods.
    pub pod_days: f64,
    /// The request of CPU that was paid for and not used, in core-seconds; `None` without a request.
    pub cpu_unused_core_s: Option<f64>,
    /// All of the request of CPU, in core-seconds.
    pub cpu_requested_core_s: f64,
    /// The request of memory that was paid for and not used, in GiB-seconds; `None` without a request.
    pub memory_unused_gib_s: Option<f64>,
    /// All of the request of memory, in GiB-seconds.
    pub memory_requested_gib_s: f64,
    /// Times that the limit of memory would have killed the container.
    pub oom_kills: u64,
    /// Seconds in which a runnable container would have been made to wait by its limit of CPU.
    pub throttled_s: f64,
    /// Seconds with more CPU than the request: what a crowded node would have taken away.
    pub cpu_above_request_s: f64,
    /// Seconds with more memory than the request: the container would have been among the first that a node evicts.
    pub memory_above_request_s: f64,
    /// The most memory above the request, as a share of the request.
    pub memory_above_request_most: f64,
}

impl Outcome {
    /// The share of the request of CPU that was not used, from 0 to 1.
    #[must_use]
    pub fn cpu_slack(&self) -> Option<f64> {
        share(self.cpu_unused_core_s?, self.cpu_requested_core_s)
    }

    /// The share of the request of memory that was not used, from 0 to 1.
    #[must_use]
    pub fn memory_slack(&self) -> Option<f64> {
        share(self.memory_unused_gib_s?, self.memory_requested_gib_s)
    }

    /// So many in 1,000 days of one pod.
    #[must_use]
    pub fn per_1000_pod_days(&self, count: f64) -> f64 {
        if self.pod_days > 0.0 {
            count * 1000.0 / self.pod_days
        } else {
            0.0
        }
    }

    /// Adds what another container came to.
    pub fn add(&mut self, other: &Self) {
        let is_first = self.pod_days <= 0.0;
        let sum = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (None, other) if is_first => other,
            (one, other) => Some(one? + other?),
        };
        self.cpu_unused_core_s = sum(self.cpu_unused_core_s, other.cpu_unused_core_s);
        self.memory_unused_gib_s = sum(self.memory_unused_gib_s, other.memory_unused_gib_s);
        self.pod_days += other.pod_days;
        self.cpu_requested_core_s += other.cpu_requested_core_s;
        self.memory_requested_gib_s += other.memory_requested_gib_s;
        self.oom_kills += other.oom_kills;
        self.throttled_s += other.throttled_s;
        self.cpu_above_request_s += other.cpu_above_request_s;
        self.memory_above_request_s += other.memory_above_request_s;
        self.memory_above_request_most = self
            .memory_above_request_most
            .max(other.memory_above_request_most);
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Replays all pods of a recorded container. Peaks count where they were recorded; where they were not, kills and
/// throttling are a lower bound.
#[must_use]
pub fn judge(samples: &Samples, resources: &Resources) -> Outcome {
    let mut outcome = Outcome::default();
    for pod in &samples.pods {
        outcome.add(&Outcome::of(slots(pod, samples.step_s), resources));
    }
    outcome
}

/// The slots of a pod: one for each sample of memory, with the CPU of the same time.
pub fn slots(pod: &PodSamples, step_s: u32) -> impl Iterator<Item = Slot> {
    let at = |points: &[super::Point], at_s: i64| {
        let found = points.binary_search_by_key(&at_s, |point| point.at_s);
        found.ok().map(|index| points[index].value)
    };
    let mut starts = pod.starts_s.iter().peekable();
    pod.memory_bytes.iter().map(move |point| {
        let at_s = point.at_s;
        let cpu_milli = at(&pod.cpu_milli, at_s).unwrap_or(0.0);
        let cpu_peak = at(&pod.cpu_peak_milli, at_s).unwrap_or(0.0);
        let memory_peak = at(&pod.memory_peak_bytes, at_s).unwrap_or(0.0);
        let mut is_start = false;
        while starts.next_if(|start_s| **start_s <= at_s).is_some() {
            is_start = true;
        }
        Slot {
            at_s,
            seconds: f64::from(step_s),
            cpu_milli,
            cpu_busy_milli: cpu_peak.max(cpu_milli),
            memory_bytes: memory_peak.max(point.value),
            is_start,
        }
    })
}

impl Outcome {
    /// Replays one pod.
    #[must_use]
    pub fn of(slots: impl Iterator<Item = Slot>, resources: &Resources) -> Self {
        let mut outcome = Self {
            cpu_unused_core_s: resources.cpu_request_milli.map(|_| 0.0),
            memory_unused_gib_s: resources.memory_request_bytes.map(|_| 0.0),
            ..Self::default()
        };
        let mut throttle = Throttle::default();
        let mut killer = Killer::default();
        for slot in slots {
            outcome.pod_days += slot.seconds / 86_400.0;
            outcome.requests(&slot, resources);
            if let Some(limit) = resources.cpu_limit_milli {
                outcome.throttled_s += throttle.step(&slot, limit as f64);
            }
            if let Some(limit) = resources.memory_limit_bytes {
                outcome.oom_kills += u64::from(killer.step(&slot, limit as f64));
            }
        }
        outcome
    }

    fn requests(&mut self, slot: &Slot, resources: &Resources) {
        const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
        if let (Some(request), Some(unused)) =
            (resources.cpu_request_milli, self.cpu_unused_core_s.as_mut())
        {
            let left = request as f64 - slot.cpu_milli;
            *unused += left.max(0.0) * slot.seconds / 1000.0;
            self.cpu_requested_core_s += request as f64 * slot.seconds / 1000.0;
            if left < 0.0 {
                self.cpu_above_request_s += slot.seconds;
            }
        }
        if let (Some(request), Some(unused)) = (
            resources.memory_request_bytes,
            self.memory_unused_gib_s.as_mut(),
        ) {
            let left = request as f64 - slot.memory_bytes;
            *unused += left.max(0.0) * slot.seconds / GIB;
            self.memory_requested_gib_s += request as f64 * slot.seconds / GIB;
            if left < 0.0 {
                self.memory_above_request_s += slot.seconds;
                let above = -left / (request as f64).max(1.0);
                self.memory_above_request_most = self.memory_above_request_most.max(above);
            }
        }
    }
}

/// The quota of the Completely Fair Scheduler: in each period of 100 ms a container runs at what it wants until its share
/// is used up, and waits for the rest. What is not done is done later.
#[derive(Default)]
struct Throttle {
    left_core_s: f64,
}

impl Throttle {
    fn step(&mut self, slot: &Slot, limit_milli: f64) -> f64 {
        let limit = limit_milli / 1000.0;
        if limit <= 0.0 {
            return slot.seconds;
        }
        let busy = slot.cpu_busy_milli.max(slot.cpu_milli) / 1000.0;
        let wanted = self.left_core_s + slot.cpu_milli / 1000.0 * slot.seconds;
        let done = wanted.min(limit * slot.seconds);
        self.left_core_s = wanted - done;
        if busy <= limit {
            // Only what was left over from before is in the way.
            return 0.0;
        }
        done / limit - done / busy
    }
}

/// Kills what is above the limit, and again after as long as it took to fill up.
#[derive(Default)]
struct Killer {
    /// The last time at which memory was below half of the limit, or the container was started.
    filling_since_s: Option<i64>,
    /// Not killed again before this, while it stays above the limit.
    spared_until_s: Option<f64>,
}

impl Killer {
    fn step(&mut self, slot: &Slot, limit: f64) -> bool {
        let filling_since_s = *self.filling_since_s.get_or_insert(slot.at_s);
        if slot.is_start || slot.memory_bytes < limit / 2.0 {
            self.filling_since_s = Some(slot.at_s);
        }
        if slot.memory_bytes <= limit {
            self.spared_until_s = None;
            return false;
        }
        let at_s = slot.at_s as f64;
        if self.spared_until_s.is_some_and(|until_s| at_s < until_s) {
            return false;
        }
        let fills_s = at_s - filling_since_s as f64;
        self.spared_until_s = Some(at_s + fills_s + BACK_OFF_S);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(at_s: i64, cpu_milli: f64, cpu_busy_milli: f64, memory_bytes: f64) -> Slot {
        Slot {
            at_s,
            seconds: 10.0,
            cpu_milli,
            cpu_busy_milli,
            memory_bytes,
            is_start: at_s == 0,
        }
    }

    fn with(cpu_limit_milli: Option<u64>, memory_limit_bytes: Option<u64>) -> Resources {
        Resources {
            cpu_request_milli: Some(100),
            cpu_limit_milli,
            memory_request_bytes: Some(1000),
            memory_limit_bytes,
        }
    }

    /// 2 cores wanted half of the time, 1 allowed: 10 core-seconds take 10 s instead of 5.
    #[test]
    fn who_wants_twice_the_quota_waits_half_of_the_time() {
        let slots = [slot(0, 1000.0, 2000.0, 1.0)];
        let outcome = Outcome::of(slots.into_iter(), &with(Some(1000), None));
        assert_eq!(outcome.throttled_s, 5.0);
        let free = Outcome::of(slots.into_iter(), &with(Some(2000), None));
        assert_eq!(free.throttled_s, 0.0);
    }

    #[test]
    fn what_a_quota_leaves_undone_is_done_later() {
        let slots = [slot(0, 2000.0, 2000.0, 1.0), slot(10, 0.0, 2000.0, 1.0)];
        let outcome = Outcome::of(slots.into_iter(), &with(Some(1000), None));
        // 20 core-seconds take 20 s at 1 core and would have taken 10.
        assert_eq!(outcome.throttled_s, 10.0);
    }

    #[test]
    fn a_stretch_above_the_limit_is_one_kill_until_it_has_filled_up_again() {
        // Full after 1,000 s, and above for 4,000 more: killed at 1,000 and, 1,000 + 300 s later each, at 2,300 to 4,900.
        let slots = (0..500).map(|n| slot(n * 10, 0.0, 0.0, if n < 100 { 600.0 } else { 1100.0 }));
        let outcome = Outcome::of(slots, &with(None, Some(1000)));
        assert_eq!(outcome.oom_kills, 3);
        let two = [500.0, 1100.0, 400.0, 1100.0];
        let slots = two
            .iter()
            .enumerate()
            .map(|(n, m)| slot(n as i64 * 10, 0.0, 0.0, *m));
        assert_eq!(Outcome::of(slots, &with(None, Some(1000))).oom_kills, 2);
    }

    #[test]
    fn slack_and_what_is_above_a_request_are_counted_apart() {
        let slots = [slot(0, 50.0, 50.0, 500.0), slot(10, 200.0, 200.0, 1500.0)];
        let outcome = Outcome::of(slots.into_iter(), &with(None, None));
        assert_eq!(outcome.cpu_slack(), Some(0.25));
        assert_eq!(outcome.memory_slack(), Some(0.25));
        assert_eq!(outcome.cpu_above_request_s, 10.0);
        assert_eq!(outcome.memory_above_request_s, 10.0);
        assert_eq!(outcome.memory_above_request_most, 0.5);
    }
}
