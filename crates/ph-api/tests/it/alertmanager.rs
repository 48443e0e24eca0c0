//! Alertmanager's API, over a machine of our own.

use crate::given::{Given, Got, request, with};
use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt as _;
use ph_api::{Alertmanager, Unavailable};
use ph_rules::dispatch::{
    AlertView, Bounds, Dispatcher, GroupBy, GroupView, Inhibit, Matchers, Posted, Route, Settings,
    SilenceDraft, SilenceError, SilenceView, Status,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tower::ServiceExt as _;

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// Holds alerts and silences, and gives silences the ids 1, 2, 3.
struct Held(Mutex<(Dispatcher, u32)>);

impl Alertmanager for Held {
    fn status(&self) -> Result<Status, Unavailable> {
        Ok(Status {
            version: "9.9.9".to_owned(),
            started_at_ms: 0,
            config: "route: {receiver: all}".to_owned(),
            receivers: vec!["all".to_owned(), "crit".to_owned()],
            resolve_timeout_ms: 300_000,
        })
    }

    fn alerts(&self) -> Result<Vec<AlertView>, Unavailable> {
        Ok(self.0.lock().unwrap().0.alerts(now_ms()))
    }

    fn groups(&self) -> Result<Vec<GroupView>, Unavailable> {
        Ok(self.0.lock().unwrap().0.groups(now_ms()))
    }

    fn post(&self, alerts: Vec<Posted>) -> Result<Vec<String>, Unavailable> {
        let mut wrong = Vec::new();
        for posted in alerts {
            match posted.checked(now_ms(), 300_000) {
                Ok(incoming) => self.0.lock().unwrap().0.offer([incoming], now_ms()),
                Err(why) => wrong.push(why),
            }
        }
        Ok(wrong)
    }

    fn silences(&self) -> Result<Vec<SilenceView>, Unavailable> {
        Ok(self.0.lock().unwrap().0.silences(now_ms()))
    }

    fn set_silence(&self, draft: SilenceDraft) -> Result<String, SilenceError> {
        let mut inner = self.0.lock().unwrap();
        inner.1 += 1;
        let id = inner.1.to_string();
        inner.0.set_silence(draft, &id, now_ms())
    }

    fn expire_silence(&self, id: &str) -> Result<(), SilenceError> {
        self.0.lock().unwrap().0.expire_silence(id, now_ms())
    }
}

fn given() -> Given {
    let route = |receiver: &str, matchers: &str, routes| Route {
        matchers: Matchers::parse([matchers]).unwrap(),
        receiver: receiver.to_owned(),
        group_by: GroupBy::Names(vec!["alertname".to_owned()]),
        group_wait_ms: 30_000,
        group_interval_ms: 300_000,
        repeat_interval_ms: 3_600_000,
        goes_on: false,
        routes,
    };
    let settings = Settings {
        route: route("all", "", vec![route("crit", "severity=critical", vec![])]),
        receivers: [("all".to_owned(), true), ("crit".to_owned(), true)].into(),
        inhibit: vec![Inhibit {
            source: Matchers::parse(["severity=critical"]).unwrap(),
            target: Matchers::parse(["severity=warning"]).unwrap(),
            equal: vec!["server".to_owned()],
        }],
        resolve_timeout_ms: 300_000,
        silence_retention_ms: 3_600_000,
        bounds: Bounds::default(),
    };
    let machine = Dispatcher::restore(settings, [], now_ms());
    with(|sources| {
        sources.alertmanager = Some(Arc::new(Held(Mutex::new((machine, 0)))));
    })
}

async fn send(given: &Given, method: &str, path: &str, body: &Value) -> Got {
    let request = request(method, path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    given.send(request.unwrap()).await
}

/// `alertname` of those that are shown.
async fn names(given: &Given, query: &str) -> Vec<String> {
    let got = given.get(&format!("/api/v2/alerts{query}")).await;
    assert_eq!(got.status, StatusCode::OK, "{query}: {}", got.json());
    let got = got.json();
    let alerts = got.as_array().unwrap().iter();
    let mut names: Vec<String> = alerts
        .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn soon(seconds: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms() + seconds * 1000).unwrap();
    time.to_string()
}

async fn post_four(given: &Given) {
    let alerts = json!([
        { "labels": { "alertname": "A", "severity": "critical", "server": "one" },
          "annotations": { "summary": "s" }, "generatorURL": "http://g/" },
        { "labels": { "alertname": "B", "severity": "warning", "server": "one", "empty": "" },
          "startsAt": "0001-01-01T00:00:00.000Z", "endsAt": "0001-01-01T00:00:00.000Z" },
        { "labels": { "alertname": "C" }, "startsAt": soon(-60), "endsAt": soon(60) },
        { "labels": { "alertname": "D" }, "endsAt": soon(-1) },
    ]);
    let got = send(given, "POST", "/api/v2/alerts", &alerts).await;
    assert_eq!((got.status, got.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn alerts_that_are_posted_are_shown_and_filtered() {
    let given = given();
    post_four(&given).await;
    for (query, want) in [
        ("", &["A", "B", "C"][..]),
        ("?filter=severity%3D~%22.%2B%22", &["A", "B"]),
        ("?filter=severity%3D%22%22", &["C"]),
        (
            "?filter=severity!%3D%22%22&filter=server%3Done",
            &["A", "B"],
        ),
        ("?filter=empty%3D%22%22&filter=alertname!~A%7CC", &["B"]),
        ("?receiver=cr.*", &["A"]),
        ("?receiver=cr", &[]),
        ("?inhibited=false", &["A", "C"]),
        ("?active=false", &["B"]),
        ("?silenced=false&unprocessed=false", &["A", "B", "C"]),
    ] {
        assert_eq!(names(&given, query).await, want, "{query}");
    }
    let got = given
        .get("/api/v2/alerts?filter=alertname%3DA")
        .await
        .json();
    let alert = &got[0];
    assert_eq!(alert["receivers"], json!([{ "name": "crit" }]));
    assert_eq!(alert["generatorURL"], "http://g/");
    assert_eq!(alert["annotations"], json!({ "summary": "s" }));
    assert_eq!(
        alert["status"],
        json!({ "state": "active", "silencedBy": [], "inhibitedBy": [] })
    );
    let b = given
        .get("/api/v2/alerts?filter=alertname%3DB")
        .await
        .json();
    assert_eq!(b[0]["status"]["state"], "suppressed");
    assert_eq!(b[0]["status"]["inhibitedBy"], json!([alert["fingerprint"]]));
    assert!(b[0]["labels"].get("empty").is_none());
    let groups = given.get("/api/v2/alerts/groups?receiver=all").await.json();
    let groups = groups.as_array().unwrap();
    assert_eq!(groups.len(), 2, "{groups:?}");
    assert_eq!(groups[0]["labels"], json!({ "alertname": "B" }));
    assert_eq!(groups[0]["receiver"]["name"], "all");
    assert_eq!(groups[0]["alerts"][0]["labels"]["server"], "one");
}

#[tokio::test]
async fn what_is_wrong_is_a_text_and_what_is_right_beside_it_is_taken() {
    let given = given();
    let alerts =
        json!([{ "labels": {} }, { "labels": { "alertname": "A" } }, { "labels": { "a-b": "1" } }]);
    let got = send(&given, "POST", "/api/v2/alerts", &alerts).await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    let said = got.json();
    let said = said.as_str().unwrap();
    assert!(
        said.contains("at least one label pair") && said.contains("a-b"),
        "{said}"
    );
    assert_eq!(names(&given, "").await, ["A"]);
    for (method, path, body) in [
        ("POST", "/api/v2/alerts", json!({ "labels": {} })),
        (
            "POST",
            "/api/v2/alerts",
            json!([{ "labels": { "a": "b" }, "endsAt": "soon" }]),
        ),
        ("POST", "/api/v2/silences", json!({ "comment": "c" })),
        ("GET", "/api/v2/alerts?filter=nonsense", json!(null)),
        ("GET", "/api/v2/alerts?receiver=(", json!(null)),
        ("GET", "/api/v2/alerts?active=maybe", json!(null)),
        ("GET", "/api/v2/silences?filter=%3D", json!(null)),
    ] {
        let got = send(&given, method, path, &body).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(got.json().is_string(), "{path}");
    }
    let without = with(|_| {});
    let got = without.get("/api/v2/alerts").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(got.json().is_string());
}

fn silence(id: Option<&str>, name: &str, ends: i64) -> Value {
    json!({
        "id": id, "matchers": [{ "name": "alertname", "value": name, "isRegex": false }],
        "startsAt": soon(-1), "endsAt": soon(ends), "createdBy": "me", "comment": "why"
    })
}

#[tokio::test]
async fn silences_are_set_changed_shown_and_ended() {
    let given = given();
    post_four(&given).await;
    let set = async |body: Value| {
        let got = send(&given, "POST", "/api/v2/silences", &body).await;
        (got.status, got.json())
    };
    assert_eq!(
        set(silence(None, "A", 60)).await,
        (StatusCode::OK, json!({ "silenceID": "1" }))
    );
    assert_eq!(names(&given, "?silenced=false").await, ["B", "C"]);
    let shown = given.get("/api/v2/silence/1").await.json();
    assert_eq!(
        shown["matchers"],
        json!([{ "isEqual": true, "isRegex": false, "name": "alertname", "value": "A" }])
    );
    assert_eq!(shown["status"]["state"], "active");
    // With other matchers it is another one.
    let mut other = shown.clone();
    other["matchers"][0]["value"] = json!("B");
    assert_eq!(set(other).await.1, json!({ "silenceID": "2" }));
    let mut longer = given.get("/api/v2/silence/2").await.json();
    longer["endsAt"] = json!(soon(600));
    assert_eq!(set(longer).await.1, json!({ "silenceID": "2" }));
    let states = async |query: &str| {
        let all = given.get(&format!("/api/v2/silences{query}")).await.json();
        let all = all.as_array().unwrap().iter();
        let word = |silence: &Value| {
            format!(
                "{} {}",
                silence["id"].as_str().unwrap(),
                silence["status"]["state"].as_str().unwrap()
            )
        };
        all.map(word).collect::<Vec<_>>()
    };
    assert_eq!(states("").await, ["2 active", "1 expired"]);
    assert_eq!(states("?filter=alertname%3DA").await, ["1 expired"]);
    assert!(states("?filter=alertname%3D~A").await.is_empty());
    let delete = async |id: &str| {
        send(
            &given,
            "DELETE",
            &format!("/api/v2/silence/{id}"),
            &json!(null),
        )
        .await
    };
    assert_eq!(delete("2").await.status, StatusCode::OK);
    // Both may have ended within one millisecond, so their order is not told.
    let mut both = states("").await;
    both.sort();
    assert_eq!(both, ["1 expired", "2 expired"]);
    assert_eq!(delete("2").await.status, StatusCode::OK);
    assert_eq!(delete("7").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        given.get("/api/v2/silence/7").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        set(silence(Some("7"), "A", 60)).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(set(silence(None, "A", -1)).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn status_and_receivers_are_those_that_amtool_reads() {
    let given = given();
    let status = given.get("/api/v2/status").await.json();
    assert_eq!(
        status["cluster"],
        json!({ "status": "disabled", "peers": [] })
    );
    assert_eq!(status["config"]["original"], "route: {receiver: all}");
    assert_eq!(status["uptime"], "1970-01-01T00:00:00.000Z");
    assert_eq!(status["versionInfo"]["revision"], "pilothouse 9.9.9");
    let receivers = given.get("/api/v2/receivers").await.json();
    assert_eq!(receivers, json!([{ "name": "all" }, { "name": "crit" }]));
}

#[tokio::test]
async fn who_looks_on_hears_that_there_are_other_silences() {
    let given = given();
    let asked = request("GET", "/api/pilothouse/live").body(Body::empty());
    let live = given.router.clone().oneshot(asked.unwrap()).await.unwrap();
    let mut live = live.into_body();
    until(&mut live, "event: silences\ndata: {\"active\":0}").await;
    let from = now_ms();
    let at = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "A", "isRegex": false}],
        "startsAt": at(from), "endsAt": at(from + 3_600_000), "createdBy": "me", "comment": "known",
    });
    let got = send(&given, "POST", "/api/v2/silences", &silence).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.json());
    until(&mut live, "event: silences\ndata: {\"active\":1}").await;
    let ended = send(&given, "DELETE", "/api/v2/silence/1", &json!(null)).await;
    assert_eq!(ended.status, StatusCode::OK);
    until(&mut live, "event: silences\ndata: {\"active\":0}").await;
}

/// Reads a stream until it says something.
async fn until(stream: &mut Body, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let frame = stream.frame().await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
}
