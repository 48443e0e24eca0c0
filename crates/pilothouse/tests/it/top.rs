//! `pilothouse top --once`: what it prints is what the API says.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::Wire;
use crate::world::stdio;
use ph_sim::{Eras, FakeHttpUpstream};
use serde_json::{Value, json};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

/// Fires at once, in words that would colour a terminal.
const ALWAYS: &str = "\
groups:
  - name: own
    interval: 200ms
    rules:
      - alert: Always
        expr: vector(1)
        labels: {severity: critical, server: near}
        annotations: {summary: \"it \\u001b[31mburns\"}
";

fn top(gateway: &Gateway, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    let data = gateway.dir().path().join("data");
    command.arg("top").args(args).arg("--data-dir").arg(data);
    command
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: Output) -> String {
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    String::from_utf8(output.stdout).unwrap()
}

fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let line = text
        .lines()
        .find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("{name} is not in:\n{text}"))
        .split("  ")
        .map(str::trim)
        .filter(|c| !c.is_empty())
        .collect()
}

#[test]
fn it_shows_what_the_api_says() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("own.yml"), ALWAYS).unwrap();
    let yaml = format!(
        "admin: {{listen: 127.0.0.1:0}}\nstore: {{sample_interval: 1s}}\nrules: {{standard: false, files: [own.yml]}}\nservers:\n{}  far:\n    url: {}\n",
        stdio("near", &[], ""),
        http.url()
    );
    let gateway = Gateway::launch_in(dir, &yaml);
    let client = Client::modern(gateway.address, "far");
    let call = || {
        let call = client.tool(fresh_id(), "echo", &json!({"text": "x"}));
        assert_eq!(Wire::open(gateway.address, &call).answer().status(), 200);
    };

    let text = until("a rate of calls and the alert", || {
        call();
        let text = said(top(&gateway, &["--once"]));
        let far = row(&text, "far");
        (far[2] != "0" && far[2] != "–" && text.contains("Always")).then_some(text)
    });
    assert!(text.starts_with("! 1 alert fires"), "{text}");
    // No colour in a pipe, and no escape sequence of others ever.
    assert!(
        !text.contains('\u{1b}') && text.contains("it \u{FFFD}[31mburns"),
        "{text}"
    );

    let listed: Value =
        serde_json::from_str(&gateway.admin("/api/pilothouse/servers").text()).unwrap();
    let servers = listed["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 2);
    let parsed: Value = serde_json::from_str(&said(top(&gateway, &["--json"]))).unwrap();
    for (server, of_json) in servers.iter().zip(parsed["servers"].as_array().unwrap()) {
        let name = server["name"].as_str().unwrap();
        let cells = row(&text, name);
        assert_eq!((cells[0], cells[1]), (name, "up"), "{text}");
        assert_eq!(of_json["name"], server["name"]);
        assert_eq!(of_json["up"], server["up"]);
        assert_eq!(of_json["children"], server["children"]);
    }
    let near = row(&text, "near");
    assert_eq!(near[7], servers[1]["children"].to_string(), "{text}");
    assert_eq!(parsed["alerts"][0]["name"], "Always");
    assert_eq!(parsed["unknown"], json!([]));
    let slos: Value = serde_json::from_str(&gateway.admin("/api/pilothouse/slos").text()).unwrap();
    assert_eq!(parsed["slos"][0]["name"], slos["slos"][0]["name"]);
    let loaded = parsed["changes"].as_array().unwrap();
    assert!(
        loaded.iter().any(|c| c["what"] == "configuration loaded"),
        "{parsed}"
    );
}

/// Without a daemon nothing is known, which is neither good nor bad.
#[test]
fn without_a_daemon_nothing_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    let output = command
        .args(["top", "--once", "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(talk.contains("no daemon runs here"), "{talk}");
}
