//! What becomes of records and numbers in the store, on disks of all kinds.

use crate::given::{Given, call, files, ok, quiet, recorder_with};
use ph_base::Method;
use ph_promql::{MatchOp, Matcher, Select, SeriesSource, is_stale};
use ph_record::{Answer, Ending, Observation, RecordSink};
use ph_recorder::{Fsync, Keep, KeptSettings, Level, Settings};
use ph_store::disk::{Disk, Faults, FaultyDisk, Listed, ReadFile, WriteFile};
use ph_store::logs::{LogOptions, LogReader, LogStore, Search};
use ph_store::series::{SeriesOptions, SeriesReader, SeriesStore};
use ph_store::{Filter, query};
use serde_json::Value;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

fn kept() -> KeptSettings {
    KeptSettings {
        level: Level::Info,
        fsync: Fsync::Interval,
        queue_bytes: 4 << 20,
        // Longer than any test: the one at the end is the only sample.
        sample_interval: Duration::from_secs(3600),
        instance: "127.0.0.1:3000".to_owned(),
        retention: Duration::from_secs(1 << 30),
        logs_bytes: 1 << 40,
        series_bytes: 1 << 40,
    }
}

struct Kept {
    given: Given,
    logs: LogReader,
    series: SeriesReader,
}

fn keep(disk: Arc<dyn Disk>, settings: Settings, kept: KeptSettings) -> Kept {
    let options = LogOptions {
        retention: None,
        buffer_bytes: 16 << 10,
        ..LogOptions::default()
    };
    let (logs, _) = LogStore::open(disk.clone(), Path::new("/logs"), options).unwrap();
    let options = SeriesOptions {
        background: false,
        ..SeriesOptions::default()
    };
    let (series, _) = SeriesStore::open(disk, Path::new("/series"), options).unwrap();
    let (log_reader, series_reader) = (logs.reader(), series.reader());
    let keep = Keep {
        logs,
        series,
        settings: kept,
    };
    Kept {
        given: recorder_with(settings, None, Some(keep)),
        logs: log_reader,
        series: series_reader,
    }
}

impl Kept {
    fn find(&self, query: &str) -> Vec<Value> {
        let filter: Filter = query::parse(query).unwrap();
        let found = self.logs.search(&Search::new(&filter)).unwrap();
        let hits = found.hits.iter();
        hits.map(|hit| serde_json::from_slice(&hit.json).unwrap())
            .collect()
    }

    fn number(&self, name: &str) -> u64 {
        self.given.metric(name).parse().unwrap()
    }

    /// Stored, queued and dropped, which always are what was offered.
    #[track_caller]
    fn books(&self) -> (u64, u64, u64) {
        let page = self.given.metrics();
        let sum = |name: &str| -> u64 {
            let of = |line: &str| {
                let rest = line.strip_prefix(name)?;
                rest.starts_with([' ', '{'])
                    .then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())?
            };
            page.lines().filter_map(of).sum()
        };
        let [offered, stored, queued, dropped] = [
            "pilothouse_store_records_offered_total",
            "pilothouse_store_records_stored_total",
            "pilothouse_store_records_queued",
            "pilothouse_store_records_dropped_total",
        ]
        .map(sum);
        assert_eq!(offered, stored + queued + dropped);
        (stored, queued, dropped)
    }
}

#[test]
fn a_call_is_found_by_what_it_is_and_is_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let kept = keep(Arc::new(FaultyDisk::new(1)), files(dir.path()), kept());
    let server = kept.given.server("files");
    kept.given.observe(ok(&server));
    kept.given.observe(call(
        &server,
        Method::ToolsCall,
        Some("made up"),
        Ending::Answered(Answer::Error(-32603)),
    ));
    kept.given.flush();
    let lines = std::fs::read_to_string(dir.path().join("combined.log")).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (query, want) in [
        ("tool=echo", 0),
        ("outcome=ok status=200", 0),
        ("tool=\"made up\"", 1),
        ("level=error kind=call", 1),
        ("server=files status>=500", 1),
        ("duration>=12ms outcome=ok", 0),
        ("trace_id=0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a -outcome=ok", 1),
    ] {
        assert_eq!(kept.find(query), [lines[want].clone()], "{query}");
    }
    assert_eq!(kept.books(), (2, 0, 0));
}

