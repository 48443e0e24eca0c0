//! The Vertical Pod Autoscaler's recommender: histograms that forget, percentiles, a margin, bounds by confidence.

use super::quantity::mib;
use super::{Bounds, History, Point, Recommendation, Resources, Samples};

const HALF_LIFE_S: f64 = 86_400.0;
const WINDOW_S: i64 = 86_400;
const GROWTH: f64 = 1.05;
/// A bucket lighter than this counts as empty.
const EPSILON: f64 = 0.1 * 0.001;
const WEIGHT_MIN: f64 = 0.1;
const MARGIN: f64 = 1.15;
const CPU_FLOOR_MILLI: u64 = 25;
const MEMORY_FLOOR_BYTES: u64 = 250 << 20;

/// The target as request, and a limit that keeps the ratio that the current one has to its request.
pub(super) fn recommend(samples: &Samples, history: History, current: Resources) -> Recommendation {
    let weight = current.cpu_request_milli.unwrap_or(0) as f64 / 1000.0;
    let mut cpu = Histogram::new(1000.0, 0.01);
    let mut memory = Histogram::new(1e12, 1e7);
    let mut count = 0;
    let (mut first_s, mut last_s) = (i64::MAX, i64::MIN);
    for pod in &samples.pods {
        for point in &pod.cpu_milli {
            cpu.add(point.value / 1000.0, weight.max(WEIGHT_MIN), point.at_s);
            count += 1;
            first_s = first_s.min(point.at_s);
            last_s = last_s.max(point.at_s);
        }
        for (end_s, peak) in peaks(&pod.memory_bytes) {
            memory.add(peak, 1.0, end_s);
        }
    }
    let worth_days = ((last_s - first_s) as f64 / 86_400.0).min(f64::from(count) / 1440.0);
    let of = |q: f64, factor: f64| Resources {
        cpu_request_milli: Some(
            ((cpu.percentile(q) * 1000.0 * MARGIN * factor) as u64).max(CPU_FLOOR_MILLI),
        ),
        memory_request_bytes: Some(
            ((memory.percentile(q) * MARGIN * factor) as u64).max(MEMORY_FLOOR_BYTES),
        ),
        ..Resources::default()
    };
    let lower = of(0.5, (1.0 + 0.001 / worth_days).powi(-2));
    let upper = of(0.95, 1.0 + 1.0 / worth_days);
    let mut target = of(0.9, 1.0);
    target.cpu_limit_milli = in_ratio(
        target.cpu_request_milli,
        current.cpu_limit_milli,
        current.cpu_request_milli,
    );
    target.memory_limit_bytes = in_ratio(
        target.memory_request_bytes,
        current.memory_limit_bytes,
        current.memory_request_bytes,
    );
    let arithmetic = vec![
        format!(
            "cpu request = p90 of {count} samples, half of their weight gone after 24 h, {:.0}m x 1.15, at least {CPU_FLOOR_MILLI}m",
            cpu.percentile(0.9) * 1000.0
        ),
        format!(
            "memory request = p90 of peaks by the day and pod, {} x 1.15, at least 250Mi",
            mib(memory.percentile(0.9))
        ),
        "limits = requests x (current limit / current request)".to_owned(),
        format!(
            "bounds = p50 x 1.15 x (1 + 0.001/{worth_days:.1})^-2 and p95 x 1.15 x (1 + 1/{worth_days:.1})"
        ),
    ];
    Recommendation {
        policy: super::Policy::Vpa,
        resources: target,
        history,
        bounds: Some(Bounds { lower, upper }),
        leaks: Vec::new(),
        arithmetic,
        warnings: Vec::new(),
    }
}

fn in_ratio(request: Option<u64>, limit: Option<u64>, of: Option<u64>) -> Option<u64> {
    let (request, limit, of) = (request?, limit?, of?);
    (of > 0).then(|| (request as f64 * limit as f64 / of as f64) as u64)
}

/// The most of each window of 24 hours, which begins with the first sample of the pod, and the end of that window.
fn peaks(points: &[Point]) -> Vec<(i64, f64)> {
    let mut peaks: Vec<(i64, f64)> = Vec::new();
    let mut end_s = i64::MIN;
    for point in points {
        if point.at_s >= end_s || peaks.is_empty() {
            let from_s = if peaks.is_empty() { point.at_s } else { end_s };
            end_s = from_s + ((point.at_s - from_s) / WINDOW_S + 1) * WINDOW_S;
            peaks.push((end_s, point.value));
        } else if let Some(last) = peaks.last_mut() {
            last.1 = last.1.max(point.value);
        }
    }
    peaks
}

