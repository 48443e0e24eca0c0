//! A new configuration while calls are on their way.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::{Answer, Wire};
use crate::world::{Record, World, stdio};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;

const OK: Record = Record(200, "ok", "nobody", 200, true);

/// Waits until so many configurations were taken and rejected, the first one included.
fn loaded(gateway: &Gateway, result: &str, count: u64) {
    until(&format!("{count} configurations {result}"), || {
        let metrics = gateway.metrics();
        (metrics.sum("pilothouse_config_reloads_total", &[("result", result)]) == count)
            .then_some(())
    });
}

fn taken(gateway: &Gateway) -> u64 {
    gateway
        .metrics()
        .sum("pilothouse_config_reloads_total", &[("result", "ok")])
}

fn call(client: &Client, id: u64, tool: &str) -> Answer {
    Wire::open(
        client.address,
        &client.tool(id, tool, &json!({"text": "hello"})),
    )
    .answer()
}

#[test]
fn calls_in_flight_keep_what_they_began_with() {
    let url = RefCell::new(String::new());
    let world = World::start(
        |http, _| {
            url.replace(http.url());
            format!(
                "  http:\n    url: {}\n{}",
                http.url(),
                stdio("stdio", &[], "")
            )
        },
        "",
    );
    let url = url.into_inner();
    let gateway = &world.gateway;
    let (before, stdio_before) = (
        world.client(Era::Legacy, "http"),
        world.client(Era::Legacy, "stdio"),
    );
    let modern = Client::modern(gateway.address, "stdio");
    let slow = |client: &Client| {
        let id = fresh_id();
        world.made(1);
        (
            id,
            Wire::open(
                client.address,
                &client.tool(id, "slow", &json!({"ms": 1500})),
            ),
        )
    };
    let in_flight = [slow(&before), slow(&stdio_before), slow(&modern)];
    until("the calls are in flight", || {
        (gateway.metrics().sum("pilothouse_calls_in_flight", &[]) == 3).then_some(())
    });

    // A limit of one server, and the command of the other.
    let count = taken(gateway);
    let yaml = |limits: &str, args: &[&str]| {
        format!(
            "servers:\n  http:\n    url: {url}\n{limits}{}",
            stdio("stdio", args, "")
        )
    };
    gateway.configure(&yaml(
        "    timeouts: {first_byte: 200ms}\n",
        &["--delay-start", "1"],
    ));
    gateway.signal(Signal::HUP);
    loaded(gateway, "ok", count + 1);

    for (id, mut wire) in in_flight {
        let answer = wire.answer();
        assert_eq!(
            (answer.status(), &answer.message()["id"]),
            (200, &json!(id)),
            "{}",
            answer.text()
        );
        OK.check(
            &world.record(id),
            "in flight while the configuration changed",
        );
    }
    world.made(1);
    let id = fresh_id();
    let answer = call(&world.client(Era::Legacy, "http"), id, "hang");
    assert_eq!(
        (answer.status(), answer.code()),
        (504, Some(50_400)),
        "the new limit holds: {}",
        answer.text()
    );
    Record(504, "timeout", "upstream", 504, true).check(&world.record(id), "the new limit");
    world.made(1);
    let answer = call(&world.client(Era::Legacy, "stdio"), fresh_id(), "echo");
    assert_eq!(
        answer.status(),
        200,
        "a new child serves: {}",
        answer.text()
    );

    // One server less.
    gateway.configure(&format!("servers:\n  http:\n    url: {url}\n"));
    gateway.signal(Signal::HUP);
    loaded(gateway, "ok", count + 2);
    let answer = call(&modern, fresh_id(), "echo");
    assert_eq!(answer.status(), 404, "{}", answer.text());
    until("its children are gone", || {
        gateway.children("stdio").is_empty().then_some(())
    });
    // The collector is not in the new configuration, so the spans cannot balance any more.
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("pilothouse_call_drafts_lost_total", &[]), 0);
    assert_eq!(metrics.sum("pilothouse_calls_in_flight", &[]), 0);
}

