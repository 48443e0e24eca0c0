//! Whether what was recorded is enough, and how far it can be trusted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Point, Samples};

/// Less than a day has not seen a day.
const SPAN_S_MIN: i64 = 86_400;
/// Fewer samples than this have no 95th percentile to speak of.
const SAMPLES_MIN: usize = 100;

/// Why there is no recommendation.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Refusal {
    /// Nothing was recorded under this name.
    #[error("no samples of {series}{}", of(pod))]
    Missing {
        /// `cpu` or `memory`.
        series: String,
        /// The pod, or nothing where no pod has it.
        pod: String,
    },
    /// The history is too short.
    #[error(
        "{hours:.1} hours of {series} are too little to tell a day from a night; {needed_hours:.0} are needed"
    )]
    TooShort {
        /// `cpu` or `memory`.
        series: String,
        /// From the first sample to the last.
        hours: f64,
        /// What would do.
        needed_hours: f64,
    },
    /// There are too few samples.
    #[error("{samples} samples of {series} are too few; {needed} are needed")]
    TooFew {
        /// `cpu` or `memory`.
        series: String,
        /// How many there are.
        samples: usize,
        /// How many would do.
        needed: usize,
    },
    /// A value that no use can have.
    #[error("{series} of `{pod}` is {value} at {at_s}: no use is {}", kind(value))]
    NotAUse {
        /// `cpu` or `memory`.
        series: String,
        /// The pod.
        pod: String,
        /// When.
        at_s: i64,
        /// As it is written, since JSON has no `NaN`.
        value: String,
    },
    /// Times go back.
    #[error(
        "the samples of {series} of `{pod}` are not in order of time: {at_s} comes after {before_s}"
    )]
    NotOrdered {
        /// `cpu` or `memory`.
        series: String,
        /// The pod.
        pod: String,
        /// The time that is not after the one before.
        at_s: i64,
        /// The time before.
        before_s: i64,
    },
    /// Every sample is zero, which is no use but a series that measures nothing.
    #[error("{series} is 0 in each of {samples} samples: the series measures nothing")]
    Zero {
        /// `cpu` or `memory`.
        series: String,
        /// How many samples.
        samples: usize,
    },
}

fn of(pod: &str) -> String {
    if pod.is_empty() {
        String::new()
    } else {
        format!(" of `{pod}`")
    }
}

fn kind(value: &str) -> &'static str {
    if value.starts_with('-') {
        "negative"
    } else {
        "not a number"
    }
}

/// How far a recommendation can be trusted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Less than three days, or most samples are missing.
    Low,
    /// Less than a week and a day: no weekend next to working days for sure.
    Medium,
    /// Eight days or more.
    High,
}

/// What a recommendation was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SizingHistory")]
pub struct History {
    /// Pods with samples.
    pub pods: usize,
    /// Samples of CPU, of all pods.
    pub cpu_samples: usize,
    /// Samples of memory, of all pods.
    pub memory_samples: usize,
    /// Whether peaks between samples of CPU were recorded.
    pub has_cpu_peaks: bool,
    /// Whether peaks between samples of memory were recorded.
    pub has_memory_peaks: bool,
    /// From the first sample to the last.
    pub days: f64,
    /// The share of samples that are there of those that there should be, over all pods from their first to their last.
    pub coverage: f64,
    /// Days of full samples that this history is worth: the lesser of its length and its samples by the minute.
    pub worth_days: f64,
    /// In a word.
    pub confidence: Confidence,
}

