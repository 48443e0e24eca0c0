//! `pilothouse vuln exposure`: where the source uses what an advisory names.

use super::place::PlaceArgs;
use super::scan;
use crate::exit;
use crate::printer::Printer;
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use ph_exposure::{Exposure, Level, SourceFile, Wanted};
use ph_jobs::vuln::{Sources, sources};
use ph_vuln::Row;
use ph_vuln::report::Outcome;
use serde_json::{Value, json};

pub(crate) const EXAMPLES: &str = "\
Best effort: names are followed, not types, in JavaScript, TypeScript, Python and Rust. What is not found is \"not
found\" and closes no finding.

Exits as `vuln scan` does.

Examples:
  pilothouse vuln exposure
  pilothouse vuln exposure files --json";

#[derive(Args)]
pub(crate) struct ExposureArgs {
    /// A folder, or a server of the configuration [default: this folder].
    #[arg(value_name = "PATH|SERVER")]
    subject: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// So many places of a finding are shown in the text; all are in the JSON.
const SHOWN_MAX: usize = 8;

pub(crate) fn exposure(args: &ExposureArgs, printer: &Printer) -> Result<u8> {
    let (scanned, own) = scan::plain(args.subject.clone(), args.place.clone())?;
    let folder = own.source.map_err(|why| anyhow!(why))?;
    let read =
        sources(&folder).with_context(|| format!("`{}` cannot be read", folder.display()))?;
    let report = &scanned.report;
    let found: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row, of(row, &read)))
        .collect();
    if args.json {
        let all: Vec<Value> = found
            .iter()
            .map(|(row, exposure)| as_json(row, exposure))
            .collect();
        let whole = json!({
            "subject": report.subject,
            "source": folder.to_string_lossy(),
            "files": read.files.len(),
            "unread": read.unread,
            "findings": all,
        });
        printer.data(&format!("{whole:#}\n"))?;
    } else {
        let mut text = String::new();
        for (row, exposure) in &found {
            text.push_str(&as_text(row, exposure));
        }
        text.push_str(&format!(
            "{} source files in {}, {} findings\n",
            read.files.len(),
            folder.display(),
            found.len()
        ));
        for line in &read.unread {
            text.push_str(&format!("not read: {line}\n"));
        }
        printer.data(&text)?;
    }
    for doubt in report.doubts() {
        printer.say(&format!("note: {doubt}"));
    }
    Ok(match report.outcome(None) {
        Outcome::Clean => exit::DONE,
        Outcome::Found => exit::FOUND,
        Outcome::Unknown => exit::COULD_NOT_CHECK,
    })
}

fn of(row: &Row, read: &Sources) -> Exposure {
    let component = &row.finding.component;
    let wanted = Wanted::package(
        component.ecosystem.base(),
        &component.name,
        row.finding.symbols.clone(),
    );
    let files: Vec<_> = read
        .files
        .iter()
        .map(|(path, text)| SourceFile { path, text })
        .collect();
    ph_exposure::exposure(&files, &wanted)
}

fn as_text(row: &Row, exposure: &Exposure) -> String {
    let finding = &row.finding;
    let mut text = format!(
        "{} {}: {}\n",
        finding.representative(),
        row.package(),
        exposure.level.words()
    );
    if finding.symbols.is_empty() && exposure.level > Level::Imported {
        text.push_str("  the advisory names no function: any use counts\n");
    }
    for place in exposure.uses.iter().rev().take(SHOWN_MAX) {
        text.push_str(&format!(
            "  {}:{}  {}\n",
            place.file, place.line, place.text
        ));
        for reach in &place.reach {
            let tool = if reach.tool == "*" {
                "a handler of all tools"
            } else {
                &reach.tool
            };
            let input = if reach.takes_input {
                ", with what the caller sent"
            } else {
                ""
            };
            text.push_str(&format!(
                "    from {tool}{input}: {}\n",
                reach.way.join(" > ")
            ));
        }
    }
    for line in &exposure.unseen {
        text.push_str(&format!("  not seen: {line}\n"));
    }
    text.push('\n');
    text
}

fn as_json(row: &Row, exposure: &Exposure) -> Value {
    let uses = exposure.uses.iter().map(|place| {
        let reach = place.reach.iter().map(|reach| {
            json!({ "tool": reach.tool, "through": reach.way, "takesInput": reach.takes_input })
        });
        json!({
            "file": place.file,
            "line": place.line,
            "text": place.text,
            "symbol": place.symbol,
            "level": place.level.word(),
            "reach": reach.collect::<Vec<_>>(),
        })
    });
    json!({
        "id": row.finding.representative(),
        "package": row.finding.package(),
        "version": row.finding.component.version,
        "symbols": row.finding.symbols,
        "level": exposure.level.word(),
        "uses": uses.collect::<Vec<_>>(),
        "unseen": exposure.unseen,
    })
}
