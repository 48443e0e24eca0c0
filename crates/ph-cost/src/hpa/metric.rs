//! From what was measured to the replicas that one metric wants.

use super::pods::{Group, Groups, Seen, Startup};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far from its target a metric may be without anything happening.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// Above: 0.1 is 10 %.
    pub up: f64,
    /// Below.
    pub down: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { up: 0.1, down: 0.1 }
    }
}

impl Tolerance {
    /// Whether a ratio of measured and target is near enough to 1. The same additions as upstream, for the same edges.
    #[must_use]
    pub fn holds(self, ratio: f64) -> bool {
        (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
    }
}

/// What a Resource or ContainerResource metric is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceTarget {
    /// Percent of what the pods request.
    UtilizationPercent(i64),
    /// Mean per pod.
    AverageMilli(i64),
}

/// What an Object or External metric is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TotalTarget {
    /// The value itself.
    ValueMilli(i64),
    /// The value divided by the replicas.
    AverageMilli(i64),
}

/// What one metric wants, with what it was computed of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Replicas.
    pub replicas: i64,
    /// Mean per pod before anything was filled in, or the total; percent of the requests where those are the target.
    pub measured: i64,
    /// Mean per pod in thousandths, where `measured` is a percentage.
    pub mean_milli: Option<i64>,
    /// Of `measured` and target.
    pub ratio: f64,
    /// The same with pods filled in that were missing or not ready.
    pub filled_ratio: Option<f64>,
    /// What the pods counted as.
    pub groups: Groups,
}

/// Why a metric wants nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Invalid {
    /// There was no answer to the question, or an empty one.
    #[error("unable to get metrics: {0}")]
    NoMetrics(String),
    /// No pod that is there was selected.
    #[error("no pods returned by selector while calculating replica count")]
    NoPods,
    /// Samples only of pods that do not count yet.
    #[error("did not receive metrics for targeted pods (pods might be unready)")]
    NoneReady,
    /// A container requests nothing of the resource.
    #[error("missing request in a container")]
    NoRequest,
    /// Samples only of pods that are not there.
    #[error("no metrics returned matched known pods")]
    NoneKnown,
    /// A target of 0 or less.
    #[error("the target must be above 0")]
    NoTarget,
}

/// Samples of one metric over the pods.
#[derive(Clone, Copy, Debug)]
pub struct PodSamples<'a> {
    /// Pods.
    pub seen: &'a [Seen],
    /// Values of pods that nobody knows (any more). They count where upstream counts them.
    pub strays_milli: &'a [i64],
    /// For CPU: what starting is.
    pub cpu: Option<Startup>,
    /// The time of the look.
    pub now_s: i64,
}

