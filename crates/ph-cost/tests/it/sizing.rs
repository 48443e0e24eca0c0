//! Recommendations hold what they promise, for any use; and what is no use is refused.

use ph_cost::sizing::{
    Confidence, PodSamples, Point, Policy, Refusal, Resources, Samples, compare, judge, recommend,
};
use ph_cost::workload::{Kind, TUNING_SEEDS, Workload};
use proptest::prelude::*;

const STEP_S: u32 = 600;

fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| Point {
            at_s: index as i64 * i64::from(STEP_S),
            value,
        })
        .collect()
}

fn samples(cpu: &[f64], memory: &[f64]) -> Samples {
    Samples {
        step_s: STEP_S,
        pods: vec![PodSamples {
            name: "a".to_owned(),
            cpu_milli: points(cpu.iter().copied()),
            memory_bytes: points(memory.iter().copied()),
            ..PodSamples::default()
        }],
    }
}

fn current() -> Resources {
    Resources {
        cpu_request_milli: Some(500),
        cpu_limit_milli: Some(1000),
        memory_request_bytes: Some(512 << 20),
        memory_limit_bytes: Some(1 << 30),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn numbers_are_round_ordered_and_above_what_was_seen(
        cpu in prop::collection::vec(0.1_f64..8000.0, 200..600),
        memory in prop::collection::vec(1e6_f64..8e9, 600),
    ) {
        let samples = samples(&cpu, &memory[..cpu.len()]);
        let made = recommend(Policy::Ours, &samples, current()).unwrap();
        let asked = made.resources;
        let (request, limit) = (asked.cpu_request_milli.unwrap(), asked.cpu_limit_milli.unwrap());
        prop_assert!(request % 10 == 0 && limit % 10 == 0 && request >= 10 && request <= limit);
        let (request, limit) = (asked.memory_request_bytes.unwrap(), asked.memory_limit_bytes.unwrap());
        prop_assert!(request % (16 << 20) == 0 && limit % (16 << 20) == 0 && request <= limit);
        let most = memory[..cpu.len()].iter().copied().fold(0.0, f64::max);
        prop_assert!(limit as f64 >= most);
        // So over the recorded period nothing is killed, and nothing is throttled.
        let outcome = judge(&samples, &asked);
        prop_assert_eq!(outcome.oom_kills, 0);
        prop_assert_eq!(outcome.throttled_s, 0.0);
        prop_assert!(made.arithmetic.len() == 4);
    }

    #[test]
    fn twice_the_use_is_never_answered_with_less(
        cpu in prop::collection::vec(0.1_f64..4000.0, 200),
        memory in prop::collection::vec(1e6_f64..4e9, 200),
    ) {
        let twice = |values: &[f64]| values.iter().map(|value| value * 2.0).collect::<Vec<_>>();
        let once = samples(&cpu, &memory);
        let double = samples(&twice(&cpu), &twice(&memory));
        for policy in Policy::ALL {
            let once = recommend(policy, &once, current()).unwrap().resources;
            let double = recommend(policy, &double, current()).unwrap().resources;
            prop_assert!(once.cpu_request_milli <= double.cpu_request_milli, "{policy:?}");
            prop_assert!(once.cpu_limit_milli <= double.cpu_limit_milli, "{policy:?}");
            prop_assert!(once.memory_request_bytes <= double.memory_request_bytes, "{policy:?}");
            prop_assert!(once.memory_limit_bytes <= double.memory_limit_bytes, "{policy:?}");
        }
    }

    #[test]
    fn a_higher_limit_never_harms_more(
        cpu in prop::collection::vec(0.0_f64..3000.0, 200),
        memory in prop::collection::vec(1e6_f64..2e9, 200),
        low in 1_u64..3000,
        more in 0_u64..3000,
    ) {
        let samples = samples(&cpu, &memory);
        let with = |milli: u64| Resources {
            cpu_limit_milli: Some(milli),
            memory_limit_bytes: Some(milli * 1_000_000),
            ..Resources::default()
        };
        let (tight, wide) = (judge(&samples, &with(low)), judge(&samples, &with(low + more)));
        prop_assert!(wide.throttled_s <= tight.throttled_s + 1e-6);
        prop_assert!(wide.memory_slack().is_none());
    }

    #[test]
    fn what_is_no_use_is_refused_wherever_it_stands(
        at in 0_usize..200,
        bad in prop::sample::select(vec![f64::NAN, f64::INFINITY, -1.0]),
        is_cpu: bool,
    ) {
        let (mut cpu, mut memory) = (vec![100.0; 200], vec![1e8; 200]);
        if is_cpu { cpu[at] = bad } else { memory[at] = bad }
        let samples = samples(&cpu, &memory);
        for policy in Policy::ALL {
            let refusal = recommend(policy, &samples, current()).unwrap_err();
            prop_assert!(matches!(refusal, Refusal::NotAUse { .. }), "{refusal:?}");
        }
    }
}

#[test]
fn each_refusal_says_what_is_missing() {
    let full = samples(&[100.0; 200], &[1e8; 200]);
    let said = |samples: &Samples| {
        recommend(Policy::Ours, samples, current())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(&samples(&[100.0; 100], &[1e8; 100])),
        "16.5 hours of cpu are too little to tell a day from a night; 24 are needed"
    );
    assert_eq!(said(&samples(&[], &[1e8; 200])), "no samples of cpu of `a`");
    assert_eq!(said(&Samples::default()), "no samples of cpu");
    assert_eq!(
        said(&samples(&[100.0; 200], &[0.0; 200])),
        "memory is 0 in each of 200 samples: the series measures nothing"
    );
    let mut negative = full.clone();
    negative.pods[0].cpu_milli[7].value = -2.0;
    assert_eq!(
        said(&negative),
        "cpu of `a` is -2 at 4200: no use is negative"
    );
    negative.pods[0].cpu_milli[7].value = f64::NAN;
    assert_eq!(
        said(&negative),
        "cpu of `a` is NaN at 4200: no use is not a number"
    );
    let mut thin = full.clone();
    thin.pods[0].memory_bytes = thin.pods[0]
        .memory_bytes
        .iter()
        .copied()
        .step_by(4)
        .collect();
    assert_eq!(
        said(&thin),
        "50 samples of memory are too few; 100 are needed"
    );
    let mut back = full;
    back.pods[0].memory_bytes[3].at_s = 600;
    assert_eq!(
        said(&back),
        "the samples of memory of `a` are not in order of time: 600 comes after 1200"
    );
}

/// The published example: at most 0.35 of a core and 300Mi. A quarter more is 440m and 384Mi; KRR says 315 MB and 15 %.
#[test]
fn the_published_example_is_answered_with_more_than_it_used() {
    let mib = 1024.0 * 1024.0;
    let cpu: Vec<f64> = (0..1500)
        .map(|n| if n % 100 == 0 { 350.0 } else { 150.0 })
        .collect();
    let memory: Vec<f64> = (0..1500)
        .map(|n| if n % 50 == 0 { 300.0 } else { 200.0 } * mib)
        .collect();
    let samples = samples(&cpu, &memory);
    let of = |policy| recommend(policy, &samples, current()).unwrap().resources;
    assert_eq!(of(Policy::MaxPlus).memory_request_bytes, Some(384 << 20));
    assert_eq!(of(Policy::MaxPlus).cpu_request_milli, Some(440));
    assert_eq!(of(Policy::KrrSimple).memory_limit_bytes, Some(362_000_000));
    assert_eq!(of(Policy::KrrSimple).cpu_limit_milli, None);
    assert_eq!(
        of(Policy::Vpa).cpu_limit_milli,
        of(Policy::Vpa).cpu_request_milli.map(|m| m * 2)
    );
    // A request of 256Mi lies below what it used: a node that runs out of memory evicts it first.
    let published = Resources {
        memory_request_bytes: Some(256 << 20),
        ..current()
    };
    assert!(judge(&samples, &published).memory_above_request_s > 0.0);
    assert_eq!(
        judge(&samples, &of(Policy::Ours)).memory_above_request_s,
        0.0
    );
}

#[test]
fn short_histories_are_widened_and_said_to_be_short() {
    let workload = Workload::generate(Kind::Web, TUNING_SEEDS[0]);
    let made = |days| {
        recommend(
            Policy::Ours,
            &workload.recorded(0, days, true),
            workload.current,
        )
        .unwrap()
    };
    assert_eq!(made(2).history.confidence, Confidence::Low);
    assert_eq!(made(6).history.confidence, Confidence::Medium);
    assert_eq!(made(9).history.confidence, Confidence::High);
    assert!(
        made(2).warnings[0].contains("confidence is low, numbers are widened by 17 %"),
        "{:?}",
        made(2).warnings
    );
    assert!(made(9).warnings.is_empty());
}

#[test]
fn the_leak_is_named_and_carried_on() {
    let workload = Workload::generate(Kind::Leak, TUNING_SEEDS[0]);
    let made = recommend(
        Policy::Ours,
        &workload.recorded(0, 14, true),
        workload.current,
    )
    .unwrap();
    assert!(!made.leaks.is_empty());
    assert!(made.warnings[0].contains("leaks"), "{:?}", made.warnings);
    assert!(made.arithmetic[3].contains("leaked in 14 days"));
}

#[test]
fn a_recommendation_is_judged_on_what_it_has_not_seen() {
    let workload = Workload::generate(Kind::Web, TUNING_SEEDS[0]);
    let compared = |days| compare(&workload.recorded(0, days, true), workload.current).unwrap();
    let short = compared(3);
    assert_eq!(short.verdict, None);
    assert_eq!(short.take, short.rows[0].recommendation.resources);
    let long = compared(14);
    let verdict = long.verdict.unwrap();
    let of = |policy| {
        let row = long
            .rows
            .iter()
            .find(|row| row.recommendation.policy == policy);
        row.unwrap().recommendation.resources
    };
    assert_eq!(
        long.take.cpu_request_milli,
        of(verdict.cpu).cpu_request_milli
    );
    assert_eq!(
        long.take.memory_limit_bytes,
        of(verdict.memory).memory_limit_bytes
    );
}
