//! A data directory with a day behind it, for those who look at one: `bench/console`.
//!
//! Calls of three servers, now and then something that changed, and the metrics of twenty servers, up to now. Every number
//! is made from one seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use ph_promql::Labels;
use ph_store::RealDisk;
use ph_store::logs::{Entry, Kind, Level, LogOptions, LogStore, StoreError};
use ph_store::series::{NewSample, Scrape, SeriesOptions, SeriesStore};
use serde_json::{Value, json};

use crate::store_logs::{Made, SERVERS, TOOLS};
use crate::store_series::{Random, STEP_MS};

/// What to make.
#[derive(clap::Args)]
pub struct Options {
    /// The data directory; it must not have records.
    #[arg(long)]
    dir: PathBuf,
    /// Calls, spread over the last 24 hours.
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// Series of metrics, rounded down to whole tools.
    #[arg(long, default_value_t = 5_000)]
    series: usize,
}

const DAY_MS: i64 = 86_400_000;
/// Calls between two flushes.
const BATCH: u64 = 200;
/// Of so many calls one is followed by an event.
const EVENT_EVERY: u64 = 500;
/// Of so many events one is a change, the others are health checks that failed.
const CHANGE_EVERY: u64 = 20;
/// Servers that have metrics.
const METERED: usize = 20;
const BUCKETS: [&str; 17] = [
    "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2", "5", "10",
    "30", "60", "300", "+Inf",
];
/// Requests by two statuses, tool calls by two outcomes, the histogram with sum and count.
const SERIES_PER_TOOL: usize = 4 + BUCKETS.len() + 2;

/// Makes it; what was made is one JSON object.
///
/// # Errors
/// There are records already, or the disk fails.
pub fn run(options: &Options) -> Result<Value> {
    let store = options.dir.join("store");
    ensure!(
        !store.exists(),
        "`{}` has records already",
        options.dir.display()
    );
    fs::create_dir_all(&store).with_context(|| format!("cannot make `{}`", store.display()))?;
    let now_ms = Timestamp::now().as_millisecond();
    let events = calls(&store.join("logs"), now_ms, options.calls)?;
    let (series, samples) = metrics(&store.join("series"), now_ms, options.series)?;
    Ok(json!({"calls": options.calls, "events": events, "series": series, "samples": samples}))
}

fn calls(dir: &Path, now_ms: i64, calls: u64) -> Result<u64> {
    let (mut store, _) = LogStore::open(Arc::new(RealDisk), dir, LogOptions::default())?;
    let start_ns = u64::try_from(now_ms - DAY_MS)? * 1_000_000;
    let mut made = Made::of_day(start_ns);
    let mut events = 0;
    for n in 0..calls {
        made.make(n, calls);
        append(&mut store, &made.entry())?;
        if n % EVENT_EVERY == EVENT_EVERY - 1 {
            events += 1;
            event(&mut store, made.time_ns, events)?;
        }
        if n % BATCH == BATCH - 1 {
            store.flush()?;
        }
        if n % 10_000 == 0 {
            store.tick(made.time_ns);
        }
    }
    store.sync()?;
    store.wait_sealed(Duration::from_secs(60));
    store.close();
    Ok(events)
}

fn append(store: &mut LogStore, entry: &Entry<'_>) -> Result<()> {
    while let Err(error) = store.append(entry) {
        // Faster than any gateway: the thread that seals has to be waited for.
        let StoreError::SealingBehind { .. } = error else {
            return Err(error.into());
        };
        store.wait_sealed(Duration::from_secs(60));
    }
    Ok(())
}

fn event(store: &mut LogStore, time_ns: u64, n: u64) -> Result<()> {
    let server = SERVERS[usize::try_from(n % 3)?];
    let at = Timestamp::from_nanosecond(i128::from(time_ns))?.to_string();
    let json = if n.is_multiple_of(CHANGE_EVERY) {
        json!({"timestamp": at, "level": "warn", "kind": "event", "message": "restart", "server": server,
            "event": "restart", "reason": "exit", "backoff_ms": 1000})
    } else {
        json!({"timestamp": at, "level": "warn", "kind": "event", "message": "health: timeout", "server": server,
            "event": "health", "result": "timeout", "duration": 5000.0})
    };
    let json = json.to_string();
    let entry = Entry {
        kind: Kind::Event,
        level: Level::Warn,
        time_unix_ns: time_ns,
        duration_ns: None,
        status: 0,
        trace_id: None,
        server,
        method: "",
        tool: "",
        outcome: "",
        json: json.as_bytes(),
    };
    append(store, &entry)
}

