//! Recommenders of requests and limits on two axes: what is paid for and not used, against the harm that is done.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use ph_cost::sizing::{
    self, Judged, Outcome, Policy, Recommendation, Samples, Tuning, cpu_text, verdict,
};
use ph_cost::workload::{DAYS, JUDGING_SEEDS, Kind, TUNING_SEEDS, Workload};

use crate::repo::Repo;
use crate::{Verdict, say};

/// The days of which a recommender may know; it is judged on those after them.
const KNOWN_DAYS: u32 = 14;
const TABLE: &str = "bench/sizing/table.md";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<Verdict> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [] => compare(repo, &table(&JUDGING_SEEDS)?),
        ["--bless"] => {
            let path = repo.root().join(TABLE);
            std::fs::write(&path, table(&JUDGING_SEEDS)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
            say(&format!("wrote {TABLE}"));
            Ok(Verdict::Clean)
        }
        ["--tuning"] => {
            say(&table(&TUNING_SEEDS)?);
            say(&sweep()?);
            Ok(Verdict::Clean)
        }
        _ => bail!("`cargo xtask sizing [--bless | --tuning]`"),
    }
}

fn compare(repo: &Repo, is: &str) -> Result<Verdict> {
    let path = repo.root().join(TABLE);
    let was = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    say(is);
    if was == is {
        return Ok(Verdict::Clean);
    }
    say(&format!(
        "{TABLE} differs: `cargo xtask sizing --bless` writes it, if that is meant"
    ));
    Ok(Verdict::Found)
}

/// A row of the table: a policy, and ours once more without the peaks that only a recorder of peaks has.
type Row = (Policy, bool);

const ROWS: [Row; 7] = [
    (Policy::Ours, true),
    (Policy::Ours, false),
    (Policy::Current, true),
    (Policy::Vpa, true),
    (Policy::KrrSimple, true),
    (Policy::KrrSimpleLimit, true),
    (Policy::MaxPlus, true),
];

fn name((policy, has_peaks): Row) -> String {
    match has_peaks {
        true => policy.name().to_owned(),
        false => format!("{}, blind", policy.name()),
    }
}

fn table(seeds: &[u64]) -> Result<String> {
    let mut by_kind: BTreeMap<Kind, Vec<Outcome>> = BTreeMap::new();
    let mut leaks: BTreeMap<Kind, usize> = BTreeMap::new();
    for kind in Kind::ALL {
        let outcomes = by_kind
            .entry(kind)
            .or_insert_with(|| vec![Outcome::default(); ROWS.len()]);
        for seed in seeds {
            let workload = Workload::generate(kind, *seed);
            for (row, outcome) in ROWS.iter().zip(outcomes.iter_mut()) {
                let samples = workload.recorded(0, KNOWN_DAYS, row.1);
                let made = sizing::recommend(row.0, &samples, workload.current)?;
                if *row == ROWS[0] {
                    *leaks.entry(kind).or_default() += made.leaks.len();
                }
                outcome.add(&judged(&workload, &made));
            }
        }
    }
    let mut text = written(seeds, &by_kind);
    let pods = seeds.len() * 2;
    let of_leak = leaks.remove(&Kind::Leak).unwrap_or(0);
    let _ = writeln!(
        text,
        "\n## Leaks\n\nNamed: {of_leak} of {pods} pods that leak, {} of {} that do not.",
        leaks.values().sum::<usize>(),
        pods * (Kind::ALL.len() - 1)
    );
    Ok(text)
}

fn judged(workload: &Workload, made: &Recommendation) -> Outcome {
    let mut outcome = Outcome::default();
    for pod in &workload.pods {
        outcome.add(&Outcome::of(pod.slots(KNOWN_DAYS, DAYS), &made.resources));
    }
    outcome
}

fn written(seeds: &[u64], by_kind: &BTreeMap<Kind, Vec<Outcome>>) -> String {
    let mut all = vec![Outcome::default(); ROWS.len()];
    for outcomes in by_kind.values() {
        for (sum, outcome) in all.iter_mut().zip(outcomes) {
            sum.add(outcome);
        }
    }
    let mut text = format!(
        "# Requests and limits, judged\n\n\
         **All data is generated** (`ph_cost::workload`): {} kinds, seeds {seeds:?}, two pods each, {DAYS} days in slots of 10 s.\n\
         Each recommender knows the first {KNOWN_DAYS} days by the minute, and is judged on the others by the slot: {:.0} pod-days.\n\
         What it says is applied once. Slack is the share of the request that is not used. `blind` is ours without recorded\n\
         peaks, which is what the others know. Kills and throttled seconds are per 1,000 pod-days, seconds above the\n\
         request per pod-day. `<` names what costs no more and harms no more, and is better at one of the two.\n\n\
         ## All\n\n",
        by_kind.len(),
        all[0].pod_days
    );
    section(&mut text, &all);
    for (kind, outcomes) in by_kind {
        let _ = write!(text, "\n## {}\n\n", kind.name());
        section(&mut text, outcomes);
    }
    text
}

