//! The store of records: what a million of them cost, and how long searches take.
//!
//! The records are those of a gateway in front of three file servers: ids and times are random and different in each,
//! one call in a hundred fails, durations are spread as they are in practice (most short, a few very long). Every
//! number is made from one seed. What it takes to make the records is measured first and subtracted.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::{Timestamp, tz::TimeZone};
use ph_base::trace::TraceId;
use ph_store::logs::{
    Entry, Kind, Level, LogOptions, LogReader, LogStore, Order, Search, StoreError,
};
use ph_store::{RealDisk, query};
use serde_json::{Value, json};

/// Each search is made so many times; the median counts.
const ROUNDS: usize = 5;
/// 2023-11-15, the beginning of a UTC day.
const START_NS: u64 = 1_700_006_400_000_000_000;
const DAY_NS: u64 = 86_400_000_000_000;
/// Records between two flushes, as the recorder's thread has them when it is busy.
const BATCH: u64 = 200;

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Directory for the files; it must not exist.
    #[arg(long)]
    dir: PathBuf,
    /// Records, spread over a day.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// When written records are made to last.
    #[arg(long, value_enum, default_value = "interval")]
    fsync: Fsync,
    /// Without the sets by which a search for text passes over blocks.
    #[arg(long)]
    without_text: bool,
    /// Effort of compression; what the store does by itself when it is not given.
    #[arg(long)]
    level: Option<i32>,
    /// Only write, search nothing.
    #[arg(long)]
    only_write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Fsync {
    /// Each batch of 200 records is synced before the next.
    Always,
    /// Every 4 MiB, which here comes before the second is over.
    Interval,
    /// Never.
    Os,
}

/// Runs all of it; the report is one JSON object.
///
/// # Errors
/// The directory is there already, or the disk fails.
pub fn run(options: &Options) -> Result<Value> {
    fs::create_dir(&options.dir)
        .with_context(|| format!("cannot make `{}`", options.dir.display()))?;
    let making_s = making(options.records)?;
    let written = write(options, making_s)?;
    let searches = if options.only_write {
        Value::Null
    } else {
        searches(options)?
    };
    let rss = status_kib("VmHWM:")?;
    fs::remove_dir_all(&options.dir)?;
    Ok(json!({
        "records": options.records,
        "fsync": format!("{:?}", options.fsync).to_lowercase(),
        "text_sets": !options.without_text,
        "write": written,
        "searches": searches,
        "peak_rss_mib": round(rss as f64 / 1024.0),
    }))
}

/// CPU seconds that it takes to make the records.
fn making(records: u64) -> Result<f64> {
    let mut record = Made::default();
    let mut bytes = 0;
    let before = cpu_s()?;
    for n in 0..records {
        record.make(n, records);
        bytes += std::hint::black_box(&record).json.len();
    }
    std::hint::black_box(bytes);
    Ok(cpu_s()? - before)
}

fn write(options: &Options, making_s: f64) -> Result<Value> {
    let log = LogOptions {
        keep_unsynced: options.fsync != Fsync::Os,
        text_sets: !options.without_text,
        zstd_level: options.level.unwrap_or(LogOptions::default().zstd_level),
        ..LogOptions::default()
    };
    let (mut store, _) = LogStore::open(Arc::new(RealDisk), &options.dir, log)?;
    let mut record = Made::default();
    let (mut json_bytes, mut waits) = (0, 0);
    let (cpu, began) = (cpu_s()?, Instant::now());
    for n in 0..options.records {
        record.make(n, options.records);
        json_bytes += record.json.len();
        while let Err(error) = store.append(&record.entry()) {
            // Faster than any gateway: the thread that seals has to be waited for.
            let StoreError::SealingBehind { .. } = error else {
                return Err(error.into());
            };
            waits += 1;
            store.wait_sealed(Duration::from_secs(60));
        }
        if n % BATCH == BATCH - 1 {
            match options.fsync {
                Fsync::Always => store.sync()?,
                Fsync::Interval | Fsync::Os => store.flush()?,
            };
        }
        if n % 10_000 == 0 {
            store.tick(record.time_ns);
        }
    }
    store.sync()?;
    let append_wall_s = began.elapsed().as_secs_f64();
    // What is still in the write-ahead file is sealed too, so that everything is counted.
    store.wait_sealed(Duration::from_secs(60));
    store.tick(record.time_ns + 2 * DAY_NS);
    store.wait_sealed(Duration::from_secs(60));
    let spent = cpu_s()? - cpu - making_s;
    let stats = store.reader().stats()?;
    anyhow::ensure!(
        stats.records == options.records && stats.unsealed == 0,
        "{stats:?}"
    );
    store.close();
    Ok(json!({
        "records_per_cpu_s": (options.records as f64 / spent).round(),
        "cpu_us_per_record": round(spent * 1e6 / options.records as f64),
        "making_us_per_record": round(making_s * 1e6 / options.records as f64),
        "append_wall_s": round(append_wall_s),
        "waited_for_sealing": waits,
        "json_bytes_per_record": round(json_bytes as f64 / options.records as f64),
        "disk_mib": round(stats.bytes as f64 / (1024.0 * 1024.0)),
        "segments": stats.segments,
        "peak_rss_mib": round(status_kib("VmHWM:")? as f64 / 1024.0),
    }))
}

