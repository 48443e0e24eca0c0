//! The cheapest settings of an autoscaler that keep the objective: looked for in one part of the load, judged on another.

use crate::arrivals::Arrivals;
use crate::hpa::{Behavior, Hpa, MetricSpec, Policy, Rules};
use crate::replay::{Outcome, Problem, Scaling, Scenario, replay, usd_text};
use serde::Serialize;

/// Settings that are tried at most.
pub const TRIED_MAX: usize = 2_000;
/// Of the room below the objective that much is left alone when looking, since another day is another day.
const MARGIN: f64 = 0.5;
/// Static pods that are tried at most.
const STATIC_MAX: i64 = 500;

/// Shares of what a pod can answer that are tried as targets.
const TARGETS: &[f64] = &[0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Windows for scaling down that are tried.
const WINDOWS_S: &[i64] = &[60, 120, 300, 600, 900];

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Search {
    /// What is there, or would be; up to twice as many pods as its most are tried.
    pub baseline: Hpa,
    /// Static pods; `None` looks for the fewest that keep the objective.
    pub static_pods: Option<i64>,
}

/// One setting, and what it would have come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// What it is, for people.
    pub name: String,
    /// The setting.
    pub scaling: Scaling,
    /// On the load that it is judged on here.
    pub outcome: Outcome,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Settings that were tried.
    pub tried: usize,
    /// Those of which no other is both cheaper and better, on the part that was looked in: the cheapest first.
    pub front: Vec<Candidate>,
    /// Static, baseline and optimised, on the part that was looked in.
    pub tuned: Vec<Candidate>,
    /// The same three on the part that nobody looked in.
    pub judged: Vec<Candidate>,
    /// Which of `judged` is recommended.
    pub recommended: usize,
    /// Why.
    pub reasons: Vec<String>,
}

/// The place of each in [`Found::tuned`] and [`Found::judged`].
const STATIC: usize = 0;
const BASELINE: usize = 1;
const OPTIMISED: usize = 2;

/// Looks for settings in one part of a load, and judges them on another.
///
/// # Errors
/// A parameter that makes no sense, or a part without calls.
pub fn optimise(
    tune: &Arrivals,
    judge: &Arrivals,
    scenario: &Scenario,
    search: &Search,
) -> Result<Found, Problem> {
    optimise_while(tune, judge, scenario, search, &|| true)
}

/// The same, as long as there is time for it.
///
/// - `go_on`: asked before each setting that is tried.
///
/// # Errors
/// As of [`optimise`]; when it was told not to go on.
pub fn optimise_while(
    tune: &Arrivals,
    judge: &Arrivals,
    scenario: &Scenario,
    search: &Search,
    go_on: &dyn Fn() -> bool,
) -> Result<Found, Problem> {
    let wanted = scenario.slo.objective + (1.0 - scenario.slo.objective) * MARGIN;
    let mut tried = Vec::new();
    for (name, hpa) in settings(scenario, &search.baseline) {
        if !go_on() {
            return Err(Problem(
                "there was not enough time to try all settings over so long a load".to_owned(),
            ));
        }
        let scaling = Scaling::Hpa { hpa, begin: None };
        let outcome = replay(tune, scenario, &scaling)?;
        tried.push(Candidate {
            name,
            scaling,
            outcome,
        });
    }
    let best = best(&tried, wanted).ok_or_else(|| Problem("nothing could be tried".to_owned()))?;
    let static_pods = match search.static_pods {
        Some(pods) => pods,
        None => fewest(tune, scenario, wanted)?,
    };
    let baseline = Scaling::Hpa {
        hpa: search.baseline.clone(),
        begin: None,
    };
    let settings = [
        (
            format!("static {static_pods}"),
            Scaling::Static(static_pods),
        ),
        (format!("HPA: {}", name_of(&search.baseline)), baseline),
        (format!("optimised: {}", best.name), best.scaling.clone()),
    ];
    let on = |arrivals: &Arrivals| -> Result<Vec<Candidate>, Problem> {
        let each = settings.iter().map(|(name, scaling)| {
            Ok(Candidate {
                name: name.clone(),
                scaling: scaling.clone(),
                outcome: replay(arrivals, scenario, scaling)?,
            })
        });
        each.collect()
    };
    let (tuned, judged) = (on(tune)?, on(judge)?);
    let (recommended, reasons) = recommend(&tuned, &judged);
    let count = tried.len();
    Ok(Found {
        tried: count,
        front: front(tried),
        tuned,
        judged,
        recommended,
        reasons,
    })
}

/// The cheapest that keeps what is wanted; else the one that comes nearest.
fn best(tried: &[Candidate], wanted: f64) -> Option<&Candidate> {
    let keeping = tried.iter().filter(|c| c.outcome.good_share >= wanted);
    let cheapest = keeping.min_by(|a, b| {
        let by_cost = a.outcome.cost_micro.cmp(&b.outcome.cost_micro);
        by_cost.then(b.outcome.good_share.total_cmp(&a.outcome.good_share))
    });
    cheapest.or_else(|| {
        tried
            .iter()
            .max_by(|a, b| a.outcome.good_share.total_cmp(&b.outcome.good_share))
    })
}

