//! `pilothouse cost logs`: what keeping logs costs, now and by another plan.

mod own;

use super::past::PastArgs;
use super::read_file;
use super::sheet::{Sheet, SheetArgs};
use crate::ask::WhereArgs;
use crate::exit;
use crate::printer::Printer;
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use ph_cost::retention::{Compared, Logs, compare};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  pilothouse cost logs                               # the own store, as measured
  pilothouse cost logs --retention 14d               # and what keeping it so long would cost
  pilothouse cost logs --retention 14d --format store
  pilothouse cost logs logs.json
  pilothouse cost logs logs.json --format ilm > ilm-policy.json     # also ism, loki

The file is JSON:
  {\"currency\": \"USD\",
   \"kinds\": [{\"name\": \"calls\", \"bytes_per_day\": 10000000000}, {\"name\": \"audit\", \"bytes_per_day\": 1000000000, \"is_audit\": true}],
   \"now\":  {\"rollover_days\": 1, \"warm_days\": 90, \"delete_days\": 90, \"hot_replicas\": 1, \"warm_replicas\": 1},
   \"then\": {\"rollover_days\": 1, \"warm_days\": 7, \"delete_days\": 30, \"hot_replicas\": 1, \"warm_replicas\": 0},
   \"storage\": {\"hot_gb_month\": 0.1, \"warm_gb_month\": 0.04, \"stored_permille\": 250}}";

#[derive(Args)]
pub(crate) struct LogsArgs {
    /// What is written, how it is kept now and then, and what that costs [default: what the own store has].
    #[arg(value_name = "FILE", conflicts_with_all = ["since", "month", "retention", "audit", "address", "data_dir"])]
    logs: Option<PathBuf>,
    #[command(flatten)]
    past: PastArgs,
    /// Keep records of the own store so long instead.
    #[arg(long, value_name = "AGE")]
    retention: Option<String>,
    /// A kind of records that has to be kept whatever it costs; can be given several times.
    #[arg(long, value_name = "KIND")]
    audit: Vec<String>,
    /// What is wanted: the comparison, or the plan `then` for a store.
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// The indices of OpenSearch that the policy is for; none with audit logs in them.
    #[arg(long, value_name = "PATTERN", default_value = "mcp-logs-*")]
    pattern: String,
    #[command(flatten)]
    sheet: SheetArgs,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// The comparison as Markdown.
    Markdown,
    /// All its numbers.
    Json,
    /// A policy of Elasticsearch.
    Ilm,
    /// A policy of OpenSearch.
    Ism,
    /// Parts of Loki's configuration.
    Loki,
    /// Part of our own configuration.
    Store,
}

pub(super) fn logs(args: &LogsArgs, printer: &Printer) -> Result<u8> {
    let sheet = args.sheet.read(printer)?;
    let (name, logs, notes, retention) = match &args.logs {
        Some(file) => (
            file.display().to_string(),
            of_file(file, &sheet)?,
            Vec::new(),
            None,
        ),
        None => {
            let own = own::measured(args, &sheet)?;
            (
                "the store".to_owned(),
                own.logs,
                own.notes,
                Some(own.retention),
            )
        }
    };
    let compared = match compare(&logs) {
        Ok(compared) => compared,
        Err(problem) => {
            printer.say(&format!("error: {name}: {problem}"));
            return Ok(exit::FOUND);
        }
    };
    let audit: Vec<_> = logs.kinds.iter().filter(|kind| kind.is_audit).collect();
    let is_policy = matches!(args.format, Format::Ilm | Format::Ism | Format::Loki);
    if is_policy && !audit.is_empty() {
        let names: Vec<_> = audit.iter().map(|kind| kind.name.as_str()).collect();
        printer.say(&format!(
            "warning: this deletes after {} days and is not for {}: audit logs belong into a store or an index of their own\n",
            logs.then.delete_days,
            names.join(", ")
        ));
    }
    let text = match args.format {
        Format::Markdown => markdown(&compared, &notes),
        Format::Json => {
            let answer = Answer {
                compared: &compared,
                notes: &notes,
            };
            serde_json::to_string_pretty(&answer)? + "\n"
        }
        Format::Store => match retention {
            Some(retention) => format!("store:\n  retention: {}\n", own::shown(retention)),
            None => {
                bail!("a FILE says nothing of the own store: `--format store` goes without one")
            }
        },
        Format::Ilm => ph_artifacts::retention::ilm(&logs.then).text,
        Format::Ism => ph_artifacts::retention::ism(&logs.then, &args.pattern).text,
        Format::Loki => ph_artifacts::retention::loki(&logs.then).text,
    };
    printer.data(&text)?;
    Ok(exit::DONE)
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    compared: &'a Compared,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
}

/// What is kept and how, with the prices of the configuration where the file has none.
fn of_file(file: &Path, sheet: &Sheet) -> Result<Logs> {
    let name = file.display();
    let text = read_file(file)?;
    let read = || -> Result<Logs> {
        let mut logs: serde_json::Value = serde_json::from_str(&text)?;
        let currency = sheet.plan.cost.currency.as_str();
        Sheet::fill(&mut logs, "currency", Some(currency));
        if logs["currency"] == currency {
            for (key, class) in [("hot_gb_month", "hot"), ("warm_gb_month", "warm")] {
                Sheet::fill(&mut logs["storage"], key, sheet.storage(class));
            }
        }
        Ok(serde_json::from_value(logs)?)
    };
    read().with_context(|| format!("`{name}` does not say what is kept and how"))
}

fn markdown(compared: &Compared, notes: &[String]) -> String {
    let mut out = format!(
        "| logs | a month now ({0}) | then ({0}) | saved |\n| --- | ---: | ---: | ---: |\n",
        compared.currency
    );
    for row in &compared.kinds {
        let name = row.name.replace('|', "\\|");
        let what = if row.is_audit {
            format!("{name} (audit: stays as it is)")
        } else {
            name
        };
        let _ = writeln!(
            out,
            "| {what} | {} | {} | {} |",
            row.now,
            row.then,
            row.now - row.then
        );
    }
    let _ = writeln!(
        out,
        "| Total | {} | {} | {} |\n",
        compared.now, compared.then, compared.saved
    );
    for line in compared.arithmetic.iter().chain(notes) {
        let _ = writeln!(out, "- {line}");
    }
    out
}