fn searches(options: &Options) -> Result<Value> {
    let (reader, _) = LogReader::open_read_only(Arc::new(RealDisk), &options.dir)?;
    let mut record = Made::default();
    record.make(options.records / 3, options.records);
    let trace = record.trace;
    let hour = |from: u64| {
        (
            START_NS + from * DAY_NS / 24,
            START_NS + (from + 1) * DAY_NS / 24,
        )
    };
    let all = (0, u64::MAX);
    let ask = |name: &str, text: &str, order: Order, span: (u64, u64)| {
        measure(&reader, name, text, order, span)
    };
    let traced = timed(|| Ok(reader.trace(trace)?.hits.len()))?;
    Ok(json!([
        { "name": "trace by id", "found": traced.1, "ms": traced.0, "promise_ms": 5 },
        promised(ask("newest 100 errors", "level>=error", Order::Newest, all)?, 5),
        promised(ask("slowest 100 of all time", "", Order::Slowest, all)?, 20),
        promised(ask("tool, an hour and status, newest 100", "tool=searchFiles status>=500", Order::Newest, hour(9))?, 50),
        promised(ask("tool, an hour and status, slowest 100", "tool=searchFiles status=200", Order::Slowest, hour(9))?, 50),
        promised(ask("text with no hit, a word", "xylophone", Order::Newest, all)?, 1000),
        promised(ask("text with no hit, digits (no set helps)", "\"31415926535\"", Order::Newest, all)?, 1000),
        ask("text with hits, newest 100", "\"permission denied\"", Order::Newest, all)?,
        ask("duration of 1 s and above, slowest 100", "duration>=1s", Order::Slowest, all)?,
        ask("a parameter, newest 100", "params.pattern=*.rs client=inspector*", Order::Newest, all)?,
    ]))
}

fn measure(
    reader: &LogReader,
    name: &str,
    text: &str,
    order: Order,
    span: (u64, u64),
) -> Result<Value> {
    let filter = query::parse(text)?;
    let mut search = Search::new(&filter);
    search.order = order;
    (search.from_unix_ns, search.to_unix_ns) = span;
    let (ms, found) = timed(|| {
        let found = reader.search(&search)?;
        anyhow::ensure!(found.complete && found.damaged.is_empty(), "{name}");
        Ok(found.hits.len())
    })?;
    Ok(json!({ "name": name, "query": text, "found": found, "ms": ms }))
}

fn promised(mut measured: Value, ms: u64) -> Value {
    measured["promise_ms"] = ms.into();
    measured
}

/// The median time, and the last result.
fn timed<T>(mut run: impl FnMut() -> Result<T>) -> Result<(f64, T)> {
    let mut last = run()?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        last = run()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok((round(times[ROUNDS / 2]), last))
}

/// A record, made anew in the same memory.
pub(crate) struct Made {
    pub(crate) json: String,
    start_ns: u64,
    pub(crate) time_ns: u64,
    duration_ns: u64,
    trace: TraceId,
    server: &'static str,
    tool: &'static str,
    status: u16,
    random: u64,
}

impl Default for Made {
    fn default() -> Self {
        Self::of_day(START_NS)
    }
}

impl Made {
    /// Records of the 24 hours that begin at `start_ns`, nanoseconds of Unix time.
    pub(crate) fn of_day(start_ns: u64) -> Self {
        Self {
            json: String::new(),
            start_ns,
            time_ns: 0,
            duration_ns: 0,
            trace: TraceId([0; 16]),
            server: "",
            tool: "",
            status: 0,
            random: 0,
        }
    }
}

