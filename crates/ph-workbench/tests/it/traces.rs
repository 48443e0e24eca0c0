//! Spans join the caller's trace and arrive at a collector.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use ph_otlp::{Protocol, Settings};
use ph_workbench::Options;
use rmcp::model::RequestMetaObject;
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};

use crate::collector::Collector;
use crate::fixture::{Carrier, ERAS, Era, Fixture, result};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const META_SPAN: &str = "00f067aa0ba902b7";
const HEADER_SPAN: &str = "b7ad6b7169203331";

fn traceparent(span: &str, flags: &str) -> String {
    format!("00-{TRACE}-{span}-{flags}")
}

/// Makes one call and gives the spans of tools/call and below.
async fn spans(
    carrier: Carrier,
    era: Era,
    call: (&'static str, Value),
    meta: Option<&str>,
    header: Option<&str>,
) -> Traced {
    let collector = Collector::start([]).await;
    let mut fixture = Fixture::new();
    let otlp = Settings::at("endpoint", &collector.url(), Protocol::HttpProtobuf).unwrap();
    let options = Options {
        otlp: Some(otlp),
        ..fixture.options()
    };
    let headers: Vec<_> = header.iter().map(|value| ("traceparent", *value)).collect();
    let client = fixture.connect_with(carrier, era, options, &headers).await;
    let mut request = RequestMetaObject::new();
    if let Some(meta) = meta {
        request.set_traceparent(meta);
        request.set_tracestate("vendor=1");
    }
    let mut with_meta = PeerRequestOptions::no_options();
    with_meta.meta = Some(request);
    let handle = client.begin(call.0, call.1, with_meta).await;
    result(handle).await.unwrap();
    fixture.finish(client).await;
    let spans = collector.spans();
    let server = spans
        .iter()
        .find(|span| span.name.starts_with("tools/call"))
        .cloned();
    let steps = server.iter().flat_map(|server| {
        spans
            .iter()
            .filter(|span| span.parent_span_id == server.span_id)
    });
    Traced {
        steps: steps.cloned().collect(),
        server,
        access: fixture.access.all(),
        resource: format!(
            "{:?}",
            collector
                .seen()
                .first()
                .map(|seen| seen.body.resource_spans[0].resource.clone())
        ),
    }
}

struct Traced {
    server: Option<Span>,
    steps: Vec<Span>,
    access: Vec<String>,
    resource: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|it| it.key == key);
    format!(
        "{:?}",
        found
            .unwrap_or_else(|| panic!("no `{key}` in {span:?}"))
            .value
    )
}

fn names(steps: &[Span]) -> Vec<&str> {
    let mut names: Vec<_> = steps.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_search_is_a_tree_below_the_caller() {
    for (carrier, era) in [Carrier::Memory, Carrier::Http]
        .into_iter()
        .flat_map(|c| ERAS.map(|era| (c, era)))
    {
        let meta = traceparent(META_SPAN, "01");
        let call = ("searchFiles", json!({ "pattern": "*.md" }));
        let traced = spans(carrier, era, call, Some(&meta), None).await;
        let server = traced.server.unwrap();
        assert_eq!(
            (server.name.as_str(), server.kind),
            ("tools/call searchFiles", SpanKind::Server as i32)
        );
        assert_eq!(
            (
                hex(&server.trace_id).as_str(),
                hex(&server.parent_span_id).as_str()
            ),
            (TRACE, META_SPAN)
        );
        assert_eq!(
            (server.trace_state.as_str(), server.flags),
            ("vendor=1", 0x301)
        );
        assert!(attribute(&server, "gen_ai.tool.name").contains("searchFiles"));
        assert!(
            traced.resource.contains("pilothouse-workbench"),
            "{}",
            traced.resource
        );
        // The root, docs and docs/deep are read; two files match and are stated in one span.
        let want = [
            "filter.match",
            "fs.readdir",
            "fs.readdir",
            "fs.readdir",
            "fs.stat",
        ];
        assert_eq!(names(&traced.steps), want, "{carrier:?} {era:?}");
        let count = |name: &str| {
            attribute(
                traced.steps.iter().find(|span| span.name == name).unwrap(),
                "count",
            )
        };
        assert!(
            count("fs.stat").contains("IntValue(2)")
                && count("filter.match").contains("IntValue(4)")
        );
        for step in &traced.steps {
            assert_eq!(hex(&step.trace_id), TRACE);
            assert!(
                step.start_time_unix_nano >= server.start_time_unix_nano,
                "{step:?}"
            );
            assert!(
                step.end_time_unix_nano <= server.end_time_unix_nano,
                "{step:?}"
            );
        }
        let line = traced
            .access
            .iter()
            .find(|line| line.contains("searchFiles"))
            .unwrap();
        assert!(line.ends_with(&format!("trace_id={TRACE}")), "{line}");
    }
}

#[tokio::test]
async fn many_directories_share_a_span() {
    let collector = Collector::start([]).await;
    let mut fixture = Fixture::new();
    for number in 0..40 {
        std::fs::create_dir(fixture.files.path().join(format!("more{number}"))).unwrap();
    }
    let otlp = Settings::at("endpoint", &collector.url(), Protocol::Grpc).unwrap();
    let options = Options {
        otlp: Some(otlp),
        ..fixture.options()
    };
    let client = fixture
        .connect_with(Carrier::Memory, Era::Modern, options, &[])
        .await;
    client.call("searchFiles", json!({ "pattern": "*" })).await;
    fixture.finish(client).await;
    let spans = collector.spans();
    let directories: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "fs.readdir")
        .collect();
    // 16 alone, and one for the other 27 of 43.
    assert_eq!(directories.len(), 17);
    let shared = directories
        .iter()
        .filter(|span| span.attributes.iter().any(|it| it.key == "count"))
        .collect::<Vec<_>>();
    assert!(
        attribute(shared[0], "count").contains("IntValue(27)"),
        "{:?}",
        shared[0]
    );
}

