//! `pilothouse vuln db`: the advisories on this machine.

mod status;
mod update;

use super::place::PlaceArgs;
use crate::ask::{duration_text, read_time};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand};
use ph_advisories::{Imported, Unreadable};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Fetch what is newer from the mirror. An ecosystem that cannot be fetched stays as it is; exits 2 then.
    Update(update::UpdateArgs),
    /// Take advisories that lie on this machine. All of them are there at once, or what was there stays.
    Import(ImportArgs),
    /// Say what is there and how old it is. Exits 3 when there is nothing, or something is stale.
    Status(StatusArgs),
}

#[derive(Args)]
struct ImportArgs {
    /// Zip archives of OSV, folders of records (also a tree of RustSec), single records, CISA's list of exploited
    /// vulnerabilities, EPSS scores.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// How old the files are: `3d`, `2026-11-22` [default: they count as of now].
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Print what was taken as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args)]
struct StatusArgs {
    /// Print it as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  pilothouse vuln db update
  pilothouse vuln db update crates.io Debian --mirror https://osv.example.com
  pilothouse vuln db import npm/all.zip PyPI/all.zip --as-of 2026-11-22
  pilothouse vuln db import advisory-db/ overlays/ known_exploited_vulnerabilities.json
  pilothouse vuln db status";

pub(crate) fn db(args: &DbArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::Update(args) => update::update(args, printer),
        What::Import(args) => import(args, printer),
        What::Status(args) => {
            let place = args.place.read()?;
            status::status(&place, args.json, SystemTime::now(), printer)
        }
    }
}

fn import(args: &ImportArgs, printer: &Printer) -> Result<u8> {
    let place = args.place.read()?;
    let as_of = match &args.as_of {
        Some(text) => time(text)?,
        None => SystemTime::now(),
    };
    let done =
        ph_advisories::import(&place.db, &args.paths, as_of).context("nothing was imported")?;
    if args.json {
        printer.data(&format!("{}\n", imported_json(&done)))?;
    } else {
        printer.data(&imported_text(&done))?;
    }
    if args.as_of.is_none()
        && let Some(old) = oldness(&args.paths, place.plan.vuln.stale_after)
    {
        printer.say(&format!(
            "the newest of these files was changed {old} ago, and they count as of now; `--as-of {old}` says how old they are"
        ));
    }
    say_unreadable(&done.unreadable, printer);
    Ok(if done.unreadable.count == 0 {
        exit::DONE
    } else {
        exit::FOUND
    })
}

fn time(text: &str) -> Result<SystemTime> {
    let ms = u64::try_from(read_time(text)?).map_err(|_| anyhow!("`{text}` is too early"))?;
    let time = UNIX_EPOCH + Duration::from_millis(ms);
    if time > SystemTime::now() {
        return Err(anyhow!("`--as-of {text}` is not yet"));
    }
    Ok(time)
}

/// How long ago the newest of some files was changed, in whole days or hours, when that is stale already. Of folders
/// nothing is known.
fn oldness(paths: &[PathBuf], stale_after: Duration) -> Option<String> {
    let changed = paths.iter().map(|path| {
        let about = std::fs::metadata(path)
            .ok()
            .filter(|about| about.is_file())?;
        about.modified().ok()
    });
    let newest = changed.collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let age = newest.elapsed().ok().filter(|age| *age > stale_after)?;
    Some(rounded(age))
}

/// A span of time in its largest unit: `3d`, `5h`, `12m`.
fn rounded(span: Duration) -> String {
    let s = span.as_secs();
    if s == 0 {
        return "0s".to_owned();
    }
    let unit = [86_400, 3_600, 60]
        .into_iter()
        .find(|unit| s >= 2 * unit)
        .unwrap_or(1);
    duration_text(i64::try_from(s / unit * unit * 1_000).unwrap_or(i64::MAX))
}

fn say_unreadable(unreadable: &Unreadable, printer: &Printer) {
    if unreadable.count == 0 {
        return;
    }
    let count = unreadable.count;
    printer.say(&format!(
        "{count} could not be read, and what they are about is not known:"
    ));
    for place in &unreadable.named {
        printer.say(&format!("  {}", clean(place)));
    }
    let more = count - unreadable.named.len() as u64;
    if more > 0 {
        printer.say(&format!("  and {more} more"));
    }
}

fn imported_text(done: &Imported) -> String {
    let mut text = String::new();
    for (ecosystem, records) in &done.ecosystems {
        text.push_str(&format!("{ecosystem}: {records} advisories\n"));
    }
    let counts = [
        (done.kev, "known exploited vulnerabilities"),
        (done.epss, "EPSS scores"),
        (some(done.outdated), "were here already, and changed later"),
        (
            some(done.without_package),
            "name no package, and are left out",
        ),
    ];
    for (count, what) in counts {
        if let Some(count) = count {
            text.push_str(&format!("{count} {what}\n"));
        }
    }
    text
}

fn some(count: u64) -> Option<u64> {
    Some(count).filter(|count| *count > 0)
}

fn imported_json(done: &Imported) -> serde_json::Value {
    json!({
        "version": 1, "ecosystems": done.ecosystems, "outdated": done.outdated,
        "without_package": done.without_package, "kev": done.kev, "epss": done.epss,
        "unreadable": {"count": done.unreadable.count, "named": done.unreadable.named},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_down() {
        for (s, want) in [
            (0, "0s"),
            (30, "30s"),
            (150, "2m"),
            (7_300, "2h"),
            (200_000, "2d"),
            (100_000, "27h"),
        ] {
            assert_eq!(rounded(Duration::from_secs(s)), want);
        }
    }
}