fn section(text: &mut String, outcomes: &[Outcome]) {
    let said = verdict(&compared(outcomes, true));
    let blind = verdict(&compared(outcomes, false));
    text.push_str("| | CPU slack | throttled s | s above | front | memory slack | OOM kills | s above | front |\n");
    text.push_str("|---|--:|--:|--:|---|--:|--:|--:|---|\n");
    for (row, outcome) in ROWS.iter().zip(outcomes) {
        let said = if row.1 { &said } else { &blind };
        let front = |dominated: &[(Policy, Policy)]| {
            let by = dominated.iter().find(|(policy, _)| *policy == row.0);
            by.map_or("yes".to_owned(), |(_, by)| format!("< {}", by.name()))
        };
        let percent =
            |share: Option<f64>| share.map_or("none".to_owned(), |s| format!("{:.1} %", s * 100.0));
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} | {} | {} | {:.1} | {:.0} | {} |",
            name(*row),
            percent(outcome.cpu_slack()),
            outcome.per_1000_pod_days(outcome.throttled_s),
            outcome.cpu_above_request_s / outcome.pod_days,
            front(&said.cpu_dominated),
            percent(outcome.memory_slack()),
            outcome.per_1000_pod_days(outcome.oom_kills as f64),
            outcome.memory_above_request_s / outcome.pod_days,
            front(&said.memory_dominated),
        );
    }
    let _ = writeln!(
        text,
        "\nRecommended: CPU of {}, memory of {}.",
        said.cpu.name(),
        said.memory.name()
    );
}

/// The rows to compare with one another: one of ours, and all others.
fn compared(outcomes: &[Outcome], has_peaks: bool) -> Vec<Judged> {
    ROWS.iter()
        .zip(outcomes)
        .filter(|(row, _)| row.0 != Policy::Ours || row.1 == has_peaks)
        .map(|(row, outcome)| Judged {
            policy: row.0,
            outcome: outcome.clone(),
        })
        .collect()
}

/// What other constants would come to, one changed at a time, on the tuning seeds.
fn sweep() -> Result<String> {
    let workloads: Vec<(Workload, Samples)> = Kind::ALL
        .iter()
        .flat_map(|kind| TUNING_SEEDS.map(|seed| Workload::generate(*kind, seed)))
        .map(|workload| {
            let samples = workload.recorded(0, KNOWN_DAYS, true);
            (workload, samples)
        })
        .collect();
    let mut text = String::from(
        "| constants | CPU slack | throttled s | s above | memory slack | OOM kills | s above |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (name, tuning) in variants() {
        let mut sum = Outcome::default();
        for (workload, samples) in &workloads {
            sum.add(&judged(
                workload,
                &sizing::recommend_tuned(samples, &tuning)?,
            ));
        }
        let percent = |share: Option<f64>| share.unwrap_or(0.0) * 100.0;
        let _ = writeln!(
            text,
            "| {name} | {:.1} % | {:.0} | {:.0} | {:.1} % | {:.1} | {:.0} |",
            percent(sum.cpu_slack()),
            sum.per_1000_pod_days(sum.throttled_s),
            sum.cpu_above_request_s / sum.pod_days,
            percent(sum.memory_slack()),
            sum.per_1000_pod_days(sum.oom_kills as f64),
            sum.memory_above_request_s / sum.pod_days,
        );
    }
    Ok(text)
}

fn variants() -> Vec<(String, Tuning)> {
    let base = Tuning::default();
    let mut variants = vec![("as they are".to_owned(), base)];
    for q in [0.5, 0.8, 0.85, 0.95, 0.99] {
        variants.push((
            format!("cpu request p{:.0}", q * 100.0),
            Tuning {
                cpu_request_quantile: q,
                ..base
            },
        ));
    }
    for floor in [250, 500, 2000, 4000] {
        variants.push((
            format!("cpu limit at least {}", cpu_text(floor)),
            Tuning {
                cpu_limit_floor_milli: floor,
                ..base
            },
        ));
    }
    for of_peak in [1.0, 1.5, 2.0, 4.0] {
        variants.push((
            format!("cpu limit {of_peak} x peak"),
            Tuning {
                cpu_limit_of_peak: of_peak,
                ..base
            },
        ));
    }
    for q in [0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 1.0] {
        variants.push((
            format!("memory request p{:.0}", q * 100.0),
            Tuning {
                memory_request_quantile: q,
                ..base
            },
        ));
    }
    for headroom in [0.05, 0.1, 0.15] {
        variants.push((
            format!("memory request {:.0} % above", headroom * 100.0),
            Tuning {
                memory_request_headroom: headroom,
                ..base
            },
        ));
    }
    for headroom in [0.15, 0.3, 0.5, 0.75] {
        variants.push((
            format!("memory limit {:.0} % above the peak", headroom * 100.0),
            Tuning {
                memory_limit_headroom: headroom,
                ..base
            },
        ));
    }
    for horizon_days in [0.0, 7.0, 21.0] {
        variants.push((
            format!("{horizon_days} days ahead"),
            Tuning {
                horizon_days,
                ..base
            },
        ));
    }
    variants
}
