//! From an alert to its receiver, across failures and restarts.

use crate::given::{Catcher, firing, resolved, settings, start, start_in};
use std::time::Duration;

fn webhook(url: &str, more: &str) -> String {
    format!(
        "  receivers:\n    ops:\n      webhook:\n        url: {url}/hook/s3cret\n        headers: {{X-Team: blue}}\n  route:\n    group_wait: 0s\n    group_interval: 100ms\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_comes_as_alertmanager_sends_it() {
    let mut catcher = Catcher::start().await;
    let given = start(&webhook(&catcher.url, "")).await;
    let alert = firing("Fire", &[("server", "one"), ("job", "mcp-server")]);
    assert!(given.notifier.offer(vec![alert.clone()]));
    let got = catcher.next().await;
    assert_eq!(got.path, "/hook/s3cret");
    assert_eq!(got.headers["x-team"], "blue");
    assert_eq!(got.headers["content-type"], "application/json");
    let body = got.json();
    let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    let want = serde_json::json!({
        "receiver": "ops",
        "status": "firing",
        "alerts": [{
            "status": "firing",
            "labels": { "alertname": "Fire", "job": "mcp-server", "server": "one" },
            "annotations": { "summary": "it <burns> & smokes" },
            "startsAt": time(alert.starts_at_ms),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://h/graph?g0.expr=up",
            "fingerprint": body["alerts"][0]["fingerprint"],
        }],
        "groupLabels": { "alertname": "Fire", "server": "one" },
        "commonLabels": { "alertname": "Fire", "job": "mcp-server", "server": "one" },
        "commonAnnotations": { "summary": "it <burns> & smokes" },
        "externalURL": "http://127.0.0.1:3001",
        "version": "4",
        "groupKey": "{}:{alertname=\"Fire\", server=\"one\"}",
        "truncatedAlerts": 0,
    });
    assert_eq!(body, want);
    assert!(given.notifier.offer(vec![resolved(alert)]));
    let over = catcher.next().await;
    assert_eq!(over.json()["status"], "resolved");
    assert_ne!(over.key(), got.key());
    given.notifier.stop(Duration::from_secs(5)).await;
    assert!(catcher.rest().is_empty());
    assert_eq!(
        given.reads(
            "pilothouse_alert_notifications_total",
            &["ops", "delivered"]
        ),
        Some(2.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_sent_again_with_the_same_key_and_what_is_refused_is_not() {
    let mut catcher = Catcher::start().await;
    catcher.answer(&[503, 429, 200, 404]);
    let given = start(&webhook(&catcher.url, "")).await;
    given.notifier.offer(vec![firing("A", &[])]);
    let keys = [
        catcher.next().await.key().to_owned(),
        catcher.next().await.key().to_owned(),
        catcher.next().await.key().to_owned(),
    ];
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    given.notifier.offer(vec![firing("B", &[])]);
    let refused = catcher.next().await;
    assert_ne!(refused.key(), keys[0]);
    given.notifier.offer(vec![firing("C", &[])]);
    assert_eq!(catcher.next().await.json()["groupLabels"]["alertname"], "C");
    given.notifier.stop(Duration::from_secs(5)).await;
    let read = |result| given.reads("pilothouse_alert_notifications_total", &["ops", result]);
    assert_eq!(read("delivered"), Some(2.0));
    assert_eq!(read("rejected"), Some(1.0));
    assert_eq!(
        given.reads("pilothouse_alert_notification_retries_total", &["ops"]),
        Some(2.0)
    );
    let said = given.said.lock().unwrap().join("\n");
    assert!(
        said.contains("receiver `ops`") && said.contains("503"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_is_sent_by_the_next_process() {
    let mut catcher = Catcher::start().await;
    catcher.answer(&[500]);
    let yaml = webhook(&catcher.url, "");
    let given = start(&yaml).await;
    given.notifier.offer(vec![firing("A", &[])]);
    let first = catcher.next().await;
    given.notifier.stop(Duration::from_secs(5)).await;
    let left = catcher.rest();
    let again = start_in(given.dir, &yaml).await;
    let second = match left.into_iter().next() {
        Some(got) => got,
        None => catcher.next().await,
    };
    assert_eq!((second.key(), &second.body), (first.key(), &first.body));
    // It is known to have been told: the same word again is none.
    again.notifier.offer(vec![firing("A", &[])]);
    again.with(|notifier| notifier.alerts().unwrap()).await;
    again.notifier.stop(Duration::from_secs(5)).await;
    assert!(catcher.rest().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_goes_takes_its_messages_with_it_and_they_are_counted() {
    let mut catcher = Catcher::start().await;
    catcher.answer(&[503; 50]);
    let given = start(&webhook(&catcher.url, "")).await;
    given.notifier.offer(vec![firing("A", &[])]);
    catcher.next().await;
    let queued = || given.reads("pilothouse_alert_notifications_queued", &["ops"]);
    assert_eq!(queued(), Some(1.0));
    // The receiver keeps its name, so that what is dropped can be read under it, and has another way.
    let both = format!(
        "  receivers:\n    ops: {{slack: {{url: {0}/x}}}}\n  route: {{group_wait: 0s}}\n",
        catcher.url
    );
    let new = settings(&both);
    given
        .with(move |notifier| notifier.reload(new).unwrap())
        .await;
    assert_eq!(
        given.reads("pilothouse_alert_notifications_total", &["ops", "dropped"]),
        Some(1.0)
    );
    given.notifier.stop(Duration::from_secs(5)).await;
    assert_eq!(queued(), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_receivers_and_keeps_what_was_told() {
    let mut one = Catcher::start().await;
    let mut two = Catcher::start().await;
    let given = start(&webhook(&one.url, "")).await;
    given.notifier.offer(vec![firing("A", &[])]);
    one.next().await;
    let new = settings(&webhook(&two.url, ""));
    given
        .with(move |notifier| notifier.reload(new).unwrap())
        .await;
    given
        .notifier
        .offer(vec![firing("A", &[]), firing("B", &[])]);
    let got = two.next().await;
    assert_eq!(got.json()["groupLabels"]["alertname"], "B");
    given.notifier.stop(Duration::from_secs(5)).await;
    assert!(one.rest().is_empty());
    assert!(two.rest().is_empty());
}
