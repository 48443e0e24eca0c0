//! When calls came: the load that a replay is given.

mod csv;
mod time;

pub use csv::{Read, ReadError, STEPS_MAX, read};

use serde::Serialize;

/// Calls in equal steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arrivals {
    /// When the first step begins, in seconds of Unix time; `None` if times were relative.
    pub start_s: Option<i64>,
    /// Length of a step.
    pub step_s: i64,
    /// Calls in each; at least one step.
    pub counts: Vec<f64>,
}

impl Arrivals {
    /// Seconds that it covers.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.counts.len() as i64 * self.step_s
    }

    /// Calls in all.
    #[must_use]
    pub fn calls(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// Calls per second on average.
    #[must_use]
    pub fn mean_rate(&self) -> f64 {
        self.calls() / self.seconds().max(1) as f64
    }

    /// Calls per second in the busiest minute, or step where that is longer.
    #[must_use]
    pub fn peak_rate(&self) -> f64 {
        let steps = usize::try_from(60 / self.step_s).unwrap_or(1).max(1);
        let minutes = self.counts.chunks(steps);
        let rates = minutes.map(|minute| {
            // What is cut off at the end counts as a whole minute.
            minute.iter().sum::<f64>() / (steps as i64 * self.step_s) as f64
        });
        rates.fold(0.0, f64::max)
    }

    /// So many times as many calls, at the same times.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        Self {
            counts: self.counts.iter().map(|count| count * factor).collect(),
            ..self.clone()
        }
    }

    /// The first half and the second.
    #[must_use]
    pub fn halves(&self) -> (Self, Self) {
        let middle = self.counts.len() / 2;
        let (first, second) = self.counts.split_at(middle);
        let part = |counts: &[f64], start_s| Self {
            start_s,
            step_s: self.step_s,
            counts: counts.to_vec(),
        };
        let later = self.start_s.map(|s| s + middle as i64 * self.step_s);
        (part(first, self.start_s), part(second, later))
    }
}
