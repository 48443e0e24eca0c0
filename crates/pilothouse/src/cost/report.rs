//! `pilothouse cost report`: the bill of a month, and what measures take off it.

use super::past;
use super::read_file;
use super::sheet::{Sheet, SheetArgs};
use crate::ask::{Api, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use ph_cost::bill::{Bill, Measure, html, markdown, settle};
use ph_ledger::{Made, Period};
use ph_rules::slo::Month;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  pilothouse cost report                                    # this month, of what was recorded
  pilothouse cost report --month 2026-10 --measures plan.json --format html > october.html
  pilothouse cost report october.json
  pilothouse cost report october.json --format html > october.html

The file is JSON:
  {\"month\": \"October\", \"currency\": \"USD\",
   \"rows\": [{\"name\": \"pods\", \"amount\": 450, \"used_percent\": 40}],
   \"measures\": [{\"name\": \"right-size\", \"row\": \"pods\", \"saves\": {\"permille_of_row\": 500}}]}";

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// The bill, with the measures in their order [default: made of what was recorded and of `cost`].
    #[arg(value_name = "FILE", conflicts_with_all = ["month", "measures", "address", "data_dir"])]
    bill: Option<PathBuf>,
    /// The month in UTC [default: this month, as far as it is over].
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// What is to be done about it: a JSON list, as `measures` of a bill.
    #[arg(long, value_name = "FILE")]
    measures: Option<PathBuf>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    #[command(flatten)]
    sheet: SheetArgs,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Markdown.
    Markdown,
    /// A page.
    Html,
    /// All numbers.
    Json,
}

pub(super) fn report(args: &ReportArgs, printer: &Printer) -> Result<u8> {
    let sheet = args.sheet.read(printer)?;
    let (name, bill, before) = match &args.bill {
        Some(file) => (
            file.display().to_string(),
            of_file(file, &sheet, printer)?,
            Vec::new(),
        ),
        None => {
            let made = made(args, &sheet)?;
            let before = made.notes.into_iter().chain(made.arithmetic).collect();
            ("what was recorded".to_owned(), made.bill, before)
        }
    };
    let mut settled = match settle(&bill) {
        Ok(settled) => settled,
        Err(problem) => {
            printer.say(&format!("error: {name}: {problem}"));
            return Ok(exit::FOUND);
        }
    };
    settled.arithmetic.splice(0..0, before);
    let text = match args.format {
        Format::Markdown => markdown(&settled),
        Format::Html => html(&settled),
        Format::Json => serde_json::to_string_pretty(&settled)? + "\n",
    };
    printer.data(&text)?;
    Ok(exit::DONE)
}

/// The bill of a month, made of what was recorded.
fn made(args: &ReportArgs, sheet: &Sheet) -> Result<Made> {
    let now_ms = crate::ask::read_time("now")?;
    let month = match &args.month {
        Some(text) => past::month(text)?,
        None => Month::of(now_ms),
    };
    let before = Month::of(month.begin_ms() - 1);
    let api = Api::find_with(&args.place, &sheet.plan)?;
    let period = |month: Month| Period {
        name: month.to_string(),
        begin_ms: month.begin_ms(),
        end_ms: month.end_ms(),
    };
    let both = (&period(before), &period(month));
    ph_ledger::bill(
        &api,
        &sheet.plan,
        &sheet.source(),
        both,
        measures(args)?,
        now_ms,
    )
}

/// What is to be done about it: a list of measures, as in a bill.
fn measures(args: &ReportArgs) -> Result<Vec<Measure>> {
    let Some(file) = &args.measures else {
        return Ok(Vec::new());
    };
    let name = file.display();
    let text = read_file(file)?;
    serde_json::from_str(&text).with_context(|| format!("`{name}` is no list of measures"))
}

/// A bill, with the prices of the configuration where it has none of its own.
fn of_file(file: &Path, sheet: &Sheet, printer: &Printer) -> Result<Bill> {
    let text = read_file(file)?;
    let mut bill: Bill =
        serde_json::from_str(&text).with_context(|| format!("`{}` is no bill", file.display()))?;
    let cost = &sheet.plan.cost;
    let prices = cost.prices();
    let needs_prices = bill.prices.is_placeholder && bill.rows.iter().any(|row| row.pods.is_some());
    if !needs_prices || prices.is_placeholder {
        return Ok(bill);
    }
    if bill.currency == cost.currency.as_str() {
        bill.prices = prices;
    } else {
        printer.say(&format!(
            "warning: the bill is in {}, the prices {} are in {}: they are not taken",
            bill.currency,
            sheet.source(),
            cost.currency.as_str()
        ));
    }
    Ok(bill)
}
