//! The series store: what a day of samples costs, and how long questions take.
//!
//! The samples are those of a busy gateway: 20 per tool (three counters of calls, a histogram of 14 buckets
//! with sum and count, a gauge), of each ten tools one that is called all the time, three now and then, six
//! rarely. Every number is made from one seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ph_promql::{Labels, Limits, Query, SeriesSource};
use ph_store::RealDisk;
use ph_store::series::{NewSample, Scrape, SeriesOptions, SeriesStats, SeriesStore};
use serde_json::{Value, json};

pub(crate) const STEP_MS: i64 = 15_000;
/// 2023-11-15, the beginning of a UTC day.
pub(crate) const START_MS: i64 = 1_700_006_400_000;
pub(crate) const DAY_MS: i64 = 86_400_000;
const BUCKETS: [&str; 14] = [
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60",
    "+Inf",
];
pub(crate) const SERIES_PER_TOOL: usize = 3 + BUCKETS.len() + 3;
/// Each question is asked so many times; the median counts.
const ROUNDS: usize = 5;

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Directory for the files; it must not exist.
    #[arg(long)]
    dir: PathBuf,
    /// Series, a multiple of 20.
    #[arg(long, default_value_t = 20_000)]
    series: usize,
    /// Hours of samples.
    #[arg(long, default_value_t = 24)]
    hours: i64,
    /// Days of the question for a month.
    #[arg(long, default_value_t = 30)]
    days: i64,
}

/// Runs all of it; the report is one JSON object.
///
/// # Errors
/// The directory is there already, or the disk fails.
pub fn run(options: &Options) -> Result<Value> {
    fs::create_dir(&options.dir)
        .with_context(|| format!("cannot make `{}`", options.dir.display()))?;
    let day = day(options)?;
    let month = month(options)?;
    fs::remove_dir_all(&options.dir)?;
    Ok(json!({ "day": day, "month": month }))
}

