//! One look of the controller: all metrics, then the limits, and what is remembered of it.

use super::behavior::{Behavior, Bounds, Limited, Reason, limit_legacy, stabilise_legacy};
use super::history::{Changes, Recommendation, Recommendations};
use super::metric::{
    Invalid, PodSamples, Proposal, ResourceTarget, Tolerance, TotalTarget, total_average,
    total_value,
};
use super::pods::{Seen, Startup};
use serde::{Deserialize, Serialize};

/// One entry of `spec.metrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetricSpec {
    /// `type: Resource` and `ContainerResource`.
    Resource {
        /// Whether it is CPU, which is not looked at while a pod starts.
        is_cpu: bool,
        /// What it is held against.
        target: ResourceTarget,
    },
    /// `type: Pods`.
    Pods {
        /// Mean per pod.
        average_milli: i64,
    },
    /// `type: Object` and `External`.
    Total {
        /// What it is held against.
        target: TotalTarget,
    },
}

/// An autoscaler, as its manifest has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hpa {
    /// `minReplicas`: 1 where nothing is said.
    pub min: i64,
    /// `maxReplicas`.
    pub max: i64,
    /// `metrics`: the one that wants most holds.
    pub metrics: Vec<MetricSpec>,
    /// `behavior`; without it an older rule holds.
    pub behavior: Option<Behavior>,
}

/// What was measured for one entry of `metrics`.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// Of pods.
    Pods {
        /// Those of the workload.
        seen: &'a [Seen],
        /// Values of pods that nobody knows.
        strays_milli: &'a [i64],
    },
    /// Of something else.
    Total {
        /// The value.
        total_milli: i64,
        /// Pods that are running and ready; `None` when there is no pod at all.
        serving: Option<i64>,
    },
    /// Nothing, and why.
    Unavailable(&'a str),
}

/// What a look ended with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Replicas from now on.
    pub replicas: i64,
    /// What the metrics wanted; `None` if they were not asked, or could not say.
    pub wanted: Option<i64>,
    /// What that became by looking back.
    pub stabilised: Option<i64>,
    /// What limited it.
    pub reason: Reason,
    /// Why nothing was changed though something was asked for.
    pub held: Option<String>,
    /// What each metric said.
    pub proposals: Vec<Result<Proposal, Invalid>>,
}

/// An autoscaler at work.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    hpa: Hpa,
    tolerance: Tolerance,
    startup: Startup,
    window_s: i64,
    recommendations: Recommendations,
    changes: Changes,
    is_new: bool,
}

impl Autoscaler {
    /// One that has seen nothing yet, of a controller with the usual flags.
    #[must_use]
    pub fn new(hpa: Hpa) -> Self {
        let tolerance = Tolerance::default();
        Self {
            tolerance: hpa
                .behavior
                .as_ref()
                .map_or(tolerance, |behavior| behavior.tolerance(tolerance)),
            hpa,
            startup: Startup::default(),
            window_s: super::DOWNSCALE_WINDOW_S,
            recommendations: Recommendations::default(),
            changes: Changes::default(),
            is_new: true,
        }
    }

    /// The manifest.
    #[must_use]
    pub fn hpa(&self) -> &Hpa {
        &self.hpa
    }

    /// What it remembers to have proposed.
    #[must_use]
    pub fn recommendations(&self) -> &[Recommendation] {
        &self.recommendations.0
    }

