//! The table of service level objectives over a store of samples: what a month of many of them costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use ph_plan::{NoSecrets, Plan, Slo, SloName};
use ph_promql::{Labels, METRIC_NAME};
use ph_rules::slo::table;
use ph_store::RealDisk;
use ph_store::series::{NewSample, Scrape, SeriesOptions, SeriesStore};
use serde_json::json;

use crate::store_series::{START_MS, STEP_MS};

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Directory for the files; it must not exist.
    #[arg(long)]
    dir: PathBuf,
    /// Objectives, each with four counters.
    #[arg(long, default_value_t = 50)]
    slos: usize,
    /// Days of samples, one every 15 s.
    #[arg(long, default_value_t = 30)]
    days: i64,
    /// Tables that are measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Milliseconds of a table at most.
const TABLE_MS_MAX: f64 = 500.0;

/// Runs it; the report is one JSON object.
///
/// # Errors
/// The directory is there already, or the disk fails; also when the table does not say what was counted.
pub fn run(options: &Options) -> Result<serde_json::Value> {
    fs::create_dir(&options.dir)
        .with_context(|| format!("cannot make `{}`", options.dir.display()))?;
    let report = tables(options, &options.dir.join("series"))?;
    fs::remove_dir_all(&options.dir)?;
    Ok(report)
}

fn tables(options: &Options, dir: &Path) -> Result<serde_json::Value> {
    let slos = objectives(options)?;
    let (mut store, _) = SeriesStore::open(Arc::new(RealDisk), dir, SeriesOptions::default())?;
    let labels = labels(&slos);
    let steps = options.days * 86_400_000 / STEP_MS;
    let last_ms = START_MS + steps * STEP_MS;
    for n in 0..=steps {
        let now_ms = START_MS + n * STEP_MS;
        // Of each four counters the first counts good calls, the second bad ones, and so on for probes.
        let samples = labels.iter().enumerate().map(|(nth, labels)| {
            let each = [7, 0, 1, 0][nth % 4];
            let rare = i64::from(nth % 2 == 1) * (n / 200);
            NewSample::from((labels.clone(), (n * each + rare) as f64))
        });
        let samples: Vec<_> = samples.collect();
        store.scrape(&Scrape {
            t_ms: now_ms,
            target: "self",
            samples: &samples,
            exemplars: &[],
            metadata: &[],
        })?;
        if n % 400 == 0 {
            store.tick(now_ms)?;
        }
    }
    let reader = store.reader();
    let mut walls = Vec::new();
    for _ in 0..options.rounds {
        let begun = Instant::now();
        let rows = table(&slos, &reader, last_ms).map_err(|error| anyhow!("{error}"))?;
        walls.push(begun.elapsed().as_secs_f64() * 1e3);
        let good = u64::try_from(steps * 8)?;
        ensure!(
            rows.len() == options.slos && rows.iter().all(|row| row.events.good == good),
            "the table does not say what was counted"
        );
    }
    drop(reader);
    store.close()?;
    let first_ms = walls.first().copied().unwrap_or_default();
    walls.sort_by(f64::total_cmp);
    let median_ms = walls.get(walls.len() / 2).copied().unwrap_or_default();
    Ok(json!({
        "slos": options.slos,
        "days": options.days,
        "series": labels.len(),
        "table_wall_ms": { "median": median_ms, "first": first_ms },
        "promise": { "table_wall_ms_max": TABLE_MS_MAX, "kept": median_ms < TABLE_MS_MAX },
    }))
}

fn objectives(options: &Options) -> Result<BTreeMap<SloName, Slo>> {
    let mut text = "servers: {a: {command: x}}\nslos:\n".to_owned();
    for nth in 0..options.slos {
        writeln!(
            text,
            "  slo-{nth}: {{objective: availability, window: {}d}}",
            options.days
        )?;
    }
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).map_err(|wrong| anyhow!("{wrong:?}"))?;
    Ok(plan.slos_in_force())
}

fn labels(slos: &BTreeMap<SloName, Slo>) -> Vec<Labels> {
    let mut all = Vec::new();
    for name in slos.keys() {
        for source in ["demand", "probe"] {
            for result in ["good", "bad"] {
                all.push(Labels::from_pairs([
                    (METRIC_NAME, "mcp_slo_events_total"),
                    ("slo", name.as_str()),
                    ("source", source),
                    ("result", result),
                    ("job", "mcp-server"),
                    ("instance", "127.0.0.1:3000"),
                ]));
            }
        }
    }
    all
}
