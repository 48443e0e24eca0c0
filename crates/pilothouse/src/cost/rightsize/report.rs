//! What is printed.

use crate::terminal::{clean, pad, pad_left};
use ph_cost::replay::usd_text;
use ph_cost::sizing::{
    Comparison, Confidence, Coupling, Outcome, Pairing, Policy, Resources, cpu_text, memory_text,
};
use ph_ledger::{Calls, Compared, Said, Sized};
use std::fmt::Write as _;

const HEAD: [&str; 11] = [
    "",
    "cpu",
    "limit",
    "memory",
    "limit",
    "cpu slack",
    "throttled",
    "mem slack",
    "OOM kills",
    "above req",
    "",
];

pub(super) fn table(sized: &[Sized]) -> String {
    let mut text = String::new();
    for one in sized {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{} ({})", clean(&one.name), clean(&one.source));
        match &one.said {
            Said::Refused { why, .. } => {
                let _ = writeln!(text, "  no recommendation: {}", clean(why));
            }
            Said::Compared(compared) => {
                let _ = writeln!(text, "  {}", history(&compared.comparison));
                aligned(&mut text, &rows(&compared.comparison));
                for line in told(compared) {
                    let _ = writeln!(text, "  {}", clean(&line));
                }
            }
        }
    }
    text
}

pub(super) fn markdown(sized: &[Sized]) -> String {
    let mut text = String::from("# Requests and limits\n");
    for one in sized {
        let _ = write!(text, "\n## {}\n\n", in_markdown(&one.name));
        match &one.said {
            Said::Refused { why, .. } => {
                let _ = writeln!(text, "No recommendation: {}.", in_markdown(why));
            }
            Said::Compared(compared) => {
                let _ = write!(
                    text,
                    "{}, from {}.\n\n",
                    history(&compared.comparison),
                    in_markdown(&one.source)
                );
                let _ = writeln!(text, "| {} |", HEAD.join(" | "));
                let _ = writeln!(text, "|---|{}---|", "--:|".repeat(HEAD.len() - 2));
                for row in rows(&compared.comparison) {
                    let _ = writeln!(text, "| {} |", row.join(" | "));
                }
                text.push('\n');
                for line in told(compared) {
                    let _ = writeln!(text, "- {}", in_markdown(&line));
                }
            }
        }
    }
    text
}

/// A name cannot make a table, a link or a tag of itself.
fn in_markdown(text: &str) -> String {
    clean(text)
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('[', "\\[")
        .replace('`', "'")
}

fn history(comparison: &Comparison) -> String {
    let history = &comparison.history;
    format!(
        "{:.1} days of {} {}, {} samples of cpu and {} of memory, {:.0} % of those there should be: confidence {}",
        history.days,
        history.pods,
        if history.pods == 1 { "pod" } else { "pods" },
        history.cpu_samples,
        history.memory_samples,
        history.coverage * 100.0,
        match history.confidence {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    )
}

fn rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let row = |compared: &ph_cost::sizing::Compared| {
        let recommendation = &compared.recommendation;
        let mut cells = vec![recommendation.policy.name().to_owned()];
        cells.extend(asked(&recommendation.resources));
        cells.extend(came_to(&compared.outcome));
        cells.push(standing(comparison, recommendation.policy));
        cells
    };
    comparison.rows.iter().map(row).collect()
}

fn asked(resources: &Resources) -> [String; 4] {
    let none = || "-".to_owned();
    [
        resources.cpu_request_milli.map_or_else(none, cpu_text),
        resources.cpu_limit_milli.map_or_else(none, cpu_text),
        resources
            .memory_request_bytes
            .map_or_else(none, memory_short),
        resources.memory_limit_bytes.map_or_else(none, memory_short),
    ]
}

/// Others do not round to units that people write: those to whole Mi here.
fn memory_short(bytes: u64) -> String {
    let exact = memory_text(bytes);
    match exact.len() {
        0..=7 => exact,
        _ => format!("{}Mi", bytes.div_ceil(1 << 20)),
    }
}

fn came_to(outcome: &Outcome) -> [String; 5] {
    let percent = |share: Option<f64>| {
        share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0))
    };
    [
        percent(outcome.cpu_slack()),
        span(outcome.throttled_s),
        percent(outcome.memory_slack()),
        outcome.oom_kills.to_string(),
        span(outcome.memory_above_request_s),
    ]
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s >= 36_000.0 => format!("{:.0}h", s / 3600.0),
        s if s >= 600.0 => format!("{:.0}min", s / 60.0),
        s => format!("{s:.0}s"),
    }
}

fn standing(comparison: &Comparison, policy: Policy) -> String {
    let Some(verdict) = &comparison.verdict else {
        return String::new();
    };
    let by = |dominated: &[(Policy, Policy)]| {
        let found = dominated.iter().find(|(worse, _)| *worse == policy);
        found.map(|(_, better)| better.name())
    };
    match (by(&verdict.cpu_dominated), by(&verdict.memory_dominated)) {
        (None, None) => String::new(),
        (Some(cpu), None) => format!("cpu: {cpu} is better"),
        (None, Some(memory)) => format!("memory: {memory} is better"),
        (Some(cpu), Some(memory)) => format!("better: cpu {cpu}, memory {memory}"),
    }
}

