//! Alerts sent on to Alertmanagers.

use crate::given::{Catcher, firing, now_ms, resolved, start};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gets_the_newest_word_about_each_alert() {
    let mut up = Catcher::start().await;
    let mut down = Catcher::start().await;
    down.answer(&[503]);
    let yaml = format!("  alertmanagers: [{}/am/, {}]\n", up.url, down.url);
    let given = start(&yaml).await;
    let alert = firing("A", &[("x", "1")]);
    given.notifier.offer(vec![alert.clone()]);
    let got = up.next().await;
    assert_eq!(got.path, "/am/api/v2/alerts");
    let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    assert_eq!(
        got.json(),
        serde_json::json!([{
            "labels": { "alertname": "A", "x": "1" },
            "annotations": { "summary": "it <burns> & smokes" },
            "startsAt": time(alert.starts_at_ms),
            "endsAt": time(alert.ends_at_ms),
            "generatorURL": "http://h/graph?g0.expr=up",
        }])
    );
    assert_eq!(down.next().await.path, "/api/v2/alerts");
    given.notifier.offer(vec![resolved(alert)]);
    let over = |got: &crate::given::Got| {
        let ends = got.json()[0]["endsAt"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>();
        ends.unwrap().as_millisecond() <= now_ms()
    };
    assert!(over(&up.next().await));
    assert!(over(&down.next().await), "not the old word first");
    given.notifier.stop(Duration::from_secs(5)).await;
    assert!(down.rest().is_empty());
}