impl PodSamples<'_> {
    /// A share of what the pods request.
    ///
    /// # Errors
    /// Nothing can be proposed.
    pub fn utilization(
        &self,
        current: i64,
        target_percent: i64,
        tolerance: Tolerance,
    ) -> Result<Proposal, Invalid> {
        let sums = self.sums(target_percent)?;
        if self.seen.iter().any(|seen| seen.request_milli.is_none()) {
            return Err(Invalid::NoRequest);
        }
        let percent = |usage: i64, request: i64| match request {
            0 => Err(Invalid::NoneKnown),
            request => Ok(
                i64::try_from(i128::from(usage) * 100 / i128::from(request)).unwrap_or(i64::MAX)
            ),
        };
        let measured = percent(sums.usage, sums.request)?;
        let ratio = measured as f64 / target_percent as f64;
        let mut proposal = Proposal {
            replicas: current,
            measured,
            mean_milli: Some(sums.usage / sums.groups.ready.max(1)),
            ratio,
            filled_ratio: None,
            groups: sums.groups,
        };
        let fill = Fill::of(&sums, ratio);
        if !fill.is_needed {
            if !tolerance.holds(ratio) {
                proposal.replicas = ceil(ratio * sums.groups.ready as f64);
            }
            return Ok(proposal);
        }
        // On the way down a pod of which nothing is known is taken to use all that it requests, or its target.
        let fallback = 100.max(target_percent);
        let (mut usage, mut request) = (sums.usage, sums.request);
        if fill.missing {
            for seen in self.of(Group::Missing) {
                let requested = seen.request_milli.unwrap_or(0);
                request += seen.pods() * requested;
                if ratio < 1.0 {
                    usage += seen.pods() * (requested * fallback / 100);
                }
            }
        }
        if fill.unready {
            let unready = self.of(Group::Unready);
            let requests = unready.map(|seen| seen.pods() * seen.request_milli.unwrap_or(0));
            request += requests.sum::<i64>();
        }
        let filled = percent(usage, request)? as f64 / target_percent as f64;
        proposal.filled_ratio = Some(filled);
        proposal.replicas = fill.replicas(current, (ratio, filled), tolerance, &sums);
        Ok(proposal)
    }

    /// A mean per pod: Pods metrics, and resources with `averageValue`.
    ///
    /// # Errors
    /// Nothing can be proposed.
    pub fn average(
        &self,
        current: i64,
        target_milli: i64,
        tolerance: Tolerance,
    ) -> Result<Proposal, Invalid> {
        let sums = self.sums(target_milli)?;
        let usage = sums.usage + self.strays_milli.iter().sum::<i64>();
        let count = sums.groups.ready + sums.strays;
        let measured = usage / count;
        let ratio = measured as f64 / target_milli as f64;
        let mut proposal = Proposal {
            replicas: current,
            measured,
            mean_milli: None,
            ratio,
            filled_ratio: None,
            groups: sums.groups,
        };
        let fill = Fill::of(&sums, ratio);
        if !fill.is_needed {
            if !tolerance.holds(ratio) {
                proposal.replicas = ceil(ratio * sums.groups.ready as f64);
            }
            return Ok(proposal);
        }
        let (mut filled_usage, mut filled_count) = (usage, count);
        if fill.missing {
            filled_count += sums.groups.missing;
            if ratio < 1.0 {
                filled_usage += target_milli * sums.groups.missing;
            }
        }
        if fill.unready {
            filled_count += sums.groups.unready;
        }
        let filled = (filled_usage / filled_count) as f64 / target_milli as f64;
        proposal.filled_ratio = Some(filled);
        proposal.replicas = fill.replicas(current, (ratio, filled), tolerance, &sums);
        Ok(proposal)
    }

    fn sums(&self, target: i64) -> Result<Sums, Invalid> {
        if self.seen.is_empty() {
            return Err(Invalid::NoPods);
        }
        if target <= 0 {
            return Err(Invalid::NoTarget);
        }
        let mut sums = Sums {
            strays: self.strays_milli.len() as i64,
            ..Sums::default()
        };
        for seen in self.seen {
            let pods = seen.pods();
            match seen.group(self.cpu, self.now_s) {
                Group::Ready => {
                    sums.groups.ready += pods;
                    sums.usage += pods * seen.sample.map_or(0, |sample| sample.value_milli);
                    sums.request += pods * seen.request_milli.unwrap_or(0);
                }
                Group::Unready => sums.groups.unready += pods,
                Group::Missing => sums.groups.missing += pods,
                Group::Ignored => sums.groups.ignored += pods,
            }
        }
        if sums.groups.ready + sums.strays > 0 {
            return Ok(sums);
        }
        let has_sample = self.seen.iter().any(|seen| seen.sample.is_some());
        Err(if has_sample {
            Invalid::NoneReady
        } else {
            Invalid::NoMetrics("no metrics returned".to_owned())
        })
    }

    fn of(&self, group: Group) -> impl Iterator<Item = &Seen> {
        let (cpu, now_s) = (self.cpu, self.now_s);
        let seen = self.seen.iter();
        seen.filter(move |seen| seen.group(cpu, now_s) == group)
    }
}

