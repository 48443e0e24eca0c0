//! Which of several recommendations to take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Policy};

/// A policy and what it would have come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Whose choice it was.
    pub policy: Policy,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SizingVerdict")]
pub struct Verdict {
    /// Policies that pay no less for CPU than another and are throttled no less, and one of the two more; with that other.
    pub cpu_dominated: Vec<(Policy, Policy)>,
    /// Policies that pay no less for memory than another and are killed no less often, and one of the two more.
    pub memory_dominated: Vec<(Policy, Policy)>,
    /// Whose CPU to take: ours, or what dominates it.
    pub cpu: Policy,
    /// Whose memory to take.
    pub memory: Policy,
}

/// Compares on two axes for each resource: the slack that is paid for, and the harm that is done. Policies without a
/// request have no slack to compare and are left out; so is what is asked for today, which nobody has to be advised.
#[must_use]
pub fn verdict(judged: &[Judged]) -> Verdict {
    let axes = |one: &Judged| {
        let outcome = &one.outcome;
        let cpu = outcome
            .cpu_slack()
            .map(|slack| (slack, outcome.throttled_s));
        let memory = outcome
            .memory_slack()
            .map(|slack| (slack, outcome.oom_kills as f64));
        (one.policy, cpu, memory)
    };
    let points: Vec<_> = judged.iter().map(axes).collect();
    let cpu_dominated = dominated(points.iter().map(|(policy, cpu, _)| (*policy, *cpu)));
    let memory_dominated = dominated(points.iter().map(|(policy, _, memory)| (*policy, *memory)));
    Verdict {
        cpu: instead_of_ours(&cpu_dominated),
        memory: instead_of_ours(&memory_dominated),
        cpu_dominated,
        memory_dominated,
    }
}

/// Each policy that is dominated, with the one of those that dominate it that does least harm, and of those the cheapest.
fn dominated(points: impl Iterator<Item = (Policy, Option<(f64, f64)>)>) -> Vec<(Policy, Policy)> {
    let points: Vec<(Policy, f64, f64)> = points
        .filter_map(|(policy, point)| point.map(|(slack, harm)| (policy, slack, harm)))
        .collect();
    let is_better = |one: &(Policy, f64, f64), than: &(Policy, f64, f64)| {
        one.1 <= than.1 && one.2 <= than.2 && (one.1 < than.1 || one.2 < than.2)
    };
    points
        .iter()
        .filter_map(|point| {
            points
                .iter()
                .filter(|other| other.0 != Policy::Current && is_better(other, point))
                .min_by(|one, other| one.2.total_cmp(&other.2).then(one.1.total_cmp(&other.1)))
                .map(|best| (point.0, best.0))
        })
        .collect()
}

fn instead_of_ours(dominated: &[(Policy, Policy)]) -> Policy {
    dominated
        .iter()
        .find(|(policy, _)| *policy == Policy::Ours)
        .map_or(Policy::Ours, |(_, by)| *by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(policy: Policy, unused: f64, kills: u64, throttled_s: f64) -> Judged {
        Judged {
            policy,
            outcome: Outcome {
                pod_days: 1.0,
                cpu_unused_core_s: Some(unused),
                cpu_requested_core_s: 100.0,
                memory_unused_gib_s: Some(unused),
                memory_requested_gib_s: 100.0,
                oom_kills: kills,
                throttled_s,
                ..Outcome::default()
            },
        }
    }

    #[test]
    fn what_costs_more_and_harms_more_is_dominated_and_the_better_one_recommended() {
        let verdict = verdict(&[
            judged(Policy::Ours, 40.0, 3, 0.0),
            judged(Policy::Vpa, 30.0, 3, 5.0),
            judged(Policy::KrrSimple, 35.0, 1, 5.0),
        ]);
        assert_eq!(
            verdict.memory_dominated,
            [(Policy::Ours, Policy::KrrSimple)]
        );
        assert_eq!(verdict.memory, Policy::KrrSimple);
        // Ours pays more and is not throttled; simple pays more than the other and is throttled as much.
        assert_eq!(verdict.cpu_dominated, [(Policy::KrrSimple, Policy::Vpa)]);
        assert_eq!(verdict.cpu, Policy::Ours);
    }

    #[test]
    fn equals_do_not_dominate_each_other() {
        let verdict = verdict(&[
            judged(Policy::Ours, 40.0, 0, 0.0),
            judged(Policy::MaxPlus, 40.0, 0, 0.0),
        ]);
        assert_eq!(verdict.memory, Policy::Ours);
        assert!(verdict.cpu_dominated.is_empty());
    }
}
