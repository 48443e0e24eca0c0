//! Samples of pods → replicas.

use anyhow::{Result, anyhow};
use ph_cost::hpa::metric::{PodSamples, total_average, total_value};
use ph_cost::hpa::{Invalid, Phase, Pod, Proposal, Ready, Sample, Seen, Startup, Tolerance};
use serde_json::Value;

use super::Outcome;
use super::fields::{Case, flag, int};

const NOW_S: i64 = 100_000;
/// Pods began so long ago: starting still, by the CPU's rule.
const AGE_S: i64 = 60;
const WINDOW_S: i64 = 30;

pub(super) fn judge(case: &Case<'_>) -> Result<Outcome> {
    let current = case.need(&["currentReplicas"])?;
    let want = case.int(&["expectedReplicas"])?;
    let want_error = case.get(&["expectedError"]).and_then(Value::as_str);
    let want_error = want_error.filter(|text| !text.is_empty());
    let tolerance = case.tolerance()?;
    let pods = pods(case, current)?;
    let measured = if let Some(resource) = case.inner(&["resource"]) {
        Measured::of_resource(case, &resource, pods, current, tolerance)?
    } else if let Some(metric) = case.inner(&["metric"]) {
        Measured::of_metric(&metric, pods, current, tolerance)?
    } else {
        return Ok(Outcome::NotRun(
            "neither a resource nor a metric".to_owned(),
        ));
    };
    let mut differences = Vec::new();
    match (measured.proposal, want_error) {
        (Ok(proposal), None) => {
            let mut differ = |what: &str, got: Option<i64>, want: Option<i64>| {
                if let Some(want) = want
                    && got != Some(want)
                {
                    differences.push(format!("{what} {got:?}, expected {want} ({proposal})"));
                }
            };
            differ("replicas", Some(proposal.replicas), want);
            differ("measured", Some(proposal.measured), measured.want_measured);
            differ("mean", proposal.mean_milli, measured.want_mean);
            if want.is_none() {
                differences.push("it expects neither replicas nor an error".to_owned());
            }
        }
        (Err(error), Some(text)) => {
            if !is_kind(&error, text) {
                differences.push(format!("error `{error}`, expected `{text}`"));
            }
        }
        (Ok(proposal), Some(text)) => {
            differences.push(format!("{proposal}, expected the error `{text}`"));
        }
        (Err(error), None) => differences.push(format!("error `{error}`, expected {want:?}")),
    }
    Ok(Outcome::of(&differences))
}

struct Measured {
    proposal: Result<Proposal, Invalid>,
    want_measured: Option<i64>,
    want_mean: Option<i64>,
}

impl Measured {
    fn of_resource(
        case: &Case<'_>,
        resource: &Case<'_>,
        mut pods: Vec<Seen>,
        current: i64,
        tolerance: Tolerance,
    ) -> Result<Self> {
        let container = case.get(&["container"]).and_then(Value::as_str);
        let of_one = match container {
            None | Some("") => None,
            Some("container1") => Some(0),
            Some("container2") => Some(1),
            Some(other) => return Err(anyhow!("no container `{other}` is known")),
        };
        let requests = resource.list(&["requests_milli", "requests"]);
        for (nth, pod) in pods.iter_mut().enumerate() {
            let request = requests.and_then(|r| r.get(nth)).map(int).transpose()?;
            pod.request_milli = request.map(|each| if of_one.is_some() { each } else { 2 * each });
        }
        let mut values = Vec::new();
        for level in resource
            .list(&["levels", "levels_milli"])
            .into_iter()
            .flatten()
        {
            let containers: Vec<i64> = match level.as_array() {
                Some(levels) => levels.iter().map(int).collect::<Result<_>>()?,
                None => vec![int(level)?],
            };
            values.push(match of_one {
                None => containers.iter().sum(),
                Some(nth) => *containers
                    .get(nth)
                    .ok_or_else(|| anyhow!("a sample has no such container"))?,
            });
        }
        let names = resource.list(&["podNames"]);
        let strays = give(&mut pods, &values, names, case.list(&["hotCPU", "hotCpu"]));
        let kind = resource.get(&["resource"]).and_then(Value::as_str);
        let is_cpu = kind.is_none_or(|kind| kind.eq_ignore_ascii_case("cpu"));
        let samples = PodSamples {
            seen: &pods,
            strays_milli: &strays,
            cpu: is_cpu.then(Startup::default),
            now_s: NOW_S,
        };
        let percent = resource.int(&["targetUtilization"])?;
        let average = resource.int(&["targetAverageValue", "targetAverageValue_milli"])?;
        let proposal = match (percent, average) {
            (Some(percent), _) => samples.utilization(current, percent, tolerance),
            (None, Some(milli)) => samples.average(current, milli, tolerance),
            (None, None) => return Err(anyhow!("it has no `targetUtilization`")),
        };
        let want_value = resource.int(&["expectedValue"])?;
        let want_percent = resource.int(&["expectedUtilization"])?;
        Ok(if percent.is_some() {
            Self {
                proposal,
                want_measured: want_percent,
                want_mean: want_value,
            }
        } else {
            Self {
                proposal,
                want_measured: want_value,
                want_mean: None,
            }
        })
    }

