//! Signs of life.

use crate::given::{Catcher, start};
use axum::http::Method;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heart_is_still_when_no_rules_are_evaluated() {
    let mut catcher = Catcher::start().await;
    // Rules count as evaluated for three of their intervals.
    let yaml = format!(
        "  heartbeat: {{url: {}/, interval: 100ms}}\nrules: {{interval: 100ms}}\n",
        catcher.url
    );
    let given = start(&yaml).await;
    given.notifier.evaluated();
    catcher.next().await;
    let withheld = || given.reads("pilothouse_heartbeat_total", &["withheld"]);
    let until = async {
        while withheld() == Some(0.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until)
        .await
        .unwrap();
    catcher.rest();
    given.notifier.evaluated();
    catcher.next().await;
    given.notifier.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heart_beats_while_rules_are_evaluated() {
    let mut catcher = Catcher::start().await;
    let yaml = format!(
        "  heartbeat: {{url: {}/ping/s3cret, interval: 100ms}}\n",
        catcher.url
    );
    let given = start(&yaml).await;
    assert_eq!(
        given.reads("pilothouse_heartbeat_total", &["sent"]),
        Some(0.0)
    );
    given.notifier.evaluated();
    let got = catcher.next().await;
    assert_eq!(
        (got.method, got.path.as_str()),
        (Method::GET, "/ping/s3cret")
    );
    catcher.next().await;
    given.notifier.stop(Duration::from_secs(5)).await;
    assert!(given.reads("pilothouse_heartbeat_total", &["sent"]) >= Some(1.0));
    assert_eq!(
        given.reads("pilothouse_heartbeat_total", &["withheld"]),
        Some(0.0)
    );
}
