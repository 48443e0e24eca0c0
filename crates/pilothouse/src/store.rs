//! `pilothouse store`: what is kept on disk.

use crate::ask::{Api, CouldNotAsk, Params, WhereArgs, data_dir, time_of_day};
use crate::exit;
use crate::printer::Printer;
use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use ph_store::check::{self, Report};
use ph_store::{Disk, RealDisk};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Say how much is kept, and since when.
    Stats(StatsArgs),
    /// Read everything and compare it with its checksums; nothing is changed. Exits 1 when something is damaged.
    Check(DirectoryArgs),
    /// Cut what a crash left of unfinished writes, and set aside what cannot be read. No daemon may run there.
    Repair(DirectoryArgs),
}

#[derive(Args)]
struct DirectoryArgs {
    /// Data directory [default: $XDG_STATE_HOME/pilothouse].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print it as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct StatsArgs {
    /// Print it as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) fn store(args: &StoreArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::Stats(args) => stats(args, printer),
        What::Check(args) => {
            let dir = directory(args)?;
            let report = check::check(&disk(), &dir.join(STORE));
            let report = report
                .context("the store cannot be checked")
                .context(CouldNotAsk)?;
            show(&report, args.json, "lost", printer)?;
            Ok(if report.is_whole() {
                exit::DONE
            } else {
                exit::FOUND
            })
        }
        What::Repair(args) => {
            let dir = directory(args)?;
            // Held until the end: two writers would spoil what one repairs.
            let _home = ph_server::Home::open(&dir)?;
            let report = check::repair(&disk(), &dir.join(STORE))?;
            show(&report, args.json, "set aside", printer)?;
            Ok(exit::DONE)
        }
    }
}

/// Below the data directory.
const STORE: &str = "store";

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// A directory that holds something.
fn directory(args: &DirectoryArgs) -> Result<PathBuf> {
    let dir = data_dir(args.data_dir.as_deref())?;
    if dir.join(STORE).is_dir() {
        return Ok(dir);
    }
    Err(anyhow!("`{}` holds no records", dir.display())).context(CouldNotAsk)
}

/// - `what`: what became of what is damaged.
fn show(report: &Report, json: bool, what: &str, printer: &Printer) -> Result<()> {
    if json {
        let json = json!({
            "version": 1, "whole": report.is_whole(), "records": report.records, "samples": report.samples,
            "bytes": report.bytes, "torn_bytes": report.torn_bytes, "damage": report.damage,
        });
        printer.data(&format!("{json}\n"))?;
        return Ok(());
    }
    let mut text = String::new();
    for damage in &report.damage {
        text.push_str(&format!("{what}: {damage}\n"));
    }
    if report.torn_bytes > 0 {
        text.push_str(&format!(
            "{} bytes of unfinished writes at the end; nothing in them was acknowledged\n",
            report.torn_bytes
        ));
    }
    text.push_str(&format!(
        "{} records, {} samples",
        report.records, report.samples
    ));
    if report.bytes > 0 {
        text.push_str(&format!(
            ", {} compared with their checksums",
            bytes(&report.bytes.into())
        ));
    }
    text.push_str(if report.is_whole() {
        ": all is well\n"
    } else {
        ": the rest is well\n"
    });
    printer.data(&text)?;
    Ok(())
}

fn stats(args: &StatsArgs, printer: &Printer) -> Result<u8> {
    let api = Api::find(&args.place)?;
    let stats = api.json("/api/pilothouse/store", &Params::new())?;
    if args.json {
        printer.data(&format!("{stats}\n"))?;
    } else {
        printer.data(&table(&stats))?;
    }
    Ok(exit::DONE)
}

fn table(stats: &Json) -> String {
    let logs = &stats["logs"];
    let mut rows = vec![
        ("records".to_owned(), plain(&logs["records"])),
        ("  on disk".to_owned(), bytes(&logs["bytes"])),
        ("  as JSON".to_owned(), bytes(&logs["json_bytes"])),
        ("  from".to_owned(), time(&logs["from"])),
        ("  to".to_owned(), time(&logs["to"])),
        ("  sealed segments".to_owned(), plain(&logs["segments"])),
        ("  open files".to_owned(), plain(&logs["unsealed"])),
    ];
    if let Some(series) = stats["series"].as_object() {
        rows.push((
            "series".to_owned(),
            plain(&series.get("series").cloned().unwrap_or_default()),
        ));
        for (name, value) in series.iter().filter(|(name, _)| *name != "series") {
            let value = match name.as_str() {
                name if name.ends_with("bytes") => bytes(value),
                "from" | "to" => time(value),
                _ => plain(value),
            };
            rows.push((format!("  {}", name.replace('_', " ")), value));
        }
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:<width$}  {value}\n"))
        .collect()
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => "-".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn bytes(value: &Json) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let Some(bytes) = value.as_f64() else {
        return plain(value);
    };
    let unit = UNITS.iter().find(|(factor, _)| bytes >= *factor);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(factor, unit)| format!("{:.1} {unit}", bytes / factor),
    )
}

fn time(value: &Json) -> String {
    value.as_f64().map_or_else(
        || plain(value),
        |seconds| format!("{} UTC", time_of_day((seconds * 1e3) as i64)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_of_both_stores() {
        let stats = serde_json::json!({
            "logs": {"records": 1_000_000, "bytes": 93_000_000, "json_bytes": 405_000_000, "segments": 3,
                "unsealed": 1, "from": 1_795_305_600.0, "to": 1_795_369_628.135},
            "series": {"series": 1_234, "bytes": 900},
        });
        let want = "\
records            1000000
  on disk          93.0 MB
  as JSON          405.0 MB
  from             11-22 00:00:00.000 UTC
  to               11-22 17:47:08.135 UTC
  sealed segments  3
  open files       1
series             1234
  bytes            900 B
";
        assert_eq!(table(&stats), want);
        assert!(table(&serde_json::json!({"logs": {}})).contains("records            -"));
    }
}