/// Weights by buckets that grow; what is old weighs half as much each day.
struct Histogram {
    first: f64,
    weights: Vec<f64>,
    /// Weights are relative to this time.
    reference_s: Option<i64>,
}

impl Histogram {
    fn new(most: f64, first: f64) -> Self {
        let buckets = bucket(most, first) + 1;
        Self {
            first,
            weights: vec![0.0; buckets],
            reference_s: None,
        }
    }

    fn add(&mut self, value: f64, weight: f64, at_s: i64) {
        let bucket = bucket(value, self.first).min(self.weights.len() - 1);
        self.weights[bucket] += weight * self.decay(at_s);
    }

    /// Grows with time. Beyond 100 half-lives all weights are scaled down instead.
    fn decay(&mut self, at_s: i64) -> f64 {
        let rounded = |at_s: i64| (at_s as f64 / HALF_LIFE_S).round() as i64 * HALF_LIFE_S as i64;
        let reference_s = *self.reference_s.get_or_insert_with(|| rounded(at_s));
        let exponent = (at_s - reference_s) as f64 / HALF_LIFE_S;
        if exponent <= 100.0 {
            return exponent.exp2();
        }
        let moved_s = rounded(at_s);
        let factor = ((reference_s - moved_s) as f64 / HALF_LIFE_S).exp2();
        self.weights.iter_mut().for_each(|weight| *weight *= factor);
        self.reference_s = Some(moved_s);
        ((at_s - moved_s) as f64 / HALF_LIFE_S).exp2()
    }

    /// The end of the bucket in which the quantile is. 0 where there is nothing.
    fn percentile(&self, q: f64) -> f64 {
        let is_used = |weight: &f64| *weight >= EPSILON;
        let (Some(lowest), Some(highest)) = (
            self.weights.iter().position(is_used),
            self.weights.iter().rposition(is_used),
        ) else {
            return 0.0;
        };
        let threshold = q * self.weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let found = (lowest..highest).find(|bucket| {
            sum += self.weights[*bucket];
            sum >= threshold
        });
        let bucket = found.unwrap_or(highest);
        self.start((bucket + 1).min(self.weights.len() - 1))
    }

    fn start(&self, bucket: usize) -> f64 {
        self.first * (GROWTH.powi(bucket as i32) - 1.0) / (GROWTH - 1.0)
    }
}

fn bucket(value: f64, first: f64) -> usize {
    if value < first {
        return 0;
    }
    (value * (GROWTH - 1.0) / first + 1.0).log(GROWTH) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of 1 to 4, each with its own weight, a half-life apart: shares of 2, 8, 24 and 66 percent.
    #[test]
    fn old_samples_weigh_half_after_each_half_life() {
        let mut histogram = Histogram::new(10.0, 1.0);
        for number in 1..=4 {
            let value = f64::from(number);
            histogram.add(value, value, 1_234_567_890 + i64::from(number) * 86_400);
        }
        let end = |value: f64| histogram.start(bucket(value, 1.0) + 1);
        for (q, value) in [
            (0.0, 1.0),
            (0.02, 1.0),
            (0.03, 2.0),
            (0.10, 2.0),
            (0.11, 3.0),
            (0.34, 3.0),
            (0.35, 4.0),
            (1.0, 4.0),
        ] {
            assert_eq!(histogram.percentile(q), end(value), "{q}");
        }
    }

    #[test]
    fn what_is_older_than_a_hundred_half_lives_is_forgotten() {
        let mut histogram = Histogram::new(10.0, 1.0);
        histogram.add(5.0, 1.0, 0);
        histogram.add(1.0, 1.0, 101 * 86_400);
        assert_eq!(
            histogram.percentile(1.0),
            histogram.start(bucket(1.0, 1.0) + 1)
        );
    }

    #[test]
    fn each_window_of_a_pod_has_one_peak() {
        let point = |at_s, value| Point { at_s, value };
        let points = [
            point(10, 1.0),
            point(86_409, 5.0),
            point(86_410, 2.0),
            point(400_000, 3.0),
        ];
        let day = 86_400;
        assert_eq!(
            peaks(&points),
            [(10 + day, 5.0), (10 + 2 * day, 2.0), (10 + 5 * day, 3.0)]
        );
    }
}
