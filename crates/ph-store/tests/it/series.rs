//! Series from outside: what was acknowledged is there, once, and PromQL sees it.

mod crashes;
mod keeping;
mod rollups;
mod serving;

use ph_promql::{Labels, MatchOp, Matcher, Sample, Select, Series, SeriesSource, is_stale};
use ph_store::disk::{Disk, FaultyDisk};
use ph_store::series::{NewSample, Scrape, ScrapeReport, SeriesOptions, SeriesReader, SeriesStore};
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "store/series";
const STEP_MS: i64 = 15_000;
/// 2023-11-15, the beginning of a UTC day.
const DAY_START_MS: i64 = 1_700_006_400_000;
const HOUR_MS: i64 = 3_600_000;

fn options() -> SeriesOptions {
    SeriesOptions {
        background: false,
        ..SeriesOptions::default()
    }
}

fn open(disk: &FaultyDisk, options: SeriesOptions) -> SeriesStore {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    SeriesStore::open(disk, Path::new(DIR), options).unwrap().0
}

fn series(name: &str, tool: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("tool", tool), ("job", "mcp-server")])
}

fn scrape(
    store: &mut SeriesStore,
    t_ms: i64,
    target: &str,
    samples: &[(Labels, f64)],
) -> ScrapeReport {
    let samples: Vec<NewSample> = samples.iter().cloned().map(NewSample::from).collect();
    store
        .scrape(&Scrape {
            t_ms,
            target,
            samples: &samples,
            exemplars: &[],
            metadata: &[],
        })
        .unwrap()
}

fn wish(matchers: &[Matcher]) -> Select<'_> {
    Select {
        matchers,
        from_ms: i64::MIN / 4,
        to_ms: i64::MAX / 4,
        range_ms: None,
        step_ms: None,
        function: None,
        resolution_ms: 0,
        samples_max: usize::MAX,
        series_max: usize::MAX,
    }
}

fn all(reader: &SeriesReader) -> Vec<Series> {
    let mut all = reader.select(&wish(&[])).unwrap();
    all.sort_by(|one, other| one.labels.cmp(&other.labels));
    all
}

fn of(reader: &SeriesReader, name: &str) -> Vec<Series> {
    let matcher = Matcher::new("__name__", MatchOp::Eq, name).unwrap();
    let mut found = reader.select(&wish(&[matcher])).unwrap();
    found.sort_by(|one, other| one.labels.cmp(&other.labels));
    found
}

/// Times and values, `None` for a marker of staleness.
fn shown(samples: &[Sample]) -> Vec<(i64, Option<f64>)> {
    let value = |v: f64| (!is_stale(v)).then_some(v);
    samples.iter().map(|s| (s.t_ms, value(s.v))).collect()
}
