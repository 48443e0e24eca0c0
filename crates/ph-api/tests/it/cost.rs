//! Questions of cost: what is wrong with one is said with the field's name.

use crate::given::given;
use http::StatusCode;

#[tokio::test]
async fn what_is_wrong_is_said_with_its_field() {
    let given = given();
    for (path, field) in [
        ("replay", "server"),
        ("replay?server=a&since=soon", "since"),
        ("replay?server=a&since=32d", "since"),
        ("replay?server=a&min=0", "min"),
        ("replay?server=a&max=10001", "max"),
        ("replay?server=a&min=5&max=4", "max"),
        ("replay?server=a&cpu_target=0", "cpu_target"),
        ("replay?server=a&new_cpu_target=many", "new_cpu_target"),
        ("replay?server=a&new_min=20", "new_min"),
        ("replay?server=a&new_max=1", "new_max"),
        ("replay?server=a&cpu_request=lots", "cpu_request"),
        ("replay?server=a&cpu_request=2&cpu_limit=1", "cpu_limit"),
        ("replay?server=a&memory_request=0", "memory_request"),
        ("replay?server=a&objective=101", "objective"),
        ("replay?server=a&slo_latency=0s", "slo_latency"),
        ("replay?server=a&points=1", "points"),
        ("replay?server=a&points=2001", "points"),
        ("sizes?since=91d", "since"),
        ("sizes?step=1s", "step"),
        ("sizes?since=90d&step=15s", "step"),
        ("sizes?hpa_cpu=70", "cpu_request"),
        (
            "sizes?hpa_cpu=70&cpu_request=1&hpa_min=3&hpa_max=2",
            "hpa_max",
        ),
        ("sizes?memory_request=2Gi&memory_limit=1Gi", "memory_limit"),
        ("bill?month=2999-01", "month"),
        ("bill?month=now", "month"),
        ("bill?measure={}", "measure"),
        ("bill?cpu_hour=-1", "cpu_hour"),
        ("shares?gib_hour=NaN", "gib_hour"),
    ] {
        let got = given.get(&format!("/api/pilothouse/cost/{path}")).await;
        assert_eq!(
            got.status,
            StatusCode::BAD_REQUEST,
            "{path}: {:?}",
            got.json()
        );
        assert_eq!(got.json()["field"], field, "{path}: {:?}", got.json());
    }
}

#[tokio::test]
async fn what_was_not_recorded_is_no_failure_and_says_so() {
    let given = given();
    for path in ["replay?server=a", "sizes", "sizes?server=a"] {
        let got = given.get(&format!("/api/pilothouse/cost/{path}")).await;
        let said = got.json();
        assert_eq!(got.status, StatusCode::OK, "{path}: {said}");
        let why = said["nothing"]["why"].as_str().unwrap();
        assert!(why.contains("recorded"), "{said}");
    }
    let shares = given.get("/api/pilothouse/cost/shares").await.json();
    assert_eq!(shares["shares"]["total"], "0.00");
    assert_eq!(shares["priced"]["is_placeholder"], true);
    let priced = "/api/pilothouse/cost/shares?cpu_hour=0.5&gib_hour=0.1";
    let shares = given.get(priced).await.json();
    assert_eq!(shares["priced"]["is_placeholder"], false);
    assert_eq!(shares["priced"]["cpu_hour"], "0.50");
    let unknown = given.get("/api/pilothouse/cost/bill?mesure=1").await;
    assert!(
        unknown.json()["hint"]
            .as_str()
            .unwrap()
            .contains("`measure`")
    );
}
