//! Cases of vulnerabilities: from the scan to the proof, over the command line and the API, through kills, with their
//! deadlines.

use crate::gateway::{Gateway, Metrics, until};
use crate::vulnerable::{CASES, Machine, case, cases, lodash, post};
use ph_store::state::{State, Write};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const ID: &str = "GHSA-jf85-cpcp-j695";

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn counted(metrics: &Metrics, state: &str) -> u64 {
    let labels = [("server", "files"), ("state", state)];
    metrics.sum("mcp_vulnerabilities", &labels)
}

#[test]
fn a_case_goes_from_the_scan_to_the_proof_and_outlives_kills() {
    let machine = Machine::new(&[("lodash", "4.17.4")]);
    machine.import(&[lodash()]);
    let yaml = machine.yaml("", "");
    let mut gateway = machine.start(&yaml);
    let found = case(&gateway, ID);
    assert_eq!(
        [
            &found["state"],
            &found["severity"],
            &found["package"],
            &found["versions"],
            &found["fixed_in"]
        ],
        [
            &json!("detected"),
            &json!("critical"),
            &json!("npm/lodash"),
            &json!(["4.17.4"]),
            &json!(["4.17.12"])
        ]
    );
    assert_eq!(
        found["due"],
        found["first_detected"].as_u64().unwrap() + 24 * 3600
    );
    assert_eq!(counted(&gateway.metrics(), "detected"), 1);

    // The command line asks the daemon; what is not possible is refused with what is.
    let (code, list) = machine.vuln(&["list"]);
    assert_eq!(code, 0, "{list}");
    assert!(list.contains(ID) && list.contains("critical"), "{list}");
    let (code, text) = machine.vuln(&["move", ID, "test", "--reason", "too early"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("test is not possible while it is detected; possible: assess"),
        "{text}"
    );
    let (code, text) = machine.vuln(&["assess", ID]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("a reason is missing"), "{text}");
    let (code, text) = machine.vuln(&["assess", ID, "--reason", "tool input reaches merge()"]);
    assert_eq!(code, 0, "{text}");

    // Killed: what was said to be done is there.
    gateway.signal(Signal::KILL);
    gateway.wait();
    let gateway = machine.start(&yaml);
    let kept = case(&gateway, ID);
    assert_eq!(kept["state"], "assessed");
    assert_eq!(kept["first_detected"], found["first_detected"]);
    assert_eq!(kept["id"], found["id"]);
    assert_eq!(cases(&gateway).len(), 1);

    // The API takes the same moves.
    let path = format!("{CASES}/{}", kept["id"]);
    let answer = post(&machine, &path, &json!({"move": "deployed", "reason": ""}));
    assert_eq!(answer.status(), 409, "{}", answer.text());
    assert!(
        answer
            .text()
            .contains("a scan of what files runs finds npm/lodash 4.17.4"),
        "{}",
        answer.text()
    );
    for (what, state) in [("patch", "patching"), ("test", "testing")] {
        let answer = post(&machine, &path, &json!({"move": what, "reason": "4.17.21"}));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let moved: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(moved["state"], state);
    }

    // New files under an old process prove nothing.
    machine.install("lodash", "4.17.21");
    let (code, text) = machine.vuln(&["move", ID, "deployed"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("is testing"), "{text}");
    // The process that comes is to be younger than the scan that found it, in seconds.
    let seen = case(&gateway, ID)["last_seen"].as_u64().unwrap();
    until("the next second", || (now() > seen).then_some(()));
    let (code, text) = machine.command(&["restart", "files"]);
    assert_eq!(code, 0, "{text}");
    let proven = until("the proof", || {
        let (code, text) = machine.vuln(&["move", ID, "deployed", "--json"]);
        (code == 0).then(|| serde_json::from_str::<Value>(&text).unwrap())
    });
    assert_eq!(proven["state"], "deployed");
    assert_eq!(proven["proof"]["versions"], json!(["4.17.21"]));
    let remediated = |gateway: &Gateway| {
        let labels = [("severity", "critical")];
        let metrics = gateway.metrics();
        metrics.sum("mcp_vulnerability_remediation_seconds_count", &labels)
    };
    assert_eq!(remediated(&gateway), 1);
    assert_eq!(counted(&gateway.metrics(), "deployed"), 1);

    // Who did what, with the end of it, is written down; and in the history of the case.
    let lines = machine.audit();
    let ended = |id: &Value, step: &str| {
        let mut own = lines.iter().filter(|line| line["id"] == *id);
        own.any(|line| line["step"] == step)
    };
    for (what, step) in [
        ("test", "failed"),
        ("assess", "failed"),
        ("assess", "done"),
        ("patch", "done"),
        ("deployed", "failed"),
        ("deployed", "done"),
    ] {
        let is_it = |line: &Value| {
            let sent = line["sent"].as_str().unwrap_or_default();
            line["action"] == "vulnerability.move"
                && line["step"] == "begun"
                && serde_json::from_str::<Value>(sent).is_ok_and(|sent| sent["move"] == what)
        };
        let mut begun = lines.iter().filter(|line| is_it(line));
        assert!(begun.any(|line| ended(&line["id"], step)), "{what} {step}");
    }
    drop(gateway);
    let gateway = machine.start(&yaml);
    let kept = case(&gateway, ID);
    let history: Vec<_> = kept["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["to"].as_str().unwrap())
        .collect();
    assert_eq!(
        history,
        ["detected", "assessed", "patching", "testing", "deployed"]
    );
    assert_eq!(kept["proof"], proven["proof"]);
    assert_eq!(remediated(&gateway), 1);
    let (code, report) = machine.vuln(&["report", "--format", "json"]);
    assert_eq!(code, 0, "{report}");
    assert!(
        report.contains(ID) && report.contains("deployed"),
        "{report}"
    );
}

/// Makes the case of a daemon that does not run older.
fn age(machine: &Machine, seconds: u64) {
    let mut state = State::open(&machine.path("data/cases.db")).unwrap();
    let (key, text) = state.rows("cases").unwrap().remove(0);
    let mut case: Value = serde_json::from_str(&text).unwrap();
    case["first_detected"] = json!(now() - seconds);
    case["history"][0]["at"] = case["first_detected"].clone();
    let value = Some(case.to_string());
    let room = "cases";
    state.commit(&[Write { room, key, value }]).unwrap();
}

/// The alerts about deadlines: name, server, class.
fn alerts(gateway: &Gateway) -> Vec<[String; 4]> {
    let answer = gateway.admin("/api/v1/alerts");
    let all: Value = serde_json::from_str(&answer.text()).unwrap();
    let alerts = all["data"]["alerts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    alerts
        .map(|alert| {
            let labels = &alert["labels"];
            [
                &labels["alertname"],
                &labels["server"],
                &labels["class"],
                &alert["state"],
            ]
            .map(text)
        })
        .filter(|alert| alert[0].starts_with("Vulnerability"))
        .collect()
}

#[test]
fn half_near_and_over_are_told_one_after_the_other() {
    let machine = Machine::new(&[("lodash", "4.17.4")]);
    machine.import(&[lodash()]);
    let yaml = machine.yaml(
        "deadlines: {critical: 10h}",
        "store: {sample_interval: 100ms}\nrules: {interval: 200ms}\nslos: {}\n",
    );
    let mut gateway = machine.start(&yaml);
    assert_eq!(case(&gateway, ID)["allowed_seconds"], 36_000);
    // Nothing is told of a case that is new, which its rule says as soon as it has seen it.
    until("the rules have seen the case", || {
        let query = "/api/v1/query?query=mcp_vulnerability_deadline_ratio";
        gateway
            .admin(query)
            .text()
            .contains("critical")
            .then_some(())
    });
    assert_eq!(alerts(&gateway), [[""; 4]; 0]);
    for (seconds, alert) in [
        (18_001, "VulnerabilityDeadlineHalf"),
        (28_801, "VulnerabilityDeadlineNear"),
        (36_001, "VulnerabilityOverdue"),
    ] {
        gateway.stop();
        drop(gateway);
        age(&machine, seconds);
        gateway = machine.start(&yaml);
        let wanted = [[alert, "files", "critical", "firing"]];
        until(&format!("{alert}, and no other"), || {
            (alerts(&gateway) == wanted).then_some(())
        });
    }
    let metrics = gateway.metrics();
    let labels = [("server", "files"), ("severity", "critical")];
    assert_eq!(metrics.sum("mcp_vulnerability_overdue", &labels), 1);
    let (code, list) = machine.vuln(&["list", "--only", "overdue"]);
    assert_eq!(code, 0);
    assert!(list.contains(ID), "{list}");
    // Lived with until a day, it is late no longer.
    for args in [
        &["assess", ID, "--reason", "looked at it"][..],
        &["accept", ID, "--reason", "a test server", "--until", "14d"],
    ] {
        let (code, text) = machine.vuln(args);
        assert_eq!(code, 0, "{text}");
    }
    until("no alert any more", || {
        alerts(&gateway).is_empty().then_some(())
    });
}
