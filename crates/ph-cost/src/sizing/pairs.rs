//! Requests and autoscaler together, over the calls that came.

use schemars::JsonSchema;
use serde::Serialize;

use super::{CpuHpa, Resources};
use crate::arrivals::Arrivals;
use crate::hpa::{Hpa, MetricSpec, ResourceTarget};
use crate::replay::{Outcome, PodShape, Problem, Scaling, Scenario, replay};

/// A pod is not planned to answer more than this share of what it can.
const BUSY_MAX: f64 = 0.8;

/// Resources and a metric, and what they would have come to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Pair {
    /// What it is, in words.
    pub name: String,
    /// CPU that a pod requests.
    pub request_milli: u64,
    /// What the autoscaler goes by, as in a manifest.
    pub metric: String,
    /// Over the calls that came.
    pub outcome: Outcome,
}

/// What pairs came to, and which to take.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Pairing {
    /// As it is; new resources with the old target; with the target re-derived; and with requests per second, where the
    /// CPU of a call is known.
    pub pairs: Vec<Pair>,
    /// Which of them to take: the first where no other keeps the objective for less.
    pub take: usize,
    /// How it came about.
    pub arithmetic: Vec<String>,
}

/// Replays an HPA on CPU with the resources of today and with others, over the same calls.
///
/// - `scenario`: how a pod answers, with the CPU of a call as it was measured; its resources are not looked at.
/// - `today`, `new`: both with a CPU request, else there is nothing to take a share of and the answer is `None`.
/// - `derived_percent`: the target for the new request.
///
/// # Errors
/// A parameter that makes no sense, or a load without calls.
pub fn pairs(
    arrivals: &Arrivals,
    scenario: &Scenario,
    hpa: CpuHpa,
    (today, new): (Resources, Resources),
    derived_percent: u32,
) -> Result<Option<Pairing>, Problem> {
    let (Some(old_milli), Some(new_milli)) = (today.cpu_request_milli, new.cpu_request_milli)
    else {
        return Ok(None);
    };
    let cpu = |percent: u32| MetricSpec::Resource {
        is_cpu: true,
        target: ResourceTarget::UtilizationPercent(i64::from(percent)),
    };
    let with_new = shaped(scenario, new);
    let mut settings = vec![
        ("as it is", shaped(scenario, today), cpu(hpa.target_percent)),
        (
            "new resources, old target",
            with_new,
            cpu(hpa.target_percent),
        ),
        ("new resources, new target", with_new, cpu(derived_percent)),
    ];
    let mut arithmetic = vec![scenario_text(&with_new)];
    if let Some((rate, why)) = rate(&with_new, old_milli, hpa) {
        let average_milli = rate * 1_000;
        settings.push((
            "new resources, calls per second",
            with_new,
            MetricSpec::Pods { average_milli },
        ));
        arithmetic.push(why);
    }
    let pairs = settings
        .into_iter()
        .map(|(name, scenario, metric)| {
            let scaling = Scaling::Hpa {
                hpa: Hpa {
                    min: i64::from(hpa.min),
                    max: i64::from(hpa.max),
                    metrics: vec![metric.clone()],
                    behavior: None,
                },
                begin: None,
            };
            Ok(Pair {
                name: name.to_owned(),
                request_milli: if name == "as it is" {
                    old_milli
                } else {
                    new_milli
                },
                metric: metric_text(&metric),
                outcome: replay(arrivals, &scenario, &scaling)?,
            })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let (take, why) = take(&pairs, derived_percent);
    arithmetic.push(why);
    Ok(Some(Pairing {
        pairs,
        take,
        arithmetic,
    }))
}

fn shaped(scenario: &Scenario, resources: Resources) -> Scenario {
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Scenario {
        pod: PodShape {
            cpu_request_milli: resources
                .cpu_request_milli
                .map_or(scenario.pod.cpu_request_milli, whole),
            cpu_limit_milli: resources.cpu_limit_milli.map(whole),
            memory_request_bytes: resources
                .memory_request_bytes
                .map_or(scenario.pod.memory_request_bytes, whole),
            start_s: scenario.pod.start_s,
        },
        ..*scenario
    }
}

fn scenario_text(scenario: &Scenario) -> String {
    format!(
        "{}; a pod starts in {} s; {} % of the calls are to be answered within {} s",
        scenario.capacity_text(),
        scenario.pod.start_s,
        scenario.slo.objective * 100.0,
        scenario.slo.latency_s
    )
}

/// The calls per second of a pod that come to the CPU of its target, or to most of what it can answer.
fn rate(scenario: &Scenario, old_milli: u64, hpa: CpuHpa) -> Option<(i64, String)> {
    let each_s = scenario.service.cpu_s_per_call;
    if each_s <= 0.0 {
        return None;
    }
    let target_milli = (old_milli * u64::from(hpa.target_percent) / 100) as f64;
    let by_cpu = target_milli / 1_000.0 / each_s;
    let by_turns = scenario.pod_rate() * BUSY_MAX;
    // A quotient that is whole but for its last digit is whole.
    let rate = (by_cpu.min(by_turns) + 1e-6).floor().max(1.0);
    let why = format!(
        "calls per second of a pod: {target_milli:.0}m / {:.3} ms of CPU = {by_cpu:.1}, at most {:.0} % of what it can answer = {by_turns:.1}: averageValue {rate:.0}, which no request changes",
        each_s * 1_000.0,
        BUSY_MAX * 100.0
    );
    Some((rate as i64, why))
}

fn metric_text(metric: &MetricSpec) -> String {
    match metric {
        MetricSpec::Resource {
            target: ResourceTarget::UtilizationPercent(percent),
            ..
        } => format!("cpu averageUtilization {percent}"),
        MetricSpec::Pods { average_milli } => format!(
            "mcp_requests_per_second averageValue {}",
            average_milli / 1_000
        ),
        _ => "another metric".to_owned(),
    }
}

/// The cheapest that keeps the objective for less than what is there. With the old target the new request is only shown:
/// its pods are those that the target asks for by mistake.
fn take(pairs: &[Pair], derived_percent: u32) -> (usize, String) {
    let today = &pairs[0].outcome;
    let candidates = pairs.iter().enumerate().skip(2);
    // More than is set aside for a pod cannot be relied on.
    let candidates = candidates.filter(|(at, _)| *at != 2 || derived_percent <= 100);
    let kept = candidates
        .filter(|(_, pair)| pair.outcome.slo_kept && pair.outcome.cost_micro < today.cost_micro);
    let cheapest = kept.min_by_key(|(_, pair)| pair.outcome.cost_micro);
    match cheapest {
        Some((at, pair)) => (
            at,
            format!(
                "{}: keeps the objective ({:.2} % in time) for {:.0} % less than what is there",
                pair.name,
                pair.outcome.good_share * 100.0,
                (1.0 - pair.outcome.cost_micro as f64 / today.cost_micro.max(1) as f64) * 100.0
            ),
        ),
        None => (
            0,
            "nothing keeps the objective for less than what is there: leave requests and target as they are"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HPA: CpuHpa = CpuHpa {
        target_percent: 70,
        min: 2,
        max: 10,
    };

    fn resources(request_milli: u64) -> Resources {
        Resources {
            cpu_request_milli: Some(request_milli),
            memory_request_bytes: Some(256 << 20),
            ..Resources::default()
        }
    }

    /// Two hours of 400 calls a second: 1.4 cores.
    fn load() -> Arrivals {
        Arrivals {
            start_s: None,
            step_s: 15,
            counts: vec![6_000.0; 480],
        }
    }

    fn paired(derived_percent: u32, new_milli: u64) -> Pairing {
        let both = (resources(500), resources(new_milli));
        // 160 calls a second are what a pod can answer: CPU is what it is scaled by.
        let mut scenario = Scenario::default();
        scenario.service.concurrency = 16;
        let made = pairs(&load(), &scenario, HPA, both, derived_percent);
        made.unwrap().unwrap()
    }

    #[test]
    fn half_of_the_request_saves_only_with_a_target_that_follows() {
        let made = paired(100, 350);
        let pods = |at: usize| made.pairs[at].outcome.average_pods;
        assert!(pods(1) > pods(0) * 1.3, "{} {}", pods(1), pods(0));
        assert!((pods(2) / pods(0) - 1.0).abs() < 0.05);
        assert_eq!(
            made.pairs[3].metric,
            "mcp_requests_per_second averageValue 100"
        );
        assert!(made.take >= 2);
        let taken = &made.pairs[made.take].outcome;
        assert!(taken.slo_kept && taken.cost_micro < made.pairs[0].outcome.cost_micro);
    }

    #[test]
    fn more_than_the_whole_request_is_no_target_to_rely_on() {
        let made = paired(140, 250);
        assert_eq!(made.take, 3, "by calls per second instead");
    }

    #[test]
    fn what_saves_nothing_is_left_as_it_is() {
        let made = paired(35, 1000);
        assert_eq!(made.take, 0);
        assert!(made.arithmetic.last().unwrap().contains("leave requests"));
        let nothing = (Resources::default(), resources(1));
        let made = pairs(&load(), &Scenario::default(), HPA, nothing, 70);
        assert_eq!(made, Ok(None));
    }
}
