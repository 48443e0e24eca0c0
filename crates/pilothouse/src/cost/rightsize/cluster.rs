//! A container of a cluster, as cAdvisor and kube-state-metrics have it.

use super::RightsizeArgs;
use crate::ask::{Api, Refused, WhereArgs};
use anyhow::Result;
use ph_cost::sizing::{PodSamples, Point, Resources, Samples};
use ph_ledger::{Observed, Series, instant, quoted, range, risen, without_newcomers};
use std::collections::BTreeSet;

/// In all its pods.
pub(super) fn cluster(args: &RightsizeArgs, url: &str) -> Result<Observed> {
    let grain = super::grain(args, "2m")?;
    let api = Api::find(&WhereArgs {
        data_dir: None,
        address: Some(url.to_owned()),
    })?;
    let name = args.name.clone().unwrap_or_default();
    let mut of = format!("container={}", quoted(&name));
    if let Some(namespace) = &args.namespace {
        of.push_str(&format!(",namespace={}", quoted(namespace)));
    }
    if let Some(pod) = &args.pod {
        of.push_str(&format!(",pod=~{}", quoted(pod)));
    }
    let step = format!("{}s", grain.step_s());
    // A pod that moved is there twice for a while, under two nodes or ids.
    let by = ["namespace", "pod"];
    let most = |what: &str| {
        range(
            &api,
            &format!("max by (namespace, pod) ({what})"),
            grain,
            &by,
        )
    };
    let of_braces = format!("{{{of}}}");
    let memory = format!("container_memory_working_set_bytes{of_braces}");
    let cpu = most(&format!(
        "rate(container_cpu_usage_seconds_total{of_braces}[{step}]) * 1000"
    ))?;
    let mut peaks = most(&format!("max_over_time({memory}[{step}])"))?;
    let mut memory = most(&memory)?;
    let mut held_up = most(&format!(
        "increase(container_cpu_cfs_throttled_seconds_total{of_braces}[{step}]) > 0"
    ))?;
    let mut began = most(&format!("container_start_time_seconds{of_braces}"))?;
    let restarted = risen(
        "kube_pod_container_status_restarts_total",
        &of_braces,
        &step,
    );
    let mut restarts = most(&restarted)?;
    // Only the last end has a reason; it is looked at where there is one more start.
    let mut kills = most(&format!(
        "({restarted}) and on (namespace, pod, container) kube_pod_container_status_last_terminated_reason{{{of},reason=\"OOMKilled\"}} == 1"
    ))?;
    let keys: BTreeSet<Vec<String>> = cpu.keys().chain(memory.keys()).cloned().collect();
    let take = |series: &mut Series, key: &[String]| series.remove(key).unwrap_or_default();
    let mut cpu = cpu;
    let mut pods: Vec<PodSamples> = keys
        .into_iter()
        .map(|key| PodSamples {
            name: key.join("/"),
            cpu_milli: take(&mut cpu, &key),
            memory_bytes: take(&mut memory, &key),
            memory_peak_bytes: take(&mut peaks, &key),
            throttled_s: take(&mut held_up, &key),
            memory_kills: take(&mut kills, &key),
            starts_s: starts(&take(&mut began, &key), &take(&mut restarts, &key)),
            ..PodSamples::default()
        })
        .collect();
    if pods.is_empty() {
        return Err(Refused {
            error: format!("{url} has no series of the container `{name}`"),
            hint: Some("`container_cpu_usage_seconds_total` and `container_memory_working_set_bytes` are looked for, with the labels `container`, `namespace` and `pod`".into()),
        }
        .into());
    }
    Ok(Observed {
        name,
        source: without_newcomers(&mut pods, url),
        samples: Samples {
            step_s: u32::try_from(grain.step_s()).unwrap_or(u32::MAX),
            pods,
        },
        current: asked_for(&api, &of)?,
        is_own: false,
    })
}

/// When the container was started: each time that the kernel's clock of it says, else each time that its restarts rose.
fn starts(began: &[Point], restarts: &[Point]) -> Vec<i64> {
    let mut starts: Vec<i64> = match began {
        [] => restarts.iter().map(|point| point.at_s).collect(),
        _ => began.iter().map(|point| point.value as i64).collect(),
    };
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// What is asked for today; kube-state-metrics has it.
fn asked_for(api: &Api, of: &str) -> Result<Resources> {
    let asked = |what: &str, resource: &str| {
        let query =
            format!("max(kube_pod_container_resource_{what}{{{of},resource=\"{resource}\"}})");
        instant(api, &query)
    };
    let milli = |cores: Option<f64>| cores.map(|cores| (cores * 1000.0).round() as u64);
    let bytes = |bytes: Option<f64>| bytes.map(|bytes| bytes.round() as u64);
    Ok(Resources {
        cpu_request_milli: milli(asked("requests", "cpu")?),
        cpu_limit_milli: milli(asked("limits", "cpu")?),
        memory_request_bytes: bytes(asked("requests", "memory")?),
        memory_limit_bytes: bytes(asked("limits", "memory")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_told_once_by_the_better_source() {
        let points = |values: &[(i64, f64)]| -> Vec<Point> {
            let point = |&(at_s, value): &(i64, f64)| Point { at_s, value };
            values.iter().map(point).collect()
        };
        let began = points(&[(60, 50.0), (120, 50.0), (180, 170.0)]);
        let restarts = points(&[(180, 1.0)]);
        assert_eq!(starts(&began, &restarts), [50, 170]);
        assert_eq!(starts(&[], &restarts), [180]);
        assert!(starts(&[], &[]).is_empty());
    }
}
