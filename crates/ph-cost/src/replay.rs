//! The load of the past against settings of an autoscaler: pods, latency and cost, as they would have been.
//!
//! Steps are those of the load. In each of them calls are shared out equally over the pods that are ready; every
//! `sync_s` the autoscaler looks at what was measured `lag_s` ago, and pods that it adds take `start_s` until they are
//! ready. Nothing here is measured: it is a model with its parameters, which [`Scenario`] holds.

mod fleet;
mod latency;
mod money;
mod scenario;

pub use money::{PodPrice, usd_text};
pub use scenario::{Measuring, PodShape, Problem, Scaling, Scenario, Service, Slo};

use crate::arrivals::Arrivals;
use crate::hpa::{Autoscaler, MetricSpec, Reading, Reason, ResourceTarget};
use fleet::Fleet;
use latency::{Latencies, Wait};
use schemars::JsonSchema;
use serde::Serialize;

/// So many changes of replicas are kept; all are counted.
pub const CHANGES_MAX: usize = 2_000;

/// What would have been.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ReplayOutcome")]
pub struct Outcome {
    /// Pods on average, those that start included: they cost as much.
    pub average_pods: f64,
    /// Pods at most.
    pub most_pods: i64,
    /// Seconds of the replay.
    pub seconds: i64,
    /// Seconds in which more calls came than the ready pods can answer.
    pub seconds_above_capacity: i64,
    /// Calls that came.
    pub calls: f64,
    /// Calls that waited longer than callers do.
    pub lost_calls: f64,
    /// The latency that 95 % of the calls stay below; `None` if fewer than that got an answer at all.
    pub p95_s: Option<f64>,
    /// The share of calls that was answered within the objective's time.
    pub good_share: f64,
    /// Whether that is enough.
    pub slo_kept: bool,
    /// What the pods cost, in millionths of the currency.
    pub cost_micro: i64,
    /// How often replicas were changed.
    pub change_count: u64,
    /// The first of the changes.
    pub changes: Vec<Scaled>,
    /// Looks at which metrics could not say enough to change anything.
    pub blind_looks: u64,
    /// How the numbers came about.
    pub evidence: Vec<String>,
}

/// A change of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scaled {
    /// Seconds since the beginning.
    pub at_s: i64,
    /// Replicas before.
    pub from: i64,
    /// Replicas after.
    pub to: i64,
    /// What limited it.
    pub reason: Reason,
}

/// Replays a load.
///
/// # Errors
/// A parameter that makes no sense, or a load without calls.
pub fn replay(
    arrivals: &Arrivals,
    scenario: &Scenario,
    scaling: &Scaling,
) -> Result<Outcome, Problem> {
    scenario.check()?;
    scaling.check()?;
    if arrivals.counts.is_empty() || arrivals.calls() <= 0.0 || arrivals.step_s <= 0 {
        return Err(Problem("there is no call in the load".to_owned()));
    }
    Ok(Run::new(arrivals, scenario, scaling).run())
}

struct Run<'a> {
    arrivals: &'a Arrivals,
    scenario: &'a Scenario,
    scaler: Option<Autoscaler>,
    replicas: i64,
    fleet: Fleet,
    latencies: Latencies,
    /// Calls per pod and second that were answered, summed up to the beginning of each step.
    served: Vec<f64>,
    queue: f64,
    pod_seconds: f64,
    most_pods: i64,
    above_s: i64,
    lost: f64,
    change_count: u64,
    changes: Vec<Scaled>,
    blind_looks: u64,
    next_look_s: i64,
}

impl<'a> Run<'a> {
    fn new(arrivals: &'a Arrivals, scenario: &'a Scenario, scaling: &Scaling) -> Self {
        let first_minute = usize::try_from(60 / arrivals.step_s).unwrap_or(1).max(1);
        let begin = &arrivals.counts[..first_minute.min(arrivals.counts.len())];
        let rate = begin.iter().sum::<f64>() / (begin.len() as i64 * arrivals.step_s) as f64;
        let (scaler, replicas) = match scaling {
            Scaling::Static(pods) => (None, *pods),
            Scaling::Hpa { hpa, begin } => {
                // As if it had run before: what the first minute needs.
                let needed = scenario.pods_for(rate, hpa);
                let replicas = begin.unwrap_or(needed).clamp(hpa.min, hpa.max);
                (Some(Autoscaler::new(hpa.clone())), replicas)
            }
        };
        let mut served = Vec::with_capacity(arrivals.counts.len() + 1);
        served.push(0.0);
        Self {
            arrivals,
            scenario,
            scaler,
            replicas,
            fleet: Fleet::of_ready(replicas),
            latencies: Latencies::new(scenario.service.service_s, scenario.slo.latency_s),
            served,
            queue: 0.0,
            pod_seconds: 0.0,
            most_pods: replicas,
            above_s: 0,
            lost: 0.0,
            change_count: 0,
            changes: Vec::new(),
            blind_looks: 0,
            next_look_s: 0,
        }
    }

