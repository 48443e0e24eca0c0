//! The one-minute rollup: which samples stay, and when a reader may have them instead of all.
//!
//! A rollup keeps real samples, it computes none. Of each minute `(m - 60 s, m]` the last one stays. What else
//! stays makes it exact where it is used:
//!
//! - both sides of every decrease, so that resets of a counter and the sum of its increases between any two
//!   kept samples are those of all samples;
//! - markers of staleness with the samples beside them, the first sample of a block, and the first after a gap
//!   of more than a minute, so that a series begins and ends when it did.
//!
//! A series of which more than half would stay (a gauge that goes up and down) has no rollup; readers take all
//! its samples, so no answer is ever less exact for it.
//!
//! [`Plan::of`] is the one place that says when a rollup is good enough, and why.

use ph_promql::{Sample, Select, is_stale};

/// The length of a rollup's bucket.
pub(super) const MINUTE_MS: i64 = 60_000;
/// Around each edge of a window all samples are read: two minutes, so that with any usual interval the first
/// and the last sample of the window are among them.
const EDGE_MS: i64 = 2 * MINUTE_MS;
/// Windows of less are not worth it.
const RANGE_LEAST_MS: i64 = 60 * MINUTE_MS;
/// With a resolution of minutes asked for, windows of less would have too few samples of a rollup.
const COARSE_RANGE_LEAST_MS: i64 = 5 * MINUTE_MS;
/// With edges closer together much of what is between them would be read anyway.
const STEP_LEAST_MS: i64 = 30 * MINUTE_MS;

/// The samples that stay, or nothing when they are more than half.
pub(super) fn thin(samples: &[Sample]) -> Option<Vec<Sample>> {
    let kept: Vec<Sample> = (0..samples.len())
        .filter(|i| stays(samples, *i))
        .map(|i| samples[i])
        .collect();
    (kept.len() * 2 <= samples.len()).then_some(kept)
}

fn stays(samples: &[Sample], i: usize) -> bool {
    let this = samples[i];
    let (Some(before), Some(after)) = (i.checked_sub(1).map(|i| samples[i]), samples.get(i + 1))
    else {
        return true;
    };
    minute_of(this.t_ms) != minute_of(after.t_ms)
        || this.t_ms - before.t_ms > MINUTE_MS
        || [before, this, *after].iter().any(|sample| is_stale(sample.v))
        // Also when one of them is no number.
        || !matches!(before.v.partial_cmp(&this.v), Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal))
        || !matches!(this.v.partial_cmp(&after.v), Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal))
}

/// Minutes end with their mark: a sample on it is the last of the minute before.
fn minute_of(time: i64) -> i64 {
    time.saturating_sub(1).div_euclid(MINUTE_MS)
}

/// What of a series a wish needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Every sample.
    All,
    /// The rollup.
    Thin,
    /// The rollup, and all samples near the edges of windows.
    Edges {
        /// The left edge of the first window.
        from_ms: i64,
        /// The length of a window.
        range_ms: i64,
        /// From one window to the next; none when there is one.
        step_ms: Option<i64>,
    },
}

impl Plan {
    /// - `rate`, `increase`, `resets`, `delta`, `last_over_time`, `present_over_time` over windows of an hour
    ///   and more, at most one in 30 minutes: they need the first and the last sample of a window, which are
    ///   read from all samples, and the resets between, which the rollup has. The answers are those of all
    ///   samples, with one exception: a series that begins or ends inside of a window is extrapolated by half
    ///   the mean distance of its samples, which is up to 30 s here instead of half a scrape interval.
    /// - An instant selector looked up at whole minutes only: the last sample of a minute is the one it would
    ///   have found.
    /// - The same functions over 5 minutes and more, and instant selectors at several times, when the wish says that
    ///   samples a minute apart are good enough: what they find may be up to a minute older than the last sample.
    /// - Anything else needs each sample (`avg_over_time`, `count_over_time`, `quantile_over_time`, …).
    pub(super) fn of(wish: &Select<'_>) -> Self {
        let is_coarse = wish.resolution_ms >= MINUTE_MS;
        match (wish.range_ms, wish.step_ms) {
            (Some(range_ms), step_ms) => {
                let is_exact = matches!(
                    wish.function,
                    Some(
                        "rate"
                            | "increase"
                            | "resets"
                            | "delta"
                            | "last_over_time"
                            | "present_over_time"
                            | "absent_over_time"
                    )
                );
                let is_apart = step_ms.is_none_or(|step| step >= STEP_LEAST_MS);
                if is_exact && is_coarse && range_ms >= COARSE_RANGE_LEAST_MS {
                    Self::Thin
                } else if is_exact && is_apart && range_ms >= RANGE_LEAST_MS {
                    Self::Edges {
                        from_ms: wish.from_ms,
                        range_ms,
                        step_ms,
                    }
                } else {
                    Self::All
                }
            }
            (None, Some(step)) => {
                let on_minutes = step % MINUTE_MS == 0 && wish.to_ms % MINUTE_MS == 0;
                if (on_minutes || is_coarse) && step > 0 {
                    Self::Thin
                } else {
                    Self::All
                }
            }
            (None, None) => Self::All,
        }
    }

    /// Whether all samples between two times (both inclusive) are needed at some place.
    pub(super) fn needs_all(&self, first_ms: i64, last_ms: i64) -> bool {
        match *self {
            Self::All => true,
            Self::Thin => false,
            Self::Edges {
                from_ms,
                range_ms,
                step_ms,
            } => {
                let touches = |edge: i64| {
                    let (low, high) = (edge - EDGE_MS, edge + EDGE_MS);
                    match step_ms {
                        None => first_ms <= high && last_ms >= low,
                        // The first edge whose zone does not end before the samples begin.
                        Some(step) => {
                            let steps = (first_ms - high).max(0).div_ceil_by(step);
                            last_ms >= low + steps * step
                        }
                    }
                };
                touches(from_ms) || touches(from_ms + range_ms)
            }
        }
    }

