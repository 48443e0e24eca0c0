//! What is kept: found again, counted to the last record, and there after a kill.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, Metrics, until};
use crate::http1::Wire;
use ph_sim::{Eras, FakeHttpUpstream};
use ph_store::RealDisk;
use ph_store::logs::{LogReader, Seq};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 4;

fn yaml(http: &FakeHttpUpstream, more: &str) -> String {
    format!("{more}\nservers:\n  http:\n    url: {}\n", http.url())
}

/// Calls until it is told to stop or the gateway is gone; how many were answered.
fn call_on(address: SocketAddr, enough: &AtomicBool) -> usize {
    let client = Client::modern(address, "http");
    let Ok(stream) = TcpStream::connect(address) else {
        return 0;
    };
    let mut wire = Wire::over(stream);
    let mut answered = 0;
    while !enough.load(Relaxed) {
        wire.send(&client.tool(fresh_id(), "echo", &json!({"text": "x"})));
        match wire.try_answer() {
            Some(answer) if answer.whole => answered += 1,
            _ => break,
        }
    }
    answered
}

/// Stored, queued and dropped; they always are what was offered.
#[track_caller]
fn books(metrics: &Metrics) -> (u64, u64, u64) {
    let of = |name: &str| metrics.sum(&format!("pilothouse_store_records_{name}"), &[]);
    let (stored, queued, dropped) = (of("stored_total"), of("queued"), of("dropped_total"));
    assert_eq!(of("offered_total"), stored + queued + dropped);
    (stored, queued, dropped)
}

/// Every record after `from`, and where the next one will be. The store is read as nobody writes.
fn read_from(data: &Path, from: Seq) -> (Vec<Value>, Seq) {
    let dir = data.join("store/logs");
    let (reader, report) = LogReader::open_read_only(Arc::new(RealDisk), &dir).unwrap();
    assert_eq!(report.damage, [], "the store opens whole");
    let (mut records, mut next) = (Vec::new(), from);
    loop {
        let batch = reader.read_from(next, 10_000, 64 << 20).unwrap();
        if batch.entries.is_empty() {
            return (records, next);
        }
        assert_eq!(batch.missed, 0);
        for hit in &batch.entries {
            assert_eq!(hit.seq, next, "one after the other, each once");
            next = hit.seq.next();
            records.push(serde_json::from_slice(&hit.json).unwrap());
        }
    }
}

#[test]
fn a_call_is_kept_and_found_over_the_admin_api() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let mut gateway = Gateway::start(&yaml(&http, "store: {sample_interval: 100ms}"));
    let client = Client::modern(gateway.address, "http");
    let id = fresh_id();
    let mut wire = Wire::connect(gateway.address);
    wire.send(&client.tool(id, "echo", &json!({"text": "x"})));
    assert_eq!(wire.answer().status(), 200);
    let line = until("the call in the store", || {
        let answer = gateway.admin("/api/pilothouse/logs?query=tool=echo");
        answer.message()["records"].as_array()?.first().cloned()
    });
    let logged = until("the call in the log", || gateway.calls().pop());
    assert_eq!(line, logged);
    assert_eq!(line["request_id"], id.to_string());
    let trace = line["trace_id"].as_str().unwrap().to_owned();
    let tree = gateway.admin(&format!("/api/pilothouse/traces/{trace}"));
    assert_eq!(tree.status(), 200, "{}", tree.text());
    for path in [
        "/metrics",
        "/livez",
        "/readyz",
        "/api/pilothouse/openapi.json",
    ] {
        assert_eq!(gateway.admin(path).status(), 200, "{path}");
    }
    assert!(gateway.stderr().contains("admin"), "it says where that is");
    gateway.stop();
    assert!(!gateway.dir().path().join("data/admin.addr").exists());
}

/// Under load, with a queue that is too small for it: nothing is uncounted, nothing is twice.
#[test]
fn what_is_emitted_is_stored_queued_or_dropped() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let store = "store: {queue_bytes: 64KiB, fsync: always}";
    let mut gateway = Gateway::start(&yaml(&http, store));
    let enough = AtomicBool::new(false);
    let address = gateway.address;
    let answered: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| call_on(address, &enough)))
            .collect();
        let until_then = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until_then {
            books(&gateway.metrics());
        }
        enough.store(true, Relaxed);
        clients.into_iter().map(|c| c.join().unwrap()).sum()
    });
    let (stored, dropped) = until("an empty queue", || {
        let metrics = gateway.metrics();
        let (stored, queued, dropped) = books(&metrics);
        let calls = metrics.sum("mcp_tool_calls_total", &[("tool", "echo")]);
        let handed_over = metrics.sum("pilothouse_record_queue_depth", &[]) == 0
            && metrics.sum("pilothouse_store_records_offered_total", &[]) >= calls;
        (queued == 0 && handed_over).then_some((stored, dropped))
    });
    gateway.stop();
    let (records, _) = read_from(&gateway.dir().path().join("data"), Seq(1));
    let calls = records
        .iter()
        .filter(|r| r["kind"] == "call" && r["tool"] == "echo");
    let calls = calls.count();
    assert!(calls + usize::try_from(dropped).unwrap() >= answered);
    assert!(records.len() as u64 >= stored, "what was stored is there");
}