#[test]
fn a_broken_file_changes_nothing() {
    let yaml = format!("servers:\n{}", stdio("stdio", &[], ""));
    let gateway = Gateway::start(&yaml);
    let client = Client::modern(gateway.address, "stdio");
    let count = taken(&gateway);
    gateway.configure("servers: [this is no server\n");
    // Nobody says so: the file is watched.
    loaded(&gateway, "rejected", 1);
    assert_eq!(gateway.metrics().sum("pilothouse_config_rejected", &[]), 1);
    assert_eq!(
        call(&client, fresh_id(), "echo").status(),
        200,
        "the old one runs on"
    );
    assert!(
        gateway.stderr().contains("pilothouse.yaml:"),
        "{}",
        gateway.stderr()
    );
    let ready = gateway.get("/readyz", "localhost");
    assert_eq!(ready.status(), 200, "what runs is ready");
    assert!(
        ready.text().contains("rejected since 20"),
        "{}",
        ready.text()
    );
    let since = "pilothouse_config_rejected_timestamp_seconds";
    assert!(gateway.metrics().sum(since, &[]) > 1_700_000_000);
    gateway.configure(&format!("{yaml}    limits: {{in_flight_max: 7}}\n"));
    loaded(&gateway, "ok", count + 1);
    assert_eq!(gateway.metrics().sum("pilothouse_config_rejected", &[]), 0);
    assert_eq!(gateway.metrics().sum(since, &[]), 0);
    assert_eq!(gateway.get("/readyz", "localhost").text(), "ok\n");
    assert_eq!(call(&client, fresh_id(), "echo").status(), 200);
}

/// The lines of the audit log about reloads, less what differs each time.
fn audited(gateway: &Gateway) -> Vec<Value> {
    let path = gateway.dir().path().join("data/logs/audit.log");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["action"] == "configuration.reload")
        .collect()
}

#[test]
fn each_reload_is_in_the_audit_log_and_why_it_was_refused() {
    let yaml = format!("servers:\n{}", stdio("stdio", &[], ""));
    let gateway = Gateway::start(&yaml);
    let count = taken(&gateway);
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    gateway.configure(&format!("servers: [{secret}\n"));
    loaded(&gateway, "rejected", 1);
    let lines = audited(&gateway);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let refused = &lines[0];
    let told = [&refused["step"], &refused["actor"], &refused["cause"]];
    assert_eq!(told, ["refused", "process", "a file has changed"]);
    assert!(
        refused["why"]
            .as_str()
            .unwrap()
            .contains("pilothouse.yaml:"),
        "{refused}"
    );
    assert!(!refused.to_string().contains(secret), "{refused}");
    gateway.configure(&format!("{yaml}    limits: {{in_flight_max: 7}}\n"));
    loaded(&gateway, "ok", count + 1);
    let lines = audited(&gateway);
    let steps: Vec<_> = lines.iter().map(|line| line["step"].as_str()).collect();
    assert_eq!(steps, [Some("refused"), Some("begun"), Some("done")]);
    assert_eq!(lines[1]["before"], refused["before"], "what ran on");
    assert_ne!(lines[1]["before"], lines[1]["after"]);
    assert_eq!(lines[1]["after"], lines[2]["after"]);
}

#[test]
fn a_reload_that_cannot_be_written_down_is_not_made() {
    let yaml = format!("servers:\n{}", stdio("stdio", &[], ""));
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let log = dir.path().join("data/logs/audit.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    // There is room for the line of the start. Before the next one the file is put aside, and something is in the way.
    let full = std::fs::File::create(&log).unwrap();
    full.set_len((16 << 20) - 250).unwrap();
    std::fs::create_dir_all(log.with_extension("log.16").join("in the way")).unwrap();
    std::fs::write(log.with_extension("log.15"), "").unwrap();
    let gateway = Gateway::launch_in(dir, &yaml);
    until("ready", || {
        (gateway.get("/readyz", "localhost").status() == 200).then_some(())
    });
    let count = taken(&gateway);
    gateway.configure(&format!("{yaml}    limits: {{in_flight_max: 7}}\n"));
    loaded(&gateway, "rejected", 1);
    assert_eq!(taken(&gateway), count, "the old one runs on");
    assert!(
        gateway.stderr().contains("the audit log cannot be written"),
        "{}",
        gateway.stderr()
    );
}

/// Else an alert on it would never end.
#[test]
fn a_server_that_is_taken_out_is_neither_up_nor_down() {
    let kept = stdio("kept", &[], "");
    // Nobody listens there.
    let gone = "  gone:\n    url: http://127.0.0.1:1/mcp\n";
    let gateway = Gateway::start(&format!("servers:\n{gone}{kept}"));
    let says = |line: &str| gateway.get("/metrics", "localhost").text().contains(line);
    until("it is told as down", || {
        says("mcp_server_up{server=\"gone\"} 0").then_some(())
    });
    let count = taken(&gateway);
    gateway.configure(&format!("servers:\n{kept}"));
    gateway.signal(Signal::HUP);
    loaded(&gateway, "ok", count + 1);
    assert!(!says("mcp_server_up{server=\"gone\"}"));
    assert!(says("mcp_server_up{server=\"kept\"}"));
}