    fn run(mut self) -> Outcome {
        let step_s = self.arrivals.step_s;
        for (nth, count) in self.arrivals.counts.iter().enumerate() {
            let now_s = nth as i64 * step_s;
            self.fleet.pass(now_s);
            if now_s >= self.next_look_s {
                self.look(now_s);
                self.next_look_s = now_s + self.scenario.measuring.sync_s;
            }
            self.answer(*count);
        }
        self.outcome()
    }

    /// A step: calls come, and the pods that are ready answer.
    fn answer(&mut self, calls: f64) {
        let step_s = self.arrivals.step_s as f64;
        let service = &self.scenario.service;
        let pods = self.fleet.ready() as f64;
        let capacity = pods * self.scenario.pod_rate();
        let can = capacity * step_s;
        let begin = self.queue;
        let wanted = begin + calls;
        let answered = wanted.min(can);
        let waiting = wanted - answered;
        // Who waits longer than callers do is gone.
        self.queue = waiting.min(capacity * service.timeout_s);
        let lost = waiting - self.queue;
        if calls > can {
            self.above_s += self.arrivals.step_s;
        }
        self.lost += lost;
        self.latencies.lose(lost);
        let wait = if begin > 0.0 || self.queue > 0.0 {
            Wait::Queue {
                from_s: begin / capacity.max(1e-9),
                to_s: self.queue / capacity.max(1e-9),
            }
        } else {
            let servers = capacity * service.service_s;
            Wait::of_load(servers, calls / can.max(1e-9), service.service_s)
        };
        self.latencies.add((calls - lost).max(0.0), wait);
        let sum = self.served.last().copied().unwrap_or(0.0);
        self.served.push(sum + answered / pods.max(1.0));
        let pods = self.fleet.pods();
        self.pod_seconds += pods as f64 * step_s;
        self.most_pods = self.most_pods.max(pods);
    }

    /// The autoscaler looks.
    fn look(&mut self, now_s: i64) {
        let Some(scaler) = &mut self.scaler else {
            return;
        };
        let measured = self.fleet.measured(
            &self.served,
            now_s,
            self.arrivals.step_s,
            &self.scenario.measuring,
        );
        let pod = &self.scenario.pod;
        let cpu_milli = self.scenario.service.cpu_s_per_call * 1_000.0;
        let cpu = measured.seen(|rate| rate * cpu_milli, pod.cpu_request_milli);
        let calls = measured.seen(|rate| rate * 1_000.0, pod.cpu_request_milli);
        let total = Reading::Total {
            total_milli: (measured.total_rate() * 1_000.0) as i64,
            serving: Some(self.fleet.ready()),
        };
        let readings: Vec<Reading<'_>> = scaler
            .hpa()
            .metrics
            .iter()
            .map(|spec| match spec {
                MetricSpec::Resource { is_cpu: false, .. } => {
                    Reading::Unavailable("memory is not simulated")
                }
                MetricSpec::Resource { .. } => Reading::Pods {
                    seen: &cpu,
                    strays_milli: &[],
                },
                MetricSpec::Pods { .. } => Reading::Pods {
                    seen: &calls,
                    strays_milli: &[],
                },
                MetricSpec::Total { .. } if measured.is_blind() => {
                    Reading::Unavailable("nothing was measured yet")
                }
                MetricSpec::Total { .. } => total,
            })
            .collect();
        let decision = scaler.look(self.replicas, &readings, now_s);
        self.blind_looks += u64::from(decision.held.is_some());
        if decision.replicas != self.replicas {
            self.change_count += 1;
            if self.changes.len() < CHANGES_MAX {
                self.changes.push(Scaled {
                    at_s: now_s,
                    from: self.replicas,
                    to: decision.replicas,
                    reason: decision.reason,
                });
            }
            self.replicas = decision.replicas;
            self.fleet.scale(decision.replicas, now_s, pod.start_s);
        }
    }

