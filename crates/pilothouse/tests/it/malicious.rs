//! A server whose package is known to be malicious is not started, says why, and is started where that is permitted.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, send, until};
use crate::http1::{Answer, Wire};
use crate::vulnerable::{Machine, case};
use ph_sim::fake_stdio_server;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

const ID: &str = "MAL-2025-47604";

/// From 1.0.16 on, whoever has it.
fn record() -> String {
    json!({
        "schema_version": "1.7.0", "id": ID, "modified": "2025-09-26T00:00:00Z", "summary": "copies mails",
        "affected": [{"package": {"ecosystem": "npm", "name": "postmark-mcp"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.16"}]}]}]
    })
    .to_string()
}

/// A machine whose `npx` runs the fake server, whatever package it is told.
fn machine() -> Machine {
    let machine = Machine::new(&[]);
    symlink(fake_stdio_server(), machine.path("server/bin/npx")).unwrap();
    machine
}

fn yaml(machine: &Machine, vuln: &str, version: &str) -> String {
    let npx = machine.path("server/bin/npx");
    format!(
        "vuln: {{{vuln}}}\nservers:\n  mail:\n    command: {}\n    args: [postmark-mcp@{version}]\n    restart: {{backoff_min: 10ms, backoff_max: 50ms, crash_loop_max: 1000}}\n",
        npx.display()
    )
}

fn echo(gateway: &Gateway) -> Answer {
    let client = Client::modern(gateway.address, "mail");
    let call = client.tool(fresh_id(), "echo", &json!({"text": "hello"}));
    Wire::open(gateway.address, &call).answer()
}

/// Calls until it is answered.
fn answered(gateway: &Gateway) {
    until("the server answers", || {
        (echo(gateway).status() == 200).then_some(())
    });
}

fn override_it(machine: &Machine, expires: &str) {
    let text = format!(
        "- {{id: {ID}, package: npm/postmark-mcp, versions: [1.0.16], reason: a copy of our own, expires: {expires}}}\n"
    );
    fs::write(machine.path("next"), text).unwrap();
    fs::rename(machine.path("next"), machine.path("overrides.yaml")).unwrap();
}

#[test]
fn it_is_not_started_says_why_and_is_started_when_an_override_permits_it() {
    let machine = machine();
    machine.import(&[record()]);
    override_it(&machine, "2025-12-31");
    let yaml = yaml(&machine, "overrides: overrides.yaml", "1.0.16");
    let gateway = Gateway::launch_in(Arc::clone(&machine.dir), &yaml);
    let why = format!(
        "`postmark-mcp` 1.0.16 is known to be malicious ({ID}: copies mails), so it is not started"
    );
    let refused = until("the caller is told why", || {
        let answer = echo(&gateway);
        answer.text().contains("malicious").then_some(answer)
    });
    assert_eq!(
        (refused.status(), refused.code()),
        (502, Some(50_200)),
        "{}",
        refused.text()
    );
    let text = refused.message()["error"].to_string();
    assert!(
        text.contains(&why) && text.contains("vuln.overrides"),
        "{text}"
    );
    // No process of it has run, and the log says why.
    assert_eq!(gateway.children("mail"), []);
    until("a line of the log", || {
        let mut lines = gateway.log().into_iter();
        lines.find(|line| line["server"] == "mail" && line.to_string().contains("malicious"))
    });
    assert_eq!(gateway.get("/readyz", "localhost").status(), 503);
    // It has its case, though only the command names it, and nothing of it is on this machine.
    let case = case(&gateway, ID);
    assert_eq!(
        (&case["server"], &case["package"], &case["state"]),
        (
            &json!("mail"),
            &json!("npm/postmark-mcp"),
            &json!("detected")
        ),
        "{case}"
    );
    // Nobody is told: the next try looks at the file.
    override_it(&machine, "2999-12-31");
    answered(&gateway);
}

#[test]
fn it_is_started_in_another_version_and_where_the_check_is_off() {
    let machine = machine();
    machine.import(&[record()]);
    for (vuln, version) in [("", "1.0.15"), ("block_malicious: false", "1.0.16")] {
        let gateway = Gateway::launch_in(Arc::clone(&machine.dir), &yaml(&machine, vuln, version));
        answered(&gateway);
    }
}

#[test]
fn an_advisory_of_later_refuses_the_next_start() {
    let machine = machine();
    machine.import(&[crate::vulnerable::lodash()]);
    let yaml = yaml(&machine, "", "1.0.16");
    let gateway = Gateway::launch_in(Arc::clone(&machine.dir), &yaml);
    answered(&gateway);
    machine.import(&[record()]);
    // What runs goes on until it ends.
    assert_eq!(echo(&gateway).status(), 200);
    for (_, pid) in gateway.children("mail") {
        send(pid, Signal::KILL);
    }
    until("the caller is told why", || {
        let answer = echo(&gateway);
        let said: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        (answer.status() == 502 && said.to_string().contains(ID)).then_some(())
    });
}
