//! `pilothouse cost attribution`: whose cost it is.

use super::past::PastArgs;
use super::sheet::SheetArgs;
use crate::ask::{Api, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use anyhow::Result;
use clap::{Args, ValueEnum};
use ph_cost::attribution::{Attributed, attribute, markdown};
use ph_ledger::{Past, Recorded};
use serde::Serialize;

pub(super) const EXAMPLES: &str = "\
Examples:
  pilothouse cost attribution --since 7d
  pilothouse cost attribution --month 2026-11 --format json";

#[derive(Args)]
pub(crate) struct AttributionArgs {
    #[command(flatten)]
    past: PastArgs,
    /// Rows that a table lists; the others are put together.
    #[arg(long, value_name = "ROWS", default_value_t = 30)]
    top: usize,
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
    /// All rows.
    Json,
}

#[derive(Serialize)]
struct Answer<'a> {
    from: String,
    to: String,
    #[serde(flatten)]
    cost: &'a Attributed,
    notes: &'a [String],
}

pub(super) fn attribution(args: &AttributionArgs, printer: &Printer) -> Result<u8> {
    let sheet = args.sheet.read(printer)?;
    let past = args.past.read()?;
    let api = Api::find(&args.place)?;
    let Recorded { input, notes } = past.recorded(&api, &sheet.plan)?;
    let cost = match attribute(&input) {
        Ok(cost) => cost,
        Err(problem) => {
            printer.say(&format!("error: {problem}"));
            return Ok(exit::FOUND);
        }
    };
    let text = match args.format {
        Format::Markdown => page(past, &cost, &notes, args.top),
        Format::Json => {
            let answer = Answer {
                from: time(past.from_ms),
                to: time(past.to_ms),
                cost: &cost,
                notes: &notes,
            };
            serde_json::to_string_pretty(&answer)? + "\n"
        }
    };
    printer.data(&text)?;
    Ok(exit::DONE)
}

fn page(past: Past, cost: &Attributed, notes: &[String], rows_max: usize) -> String {
    let mut text = format!(
        "# Whose cost it is: {} to {}\n\n{}",
        time(past.from_ms),
        time(past.to_ms),
        markdown(cost, rows_max)
    );
    if !notes.is_empty() {
        text.push_str("\n## To know\n\n");
        for note in notes {
            text.push_str(&format!("- {note}\n"));
        }
    }
    text
}

/// As RFC 3339, to the second.
pub(super) fn time(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1_000))
        .map_or_else(|_| "-".to_owned(), |t| t.to_string())
}
