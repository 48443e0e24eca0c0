//! A request and the autoscaler that counts in shares of it.
//!
//! An HPA of `Utilization` compares what pods use with what they request. Half of the request is twice the utilisation,
//! hence twice the pods: what right-sizing saved on each pod is spent on pods. So the two are changed together, and
//! replayed together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Samples;
use crate::hpa::{
    Autoscaler, Hpa, MetricSpec, Phase, Pod, Reading, Ready, ResourceTarget, SYNC_S, Sample, Seen,
};

/// An HPA on CPU, as far as the coupling needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CpuHpa {
    /// `averageUtilization`, in percent of the request.
    pub target_percent: u32,
    /// `minReplicas`.
    pub min: u32,
    /// `maxReplicas`.
    pub max: u32,
}

/// What a request and a target came to over the recorded load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Paired {
    /// What it is, in words.
    pub name: String,
    /// The request of a pod.
    pub request_milli: u64,
    /// The target, in percent of it.
    pub target_percent: u32,
    /// CPU of one pod at which nothing changes.
    pub target_milli: u64,
    /// Pods, as a mean over time.
    pub average_pods: f64,
    /// The most pods.
    pub most_pods: u32,
    /// What all pods request, in core-hours.
    pub requested_core_h: f64,
    /// Seconds in which a pod used more than its request.
    pub above_request_s: f64,
}

/// The target that keeps the load of one pod where it was, and what three choices come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Coupling {
    /// In percent of the new request.
    pub target_percent: u32,
    /// As it is; the new request with the old target; the new request with the target re-derived.
    pub pairs: Vec<Paired>,
    /// How it came about, and what to do.
    pub arithmetic: Vec<String>,
}

/// Re-derives the target of an HPA for a new request and replays both with what was recorded, whatever the number of pods
/// it was recorded with: load is shared evenly by those that there would have been, and no pod takes time to start.
///
/// `None` where there is no request to take a share of.
#[must_use]
pub fn couple(samples: &Samples, hpa: CpuHpa, old_milli: u64, new_milli: u64) -> Option<Coupling> {
    if old_milli == 0
        || new_milli == 0
        || hpa.target_percent == 0
        || hpa.min == 0
        || hpa.max < hpa.min
    {
        return None;
    }
    let target_milli = old_milli * u64::from(hpa.target_percent) / 100;
    let derived = (target_milli as f64 * 100.0 / new_milli as f64)
        .round()
        .max(1.0) as u32;
    let load = total(samples);
    let pair = |name: &str, request_milli, target_percent| {
        paired(
            name,
            request_milli,
            CpuHpa {
                target_percent,
                ..hpa
            },
            &load,
            samples.step_s,
        )
    };
    let mut arithmetic = vec![
        format!(
            "a pod is on target at {} % of {old_milli}m = {target_milli}m; of {new_milli}m that is {derived} %",
            hpa.target_percent
        ),
        format!(
            "left at {} %, a pod would be on target at {}m: {:.1} times the pods",
            hpa.target_percent,
            new_milli * u64::from(hpa.target_percent) / 100,
            old_milli as f64 / new_milli as f64
        ),
    ];
    if derived > 100 {
        arithmetic.push(format!(
            "{derived} % is more than is set aside for a pod: a crowded node cannot hold it; scale by requests per second of a pod instead, which no request changes"
        ));
    }
    Some(Coupling {
        target_percent: derived,
        pairs: vec![
            pair("as it is", old_milli, hpa.target_percent),
            pair("new request, old target", new_milli, hpa.target_percent),
            pair("new request, new target", new_milli, derived),
        ],
        arithmetic,
    })
}

/// CPU of all pods together, by time.
fn total(samples: &Samples) -> Vec<(i64, f64)> {
    let step_s = i64::from(samples.step_s.max(1));
    let mut sum = std::collections::BTreeMap::<i64, f64>::new();
    for point in samples.pods.iter().flat_map(|pod| &pod.cpu_milli) {
        *sum.entry(point.at_s.div_euclid(step_s) * step_s)
            .or_default() += point.value;
    }
    sum.into_iter().collect()
}

