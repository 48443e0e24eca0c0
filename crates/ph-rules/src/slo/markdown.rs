//! A report as Markdown.

use super::calendar::minute_text;
use super::report::{Report, ReportRow};
use super::row::SloRow;
use super::words::{count, percent, rough};
use std::fmt::Write;

/// The report as Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = format!("# Service levels in {}\n\n{}\n", report.month, made(report));
    if report.slos.is_empty() {
        out.push_str("\nNo objectives are configured.\n");
        return out;
    }
    out.push_str(
        "\n| objective | promised | good | events | bad | budget left | seen | verdict |\n",
    );
    out.push_str("|---|---|---|---|---|---|---|---|\n");
    for row in &report.slos {
        let cells = cells(&row.month);
        line(&mut out, &cells);
    }
    for row in &report.slos {
        section(&mut out, row);
    }
    out
}

/// When it was made, and of how much.
pub(super) fn made(report: &Report) -> String {
    let so_far = if report.is_complete {
        "The whole month"
    } else {
        "The month so far"
    };
    format!("{so_far}, in UTC. Made {}.", minute_text(report.at_ms))
}

/// The cells of the first table, in the order of its columns.
pub(super) fn cells(row: &SloRow) -> [String; 8] {
    [
        row.name.clone(),
        row.promise.clone(),
        row.good_percent.map_or_else(|| "–".to_owned(), percent),
        count(row.events.valid()),
        count(row.events.bad),
        left(row),
        seen(row),
        verdict(row),
    ]
}

/// What is left, in percent, and in events and minutes.
pub(super) fn left(row: &SloRow) -> String {
    let (Some(left), Some(minutes)) = (row.budget.left_percent, row.budget.left_minutes) else {
        return "–".to_owned();
    };
    format!(
        "{left:.1} % ({:.0} of {:.0} events; {minutes:.0} of {:.0} minutes)",
        row.budget.left_events, row.budget.allowed_events, row.budget.allowed_minutes
    )
}

/// How much of the window was seen.
pub(super) fn seen(row: &SloRow) -> String {
    format!(
        "{} of {}",
        rough(row.seen_ms),
        rough(row.to_ms - row.from_ms)
    )
}

pub(super) fn verdict(row: &SloRow) -> String {
    match row.reason.as_str() {
        "" => row.verdict.as_str().to_owned(),
        reason => format!("{}: {reason}", row.verdict.as_str()),
    }
}

fn section(out: &mut String, row: &ReportRow) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\n## {}\n\n{}.", row.month.name, row.month.promise);
    for source in &row.month.sources {
        let what = what(&source.source);
        let (valid, bad) = (count(source.events.valid()), count(source.events.bad));
        let _ = write!(out, " {what}: {valid}, bad {bad}.");
    }
    out.push_str("\n\n| day | good | events | bad | seen |\n|---|---|---|---|---|\n");
    for day in &row.days {
        line(
            out,
            &[
                day.day.clone(),
                day.good_percent.map_or_else(|| "–".to_owned(), percent),
                count(day.events.valid()),
                count(day.events.bad),
                rough(day.seen_ms),
            ],
        );
    }
}

/// Where events come from, in words.
pub(super) fn what(source: &str) -> &'static str {
    match source {
        "probe" => "Health checks",
        _ => "Events of calls",
    }
}

fn line(out: &mut String, cells: &[String]) {
    for cell in cells {
        let _ = write!(out, "| {} ", cell.replace('|', "\\|"));
    }
    out.push_str("|\n");
}
