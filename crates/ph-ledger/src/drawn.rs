//! A load and what answers it, as points of a chart: never more than it has pixels.

use ph_cost::arrivals::Arrivals;
use ph_cost::replay::Outcome;

/// Calls per second, the mean of each of at most `points_max` stretches of equal length, and that length in seconds.
#[must_use]
pub fn rates(arrivals: &Arrivals, points_max: usize) -> (i64, Vec<f64>) {
    let steps = arrivals.counts.len().div_ceil(points_max.max(1)).max(1);
    let step_s = arrivals.step_s.max(1);
    let mean = |counts: &[f64]| {
        let seconds = counts.len() as i64 * step_s;
        counts.iter().sum::<f64>() / seconds as f64
    };
    let means = arrivals.counts.chunks(steps).map(mean);
    (steps as i64 * step_s, means.collect())
}

/// Replicas, the most in each of `points` stretches of `step_s` seconds.
///
/// Of a replay with more changes than are kept, what came after the last of them is not known: the points end there.
#[must_use]
pub fn replicas(outcome: &Outcome, step_s: i64, points: usize) -> Vec<i64> {
    let changes = &outcome.changes;
    let mut now = changes
        .first()
        .map_or(outcome.most_pods, |first| first.from);
    let is_cut = outcome.change_count > changes.len() as u64;
    let known_s = changes.last().filter(|_| is_cut).map(|last| last.at_s);
    let mut next = changes.iter().peekable();
    let mut drawn = Vec::with_capacity(points);
    for nth in 0..points {
        let begin_s = nth as i64 * step_s;
        if known_s.is_some_and(|known_s| begin_s > known_s) {
            break;
        }
        let mut most = now;
        while let Some(change) = next.next_if(|change| change.at_s < begin_s + step_s) {
            // What changes just when a stretch begins has not been otherwise in it.
            if change.at_s == begin_s {
                most = change.to;
            }
            now = change.to;
            most = most.max(now);
        }
        drawn.push(most);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_cost::hpa::{Hpa, MetricSpec};
    use ph_cost::replay::{Scaling, Scenario, replay};

    fn load() -> Arrivals {
        let busy = |s: usize| {
            if (1_200..2_400).contains(&s) {
                400.0
            } else {
                40.0
            }
        };
        Arrivals {
            start_s: Some(0),
            step_s: 1,
            counts: (0..7_200).map(busy).collect(),
        }
    }

    fn outcome(max: i64) -> Outcome {
        let hpa = Hpa {
            min: 2,
            max,
            metrics: vec![MetricSpec::Pods {
                average_milli: 50_000,
            }],
            behavior: None,
        };
        let scaling = Scaling::Hpa { hpa, begin: None };
        replay(&load(), &Scenario::default(), &scaling).unwrap()
    }

    #[test]
    fn there_are_no_more_points_than_pixels_and_no_call_is_lost() {
        for points_max in [1, 7, 100, 7_200, 100_000] {
            let (step_s, rates) = rates(&load(), points_max);
            assert!(rates.len() <= points_max);
            let last_s = 7_200 - step_s * (rates.len() as i64 - 1);
            let whole: f64 = rates[..rates.len() - 1].iter().sum();
            let calls = whole * step_s as f64 + rates[rates.len() - 1] * last_s as f64;
            assert!(
                (calls - load().calls()).abs() < 1e-3,
                "{points_max}: {calls}"
            );
        }
    }

    #[test]
    fn the_most_that_ever_ran_is_seen_however_few_points_there_are() {
        let outcome = outcome(10);
        assert!(outcome.most_pods > 4 && outcome.change_count > 2);
        let by_second = replicas(&outcome, 1, 7_200);
        for step_s in [60, 600, 7_200] {
            let points = usize::try_from(7_200 / step_s).unwrap();
            let drawn = replicas(&outcome, step_s, points);
            let most = by_second
                .chunks(step_s as usize)
                .map(|chunk| *chunk.iter().max().unwrap());
            assert_eq!(drawn, most.collect::<Vec<_>>(), "{step_s}");
        }
    }

    #[test]
    fn what_never_changes_is_a_line_and_what_is_not_known_is_not_drawn() {
        assert_eq!(replicas(&outcome(2), 600, 12), [2; 12]);
        let mut cut = outcome(10);
        cut.changes.truncate(1);
        let known = usize::try_from(cut.changes[0].at_s / 60).unwrap() + 1;
        assert_eq!(replicas(&cut, 60, 120).len(), known);
    }
}
