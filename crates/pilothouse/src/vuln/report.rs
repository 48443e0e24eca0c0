//! `pilothouse vuln report`: what was found, how long each stage took, what is late and what is lived with.

use super::cases::{Holder, day, long, time_left};
use crate::ask::{WhereArgs, read_duration};
use crate::exit;
use crate::printer::Printer;
use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use ph_server::{CaseInfo, CaseList};

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Cases that were open, or were settled within this time.
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    since: String,
    /// Only those of this server.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// How it is written.
    #[arg(long, value_name = "FORMAT", default_value = "markdown")]
    format: Format,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Markdown,
    /// For programs: all that is known, with the history of each case.
    Json,
}

pub(crate) fn report(args: &ReportArgs, printer: &Printer) -> Result<u8> {
    let since = read_duration(&args.since)
        .ok_or_else(|| anyhow!("`{}` is no duration such as `30d`", args.since))?;
    let mut all = Holder::find(&args.place)?.list(true)?;
    let from = all.at.saturating_sub(since.as_secs());
    all.vulnerabilities.retain(|case| {
        let is_wanted = args
            .server
            .as_deref()
            .is_none_or(|name| name == case.server);
        is_wanted && (case.open || case.since >= from)
    });
    if let Some(server) = &args.server {
        all.servers.retain(|scanned| scanned.server == *server);
    }
    match args.format {
        Format::Json => printer.data(&format!("{}\n", serde_json::to_string_pretty(&all)?))?,
        Format::Markdown => printer.data(&markdown(&all, from))?,
    }
    Ok(exit::DONE)
}

/// The stages that a case goes through, in order.
const STAGES: [&str; 4] = ["detected", "assessed", "patching", "testing"];

fn markdown(all: &CaseList, from: u64) -> String {
    let now = all.at;
    let mut out = format!("# Vulnerabilities\n\n{} to {}\n\n", day(from), day(now));
    let count =
        |is: &dyn Fn(&CaseInfo) -> bool| all.vulnerabilities.iter().filter(|c| is(c)).count();
    out.push_str(&format!(
        "{} open, {} of them late; {} accepted; {} deployed.\n",
        count(&|case| case.open),
        count(&|case| case.overdue),
        count(&|case| case.accepted_until.is_some()),
        count(&|case| case.state == "deployed"),
    ));
    for (class, of) in &all.remediation {
        out.push_str(&format!(
            "Time until gone, {class}: {} in the mean ({}).\n",
            long(of.mean_seconds),
            of.count
        ));
    }
    section(&mut out, all, "Late", &|case| case.overdue, now);
    section(
        &mut out,
        all,
        "Open",
        &|case| case.open && !case.overdue && case.accepted_until.is_none(),
        now,
    );
    section(
        &mut out,
        all,
        "Accepted",
        &|case| case.accepted_until.is_some(),
        now,
    );
    section(&mut out, all, "Settled", &|case| !case.open, now);
    out.push_str("\n## Scans\n\n| server | last complete scan | what was looked at | missing |\n|---|---|---|---|\n");
    for scanned in &all.servers {
        let complete = scanned.complete_at.map_or_else(|| "never".to_owned(), day);
        out.push_str(&format!(
            "| {} | {complete} | {} | {} |\n",
            cell(&scanned.server),
            cell(&scanned.artefact),
            cell(&scanned.incomplete.join(", "))
        ));
    }
    out
}

fn section(
    out: &mut String,
    all: &CaseList,
    title: &str,
    is: &dyn Fn(&CaseInfo) -> bool,
    now: u64,
) {
    let cases: Vec<_> = all.vulnerabilities.iter().filter(|case| is(case)).collect();
    if cases.is_empty() {
        return;
    }
    out.push_str(&format!("\n## {title}\n"));
    for case in cases {
        one(out, case, now);
    }
}

fn one(out: &mut String, case: &CaseInfo, now: u64) {
    out.push_str(&format!(
        "\n### {}: {} in {} of {}\n\n{}\n\n",
        case.id,
        cell(&case.advisory),
        cell(&case.package),
        cell(&case.server),
        cell(&case.summary)
    ));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("- {name}: {}\n", cell(value)));
        }
    };
    let exploited = if case.exploited {
        ", known to be exploited"
    } else {
        ""
    };
    line(
        "severity",
        &format!(
            "{} {:.1} ({}){exploited}",
            case.severity, case.score, case.score_from
        ),
    );
    line("versions", &case.versions.join(", "));
    line("patched in", &case.fixed_in.join(", "));
    line(
        "state",
        &format!("{}; {}", case.state, time_left(case, now)),
    );
    line("detected", &day(case.first_detected));
    for stage in STAGES {
        let spent = case.spent_seconds.get(stage);
        if let Some(seconds) = spent.filter(|seconds| **seconds > 0 || case.state == *stage) {
            line(&format!("time {stage}"), &long(*seconds));
        }
    }
    if let Some(until) = case.accepted_until {
        let why = case
            .history
            .iter()
            .rev()
            .find(|entry| entry.what == "accept");
        let why = why.map_or("", |entry| &*entry.reason);
        line("accepted", &format!("until {}: {why}", day(until)));
    }
    if let Some(proof) = &case.proof {
        let took = proof.at.saturating_sub(case.first_detected);
        line(
            "proof",
            &format!(
                "{}: {} has {}",
                day(proof.at),
                proof.artefact,
                match proof.versions.as_slice() {
                    [] => "none of it".to_owned(),
                    versions => versions.join(", "),
                }
            ),
        );
        line("detected to deployed", &long(took));
    }
    if case.reopened > 0 {
        line("reopened", &format!("{} times", case.reopened));
    }
    out.push_str("\n| when | what | who | why | shown by |\n|---|---|---|---|---|\n");
    for entry in &case.history {
        out.push_str(&format!(
            "| {} | {} → {} | {} | {} | {} |\n",
            day(entry.at),
            entry.from,
            entry.to,
            cell(&entry.actor),
            cell(&entry.reason),
            cell(entry.evidence.as_deref().unwrap_or(""))
        ));
    }
}

/// Foreign text that breaks no table and is no markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(
            c,
            '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' | '#'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(cell("a|b\n[x](y) <b>"), "a\\|b\\[x\\](y) \\<b\\>");
    }
}