fn metrics(dir: &Path, now_ms: i64, series: usize) -> Result<(usize, u64)> {
    let bounds = SeriesOptions {
        syncs: false,
        ..SeriesOptions::default()
    };
    let (mut store, _) = SeriesStore::open(Arc::new(RealDisk), dir, bounds)?;
    let mut page = Page::new(series / SERIES_PER_TOOL);
    let ticks = DAY_MS / STEP_MS;
    let last_ms = now_ms / STEP_MS * STEP_MS;
    let mut samples = 0;
    for n in 0..ticks {
        page.advance();
        let t_ms = last_ms - (ticks - 1 - n) * STEP_MS;
        let scrape = Scrape {
            t_ms,
            target: "pilothouse",
            samples: &page.samples,
            exemplars: &[],
            metadata: &[],
        };
        store.scrape(&scrape)?;
        samples += page.samples.len() as u64;
        while store.tick(t_ms)?.is_writing {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    store.close()?;
    Ok((page.samples.len(), samples))
}

/// What `/metrics` says of the tools.
struct Page {
    samples: Vec<NewSample>,
    random: Random,
}

impl Page {
    fn new(tools: usize) -> Self {
        let mut samples = Vec::new();
        for nth in 0..tools {
            let named = |n: usize, names: &[&str], other: &str| {
                let name = names.get(n).map(|name| (*name).to_owned());
                name.unwrap_or_else(|| format!("{other}-{n:03}"))
            };
            let server = named(nth % METERED, &SERVERS, "server");
            let tool = named(nth, &TOOLS, "tool");
            let mut add = |name: &str, more: &[(&str, &str)]| {
                let fixed = [("__name__", name), ("server", &server), ("tool", &tool)];
                let labels = Labels::from_pairs(fixed.into_iter().chain(more.iter().copied()));
                samples.push(NewSample::from((labels, 0.0)));
            };
            for status in ["200", "500"] {
                add(
                    "mcp_requests_total",
                    &[("method", "tools/call"), ("status", status)],
                );
            }
            for outcome in ["ok", "protocol_error"] {
                add("mcp_tool_calls_total", &[("outcome", outcome)]);
            }
            for le in BUCKETS {
                add(
                    "mcp_response_duration_seconds_bucket",
                    &[("method", "tools/call"), ("le", le)],
                );
            }
            for name in [
                "mcp_response_duration_seconds_sum",
                "mcp_response_duration_seconds_count",
            ] {
                add(name, &[("method", "tools/call")]);
            }
        }
        Self {
            samples,
            random: Random(7),
        }
    }

    /// Fifteen seconds go by.
    fn advance(&mut self) {
        for (nth, series) in self.samples.chunks_mut(SERIES_PER_TOOL).enumerate() {
            let random = &mut self.random;
            let calls = match nth % 10 {
                0 => 2 + random.below(12),
                1..=3 => u64::from(random.below(3) == 0),
                _ => u64::from(random.below(200) == 0),
            };
            for _ in 0..calls {
                let failed = usize::from(random.below(100) == 0);
                series[failed].v += 1.0;
                series[2 + failed].v += 1.0;
                // Around 30 ms, one in forty up to 4 s.
                let slow = if random.below(40) == 0 {
                    random.below(4_000)
                } else {
                    0
                };
                let took_s = (5 + random.below(60) + slow) as f64 / 1e3;
                let buckets = &mut series[4..];
                for (bucket, le) in buckets.iter_mut().zip(BUCKETS) {
                    let le: f64 = le.parse().unwrap_or(f64::INFINITY);
                    if took_s <= le {
                        bucket.v += 1.0;
                    }
                }
                buckets[BUCKETS.len()].v += took_s;
                buckets[BUCKETS.len() + 1].v += 1.0;
            }
        }
    }
}