/// Files and store each have their own least level.
#[test]
fn the_level_of_the_store_is_its_own() {
    for (log, store, in_file, in_store) in [
        (Level::Info, Level::Error, 2, 1),
        (Level::Error, Level::Info, 1, 2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = files(dir.path());
        settings.log.level = log;
        let kept = KeptSettings {
            level: store,
            ..kept()
        };
        let kept = keep(Arc::new(FaultyDisk::new(1)), settings, kept);
        let server = kept.given.server("files");
        kept.given.observe(ok(&server));
        kept.given
            .observe(call(&server, Method::Ping, None, Ending::Deadline));
        kept.given.flush();
        let lines = std::fs::read_to_string(dir.path().join("combined.log")).unwrap();
        assert_eq!(
            (lines.lines().count(), kept.find("").len()),
            (in_file, in_store)
        );
    }
}

#[test]
fn a_full_disk_is_said_once_and_calls_go_on() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::new(1));
    let kept = keep(Arc::new(disk.clone()), files(dir.path()), kept());
    let server = kept.given.server("files");
    let burst = || {
        for _ in 0..200 {
            kept.given.observe(ok(&server));
        }
        kept.given.flush();
    };
    burst();
    assert_eq!(kept.books(), (200, 0, 0));
    let full = Faults {
        capacity_bytes: Some(disk.files().iter().map(|(_, bytes)| bytes).sum()),
        ..Faults::default()
    };
    disk.set_faults(full);
    burst();
    burst();
    let (stored, queued, dropped) = kept.books();
    // The event is a record, too.
    assert_eq!((stored, queued + dropped), (200, 401));
    assert!(dropped > 0);
    let of = "pilothouse_store_records_dropped_total{reason=\"disk_full\"}";
    assert_eq!(kept.number(of), dropped);
    assert_eq!(kept.number("pilothouse_store_failing"), 1);
    disk.set_faults(Faults::default());
    burst();
    kept.given.flush();
    let (stored, queued, dropped_after) = kept.books();
    assert_eq!((queued, dropped_after), (0, dropped));
    assert_eq!(kept.find("").len() as u64, stored.min(100));
    assert_eq!(kept.number("pilothouse_store_failing"), 0);
    let lines = std::fs::read_to_string(dir.path().join("combined.log")).unwrap();
    let named = |event: &str| lines.matches(&format!("\"event\":\"{event}\"")).count();
    assert_eq!((named("store_failing"), named("store_recovered")), (1, 1));
    assert_eq!(
        lines.matches("\"kind\":\"call\"").count(),
        800,
        "files do not care"
    );
    assert_eq!(kept.given.complaints.lock().unwrap().len(), 2);
}

/// Whatever fails and comes back: the books balance in every read, and in the end the store has what they say, once.
#[test]
fn the_books_balance_whatever_the_disk_does() {
    for seed in 0..12_u64 {
        let disk = FaultyDisk::new(seed);
        let small = KeptSettings {
            queue_bytes: 64 << 10,
            fsync: [Fsync::Interval, Fsync::Always][seed as usize % 2],
            ..kept()
        };
        let kept = keep(Arc::new(disk.clone()), quiet(), small);
        let server = kept.given.server("files");
        for round in 0..12_u64 {
            let failing = (round * 7 + seed) % 3 != 0;
            disk.set_faults(Faults {
                change_rate: if failing { 60 } else { 0 },
                sync_rate: if failing { 40 } else { 0 },
                ..Faults::default()
            });
            for n in 0..round * 40 {
                let mut record = ok(&server);
                record.request_id = Some(format!("{}", round * 1000 + n).into());
                kept.given.observe(record);
                if n % 50 == 0 {
                    kept.books();
                }
            }
            kept.given.flush();
            kept.books();
        }
        disk.set_faults(Faults::default());
        kept.given.flush();
        assert!(kept.given.stop().lines_settled && kept.given.close_store());
        let (stored, queued, _) = kept.books();
        assert_eq!(queued, 0, "seed {seed}");
        let filter = query::parse("kind=call").unwrap();
        let mut search = Search::new(&filter);
        search.limit = 10_000;
        let calls = kept.logs.search(&search).unwrap().hits;
        let mut ids: Vec<Value> = Vec::new();
        for hit in &calls {
            ids.push(serde_json::from_slice::<Value>(&hit.json).unwrap()["request_id"].clone());
        }
        let events = kept.find("kind=event").len() as u64;
        assert_eq!(ids.len() as u64 + events, stored, "seed {seed}");
        ids.sort_by_key(Value::to_string);
        ids.dedup();
        assert_eq!(ids.len(), calls.len(), "seed {seed}: nothing twice");
    }
}