fn day(options: &Options) -> Result<Value> {
    let tools = options.series / SERIES_PER_TOOL;
    let dir = options.dir.join("day");
    let bounds = SeriesOptions {
        series_max: options.series,
        metric_series_max: options.series,
        ..SeriesOptions::default()
    };
    let (mut store, _) = SeriesStore::open(Arc::new(RealDisk), &dir, bounds.clone())?;
    let mut page = Page::new(tools);
    let mut scrapes = Vec::new();
    let (started, cpu) = (Instant::now(), cpu_time()?);
    let mut making = Duration::ZERO;
    let ticks = options.hours * 3_600_000 / STEP_MS;
    for n in 0..ticks {
        let begun = Instant::now();
        page.advance();
        making += begun.elapsed();
        let begun = Instant::now();
        let now_ms = START_MS + n * STEP_MS;
        store.scrape(&page.scrape(now_ms))?;
        store.tick(now_ms)?;
        scrapes.push(begun.elapsed());
    }
    let (wall, cpu) = (
        started.elapsed() - making,
        cpu_time()? - cpu - making.as_secs_f64(),
    );
    let open = store.stats();
    let open_bytes = disk_bytes(&dir)?;
    let rss = peak_rss_kib()?;
    settle(&mut store, START_MS + ticks * STEP_MS + DAY_MS / 2)?;
    let closed = store.stats();
    let samples = open.head_samples + open.block_samples;
    scrapes.sort_unstable();
    let at = |part: f64| scrapes[((scrapes.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;

    let reader = store.reader();
    let end_ms = START_MS + ticks * STEP_MS;
    let sum = r#"sum by (tool) (rate(mcp_calls_total{outcome="ok"}[5m]))"#;
    let mut questions = Vec::new();
    for step_ms in [60_000, 120_000, 300_000] {
        let from_ms = end_ms - options.hours * 3_600_000;
        let name = format!("{sum} over {} h, step {} s", options.hours, step_ms / 1000);
        questions.push(timed(&name, || {
            let query = parsed(sum)?;
            ph_promql::range(
                &reader,
                &query,
                from_ms,
                end_ms,
                step_ms,
                &Limits::default(),
            )?;
            Ok(())
        })?);
    }
    questions.push(timed(
        "reading these series without evaluating them",
        || {
            let matchers = parsed(sum)?.selectors().remove(0);
            let wish = ph_promql::Select {
                matchers: &matchers,
                from_ms: end_ms - options.hours * 3_600_000,
                to_ms: end_ms,
                range_ms: Some(300_000),
                step_ms: Some(60_000),
                function: Some("rate"),
                resolution_ms: 0,
                samples_max: usize::MAX,
                series_max: usize::MAX,
            };
            anyhow::ensure!(reader.select(&wish)?.len() == tools);
            Ok(())
        },
    )?);
    questions.push(timed("histogram_quantile over all tools, now", || {
        let text =
            "histogram_quantile(0.95, sum by (le) (rate(mcp_call_duration_seconds_bucket[5m])))";
        ph_promql::instant(&reader, &parsed(text)?, end_ms, &Limits::default())?;
        Ok(())
    })?);
    drop(reader);
    store.close()?;
    let begun = Instant::now();
    let (store, report) = SeriesStore::open(Arc::new(RealDisk), &dir, bounds)?;
    let reopened = begun.elapsed();
    anyhow::ensure!(report.damage.is_empty());
    anyhow::ensure!(
        store.stats().block_samples == samples,
        "samples are missing"
    );
    Ok(json!({
        "series": page.samples.len(),
        "samples": samples,
        "bytes_per_sample_with_log": open_bytes as f64 / samples as f64,
        "bytes_per_sample_sealed": closed.block_bytes as f64 / samples as f64,
        "stats_at_the_end_of_the_day": shown(&open),
        "stats_sealed": shown(&closed),
        "scrape_ms": { "p50": at(0.5), "p99": at(0.99), "max": at(1.0) },
        "ingest_wall_s": wall.as_secs_f64(),
        "ingest_cpu_s": cpu,
        "samples_per_cpu_s": samples as f64 / cpu,
        "peak_rss_mib_of_ingest": rss as f64 / 1024.0,
        "peak_rss_mib_of_all": peak_rss_kib()? as f64 / 1024.0,
        "reopen_ms": reopened.as_secs_f64() * 1e3,
        "questions": questions,
    }))
}

/// A month of the few series that availability is asked of.
fn month(options: &Options) -> Result<Value> {
    let dir = options.dir.join("month");
    let bounds = SeriesOptions {
        retention: Duration::from_secs(90 * 86_400),
        // It would only make the filling slow.
        syncs: false,
        ..SeriesOptions::default()
    };
    let (mut store, _) = SeriesStore::open(Arc::new(RealDisk), &dir, bounds)?;
    let mut samples: Vec<NewSample> = Vec::new();
    for server in 0..20 {
        let server = format!("server-{server:02}");
        let of = |name: &str, more: (&str, &str)| {
            Labels::from_pairs([("__name__", name), ("server", &server), more])
        };
        samples.push((of("mcp_server_up", ("job", "mcp-server")), 1.0).into());
        for kind in ["good", "bad", "slow"] {
            samples.push((of("mcp_slo_events_total", ("kind", kind)), 0.0).into());
        }
    }
    let mut random = Random(42);
    let ticks = options.days * DAY_MS / STEP_MS;
    for n in 0..ticks {
        for (at, sample) in samples.iter_mut().enumerate() {
            sample.v = match at % 4 {
                0 => f64::from(u8::from(random.below(5000) != 0)),
                1 => sample.v + random.below(40) as f64,
                _ => sample.v + f64::from(u8::from(random.below(50) == 0)),
            };
        }
        let now_ms = START_MS + n * STEP_MS;
        store.scrape(&Scrape {
            t_ms: now_ms,
            target: "pilothouse",
            samples: &samples,
            exemplars: &[],
            metadata: &[],
        })?;
        store.tick(now_ms)?;
    }
    let end_ms = START_MS + ticks * STEP_MS;
    settle(&mut store, end_ms + DAY_MS / 2)?;
    let reader = store.reader();
    let range = format!("[{}d]", options.days);
    let mut questions = Vec::new();
    for text in [
        format!("avg_over_time(mcp_server_up{range})"),
        format!("sum(increase(mcp_slo_events_total{range}))"),
        format!(
            "sum(increase(mcp_slo_events_total{{kind=\"good\"}}{range})) / sum(increase(mcp_slo_events_total{range}))"
        ),
    ] {
        questions.push(timed(&text, || {
            ph_promql::instant(&reader, &parsed(&text)?, end_ms, &Limits::default())?;
            Ok(())
        })?);
    }
    let text = "sum(mcp_server_up)";
    let name = format!("{text} over {} d, step 1 h", options.days);
    questions.push(timed(&name, || {
        let from_ms = end_ms - options.days * DAY_MS;
        let limits = Limits::default();
        ph_promql::range(&reader, &parsed(text)?, from_ms, end_ms, 3_600_000, &limits)?;
        Ok(())
    })?);
    let stats = store.stats();
    store.close()?;
    Ok(json!({ "stats": shown(&stats), "questions": questions }))
}

/// Lets everything become blocks.
fn settle(store: &mut SeriesStore, now_ms: i64) -> Result<()> {
    loop {
        let report = store.tick(now_ms)?;
        if !report.is_writing && !report.sealed && report.compacted == 0 {
            return Ok(());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn parsed(text: &str) -> Result<Query> {
    ph_promql::parse(text).with_context(|| format!("cannot parse {text}"))
}

fn timed(name: &str, mut ask: impl FnMut() -> Result<()>) -> Result<Value> {
    let mut times = Vec::new();
    let cpu = cpu_time()?;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        ask()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let cpu_ms = (cpu_time()? - cpu) * 1e3 / ROUNDS as f64;
    let first = times[0];
    times.sort_by(f64::total_cmp);
    Ok(
        json!({ "question": name, "median_ms": times[ROUNDS / 2], "first_ms": first, "cpu_ms": cpu_ms }),
    )
}

fn shown(stats: &SeriesStats) -> Value {
    json!({
        "blocks": stats.blocks,
        "block_samples": stats.block_samples,
        "block_bytes": stats.block_bytes,
        "wal_bytes": stats.wal_bytes,
        "head_samples": stats.head_samples,
        "head_bytes": stats.head_bytes,
    })
}

fn disk_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}

pub(crate) fn peak_rss_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let text = line.context("no VmHWM")?.trim().trim_end_matches(" kB");
    Ok(text.parse()?)
}

/// Seconds of all threads of this process. The kernel counts in hundredths.
pub(crate) fn cpu_time() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<&str> = rest.split_whitespace().skip(11).take(2).collect();
    let sum: u64 = ticks
        .iter()
        .map(|one| one.parse::<u64>().unwrap_or(0))
        .sum();
    Ok(sum as f64 / 100.0)
}

/// A small generator, the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

/// The page of metrics of a gateway.
pub(crate) struct Page {
    samples: Vec<NewSample>,
    random: Random,
    /// Nanoseconds spent in each tool.
    spent: Vec<u64>,
}

impl Page {
    pub(crate) fn new(tools: usize) -> Self {
        let mut samples = Vec::new();
        for tool in 0..tools {
            let (server, tool) = (
                format!("server-{:02}", tool % 20),
                format!("tool-{tool:04}"),
            );
            let mut add = |name: &str, more: Option<(&str, &str)>| {
                let fixed = [
                    ("__name__", name),
                    ("job", "pilothouse"),
                    ("instance", "127.0.0.1:3001"),
                    ("server", &server),
                    ("tool", &tool),
                ];
                let labels = Labels::from_pairs(fixed.into_iter().chain(more));
                samples.push(NewSample::from((labels, 0.0)));
            };
            for outcome in ["ok", "tool_error", "timeout"] {
                add("mcp_calls_total", Some(("outcome", outcome)));
            }
            for le in BUCKETS {
                add("mcp_call_duration_seconds_bucket", Some(("le", le)));
            }
            add("mcp_call_duration_seconds_sum", None);
            add("mcp_call_duration_seconds_count", None);
            add("mcp_calls_in_flight", None);
        }
        Self {
            samples,
            random: Random(7),
            spent: vec![0; tools],
        }
    }

    /// Fifteen seconds go by.
    pub(crate) fn advance(&mut self) {
        let tools = self
            .samples
            .chunks_mut(SERIES_PER_TOOL)
            .zip(&mut self.spent);
        for (tool, (series, spent)) in tools.enumerate() {
            let random = &mut self.random;
            let calls = match tool % 10 {
                0 => 2 + random.below(12),
                1..=3 => u64::from(random.below(3) == 0),
                _ => u64::from(random.below(200) == 0),
            };
            for _ in 0..calls {
                let outcome = match random.below(100) {
                    0 => 2,
                    1 | 2 => 1,
                    _ => 0,
                };
                series[outcome].v += 1.0;
                // Around 30 ms, some much longer.
                let took_ns = 1_000_000
                    * (5 + random.below(60) + random.below(40) / 39 * random.below(4000))
                    + random.below(1_000_000);
                for (at, le) in BUCKETS.iter().enumerate() {
                    let le: f64 = le.parse().unwrap_or(f64::INFINITY);
                    if took_ns as f64 / 1e9 <= le {
                        series[3 + at].v += 1.0;
                    }
                }
                *spent += took_ns;
                series[17].v = *spent as f64 / 1e9;
                series[18].v += 1.0;
            }
            series[19].v = if tool % 10 == 0 {
                random.below(3) as f64
            } else {
                0.0
            };
        }
    }

    pub(crate) fn scrape(&self, t_ms: i64) -> Scrape<'_> {
        Scrape {
            t_ms,
            target: "pilothouse",
            samples: &self.samples,
            exemplars: &[],
            metadata: &[],
        }
    }
}
