//! The stream of what changes, and the numbers of records over time.

use crate::given::{CALL, Call, given, request, time};
use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use ph_store::logs::{Entry, Kind, Level};
use tower::ServiceExt as _;

#[tokio::test]
async fn who_looks_on_hears_of_numbers_and_of_events_that_come() {
    let mut given = given();
    let asked = request("GET", "/api/pilothouse/live").body(Body::empty());
    let response = given.router.clone().oneshot(asked.unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    for (event, kind) in [
        ("restart", Kind::Event),
        // A server that is down fails its checks again and again.
        ("health", Kind::Event),
        ("none", Kind::Call),
        ("crash_loop", Kind::Event),
    ] {
        let json = format!(r#"{{"kind":"{}","event":"{event}"}}"#, kind.as_label());
        let entry = Entry {
            kind,
            level: Level::Warn,
            time_unix_ns: u64::try_from(time(1).as_nanosecond()).unwrap(),
            duration_ns: None,
            status: 0,
            trace_id: None,
            server: "files",
            method: "",
            tool: "",
            outcome: "",
            json: json.as_bytes(),
        };
        given.store.append(&entry).unwrap();
    }
    given.store.flush().unwrap();
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("crash_loop") || !text.contains("at_ms") {
        let frame = body.frame().await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    assert!(text.contains("event: numbers\ndata: {\"at_ms\":"), "{text}");
    assert!(
        text.contains(
            r#"event: event
data: {"kind":"event","event":"restart"}"#
        ),
        "{text}"
    );
    assert!(!text.contains("health") && !text.contains("none"), "{text}");
    given.end.cancel();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
}

#[tokio::test]
async fn records_are_counted_over_time() {
    let mut given = given();
    for second in 0..10 {
        let status = if second == 9 { 502 } else { 200 };
        given.call(Call {
            second,
            status,
            ..CALL
        });
    }
    let (from, to) = (time(0).as_second(), time(10).as_second());
    let path =
        format!("/api/pilothouse/logs/histogram?from={from}&to={to}&bars=5&query=status%3D200");
    let got = given.get(&path).await.json();
    let bars = got["bars"].as_array().unwrap();
    let counts: Vec<u64> = bars
        .iter()
        .map(|b| b["records"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [2, 2, 2, 2, 1]);
    assert_eq!(got["from"].as_f64().unwrap() as i64, from);
    for (wrong, why) in [
        ("bars=5", "from when on"),
        ("since=1h&bars=2001", "up to 2000"),
    ] {
        let got = given
            .get(&format!("/api/pilothouse/logs/histogram?{wrong}"))
            .await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST);
        assert!(got.json()["error"].as_str().unwrap().contains(why));
    }
}
