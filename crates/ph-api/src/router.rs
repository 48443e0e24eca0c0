//! The table of endpoints and the router that is made of it.

use crate::admission::{Needs, pass};
use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::guard::guard;
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::{Inner, Shared, Sources};
use crate::{alertmanager, console, openapi, otlp, own, prometheus, runbooks};
use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, Uri};
use std::sync::Arc;

/// The admin listener's service: the API, and `beside` it what the assembly serves (`/metrics`,
/// `/livez`, `/readyz`). All of it is behind the check of `Host` and `Origin`.
pub fn router(sources: Sources, beside: Router) -> Router {
    let shared = Inner::new(sources);
    let endpoints = endpoints();
    let document = openapi::document(&endpoints, &shared.sources.version);
    let document = Arc::<str>::from(document.to_string());
    let mut api: Router<Shared> = Router::new();
    for endpoint in endpoints {
        let needs = Needs::of(&endpoint, &shared);
        let route = endpoint.route.layer(from_fn_with_state(needs, pass));
        api = api.route(endpoint.path, route);
    }
    api.route(
        OPENAPI_PATH,
        get(move || async move { reply::json(StatusCode::OK, document.to_string()) }),
    )
    .method_not_allowed_fallback(method_not_allowed)
    .fallback(no_such_path)
    .with_state(Arc::clone(&shared))
    .layer(from_fn_with_state(Arc::clone(&shared), prometheus::forward))
    .merge(beside)
    .layer(from_fn_with_state(shared, guard))
}

/// Where the document is that lists all others.
const OPENAPI_PATH: &str = "/api/pilothouse/openapi.json";

/// Everything that is served, itself and `beside` left out.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let mut all = vec![Endpoint {
        path: "/",
        methods: Methods::Get,
        summary: "The console, for a browser; else what there is to ask for here.",
        params: &[],
        answer: Answer::Other("text/plain"),
        route: get(index),
    }];
    all.push(Endpoint {
        path: "/graph",
        methods: Methods::Get,
        summary: "Where alerts link to: leads to the value of their expression.",
        params: const { &[Param::of("g0.expr", Kind::Text, "PromQL.")] },
        answer: Answer::Prometheus,
        route: get(graph),
    });
    all.extend(of_prometheus());
    all.extend(alertmanager::endpoints());
    all.extend(of_otlp());
    all.extend(own::endpoints());
    all.extend(runbooks::endpoints());
    all.extend(console::endpoints());
    all
}

async fn index(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if console::is_wanted(&headers) {
        return console::page(headers).await;
    }
    let text = format!(
        "Pilothouse {}, admin API\n\n\
         /metrics                       numbers of now, for Prometheus\n\
         /api/v1/                       Prometheus's HTTP API, over the history kept here\n\
         /api/v2/                       Alertmanager's HTTP API: alerts and silences\n\
         /v1/traces, /v1/logs           OTLP/HTTP in\n\
         /runbooks                      what to do about alerts\n\
         {OPENAPI_PATH}   all of it, described\n",
        shared.sources.version
    );
    reply::typed(StatusCode::OK, "text/plain; charset=utf-8", text)
}

/// Prometheus's page of an expression has this address, and receivers of alerts know it.
async fn graph(headers: HeaderMap, params: Params) -> Response {
    let expression = params.get("g0.expr").unwrap_or_default();
    let query: String = form_urlencoded::byte_serialize(expression.as_bytes()).collect();
    // Relative, so that it leads to a page below whatever prefix a proxy has put in front.
    let page = if console::is_wanted(&headers) {
        "explore"
    } else {
        "/api/v1/query"
    };
    Redirect::to(&format!("{page}?query={query}")).into_response()
}

async fn no_such_path(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::new(StatusCode::NOT_FOUND, format!("there is no `{path}` here"))
        .hint(format!("{OPENAPI_PATH} lists what there is"))
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take that method",
    )
    .hint(format!("{OPENAPI_PATH} says which it takes"))
}

const QUERY: Param = Param::of("query", Kind::RequiredText, "PromQL.");
const TIMEOUT: Param = Param::text(
    "timeout",
    "Longest time it may take: `30s`; at most 2 minutes.",
);
const RESOLUTION: Param = Param::text(
    "max_source_resolution",
    "How far apart samples may be that are read in place of all, as Thanos has it. From `1m` on, rollups of a minute \
     are read where they are good enough, such as for rates over 5 minutes; `0s`, which is all, unless said otherwise.",
);
const LIMIT: Param = Param::text("limit", "Most elements of the answer; 0 for no limit.");
const MATCH: Param = Param::of(
    "match[]",
    Kind::Texts,
    "A selector of series; one of them has to match.",
);
const START: Param = Param::text("start", "First time: Unix seconds or RFC 3339.");
const END: Param = Param::text("end", "Last time: Unix seconds or RFC 3339.");

