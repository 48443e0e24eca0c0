//! The report in the form that was asked for.

use super::Format;
use super::known::Known;
use crate::printer::Printer;
use crate::terminal::{Look, Paint};
use anyhow::{Context as _, Result};
use ph_inventory::cyclonedx::{self, Bom, Spec};
use ph_jobs::vuln::Scanned;
use ph_vuln::FindingKey;
use ph_vuln::report::{cyclonedx_vex, json, openvex, sarif, table};
use serde_json::Value;
use std::path::Path;

/// Who writes VEX documents, where nobody is named.
const AUTHOR: &str = "Pilothouse";

/// Writes the report to `file`, and the table to standard output; without a file the report to standard output.
pub(super) fn write(
    format: Format,
    file: Option<&Path>,
    scanned: &Scanned,
    known: &Known,
    printer: &Printer,
) -> Result<()> {
    let look = Look::of_stdout();
    let Some(file) = file else {
        match text(format, scanned, known, look)? {
            Some(text) => printer.data(&text)?,
            None => printer.say(NOTHING_TO_STATE),
        }
        if format != Format::Table {
            doubts(scanned, printer);
        }
        return Ok(());
    };
    let plain = Look {
        color: false,
        ..look
    };
    match text(format, scanned, known, plain)? {
        Some(text) => std::fs::write(file, text)
            .with_context(|| format!("cannot write `{}`", file.display()))?,
        None => printer.say(&format!(
            "{NOTHING_TO_STATE}, so `{}` was not written",
            file.display()
        )),
    }
    printer.data(&painted(scanned, look))?;
    Ok(())
}

const NOTHING_TO_STATE: &str =
    "a document of OpenVEX has at least one statement, and nothing was found to be stated";

fn text(format: Format, scanned: &Scanned, known: &Known, look: Look) -> Result<Option<String>> {
    let report = &scanned.report;
    let held = |key: &FindingKey| known.stance(key);
    Ok(Some(match format {
        Format::Table => painted(scanned, look),
        Format::Json => json(report, report.outcome(None))?,
        Format::Sarif => pretty(&sarif(report))?,
        Format::Openvex => match openvex(report, AUTHOR, &held, &known.gone(scanned)) {
            Some(document) => pretty(&document)?,
            None => return Ok(None),
        },
        Format::CyclonedxVex => pretty(&cyclonedx_vex(report, &held, &known.gone(scanned)))?,
        Format::Cyclonedx => {
            let at = report.at.to_string();
            let bom = Bom {
                subject: &report.subject,
                spec: Spec::V1_6,
                timestamp: Some(&at),
                tool_version: env!("CARGO_PKG_VERSION"),
            };
            String::from_utf8(cyclonedx::write(&scanned.inventory, bom))
                .context("an SBOM is text")?
        }
    }))
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn painted(scanned: &Scanned, look: Look) -> String {
    let paint = |severity: &str, text: &str| match severity {
        "critical" | "high" => look.paint(Paint::Bad, text),
        "medium" => look.paint(Paint::Warn, text),
        _ => text.to_owned(),
    };
    table(&scanned.report, &paint)
}

/// What a program that reads the report may not look at.
fn doubts(scanned: &Scanned, printer: &Printer) {
    for doubt in scanned.report.doubts() {
        printer.say(&format!("not clean: {doubt}"));
    }
}
