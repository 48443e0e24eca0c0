//! Fetching what is newer from the mirror.

use super::say_unreadable;
use crate::exit;
use crate::printer::Printer;
use crate::vuln::place::{Place, PlaceArgs};
use anyhow::{Context as _, Result};
use clap::Args;
use ph_advisories::{Bounds, Change, ListPlace, UpdateError, UpdateOptions, Updated};
use ph_plan::FileOrUrl;
use serde_json::{Value as Json, json};
use std::time::SystemTime;
use tokio::runtime::Builder;

#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// Ecosystems by their OSV names without release [default: `vuln.ecosystems` of the configuration: npm, PyPI].
    #[arg(value_name = "ECOSYSTEM")]
    ecosystems: Vec<String>,
    /// The mirror [default: `vuln.mirror` of the configuration, that of osv.dev].
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Fetch and take the whole dump, whatever is here.
    #[arg(long)]
    force: bool,
    /// Print what has changed as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) fn update(args: &UpdateArgs, printer: &Printer) -> Result<u8> {
    let place = args.place.read()?;
    let options = options(args, &place);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut say = |text: &str| printer.say(text);
    let running = ph_advisories::update(&place.db, &options, SystemTime::now(), &mut say);
    let updated = runtime.block_on(running).context("nothing was fetched")?;
    if args.json {
        printer.data(&format!("{}\n", as_json(&updated)))?;
    } else {
        printer.data(&as_text(&updated))?;
    }
    for (_, change) in &updated.ecosystems {
        if let Ok(Change::Records { unreadable, .. } | Change::Whole { unreadable, .. }) = change {
            say_unreadable(unreadable, printer);
        }
    }
    let mut failed = exit::DONE;
    for (name, error) in updated.failures() {
        printer.say(&format!(
            "error: {name} is as old as before: {}",
            chain(error)
        ));
        failed = exit::FAILED;
    }
    Ok(failed)
}

fn options(args: &UpdateArgs, place: &Place) -> UpdateOptions {
    let vuln = &place.plan.vuln;
    let configured = || {
        vuln.ecosystems
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect()
    };
    let ecosystems = if args.ecosystems.is_empty() {
        configured()
    } else {
        args.ecosystems.clone()
    };
    UpdateOptions {
        mirror: args
            .mirror
            .clone()
            .unwrap_or_else(|| vuln.mirror.as_str().to_owned()),
        ca_file: vuln.ca_file.as_ref().map(|file| file.as_path().to_owned()),
        ecosystems,
        kev: vuln.kev.as_ref().map(list_place),
        epss: vuln.epss.as_ref().map(list_place),
        is_forced: args.force,
        bounds: Bounds::default(),
    }
}

fn list_place(place: &FileOrUrl) -> ListPlace {
    match place {
        FileOrUrl::File(path) => ListPlace::File(path.as_path().to_owned()),
        FileOrUrl::Url(url) => ListPlace::Url(url.as_str().to_owned()),
    }
}

fn as_text(updated: &Updated) -> String {
    let mut text = String::new();
    for (name, change) in &updated.ecosystems {
        let what = match change {
            Ok(Change::None) => "nothing is newer".to_owned(),
            Ok(Change::Records { count, .. }) => format!("{count} advisories are new or changed"),
            Ok(Change::Whole { records, .. }) => format!("{records} advisories"),
            Err(_) => continue,
        };
        text.push_str(&format!("{name}: {what}\n"));
    }
    for (what, count) in [
        ("known exploited vulnerabilities", &updated.kev),
        ("EPSS scores", &updated.epss),
    ] {
        if let Some(Ok(count)) = count {
            text.push_str(&format!("{count} {what}\n"));
        }
    }
    text
}

fn as_json(updated: &Updated) -> Json {
    let ecosystem = |(name, change): &(String, Result<Change, UpdateError>)| {
        let change = match change {
            Ok(Change::None) => json!({"change": "none"}),
            Ok(Change::Records { count, unreadable }) => {
                json!({"change": "records", "records": count, "unreadable": unreadable.count})
            }
            Ok(Change::Whole {
                records,
                unreadable,
            }) => {
                json!({"change": "whole", "records": records, "unreadable": unreadable.count})
            }
            Err(error) => json!({"change": "failed", "error": chain(error)}),
        };
        (name.clone(), change)
    };
    let list = |list: &Option<Result<u64, UpdateError>>| match list {
        Some(Ok(count)) => json!({"entries": count}),
        Some(Err(error)) => json!({"error": chain(error)}),
        None => Json::Null,
    };
    let ecosystems: serde_json::Map<_, _> = updated.ecosystems.iter().map(ecosystem).collect();
    json!({"version": 1, "ecosystems": ecosystems, "kev": list(&updated.kev), "epss": list(&updated.epss)})
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
