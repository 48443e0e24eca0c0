//! Whatever is measured, replicas stay within their bounds and the policies.

use ph_cost::hpa::metric::{PodSamples, Tolerance};
use ph_cost::hpa::{
    Autoscaler, Behavior, Hpa, MetricSpec, Policy, Reading, Rules, Sample, Seen, Select,
    TotalTarget,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn policy() -> impl Strategy<Value = Policy> {
    let numbers = (
        1_i64..20,
        1_i64..200,
        prop::sample::select(vec![15_i64, 60, 300]),
    );
    (any::<bool>(), numbers).prop_map(|(pods, (value, percent, period_s))| {
        if pods {
            Policy::pods(value, period_s)
        } else {
            Policy::percent(percent, period_s)
        }
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let select = prop::sample::select(vec![Select::Max, Select::Min, Select::Disabled]);
    let window = prop::sample::select(vec![0_i64, 30, 300]);
    (window, select, vec(policy(), 1..4)).prop_map(|(window_s, select, policies)| Rules {
        window_s,
        select,
        policies,
        tolerance: None,
    })
}

/// What a policy allows at most in its period, from a number at its beginning.
fn most(policy: Policy, begin: i64) -> i64 {
    match policy {
        Policy::Pods { value, .. } => value,
        Policy::Percent { value, .. } => {
            (begin as f64 * (1.0 + value as f64 / 100.0)).ceil() as i64 - begin
        }
    }
}

proptest! {
    #[test]
    fn replicas_stay_within_bounds(
        behavior in prop::option::of((rules(), rules())),
        (min, room) in (1_i64..5, 0_i64..30),
        begin in 0_i64..40,
        wanted in vec(prop::option::of(0_i64..60), 1..80),
    ) {
        let max = min + room;
        let behavior = behavior.map(|(up, down)| Behavior { up, down });
        let target = TotalTarget::AverageMilli(1_000);
        let metrics = vec![MetricSpec::Total { target }];
        let mut scaler = Autoscaler::new(Hpa { min, max, metrics, behavior });
        let mut current = begin;
        for (nth, wanted) in wanted.iter().enumerate() {
            let reading = wanted.map_or(Reading::Unavailable("away"), |replicas| Reading::Total {
                total_milli: replicas * 1_000,
                serving: None,
            });
            let decision = scaler.look(current, &[reading], nth as i64 * 15);
            if current == 0 {
                prop_assert_eq!(decision.replicas, 0);
                break;
            }
            prop_assert!((min..=max).contains(&decision.replicas), "{:?}", decision);
            if wanted.is_none() && (min..=max).contains(&current) {
                prop_assert_eq!(decision.replicas, current);
            }
            current = decision.replicas;
        }
    }

    #[test]
    fn a_single_policy_holds_over_every_period(
        policy in policy(),
        wanted in vec(0_i64..60, 2..120),
    ) {
        let only = |window_s| Rules {
            window_s,
            select: Select::Max,
            policies: vec![policy],
            tolerance: None,
        };
        let target = TotalTarget::AverageMilli(1_000);
        let mut scaler = Autoscaler::new(Hpa {
            min: 1,
            max: 1_000,
            metrics: vec![MetricSpec::Total { target }],
            behavior: Some(Behavior { up: only(0), down: only(0) }),
        });
        let mut replicas = vec![20_i64];
        for (nth, wanted) in wanted.iter().enumerate() {
            let current = replicas[nth];
            let reading = Reading::Total { total_milli: wanted * 1_000, serving: None };
            replicas.push(scaler.look(current, &[reading], nth as i64 * 15).replicas);
        }
        // The sum of a period's changes in one direction, less those in the other, is within the policy.
        let looks = usize::try_from(policy.period_s() / 15).unwrap();
        for end in 1..replicas.len() {
            let begin = end.saturating_sub(looks);
            let (was, is) = (replicas[begin], replicas[end]);
            if is > replicas[end - 1] {
                prop_assert!(is - was <= most(policy, was), "{} to {} at {}", was, is, end);
            }
        }
    }

    #[test]
    fn stabilising_never_leaves_what_was_proposed_or_is_there(
        up_s in 0_i64..200,
        down_s in 0_i64..400,
        wanted in vec(0_i64..60, 1..60),
    ) {
        let behavior = Behavior {
            up: Rules { window_s: up_s, ..Rules::up() },
            down: Rules { window_s: down_s, ..Rules::down() },
        };
        let mut history = ph_cost::hpa::Recommendations::default();
        let mut current = 20;
        for (nth, wanted) in wanted.iter().enumerate() {
            let now_s = nth as i64 * 15;
            let stable = behavior.stabilise(&mut history, current, *wanted, now_s);
            prop_assert!(stable >= current.min(*wanted) && stable <= current.max(*wanted));
            prop_assert!(history.0.len() as i64 <= up_s.max(down_s) / 15 + 2);
            current = stable;
        }
    }

    #[test]
    fn what_is_filled_in_never_turns_the_direction(
        values in vec(prop::option::of(0_i64..3_000), 1..20),
        target in 1_i64..250,
        current in 1_i64..20,
    ) {
        let seen: Vec<Seen> = values
            .iter()
            .map(|value| Seen {
                sample: value.map(|value_milli| Sample { value_milli, ..Sample::default() }),
                request_milli: Some(1_000),
                ..Seen::default()
            })
            .collect();
        let samples = PodSamples { seen: &seen, strays_milli: &[], cpu: None, now_s: 0 };
        for proposal in [
            samples.utilization(current, target, Tolerance::default()),
            samples.average(current, target * 10, Tolerance::default()),
        ].into_iter().flatten() {
            if let Some(filled) = proposal.filled_ratio {
                prop_assert!(filled <= 1.0 || proposal.replicas >= current);
                prop_assert!(filled >= 1.0 || proposal.replicas <= current);
            }
        }
    }
}