    /// Looks at everything once.
    ///
    /// - `current`: `spec.replicas` of what is scaled.
    /// - `readings`: one for each metric, in their order. One too few is one that is not available.
    pub fn look(&mut self, current: i64, readings: &[Reading<'_>], now_s: i64) -> Decision {
        if self.is_new {
            self.is_new = false;
            self.recommendations.remember(current, now_s, i64::MAX / 2);
        }
        let (min, max) = (self.hpa.min, self.hpa.max);
        let at_once = |replicas: i64, reason: Reason| Decision {
            replicas,
            wanted: None,
            stabilised: None,
            reason,
            held: None,
            proposals: Vec::new(),
        };
        let decision = if current == 0 && min != 0 {
            Decision {
                held: Some("scaled to 0 by hand, which switches the autoscaler off".to_owned()),
                ..at_once(0, Reason::DesiredWithinRange)
            }
        } else if current > max {
            at_once(max, Reason::TooManyReplicas)
        } else if current < min {
            at_once(min, Reason::TooFewReplicas)
        } else {
            self.measured(current, readings, now_s)
        };
        if decision.replicas != current
            && let Some(behavior) = &self.hpa.behavior
        {
            behavior.remember(&mut self.changes, current, decision.replicas, now_s);
        }
        decision
    }

    fn measured(&mut self, current: i64, readings: &[Reading<'_>], now_s: i64) -> Decision {
        let proposals = self.proposals(current, readings, now_s);
        let wanted = match wanted(current, &proposals) {
            Ok(wanted) => wanted,
            Err(held) => {
                return Decision {
                    replicas: current,
                    wanted: None,
                    stabilised: None,
                    reason: Reason::DesiredWithinRange,
                    held: Some(held),
                    proposals,
                };
            }
        };
        let (stabilised, limited) = self.normalised(current, wanted, now_s);
        Decision {
            replicas: limited.replicas,
            wanted: Some(wanted),
            stabilised: Some(stabilised),
            reason: limited.reason,
            held: None,
            proposals,
        }
    }

    /// Holds a number of replicas back and limits it, by `behavior` or the older rule.
    fn normalised(&mut self, current: i64, wanted: i64, now_s: i64) -> (i64, Limited) {
        let bounds = Bounds {
            min: self.hpa.min,
            max: self.hpa.max,
        };
        match &self.hpa.behavior {
            None => {
                let history = &mut self.recommendations;
                let stable = stabilise_legacy(history, wanted, self.window_s, now_s);
                (stable, limit_legacy(current, stable, bounds))
            }
            Some(behavior) => {
                let history = &mut self.recommendations;
                let stable = behavior.stabilise(history, current, wanted, now_s);
                let limited = behavior.limit(&self.changes, current, stable, bounds, now_s);
                (stable, limited)
            }
        }
    }

    fn proposals(
        &self,
        current: i64,
        readings: &[Reading<'_>],
        now_s: i64,
    ) -> Vec<Result<Proposal, Invalid>> {
        let specs = self.hpa.metrics.iter().enumerate();
        let proposals = specs.map(|(nth, spec)| {
            let reading = readings.get(nth);
            let reading = reading.unwrap_or(&Reading::Unavailable("nobody measures it"));
            self.propose(spec, current, reading, now_s)
        });
        proposals.collect()
    }

    fn propose(
        &self,
        spec: &MetricSpec,
        current: i64,
        reading: &Reading<'_>,
        now_s: i64,
    ) -> Result<Proposal, Invalid> {
        let tolerance = self.tolerance;
        let of_pods = |seen, strays_milli, is_cpu: bool| PodSamples {
            seen,
            strays_milli,
            cpu: is_cpu.then_some(self.startup),
            now_s,
        };
        match (spec, *reading) {
            (MetricSpec::Resource { is_cpu, target }, Reading::Pods { seen, strays_milli }) => {
                let samples = of_pods(seen, strays_milli, *is_cpu);
                match *target {
                    ResourceTarget::UtilizationPercent(percent) => {
                        samples.utilization(current, percent, tolerance)
                    }
                    ResourceTarget::AverageMilli(milli) => {
                        samples.average(current, milli, tolerance)
                    }
                }
            }
            (MetricSpec::Pods { average_milli }, Reading::Pods { seen, strays_milli }) => {
                of_pods(seen, strays_milli, false).average(current, *average_milli, tolerance)
            }
            (
                MetricSpec::Total { target },
                Reading::Total {
                    total_milli,
                    serving,
                },
            ) => match *target {
                TotalTarget::ValueMilli(milli) => {
                    total_value(current, total_milli, milli, serving, tolerance)
                }
                TotalTarget::AverageMilli(milli) => {
                    total_average(current, total_milli, milli, tolerance)
                }
            },
            (_, Reading::Unavailable(why)) => Err(Invalid::NoMetrics(why.to_owned())),
            (_, Reading::Pods { .. } | Reading::Total { .. }) => Err(Invalid::NoMetrics(
                "what was measured is of another kind".to_owned(),
            )),
        }
    }
}

/// The most that a metric wants. With one that cannot say, only more: fewer might be wrong.
fn wanted(current: i64, proposals: &[Result<Proposal, Invalid>]) -> Result<i64, String> {
    let valid = proposals.iter().filter_map(|p| p.as_ref().ok());
    let wanted = valid.map(|proposal| proposal.replicas).max();
    let mut invalid = proposals.iter().filter_map(|p| p.as_ref().err());
    match (wanted, invalid.next()) {
        (Some(wanted), None) => Ok(wanted),
        (Some(wanted), Some(_)) if wanted >= current => Ok(wanted),
        (_, Some(first)) => Err(format!(
            "invalid metrics ({} invalid out of {}), first error is: {first}",
            1 + invalid.count(),
            proposals.len()
        )),
        (None, None) => Err("there is no metric".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpa::{Policy, Rules};

    fn hpa(behavior: Option<Behavior>) -> Hpa {
        let target = TotalTarget::AverageMilli(1_000);
        Hpa {
            min: 2,
            max: 10,
            metrics: vec![MetricSpec::Total { target }, MetricSpec::Total { target }],
            behavior,
        }
    }

    fn total(replicas: i64) -> Reading<'static> {
        Reading::Total {
            total_milli: replicas * 1_000,
            serving: None,
        }
    }

    #[test]
    fn the_one_that_wants_most_holds_and_one_that_is_away_forbids_fewer() {
        #[track_caller]
        fn check(readings: &[Reading<'_>], want: i64, held: Option<&str>) {
            let quick = Behavior {
                down: Rules {
                    window_s: 0,
                    ..Rules::down()
                },
                ..Behavior::default()
            };
            let mut scaler = Autoscaler::new(hpa(Some(quick)));
            let got = scaler.look(5, readings, 0);
            assert_eq!((got.replicas, got.held.as_deref()), (want, held));
        }
        let away = Reading::Unavailable("away");
        check(&[total(3), total(4)], 4, None);
        check(&[total(8), away], 8, None);
        check(&[away, total(5)], 5, None);
        let error = |invalid| {
            format!(
                "invalid metrics ({invalid} invalid out of 2), first error is: unable to get metrics: away"
            )
        };
        check(&[away, total(4)], 5, Some(&error(1)));
        check(&[away, away], 5, Some(&error(2)));
    }

    #[test]
    fn bounds_and_nought_come_before_metrics() {
        let mut scaler = Autoscaler::new(hpa(None));
        let mut look = |current| scaler.look(current, &[], 0).replicas;
        assert_eq!((look(0), look(1), look(12)), (0, 2, 10));
    }

    #[test]
    fn the_first_look_remembers_what_is_there() {
        let mut scaler = Autoscaler::new(hpa(None));
        let mut look = |current, wants, now_s| {
            scaler
                .look(current, &[total(wants), total(wants)], now_s)
                .replicas
        };
        assert_eq!(look(8, 2, 0), 8);
        assert_eq!(look(8, 2, 300), 8, "the edge is inside without behavior");
        assert_eq!(look(8, 2, 301), 2);
    }

    #[test]
    fn changes_are_remembered_only_with_behavior() {
        let slow = Behavior {
            up: Rules {
                policies: vec![Policy::pods(1, 60)],
                ..Rules::up()
            },
            ..Behavior::default()
        };
        let mut scaler = Autoscaler::new(hpa(Some(slow)));
        let mut look = |current, now_s| scaler.look(current, &[total(9), total(9)], now_s).replicas;
        assert_eq!(
            (look(2, 0), look(3, 15), look(3, 59), look(3, 60)),
            (3, 3, 3, 4)
        );
    }
}