#[tokio::test]
async fn the_header_is_the_parent_when_the_message_has_none() {
    let header = traceparent(HEADER_SPAN, "01");
    for era in ERAS {
        let call = ("query", json!({ "sql": "SELECT 1" }));
        let traced = spans(Carrier::Http, era, call, None, Some(&header)).await;
        let server = traced.server.unwrap();
        assert_eq!(hex(&server.parent_span_id), HEADER_SPAN);
        assert!(server.links.is_empty());
        assert_eq!(names(&traced.steps), ["db.query"]);
        assert!(attribute(&traced.steps[0], "db.response.returned_rows").contains("IntValue(1)"));
    }
}

#[tokio::test]
async fn the_header_is_a_link_when_the_message_has_a_parent() {
    let (meta, header) = (traceparent(META_SPAN, "01"), traceparent(HEADER_SPAN, "01"));
    let traced = spans(
        Carrier::Http,
        Era::Modern,
        ("echo", json!({ "text": "a" })),
        Some(&meta),
        Some(&header),
    )
    .await;
    let server = traced.server.unwrap();
    assert_eq!(hex(&server.parent_span_id), META_SPAN);
    assert_eq!(
        server
            .links
            .iter()
            .map(|link| hex(&link.span_id))
            .collect::<Vec<_>>(),
        [HEADER_SPAN]
    );
    assert!(traced.steps.is_empty());
}

#[tokio::test]
async fn a_call_without_context_begins_a_trace() {
    let traced = spans(
        Carrier::Memory,
        Era::Legacy,
        ("readFile", json!({ "path": "readme.md" })),
        None,
        None,
    )
    .await;
    let server = traced.server.unwrap();
    assert_eq!(
        (
            server.parent_span_id.len(),
            server.trace_id.len(),
            server.flags
        ),
        (0, 16, 0x101)
    );
    assert_eq!(names(&traced.steps), ["fs.read", "fs.stat"]);
}

#[tokio::test]
async fn a_caller_that_does_not_record_is_not_recorded() {
    let meta = traceparent(META_SPAN, "00");
    let traced = spans(
        Carrier::Memory,
        Era::Modern,
        ("echo", json!({ "text": "a" })),
        Some(&meta),
        None,
    )
    .await;
    assert!(traced.server.is_none());
    assert!(
        traced
            .access
            .iter()
            .any(|line| line.contains("echo") && line.contains(TRACE)),
        "{:#?}",
        traced.access
    );
}

#[tokio::test]
async fn failures_are_marked() {
    let call = ("httpGet", json!({ "url": "http://127.0.0.1:1/" }));
    let traced = spans(Carrier::Memory, Era::Modern, call, None, None).await;
    let server = traced.server.unwrap();
    assert!(attribute(&server, "error.type").contains("tool_error"));
    let step = &traced.steps[0];
    assert_eq!(
        (step.name.as_str(), step.kind),
        ("http.request", SpanKind::Client as i32)
    );
    for span in [&server, step] {
        assert_eq!(span.status.as_ref().unwrap().code, StatusCode::Error as i32);
        assert!(
            span.status
                .as_ref()
                .unwrap()
                .message
                .contains("cannot be reached")
        );
    }
    assert_eq!(step.events[0].name, "exception");
}