    pub(super) fn uses_rollup(&self) -> bool {
        *self != Self::All
    }
}

trait DivCeil {
    fn div_ceil_by(self, by: i64) -> i64;
}

impl DivCeil for i64 {
    /// Both are not negative, `by` is not zero.
    fn div_ceil_by(self, by: i64) -> i64 {
        self / by + i64::from(self % by != 0)
    }
}

/// Two ascending runs of samples of one series as one; a time that both have comes once.
pub(super) fn merge(some: &[Sample], others: &[Sample], out: &mut Vec<Sample>) {
    let mut others = others.iter().peekable();
    for sample in some {
        while let Some(other) = others.next_if(|other| other.t_ms < sample.t_ms) {
            out.push(*other);
        }
        others.next_if(|other| other.t_ms == sample.t_ms);
        out.push(*sample);
    }
    out.extend(others);
}

#[cfg(test)]
mod tests {
    use super::super::xor::tests::any_samples;
    use super::*;
    use ph_promql::STALE_NAN_BITS;
    use proptest::prelude::*;

    fn increase(samples: &[Sample]) -> (f64, u32) {
        let mut sum = 0.0;
        let mut resets = 0;
        for pair in samples.windows(2) {
            if pair[1].v < pair[0].v {
                resets += 1;
                sum += pair[1].v;
            } else {
                sum += pair[1].v - pair[0].v;
            }
        }
        (sum, resets)
    }

    proptest! {
        /// At whole minutes the rollup has the sample that all samples have.
        #[test]
        fn at_whole_minutes_a_lookup_finds_the_same(samples in any_samples(400)) {
            let Some(kept) = thin(&samples) else { return Ok(()) };
            let find = |samples: &[Sample], at: i64| {
                let end = samples.partition_point(|sample| sample.t_ms <= at);
                end.checked_sub(1).map(|i| (samples[i].t_ms, samples[i].v.to_bits()))
            };
            for sample in &samples {
                let mark = (minute_of(sample.t_ms) + 1) * MINUTE_MS;
                prop_assert_eq!(find(&kept, mark), find(&samples, mark));
            }
        }

        /// Between any two kept samples nothing of a counter's increase or resets is missing.
        #[test]
        fn increases_and_resets_are_those_of_all_samples(steps in prop::collection::vec((0u32..9, 0u8..60), 2..400)) {
            let mut value = 0.0;
            let samples: Vec<Sample> = (0..).zip(&steps).map(|(n, (step, kind))| {
                value = if *kind == 0 { f64::from(*step) } else { value + f64::from(*step) };
                Sample { t_ms: n * 15_000, v: value }
            }).collect();
            let kept: Vec<Sample> = (0..samples.len()).filter(|i| stays(&samples, *i)).map(|i| samples[i]).collect();
            prop_assert_eq!(increase(&kept), increase(&samples));
            for pair in kept.windows(2) {
                let between: Vec<Sample> = samples.iter().copied()
                    .filter(|s| s.t_ms >= pair[0].t_ms && s.t_ms <= pair[1].t_ms).collect();
                prop_assert_eq!(increase(&between).0, increase(pair).0);
            }
        }

        #[test]
        fn zones_of_edges_are_found(first in 0i64..100, length in 0i64..100, from in 0i64..50, range in 60i64..90, step in 10i64..40) {
            let minutes = |n: i64| n * MINUTE_MS;
            let plan = Plan::Edges { from_ms: minutes(from), range_ms: minutes(range), step_ms: Some(minutes(step)) };
            let (first, last) = (minutes(first), minutes(first + length));
            let wanted = (0..100).any(|k| [from + k * step, from + range + k * step].iter().any(|edge| {
                first <= minutes(edge + 2) && last >= minutes(edge - 2)
            }));
            prop_assert_eq!(plan.needs_all(first, last), wanted);
        }

        #[test]
        fn merging_gives_each_time_once(some in prop::collection::btree_set(0i64..60, 0..30), others in prop::collection::btree_set(0i64..60, 0..30)) {
            let run = |times: &std::collections::BTreeSet<i64>| -> Vec<Sample> {
                times.iter().map(|t| Sample { t_ms: *t, v: 0.0 }).collect()
            };
            let mut out = Vec::new();
            merge(&run(&some), &run(&others), &mut out);
            prop_assert_eq!(out, run(&some.union(&others).copied().collect()));
        }
    }

    #[test]
    fn a_gauge_that_goes_down_at_every_turn_has_none() {
        let samples: Vec<Sample> = (0..480)
            .map(|n| Sample {
                t_ms: n * 15_000,
                v: (n % 3) as f64,
            })
            .collect();
        assert_eq!(thin(&samples), None);
    }

    #[test]
    fn the_end_and_the_new_beginning_stay() {
        let mut samples: Vec<Sample> = (0..200)
            .map(|n| Sample {
                t_ms: n * 15_000,
                v: 1.0,
            })
            .collect();
        samples[101].v = f64::from_bits(STALE_NAN_BITS);
        let kept = thin(&samples).unwrap();
        for i in [0, 100, 101, 102, 199] {
            assert!(
                kept.iter().any(|sample| sample.t_ms == samples[i].t_ms),
                "{i}"
            );
        }
    }
}
