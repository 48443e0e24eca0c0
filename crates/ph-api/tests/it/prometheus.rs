//! The endpoints of Prometheus's API.

use crate::given::{TRACE, given};
use axum::http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn series_and_labels() {
    let given = given();
    let times = "start=0&end=600";
    let got = given
        .get(&format!("/api/v1/series?match[]=calls&{times}"))
        .await;
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(
        got.json(),
        json!({"status": "success", "data": [{"__name__": "calls", "tool": "x"}, {"__name__": "calls", "tool": "y"}]})
    );
    let got = given
        .form(
            "/api/v1/series",
            &format!("match[]=up&match[]=calls%7Btool%3D%22y%22%7D&{times}"),
        )
        .await
        .json();
    assert_eq!(got["data"].as_array().unwrap().len(), 2);
    let got = given.get(&format!("/api/v1/labels?{times}")).await.json();
    assert_eq!(
        got,
        json!({"status": "success", "data": ["__name__", "job", "tool"]})
    );
    let got = given
        .get(&format!("/api/v1/label/tool/values?{times}"))
        .await
        .json();
    assert_eq!(got, json!({"status": "success", "data": ["x", "y"]}));
    let got = given
        .get(&format!("/api/v1/label/__name__/values?{times}&match[]=up"))
        .await
        .json();
    assert_eq!(got["data"], json!(["up"]));
    let got = given
        .get(&format!("/api/v1/label/tool/values?limit=1&{times}"))
        .await
        .json();
    assert_eq!(
        got,
        json!({"status": "success", "data": ["x"], "warnings": ["results truncated due to limit"]})
    );
    let got = given.get("/api/v1/labels?start=1e6&end=2e6").await.json();
    assert_eq!(got["data"], json!([]));
}

#[tokio::test]
async fn an_instant_query_gives_each_type() {
    let given = given();
    let got = given
        .get("/api/v1/query?query=sum(calls)by(tool)&time=300")
        .await;
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(
        String::from_utf8(got.body).unwrap(),
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"tool":"x"},"value":[300,"20"]},{"metric":{"tool":"y"},"value":[300,"40"]}]}}"#
    );
    let got = given
        .form("/api/v1/query", "query=1%2F0&time=1970-01-01T00:00:00.5Z")
        .await
        .json();
    assert_eq!(
        got["data"],
        json!({"resultType": "scalar", "result": [0.5, "+Inf"]})
    );
    let got = given.get("/api/v1/query?query=%22a%22&time=1").await.json();
    assert_eq!(
        got["data"],
        json!({"resultType": "string", "result": [1, "a"]})
    );
    let got = given
        .get("/api/v1/query?query=up%5B30s%5D&time=60")
        .await
        .json();
    assert_eq!(
        got["data"]["result"][0]["values"],
        json!([[45, "1"], [60, "1"]])
    );
    let got = given
        .get("/api/v1/query?query=calls&time=300&limit=1")
        .await
        .json();
    assert_eq!(got["data"]["result"].as_array().unwrap().len(), 1);
    assert_eq!(got["warnings"], json!(["results truncated due to limit"]));
    let got = given.get("/api/v1/query?query=up").await.json();
    assert_eq!(
        got["data"]["result"],
        json!([]),
        "now is far from the samples"
    );
}

#[tokio::test]
async fn a_range_query_has_a_value_for_each_step() {
    let given = given();
    let form = "query=calls%7Btool%3D%22x%22%7D&start=0&end=60&step=30s";
    let got = given.form("/api/v1/query_range", form).await.json();
    assert_eq!(
        got,
        json!({"status": "success", "data": {"resultType": "matrix", "result": [{
            "metric": {"__name__": "calls", "tool": "x"},
            "values": [[0, "0"], [30, "2"], [60, "4"]]
        }]}})
    );
}

