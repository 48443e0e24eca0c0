//! Our own recommendation.
//!
//! What is paid for is the request, so it follows what is used most of the time. A limit costs nothing until it is hit,
//! so it stands well above every peak that was seen.

use super::quantity::{cpu_text, cpu_up, highest, memory_text, memory_up, mib, quantile, sorted};
use super::seen::Seen;
use super::{Confidence, History, Point, Policy, Recommendation, Resources, Samples, leak};

/// The constants. The defaults were chosen on the tuning seeds of [`crate::workload`] and on nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Which quantile of CPU the request is.
    pub cpu_request_quantile: f64,
    /// What is added to it, as a share.
    pub cpu_request_headroom: f64,
    /// How many times the highest peak the limit is.
    pub cpu_limit_of_peak: f64,
    /// The least limit: a thread that runs, runs at a whole core, however rarely.
    pub cpu_limit_floor_milli: u64,
    /// Which quantile of memory the request is.
    pub memory_request_quantile: f64,
    /// What is added to it, as a share.
    pub memory_request_headroom: f64,
    /// What is added to the highest peak for the limit, as a share.
    pub memory_limit_headroom: f64,
    /// What is added besides where nobody recorded peaks between samples.
    pub memory_limit_blind: f64,
    /// Days for which a leak or a growth is carried on.
    pub horizon_days: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            cpu_request_quantile: 0.90,
            cpu_request_headroom: 0.0,
            cpu_limit_of_peak: 3.0,
            cpu_limit_floor_milli: 1000,
            memory_request_quantile: 0.995,
            memory_request_headroom: 0.10,
            memory_limit_headroom: 1.0,
            memory_limit_blind: 0.15,
            horizon_days: 14.0,
        }
    }
}

const CPU_FLOOR_MILLI: u64 = 10;
const MEMORY_FLOOR_BYTES: u64 = 32 << 20;
/// Growth is not carried on beyond this, however steep it was.
const GROWTH_MAX: f64 = 1.5;

pub(super) fn recommend(
    samples: &Samples,
    history: History,
    current: Resources,
    tuning: &Tuning,
) -> Recommendation {
    let mut made = Made {
        widened: widened(&history),
        arithmetic: Vec::new(),
        warnings: Vec::new(),
    };
    let leaks = leak::leaks(samples);
    let seen = Seen::of(samples, current);
    let (cpu_request, cpu_limit) = made.cpu(samples, &history, tuning);
    let (memory_request, memory_limit) = made.memory(samples, &history, tuning, &leaks, &seen);
    for leak in &leaks {
        made.warnings.push(format!(
            "`{}` leaks {} a day (the least of each of {} days, rank correlation {:.2}): a limit only sets the day on which it is killed",
            leak.pod,
            mib(leak.bytes_per_day),
            leak.days,
            leak.rank_correlation
        ));
    }
    made.warnings.extend(seen.warnings());
    made.caveats(&history);
    Recommendation {
        policy: Policy::Ours,
        resources: Resources {
            cpu_request_milli: Some(cpu_request),
            cpu_limit_milli: Some(cpu_limit),
            memory_request_bytes: Some(memory_request),
            memory_limit_bytes: Some(memory_limit),
        },
        history,
        bounds: None,
        leaks,
        arithmetic: made.arithmetic,
        warnings: made.warnings,
    }
}

/// A factor for what a short history has not seen: 1.33 after a day, 1.11 after three, 1 from eight days on.
fn widened(history: &History) -> f64 {
    match history.confidence {
        Confidence::High => 1.0,
        Confidence::Medium | Confidence::Low => 1.0 + 1.0 / (3.0 * history.worth_days.max(0.5)),
    }
}

/// `90`, `99.5`.
fn percent(quantile: f64) -> f64 {
    (quantile * 1000.0).round() / 10.0
}

struct Made {
    widened: f64,
    arithmetic: Vec<String>,
    warnings: Vec<String>,
}

impl Made {
    fn cpu(&mut self, samples: &Samples, history: &History, tuning: &Tuning) -> (u64, u64) {
        let all = sorted(samples.pods.iter().flat_map(|pod| &pod.cpu_milli));
        let used = quantile(&all, tuning.cpu_request_quantile);
        let growth = growth(samples, |pod| &pod.cpu_milli, tuning);
        let request = cpu_up(
            used * (1.0 + tuning.cpu_request_headroom) * growth * self.widened,
            CPU_FLOOR_MILLI,
        );
        self.arithmetic.push(format!(
            "cpu request = p{} of {} samples {used:.1}m x {:.2} headroom x {growth:.2} growth x {:.2} history = {}, up to 10m",
            percent(tuning.cpu_request_quantile),
            all.len(),
            1.0 + tuning.cpu_request_headroom,
            self.widened,
            cpu_text(request),
        ));
        let sampled = all.last().copied().unwrap_or(0.0);
        let peak = sampled.max(highest(
            samples.pods.iter().flat_map(|pod| &pod.cpu_peak_milli),
        ));
        let floor = tuning.cpu_limit_floor_milli.max(request);
        let limit = cpu_up(peak * tuning.cpu_limit_of_peak * growth, floor);
        self.arithmetic.push(format!(
            "cpu limit = highest {} {peak:.0}m x {:.2} x {growth:.2} growth, at least {} = {}",
            if history.has_cpu_peaks {
                "peak"
            } else {
                "sample"
            },
            tuning.cpu_limit_of_peak,
            cpu_text(floor),
            cpu_text(limit),
        ));
        (request, limit)
    }