#[derive(Default)]
struct Sums {
    groups: Groups,
    strays: i64,
    usage: i64,
    request: i64,
}

/// What is filled in for pods of which nothing counts.
struct Fill {
    is_needed: bool,
    missing: bool,
    unready: bool,
}

impl Fill {
    fn of(sums: &Sums, ratio: f64) -> Self {
        let unready = sums.groups.unready > 0 && ratio > 1.0;
        Self {
            is_needed: unready || sums.groups.missing > 0,
            // At exactly the target nothing is known better by guessing.
            missing: sums.groups.missing > 0 && ratio != 1.0,
            unready,
        }
    }

    /// The new number, unless what was filled in turns the direction round.
    fn replicas(
        &self,
        current: i64,
        (ratio, filled): (f64, f64),
        tolerance: Tolerance,
        sums: &Sums,
    ) -> i64 {
        let turns = (ratio < 1.0 && filled > 1.0) || (ratio > 1.0 && filled < 1.0);
        if tolerance.holds(filled) || turns {
            return current;
        }
        let mut count = sums.groups.ready + sums.strays;
        count += if self.missing { sums.groups.missing } else { 0 };
        count += if self.unready { sums.groups.unready } else { 0 };
        let replicas = ceil(filled * count as f64);
        let contradicts =
            (filled < 1.0 && replicas > current) || (filled > 1.0 && replicas < current);
        if contradicts { current } else { replicas }
    }
}

/// An Object or External metric that is held against `value`: it scales the pods that are ready.
///
/// - `serving`: pods that are running and ready.
///
/// # Errors
/// Nothing can be proposed.
pub fn total_value(
    current: i64,
    total_milli: i64,
    target_milli: i64,
    serving: Option<i64>,
    tolerance: Tolerance,
) -> Result<Proposal, Invalid> {
    if target_milli <= 0 {
        return Err(Invalid::NoTarget);
    }
    let ratio = total_milli as f64 / target_milli as f64;
    let replicas = match serving {
        _ if current == 0 => ceil(ratio),
        _ if tolerance.holds(ratio) => current,
        Some(serving) => ceil(ratio * serving as f64),
        None => return Err(Invalid::NoPods),
    };
    Ok(Proposal::of_total(replicas, total_milli, ratio))
}

/// An Object or External metric that is held against `averageValue`: divided by the replicas, ready or not.
///
/// # Errors
/// Nothing can be proposed.
pub fn total_average(
    current: i64,
    total_milli: i64,
    target_milli: i64,
    tolerance: Tolerance,
) -> Result<Proposal, Invalid> {
    if target_milli <= 0 {
        return Err(Invalid::NoTarget);
    }
    let ratio = total_milli as f64 / (target_milli as f64 * current as f64);
    let replicas = if tolerance.holds(ratio) {
        current
    } else {
        ceil(total_milli as f64 / target_milli as f64)
    };
    let measured = match current {
        0 => total_milli,
        current => ceil(total_milli as f64 / current as f64),
    };
    Ok(Proposal::of_total(replicas, measured, ratio))
}

impl Proposal {
    fn of_total(replicas: i64, measured: i64, ratio: f64) -> Self {
        Self {
            replicas,
            measured,
            mean_milli: None,
            ratio,
            filled_ratio: None,
            groups: Groups::default(),
        }
    }
}

impl fmt::Display for Proposal {
    /// The arithmetic, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Groups {
            ready,
            unready,
            missing,
            ignored,
        } = self.groups;
        write!(
            f,
            "measured {} is {:.4} of the target",
            self.measured, self.ratio
        )?;
        if let Some(filled) = self.filled_ratio {
            write!(f, ", {filled:.4} with those filled in of which none counts")?;
        }
        if self.groups != Groups::default() {
            write!(
                f,
                " ({ready} ready, {unready} not ready, {missing} without a sample, {ignored} leaving)"
            )?;
        }
        write!(f, ": {} replicas", self.replicas)
    }
}