/// A disk whose writes wait until they are let through.
#[derive(Clone, Debug)]
struct Hanging {
    disk: FaultyDisk,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

#[derive(Debug)]
struct HangingFile {
    file: Box<dyn WriteFile>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Hanging {
    fn hang(&self, yes: bool) {
        *self.gate.0.lock().unwrap() = yes;
        self.gate.1.notify_all();
    }

    fn file(&self, file: Box<dyn WriteFile>) -> Box<dyn WriteFile> {
        let gate = Arc::clone(&self.gate);
        Box::new(HangingFile { file, gate })
    }
}

impl HangingFile {
    fn wait(&self) {
        let hangs = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(hangs, |hangs| *hangs).unwrap());
    }
}

impl WriteFile for HangingFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wait();
        self.file.write_all(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.wait();
        self.file.sync()
    }
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl Disk for Hanging {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.disk.create(path).map(|file| self.file(file))
    }
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.disk.open_append(path).map(|file| self.file(file))
    }
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        self.disk.open_read(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        self.disk.list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.disk.free_bytes(dir)
    }
}

/// While the store's disk hangs the recorder goes on: files have every line, and what the queue cannot hold is counted.
#[test]
fn a_disk_that_hangs_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Hanging {
        disk: FaultyDisk::new(1),
        gate: Arc::default(),
    };
    let small = KeptSettings {
        queue_bytes: 256 << 10,
        ..kept()
    };
    let kept = keep(Arc::new(disk.clone()), files(dir.path()), small);
    let server = kept.given.server("files");
    disk.hang(true);
    for _ in 0..10 {
        for _ in 0..1_000 {
            kept.given.observe(ok(&server));
        }
        // The recorder's own thread is through with all of it, whatever the store does.
        let written = || kept.number("pilothouse_records_written_total");
        while written() + kept.number("pilothouse_record_queue_depth") < 1_000 {
            std::thread::yield_now();
        }
        kept.books();
    }
    while kept.number("pilothouse_records_written_total") < 10_000 {
        std::thread::yield_now();
    }
    let (stored, queued, dropped) = kept.books();
    assert_eq!(stored, 0);
    assert!(queued > 0 && dropped > 5_000, "{queued} {dropped}");
    let of = "pilothouse_store_records_dropped_total{reason=\"queue\"}";
    assert_eq!(kept.number(of), dropped);
    assert!(kept.number("pilothouse_store_queue_bytes") < 1 << 20);
    disk.hang(false);
    kept.given.flush();
    assert_eq!(kept.books(), (queued, 0, dropped));
    let lines = std::fs::read_to_string(dir.path().join("combined.log")).unwrap();
    assert_eq!(lines.lines().count(), 10_000);
}

fn samples(series: &SeriesReader, name: &str) -> Vec<ph_promql::Series> {
    let matchers = [Matcher::new("__name__", MatchOp::Re, name).unwrap()];
    let all = Select {
        matchers: &matchers,
        from_ms: 0,
        to_ms: i64::MAX,
        range_ms: None,
        step_ms: None,
        function: None,
        resolution_ms: 0,
        samples_max: 1_000_000,
        series_max: 10_000,
    };
    series.select(&all).unwrap()
}

