//! Service levels: what was called is counted, judged and reported, beside a daemon, after a kill, and without one.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::Wire;
use ph_sim::{Eras, FakeHttpUpstream};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::{Command, Output, Stdio};

/// Tool errors are bad, three events are enough for a verdict.
const SLOS: &str = "\
slos:
  strict: {objective: error_rate, tool_errors: bad, window: 1d, min_events: 3}
  echoes: {objective: latency, tool: 'ec*', threshold: 1m, min_events: 3}
";

fn yaml(http: &FakeHttpUpstream, slos: &str) -> String {
    format!(
        "admin: {{listen: 127.0.0.1:0}}\nstore: {{sample_interval: 100ms}}\n{slos}servers:\n  http:\n    url: {}\n",
        http.url()
    )
}

fn call(gateway: &Gateway, tool: &str, times: usize) {
    for _ in 0..times {
        let client = Client::modern(gateway.address, "http");
        let request = client.tool(fresh_id(), tool, &json!({"text": "x"}));
        assert_eq!(Wire::open(gateway.address, &request).answer().status(), 200);
    }
}

/// A command that reads, with the configuration of the gateway.
fn run(gateway: &Gateway, args: &[&str]) -> Output {
    let dir = gateway.dir();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    command
        .args(args)
        .arg("--data-dir")
        .arg(dir.path().join("data"));
    command
        .arg("--config")
        .arg(dir.path().join("pilothouse.yaml"));
    command
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn stdout(gateway: &Gateway, args: &[&str], code: i32) -> String {
    let output = run(gateway, args);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {talk}");
    String::from_utf8(output.stdout).unwrap()
}

/// Good and bad events of an objective, as the table has them.
fn events(gateway: &Gateway, name: &str) -> [u64; 2] {
    let output = run(gateway, &["slo", name, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let events = &answer["slos"][0]["events"];
    ["good", "bad"].map(|result| events[result].as_u64().unwrap())
}

fn until_events(gateway: &Gateway, name: &str, want: [u64; 2]) {
    until(&format!("{want:?} events of {name}"), || {
        (events(gateway, name) == want).then_some(())
    });
}

#[test]
fn what_was_called_is_counted_judged_and_reported() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let yaml = yaml(&http, SLOS);
    let mut gateway = Gateway::start(&yaml);
    assert_eq!(
        run(&gateway, &["slo"]).status.code(),
        Some(3),
        "nobody can tell yet"
    );
    call(&gateway, "echo", 5);
    call(&gateway, "fail", 2);
    let labels = |result| [("slo", "strict"), ("source", "demand"), ("result", result)];
    let metrics = gateway.metrics();
    let counted =
        ["good", "bad"].map(|result| metrics.sum("mcp_slo_events_total", &labels(result)));
    assert_eq!(counted, [5, 2]);
    until_events(&gateway, "strict", [5, 2]);
    assert_eq!(events(&gateway, "echoes"), [5, 0]);
    let table = stdout(&gateway, &["slo"], 1);
    assert!(
        table.contains("violated: more has failed than may"),
        "{table}"
    );
    assert!(table.contains("seen for"), "{table}");

    // A reload goes on with what stays.
    gateway.configure(&yaml.replace("threshold: 1m", "threshold: 2m"));
    gateway.signal(Signal::HUP);
    call(&gateway, "echo", 1);
    until_events(&gateway, "echoes", [6, 0]);

    // A kill costs what was not sampled yet, and nothing of what was.
    gateway.signal(Signal::KILL);
    gateway.wait();
    assert_eq!(events(&gateway, "strict"), [6, 2]);
    let dir = gateway.dir();
    let mut gateway = Gateway::launch_in(dir, &yaml);
    until("it is ready", || {
        (gateway.get("/readyz", "localhost").status() == 200).then_some(())
    });
    call(&gateway, "echo", 3);
    until_events(&gateway, "strict", [9, 2]);
    assert!(gateway.stop().success());

    // Without a daemon the directory and the configuration are enough.
    assert_eq!(events(&gateway, "strict"), [9, 2]);
    let report = stdout(&gateway, &["slo", "report"], 1);
    assert!(
        report
            .contains("| strict | 99 % of calls without server or tool error | 81.81 % | 11 | 2 |"),
        "{report}"
    );
    let html = gateway.dir().path().join("report.html");
    let written = stdout(
        &gateway,
        &[
            "slo",
            "report",
            "--format",
            "html",
            "--out",
            html.to_str().unwrap(),
        ],
        1,
    );
    assert_eq!(written, "");
    assert!(
        std::fs::read_to_string(html)
            .unwrap()
            .starts_with("<!doctype html>")
    );
    let unknown = run(&gateway, &["slo", "uptime"]);
    let talk = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        unknown.status.code() == Some(2) && talk.contains("there are `echoes`, `strict`"),
        "{talk}"
    );
}
