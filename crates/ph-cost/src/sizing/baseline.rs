//! What others do with a quantile and a maximum.

use super::quantity::{cpu_up, highest, memory_up, mib, quantile, sorted};
use super::{History, PodSamples, Policy, Recommendation, Resources, Samples};

const KRR_CPU_FLOOR_MILLI: u64 = 10;
const KRR_MEMORY_FLOOR_BYTES: u64 = 100_000_000;

pub(super) fn current(history: History, current: Resources) -> Recommendation {
    made(
        Policy::Current,
        current,
        history,
        vec!["as it is asked for today".to_owned()],
    )
}

/// Memory: the most and 15 % more, as request and limit. CPU: p95 and no limit, or p66 and a limit at p96.
pub(super) fn krr(policy: Policy, samples: &Samples, history: History) -> Recommendation {
    let (request_q, limit_q) = match policy {
        Policy::KrrSimpleLimit => (0.66, Some(0.96)),
        _ => (0.95, None),
    };
    let cpu = |q: f64| {
        let of_pod = |pod: &PodSamples| quantile(&sorted(&pod.cpu_milli), q);
        let most = samples.pods.iter().map(of_pod).fold(0.0, f64::max);
        (most.ceil() as u64).max(KRR_CPU_FLOOR_MILLI)
    };
    let most = highest(samples.pods.iter().flat_map(|pod| &pod.memory_bytes));
    let memory = ((most * 1.15 / 1e6).ceil() as u64 * 1_000_000).max(KRR_MEMORY_FLOOR_BYTES);
    let resources = Resources {
        cpu_request_milli: Some(cpu(request_q)),
        cpu_limit_milli: limit_q.map(cpu),
        memory_request_bytes: Some(memory),
        memory_limit_bytes: Some(memory),
    };
    let limit = limit_q.map_or("no cpu limit".to_owned(), |q| {
        format!("cpu limit = p{:.0} likewise", q * 100.0)
    });
    let arithmetic = vec![
        format!(
            "cpu request = p{:.0} of each pod, the most of {} pods, at least 10m; {limit}",
            request_q * 100.0,
            history.pods
        ),
        format!(
            "memory request = memory limit = most {} x 1.15, at least 100 MB",
            mib(most)
        ),
    ];
    made(policy, resources, history, arithmetic)
}

/// The most that samples saw and a quarter more.
pub(super) fn max_plus(samples: &Samples, history: History) -> Recommendation {
    let cpu = highest(samples.pods.iter().flat_map(|pod| &pod.cpu_milli));
    let memory = highest(samples.pods.iter().flat_map(|pod| &pod.memory_bytes));
    let cpu_milli = cpu_up(cpu * 1.25, 10);
    let memory_bytes = memory_up(memory * 1.25, 16 << 20);
    let resources = Resources {
        cpu_request_milli: Some(cpu_milli),
        cpu_limit_milli: Some(cpu_milli),
        memory_request_bytes: Some(memory_bytes),
        memory_limit_bytes: Some(memory_bytes),
    };
    let arithmetic = vec![
        format!("cpu request = cpu limit = most {cpu:.0}m x 1.25, up to 10m"),
        format!(
            "memory request = memory limit = most {} x 1.25, up to 16Mi",
            mib(memory)
        ),
    ];
    made(Policy::MaxPlus, resources, history, arithmetic)
}

fn made(
    policy: Policy,
    resources: Resources,
    history: History,
    arithmetic: Vec<String>,
) -> Recommendation {
    Recommendation {
        policy,
        resources,
        history,
        bounds: None,
        leaks: Vec::new(),
        arithmetic,
        warnings: Vec::new(),
    }
}