/// What is called: tool `n` is one of server `n % 3`.
pub(crate) const TOOLS: [&str; 12] = [
    "searchFiles",
    "readFile",
    "writeFile",
    "listDirectory",
    "moveFile",
    "getFileInfo",
    "createIssue",
    "listIssues",
    "query",
    "describeTable",
    "fetch",
    "summarize",
];
const CLIENTS: [&str; 4] = [
    "inspector/2.12.0",
    "claude-desktop/1.4",
    "cursor/0.48",
    "agent-py/3.1",
];
const ERRORS: [&str; 4] = [
    "permission denied: the file is not in an allowed directory",
    "upstream did not answer within 30s",
    "connection reset by peer",
    "database is locked",
];
const PATTERNS: [&str; 6] = [
    "*.rs",
    "*.toml",
    "src/**/*.ts",
    "README*",
    "*.sql",
    "docs/*.md",
];

/// Where it is called.
pub(crate) const SERVERS: [&str; 3] = ["files", "issues", "warehouse"];

impl Made {
    pub(crate) fn make(&mut self, n: u64, of: u64) {
        self.random = mix(n + 1);
        let (a, b) = (self.next(), self.next());
        let mut id = [0; 16];
        id[..8].copy_from_slice(&a.to_be_bytes());
        id[8..].copy_from_slice(&b.to_be_bytes());
        self.trace = TraceId(id);
        self.time_ns = self.start_ns + (u128::from(DAY_NS) * u128::from(n) / u128::from(of)) as u64;
        let spread = self.next();
        // 1 to 17 ms, doubled up to 12 times: one in 4,096 takes half a minute.
        let doubled = (spread >> 32).trailing_zeros().min(12);
        self.duration_ns = (1_000_000 + spread % 16_000_000) << doubled;
        let pick = self.next();
        self.tool = TOOLS[(pick % 12) as usize];
        self.server = SERVERS[(pick % 3) as usize];
        let failed = (pick >> 8).is_multiple_of(100);
        self.status = if failed { 500 } else { 200 };
        let (level, outcome) = if failed {
            ("error", "protocol_error")
        } else {
            ("info", "ok")
        };
        let json = &mut self.json;
        json.clear();
        // Writing to a `String` cannot fail.
        let _ = write!(
            json,
            r#"{{"timestamp":"{}T{:02}:{:02}:{:02}.{:06}Z","level":"{level}","kind":"call","message":"tools/call {}: {outcome}","trace_id":"{a:016x}{b:016x}","span_id":"{:016x}","server":"{}","method":"tools/call","tool":"{}","client":"{}","session":"{:012x}","era":"modern","params":{{"pattern":"{}","limit":{}}},"status":{},"outcome":"{outcome}","duration":{}.{:03},"overhead_ms":0.{:03},"response_bytes":{}"#,
            date(self.time_ns),
            self.time_ns / 3_600_000_000_000 % 24,
            self.time_ns / 60_000_000_000 % 60,
            self.time_ns / 1_000_000_000 % 60,
            self.time_ns / 1_000 % 1_000_000,
            self.tool,
            spread ^ b,
            self.server,
            self.tool,
            CLIENTS[(pick >> 16 & 3) as usize],
            mix(pick >> 20 & 255) >> 16,
            PATTERNS[(pick >> 32) as usize % 6],
            pick >> 40 & 63,
            self.status,
            self.duration_ns / 1_000_000,
            self.duration_ns / 1_000 % 1_000,
            100 + (pick >> 48) % 200,
            (spread >> 8) % 20_000,
        );
        if failed {
            let _ = write!(json, r#","error":"{}""#, ERRORS[(pick >> 56 & 3) as usize]);
        }
        json.push('}');
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random)
    }

    pub(crate) fn entry(&self) -> Entry<'_> {
        let failed = self.status == 500;
        Entry {
            kind: Kind::Call,
            level: if failed { Level::Error } else { Level::Info },
            time_unix_ns: self.time_ns,
            duration_ns: Some(self.duration_ns),
            status: self.status,
            trace_id: Some(self.trace),
            server: self.server,
            method: "tools/call",
            tool: self.tool,
            outcome: if failed { "protocol_error" } else { "ok" },
            json: self.json.as_bytes(),
        }
    }
}

/// The UTC day of a moment, as it stands in records.
fn date(time_ns: u64) -> String {
    let at = Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or(Timestamp::MIN);
    TimeZone::UTC.to_datetime(at).date().to_string()
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// CPU seconds of this process with all its threads, user and kernel, in steps of a hundredth.
fn cpu_s() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat
        .rsplit_once(')')
        .context("no name in /proc/self/stat")?
        .1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || {
        fields
            .next()
            .and_then(|f| f.parse::<f64>().ok())
            .context("no CPU time")
    };
    Ok((ticks()? + ticks()?) / 100.0)
}

fn status_kib(key: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number
        .and_then(|n| n.parse().ok())
        .context("no such line in /proc/self/status")
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
