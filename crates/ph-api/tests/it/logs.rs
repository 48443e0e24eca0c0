//! Logs, traces, the store.

use crate::given::{CALL, Call, OTHER_TRACE, TRACE, given, request, with};
use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

fn tools(answer: &Value) -> Vec<&str> {
    let records = answer["records"].as_array().unwrap();
    records
        .iter()
        .map(|r| r["tool"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_search_gives_records_as_they_are_stored() {
    let mut given = given();
    given.call(CALL);
    given.call(Call {
        second: 2,
        tool: "read",
        ms: 3000,
        ..CALL
    });
    given.call(Call {
        second: 3,
        tool: "write",
        status: 503,
        ..CALL
    });
    let got = given.get("/api/pilothouse/logs").await.json();
    assert_eq!(tools(&got), ["write", "read", "search"]);
    assert_eq!(got["complete"], true);
    assert_eq!(got["records"][1]["duration"], 3000.0);
    let got = given
        .get("/api/pilothouse/logs?order=slowest&limit=1")
        .await
        .json();
    assert_eq!(tools(&got), ["read"]);
    let got = given
        .get("/api/pilothouse/logs?query=status%3E%3D500+OR+duration%3E%3D2s&order=oldest")
        .await
        .json();
    assert_eq!(tools(&got), ["read", "write"]);
    let got = given
        .get("/api/pilothouse/logs?from=2026-11-22T18:00:02Z&to=1795370402")
        .await
        .json();
    assert_eq!(tools(&got), ["read"]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_double() {
    let mut given = given();
    for second in 0..25 {
        given.call(Call {
            second: second / 3,
            ms: second,
            ..CALL
        });
    }
    for order in ["newest", "oldest", "slowest"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = format!("/api/pilothouse/logs?order={order}&limit=4{cursor}");
            let page = given.get(&page).await.json();
            let records = page["records"].as_array().unwrap();
            assert!(records.len() <= 4);
            seen.extend(
                records
                    .iter()
                    .map(|r| r["duration"].as_f64().unwrap() as u64),
            );
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..25).collect::<Vec<_>>(), "{order}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_search_is_said() {
    let given = given();
    for (path, error, hint) in [
        ("logs?query=tol%3Dx", "tol", "server"),
        ("logs?limit=1001", "up to 1000", "cursor"),
        ("logs?limit=x", "up to 1000", "cursor"),
        ("logs?order=best", "order", "slowest"),
        ("logs?cursor=x", "cursor", "next"),
        ("logs?since=5", "", ""),
        ("logs?since=x", "since", "15m"),
        ("logs?since=5m&from=0", "two ways", "one of them"),
        ("logs?from=x", "from", "RFC 3339"),
        ("logs?from=2&to=1", "before", ""),
        ("logs/top", "missing", "tool"),
        ("logs/top?field=tol", "`tol`", "server"),
        ("logs/tally", "missing", "server"),
        ("logs/tally?by=server,tol", "`tol`", "tool"),
        (
            "logs/tally?by=server&sum=upstreem_ms",
            "upstreem",
            "upstream_ms",
        ),
        ("traces/abc", "trace id", "32"),
        ("logs/follow?after=x", "after", "id"),
        ("traces/slowest?query=%28", "column", ""),
    ] {
        let got = given.get(&format!("/api/pilothouse/{path}")).await;
        if error.is_empty() {
            assert_eq!(got.status, StatusCode::OK, "{path}");
            continue;
        }
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{path}");
        let said = got.json();
        assert!(
            said["error"].as_str().unwrap().contains(error),
            "{path}: {said}"
        );
        let hinted = said["hint"].as_str().unwrap_or_default();
        assert!(hinted.contains(hint), "{path}: {said}");
    }
}

#[tokio::test]
async fn the_values_of_a_field_are_counted() {
    let mut given = given();
    for second in 0..5 {
        let tool = if second < 3 { "search" } else { "read" };
        given.call(Call {
            second,
            tool,
            ms: second,
            ..CALL
        });
    }
    let got = given
        .get("/api/pilothouse/logs/top?field=tool")
        .await
        .json();
    assert_eq!(got["values"][0]["value"], "search");
    assert_eq!(got["values"][0]["count"], 3);
    assert_eq!(got["values"][1]["duration_max"], 4.0);
    let got = given
        .get("/api/pilothouse/logs/tally?by=tool,client&sum=duration&query=kind%3Dcall")
        .await
        .json();
    let groups = got["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{got}");
    let of = |tool: &str| groups.iter().find(|g| g["values"][0] == tool).unwrap();
    assert_eq!(of("search")["count"], 3);
    assert_eq!(got["scanned"], 5);
    let got = given
        .get("/api/pilothouse/logs/top?field=tool&limit=1&query=status%3D200")
        .await
        .json();
    assert_eq!(
        (got["values"].as_array().unwrap().len(), &got["others"]),
        (1, &2.into())
    );
}

#[tokio::test]
async fn with_a_bound_the_newest_are_counted() {
    let mut given = given();
    for second in 0..5 {
        given.call(Call { second, ..CALL });
    }
    let ask = async |path: &str| {
        let got = given.get(&format!("/api/pilothouse/{path}")).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        got.json()
    };
    // No column has it, so lines are read.
    let got = ask("logs/top?field=span_id&lines_max=2").await;
    assert_eq!(got["values"].as_array().unwrap().len(), 2, "{got}");
    assert_eq!((&got["scanned"], &got["total"]), (&2.into(), &5.into()));
    assert_eq!(got["complete"], false);
    // The third newest, which was not counted, is of 18:00:02.
    assert_eq!(got["complete_from"], 1_795_370_402.001);
    assert!(got["hint"].as_str().unwrap().contains("only 2 of 5"));
    let got = ask("logs/top?field=tool&lines_max=0").await;
    assert_eq!(got["values"][0]["count"], 5);
    assert_eq!(
        (&got["complete"], &got["complete_from"]),
        (&true.into(), &Value::Null)
    );
    let got = ask("logs/histogram?from=1795370400&bars=2&query=span_id%3D0*&lines_max=3").await;
    assert_eq!(got["complete_from"], 1_795_370_401.001, "{got}");
    let got = ask("logs/histogram?from=1795370400&bars=2&query=span_id%3D0*").await;
    assert_eq!(got["complete"], true);
    let got = given
        .get("/api/pilothouse/logs/top?field=tool&lines_max=many")
        .await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert!(got.json()["error"].as_str().unwrap().contains("lines_max"));
}

#[tokio::test]
async fn a_trace_is_a_tree_with_its_records() {
    let mut given = given();
    given.call(CALL);
    given.call(Call {
        second: 9,
        trace: OTHER_TRACE,
        ..CALL
    });
    let got = given
        .get(&format!("/api/pilothouse/traces/{}", TRACE.to_uppercase()))
        .await
        .json();
    assert_eq!(got["trace_id"], TRACE);
    assert_eq!(got["records"].as_array().unwrap().len(), 1);
    let spans = got["trace"]["spans"].as_array().unwrap();
    let kinds: Vec<_> = spans.iter().map(|s| s["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["server", "client"],
        "our two spans are made of the call's line"
    );
    let nowhere = given
        .get("/api/pilothouse/traces/00000000000000000000000000000001")
        .await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_slowest_traces_come_once_each_and_without_streams() {
    let mut given = given();
    given.call(CALL);
    given.call(Call {
        second: 2,
        ms: 500,
        ..CALL
    });
    given.call(Call {
        second: 3,
        ms: 90_000,
        stream: true,
        trace: OTHER_TRACE,
        ..CALL
    });
    given.call(Call {
        second: 4,
        ms: 70,
        trace: OTHER_TRACE,
        tool: "read",
        ..CALL
    });
    let got = given.get("/api/pilothouse/traces/slowest").await.json();
    let traces: Vec<_> = got["traces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| {
            (
                t["trace_id"].as_str().unwrap(),
                t["duration"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(traces, [(TRACE, 500.0), (OTHER_TRACE, 70.0)]);
    let got = given
        .get("/api/pilothouse/traces/slowest?query=tool%3Dread")
        .await
        .json();
    assert_eq!(got["traces"][0]["record"]["tool"], "read");
}

#[tokio::test]
async fn the_store_says_how_much_there_is() {
    let mut given = given();
    assert_eq!(
        given.get("/api/pilothouse/store").await.json()["logs"]["records"],
        0
    );
    given.call(CALL);
    let got = given.get("/api/pilothouse/store").await.json();
    assert_eq!(got["logs"]["records"], 1);
    assert_eq!(got["logs"]["from"], 1_795_370_401.0);
    assert_eq!(got["series"]["series"], 3);
}

#[tokio::test]
async fn without_a_store_each_endpoint_says_so() {
    let given = with(|sources| {
        sources.logs = None;
        sources.numbers = None;
    });
    for path in [
        "logs",
        "logs/top?field=tool",
        "logs/follow",
        "traces/slowest",
        "store",
    ] {
        let got = given.get(&format!("/api/pilothouse/{path}")).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(
            got.json()["hint"]
                .as_str()
                .unwrap()
                .contains("store.enabled")
        );
    }
    let got = given.get("/api/v1/labels").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// The next events of a stream, until `wanted` of them have an id.
async fn events(body: &mut Body, wanted: usize) -> String {
    let mut text = String::new();
    while text.matches("id: ").count() < wanted {
        let frame = body.frame().await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn who_follows_gets_what_comes_and_can_resume() {
    let mut given = given();
    given.call(CALL);
    let follow = |path: &str, last: Option<&str>| {
        let mut request = request("GET", path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        given
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
    };
    let response = follow("/api/pilothouse/logs/follow?query=tool%3Dread", None)
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&first[..], b": following\n\n");
    let resumed = follow("/api/pilothouse/logs/follow", Some("1"))
        .await
        .unwrap();
    let mut resumed = resumed.into_body();
    given.call(Call {
        second: 2,
        tool: "write",
        ..CALL
    });
    given.call(Call {
        second: 3,
        tool: "read",
        ..CALL
    });
    let text = events(&mut body, 1).await;
    assert!(
        text.contains("\"tool\":\"read\"") && !text.contains("search"),
        "{text}"
    );
    let text = events(&mut resumed, 2).await;
    assert!(
        text.contains("write") && text.contains("read") && !text.contains("search"),
        "{text}"
    );
    given.end.cancel();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
}

#[tokio::test]
async fn followers_are_bounded_and_leave_their_place() {
    let given = given();
    let follow = async || {
        let request = request("GET", "/api/pilothouse/logs/follow").body(Body::empty());
        given
            .router
            .clone()
            .oneshot(request.unwrap())
            .await
            .unwrap()
    };
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(follow().await);
        assert_eq!(open.last().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(follow().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    open.clear();
    while follow().await.status() != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}
