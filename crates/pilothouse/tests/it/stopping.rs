//! The end of the process: asked for, asked for twice, and by force.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::{Gateway, is_alive, until};
use crate::http1::Wire;
use crate::world::stdio;
use ph_sim::{Eras, FakeHttpUpstream};
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Callers of a server that takes [`CALL_MS`]: about 500 calls per second.
const CALLERS: usize = 8;
const CALL_MS: u64 = 15;

fn servers(http: &FakeHttpUpstream, more: &str) -> String {
    format!(
        "{more}servers:\n  http:\n    url: {}\n{}",
        http.url(),
        stdio("stdio", &[], "")
    )
}

#[test]
fn no_call_is_lost_when_it_is_told_to_stop() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let mut gateway = Gateway::start(&servers(&http, ""));
    let answered = Arc::<AtomicUsize>::default();
    let callers = (0..CALLERS).map(|n| {
        let server = if n % 2 == 0 { "http" } else { "stdio" };
        let mut client = Client::modern(gateway.address, server);
        if n % 4 < 2 {
            client = Client::stranger(gateway.address, server);
            assert_eq!(client.initialize(fresh_id()).status(), 200);
        }
        let answered = Arc::clone(&answered);
        thread::spawn(move || call_until_the_end(&client, &answered))
    });
    let callers: Vec<_> = callers.collect();
    until("calls by the hundred", || {
        (answered.load(Relaxed) >= 400).then_some(())
    });
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.stderr());
    let answered: BTreeSet<String> = callers
        .into_iter()
        .flat_map(|c| c.join().expect("whole answers only"))
        .collect();
    let calls: Vec<_> = gateway
        .calls()
        .into_iter()
        .filter(|line| line["method"] == "tools/call")
        .collect();
    let odd = calls
        .iter()
        .find(|line| line["status"] != 200 || line["delivered"] != true);
    assert!(odd.is_none(), "{odd:?}");
    let recorded: BTreeSet<_> = calls
        .iter()
        .map(|line| line["request_id"].as_str().unwrap_or("").to_owned())
        .collect();
    assert_eq!(recorded.len(), calls.len(), "one record per call");
    assert_eq!(recorded, answered, "recorded and answered");
}

/// Calls until the gateway takes no more; the ids that were answered.
fn call_until_the_end(client: &Client, answered: &AtomicUsize) -> Vec<String> {
    let mut ids = Vec::new();
    while let Ok(stream) = TcpStream::connect(client.address) {
        let mut wire = Wire::over(stream);
        loop {
            let id = fresh_id();
            wire.send(&client.tool(id, "slow", &json!({"ms": CALL_MS})));
            let Some(answer) = wire.try_answer() else {
                break;
            };
            assert!(
                answer.whole && answer.status() == 200,
                "{} {}",
                answer.status(),
                answer.text()
            );
            assert_eq!(answer.message()["id"], id);
            ids.push(id.to_string());
            answered.fetch_add(1, Relaxed);
        }
    }
    ids
}

#[test]
fn a_call_that_outlasts_the_drain_is_told_so() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let mut gateway = Gateway::start(&servers(&http, "stop: {drain: 200ms}\n"));
    let calls = hang_everywhere(&gateway);
    gateway.signal(Signal::TERM);
    told_that_it_stops(&mut gateway, calls);
}

#[test]
fn a_second_signal_does_not_wait() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let mut gateway = Gateway::start(&servers(&http, "stop: {drain: 1h}\n"));
    let calls = hang_everywhere(&gateway);
    gateway.signal(Signal::TERM);
    until("word of the stop", || {
        gateway.stderr().contains("a second signal").then_some(())
    });
    let second = Instant::now();
    gateway.signal(Signal::TERM);
    told_that_it_stops(&mut gateway, calls);
    assert!(
        second.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        second.elapsed()
    );
}

