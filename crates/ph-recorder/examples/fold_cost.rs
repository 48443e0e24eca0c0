//! What a record costs the thread that hands it over: `cargo run --release -p ph-recorder --example fold_cost`. With
//! the argument `store` first it is kept, too; with `slos` it is counted for the four standard objectives.
//!
//! Prints nanoseconds per record for 1 and 2 threads: folding, the push, and now and then waking the
//! recorder's thread, which writes a log file meanwhile. Records are made before the
//! clock starts. Wall time of the handing-over threads; the recorder's thread shares the machine.

use ph_base::trace::{SpanId, TraceId};
use ph_base::{Era, Method, ServerName};
use ph_record::{
    Answer, CallRecord, CallTrace, Direction, Ending, Observation, RecordSink, Replica, Server,
    ServerTable, Transport,
};
use ph_recorder::{Fsync, Keep, KeptSettings, Level, LogSettings, Recorder, Settings, Start};
use ph_store::RealDisk;
use ph_store::logs::{LogOptions, LogStore};
use ph_store::series::{SeriesOptions, SeriesStore};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Fewer than the queue holds, so that none is dropped whatever the recorder's thread does.
const ROUND: usize = 8_000;
const ROUNDS: usize = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let servers = Arc::new(ServerTable::default());
    let server = servers
        .intern(&ServerName::parse("s")?)
        .ok_or("the table is full")?;
    let dir = std::env::temp_dir().join(format!("ph-fold-cost-{}", std::process::id()));
    let keep = match std::env::args().nth(1).as_deref() {
        Some("store") => Some(keep(&dir)?),
        _ => None,
    };
    let recorder = Recorder::start(Start {
        settings: Settings {
            redaction: ph_record::RedactSettings::default(),
            log: log(&dir),
            spans: None,
            kept: None,
            anomalies: None,
            otel_operation_metric: false,
            slos: match std::env::args().any(|arg| arg == "slos") {
                true => ph_plan::Plan::default().slos_in_force(),
                false => std::collections::BTreeMap::new(),
            },
        },
        servers,
        version: "0".to_owned(),
        runtime: runtime.handle().clone(),
        keep,
        stdout: None,
        complain: Box::new(|_| {}),
    })?;
    let mut out = std::io::stdout().lock();
    for threads in [1, 2] {
        let mut each: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let ns = round(&recorder, &server, threads);
                runtime.block_on(recorder.flush(Duration::from_secs(10)));
                ns
            })
            .collect();
        each.sort_by(f64::total_cmp);
        let (low, median, high) = (each[ROUNDS / 10], each[ROUNDS / 2], each[ROUNDS * 9 / 10]);
        writeln!(
            out,
            "{threads} threads: {median:.0} ns per record (p10 {low:.0}, p90 {high:.0})"
        )?;
    }
    let offered = 2 * ROUNDS * ROUND;
    for (name, ns) in thread_ns()? {
        let each = ns / offered as f64;
        writeln!(out, "thread {name}: {each:.0} ns of CPU per record")?;
    }
    let report = runtime.block_on(recorder.stop(Duration::from_secs(10)));
    runtime.block_on(recorder.close_store(Duration::from_secs(10)));
    let (_, page) = recorder.render_metrics(None);
    for line in page
        .lines()
        .filter(|l| l.starts_with("pilothouse_store_records"))
    {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{report:?}")?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Stores below `dir`, kept as by default.
fn keep(dir: &std::path::Path) -> Result<Keep, Box<dyn std::error::Error>> {
    let disk = Arc::new(RealDisk);
    let (logs, _) = LogStore::open(disk.clone(), &dir.join("store/logs"), LogOptions::default())?;
    let (series, _) = SeriesStore::open(disk, &dir.join("store/series"), SeriesOptions::default())?;
    Ok(Keep {
        logs,
        series,
        settings: KeptSettings {
            level: Level::Info,
            fsync: Fsync::Interval,
            queue_bytes: 64 << 20,
            sample_interval: Duration::from_secs(15),
            instance: "127.0.0.1:3000".to_owned(),
            retention: Duration::from_secs(1 << 30),
            logs_bytes: 1 << 40,
            series_bytes: 1 << 40,
        },
    })
}

/// CPU time of every thread but this one so far, in nanoseconds, to a hundredth of a second.
fn thread_ns() -> std::io::Result<Vec<(String, f64)>> {
    const NS_PER_TICK: f64 = 1e7;
    let mut threads = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let Some((name, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let name = name.split_once('(').map_or("", |(_, name)| name);
        let fields = rest.split_ascii_whitespace().skip(11).take(2);
        let ticks: f64 = fields.filter_map(|f| f.parse::<f64>().ok()).sum();
        if name != "fold_cost" {
            threads.push((name.to_owned(), ticks * NS_PER_TICK));
        }
    }
    Ok(threads)
}

/// Nanoseconds per record of one round.
fn round(recorder: &Recorder, server: &Server, threads: usize) -> f64 {
    let share = ROUND / threads;
    let batches: Vec<Vec<_>> = (0..threads)
        .map(|_| (0..share).map(|i| record(server, i)).collect())
        .collect();
    let spent: Duration = std::thread::scope(|scope| {
        let hand_over = |batch: Vec<Observation>| {
            let began = Instant::now();
            batch.into_iter().for_each(|o| recorder.observe(o));
            began.elapsed()
        };
        let running: Vec<_> = batches
            .into_iter()
            .map(|b| scope.spawn(move || hand_over(b)))
            .collect();
        running.into_iter().filter_map(|t| t.join().ok()).sum()
    });
    spent.as_nanos() as f64 / (share * threads) as f64
}

fn record(server: &Server, i: usize) -> Observation {
    let tool = server.tools.learn("echo");
    let ending = Ending::Answered(Answer::Complete);
    Observation::Call(Box::new(CallRecord {
        server: server.idx,
        replica: Replica::None,
        direction: Direction::ToServer,
        transport: Transport::Http,
        era: Era::Modern,
        revision: None,
        method: Method::ToolsCall,
        method_text: None,
        tool,
        target: Some("echo".into()),
        client: Some("load/1".into()),
        principal: None,
        caller: None,
        peer: None,
        session: None,
        request_id: Some(i.to_string().into()),
        trace: CallTrace {
            trace_id: TraceId([1; 16]),
            server_span: SpanId([2; 8]),
            client_span: SpanId([3; 8]),
            parent: None,
            link: None,
            flags: 0,
        },
        trace_state: None,
        started_unix_ns: 1_795_369_628_000_000_000,
        duration_ns: 100_000 * (1 + i as u64 % 100),
        upstream_start_ns: Some(20_000),
        upstream_end_ns: Some(90_000),
        overhead_ns: 30_000,
        waited_on_client_ns: 0,
        is_stream: false,
        ending,
        verdict: ending.verdict(Method::ToolsCall, true),
        http_status: 200,
        delivered: true,
        rpc_code: None,
        error: None,
        limited: None,
        shape: None,
        request_bytes: 180,
        response_bytes: 240,
        params: None,
    }))
}

fn log(dir: &std::path::Path) -> LogSettings {
    LogSettings {
        level: Level::Info,
        dir: Some(dir.to_owned()),
        stdout: false,
        rotate_bytes: 1 << 30,
        rotate_age: Duration::from_secs(86_400),
        keep_files: 1,
        keep_bytes: 1 << 30,
        compress: false,
        params: false,
        params_bytes_max: 0,
    }
}
