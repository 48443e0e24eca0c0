//! The replay of an autoscaler: what a month of many pods takes.

use anyhow::{Result, ensure};
use ph_cost::arrivals::Arrivals;
use ph_cost::hpa::{Behavior, Hpa, MetricSpec, ResourceTarget};
use ph_cost::replay::{Scaling, Scenario, replay};
use serde_json::json;
use std::time::Instant;

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Days of load.
    #[arg(long, default_value_t = 30)]
    days: i64,
    /// Seconds of a step.
    #[arg(long, default_value_t = 15)]
    step: i64,
    /// Pods in the busiest hour of a day.
    #[arg(long, default_value_t = 200)]
    pods: i64,
    /// Replays that are measured; the slowest counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Seconds of a replay, at most.
const REPLAY_S_MAX: f64 = 2.0;
/// Calls per second that a pod is meant to answer.
const RATE: i64 = 50;

/// Runs it; the report is one JSON object.
///
/// # Errors
/// What is replayed does not come near the pods that were asked for.
pub fn run(options: &Options) -> Result<serde_json::Value> {
    let arrivals = load(options);
    let scaling = Scaling::Hpa {
        hpa: Hpa {
            min: 2,
            max: options.pods * 2,
            metrics: vec![
                MetricSpec::Resource {
                    is_cpu: true,
                    target: ResourceTarget::UtilizationPercent(70),
                },
                MetricSpec::Pods {
                    average_milli: RATE * 1_000,
                },
            ],
            behavior: Some(Behavior::default()),
        },
        begin: None,
    };
    let scenario = Scenario::default();
    let mut slowest = 0.0_f64;
    let mut last = None;
    for _ in 0..options.rounds.max(1) {
        let begun = Instant::now();
        let outcome = replay(&arrivals, &scenario, &scaling)?;
        slowest = slowest.max(begun.elapsed().as_secs_f64());
        last = Some(outcome);
    }
    let most = last.as_ref().map_or(0, |outcome| outcome.most_pods);
    ensure!(
        most >= options.pods * 9 / 10,
        "only {most} pods were simulated"
    );
    Ok(json!({
        "days": options.days, "step_s": options.step, "steps": arrivals.counts.len(),
        "most_pods": most,
        "average_pods": last.as_ref().map(|outcome| outcome.average_pods),
        "changes": last.as_ref().map(|outcome| outcome.change_count),
        "wall_s": slowest,
        "promised": {"wall_s": REPLAY_S_MAX},
        "kept": slowest <= REPLAY_S_MAX,
    }))
}

/// A wave a day between a fifth and all of the pods, with a ripple so that the autoscaler has something to do.
fn load(options: &Options) -> Arrivals {
    let steps = options.days * 86_400 / options.step;
    let most = (options.pods * RATE) as f64;
    let counts = (0..steps).map(|nth| {
        let day = (nth * options.step % 86_400) as f64 / 86_400.0 * std::f64::consts::TAU;
        let ripple = ((nth * 7_919 % 101) as f64 / 101.0 - 0.5) * 0.2;
        let share = 0.6 - 0.4 * day.cos() + ripple * 0.5;
        most * share.clamp(0.0, 1.0) * options.step as f64
    });
    Arrivals {
        start_s: Some(0),
        step_s: options.step,
        counts: counts.collect(),
    }
}