#[tokio::test]
async fn queries_are_bounded() {
    let given = given();
    for (path, status, kind, text) in [
        (
            "query_range?query=up&start=0&end=11001&step=1",
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ),
        (
            "query_range?query=up&start=0&end=1&step=0",
            400,
            "bad_data",
            "zero or negative",
        ),
        (
            "query_range?query=up&start=1&end=0&step=1",
            400,
            "bad_data",
            "end timestamp must not be before start time",
        ),
        (
            "query_range?query=up&end=1&step=1",
            400,
            "bad_data",
            "\"start\": cannot parse \"\" to a valid timestamp",
        ),
        (
            "query_range?query=up&start=0&end=1&step=x",
            400,
            "bad_data",
            "\"step\": cannot parse \"x\" to a valid duration",
        ),
        (
            "query_range?query=up%5B1m%5D&start=0&end=1&step=1",
            400,
            "bad_data",
            "invalid expression type",
        ),
        (
            "query?query=up&time=x",
            400,
            "bad_data",
            "\"time\": cannot parse \"x\"",
        ),
        ("query?query=up&timeout=x", 400, "bad_data", "\"timeout\""),
        (
            "query?query=calls+%2B+on(job)+calls&time=60",
            422,
            "execution",
            "many-to-many",
        ),
        ("query?query=up&timeout=0", 503, "timeout", "timed out"),
    ] {
        let got = given.get(&format!("/api/v1/{path}")).await;
        let said = got.json();
        assert_eq!(
            (got.status.as_u16(), said["errorType"].as_str()),
            (status, Some(kind)),
            "{path}: {said}"
        );
        assert!(
            said["error"].as_str().unwrap().contains(text),
            "{path}: {said}"
        );
    }
    // 11,000 steps are 11,001 points.
    let got = given
        .get("/api/v1/query_range?query=1&start=0&end=11000&step=1")
        .await;
    assert_eq!(got.status, StatusCode::OK);
}

#[tokio::test]
async fn errors_have_prometheus_s_envelope() {
    let given = given();
    for (path, text) in [
        ("series", "no match[] parameter provided"),
        (
            "series?match[]=up%5B5m%5D",
            "invalid parameter \"match[]\": expected a series selector",
        ),
        ("series?match[]=%7B", "invalid parameter \"match[]\": "),
        (
            "labels?start=x",
            "invalid parameter \"start\": cannot parse \"x\" to a valid timestamp",
        ),
        (
            "labels?start=2&end=1",
            "invalid parameter \"end\": end timestamp must not be before",
        ),
        ("labels?limit=-1", "invalid parameter \"limit\": "),
        ("format_query?query=sum(", "invalid parameter \"query\": "),
        ("format_query", "invalid parameter \"query\": "),
    ] {
        let got = given.get(&format!("/api/v1/{path}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{path}");
        let said = got.json();
        assert_eq!(
            (&said["status"], &said["errorType"]),
            (&json!("error"), &json!("bad_data"))
        );
        assert!(
            said["error"].as_str().unwrap().starts_with(text),
            "{path}: {said}"
        );
    }
}

#[tokio::test]
async fn metadata_is_ours_and_that_of_targets() {
    let given = given();
    let got = given.get("/api/v1/metadata").await.json();
    assert_eq!(
        got["data"]["calls"],
        json!([{"type": "counter", "help": "Calls.", "unit": ""}])
    );
    assert_eq!(got["data"]["mcp_requests_total"][0]["type"], "counter");
    let got = given.get("/api/v1/metadata?metric=calls").await.json();
    assert_eq!(got["data"].as_object().unwrap().len(), 1);
    let got = given.get("/api/v1/metadata?limit=2").await.json();
    assert_eq!(got["data"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn exemplars_carry_trace_ids() {
    let given = given();
    let got = given.get("/api/v1/query_exemplars?query=sum(rate(calls%7Btool%3D%22x%22%7D%5B5m%5D))&start=0&end=600").await.json();
    assert_eq!(
        got,
        json!({"status": "success", "data": [{
            "seriesLabels": {"__name__": "calls", "tool": "x"},
            "exemplars": [{"labels": {"trace_id": TRACE}, "value": "0.25", "timestamp": 0.5}]
        }]})
    );
}

#[tokio::test]
async fn the_version_is_honest() {
    let got = given().get("/api/v1/status/buildinfo").await.json();
    assert_eq!(got["data"]["version"], "2.42.0-compatible");
    assert_eq!(got["data"]["revision"], "pilothouse 9.9.9");
}

#[tokio::test]
async fn a_query_is_laid_out_and_typed() {
    let given = given();
    let got = given
        .form("/api/v1/format_query", "query=sum(up)by(job)")
        .await
        .json();
    assert_eq!(got["data"], "sum by (job) (up)");
    let got = given
        .get("/api/v1/parse_query?query=up%5B5m%5D")
        .await
        .json();
    assert_eq!(got["data"]["type"], "matrix");
}
