//! What was recorded of a container, and what it asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds since an epoch that all points share. Days begin at multiples of 86,400.
    pub at_s: i64,
    /// The value, in the unit that the series is named after.
    pub value: f64,
}

/// The recorded use of one container, in all its pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Seconds between two samples, as they should be.
    pub step_s: u32,
    /// One entry for each pod.
    pub pods: Vec<PodSamples>,
}

impl Samples {
    /// What was recorded before the middle of the time, and what after it. A pod is in a half only if it ran then.
    pub(super) fn halves(&self) -> (Self, Self) {
        let times = self.pods.iter().flat_map(|pod| {
            let ends = [pod.memory_bytes.first(), pod.memory_bytes.last()];
            ends.into_iter().flatten().map(|point| point.at_s)
        });
        let (from_s, to_s) = times.fold((i64::MAX, i64::MIN), |(from_s, to_s), at_s| {
            (from_s.min(at_s), to_s.max(at_s))
        });
        let middle_s = from_s.saturating_add(to_s.saturating_sub(from_s) / 2);
        let half = |keeps: &dyn Fn(i64) -> bool| Self {
            step_s: self.step_s,
            pods: self
                .pods
                .iter()
                .map(|pod| pod.only(keeps))
                .filter(|pod| !pod.memory_bytes.is_empty())
                .collect(),
        };
        (
            half(&|at_s| at_s < middle_s),
            half(&|at_s| at_s >= middle_s),
        )
    }
}

impl PodSamples {
    fn only(&self, keeps: &dyn Fn(i64) -> bool) -> Self {
        let of = |points: &[Point]| -> Vec<Point> {
            points
                .iter()
                .copied()
                .filter(|point| keeps(point.at_s))
                .collect()
        };
        Self {
            name: self.name.clone(),
            cpu_milli: of(&self.cpu_milli),
            memory_bytes: of(&self.memory_bytes),
            cpu_peak_milli: of(&self.cpu_peak_milli),
            memory_peak_bytes: of(&self.memory_peak_bytes),
            throttled_s: of(&self.throttled_s),
            memory_kills: of(&self.memory_kills),
            starts_s: self
                .starts_s
                .iter()
                .copied()
                .filter(|at_s| keeps(*at_s))
                .collect(),
        }
    }
}

/// The recorded use of a container in one pod. Series are ordered by time; gaps are allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodSamples {
    /// What the pod is called.
    pub name: String,
    /// CPU, as a mean since the sample before.
    pub cpu_milli: Vec<Point>,
    /// Memory at the time of the sample.
    pub memory_bytes: Vec<Point>,
    /// The highest CPU since the sample before, at a finer grain. Empty where nobody recorded it.
    pub cpu_peak_milli: Vec<Point>,
    /// The most memory since the sample before. Empty where nobody recorded it.
    pub memory_peak_bytes: Vec<Point>,
    /// Seconds that a limit of CPU held it up since the sample before, where there were any and somebody counted them.
    pub throttled_s: Vec<Point>,
    /// Times that it was killed for its memory since the sample before, where there were any and somebody counted them.
    pub memory_kills: Vec<Point>,
    /// When the container was started, as far as that is known.
    pub starts_s: Vec<i64>,
}

/// What a container asks for; `None` is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ContainerResources")]
pub struct Resources {
    /// CPU that the scheduler sets aside, in thousandths of a core.
    pub cpu_request_milli: Option<u64>,
    /// CPU above which the container is throttled.
    pub cpu_limit_milli: Option<u64>,
    /// Memory that the scheduler sets aside.
    pub memory_request_bytes: Option<u64>,
    /// Memory above which the container is killed.
    pub memory_limit_bytes: Option<u64>,
}