#[test]
fn our_own_numbers_are_kept_as_they_are_shown_and_end_with_us() {
    let mut settings = quiet();
    settings.otel_operation_metric = true;
    let kept = keep(Arc::new(FaultyDisk::new(1)), settings, kept());
    let server = kept.given.server("files");
    kept.given.observe(ok(&server));
    kept.given.stop();
    let shown = kept.given.metrics();
    assert!(kept.given.close_store());
    let found = samples(&kept.series, ".+");
    for series in &found {
        assert_eq!(series.labels.get("job"), Some("mcp-server"));
        assert_eq!(series.labels.get("instance"), Some("127.0.0.1:3000"));
        // What there is from the start has a sample of the start, too.
        let [.., value, end] = &series.samples[..] else {
            panic!("{} has {} samples", series.labels, series.samples.len());
        };
        let from_the_start = series.labels.get("server").is_none();
        assert_eq!(
            series.samples.len(),
            if from_the_start { 3 } else { 2 },
            "{}",
            series.labels
        );
        assert!(is_stale(end.v) && !is_stale(value.v), "{}", series.labels);
    }
    let names: Vec<_> = found
        .iter()
        .filter_map(|s| s.labels.metric_name())
        .collect();
    assert!(names.contains(&"up") && !names.iter().any(|n| n.starts_with("mcp_server_operation")));
    let bucket = samples(&kept.series, "mcp_response_duration_seconds_bucket");
    assert_eq!(bucket.len(), ph_record::catalogue::SECONDS.len() + 1);
    for series in &bucket {
        let text = format!(
            "mcp_response_duration_seconds_bucket{{server=\"files\",method=\"tools/call\",tool=\"echo\",le=\"{}\"}} {}",
            series.labels.get("le").unwrap(),
            series.samples[0].v
        );
        assert!(shown.contains(&text), "{text}");
    }
    // Every series of the page is kept, `up` besides, and the OTel histogram is not.
    let own = |line: &&str| !line.starts_with('#') && !line.starts_with("mcp_server_operation");
    assert_eq!(found.len(), shown.lines().filter(own).count() + 1);
    let [metadata] = &kept.series.metadata(Some("mcp_requests_total"))[..] else {
        panic!("one entry")
    };
    assert_eq!(&*metadata.1.kind, "counter");
    // A trace behind a bucket: the store has its call.
    let sets = [vec![
        Matcher::new(
            "__name__",
            MatchOp::Eq,
            "mcp_response_duration_seconds_bucket",
        )
        .unwrap(),
    ]];
    let exemplars = kept.series.exemplars(&sets, 0, i64::MAX);
    assert_eq!(exemplars.len(), 1);
}

/// What others hand in goes the same way.
#[test]
fn records_of_others_are_kept_in_order() {
    let kept = keep(Arc::new(FaultyDisk::new(1)), quiet(), kept());
    let keeper = kept.given.recorder.keeper().unwrap();
    for n in 0..100 {
        let json = format!("{{\"kind\":\"span\",\"n\":{n}}}");
        assert!(keeper.offer(&ph_store::logs::Entry {
            kind: ph_store::logs::Kind::Span,
            level: ph_store::logs::Level::Info,
            time_unix_ns: n,
            duration_ns: None,
            status: 0,
            trace_id: None,
            server: "s",
            method: "",
            tool: "",
            outcome: "ok",
            json: json.as_bytes(),
        }));
    }
    kept.given.flush();
    assert_eq!(kept.books(), (100, 0, 0));
    let found: Vec<_> = kept
        .find("kind=span")
        .iter()
        .map(|v| v["n"].as_u64().unwrap())
        .collect();
    assert_eq!(found, (0..100).rev().collect::<Vec<_>>());
    kept.given
        .recorder
        .observe(Observation::Call(Box::new(ok(&kept.given.server("s")))));
    kept.given.stop();
    assert!(kept.given.close_store());
    assert!(!keeper.offer(&ph_store::logs::Entry {
        kind: ph_store::logs::Kind::Span,
        level: ph_store::logs::Level::Info,
        time_unix_ns: 0,
        duration_ns: None,
        status: 0,
        trace_id: None,
        server: "",
        method: "",
        tool: "",
        outcome: "",
        json: b"{}",
    }));
    assert_eq!(kept.books(), (101, 0, 1));
}