/// The fewest static pods that keep what is wanted.
fn fewest(tune: &Arrivals, scenario: &Scenario, wanted: f64) -> Result<i64, Problem> {
    let (mut below, mut above) = (0, 1);
    let keeps = |pods: i64| -> Result<bool, Problem> {
        let outcome = replay(tune, scenario, &Scaling::Static(pods))?;
        Ok(outcome.good_share >= wanted)
    };
    while !keeps(above)? {
        below = above;
        above *= 2;
        if above > STATIC_MAX {
            return Ok(STATIC_MAX);
        }
    }
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if keeps(middle)? {
            above = middle;
        } else {
            below = middle;
        }
    }
    Ok(above)
}

/// What is tried: every combination of a least number, a target, a window and a way up.
fn settings(scenario: &Scenario, baseline: &Hpa) -> Vec<(String, Hpa)> {
    let rate_milli = scenario.pod_rate() * 1_000.0;
    let mut least: Vec<i64> = (1..=6).collect();
    least.extend([8, 10, 12, 14, 16, 20, 24, 32]);
    let most = [baseline.max, baseline.max.saturating_mul(2)];
    let bounds = least.iter().flat_map(|min| most.map(|max| (*min, max)));
    let bounds = bounds.filter(|(min, max)| min <= max);
    let mut settings = Vec::new();
    for (min, max) in bounds {
        for share in TARGETS {
            // Whole calls per second, as people write them.
            let average_milli = ((rate_milli * share / 1_000.0).round() as i64).max(1) * 1_000;
            for behavior in behaviors() {
                let hpa = Hpa {
                    min,
                    max,
                    metrics: vec![MetricSpec::Pods { average_milli }],
                    behavior,
                };
                settings.push((name_of(&hpa), hpa));
            }
        }
    }
    settings.truncate(TRIED_MAX);
    settings
}

fn behaviors() -> Vec<Option<Behavior>> {
    let mut behaviors = vec![None];
    for window_s in WINDOWS_S {
        for up in [Rules::up(), quick()] {
            let down = Rules {
                window_s: *window_s,
                ..Rules::down()
            };
            behaviors.push(Some(Behavior { up, down }));
        }
    }
    behaviors
}

/// Up to ten more at once.
fn quick() -> Rules {
    Rules {
        policies: vec![Policy::pods(10, 15), Policy::percent(300, 15)],
        ..Rules::up()
    }
}

/// An autoscaler in a line.
#[must_use]
pub fn name_of(hpa: &Hpa) -> String {
    let metrics: Vec<String> = hpa.metrics.iter().map(metric_text).collect();
    let behavior = match &hpa.behavior {
        None => "no behavior".to_owned(),
        Some(behavior) => {
            let up = if behavior.up.policies == quick().policies {
                "up 10 or 300 %/15 s"
            } else {
                "up 4 or 100 %/15 s"
            };
            format!("{up}, down after {} s", behavior.down.window_s)
        }
    };
    format!(
        "{} to {}, {}, {behavior}",
        hpa.min,
        hpa.max,
        metrics.join(" and ")
    )
}

fn metric_text(spec: &MetricSpec) -> String {
    use crate::hpa::{ResourceTarget, TotalTarget};
    match spec {
        MetricSpec::Pods { average_milli } => format!("{}/s a pod", *average_milli as f64 / 1e3),
        MetricSpec::Resource { is_cpu, target } => {
            let what = if *is_cpu { "CPU" } else { "memory" };
            match target {
                ResourceTarget::UtilizationPercent(percent) => format!("{what} {percent} %"),
                ResourceTarget::AverageMilli(milli) => format!("{what} {milli}m a pod"),
            }
        }
        MetricSpec::Total { target } => match target {
            TotalTarget::ValueMilli(milli) => format!("{}/s in all", *milli as f64 / 1e3),
            TotalTarget::AverageMilli(milli) => format!("{}/s of all a pod", *milli as f64 / 1e3),
        },
    }
}

/// Those of which no other is both cheaper and better.
fn front(mut tried: Vec<Candidate>) -> Vec<Candidate> {
    tried.sort_by(|a, b| {
        let by_cost = a.outcome.cost_micro.cmp(&b.outcome.cost_micro);
        by_cost.then(b.outcome.good_share.total_cmp(&a.outcome.good_share))
    });
    let mut best = f64::NEG_INFINITY;
    tried.retain(|candidate| {
        let is_better = candidate.outcome.good_share > best + 1e-9;
        best = best.max(candidate.outcome.good_share);
        is_better
    });
    tried
}