/// A call in flight at each server in each era.
fn hang_everywhere(gateway: &Gateway) -> Vec<(u64, Wire)> {
    let mut calls = Vec::new();
    for server in ["http", "stdio"] {
        for era in [Era::Legacy, Era::Modern] {
            let mut client = Client::modern(gateway.address, server);
            if era == Era::Legacy {
                client = Client::stranger(gateway.address, server);
                assert_eq!(client.initialize(fresh_id()).status(), 200);
            }
            let id = fresh_id();
            calls.push((
                id,
                Wire::open(gateway.address, &client.tool(id, "hang", &json!({}))),
            ));
        }
    }
    until("all calls in flight", || {
        (gateway.metrics().sum("pilothouse_calls_in_flight", &[]) == 4).then_some(())
    });
    calls
}

/// Every call is told, and recorded once.
fn told_that_it_stops(gateway: &mut Gateway, calls: Vec<(u64, Wire)>) {
    let ids: BTreeSet<_> = calls.iter().map(|(id, _)| id.to_string()).collect();
    for (id, mut wire) in calls {
        let answer = wire.try_answer().expect("a call that is cut is told so");
        assert_eq!(
            (answer.status(), answer.code()),
            (503, Some(50_200)),
            "{}",
            answer.text()
        );
        assert_eq!(answer.message()["id"], id);
    }
    assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.stderr());
    let lines: Vec<_> = gateway
        .calls()
        .into_iter()
        .filter(|line| line["method"] == "tools/call")
        .collect();
    let recorded: BTreeSet<_> = lines
        .iter()
        .map(|line| line["request_id"].as_str().unwrap_or("").to_owned())
        .collect();
    assert_eq!(lines.len(), recorded.len(), "one record per call");
    assert_eq!(recorded, ids);
    for line in &lines {
        let verdict = [&line["status"], &line["outcome"], &line["blame"]];
        assert_eq!(
            verdict,
            [&json!(503), &json!("unavailable"), &json!("gateway")],
            "{line}"
        );
    }
}

#[test]
fn a_stop_does_not_wait_for_streams() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let mut gateway = Gateway::start(&servers(&http, "stop: {drain: 1h}\n"));
    let mut streams = Vec::new();
    for server in ["http", "stdio"] {
        let mut legacy = Client::stranger(gateway.address, server);
        assert_eq!(legacy.initialize(fresh_id()).status(), 200);
        streams.push(Wire::open(gateway.address, &legacy.http("GET", &[], b"")));
        let modern = Client::modern(gateway.address, server);
        let listen = modern.call(
            fresh_id(),
            "subscriptions/listen",
            json!({"notifications": {"toolsListChanged": true}}),
        );
        streams.push(Wire::open(gateway.address, &listen));
    }
    for stream in &mut streams {
        assert_eq!(stream.head().map(|head| head.status), Some(200));
    }
    assert_eq!(gateway.stop().code(), Some(0), "{}", gateway.stderr());
}

#[test]
fn killed_it_leaves_no_process_behind() {
    let yaml = format!(
        "servers:\n{}",
        stdio("stubborn", &["--ignore-eof", "--ignore-term"], "")
    );
    let mut gateway = Gateway::start(&yaml);
    let mut client = Client::stranger(gateway.address, "stubborn");
    assert_eq!(client.initialize(fresh_id()).status(), 200);
    let call = client.tool(fresh_id(), "spawn_grandchild", &json!({}));
    let answer = Wire::open(gateway.address, &call).answer().message();
    let grandchild = answer["result"]["content"][0]["text"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let mut processes = vec![grandchild.expect("the id of a process")];
    processes.extend(until("the children in the log", || {
        let children: Vec<_> = gateway
            .children("stubborn")
            .into_iter()
            .map(|(_, pid)| pid)
            .collect();
        (children.len() >= 2).then_some(children)
    }));
    assert!(processes.iter().all(|pid| is_alive(*pid)), "{processes:?}");
    gateway.signal(Signal::KILL);
    let killed = Instant::now();
    gateway.wait();
    until("no process is left", || {
        processes.iter().all(|pid| !is_alive(*pid)).then_some(())
    });
    assert!(
        killed.elapsed() < Duration::from_secs(2),
        "it took {:?}",
        killed.elapsed()
    );
}