const RULES: &[Param] = &[
    Param::of(
        "type",
        Kind::OneOf(&["alert", "record"]),
        "Only rules of this kind.",
    ),
    Param::of(
        "rule_name[]",
        Kind::Texts,
        "Only rules of one of these names.",
    ),
    Param::of(
        "rule_group[]",
        Kind::Texts,
        "Only groups of one of these names.",
    ),
    Param::of("file[]", Kind::Texts, "Only groups of one of these files."),
    Param::of(
        "match[]",
        Kind::Texts,
        "Only rules whose labels, as written, match one of these selectors.",
    ),
    Param::text("exclude_alerts", "`true`: rules without their alerts."),
    Param::text(
        "group_limit",
        "Most groups of the answer; the next ones by `group_next_token`.",
    ),
    Param::text(
        "group_next_token",
        "Where the answer before ended: its `groupNextToken`.",
    ),
];

fn of_prometheus() -> Vec<Endpoint> {
    let form = |path, summary, params, route| Endpoint {
        path,
        methods: Methods::GetOrForm,
        summary,
        params,
        answer: Answer::Prometheus,
        route,
    };
    let read = |path, summary, params, route| Endpoint {
        path,
        methods: Methods::Get,
        summary,
        params,
        answer: Answer::Prometheus,
        route,
    };
    use prometheus as p;
    vec![
        form(
            "/api/v1/query",
            "Evaluates PromQL at one time.",
            const {
                &[
                    QUERY,
                    Param::text("time", "When: Unix seconds or RFC 3339; now by default."),
                    TIMEOUT,
                    LIMIT,
                    Param::text("lookback_delta", "How old a sample may be to count: `5m`."),
                    RESOLUTION,
                ]
            },
            get(p::instant).post(p::instant),
        ),
        form(
            "/api/v1/query_range",
            "Evaluates PromQL at many times; at most 11,000 steps.",
            const {
                &[
                    QUERY,
                    START,
                    END,
                    Param::of(
                        "step",
                        Kind::RequiredText,
                        "Seconds, or a duration such as `5m`.",
                    ),
                    TIMEOUT,
                    LIMIT,
                    Param::text("lookback_delta", "How old a sample may be to count: `5m`."),
                    RESOLUTION,
                ]
            },
            get(p::range).post(p::range),
        ),
        form(
            "/api/v1/query_exemplars",
            "Exemplars of the series in a query: traces behind the numbers.",
            &[QUERY, START, END],
            get(p::exemplars).post(p::exemplars),
        ),
        form(
            "/api/v1/format_query",
            "The query, laid out.",
            &[QUERY],
            get(p::format_query).post(p::format_query),
        ),
        form(
            "/api/v1/parse_query",
            "Whether the text is a query, and the type of its value.",
            &[QUERY],
            get(p::parse_query).post(p::parse_query),
        ),
        form(
            "/api/v1/series",
            "The labels of the series that match, of the last 12 hours unless times are given.",
            &[MATCH, START, END, LIMIT],
            get(p::series).post(p::series),
        ),
        form(
            "/api/v1/labels",
            "The names of labels, of the last 12 hours unless times are given.",
            &[MATCH, START, END, LIMIT],
            get(p::labels).post(p::labels),
        ),
        read(
            "/api/v1/label/{name}/values",
            "The values of a label, of the last 12 hours unless times are given.",
            const {
                &[
                    Param::of("name", Kind::InPath, "The label."),
                    MATCH,
                    START,
                    END,
                    LIMIT,
                ]
            },
            get(p::label_values),
        ),
        read(
            "/api/v1/metadata",
            "Type and help of metrics.",
            const {
                &[
                    LIMIT,
                    Param::text("metric", "Only this one."),
                    Param::text(
                        "limit_per_metric",
                        "Most entries of a metric; 0 for no limit.",
                    ),
                ]
            },
            get(p::metadata),
        ),
        read(
            "/api/v1/rules",
            "The groups of rules that are evaluated, with their rules and alerts.",
            RULES,
            get(p::rules),
        ),
        read(
            "/api/v1/alerts",
            "The alerts that are pending or firing.",
            &[],
            get(p::alerts),
        ),
        read(
            "/api/v1/alertmanagers",
            "The Alertmanagers that alerts are sent to.",
            &[],
            get(p::alertmanagers),
        ),
        read(
            "/api/v1/status/buildinfo",
            "The version of Prometheus that this API is like, and our own in `revision`.",
            &[],
            get(p::build_info),
        ),
    ]
}

fn of_otlp() -> Vec<Endpoint> {
    let post = |path, summary, route| Endpoint {
        path,
        methods: Methods::Post,
        summary,
        params: &[],
        answer: Answer::Other("application/x-protobuf"),
        route,
    };
    vec![
        post(
            "/v1/traces",
            "Takes spans: ExportTraceServiceRequest.",
            axum::routing::post(otlp::traces),
        ),
        post(
            "/v1/logs",
            "Takes log records: ExportLogsServiceRequest.",
            axum::routing::post(otlp::logs),
        ),
        post(
            "/v1/metrics",
            "Takes nothing: a 404 that says how metrics come in.",
            axum::routing::post(otlp::metrics),
        ),
    ]
}