/// The optimised one only if it keeps the objective on both parts, and costs less than each of the others that keep it.
fn recommend(tuned: &[Candidate], judged: &[Candidate]) -> (usize, Vec<String>) {
    let outcome = |nth: usize| &judged[nth].outcome;
    let keeps = |nth: usize| tuned[nth].outcome.slo_kept && outcome(nth).slo_kept;
    let keeping = [STATIC, BASELINE].into_iter().filter(|nth| keeps(*nth));
    let cheapest = keeping.min_by_key(|nth| outcome(*nth).cost_micro);
    let Some(other) = cheapest else {
        if keeps(OPTIMISED) {
            let why = "it is the only one that keeps the objective on both halves".to_owned();
            return (OPTIMISED, vec![why]);
        }
        return nearest(judged);
    };
    let (mine, its, name) = (outcome(OPTIMISED), outcome(other), &judged[other].name);
    if !keeps(OPTIMISED) {
        return (
            other,
            vec![format!(
                "the optimised setting does not keep the objective: {} of the calls in time on the first half and {} on the \
                 second; `{name}` does, with {} and {}",
                percent(tuned[OPTIMISED].outcome.good_share),
                percent(mine.good_share),
                percent(tuned[other].outcome.good_share),
                percent(its.good_share)
            )],
        );
    }
    if mine.cost_micro >= its.cost_micro {
        return (
            other,
            vec![format!(
                "the optimised setting does not cost less on the half that it was not tuned on: {} against {} of `{name}`",
                usd_text(mine.cost_micro),
                usd_text(its.cost_micro)
            )],
        );
    }
    let saved = 1.0 - mine.cost_micro as f64 / its.cost_micro.max(1) as f64;
    let mut reasons = vec![format!(
        "it keeps the objective on both halves ({} on the second) and costs {} less there than `{name}`, the cheapest other \
         that keeps it",
        percent(mine.good_share),
        percent(saved)
    )];
    if mine.seconds_above_capacity > its.seconds_above_capacity {
        reasons.push(format!(
            "but {} s are above its capacity instead of {} s",
            mine.seconds_above_capacity, its.seconds_above_capacity
        ));
    }
    (OPTIMISED, reasons)
}

/// Where none keeps the objective: the one of those that are not tuned that comes nearest.
fn nearest(judged: &[Candidate]) -> (usize, Vec<String>) {
    let share = |nth: usize| judged[nth].outcome.good_share;
    let nearest = if share(STATIC) > share(BASELINE) {
        STATIC
    } else {
        BASELINE
    };
    let why = format!(
        "none keeps the objective on both halves; `{}` comes nearest of those that are not tuned, with {} of the calls in time \
         on the second (optimised: {})",
        judged[nearest].name,
        percent(share(nearest)),
        percent(share(OPTIMISED))
    );
    (nearest, vec![why])
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::PodPrice;

    /// 40 minutes: quiet, and every ten minutes five busy ones.
    fn load() -> Arrivals {
        let counts = (0..2_400).map(|s| if s % 600 < 300 { 60.0 } else { 300.0 });
        Arrivals {
            start_s: None,
            step_s: 1,
            counts: counts.collect(),
        }
    }

    fn search() -> Search {
        Search {
            baseline: Hpa {
                min: 2,
                max: 10,
                metrics: vec![MetricSpec::Pods {
                    average_milli: 50_000,
                }],
                behavior: None,
            },
            static_pods: None,
        }
    }

    #[test]
    fn what_is_found_is_cheaper_and_as_good_on_a_load_that_repeats() {
        let (tune, judge) = load().halves();
        let found = optimise(&tune, &judge, &Scenario::default(), &search()).unwrap();
        assert!(found.tried > 100);
        assert!(found.front.windows(2).all(|pair| {
            pair[0].outcome.cost_micro < pair[1].outcome.cost_micro
                && pair[0].outcome.good_share < pair[1].outcome.good_share
        }));
        let (got, others) = (&found.judged[OPTIMISED], &found.judged[..OPTIMISED]);
        let is_cheaper = others
            .iter()
            .filter(|c| c.outcome.slo_kept)
            .all(|other| other.outcome.cost_micro > got.outcome.cost_micro);
        assert_eq!(
            found.recommended == OPTIMISED,
            is_cheaper && got.outcome.slo_kept,
            "{:?}",
            found.reasons
        );
    }

    #[test]
    fn what_does_not_keep_the_objective_is_not_recommended() {
        // Tuned on silence, judged on a flood that comes in a second.
        let quiet = Arrivals {
            counts: vec![5.0; 600],
            ..load()
        };
        let flood = Arrivals {
            counts: (0..600)
                .map(|s| if s % 120 < 60 { 0.0 } else { 600.0 })
                .collect(),
            ..load()
        };
        let mut search = search();
        search.baseline.min = 8;
        search.static_pods = Some(10);
        let found = optimise(&quiet, &flood, &Scenario::default(), &search).unwrap();
        assert!(!found.judged[OPTIMISED].outcome.slo_kept);
        assert_ne!(found.recommended, OPTIMISED, "{:?}", found.reasons);
    }

    #[test]
    fn without_a_price_nothing_is_cheaper() {
        let scenario = Scenario {
            price: PodPrice {
                cpu_hour_micro: 0,
                gib_hour_micro: 0,
            },
            ..Scenario::default()
        };
        let (tune, judge) = load().halves();
        let found = optimise(&tune, &judge, &scenario, &search()).unwrap();
        let others = &found.judged[..OPTIMISED];
        if others.iter().any(|other| other.outcome.slo_kept) {
            assert_ne!(found.recommended, OPTIMISED);
        }
    }
}
