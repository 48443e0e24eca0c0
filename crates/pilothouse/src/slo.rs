//! `pilothouse slo`: how service levels stand, and the report of a month.

mod table;

use crate::ask::{Api, Params, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::sources::{DEFAULT_FILE, read_file};
use crate::terminal::Look;
use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use ph_plan::Plan;
use ph_rules::slo::{Report, SloRow, Verdict, html, markdown};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SloArgs {
    #[command(subcommand)]
    of: Option<SloCommand>,
    /// Only this objective, with everything that is known of it.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the answer as JSON, as the API gives it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: FromArgs,
}

#[derive(Subcommand)]
enum SloCommand {
    /// Print the service levels of a month, day by day.
    Report(ReportArgs),
}

#[derive(Args)]
struct ReportArgs {
    /// The month, in UTC [default: this month].
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    from: FromArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Markdown,
    Html,
    Json,
}

#[derive(Args)]
struct FromArgs {
    /// Configuration that says what is promised, where no daemon runs [default: ./pilothouse.yaml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Exits 0 when everything is as promised, 1 when something is not, 3 when nobody can tell.

Examples:
  pilothouse slo
  pilothouse slo availability --json
  pilothouse slo report --month 2026-11 --format html --out 2026-11.html";

pub(crate) fn slo(args: &SloArgs, printer: &Printer) -> Result<u8> {
    if let Some(SloCommand::Report(args)) = &args.of {
        return report(args, printer);
    }
    let api = args.from.api()?;
    let params = Params::new().with_some("name", args.name.as_deref());
    let answer = api.json("/api/pilothouse/slos", &params)?;
    let rows: Vec<SloRow> = serde_json::from_value(answer["slos"].clone())
        .map_err(|_| anyhow!("the answer has an unknown form"))?;
    if args.json {
        printer.data(&format!("{answer}\n"))?;
    } else {
        match (rows.as_slice(), &args.name) {
            ([], _) => printer.say("no objectives are configured"),
            ([row], Some(_)) => printer.data(&table::details(row, Look::of_stdout()))?,
            (rows, _) => printer.data(&table::table(rows, Look::of_stdout()))?,
        }
    }
    Ok(code_of(rows.iter().map(|row| row.verdict)))
}

fn report(args: &ReportArgs, printer: &Printer) -> Result<u8> {
    let api = args.from.api()?;
    let params = Params::new().with_some("month", args.month.as_deref());
    let answer = api.json("/api/pilothouse/slos/report", &params)?;
    let report: Report = serde_json::from_value(answer.clone())
        .map_err(|_| anyhow!("the answer has an unknown form"))?;
    let text = match args.format {
        Format::Markdown => markdown(&report),
        Format::Html => html(&report),
        Format::Json => format!("{answer}\n"),
    };
    match &args.out {
        None => printer.data(&text)?,
        Some(file) => std::fs::write(file, text)
            .with_context(|| format!("cannot write `{}`", file.display()))?,
    }
    Ok(code_of(report.slos.iter().map(|row| row.month.verdict)))
}

/// One that is violated is what counts; without any that can be judged nothing is known.
fn code_of(verdicts: impl Iterator<Item = Verdict>) -> u8 {
    let verdicts: Vec<_> = verdicts.collect();
    if verdicts.contains(&Verdict::Violated) {
        exit::FOUND
    } else if verdicts.iter().all(|one| *one == Verdict::InsufficientData) {
        exit::COULD_NOT_CHECK
    } else {
        exit::DONE
    }
}

impl FromArgs {
    fn api(&self) -> Result<Api> {
        Api::find_with(&self.place, &self.plan()?)
    }

    /// The plan whose objectives are meant when no daemon says which it has.
    fn plan(&self) -> Result<Plan> {
        let beside = Path::new(DEFAULT_FILE);
        let file = self.config.as_deref();
        let Some(file) = file.or_else(|| beside.exists().then_some(beside)) else {
            return Ok(Plan::default());
        };
        match read_file(file)? {
            Ok((plan, _)) => Ok(plan),
            Err(rejected) => Err(anyhow!("{}", rejected.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_success() {
        use Verdict::{AtRisk, InsufficientData, Met, Violated};
        let code = |verdicts: &[Verdict]| code_of(verdicts.iter().copied());
        assert_eq!(code(&[]), 3);
        assert_eq!(code(&[InsufficientData, InsufficientData]), 3);
        assert_eq!(code(&[InsufficientData, Met]), 0);
        assert_eq!(code(&[AtRisk, Met]), 0);
        assert_eq!(code(&[InsufficientData, Violated, Met]), 1);
    }
}