fn paired(name: &str, request_milli: u64, hpa: CpuHpa, load: &[(i64, f64)], step_s: u32) -> Paired {
    let target_milli = request_milli * u64::from(hpa.target_percent) / 100;
    let mut autoscaler = Autoscaler::new(Hpa {
        min: i64::from(hpa.min),
        max: i64::from(hpa.max),
        metrics: vec![MetricSpec::Resource {
            is_cpu: true,
            target: ResourceTarget::UtilizationPercent(i64::from(hpa.target_percent)),
        }],
        behavior: None,
    });
    let mut replicas = i64::from(hpa.min);
    // A step that is no multiple of the controller's is cut into pieces that are a little longer.
    let syncs = (i64::from(step_s) / SYNC_S).max(1);
    let span_s = f64::from(step_s) / syncs as f64;
    let (mut pod_s, mut above_s, mut seconds, mut most) = (0.0, 0.0, 0.0, replicas);
    for (at_s, milli) in load {
        for sync in 0..syncs {
            let each = milli / replicas as f64;
            pod_s += replicas as f64 * span_s;
            seconds += span_s;
            if each > request_milli as f64 {
                above_s += replicas as f64 * span_s;
            }
            let now_s = at_s + sync * SYNC_S;
            let pods = [running(replicas, each, request_milli, now_s)];
            let readings = [Reading::Pods {
                seen: &pods,
                strays_milli: &[],
            }];
            replicas = autoscaler.look(replicas, &readings, now_s).replicas;
            most = most.max(replicas);
        }
    }
    Paired {
        name: name.to_owned(),
        request_milli,
        target_percent: hpa.target_percent,
        target_milli,
        average_pods: if seconds > 0.0 { pod_s / seconds } else { 0.0 },
        most_pods: u32::try_from(most).unwrap_or(u32::MAX),
        requested_core_h: pod_s * request_milli as f64 / 1000.0 / 3600.0,
        above_request_s: above_s,
    }
}

/// Pods that have been ready for long, all alike.
fn running(replicas: i64, each_milli: f64, request_milli: u64, now_s: i64) -> Seen {
    let long_ago_s = now_s - 86_400;
    Seen {
        pod: Pod {
            phase: Phase::Running,
            is_deleted: false,
            started_s: Some(long_ago_s),
            ready: Some(Ready {
                is_ready: true,
                since_s: long_ago_s,
            }),
        },
        sample: Some(Sample {
            value_milli: each_milli.round() as i64,
            at_s: now_s,
            window_s: SYNC_S,
        }),
        request_milli: i64::try_from(request_milli).ok(),
        further: replicas - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::{PodSamples, Point};

    fn steady(milli: f64) -> Samples {
        let points = (0..1440).map(|minute| Point {
            at_s: minute * 60,
            value: milli,
        });
        Samples {
            step_s: 60,
            pods: vec![PodSamples {
                cpu_milli: points.collect(),
                ..PodSamples::default()
            }],
        }
    }

    const HPA: CpuHpa = CpuHpa {
        target_percent: 70,
        min: 2,
        max: 10,
    };

    /// The published example: 500m at 70 % becomes 250m. 1,400m of load are 4 pods, and left alone 8.
    #[test]
    fn half_of_the_request_is_twice_the_pods_unless_the_target_follows() {
        let coupling = couple(&steady(1400.0), HPA, 500, 250).unwrap();
        assert_eq!(coupling.target_percent, 140);
        let pods: Vec<u32> = coupling.pairs.iter().map(|pair| pair.most_pods).collect();
        assert_eq!(pods, [4, 8, 4]);
        assert!(coupling.arithmetic[1].contains("2.0 times the pods"));
        assert!(coupling.arithmetic[2].contains("requests per second"));
        // What the smaller request saves is spent on pods: 4 x 500m and 8 x 250m.
        let core_h = |index: usize| coupling.pairs[index].requested_core_h;
        assert!((core_h(0) / core_h(1) - 1.0).abs() < 0.01);
        assert!((core_h(0) / core_h(2) - 2.0).abs() < 0.01);
    }

    #[test]
    fn without_a_request_there_is_no_share() {
        assert_eq!(couple(&steady(1.0), HPA, 0, 250), None);
        assert_eq!(couple(&steady(1.0), HPA, 500, 0), None);
    }
}
