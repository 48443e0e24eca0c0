//! `slos` and `slos/report`.

use crate::given::with;
use http::StatusCode;
use ph_api::Objectives;
use ph_plan::{Plan, Slo, SloName};
use ph_promql::{Labels, METRIC_NAME, Sample, Select, Series, SeriesSource, SourceError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The four that hold without a word, over the own numbers.
pub(crate) struct Four;

impl Objectives for Four {
    fn slos(&self) -> BTreeMap<SloName, Slo> {
        Plan::default().slos_in_force()
    }

    fn elsewhere(&self) -> Option<Arc<dyn SeriesSource + Send + Sync>> {
        None
    }
}

/// The same over numbers of elsewhere: a call a minute up to the end of what is asked for, one in ten bad.
struct Elsewhere;

impl Objectives for Elsewhere {
    fn slos(&self) -> BTreeMap<SloName, Slo> {
        Four.slos()
    }

    fn elsewhere(&self) -> Option<Arc<dyn SeriesSource + Send + Sync>> {
        Some(Arc::new(Steady))
    }
}

struct Steady;

impl SeriesSource for Steady {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let slo = wish.matchers.iter().find(|matcher| matcher.name() == "slo");
        let slo = slo.map_or("", |matcher| matcher.value());
        let of = |result: &str, share: f64| Series {
            labels: Labels::from_pairs([
                (METRIC_NAME, "mcp_slo_events_total"),
                ("slo", slo),
                ("source", "demand"),
                ("result", result),
            ]),
            samples: (wish.from_ms / 60_000 + 1..)
                .map(|minute| minute * 60_000)
                .take_while(|t_ms| *t_ms <= wish.to_ms)
                .map(|t_ms| Sample {
                    t_ms,
                    v: ((t_ms - wish.from_ms) / 60_000) as f64 * share,
                })
                .collect(),
        };
        Ok(vec![of("good", 9.0), of("bad", 1.0)])
    }
}

#[tokio::test]
async fn without_data_nothing_is_met() {
    let given = with(|_| {});
    let got = given.get("/api/pilothouse/slos").await.json();
    let slos = got["slos"].as_array().unwrap();
    let names: Vec<_> = slos
        .iter()
        .map(|slo| slo["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["availability", "error-rate", "latency", "throughput"]
    );
    assert!(
        slos.iter().all(|slo| slo["verdict"] == "insufficient_data"),
        "{got}"
    );
    assert!(
        slos.iter().all(|slo| slo["good_percent"].is_null()),
        "{got}"
    );
}

#[tokio::test]
async fn numbers_of_elsewhere_are_asked_when_there_are_some() {
    let given = with(|sources| sources.objectives = Arc::new(Elsewhere));
    let got = given
        .get("/api/pilothouse/slos?name=error-rate")
        .await
        .json();
    let slo = &got["slos"][0];
    assert_eq!(
        (slo["name"].as_str(), slo["verdict"].as_str()),
        (Some("error-rate"), Some("violated"))
    );
    assert_eq!(slo["good_percent"], 90.0);
    assert_eq!(slo["events"]["bad"], 30 * 24 * 60);
    let report = given
        .get("/api/pilothouse/slos/report?month=2026-02")
        .await
        .json();
    assert_eq!(
        (
            report["is_complete"].as_bool(),
            report["slos"][0]["days"].as_array().unwrap().len()
        ),
        (Some(true), 28)
    );
    assert_eq!(report["slos"][0]["days"][27]["events"]["good"], 9 * 24 * 60);
}

#[tokio::test]
async fn a_report_has_three_forms() {
    let given = with(|sources| sources.objectives = Arc::new(Elsewhere));
    for (format, kind, begin) in [
        (
            "markdown",
            "text/markdown; charset=utf-8",
            "# Service levels in 2026-02",
        ),
        ("html", "text/html; charset=utf-8", "<!doctype html>"),
        ("json", "application/json", "{"),
    ] {
        let path = format!("/api/pilothouse/slos/report?month=2026-02&format={format}");
        let got = given.get(&path).await;
        assert_eq!(got.headers["content-type"], kind);
        assert!(got.body.starts_with(begin.as_bytes()));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_said() {
    let given = with(|_| {});
    for (path, status, hint) in [
        (
            "/api/pilothouse/slos?name=uptime",
            StatusCode::NOT_FOUND,
            "there are `availability`, `error-rate`, `latency`, `throughput`",
        ),
        (
            "/api/pilothouse/slos?nme=x",
            StatusCode::BAD_REQUEST,
            "there are `name`",
        ),
        (
            "/api/pilothouse/slos/report?month=November",
            StatusCode::BAD_REQUEST,
            "it is written as in `2026-11`",
        ),
        (
            "/api/pilothouse/slos/report?format=pdf",
            StatusCode::BAD_REQUEST,
            "there are json, markdown, html",
        ),
    ] {
        let got = given.get(path).await;
        assert_eq!(
            (got.status, got.json()["hint"].as_str()),
            (status, Some(hint)),
            "{path}"
        );
    }
    let empty = with(|sources| sources.numbers = None);
    assert_eq!(
        empty.get("/api/pilothouse/slos").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