/// Up to whole replicas, within what Kubernetes can count.
fn ceil(replicas: f64) -> i64 {
    (replicas.ceil() as i64).clamp(0, i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpa::Sample;

    fn seen(values: &[Option<i64>], request: i64) -> Vec<Seen> {
        let seen = values.iter().map(|value| Seen {
            sample: value.map(|value_milli| Sample {
                value_milli,
                ..Sample::default()
            }),
            request_milli: Some(request),
            ..Seen::default()
        });
        seen.collect()
    }

    fn samples(seen: &[Seen]) -> PodSamples<'_> {
        PodSamples {
            seen,
            strays_milli: &[],
            cpu: None,
            now_s: 0,
        }
    }

    #[test]
    fn edges_of_the_tolerance_are_inside() {
        #[track_caller]
        fn check(value: i64, tolerance: Tolerance, want: i64) {
            let seen = seen(&[Some(value); 10], 1_000);
            let got = samples(&seen).utilization(10, 100, tolerance).unwrap();
            assert_eq!(got.replicas, want, "{got}");
        }
        check(1_100, Tolerance::default(), 10);
        check(1_109, Tolerance::default(), 10); // 110 %: the rest of the division is lost
        check(1_110, Tolerance::default(), 12);
        check(900, Tolerance::default(), 10);
        check(899, Tolerance::default(), 9);
        let slow_down = Tolerance { up: 0.0, down: 0.5 };
        check(1_010, slow_down, 11);
        check(510, slow_down, 10);
        check(490, slow_down, 5);
    }

    #[test]
    fn above_100_percent_a_missing_pod_counts_as_its_target() {
        let seen = seen(&[Some(1_000), None], 1_000);
        let got = samples(&seen)
            .utilization(2, 200, Tolerance::default())
            .unwrap();
        // 1000 + 2000 of 2000 is 150 %, which is 0.75 of the target.
        assert_eq!(got.filled_ratio, Some(0.75));
        assert_eq!(got.replicas, 2);
    }

    #[test]
    fn pods_metrics_do_not_look_at_readiness() {
        let mut seen = seen(&[Some(50_000), Some(15_000), Some(30_000)], 0);
        for seen in &mut seen[1..] {
            seen.pod.ready = Some(crate::hpa::Ready {
                is_ready: false,
                since_s: 0,
            });
        }
        let got = samples(&seen)
            .average(3, 15_000, Tolerance::default())
            .unwrap();
        assert_eq!(got.replicas, 7);
    }

    #[test]
    fn from_nothing_a_value_starts_without_tolerance() {
        let tolerance = Tolerance::default();
        let from_0 = |total| total_value(0, total, 1_000, None, tolerance).unwrap();
        assert_eq!(from_0(1_050).replicas, 2);
        assert_eq!(from_0(0).replicas, 0);
        let average = |total| total_average(0, total, 1_000, tolerance).unwrap();
        assert_eq!((average(0).replicas, average(1).replicas), (0, 1));
        assert_eq!(
            total_value(1, 2, 1, None, tolerance),
            Err(Invalid::NoPods),
            "none is there to be scaled"
        );
        assert_eq!(
            total_value(1, 2, 0, Some(1), tolerance),
            Err(Invalid::NoTarget)
        );
    }

    #[test]
    fn what_cannot_be_known_is_said() {
        let none = seen(&[None, None], 1_000);
        let got = samples(&none).average(2, 1, Tolerance::default());
        assert!(matches!(got, Err(Invalid::NoMetrics(_))));
        let mut nothing = seen(&[Some(1)], 1_000);
        nothing[0].request_milli = None;
        let got = samples(&nothing).utilization(1, 50, Tolerance::default());
        assert_eq!(got, Err(Invalid::NoRequest));
        let got = samples(&[]).average(1, 1, Tolerance::default());
        assert_eq!(got, Err(Invalid::NoPods));
    }
}