/// How often it is killed here; `PH_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 6;

#[expect(
    clippy::disallowed_methods,
    reason = "how long the same test runs is the caller's choice"
)]
fn rounds() -> u64 {
    let rounds = std::env::var("PH_KILL_ROUNDS").ok();
    rounds.map_or(ROUNDS, |n| n.parse().expect("PH_KILL_ROUNDS is a number"))
}

/// Killed in full flight, again and again: what was acknowledged is there, once, and the store opens.
#[test]
fn killed_again_and_again_it_loses_nothing_it_acknowledged() {
    let rounds = rounds();
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let (text, dir) = (yaml(&http, ""), Arc::new(tempfile::tempdir().unwrap()));
    let (mut next, mut seen) = (Seq(1), HashSet::new());
    for round in 0..rounds {
        let mut gateway = Gateway::launch_in(Arc::clone(&dir), &text);
        let (enough, address) = (AtomicBool::new(false), gateway.address);
        let acknowledged = thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| call_on(address, &enough));
            }
            // At another moment of the second each time; a sync is due once in it.
            let life = Duration::from_millis(1_100 + round * 137 % 900);
            let (until_then, mut acknowledged) = (Instant::now() + life, 0);
            while Instant::now() < until_then || acknowledged == 0 {
                (acknowledged, ..) = books(&gateway.metrics());
            }
            gateway.signal(Signal::KILL);
            gateway.wait();
            acknowledged
        });
        let (records, after) = read_from(&dir.path().join("data"), next);
        assert!(
            records.len() as u64 >= acknowledged,
            "round {round}: {acknowledged} were acknowledged, {} are there",
            records.len()
        );
        for record in records.iter().filter(|r| r["tool"] == "echo") {
            let id = record["request_id"].as_str().unwrap().to_owned();
            assert!(seen.insert(id), "round {round}: {record} is there twice");
        }
        next = after;
    }
    // From the beginning it reads the same: no round has touched what stood there before.
    let (records, last) = read_from(&dir.path().join("data"), Seq(1));
    let calls = records.iter().filter(|r| r["tool"] == "echo").count();
    assert_eq!((last, calls), (next, seen.len()));
}

/// Log files of tools are followed, with the trace that a line names.
#[test]
fn a_tools_log_file_is_kept_beside_its_calls() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tool.log");
    let text = format!("{}    log_files: [{}]\n", yaml(&http, ""), path.display());
    let gateway = Gateway::start(&text);
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    std::fs::write(&path, format!("warming up\nslow query trace_id={id}\n")).unwrap();
    let lines = until("both lines", || {
        let answer = gateway.admin("/api/pilothouse/logs?query=kind=file&order=oldest");
        let lines = answer.message()["records"].as_array()?.clone();
        (lines.len() == 2).then_some(lines)
    });
    assert_eq!(lines[0]["message"], "warming up");
    assert_eq!(
        (&lines[1]["trace_id"], &lines[1]["server"]),
        (&json!(id), &json!("http"))
    );
    assert_eq!(gateway.metrics().sum("pilothouse_file_lines_total", &[]), 2);
}

/// Another program's numbers have a home here, under its job; and so have our own.
#[test]
fn what_is_scraped_can_be_asked_for() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let other = Gateway::start(&yaml(&http, "store: {enabled: false}"));
    let scrape = format!(
        "store: {{sample_interval: 100ms}}\nscrape: {{other: {{urls: ['http://{}/metrics'], interval: 200ms, timeout: 200ms, labels: {{zone: a}}}}}}",
        other.address
    );
    let gateway = Gateway::start(&yaml(&http, &scrape));
    let ask = |query: &str| {
        let answer = gateway
            .admin(&format!("/api/v1/query?query={query}"))
            .message();
        let result = answer["data"]["result"].as_array()?.clone();
        (!result.is_empty()).then_some(result)
    };
    let own = until("our own numbers", || ask("up%7Bjob=%22mcp-server%22%7D"));
    let address = gateway.address.to_string();
    assert_eq!(
        (own.len(), &own[0]["metric"]["instance"]),
        (1, &json!(address))
    );
    let others = until("the other's numbers", || {
        ask("pilothouse_build_info%7Bjob=%22other%22%7D")
    });
    assert_eq!(others[0]["metric"]["zone"], "a");
    assert_eq!(others[0]["metric"]["instance"], other.address.to_string());
    let up = until("whether it is up", || ask("up%7Bjob=%22other%22%7D"));
    assert_eq!(up[0]["value"][1], "1");
}
