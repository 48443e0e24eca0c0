//! `pilothouse vuln list`.

use super::cases::{Holder, time_left};
use crate::ask::WhereArgs;
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::Result;
use clap::{Args, ValueEnum};
use ph_server::{CaseInfo, CaseList};

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only those of this server.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Only those of this severity.
    #[arg(long, value_name = "CLASS", value_parser = ["critical", "high", "medium", "low"])]
    severity: Option<String>,
    /// Only those in this state.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Which ones.
    #[arg(long, value_name = "WHICH", default_value = "open")]
    only: Only,
    /// Print them as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    /// What is still to be done, or lived with.
    Open,
    /// What should be gone by now.
    Overdue,
    /// What is lived with.
    Accepted,
    /// What is settled, too.
    All,
}

pub(crate) fn list(args: &ListArgs, printer: &Printer) -> Result<u8> {
    let mut all = Holder::find(&args.place)?.list(false)?;
    let kept = all.vulnerabilities.len();
    all.vulnerabilities.retain(|case| is_wanted(args, case));
    if let Some(server) = &args.server {
        all.servers.retain(|scanned| scanned.server == *server);
    }
    if args.json {
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&all)?))?;
        return Ok(exit::DONE);
    }
    printer.data(&table(&all))?;
    for scanned in &all.servers {
        if !scanned.incomplete.is_empty() {
            printer.say(&format!(
                "the last scan of {} is no answer: {} ({})",
                clean(&scanned.server),
                clean(&scanned.incomplete.join(", ")),
                clean(&scanned.artefact)
            ));
        }
    }
    match (all.vulnerabilities.is_empty(), kept, all.servers.len()) {
        (true, 0, 0) => {
            printer
                .say("no server was scanned yet; `pilothouse vuln db update` fetches advisories");
        }
        (true, 0, _) => printer.say("no vulnerabilities are known"),
        (true, kept, _) => printer.say(&format!("none of {kept} cases; `--only all` shows them")),
        (false, ..) => {}
    }
    Ok(exit::DONE)
}

fn is_wanted(args: &ListArgs, case: &CaseInfo) -> bool {
    let is = |wanted: &Option<String>, value: &str| {
        wanted
            .as_deref()
            .is_none_or(|wanted| wanted.replace('-', "_") == value || wanted == value)
    };
    let is_of_kind = match args.only {
        Only::Open => case.open || args.state.is_some(),
        Only::Overdue => case.overdue,
        Only::Accepted => case.accepted_until.is_some(),
        Only::All => true,
    };
    is_of_kind
        && is(&args.server, &case.server)
        && is(&args.severity, &case.severity)
        && is(&args.state, &case.state)
}

fn table(all: &CaseList) -> String {
    const HEAD: [&str; 9] = [
        "CASE",
        "SEVERITY",
        "ADVISORY",
        "SERVER",
        "PACKAGE",
        "PATCHED IN",
        "EXPOSURE",
        "STATE",
        "TIME",
    ];
    let mut rows = vec![HEAD.map(str::to_owned)];
    for case in &all.vulnerabilities {
        let mut severity = format!("{} {:.1}", case.severity, case.score);
        if case.malicious {
            severity = "MALICIOUS".to_owned();
        } else if case.exploited {
            severity.push_str(" exploited");
        }
        let patched = match case.fixed_in.as_slice() {
            [] => "none known".to_owned(),
            versions => versions.join(", "),
        };
        rows.push([
            case.id.to_string(),
            severity,
            clean(&case.advisory),
            clean(&case.server),
            clean(&format!("{} {}", case.package, case.versions.join(", "))),
            clean(&patched),
            case.exposure
                .as_ref()
                .map_or("-", |exposure| exposure.level.word())
                .to_owned(),
            case.state.clone(),
            time_left(case, all.at),
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    let wide = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: Vec<_> = (0..HEAD.len()).map(|at| wide(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> = cells
            .map(|(cell, &wide)| format!("{cell:<wide$}"))
            .collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}
