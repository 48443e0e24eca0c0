//! `pilothouse vuln assess|accept|move`: decisions about a case.

use super::cases::{Holder, time_left, until};
use crate::ask::WhereArgs;
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use ph_server::{CaseInfo, NewMove};

#[derive(Args)]
pub(crate) struct AssessArgs {
    #[command(flatten)]
    about: About,
    /// How bad it is here, 0.0 to 10.0 [default: what the advisory says].
    #[arg(long, value_name = "SCORE")]
    score: Option<f64>,
}

#[derive(Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    about: About,
    /// Until when: a day (2026-12-31), a time, or a duration (14d); at most 366 days.
    #[arg(long, value_name = "WHEN")]
    until: String,
}

#[derive(Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    about: About,
    /// What to do (patch, test, fail-test, roll-back, monitor, dismiss, reopen, …), or the state where it is to lead.
    /// `deployed` scans what the server runs, which decides.
    #[arg(value_name = "MOVE")]
    what: String,
    /// Until when it is accepted; with `accept`.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Why it does not apply, in the words of VEX (component_not_present, …); with `dismiss`.
    #[arg(long, value_name = "WORD")]
    justification: Option<String>,
}

/// What all of them are told.
#[derive(Args)]
struct About {
    /// Its number, or an id of its advisory.
    #[arg(value_name = "CASE")]
    case: String,
    /// Why: whoever reads it later has to know.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// What shows it: a link, a test's result.
    #[arg(long, value_name = "TEXT")]
    evidence: Option<String>,
    /// Print the case as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) fn assess(args: &AssessArgs, printer: &Printer) -> Result<u8> {
    let mut wanted = args.about.wanted("assess");
    wanted.score = args.score;
    args.about.go(wanted, printer)
}

pub(crate) fn accept(args: &AcceptArgs, printer: &Printer) -> Result<u8> {
    let mut wanted = args.about.wanted("accept");
    wanted.until = Some(until(&args.until)?);
    args.about.go(wanted, printer)
}

pub(crate) fn go(args: &MoveArgs, printer: &Printer) -> Result<u8> {
    let mut wanted = args.about.wanted(&args.what);
    wanted.until = args.until.as_deref().map(until).transpose()?;
    wanted.justification.clone_from(&args.justification);
    args.about.go(wanted, printer)
}

impl About {
    fn wanted(&self, what: &str) -> NewMove {
        NewMove {
            what: what.to_owned(),
            reason: self.reason.clone(),
            evidence: self.evidence.clone(),
            ..NewMove::default()
        }
    }

    fn go(&self, wanted: NewMove, printer: &Printer) -> Result<u8> {
        let case = Holder::find(&self.place)?.go(&self.case, wanted)?;
        if self.json {
            printer.data(&format!("{}\n", serde_json::to_string_pretty(&case)?))?;
        } else {
            printer.say(&said(&case));
        }
        Ok(exit::DONE)
    }
}

fn said(case: &CaseInfo) -> String {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
    format!(
        "case {} ({} in {} of {}) is {}; {}",
        case.id,
        clean(&case.advisory),
        clean(&case.package),
        clean(&case.server),
        case.state,
        time_left(case, now)
    )
}