    fn memory(
        &mut self,
        samples: &Samples,
        history: &History,
        tuning: &Tuning,
        leaks: &[super::Leak],
        seen: &Seen,
    ) -> (u64, u64) {
        let all = sorted(samples.pods.iter().flat_map(|pod| &pod.memory_bytes));
        let used = quantile(&all, tuning.memory_request_quantile);
        // What leaks goes back with the next deployment: it is added to the limit, and is no growth.
        let growth = match leaks {
            [] => growth(samples, |pod| &pod.memory_bytes, tuning),
            _ => 1.0,
        };
        let request = memory_up(
            used * (1.0 + tuning.memory_request_headroom) * growth * self.widened,
            MEMORY_FLOOR_BYTES,
        );
        self.arithmetic.push(format!(
            "memory request = p{} of {} samples {} x {:.2} headroom x {growth:.2} growth x {:.2} history = {}, up to 16Mi",
            percent(tuning.memory_request_quantile),
            all.len(),
            mib(used),
            1.0 + tuning.memory_request_headroom,
            self.widened,
            memory_text(request),
        ));
        let sampled = all.last().copied().unwrap_or(0.0);
        let recorded = sampled.max(highest(
            samples.pods.iter().flat_map(|pod| &pod.memory_peak_bytes),
        ));
        let peak = recorded.max(seen.reached_bytes());
        let blind = if history.has_memory_peaks {
            0.0
        } else {
            tuning.memory_limit_blind
        };
        let headroom = 1.0 + tuning.memory_limit_headroom + blind;
        let leaked = leaks
            .iter()
            .map(|leak| leak.bytes_per_day)
            .fold(0.0, f64::max)
            * tuning.horizon_days;
        let limit = memory_up(
            peak * headroom * growth * self.widened + leaked,
            request.max(MEMORY_FLOOR_BYTES),
        );
        self.arithmetic.push(format!(
            "memory limit = highest {} {} x {headroom:.2} headroom x {growth:.2} growth x {:.2} history + {} leaked in {:.0} days = {}, up to 16Mi",
            match history.has_memory_peaks {
                _ if peak > recorded => "limit that it was killed at",
                true => "peak",
                false => "sample",
            },
            mib(peak),
            self.widened,
            mib(leaked),
            tuning.horizon_days,
            memory_text(limit),
        ));
        (request, limit)
    }

    fn caveats(&mut self, history: &History) {
        if history.confidence != Confidence::High {
            self.warnings.push(format!(
                "{:.1} days of history at {:.0} % of its samples: confidence is {}, numbers are widened by {:.0} %",
                history.days,
                history.coverage * 100.0,
                if history.confidence == Confidence::Low { "low" } else { "medium" },
                (self.widened - 1.0) * 100.0
            ));
        }
        if !history.has_memory_peaks {
            self.warnings.push(
                "no peaks of memory were recorded: what happened between two samples is not in these numbers".to_owned(),
            );
        }
    }
}

/// How much more is used in `horizon_days` if it goes on as in the last two weeks: the median of the days of the last
/// week over that of the week before. 1 where two weeks are not there, and where it shrinks.
fn growth(
    samples: &Samples,
    points: fn(&super::PodSamples) -> &Vec<Point>,
    tuning: &Tuning,
) -> f64 {
    const WEEK_S: i64 = 7 * 86_400;
    let last_s = samples
        .pods
        .iter()
        .filter_map(|pod| points(pod).last())
        .map(|point| point.at_s)
        .max()
        .unwrap_or(0);
    let week = |back: i64| -> Vec<f64> {
        let within = last_s - (back + 1) * WEEK_S..last_s - back * WEEK_S;
        sorted(
            samples
                .pods
                .iter()
                .flat_map(points)
                .filter(|point| point.at_s > within.start && point.at_s <= within.end),
        )
    };
    let (last, before) = (week(0), week(1));
    // A week with gaps is not compared with a full one.
    if before.is_empty() || (before.len() as f64) < last.len() as f64 * 0.9 {
        return 1.0;
    }
    let by = |q: f64| quantile(&last, q) / quantile(&before, q).max(f64::MIN_POSITIVE);
    let weekly = by(0.5).min(by(0.9));
    // What changes less than this from week to week is noise.
    if weekly < 1.04 {
        return 1.0;
    }
    weekly.powf(tuning.horizon_days / 7.0).min(GROWTH_MAX)
}
