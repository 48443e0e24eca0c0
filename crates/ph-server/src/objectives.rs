//! The service level objectives that hold, and the numbers they are judged by.

use arc_swap::ArcSwap;
use ph_api::Objectives;
use ph_jobs::{Remote, RemoteAsk};
use ph_plan::{Plan, Slo, SloName};
use ph_promql::{METRIC_NAME, MatchOp, Select, Series, SeriesSource, SourceError};
use std::collections::BTreeMap;
use tokio::runtime::Handle;

/// The objectives of the plan that runs.
pub(crate) struct Held {
    current: ArcSwap<Current>,
}

#[derive(Default)]
struct Current {
    slos: BTreeMap<SloName, Slo>,
    /// A Prometheus that is asked instead of the own store.
    remote: Option<Remote>,
}

impl Held {
    /// - `remote`: that of `metrics.query`.
    pub(crate) fn new(plan: &Plan, remote: Option<Remote>) -> Self {
        let held = Self {
            current: ArcSwap::default(),
        };
        held.apply(plan, remote);
        held
    }

    /// Those of `plan` from now on.
    pub(crate) fn apply(&self, plan: &Plan, remote: Option<Remote>) {
        let slos = plan.slos_in_force();
        self.current.store(Current { slos, remote }.into());
    }
}

impl Objectives for Held {
    fn slos(&self) -> BTreeMap<SloName, Slo> {
        self.current.load().slos.clone()
    }

    fn elsewhere(&self) -> Option<Box<dyn SeriesSource + Send>> {
        let remote = self.current.load().remote.clone()?;
        let runtime = Handle::try_current().ok()?;
        Some(Box::new(Sampled(RemoteAsk::new(remote, runtime))))
    }
}

/// The series of another Prometheus as its API gives them: at the steps of a range. Counts at the edges of
/// times are those of the nearest step before.
struct Sampled(RemoteAsk);

/// Between the steps of what is long ago: as far as PromQL looks back, so that none is missed.
const COARSE_MS: i64 = 300_000;
/// Between those of the last hour.
const FINE_MS: i64 = 15_000;
const FINE_FOR_MS: i64 = 3_600_000;
/// Steps of one question; Prometheus answers no more than 11,000.
const STEPS_MAX: i64 = 10_000;

impl SeriesSource for Sampled {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let selector = selector(wish);
        let mut found: BTreeMap<String, Series> = BTreeMap::new();
        let mut count = 0;
        for (from, to, step) in parts(wish.from_ms, wish.to_ms) {
            let answer = self.0.range(&selector, from, to, step);
            let series = answer.map_err(|error| SourceError::Read(error.to_string()))?;
            for one in series {
                count += one.samples.len();
                let key = one.labels.to_string();
                match found.get_mut(&key) {
                    Some(known) => known.samples.extend(one.samples),
                    None => drop(found.insert(key, one)),
                }
            }
            if count > wish.samples_max {
                let max = wish.samples_max;
                return Err(SourceError::TooManySamples { max });
            }
        }
        if found.len() > wish.series_max {
            let max = wish.series_max;
            return Err(SourceError::TooManySeries { max });
        }
        Ok(found.into_values().collect())
    }
}

/// From, to and step of each question: coarse steps up to the last hour, fine ones from there.
fn parts(from_ms: i64, to_ms: i64) -> Vec<(i64, i64, i64)> {
    let mut parts = Vec::new();
    let fine_from = (to_ms - FINE_FOR_MS).div_euclid(COARSE_MS) * COARSE_MS;
    // Whole steps of Unix time, so that days begin on one.
    let mut from = from_ms.div_euclid(COARSE_MS) * COARSE_MS;
    while from < fine_from {
        let to = (from + (STEPS_MAX - 1) * COARSE_MS).min(fine_from - COARSE_MS);
        parts.push((from, to, COARSE_MS));
        from = to + COARSE_MS;
    }
    // The last step is the end itself.
    let steps = (to_ms - from) / FINE_MS;
    parts.push((to_ms - steps * FINE_MS, to_ms, FINE_MS));
    parts
}

fn selector(wish: &Select<'_>) -> String {
    let mut name = String::new();
    let mut rest = Vec::new();
    for matcher in wish.matchers {
        if matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Eq {
            name = matcher.value().to_owned();
        } else {
            let op = match matcher.op() {
                MatchOp::Eq => "=",
                MatchOp::Ne => "!=",
                MatchOp::Re => "=~",
                MatchOp::Nre => "!~",
            };
            rest.push(format!("{}{op}{:?}", matcher.name(), matcher.value()));
        }
    }
    format!("{name}{{{}}}", rest.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_the_time_once_and_end_at_its_end() {
        const DAY: i64 = 86_400_000;
        let to = 1_795_369_628_135;
        for from in [
            to - 90 * DAY,
            to - 30 * DAY,
            to - DAY,
            to - FINE_FOR_MS,
            to - 1_000,
        ] {
            let times: Vec<i64> = parts(from, to)
                .into_iter()
                .flat_map(|(from, to, step)| {
                    assert!((to - from) / step < STEPS_MAX && (to - from) % step == 0);
                    (0..=(to - from) / step).map(move |nth| from + nth * step)
                })
                .collect();
            assert!(times[0] <= from + FINE_MS);
            assert_eq!(times.last(), Some(&to));
            let next = times.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(
                next.clone().all(|gap| gap > 0 && gap <= COARSE_MS),
                "{from}"
            );
        }
    }
}
