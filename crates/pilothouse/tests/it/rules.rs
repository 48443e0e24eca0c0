//! Rules of a file: they fire, are told and resolved; a bad file changes nothing.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::hook::Hook;
use crate::http1::Wire;
use ph_sim::{Eras, FakeHttpUpstream};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// Fires while the number of calls is odd, by way of a recorded series.
const ODD: &str = "\
groups:
  - name: calls
    interval: 200ms
    rules:
      - record: test:calls
        expr: max by (server) (mcp_tool_calls_total{tool=\"echo\"})
      - alert: OddCalls
        expr: test:calls % 2 == 1
        for: 400ms
        labels: {severity: page}
        annotations: {summary: \"{{ $value }} calls of {{ $labels.server }}\"}
";

struct Given {
    gateway: Gateway,
    http: FakeHttpUpstream,
    yaml: String,
}

impl Given {
    fn start(rules: &str, more: &str) -> Self {
        let http = FakeHttpUpstream::start(Eras::Both).unwrap();
        let yaml = format!(
            "store: {{sample_interval: 100ms}}\nrules: {{standard: false, files: [own.yml]}}\nslos: {{}}\n{more}\nservers:\n  http:\n    url: {}\n",
            http.url()
        );
        let dir = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("own.yml"), rules).unwrap();
        let gateway = Gateway::launch_in(dir, &yaml);
        ready(&gateway);
        Self {
            gateway,
            http,
            yaml,
        }
    }

    fn call(&self) {
        let client = Client::modern(self.gateway.address, "http");
        let mut wire = Wire::open(
            self.gateway.address,
            &client.tool(fresh_id(), "echo", &json!({"text": "x"})),
        );
        assert_eq!(wire.answer().status(), 200);
    }

    fn alerts(&self) -> Vec<Value> {
        let alerts = json_of(&self.gateway, "/api/v1/alerts");
        alerts["data"]["alerts"].as_array().unwrap().clone()
    }

    /// Waits for the state of the only alert; none when there is to be none.
    fn until_state(&self, state: Option<&str>) -> Value {
        until(&format!("an alert that is {state:?}"), || {
            match (self.alerts().as_slice(), state) {
                ([], None) => Some(Value::Null),
                ([one], Some(state)) if one["state"] == state => Some(one.clone()),
                _ => None,
            }
        })
    }

    fn write_rules(&self, rules: &str) {
        write(self.gateway.dir().path(), rules);
    }
}

/// In one step, and with another time than the file before.
fn write(dir: &Path, rules: &str) {
    let next = dir.join("own.next");
    std::fs::write(&next, rules).unwrap();
    std::fs::rename(&next, dir.join("own.yml")).unwrap();
}

fn ready(gateway: &Gateway) {
    until("every server's first health check", || {
        let answer = gateway.get("/readyz", "localhost");
        (answer.status() == 200).then_some(())
    });
}

fn json_of(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.admin(path);
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

/// The values of an instant query.
fn query(gateway: &Gateway, query: &str) -> Vec<String> {
    let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = json_of(gateway, &format!("/api/v1/query?query={query}"));
    let result = answer["data"]["result"].as_array().unwrap().clone();
    let text = |one: &Value| one["value"][1].as_str().unwrap().to_owned();
    result.iter().map(text).collect()
}

#[test]
fn a_rule_of_a_file_fires_is_told_and_resolved() {
    let hook = Hook::start();
    let notify = format!(
        "notify:\n  receivers: {{ops: {{webhook: {{url: \"{}\"}}}}}}\n  route: {{group_wait: 0s, group_interval: 200ms}}",
        hook.url()
    );
    let given = Given::start(ODD, &notify);
    assert_eq!(given.alerts(), [] as [Value; 0]);
    given.call();
    let alert = given.until_state(Some("firing"));
    assert_eq!(
        alert["labels"],
        json!({"alertname": "OddCalls", "server": "http", "severity": "page"})
    );
    assert_eq!(alert["annotations"]["summary"], "1 calls of http");
    assert_eq!(alert["value"], "1e+00");
    let gateway = &given.gateway;
    let rules = json_of(gateway, "/api/v1/rules?type=alert&rule_name[]=OddCalls");
    let group = &rules["data"]["groups"][0];
    assert_eq!(group["name"], "calls");
    assert_eq!(group["interval"], 0.2);
    let rule = &group["rules"][0];
    assert_eq!(rule["state"], "firing");
    assert_eq!(rule["health"], "ok");
    assert_eq!(rule["duration"], 0.4);
    assert_eq!(rule["alerts"][0]["activeAt"], alert["activeAt"]);
    let none = json_of(gateway, "/api/v1/rules?rule_group[]=other");
    assert_eq!(none["data"]["groups"], json!([]));
    let is_firing = "ALERTS{alertname=\"OddCalls\",alertstate=\"firing\"}";
    until("the store has what the rule wrote", || {
        (query(gateway, is_firing) == ["1"]).then_some(())
    });
    until("the store has what was recorded", || {
        (query(gateway, "test:calls") == ["1"]).then_some(())
    });
    let labels = [("alertname", "OddCalls"), ("state", "firing")];
    assert_eq!(gateway.metrics().sum("pilothouse_rule_alerts", &labels), 1);
    until("a line on the terminal", || {
        let line = "alert fires: OddCalls (page) {server=\"http\"}: 1 calls of http";
        gateway.stderr().contains(line).then_some(())
    });
    let told = until("the receiver is told", || hook.got().first().cloned());
    assert_eq!(told["receiver"], "ops");
    assert_eq!(told["status"], "firing");
    assert_eq!(told["version"], "4");
    assert_eq!(told["alerts"][0]["labels"], alert["labels"]);
    assert_eq!(told["alerts"][0]["annotations"], alert["annotations"]);
    let of_v2 = json_of(gateway, "/api/v2/alerts");
    assert_eq!(of_v2[0]["labels"], alert["labels"]);
    assert_eq!(of_v2[0]["status"]["state"], "active");
    given.call();
    given.until_state(None);
    until("the receiver is told of the end", || {
        let last = hook.got().last().cloned()?;
        (last["status"] == "resolved" && last["groupKey"] == told["groupKey"]).then_some(())
    });
    until("it fires no longer in the store", || {
        query(gateway, is_firing).is_empty().then_some(())
    });
    until("both lines of the log", || {
        let events = gateway.log().into_iter().filter_map(|line| {
            let event = line["event"].as_str()?.to_owned();
            (line["alert"] == "OddCalls").then_some(event)
        });
        let events: Vec<String> = events.collect();
        (events == ["alert_firing", "alert_resolved"]).then_some(())
    });
    assert!(gateway.stderr().contains("alert resolved: OddCalls"));
    let metrics = gateway.metrics();
    assert!(metrics.sum("pilothouse_rule_evaluations_total", &[]) > 4);
    assert_eq!(
        metrics.sum("pilothouse_rule_evaluation_failures_total", &[]),
        0
    );
    drop(given.http);
}

#[test]
fn a_bad_rule_file_rejects_the_reload_and_the_running_rules_stay() {
    let given = Given::start(ODD, "");
    let gateway = &given.gateway;
    given.call();
    let before = given.until_state(Some("firing"));
    given.write_rules(&ODD.replace("for: 400ms", "for: soon"));
    // Nobody says so: rule files are watched.
    until("the reload is rejected", || {
        (gateway.metrics().sum("pilothouse_config_rejected", &[]) == 1).then_some(())
    });
    until("the place on the terminal", || {
        gateway.stderr().contains("own.yml:9:").then_some(())
    });
    let ready = gateway.get("/readyz", "localhost");
    assert_eq!(ready.status(), 200);
    assert!(ready.text().contains("rejected since"), "{}", ready.text());
    let still = given.until_state(Some("firing"));
    assert_eq!(still["activeAt"], before["activeAt"]);
    // Another annotation: the alert keeps its state.
    given.write_rules(&ODD.replace("calls of", "calls to"));
    until("the new rules run", || {
        let alert = given.until_state(Some("firing"));
        (alert["annotations"]["summary"] == "1 calls to http").then_some(())
    });
    let after = given.until_state(Some("firing"));
    assert_eq!(after["activeAt"], before["activeAt"]);
    assert_eq!(gateway.metrics().sum("pilothouse_config_rejected", &[]), 0);
    // Without the rule its alert ends.
    gateway.configure(&given.yaml.replace("files: [own.yml]", "files: []"));
    gateway.signal(Signal::HUP);
    given.until_state(None);
    until("its series have ended", || {
        query(gateway, "{__name__=~\"ALERTS|test:calls\"}")
            .is_empty()
            .then_some(())
    });
}

#[test]
fn an_alert_goes_on_after_a_kill() {
    let given = Given::start(ODD, "");
    given.call();
    let before = given.until_state(Some("firing"));
    until("its state is in the store", || {
        (query(&given.gateway, "count(ALERTS_FOR_STATE)") == ["1"]).then_some(())
    });
    let dir: Arc<TempDir> = given.gateway.dir();
    given.gateway.signal(Signal::KILL);
    drop(given.gateway);
    let gateway = Gateway::launch_in(dir, &given.yaml);
    ready(&gateway);
    let again = Given {
        gateway,
        http: given.http,
        yaml: given.yaml,
    };
    // What the process that was killed counted is still there to be looked at, so the alert goes on.
    let after = again.until_state(Some("firing"));
    assert_eq!(after["labels"], before["labels"]);
    let second = |alert: &Value| alert["activeAt"].as_str().map(|at| at[..19].to_owned());
    assert_eq!(second(&after), second(&before), "since when is known");
    // A second call of the new process, and the higher of both counts is even.
    again.call();
    again.call();
    again.until_state(None);
    until("nothing of the process that was killed lingers", || {
        query(&again.gateway, "ALERTS").is_empty().then_some(())
    });
}

/// A command that reads, beside the gateway: exit code, standard output, standard error.
fn run(given: &Given, args: &[&str]) -> (Option<i32>, String, String) {
    let dir = given.gateway.dir();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    command
        .args(args)
        .arg("--data-dir")
        .arg(dir.path().join("data"));
    command.env_remove("COLUMNS").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn alerts_are_listed_silenced_and_found_in_what_was_recorded() {
    let given = Given::start(ODD, "");
    let (code, _, talk) = run(&given, &["alerts"]);
    assert_eq!(code, Some(0), "{talk}");
    given.call();
    given.until_state(Some("firing"));
    let (code, table, talk) = run(&given, &["alerts", "severity=page"]);
    assert_eq!(code, Some(1), "{talk}");
    assert!(
        table.contains("firing") && table.contains("OddCalls"),
        "{table}"
    );
    assert!(table.contains("1 calls of http"), "{table}");
    let (code, ..) = run(&given, &["alerts", "severity=other"]);
    assert_eq!(code, Some(0), "none of that severity");

    let silence = [
        "silence",
        "add",
        "alertname=OddCalls",
        "--for",
        "30m",
        "--comment",
        "odd",
    ];
    let (code, id, talk) = run(&given, &silence);
    assert_eq!(code, Some(0), "{talk}");
    assert!(talk.contains("silenced at http://127.0.0.1:"), "{talk}");
    let id = id.trim();
    let (_, list, _) = run(&given, &["silence", "list"]);
    assert!(
        list.starts_with(id) && list.contains("alertname=\"OddCalls\"") && list.contains(": odd"),
        "{list}"
    );
    until("the alert is shown as silenced", || {
        let (code, text, _) = run(&given, &["alerts", "--json"]);
        assert_eq!(code, Some(1), "it fires all the same");
        let body: Value = serde_json::from_str(&text).unwrap();
        (body["alerts"][0]["silenced"] == true).then_some(())
    });
    let (code, ..) = run(&given, &["silence", "expire", id]);
    assert_eq!(code, Some(0));
    let (_, list, _) = run(&given, &["silence", "list"]);
    assert_eq!(list, "");
    let unknown = "00000000-0000-4000-8000-000000000000";
    let (code, _, talk) = run(&given, &["silence", "expire", unknown]);
    assert_eq!(code, Some(2), "{talk}");

    given.call();
    given.until_state(None);
    let config = given.gateway.dir().path().join("pilothouse.yaml");
    let told = until("its end is recorded", || {
        let (code, told, talk) = run(&given, &["check", config.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{talk}");
        told.contains("UTC for ").then_some(told)
    });
    let once = "OddCalls would have fired once in the last 7 days";
    assert!(
        told.contains(once) && told.contains("{server=\"http\"}"),
        "{told}"
    );
    given.write_rules(&ODD.replace("expr: test:calls", "expr: test:cals"));
    let (code, _, talk) = run(&given, &["check", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "a warning: {talk}");
    assert!(talk.contains("matches `test:cals`"), "{talk}");
    given.write_rules(&ODD.replace("$value", "$valu"));
    let (code, _, talk) = run(&given, &["check", config.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(talk.contains("own.yml:11:"), "{talk}");
}

#[test]
fn without_a_daemon_nothing_is_known_of_alerts() {
    let mut given = Given::start(ODD, "");
    given.gateway.stop();
    let (code, _, talk) = run(&given, &["alerts"]);
    assert_eq!(code, Some(3), "{talk}");
    assert!(talk.contains("no daemon runs here"), "{talk}");
}

#[test]
fn another_prometheus_answers_where_one_is_named() {
    let other = Given::start(ODD, "");
    other.call();
    let theirs = other.until_state(Some("firing"));
    let address = other.gateway.dir().path().join("data/admin.addr");
    let url = format!(
        "http://{}",
        std::fs::read_to_string(address).unwrap().trim()
    );
    let given = Given::start(ODD, &format!("metrics: {{query: \"{url}\"}}"));
    assert_eq!(given.alerts(), [theirs], "none is evaluated here");
    let metrics = given.gateway.metrics();
    assert_eq!(metrics.sum("pilothouse_rule_evaluations_total", &[]), 0);
    until("numbers are theirs", || {
        (query(&given.gateway, "test:calls") == ["1"]).then_some(())
    });
    let (code, table, talk) = run(&given, &["alerts"]);
    assert_eq!(code, Some(1), "{talk}");
    assert!(table.contains("OddCalls"), "{table}");
    assert!(talk.contains(&format!("as {url} evaluates them")), "{talk}");
    drop(other);
    let gone = given.gateway.admin("/api/v1/query?query=up");
    assert_eq!(gone.status(), 503);
    assert!(gone.text().contains(&url), "{}", gone.text());
}
