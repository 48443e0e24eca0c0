//! What rules wrote a moment ago.

use ph_promql::{Labels, Matcher, Sample, Select, Series};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The store's thread has what it was given within a fraction of a second; this is how long it may be late.
const KEPT_MS: i64 = 60_000;
/// Samples that are held; what comes beyond is seen when the store has it.
const SAMPLES_MAX: usize = 500_000;

/// Samples on their way to the store, so that later rules see at once what earlier ones wrote.
#[derive(Debug, Default)]
pub(crate) struct Overlay(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// By metric.
    series: HashMap<String, HashMap<Labels, Vec<Sample>>>,
    samples: usize,
    swept_ms: i64,
}

impl Overlay {
    /// Takes what was written at one time, markers of staleness among it.
    pub(crate) fn add(&self, at_ms: i64, samples: &[(Labels, f64)]) {
        let mut held = self.lock();
        if at_ms.saturating_sub(held.swept_ms).abs() > KEPT_MS / 2 {
            held.sweep(at_ms);
        }
        for (labels, v) in samples {
            let Some(metric) = labels.metric_name().filter(|_| held.samples < SAMPLES_MAX) else {
                continue;
            };
            let of_metric = match held.series.get_mut(metric) {
                Some(of_metric) => of_metric,
                None => held.series.entry(metric.to_owned()).or_default(),
            };
            let of_series = of_metric.entry(labels.clone()).or_default();
            // Of two at one time the first stays, as in the store.
            if of_series.last().is_none_or(|last| last.t_ms < at_ms) {
                of_series.push(Sample { t_ms: at_ms, v: *v });
                held.samples += 1;
            }
        }
    }

    /// Lays what is held over what the store has given for `wish`.
    pub(crate) fn lay_over(&self, wish: &Select<'_>, stored: &mut Vec<Series>) {
        let found = self.find(wish);
        if found.is_empty() {
            return;
        }
        let mut places: HashMap<Labels, usize> = stored
            .iter()
            .enumerate()
            .map(|(at, series)| (series.labels.clone(), at))
            .collect();
        for series in found {
            match places.remove(&series.labels) {
                None => stored.push(series),
                Some(at) => merge(&mut stored[at].samples, &series.samples),
            }
        }
    }

    fn find(&self, wish: &Select<'_>) -> Vec<Series> {
        let held = self.lock();
        if held.samples == 0 {
            return Vec::new();
        }
        let name = wish
            .matchers
            .iter()
            .find(|matcher| matcher.name() == ph_promql::METRIC_NAME);
        let mut found = Vec::new();
        for (metric, of_metric) in &held.series {
            if name.is_some_and(|name| !name.matches(metric)) {
                continue;
            }
            for (labels, samples) in of_metric {
                let is_in = |sample: &&Sample| (wish.from_ms..=wish.to_ms).contains(&sample.t_ms);
                if all_match(wish.matchers, labels) && samples.iter().any(|s| is_in(&s)) {
                    found.push(Series {
                        labels: labels.clone(),
                        samples: samples.iter().filter(is_in).copied().collect(),
                    });
                }
            }
        }
        found
    }

    /// Samples are counted as they come and go: a panic elsewhere leaves them in order.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn sweep(&mut self, now_ms: i64) {
        // Also what is of a future that a clock was set back from.
        let kept = now_ms.saturating_sub(KEPT_MS)..=now_ms.saturating_add(KEPT_MS);
        let mut left = 0;
        for of_metric in self.series.values_mut() {
            of_metric.retain(|_, samples| {
                samples.retain(|sample| kept.contains(&sample.t_ms));
                left += samples.len();
                !samples.is_empty()
            });
        }
        self.series.retain(|_, of_metric| !of_metric.is_empty());
        self.samples = left;
        self.swept_ms = now_ms;
    }
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
}

/// Adds those of `held` whose time is not there yet; both ascend.
fn merge(stored: &mut Vec<Sample>, held: &[Sample]) {
    let last_ms = stored.last().map_or(i64::MIN, |last| last.t_ms);
    let (old, new) = held.split_at(held.partition_point(|sample| sample.t_ms <= last_ms));
    for sample in old {
        if let Err(at) = stored.binary_search_by_key(&sample.t_ms, |one| one.t_ms) {
            stored.insert(at, *sample);
        }
    }
    stored.extend_from_slice(new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_promql::MatchOp;

    fn labels(text: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(text.iter().copied())
    }

    fn sample(t_ms: i64, v: f64) -> Sample {
        Sample { t_ms, v }
    }

    #[track_caller]
    fn check(overlay: &Overlay, stored: &[(&str, &[Sample])], want: &[(&str, &[Sample])]) {
        let matchers = [
            Matcher::new("__name__", MatchOp::Eq, "m").unwrap(),
            Matcher::new("a", MatchOp::Ne, "no").unwrap(),
        ];
        let wish = Select {
            matchers: &matchers,
            from_ms: 10,
            to_ms: 100_000,
            range_ms: None,
            step_ms: None,
            function: None,
            resolution_ms: 0,
            samples_max: 1000,
            series_max: 1000,
        };
        let of = |(a, samples): &(&str, &[Sample])| Series {
            labels: labels(&[("__name__", "m"), ("a", a)]),
            samples: samples.to_vec(),
        };
        let mut got: Vec<Series> = stored.iter().map(of).collect();
        overlay.lay_over(&wish, &mut got);
        got.sort_by(|one, other| one.labels.cmp(&other.labels));
        assert_eq!(got, want.iter().map(of).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_written_is_seen_before_the_store_has_it_and_not_twice() {
        let overlay = Overlay::default();
        let m = |a| labels(&[("__name__", "m"), ("a", a)]);
        overlay.add(5, &[(m("x"), 0.0)]);
        overlay.add(20, &[(m("x"), 1.0), (m("y"), 2.0), (m("no"), 3.0)]);
        overlay.add(20, &[(m("x"), 9.0), (labels(&[("__name__", "n")]), 4.0)]);
        overlay.add(30, &[(m("x"), 5.0)]);
        check(
            &overlay,
            &[],
            &[
                ("x", &[sample(20, 1.0), sample(30, 5.0)]),
                ("y", &[sample(20, 2.0)]),
            ],
        );
        // The store has the first of them already, and something else between.
        check(
            &overlay,
            &[("x", &[sample(12, 7.0), sample(20, 1.0), sample(25, 8.0)])],
            &[
                (
                    "x",
                    &[
                        sample(12, 7.0),
                        sample(20, 1.0),
                        sample(25, 8.0),
                        sample(30, 5.0),
                    ],
                ),
                ("y", &[sample(20, 2.0)]),
            ],
        );
    }

    #[test]
    fn what_the_store_must_have_by_now_is_let_go() {
        let overlay = Overlay::default();
        let m = labels(&[("__name__", "m"), ("a", "x")]);
        overlay.add(1_000, &[(m.clone(), 1.0)]);
        overlay.add(1_000 + KEPT_MS, &[(m, 2.0)]);
        let held = overlay.lock().samples;
        assert_eq!(held, 2);
        overlay.add(2_000 + KEPT_MS * 2, &[]);
        assert_eq!(overlay.lock().samples, 0);
        check(&overlay, &[], &[]);
    }
}