    fn outcome(self) -> Outcome {
        let seconds = self.arrivals.seconds();
        let pod_hours = self.pod_seconds / 3_600.0;
        let hour_micro = self.scenario.pod_hour_micro();
        let cost_micro = (pod_hours * hour_micro as f64).round() as i64;
        let good_share = self.latencies.good_share().unwrap_or(0.0);
        let p95 = self.latencies.quantile(0.95).filter(|p95| p95.is_finite());
        let slo = self.scenario.slo;
        let evidence = vec![
            format!(
                "{:.0} calls in {seconds} s, {:.2}/s on average, {:.2}/s in the busiest minute",
                self.arrivals.calls(),
                self.arrivals.mean_rate(),
                self.arrivals.peak_rate()
            ),
            self.scenario.capacity_text(),
            format!(
                "{pod_hours:.2} pod-hours x {} = {}",
                usd_text(hour_micro),
                usd_text(cost_micro)
            ),
            format!(
                "{:.3} % of the calls within {} s, promised are {:.3} %",
                good_share * 100.0,
                slo.latency_s,
                slo.objective * 100.0
            ),
        ];
        Outcome {
            average_pods: self.pod_seconds / seconds.max(1) as f64,
            most_pods: self.most_pods,
            seconds,
            seconds_above_capacity: self.above_s,
            calls: self.arrivals.calls(),
            lost_calls: self.lost,
            p95_s: p95,
            good_share,
            slo_kept: good_share >= slo.objective,
            cost_micro,
            change_count: self.change_count,
            changes: self.changes,
            blind_looks: self.blind_looks,
            evidence,
        }
    }
}

impl Scenario {
    /// The calls per second and pod that a metric aims at; `None` for one that says nothing of it.
    #[must_use]
    pub fn target_rate(&self, spec: &MetricSpec) -> Option<f64> {
        let cpu_milli = self.service.cpu_s_per_call * 1_000.0;
        match spec {
            MetricSpec::Pods { average_milli } => Some(*average_milli as f64 / 1_000.0),
            MetricSpec::Resource {
                is_cpu: true,
                target: ResourceTarget::UtilizationPercent(percent),
            } if cpu_milli > 0.0 => {
                let milli = self.pod.cpu_request_milli * percent;
                Some(milli as f64 / 100.0 / cpu_milli)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpa::{Behavior, Hpa};

    fn steady(rate: f64, seconds: usize) -> Arrivals {
        Arrivals {
            start_s: None,
            step_s: 1,
            counts: vec![rate; seconds],
        }
    }

    fn hpa(behavior: Option<Behavior>) -> Scaling {
        Scaling::Hpa {
            hpa: Hpa {
                min: 2,
                max: 10,
                metrics: vec![MetricSpec::Pods {
                    average_milli: 50_000,
                }],
                behavior,
            },
            begin: None,
        }
    }

    fn run(arrivals: &Arrivals, scaling: &Scaling) -> Outcome {
        replay(arrivals, &Scenario::default(), scaling).unwrap()
    }

    #[test]
    fn a_steady_load_keeps_its_pods() {
        let got = run(&steady(200.0, 3_600), &hpa(None));
        assert_eq!((got.most_pods, got.change_count), (4, 0));
        assert!((got.average_pods - 4.0).abs() < 1e-9);
        assert!(got.slo_kept && got.seconds_above_capacity == 0, "{got:?}");
    }

    #[test]
    fn a_rise_is_followed_late_and_a_fall_after_the_window() {
        let mut arrivals = steady(100.0, 600);
        arrivals.counts.extend(vec![400.0; 900]);
        arrivals.counts.extend(vec![100.0; 1_500]);
        let got = run(&arrivals, &hpa(None));
        // 8 by the load alone; while the queue is worked off pods answer more than comes.
        assert!((8..=10).contains(&got.most_pods), "{got:?}");
        let first = got.changes[0];
        assert!((600 + 30..600 + 120).contains(&first.at_s), "{first:?}");
        let down = got
            .changes
            .iter()
            .find(|change| change.to < 8 && change.from >= 8);
        let down = down.unwrap();
        assert!(down.at_s >= 1_500 + 300, "{down:?}");
        assert!(got.seconds_above_capacity > 60, "{got:?}");
        let quick = run(&arrivals, &hpa(Some(Behavior::default())));
        assert!(quick.seconds_above_capacity <= got.seconds_above_capacity);
    }

    #[test]
    fn too_few_pods_lose_calls_and_the_objective() {
        let got = run(&steady(1_000.0, 600), &Scaling::Static(2));
        assert!(!got.slo_kept && got.lost_calls > 100_000.0, "{got:?}");
        assert_eq!((got.p95_s, got.seconds_above_capacity), (None, 600));
    }

    #[test]
    fn cost_is_pods_by_hours_by_price() {
        let got = run(&steady(10.0, 7_200), &Scaling::Static(3));
        let hour = Scenario::default().pod_hour_micro();
        assert_eq!(got.cost_micro, 6 * hour);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let none = steady(0.0, 60);
        let static_2 = Scaling::Static(2);
        assert!(replay(&none, &Scenario::default(), &static_2).is_err());
        let mut scenario = Scenario::default();
        scenario.service.service_s = f64::NAN;
        let error = replay(&steady(1.0, 60), &scenario, &static_2).unwrap_err();
        assert!(error.to_string().contains("service time"), "{error}");
        assert!(replay(&steady(1.0, 60), &Scenario::default(), &Scaling::Static(0)).is_err());
    }
}