    fn of_metric(
        metric: &Case<'_>,
        mut pods: Vec<Seen>,
        current: i64,
        tolerance: Tolerance,
    ) -> Result<Self> {
        let levels = metric.list(&["levels_milli", "levels"]);
        let values: Vec<i64> = levels
            .into_iter()
            .flatten()
            .map(int)
            .collect::<Result<_>>()?;
        let total = || values.iter().sum::<i64>();
        let first = || values.first().copied();
        let target = |names: &[&str]| metric.need(names);
        let value = &["targetUtilization"];
        let per_pod = &["perPodTargetUtilization"];
        let away = || Invalid::NoMetrics("no metrics returned".to_owned());
        let serving = pods.iter().filter(|seen| seen.pod.is_serving()).count();
        let serving = (!pods.is_empty()).then_some(serving as i64);
        let kind = metric.get(&["type"]).and_then(Value::as_str);
        let of_value = |total: Option<i64>, target: i64| match total {
            Some(total) => total_value(current, total, target, serving, tolerance),
            None => Err(away()),
        };
        let of_average = |total: Option<i64>, target: i64| match total {
            Some(total) => total_average(current, total, target, tolerance),
            None => Err(away()),
        };
        let sum = first().map(|_| total());
        let proposal = match kind.unwrap_or("") {
            "podMetric" => {
                let strays = give(&mut pods, &values, metric.list(&["podNames"]), None);
                let samples = PodSamples {
                    seen: &pods,
                    strays_milli: &strays,
                    cpu: None,
                    now_s: NOW_S,
                };
                samples.average(current, target(value)?, tolerance)
            }
            "objectMetric" => of_value(first(), target(value)?),
            "externalMetric" => of_value(sum, target(value)?),
            "objectPerPodMetric" => of_average(first(), target(per_pod)?),
            "externalPerPodMetric" => of_average(sum, target(per_pod)?),
            other => return Err(anyhow!("no metric of the type `{other}` is known")),
        };
        Ok(Self {
            proposal,
            want_measured: metric.int(&["expectedUtilization"])?,
            want_mean: None,
        })
    }
}

/// The pods of a case, without samples.
fn pods(case: &Case<'_>, current: i64) -> Result<Vec<Seen>> {
    let phases = case.list(&["phase", "phases", "podPhase"]);
    let ready = case.list(&["ready", "readiness", "podReadiness"]);
    let deleting = case.list(&["deleting", "podDeletionTimestamp"]);
    let count = usize::try_from(current)?.max(phases.map_or(0, Vec::len));
    if count > 100_000 {
        return Err(anyhow!("{count} pods are too many"));
    }
    let mut pods = Vec::with_capacity(count);
    for nth in 0..count {
        let phase = phases
            .and_then(|phases| phases.get(nth))
            .and_then(Value::as_str);
        let phase = match phase {
            None | Some("Running") => Phase::Running,
            Some("Pending") => Phase::Pending,
            Some("Failed") => Phase::Failed,
            Some(other) => return Err(anyhow!("no phase `{other}` is known")),
        };
        let pod = Pod {
            phase,
            is_deleted: flag(deleting, nth).unwrap_or(false),
            started_s: Some(NOW_S - AGE_S),
            ready: Some(Ready {
                is_ready: flag(ready, nth).unwrap_or(true),
                since_s: NOW_S - AGE_S,
            }),
        };
        pods.push(Seen {
            pod,
            ..Seen::default()
        });
    }
    Ok(pods)
}

/// Gives each pod its sample; those of pods that are not there are left over.
fn give(
    pods: &mut [Seen],
    values: &[i64],
    names: Option<&Vec<Value>>,
    hot: Option<&Vec<Value>>,
) -> Vec<i64> {
    let mut strays = Vec::new();
    for (nth, value_milli) in values.iter().copied().enumerate() {
        let name = names
            .and_then(|names| names.get(nth))
            .and_then(Value::as_str);
        let index = match name {
            None => Some(nth),
            Some(name) => name.strip_prefix("test-pod-").and_then(|n| n.parse().ok()),
        };
        match index.and_then(|index: usize| Some((index, pods.get_mut(index)?))) {
            None => strays.push(value_milli),
            Some((index, seen)) => {
                let is_hot = flag(hot, index).unwrap_or(false);
                let since_s = NOW_S - AGE_S;
                let at_s = if is_hot { since_s } else { NOW_S };
                seen.sample = Some(Sample {
                    value_milli,
                    at_s,
                    window_s: WINDOW_S,
                });
            }
        }
    }
    strays
}

/// Wordings differ; the kind of error does not.
fn is_kind(error: &Invalid, text: &str) -> bool {
    match error {
        Invalid::NoMetrics(_) => {
            text.contains("no metrics returned from") || text.contains("unable to get")
        }
        Invalid::NoPods => text.contains("no pods"),
        Invalid::NoneReady => text.contains("did not receive metrics"),
        Invalid::NoRequest => text.contains("missing request"),
        Invalid::NoneKnown => text.contains("matched known pods"),
        Invalid::NoTarget => false,
    }
}
