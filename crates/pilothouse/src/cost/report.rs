//! `pilothouse cost report`: the bill of a month, and what measures take off it.

use crate::exit;
use crate::printer::Printer;
use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use ph_cost::bill::{Bill, html, markdown, settle};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  pilothouse cost report october.json
  pilothouse cost report october.json --format html > october.html

The file is JSON:
  {\"month\": \"October\", \"currency\": \"USD\",
   \"rows\": [{\"name\": \"pods\", \"amount\": 450, \"used_percent\": 40}],
   \"measures\": [{\"name\": \"right-size\", \"row\": \"pods\", \"saves\": {\"permille_of_row\": 500}}]}";

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// The bill, with the measures in their order.
    #[arg(value_name = "FILE")]
    bill: PathBuf,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
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

/// Longest file, in bytes.
const BYTES_MAX: u64 = 4 << 20;

pub(super) fn report(args: &ReportArgs, printer: &Printer) -> Result<u8> {
    let name = args.bill.display();
    let mut text = String::new();
    File::open(&args.bill)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
        .with_context(|| format!("cannot read `{name}`"))?;
    ensure!(
        text.len() as u64 <= BYTES_MAX,
        "`{name}` is larger than 4 MiB"
    );
    let bill: Bill = serde_json::from_str(&text).with_context(|| format!("`{name}` is no bill"))?;
    let settled = match settle(&bill) {
        Ok(settled) => settled,
        Err(problem) => {
            printer.say(&format!("error: {name}: {problem}\n"));
            return Ok(exit::FOUND);
        }
    };
    let text = match args.format {
        Format::Markdown => markdown(&settled),
        Format::Html => html(&settled),
        Format::Json => serde_json::to_string_pretty(&settled)? + "\n",
    };
    printer.data(&text)?;
    Ok(exit::DONE)
}