impl History {
    /// Looks at every sample once.
    pub(super) fn of(samples: &Samples) -> Result<Self, Refusal> {
        let cpu = Series::of("cpu", samples, |pod| &pod.cpu_milli)?;
        let memory = Series::of("memory", samples, |pod| &pod.memory_bytes)?;
        for pod in &samples.pods {
            check("cpu peak", &pod.name, &pod.cpu_peak_milli)?;
            check("memory peak", &pod.name, &pod.memory_peak_bytes)?;
            check("throttling", &pod.name, &pod.throttled_s)?;
            check("memory kills", &pod.name, &pod.memory_kills)?;
        }
        let days =
            (cpu.last_s.max(memory.last_s) - cpu.first_s.min(memory.first_s)) as f64 / 86_400.0;
        let should = cpu.should.max(memory.should).max(1.0);
        let coverage = (cpu.samples.min(memory.samples) as f64 / should).min(1.0);
        let step_s = f64::from(samples.step_s.max(1));
        let worth_days = days.min(cpu.samples.min(memory.samples) as f64 * step_s / 86_400.0);
        let confidence = match worth_days {
            worth if worth < 3.0 || coverage < 0.5 => Confidence::Low,
            worth if worth < 8.0 || coverage < 0.8 => Confidence::Medium,
            _ => Confidence::High,
        };
        let all = |has: fn(&super::PodSamples) -> bool| samples.pods.iter().all(has);
        Ok(Self {
            pods: samples.pods.len(),
            cpu_samples: cpu.samples,
            memory_samples: memory.samples,
            has_cpu_peaks: all(|pod| !pod.cpu_peak_milli.is_empty()),
            has_memory_peaks: all(|pod| !pod.memory_peak_bytes.is_empty()),
            days,
            coverage,
            worth_days,
            confidence,
        })
    }
}

/// One resource over all pods.
struct Series {
    samples: usize,
    first_s: i64,
    last_s: i64,
    should: f64,
}

impl Series {
    fn of(
        name: &str,
        samples: &Samples,
        points: fn(&super::PodSamples) -> &Vec<Point>,
    ) -> Result<Self, Refusal> {
        let missing = |pod: &str| Refusal::Missing {
            series: name.to_owned(),
            pod: pod.to_owned(),
        };
        let mut series = Self {
            samples: 0,
            first_s: i64::MAX,
            last_s: i64::MIN,
            should: 0.0,
        };
        let mut highest = 0.0_f64;
        for pod in &samples.pods {
            let points = points(pod);
            let (Some(first), Some(last)) = (points.first(), points.last()) else {
                return Err(missing(&pod.name));
            };
            check(name, &pod.name, points)?;
            highest = points
                .iter()
                .map(|point| point.value)
                .fold(highest, f64::max);
            series.samples += points.len();
            series.first_s = series.first_s.min(first.at_s);
            series.last_s = series.last_s.max(last.at_s);
            series.should +=
                (last.at_s - first.at_s) as f64 / f64::from(samples.step_s.max(1)) + 1.0;
        }
        if samples.pods.is_empty() {
            return Err(missing(""));
        }
        series.enough(name)?;
        if highest <= 0.0 {
            return Err(Refusal::Zero {
                series: name.to_owned(),
                samples: series.samples,
            });
        }
        Ok(series)
    }

    fn enough(&self, name: &str) -> Result<(), Refusal> {
        let span_s = self.last_s - self.first_s;
        // A series of one sample a minute over a day ends a minute before the day is over.
        if span_s < SPAN_S_MIN - 900 {
            return Err(Refusal::TooShort {
                series: name.to_owned(),
                hours: span_s as f64 / 3600.0,
                needed_hours: SPAN_S_MIN as f64 / 3600.0,
            });
        }
        if self.samples < SAMPLES_MIN {
            return Err(Refusal::TooFew {
                series: name.to_owned(),
                samples: self.samples,
                needed: SAMPLES_MIN,
            });
        }
        Ok(())
    }
}

fn check(name: &str, pod: &str, points: &[Point]) -> Result<(), Refusal> {
    let mut before_s = i64::MIN;
    for point in points {
        if !point.value.is_finite() || point.value < 0.0 {
            return Err(Refusal::NotAUse {
                series: name.to_owned(),
                pod: pod.to_owned(),
                at_s: point.at_s,
                value: point.value.to_string(),
            });
        }
        if point.at_s <= before_s {
            return Err(Refusal::NotOrdered {
                series: name.to_owned(),
                pod: pod.to_owned(),
                at_s: point.at_s,
                before_s,
            });
        }
        before_s = point.at_s;
    }
    Ok(())
}
