//! `/api/v1/rules`, `alerts` and `alertmanagers`, as Prometheus answers them.

use crate::given::{Given, with};
use axum::http::StatusCode;
use ph_api::{Elsewhere, Evaluation};
use ph_promql::Labels;
use ph_rules::GroupStatus;
use ph_rules::group::{ActiveAlert, AlertState, AlertingStatus, Health, RuleStatus};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Two groups of one file, one of another; the first has an alert that is pending and one that fires.
struct Three;

impl Evaluation for Three {
    fn groups(&self) -> Vec<GroupStatus> {
        vec![
            group("a.yml", "one", vec![alerting("Down"), recording("x:y")]),
            group("a.yml", "two", vec![recording("z")]),
            group("b.yml", "one", vec![alerting("Slow")]),
        ]
    }

    fn evaluates_here(&self) -> bool {
        true
    }

    fn alertmanagers(&self) -> Vec<String> {
        vec!["http://am:9093/api/v2/alerts".into()]
    }

    fn remote(&self) -> Option<Arc<dyn Elsewhere>> {
        None
    }
}

fn group(file: &str, name: &str, rules: Vec<RuleStatus>) -> GroupStatus {
    GroupStatus {
        name: name.into(),
        file: file.into(),
        interval: Duration::from_secs(15),
        limit: 0,
        query_offset: Duration::ZERO,
        last_evaluation_ms: Some(1_500),
        took: Duration::from_millis(2),
        rules,
    }
}

fn recording(name: &str) -> RuleStatus {
    RuleStatus {
        name: name.into(),
        query: "sum(up)".into(),
        labels: Vec::new(),
        health: Health::Err,
        last_error: Some("no answer".into()),
        last_evaluation_ms: None,
        took: Duration::ZERO,
        alerting: None,
    }
}

fn alerting(name: &str) -> RuleStatus {
    let active = |server: &str, state| ActiveAlert {
        labels: Labels::from_pairs([("alertname", name), ("server", server)]),
        annotations: Labels::from_pairs([("summary", "it is")]),
        state,
        active_at_ms: 1_000,
        keep_firing_since_ms: None,
        value: 0.5,
    };
    RuleStatus {
        labels: vec![("severity".into(), "page".into())],
        health: Health::Ok,
        last_error: None,
        last_evaluation_ms: Some(1_500),
        alerting: Some(AlertingStatus {
            hold: Duration::from_secs(60),
            keep_firing_for: Duration::ZERO,
            annotations: vec![("summary".into(), "it {{ $value }}".into())],
            state: AlertState::Firing,
            alerts: vec![
                active("a", AlertState::Firing),
                active("b", AlertState::Pending),
            ],
        }),
        ..recording(name)
    }
}

fn given() -> Given {
    with(|sources| sources.evaluation = Some(Arc::new(Three)))
}

/// The names of the rules by group.
async fn names(given: &Given, query: &str) -> Vec<String> {
    let body = given.get(&format!("/api/v1/rules{query}")).await.json();
    let groups = body["data"]["groups"].as_array().unwrap().clone();
    let of = |group: &Value| {
        let rules = group["rules"].as_array().unwrap().clone();
        let rules: Vec<String> = rules
            .iter()
            .map(|rule| rule["name"].as_str().unwrap().to_owned())
            .collect();
        format!("{} {}", group["file"].as_str().unwrap(), rules.join(","))
    };
    groups.iter().map(of).collect()
}

#[tokio::test]
async fn rules_are_given_as_prometheus_gives_them() {
    let got = given()
        .get("/api/v1/rules?rule_group[]=one&file[]=a.yml")
        .await;
    let alert = |server: &str, state: &str| {
        json!({
            "labels": {"alertname": "Down", "server": server}, "annotations": {"summary": "it is"},
            "state": state, "activeAt": "1970-01-01T00:00:01Z", "value": "5e-01",
        })
    };
    assert_eq!(
        got.json()["data"]["groups"][0],
        json!({
            "name": "one", "file": "a.yml", "interval": 15, "limit": 0,
            "evaluationTime": 0.002, "lastEvaluation": "1970-01-01T00:00:01.5Z",
            "rules": [
                {
                    "state": "firing", "name": "Down", "query": "sum(up)", "duration": 60, "keepFiringFor": 0,
                    "labels": {"severity": "page"}, "annotations": {"summary": "it {{ $value }}"},
                    "alerts": [alert("a", "firing"), alert("b", "pending")],
                    "health": "ok", "evaluationTime": 0, "lastEvaluation": "1970-01-01T00:00:01.5Z",
                    "type": "alerting",
                },
                {
                    "name": "x:y", "query": "sum(up)", "health": "err", "lastError": "no answer",
                    "evaluationTime": 0, "lastEvaluation": "0001-01-01T00:00:00Z", "type": "recording",
                },
            ],
        })
    );
}

#[tokio::test]
async fn rules_are_filtered_and_come_in_pages() {
    let given = given();
    for (query, want) in [
        ("", &["a.yml Down,x:y", "a.yml z", "b.yml Slow"][..]),
        ("?type=alert", &["a.yml Down", "b.yml Slow"]),
        ("?type=record", &["a.yml x:y", "a.yml z"]),
        (
            "?rule_name[]=z&rule_name[]=Slow",
            &["a.yml z", "b.yml Slow"],
        ),
        ("?rule_group[]=one", &["a.yml Down,x:y", "b.yml Slow"]),
        ("?file[]=b.yml", &["b.yml Slow"]),
        (
            "?match[]=%7Bseverity=%22page%22%7D",
            &["a.yml Down", "b.yml Slow"],
        ),
        ("?rule_name[]=nothing", &[]),
        ("?group_limit=2", &["a.yml Down,x:y", "a.yml z"]),
        (
            "?group_limit=2&group_next_token=b.yml%3Bone",
            &["b.yml Slow"],
        ),
    ] {
        assert_eq!(names(&given, query).await, want, "{query}");
    }
    let page = given.get("/api/v1/rules?group_limit=2").await.json();
    assert_eq!(page["data"]["groupNextToken"], "b.yml;one");
    let last = given.get("/api/v1/rules?group_limit=3").await.json();
    assert_eq!(last["data"]["groupNextToken"], Value::Null);
    let quiet = given.get("/api/v1/rules?exclude_alerts=true").await.json();
    assert_eq!(quiet["data"]["groups"][0]["rules"][0]["alerts"], json!([]));
    for wrong in [
        "type=both",
        "exclude_alerts=perhaps",
        "group_limit=x",
        "group_next_token=a",
        "group_limit=1&group_next_token=gone",
        "match[]=1",
    ] {
        let got = given.get(&format!("/api/v1/rules?{wrong}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(got.json()["errorType"], "bad_data", "{wrong}");
    }
}

#[tokio::test]
async fn alerts_of_all_groups_and_whom_they_go_to() {
    let given = given();
    let got = given.get("/api/v1/alerts").await.json();
    assert_eq!(got["data"]["alerts"].as_array().unwrap().len(), 4);
    let got = given.get("/api/v1/alertmanagers").await.json();
    assert_eq!(
        got["data"],
        json!({
            "activeAlertmanagers": [{"url": "http://am:9093/api/v2/alerts"}],
            "droppedAlertmanagers": [],
        })
    );
    let nothing = with(|_| {});
    let got = nothing.get("/api/v1/alerts").await.json();
    assert_eq!(got["data"], json!({"alerts": []}));
}
