//! What a replay came to, for people and for programs.

use super::Report;
use crate::terminal::{clean, pad};
use ph_cost::hpa::MetricSpec;
use ph_cost::optimise::Candidate;
use ph_cost::profile::{Days, Profile};
use ph_cost::replay::{Outcome, Scaling, usd_text};
use serde_json::json;
use std::fmt::Write as _;

/// Rows of the front that are shown; JSON has all.
const FRONT_MAX: usize = 30;
const GAP: &str = "  ";
const DAY_S: i64 = 86_400;

pub(super) fn text(report: &Report<'_>) -> String {
    let mut out = String::new();
    let scenario = report.scenario;
    let _ = writeln!(out, "load: {}", clean(&report.load.evidence.join("; ")));
    for line in &report.load.seen.evidence {
        let _ = writeln!(out, "recorded: {}", clean(line));
    }
    let _ = writeln!(
        out,
        "model: {}; a pod starts in {} s, metrics are {} s old and of {} s, a look every {} s",
        scenario.capacity_text(),
        scenario.pod.start_s,
        scenario.measuring.lag_s,
        scenario.measuring.window_s,
        scenario.measuring.sync_s
    );
    let _ = writeln!(
        out,
        "promise: {} % of the calls within {} s; a pod-hour costs {} ({})",
        scenario.slo.objective * 100.0,
        scenario.slo.latency_s,
        usd_text(scenario.pod_hour_micro()),
        report.price_source
    );
    if report.args.optimise {
        let _ = writeln!(
            out,
            "\n{} settings tried on the first half; of these no other is both cheaper and better:",
            report.found.tried
        );
        let shown = report.found.front.iter().take(FRONT_MAX);
        out.push_str(&table(shown.map(|c| (c, c.name.clone()))));
        if report.found.front.len() > FRONT_MAX {
            let _ = writeln!(
                out,
                "… and {} more; --json has all",
                report.found.front.len() - FRONT_MAX
            );
        }
    }
    let _ = writeln!(out, "\nfirst half (tuned on):");
    out.push_str(&table(
        report.found.tuned.iter().map(|c| (c, c.name.clone())),
    ));
    let _ = writeln!(out, "\nsecond half (judged on):");
    out.push_str(&table(
        report.found.judged.iter().map(|c| (c, c.name.clone())),
    ));
    let recommended = &report.found.judged[report.found.recommended];
    let _ = writeln!(out, "\nrecommended: {}", recommended.name);
    for reason in &report.found.reasons {
        let _ = writeln!(out, "  {reason}");
    }
    if let Some(line) = cpu_text(report, &recommended.scaling) {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(
        out,
        "  fewer pods lower the bill only where nodes go with them"
    );
    let seconds = report.load.arrivals.seconds();
    if seconds < DAY_S {
        let _ = writeln!(
            out,
            "  {} minutes of load say nothing of other hours and days",
            seconds / 60
        );
    }
    if let Some(profile) = &report.profile {
        out.push_str(&hours(profile, &report.args.timezone));
    }
    out
}

/// A CPU target is a share of the request: what the recommended rate means for it.
fn cpu_text(report: &Report<'_>, scaling: &Scaling) -> Option<String> {
    let Scaling::Hpa { hpa, .. } = scaling else {
        return None;
    };
    let scenario = report.scenario;
    let rate = hpa.metrics.iter().find_map(|spec| match spec {
        MetricSpec::Pods { average_milli } => Some(*average_milli as f64 / 1_000.0),
        MetricSpec::Resource { .. } | MetricSpec::Total { .. } => None,
    })?;
    let milli = rate * scenario.service.cpu_s_per_call * 1_000.0;
    let percent = milli / scenario.pod.cpu_request_milli as f64 * 100.0;
    Some(format!(
        "{rate}/s a pod are {milli:.0}m of CPU, {percent:.0} % of the request of {}m: a lower CPU target would add pods first",
        scenario.pod.cpu_request_milli
    ))
}

fn table<'a>(rows: impl Iterator<Item = (&'a Candidate, String)>) -> String {
    let head = [
        "pods",
        "most",
        "above capacity",
        "p95",
        "in time",
        "kept",
        "cost",
        "a month",
        "setting",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.map(|(candidate, name)| cells(&candidate.outcome, name)));
    let width = |nth: usize| lines.iter().map(|cells| cells[nth].chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|nth| width(nth).unwrap_or(0)).collect();
    let mut out = String::new();
    for cells in &lines {
        let mut line = GAP.to_owned();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&pad(cell, *width));
            line.push_str(GAP);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn cells(outcome: &Outcome, name: String) -> [String; 9] {
    let month = outcome.cost_micro as f64 / outcome.seconds.max(1) as f64 * 730.0 * 3_600.0;
    let share = outcome.seconds_above_capacity as f64 / outcome.seconds.max(1) as f64;
    [
        format!("{:.2}", outcome.average_pods),
        outcome.most_pods.to_string(),
        format!(
            "{} s ({:.1} %)",
            outcome.seconds_above_capacity,
            share * 100.0
        ),
        outcome
            .p95_s
            .map_or_else(|| "never".to_owned(), |p95| format!("{p95:.2} s")),
        format!("{:.2} %", outcome.good_share * 100.0),
        if outcome.slo_kept { "yes" } else { "NO" }.to_owned(),
        usd_text(outcome.cost_micro / 100 * 100),
        usd_text((month / 10_000.0).round() as i64 * 10_000),
        name,
    ]
}

fn hours(profile: &Profile, timezone: &str) -> String {
    let mut out = String::new();
    for (days, hours) in &profile.hours {
        let days = match days {
            Days::Every => "every day",
            Days::Working => "Monday to Friday",
            Days::Weekend => "Saturday and Sunday",
        };
        let _ = writeln!(
            out,
            "\n{days}, {} days in all:\n  hour    mean     p95  pods",
            profile.days
        );
        for hour in hours {
            let _ = writeln!(
                out,
                "  {:>4} {:>5.1}/s {:>5.1}/s  {}",
                hour.hour,
                hour.mean_rate,
                hour.p95_rate,
                "#".repeat(usize::try_from(hour.pods).unwrap_or(0).min(100))
            );
        }
    }
    let _ = writeln!(out, "  {}", profile.evidence.join("; "));
    let _ = writeln!(out, "\nschedule for a KEDA ScaledObject (spec):");
    out.push_str(&profile.keda(timezone));
    out
}

pub(super) fn json(report: &Report<'_>) -> String {
    let found = report.found;
    let keda = report
        .profile
        .as_ref()
        .map(|profile| profile.keda(&report.args.timezone));
    let value = json!({
        "load": {
            "evidence": report.load.evidence,
            "recorded": report.load.seen,
            "calls": report.load.arrivals.calls(),
            "seconds": report.load.arrivals.seconds(),
            "step_s": report.load.arrivals.step_s,
            "mean_rate": report.load.arrivals.mean_rate(),
            "peak_rate": report.load.arrivals.peak_rate(),
        },
        "scenario": report.scenario,
        "tried": found.tried,
        "front": found.front,
        "tuned": found.tuned,
        "judged": found.judged,
        "recommended": {
            "name": found.judged[found.recommended].name,
            "index": found.recommended,
            "reasons": found.reasons,
        },
        "profile": report.profile,
        "keda": keda,
    });
    format!("{value:#}")
}
