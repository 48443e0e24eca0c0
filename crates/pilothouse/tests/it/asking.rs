//! The commands that read, beside a daemon that runs: what was just called is found, followed and counted.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::Wire;
use ph_sim::{Eras, FakeHttpUpstream};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn gateway(http: &FakeHttpUpstream) -> Gateway {
    Gateway::start(&format!(
        "admin: {{listen: 127.0.0.1:0}}\nlog: {{params: true}}\nstore: {{sample_interval: 1s}}\nservers:\n  http:\n    url: {}\n",
        http.url()
    ))
}

fn command(gateway: &Gateway, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    command
        .args(args)
        .arg("--data-dir")
        .arg(gateway.dir().path().join("data"));
    command.env_remove("COLUMNS").stdin(Stdio::null());
    command
}

fn run(gateway: &Gateway, args: &[&str]) -> Output {
    command(gateway, args).output().unwrap()
}

#[track_caller]
fn stdout(gateway: &Gateway, args: &[&str]) -> String {
    let output = run(gateway, args);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {talk}");
    String::from_utf8(output.stdout).unwrap()
}

fn call(gateway: &Gateway, text: &str) {
    let client = Client::modern(gateway.address, "http");
    let answer = Wire::open(
        gateway.address,
        &client.tool(fresh_id(), "echo", &json!({ "text": text })),
    )
    .answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[test]
fn what_was_called_is_found() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let mut gateway = gateway(&http);
    call(&gateway, "needle-7");
    // A record is kept soon after its answer.
    let line = until("the call", || {
        let found = stdout(&gateway, &["logs", "tool=echo needle-7", "--json"]);
        found.lines().next().map(str::to_owned)
    });
    let record: Value = serde_json::from_str(&line).unwrap();
    let trace = record["trace_id"].as_str().unwrap();
    let tree = stdout(&gateway, &["trace", trace]);
    assert!(
        tree.contains("tools/call echo [http]")
            && tree.contains("└─ tools/call echo [to the server]"),
        "{tree}"
    );
    assert_eq!(stdout(&gateway, &["trace", "--slowest", "needle-7"]), tree);
    let top = stdout(&gateway, &["logs", "--top", "params.text"]);
    assert!(top.contains("needle-7"), "{top}");
    until("a sample of the call", || {
        let query = "sum by (tool, outcome) (mcp_tool_calls_total)";
        let numbers = stdout(&gateway, &["query", query]);
        let row = |line: &str| line.split_whitespace().eq(["ok", "echo", "1"]);
        numbers.lines().any(row).then_some(())
    });
    let stats: Value =
        serde_json::from_str(&stdout(&gateway, &["store", "stats", "--json"])).unwrap();
    assert!(stats["logs"]["records"].as_u64() >= Some(1), "{stats}");
    let whole = stdout(&gateway, &["store", "check"]);
    assert!(whole.ends_with(": all is well\n"), "{whole}");
    // Two writers would spoil the store.
    let repair = run(&gateway, &["store", "repair"]);
    assert_eq!(repair.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&repair.stderr).contains("another pilothouse"));
    // The same is found when it has stopped.
    let beside = stdout(&gateway, &["logs", "needle-7", "--json"]);
    assert!(gateway.stop().success());
    assert_eq!(stdout(&gateway, &["logs", "needle-7", "--json"]), beside);
    assert_eq!(stdout(&gateway, &["trace", trace]), tree);
}

#[test]
fn what_comes_is_followed() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let mut gateway = gateway(&http);
    call(&gateway, "before");
    until("the first call", || {
        let found = stdout(&gateway, &["logs", "before"]);
        (!found.is_empty()).then_some(())
    });
    let mut follower = command(
        &gateway,
        &["logs", "tool=echo", "--follow", "--since", "1h", "--json"],
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || {
        let record: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        record["params"].as_str().unwrap_or_default().to_owned()
    };
    assert!(next().contains("before"));
    // The past is shown before the stream stands: calls until one of the new ones comes.
    let stop = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            until("the follower", || {
                call(&gateway, "after");
                stop.load(Relaxed).then_some(())
            });
        });
        let found = next();
        stop.store(true, Relaxed);
        calls.join().unwrap();
        found
    });
    assert!(found.contains("after"), "{found}");
    // The daemon's end is the end of the stream, and no failure.
    assert!(gateway.stop().success());
    assert!(follower.wait().unwrap().success());
}

/// A daemon that was killed leaves its address behind; nobody answers there, so the directory is read.
#[test]
fn a_killed_daemon_is_not_waited_for() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let gateway = gateway(&http);
    call(&gateway, "last words");
    until("the call", || {
        let found = stdout(&gateway, &["logs", "last words"]);
        (!found.is_empty()).then_some(())
    });
    let dir = gateway.dir();
    gateway.signal(rustix::process::Signal::KILL);
    let mut gateway = gateway;
    gateway.wait();
    assert!(dir.path().join("data/admin.addr").exists());
    assert!(stdout(&gateway, &["logs", "last words"]).contains("last words"));
    let output = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["logs", "--address", "http://127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
}