fn told(compared: &Compared) -> Vec<String> {
    let comparison = &compared.comparison;
    let [cpu, cpu_limit, memory, memory_limit] =
        asked(&comparison.take).map(|text| match text.as_str() {
            "-" => "none".to_owned(),
            _ => text,
        });
    let verdict = comparison.verdict.as_ref();
    let of_cpu = verdict.map_or(Policy::Ours, |verdict| verdict.cpu);
    let of_memory = verdict.map_or(Policy::Ours, |verdict| verdict.memory);
    let how = match verdict {
        Some(_) => {
            "chosen by what each says of the first half of the time, replayed over the second; the table is over all of it"
        }
        None => {
            "the history is too short to judge one half by the other: ours is taken, which is widened for that"
        }
    };
    let mut lines = vec![
        format!(
            "take: requests cpu {cpu} memory {memory}, limits cpu {cpu_limit} memory {memory_limit} (cpu of {}, memory of {})",
            of_cpu.name(),
            of_memory.name()
        ),
        how.to_owned(),
    ];
    lines.extend(compared.price.line());
    let mut whose = vec![of_cpu, of_memory, Policy::Ours];
    whose.dedup();
    for row in &comparison.rows {
        let recommendation = &row.recommendation;
        if whose.contains(&recommendation.policy) {
            let name = recommendation.policy.name();
            lines.extend(
                recommendation
                    .arithmetic
                    .iter()
                    .map(|line| format!("{name}: {line}")),
            );
            lines.extend(
                recommendation
                    .warnings
                    .iter()
                    .map(|line| format!("warning: {line}")),
            );
        }
    }
    if !comparison.history.has_cpu_peaks {
        lines.push(
            "throttling is a lower bound: bursts shorter than a sample were not recorded"
                .to_owned(),
        );
    }
    if let Some(coupling) = &compared.hpa {
        hpa(&mut lines, coupling);
        match &compared.calls {
            Some(Calls::Replayed { evidence, pairing }) => calls(&mut lines, evidence, pairing),
            Some(Calls::Not(why)) => {
                lines.push(format!("calls: not replayed: {why}"));
                set_target(&mut lines, coupling);
            }
            None => set_target(&mut lines, coupling),
        }
    }
    lines.push(
        "a smaller request saves money only when nodes go, or others take the room".to_owned(),
    );
    lines
}

fn hpa(lines: &mut Vec<String>, coupling: &Coupling) {
    lines.extend(
        coupling
            .arithmetic
            .iter()
            .map(|line| format!("hpa: {line}")),
    );
    for pair in &coupling.pairs {
        lines.push(format!(
            "hpa: {}, {} at {} %: {:.2} pods on average, at most {}, {:.1} core-hours requested, {} above the request",
            pair.name,
            cpu_text(pair.request_milli),
            pair.target_percent,
            pair.average_pods,
            pair.most_pods,
            pair.requested_core_h,
            span(pair.above_request_s),
        ));
    }
}

fn set_target(lines: &mut Vec<String>, coupling: &Coupling) {
    lines.push(format!(
        "hpa: set averageUtilization to {}",
        coupling.target_percent
    ));
}

/// The pairs over the calls that came, and which to take.
fn calls(lines: &mut Vec<String>, evidence: &[String], pairing: &Pairing) {
    let (why, how) = match pairing.arithmetic.split_last() {
        Some((why, how)) => (why.as_str(), how),
        None => ("", &pairing.arithmetic[..]),
    };
    lines.extend(
        evidence
            .iter()
            .chain(how)
            .map(|line| format!("calls: {line}")),
    );
    for pair in &pairing.pairs {
        let outcome = &pair.outcome;
        lines.push(format!(
            "calls: {}, {} by {}: {:.2} pods on average, at most {}, p95 {}, {:.2} % in time, {} s above capacity, {}",
            pair.name,
            cpu_text(pair.request_milli),
            pair.metric,
            outcome.average_pods,
            outcome.most_pods,
            outcome
                .p95_s
                .map_or_else(|| "never".to_owned(), |p95| format!("{p95:.2} s")),
            outcome.good_share * 100.0,
            outcome.seconds_above_capacity,
            usd_text(outcome.cost_micro / 100 * 100),
        ));
    }
    let taken = &pairing.pairs[pairing.take];
    lines.push(format!(
        "hpa: take {} with a request of {}: {why}",
        taken.metric,
        cpu_text(taken.request_milli)
    ));
}

fn aligned(text: &mut String, rows: &[Vec<String>]) {
    let head: Vec<String> = HEAD.iter().map(|&name| name.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        all.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    for row in &all {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            match column {
                0 => line.push_str(&pad(cell, width(column))),
                _ if column + 1 == HEAD.len() => line.push_str(&format!("  {cell}")),
                _ => line.push_str(&format!("  {}", pad_left(cell, width(column)))),
            }
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
