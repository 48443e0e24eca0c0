//! What a real Alertmanager said, replayed: `tests/e2e/alerts/notify/capture.py` has written it down.

use crate::body::webhook;
use crate::desk::Desk;
use crate::outbox::Task;
use crate::post::Outcome;
use crate::settings::Form;
use crate::trial::{Memory, open, settings};
use ph_rules::dispatch::{MatcherRow, Posted, SilenceDraft};
use serde_json::Value;
use std::collections::BTreeMap;

const CAPTURED: &str = include_str!("../tests/captured/alertmanager-0.25.json");
/// The routes of the capture, in our own words.
const NOTIFY: &str = r#"
  external_url: http://alerts.example/am
  receivers:
    all.hooks: {webhook: {url: "http://h/all.hooks", max_alerts: 3}}
    crit: {send_resolved: false, webhook: {url: "http://h/crit"}}
    job: {webhook: {url: "http://h/job"}}
    again: {webhook: {url: "http://h/again"}}
  route:
    receiver: all.hooks
    group_by: [alertname, server]
    group_wait: 1s
    group_interval: 2s
    repeat_interval: 1h
    routes:
    - {matchers: ['severity="critical"', 'team=~"a|b.*"'], receiver: crit, group_by: ['...'], continue: true}
    - {matchers: ['team!="x"', 'job="mcp-server"'], receiver: job, group_by: [team]}
    - {matchers: ['alertname="Again"'], receiver: again, repeat_interval: 3s}
  inhibit:
  - {source_matchers: ['alertname="Source"'], target_matchers: ['severity="warning"'], equal: [server]}
"#;

/// Bodies by receiver and group, in their order.
type Said = BTreeMap<(String, String), Vec<Value>>;

#[test]
fn as_the_real_alertmanager() {
    let captured: Value = serde_json::from_str(CAPTURED).unwrap();
    let at = |value: &Value| value["at_ms"].as_i64().unwrap();
    let settings = settings(NOTIFY);
    let (mut desk, _) = open(
        &settings,
        &Memory::default(),
        captured["begin_ms"].as_i64().unwrap(),
    );
    let mut texts = Vec::new();
    for step in captured["steps"].as_array().unwrap() {
        run_until(&mut desk, at(step), &mut texts);
        let body = &step["body"];
        if step["path"] == "silences" {
            desk.set_silence(silence(body), "s", at(step)).unwrap();
        } else {
            let posted = body.as_array().unwrap().iter().map(alert).collect();
            assert!(desk.post(posted, at(step)).is_empty());
        }
        desk.tick(at(step));
    }
    run_until(&mut desk, captured["end_ms"].as_i64().unwrap(), &mut texts);
    let webhooks = captured["webhooks"].as_array().unwrap();
    let theirs: Vec<String> = webhooks
        .iter()
        .map(|hook| hook["body"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said(&texts), said(&theirs));
    // Not only what is said, but how: each byte, where no time of theirs is in it.
    for text in theirs.iter().filter(|text| !text.contains("NoTimes")) {
        assert!(texts.contains(text), "{text}");
    }
}

fn run_until(desk: &mut Desk, end_ms: i64, texts: &mut Vec<String>) {
    loop {
        let due_ms = desk.next_due().min(end_ms);
        desk.tick(due_ms);
        for lane in desk.settings.lanes() {
            while let Task::Send(id, saved) = desk.take(&lane, due_ms) {
                let Form::Webhook { alerts_max } = desk.settings.hooks[&lane].form else {
                    panic!("only webhooks here");
                };
                texts.push(webhook::body(
                    &saved,
                    &desk.settings.external_url,
                    alerts_max,
                ));
                desk.done(&lane, id, &Outcome::Taken, due_ms);
            }
        }
        if desk.next_due() > end_ms {
            return;
        }
    }
}

fn said(texts: &[String]) -> Said {
    let mut said = Said::new();
    for text in texts {
        let mut body: Value = serde_json::from_str(text).unwrap();
        for alert in body["alerts"].as_array_mut().unwrap() {
            // Theirs is of the moment of the post, to the nanosecond.
            if alert["labels"]["alertname"] == "NoTimes" {
                alert["startsAt"] = Value::Null;
            }
        }
        let word = |name: &str| body[name].as_str().unwrap().to_owned();
        said.entry((word("receiver"), word("groupKey")))
            .or_default()
            .push(body);
    }
    said
}

fn time(value: &Value) -> Option<i64> {
    let time = value.as_str()?.parse::<jiff::Timestamp>().unwrap();
    Some(time.as_millisecond())
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let pairs = value.as_object().unwrap().iter();
    pairs
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn alert(body: &Value) -> Posted {
    Posted {
        labels: pairs(&body["labels"]),
        annotations: pairs(&body["annotations"]),
        starts_at_ms: time(&body["startsAt"]),
        ends_at_ms: time(&body["endsAt"]),
        generator_url: body["generatorURL"].as_str().unwrap().to_owned(),
    }
}

fn silence(body: &Value) -> SilenceDraft {
    let matchers = body["matchers"].as_array().unwrap().iter();
    SilenceDraft {
        id: None,
        matchers: matchers
            .map(|matcher| MatcherRow {
                name: matcher["name"].as_str().unwrap().to_owned(),
                value: matcher["value"].as_str().unwrap().to_owned(),
                is_regex: matcher["isRegex"].as_bool().unwrap(),
                is_equal: matcher["isEqual"].as_bool().unwrap(),
            })
            .collect(),
        starts_at_ms: time(&body["startsAt"]).unwrap(),
        ends_at_ms: time(&body["endsAt"]).unwrap(),
        created_by: "me".to_owned(),
        comment: "c".to_owned(),
    }
}
