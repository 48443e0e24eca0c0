//! Memory that only ever grows between two starts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PodSamples, Point, Samples};

const DAY_S: i64 = 86_400;
/// So many days of a life must be there: a cache that fills up looks like a leak for a day or two.
const DAYS_MIN: usize = 4;
const GROWN_BYTES_MIN: f64 = 16.0 * 1024.0 * 1024.0;

/// A pod whose memory grows and does not come back before it is started again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leak {
    /// The pod.
    pub pod: String,
    /// The median growth of the least memory of a day over that of another.
    pub bytes_per_day: f64,
    /// Whole days of the life that shows it best.
    pub days: usize,
    /// Of all pairs of days, the share of those that grew, less that of those that shrank.
    pub rank_correlation: f64,
}

/// The steepest leak of each pod.
pub(super) fn leaks(samples: &Samples) -> Vec<Leak> {
    samples.pods.iter().filter_map(of_pod).collect()
}

fn of_pod(pod: &PodSamples) -> Option<Leak> {
    lives(pod)
        .into_iter()
        .filter_map(|life| of_life(&pod.name, life))
        .max_by(|one, other| one.bytes_per_day.total_cmp(&other.bytes_per_day))
}

/// The samples between two starts.
fn lives(pod: &PodSamples) -> Vec<&[Point]> {
    let mut rest = pod.memory_bytes.as_slice();
    let mut lives = Vec::new();
    for start_s in &pod.starts_s {
        let (life, later) = rest.split_at(rest.partition_point(|point| point.at_s < *start_s));
        lives.push(life);
        rest = later;
    }
    lives.push(rest);
    lives
}

/// The least memory of a day says what was not given back at night. A leak grows by the day, and in the second half of
/// the life about as fast as in the whole: what fills up to a level does not.
fn of_life(pod: &str, life: &[Point]) -> Option<Leak> {
    let first_s = life.first()?.at_s;
    let days = ((life.last()?.at_s - first_s + 60) / DAY_S) as usize;
    if days < DAYS_MIN {
        return None;
    }
    let mut least = vec![f64::INFINITY; days];
    for point in life {
        if let Some(day) = least.get_mut(((point.at_s - first_s) / DAY_S) as usize) {
            *day = day.min(point.value);
        }
    }
    if least.iter().any(|bytes| bytes.is_infinite()) {
        return None;
    }
    let (bytes_per_day, rank_correlation) = trend(&least);
    let (late, _) = trend(&least[days / 2..]);
    let grown = bytes_per_day * (days - 1) as f64;
    let is_leak = rank_correlation >= 0.7
        && late >= bytes_per_day * 0.4
        && grown >= GROWN_BYTES_MIN
        && grown >= least[0] * 0.08;
    is_leak.then(|| Leak {
        pod: pod.to_owned(),
        bytes_per_day,
        days,
        rank_correlation,
    })
}

/// The median slope of all pairs, and how many more grew than shrank.
fn trend(values: &[f64]) -> (f64, f64) {
    let mut slopes = Vec::new();
    let mut signs = 0.0;
    for (later, to) in values.iter().enumerate() {
        for (earlier, from) in values[..later].iter().enumerate() {
            slopes.push((to - from) / (later - earlier) as f64);
            signs += if to > from { 1.0 } else { -1.0 };
        }
    }
    if slopes.is_empty() {
        return (0.0, 0.0);
    }
    slopes.sort_by(f64::total_cmp);
    (slopes[slopes.len() / 2], signs / slopes.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(bytes: impl Fn(i64) -> f64) -> Samples {
        let memory_bytes = (0..10 * 24)
            .map(|hour| Point {
                at_s: hour * 3600,
                value: bytes(hour),
            })
            .collect();
        Samples {
            step_s: 3600,
            pods: vec![PodSamples {
                name: "a".to_owned(),
                memory_bytes,
                ..PodSamples::default()
            }],
        }
    }

    const MIB: f64 = 1024.0 * 1024.0;

    #[test]
    fn what_grows_by_the_day_is_named_with_its_rate() {
        let found = leaks(&pod(|hour| (200.0 + 12.0 * hour as f64 / 24.0) * MIB));
        assert_eq!(found.len(), 1);
        assert!((found[0].bytes_per_day / MIB - 12.0).abs() < 0.1);
        // The last hour of the tenth day is not there.
        assert_eq!(found[0].days, 9);
    }

    #[test]
    fn what_fills_up_or_goes_up_and_down_is_no_leak() {
        let fills = pod(|hour| (200.0 + 100.0 * (1.0 - (-hour as f64 / 30.0).exp())) * MIB);
        assert_eq!(leaks(&fills), []);
        let daily = pod(|hour| (200.0 + 100.0 * (hour as f64 / 3.8).sin()) * MIB);
        assert_eq!(leaks(&daily), []);
    }

    #[test]
    fn a_start_ends_a_life() {
        let mut samples = pod(|hour| (200.0 + 12.0 * (hour % 72) as f64 / 24.0) * MIB);
        samples.pods[0].starts_s = vec![0, 72 * 3600, 144 * 3600, 216 * 3600];
        // No life is long enough to tell.
        assert_eq!(leaks(&samples), []);
    }
}
