//! Who may ask for what, and that the document says so.

use crate::given::{given, request, with};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::routing::get;
use tower::ServiceExt;

#[tokio::test]
async fn only_loopback_names_and_origins_are_served() {
    let given = given();
    let ask = async |host: Option<&str>, origin: Option<&str>| {
        let mut request = http::Request::builder().uri("/api/v1/status/buildinfo");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        given
            .send(request.body(Body::empty()).unwrap())
            .await
            .status
    };
    assert_eq!(ask(Some("localhost:3001"), None).await, StatusCode::OK);
    assert_eq!(ask(Some("[::1]:3001"), None).await, StatusCode::OK);
    let own = Some("http://localhost:3001");
    assert_eq!(ask(Some("localhost:3001"), own).await, StatusCode::OK);
    for (host, origin) in [
        (None, None),
        (Some("rebound.example.com:3001"), None),
        (Some("127.0.0.1.example.com"), None),
        (Some("localhost"), Some("http://evil.example.com")),
        (Some("localhost"), Some("null")),
    ] {
        assert_eq!(
            ask(host, origin).await,
            StatusCode::FORBIDDEN,
            "{host:?} {origin:?}"
        );
    }
}

#[tokio::test]
async fn a_link_of_an_alert_leads_to_the_value_of_its_expression() {
    let request = http::Request::get("/graph?g0.expr=up+%3D%3D+0&g0.tab=1")
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let answer = given().send(request).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let to = answer.headers[http::header::LOCATION].to_str().unwrap();
    assert_eq!(to, "/api/v1/query?query=up+%3D%3D+0");
}

#[tokio::test]
async fn what_is_served_beside_is_guarded_too() {
    let beside = Router::new().route("/metrics", get(|| async { "numbers" }));
    let given = with(|_| {});
    let sources = ph_api::Sources {
        numbers: None,
        logs: None,
        alertmanager: None,
        keys: None,
        blocks: None,
        tools: None,
        servers: None,
        cases: None,
        configurations: None,
        evaluation: None,
        objectives: std::sync::Arc::new(crate::slos::Four),
        sinks: None,
        intake: None,
        spans: given.spans.clone(),
        redactor: ph_record::Redactor::default(),
        admission: std::sync::Arc::new(crate::admission::Anybody::default()),
        version: "1".into(),
        end: given.end.clone(),
    };
    let router = ph_api::router(sources, beside);
    for (host, want) in [
        ("localhost", StatusCode::OK),
        ("a.example", StatusCode::FORBIDDEN),
    ] {
        let request = http::Request::builder()
            .uri("/metrics")
            .header("host", host)
            .body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), want, "{host}");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn no_answer_is_cached_or_shared_with_other_origins() {
    let given = given();
    for path in ["/", "/api/v1/labels", "/api/pilothouse/logs", "/nowhere"] {
        let got = given.get(path).await;
        assert_eq!(got.headers["cache-control"], "no-store", "{path}");
        assert_eq!(got.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(
            !got.headers
                .keys()
                .any(|name| name.as_str().starts_with("access-control"))
        );
    }
}

#[tokio::test]
async fn a_runbook_is_a_page_that_lets_nothing_in() {
    let given = given();
    let got = given.get("/runbooks/ServerDown").await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.headers["content-type"], "text/html; charset=utf-8");
    let policy = got.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    let text = String::from_utf8(got.body.to_vec()).unwrap();
    assert!(
        text.contains("<h2><a href=\"/runbooks/ServerDown\">ServerDown</a></h2>"),
        "{text}"
    );
    assert!(!text.contains("HighErrorRate</a>"), "{text}");
    let all = given.get("/runbooks?lang=ja").await;
    let all = String::from_utf8(all.body.to_vec()).unwrap();
    assert!(
        all.contains("<html lang=\"ja\">") && all.contains("HighErrorRate</a>"),
        "{all}"
    );
    let none = given.get("/runbooks/%3Cscript%3E").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(none.headers["content-type"], "application/json");
}

#[tokio::test]
async fn every_operation_describes_the_parameters_of_its_path() {
    let document = given().get("/api/pilothouse/openapi.json").await.json();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let in_path = path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next());
        let wanted: Vec<&str> = in_path.collect();
        for (method, operation) in operations.as_object().unwrap() {
            let params = operation["parameters"].as_array().into_iter().flatten();
            let of_path = params.filter(|param| param["in"] == "path");
            let found: Vec<_> = of_path.filter_map(|param| param["name"].as_str()).collect();
            assert_eq!(found, wanted, "{method} {path}");
        }
    }
}

/// Each endpoint of the document answers with something else than 404 and 405, and each of its
/// methods is the router's.
#[tokio::test]
async fn the_document_names_every_route() {
    let given = given();
    let document = given.get("/api/pilothouse/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], "9.9.9");
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/",
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v1/query_exemplars",
        "/api/v1/series",
        "/api/v1/labels",
        "/api/v1/label/{name}/values",
        "/api/v1/metadata",
        "/api/v1/format_query",
        "/api/v1/status/buildinfo",
        "/api/pilothouse/logs",
        "/api/pilothouse/logs/follow",
        "/api/pilothouse/logs/top",
        "/api/pilothouse/traces/slowest",
        "/api/pilothouse/traces/{trace_id}",
        "/api/pilothouse/store",
        "/api/pilothouse/sinks",
        "/api/v2/status",
        "/api/v2/receivers",
        "/api/v2/alerts",
        "/api/v2/alerts/groups",
        "/api/v2/silences",
        "/api/v2/silence/{id}",
        "/runbooks",
        "/runbooks/{alert}",
        "/v1/traces",
        "/v1/logs",
        "/v1/metrics",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, operations) in paths {
        let address = path
            .replace("{name}", "job")
            .replace("{trace_id}", crate::given::TRACE);
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let name = method.as_str().to_lowercase();
            let listed = operations.get(&name).is_some();
            let request = request(method.as_str(), &address)
                .body(Body::empty())
                .unwrap();
            let status = given
                .router
                .clone()
                .oneshot(request)
                .await
                .unwrap()
                .status();
            let refused = status == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(listed, !refused, "{method} {path}: {status}");
        }
    }
}

/// What the document refers to is in it, and the types are those of the answers.
#[tokio::test]
async fn the_document_is_whole() {
    let given = given();
    let document = given.get("/api/pilothouse/openapi.json").await.json();
    let text = document.to_string();
    let mut references = 0;
    for part in text.split("\"$ref\":\"#/").skip(1) {
        let pointer = format!("/{}", part.split('"').next().unwrap());
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
        references += 1;
    }
    assert!(references > 5, "{references}");
    let sinks = given.get("/api/pilothouse/sinks").await.json();
    let described = &document["components"]["schemas"]["SinkStatus"]["properties"];
    for (name, _) in sinks["sinks"][0].as_object().unwrap() {
        assert!(described.get(name).is_some(), "{name} is not described");
    }
    assert_eq!(sinks["sinks"][0]["name"], "one");
}

#[tokio::test]
async fn wrong_paths_and_parameters_are_told_what_there_is() {
    let given = given();
    let got = given.get("/api/pilothouse/log").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    assert!(
        got.json()["hint"]
            .as_str()
            .unwrap()
            .contains("openapi.json")
    );
    let got = given.get("/api/pilothouse/logs?sinse=5m").await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert_eq!(got.json()["error"], "unknown parameter `sinse`");
    assert!(got.json()["hint"].as_str().unwrap().contains("`since`"));
}
