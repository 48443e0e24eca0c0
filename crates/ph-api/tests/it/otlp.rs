//! OTLP/HTTP in, encoded as the official SDKs encode it.

use crate::given::{Given, Got, given, request, with};
use axum::body::Body;
use axum::http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use ph_api::IngestedKind;
use ph_record::{Reading, SampleSource};
use prost::Message;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

/// 2026-11-22T18:00:00Z
const START: u64 = 1_795_370_400_000_000_000;

fn text(text: &str) -> AnyValue {
    any(Any::StringValue(text.into()))
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            pair("service.name", text("files")),
            pair("host.name", text("pier")),
        ],
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "files.tracing".into(),
        ..InstrumentationScope::default()
    })
}

fn a_span() -> Span {
    Span {
        trace_id: vec![0x4b; 16],
        span_id: vec![1; 8],
        parent_span_id: vec![2; 8],
        name: "fs.stat".into(),
        kind: 3,
        start_time_unix_nano: START,
        end_time_unix_nano: START + 2_500_000,
        attributes: vec![pair("path", text("/harbour"))],
        status: Some(Status {
            message: "no such file".into(),
            code: 2,
        }),
        ..Span::default()
    }
}

fn traces(spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: vec![ScopeSpans {
                scope: scope(),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

async fn send(given: &Given, path: &str, kind: &str, encoding: Option<&str>, body: Vec<u8>) -> Got {
    let mut request = request("POST", path).header("content-type", kind);
    if let Some(encoding) = encoding {
        request = request.header("content-encoding", encoding);
    }
    given.send(request.body(Body::from(body)).unwrap()).await
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

fn lines(given: &Given) -> Vec<Value> {
    let entries = given.intake.entries.lock().unwrap();
    entries
        .iter()
        .map(|entry| serde_json::from_slice(&entry.json).unwrap())
        .collect()
}

#[tokio::test]
async fn a_span_becomes_one_line() {
    let given = given();
    let mut span = a_span();
    span.events = vec![span::Event {
        time_unix_nano: START + 1_000_000,
        name: "exception".into(),
        attributes: vec![pair("exception.type", text("ENOENT"))],
        ..span::Event::default()
    }];
    span.links = vec![span::Link {
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        ..span::Link::default()
    }];
    let got = send(
        &given,
        "/v1/traces",
        PROTOBUF,
        None,
        traces(vec![span]).encode_to_vec(),
    )
    .await;
    assert_eq!((got.status, got.body.len()), (StatusCode::OK, 0));
    assert_eq!(got.headers["content-type"], PROTOBUF);
    assert_eq!(
        lines(&given),
        [json!({
            "timestamp": "2026-11-22T18:00:00.002500000Z", "level": "error", "kind": "span", "message": "fs.stat",
            "trace_id": "4b".repeat(16), "span_id": "01".repeat(8), "parent_span_id": "02".repeat(8),
            "service": "files", "name": "fs.stat", "span_kind": "client",
            "start": "2026-11-22T18:00:00.000000000Z", "duration": 2.5, "outcome": "error",
            "error": "no such file", "scope": "files.tracing", "attributes": {"path": "/harbour"},
            "resource": {"host.name": "pier"},
            "events": [{"name": "exception", "at_ms": 1.0, "attributes": {"exception.type": "ENOENT"}}],
            "links": [{"trace_id": "07".repeat(16), "span_id": "08".repeat(8)}]
        })]
    );
    let entries = given.intake.entries.lock().unwrap();
    let entry = &entries[0];
    assert_eq!(
        (entry.kind, entry.level, entry.outcome),
        (IngestedKind::Span, "error", "error")
    );
    assert_eq!(
        (entry.time_unix_ns, entry.duration_ns),
        (START + 2_500_000, Some(2_500_000))
    );
    assert_eq!(
        (entry.service.as_str(), entry.trace_id.unwrap().0),
        ("files", [0x4b; 16])
    );
}

#[tokio::test]
async fn both_encodings_and_gzip_give_the_same_lines() {
    let given = given();
    let request = traces(vec![a_span()]);
    let json = serde_json::json!({ "resourceSpans": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "files" } },
            { "key": "host.name", "value": { "stringValue": "pier" } }
        ]},
        "scopeSpans": [{
            "scope": { "name": "files.tracing" },
            "spans": [{
                "traceId": "4B".repeat(16), "spanId": "01".repeat(8), "parentSpanId": "02".repeat(8),
                "name": "fs.stat", "kind": 3, "flags": 257, "unknown": [],
                "startTimeUnixNano": START.to_string(), "endTimeUnixNano": START + 2_500_000,
                "attributes": [{ "key": "path", "value": { "stringValue": "/harbour" } }],
                "status": { "code": 2, "message": "no such file" }
            }]
        }]
    }]});
    let packed = |bytes: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let json = json.to_string().into_bytes();
    for (kind, encoding, body) in [
        (PROTOBUF, None, request.encode_to_vec()),
        (PROTOBUF, Some("gzip"), packed(&request.encode_to_vec())),
        (JSON, None, json.clone()),
        (
            "application/json; charset=utf-8",
            Some("gzip"),
            packed(&json),
        ),
    ] {
        let got = send(&given, "/v1/traces", kind, encoding, body).await;
        assert_eq!(got.status, StatusCode::OK, "{kind} {encoding:?}: {got:?}");
    }
    let lines = lines(&given);
    assert_eq!(lines.len(), 4);
    for line in &lines[1..] {
        assert_eq!(*line, lines[0]);
    }
}

/// The JSON that the official messages write of themselves is read as their protobuf is.
#[tokio::test]
async fn every_kind_of_value_is_kept() {
    let given = given();
    let nested = any(Any::KvlistValue(KeyValueList {
        values: vec![pair(
            "deep",
            any(Any::ArrayValue(ArrayValue {
                values: vec![
                    any(Any::IntValue(-3)),
                    any(Any::BoolValue(true)),
                    AnyValue { value: None },
                ],
            })),
        )],
    }));
    let mut span = a_span();
    span.attributes = vec![
        pair("double", any(Any::DoubleValue(0.5))),
        pair("nan", any(Any::DoubleValue(f64::NAN))),
        pair("bytes", any(Any::BytesValue(vec![1, 2, 3]))),
        pair("nested", nested),
    ];
    send(
        &given,
        "/v1/traces",
        PROTOBUF,
        None,
        traces(vec![span]).encode_to_vec(),
    )
    .await;
    assert_eq!(
        lines(&given)[0]["attributes"],
        json!({"double": 0.5, "nan": "NaN", "bytes": "AQID", "nested": {"deep": [-3, true, null]}})
    );
    let json = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{
        "timeUnixNano": START.to_string(), "observedTimeUnixNano": null, "severityText": null,
        "attributes": null, "traceId": null, "body": { "kvlistValue": { "values": [
            { "key": "n", "value": { "intValue": "-3" } },
            { "key": "none", "value": null },
            { "key": "d", "value": { "doubleValue": "Infinity" } },
            { "key": "b", "value": { "bytesValue": "AQID" } },
            { "key": "l", "value": { "arrayValue": { "values": [{ "boolValue": false }, {}] } } }
        ]}}
    }]}]}]});
    let got = send(
        &given,
        "/v1/logs",
        JSON,
        None,
        json.to_string().into_bytes(),
    )
    .await;
    assert_eq!(got.json(), json!({}));
    assert_eq!(
        lines(&given)[1]["message"],
        r#"{"b":"AQID","d":"inf","l":[false,null],"n":-3,"none":null}"#
    );
}

#[tokio::test]
async fn a_log_record_becomes_one_line() {
    let given = given();
    let record = LogRecord {
        time_unix_nano: 0,
        observed_time_unix_nano: START,
        severity_number: 13,
        severity_text: "WARNING".into(),
        body: Some(text("disk nearly full, token=abcdef123")),
        attributes: vec![pair("code.function", text("check"))],
        trace_id: vec![0x4b; 16],
        span_id: vec![1; 8],
        ..LogRecord::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs {
                scope: scope(),
                log_records: vec![record, LogRecord::default()],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let got = send(&given, "/v1/logs", PROTOBUF, None, request.encode_to_vec()).await;
    let answer = ExportLogsServiceResponse::decode(&got.body[..]).unwrap();
    assert_eq!(answer.partial_success, None);
    let lines = lines(&given);
    assert_eq!(
        lines[0],
        json!({
            "timestamp": "2026-11-22T18:00:00.000000000Z", "level": "warn", "kind": "log",
            "message": "disk nearly full, token=[redacted:key]", "trace_id": "4b".repeat(16), "span_id": "01".repeat(8),
            "service": "files", "severity": "WARNING", "scope": "files.tracing",
            "attributes": {"code.function": "check"}, "resource": {"host.name": "pier"}
        })
    );
    assert_eq!(
        (&lines[1]["message"], &lines[1]["level"]),
        (&json!(""), &json!("info"))
    );
}

#[tokio::test]
async fn secrets_and_excess_stay_out() {
    let given = given();
    let mut span = a_span();
    span.name = "n".repeat(1000);
    span.attributes = vec![
        pair("http.request.header.authorization", text("opaque")),
        pair("db.password", any(Any::IntValue(1234))),
        pair("url", text("postgres://joe:hunter2@db/x")),
        pair("long", text(&"é".repeat(5000))),
    ];
    span.attributes
        .extend((0..100).map(|i| pair(&format!("k{i:03}"), text("v"))));
    send(
        &given,
        "/v1/traces",
        PROTOBUF,
        None,
        traces(vec![span]).encode_to_vec(),
    )
    .await;
    let line = &lines(&given)[0];
    let attributes = &line["attributes"];
    assert_eq!(
        attributes["http.request.header.authorization"],
        "[redacted:key]"
    );
    assert_eq!(attributes["db.password"], "[redacted:key]");
    assert_eq!(
        attributes["url"],
        "postgres://[redacted:url_credentials]@db/x"
    );
    assert_eq!(attributes["long"].as_str().unwrap().chars().count(), 1025);
    assert_eq!(line["name"].as_str().unwrap().chars().count(), 201);
    assert_eq!(line["attributes_dropped"], 104 - 64);
    let mut big = a_span();
    big.attributes = (0..60)
        .map(|i| pair(&format!("k{i}"), text(&"x".repeat(1000))))
        .collect();
    send(
        &given,
        "/v1/traces",
        PROTOBUF,
        None,
        traces(vec![big]).encode_to_vec(),
    )
    .await;
    let line = given.intake.entries.lock().unwrap()[1].json.clone();
    assert!(line.len() < 10_000, "{}", line.len());
}

#[tokio::test]
async fn what_cannot_be_kept_is_told() {
    let given = given();
    let mut no_id = a_span();
    no_id.span_id = vec![0; 8];
    let mut of_tomorrow = a_span();
    of_tomorrow.end_time_unix_nano = u64::MAX;
    let request = traces(vec![a_span(), no_id.clone(), of_tomorrow]);
    let got = send(
        &given,
        "/v1/traces",
        PROTOBUF,
        None,
        request.encode_to_vec(),
    )
    .await;
    assert_eq!(got.status, StatusCode::OK);
    let answer = ExportTraceServiceResponse::decode(&got.body[..]).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 2);
    assert!(partial.error_message.contains("trace id"), "{partial:?}");
    assert_eq!(lines(&given).len(), 1);

    given.intake.room.store(1, Relaxed);
    let two = traces(vec![a_span(), a_span()]).encode_to_vec();
    let got = send(&given, "/v1/traces", PROTOBUF, None, two.clone()).await;
    let answer = ExportTraceServiceResponse::decode(&got.body[..]).unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);
    // Nothing was kept: the sender may try again.
    let got = send(&given, "/v1/traces", PROTOBUF, None, two).await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.headers["retry-after"], "1");

    let mut counts = Vec::new();
    given.spans.samples(&mut |metric, labels, reading| {
        if let Reading::Value(value) = reading {
            counts.push((metric.name, labels.join(" "), value));
        }
    });
    assert_eq!(
        counts,
        [
            (
                "traces_spanmetrics_calls_total",
                "files fs.stat SPAN_KIND_CLIENT STATUS_CODE_ERROR".into(),
                5.0
            ),
            ("pilothouse_ingested_total", "traces kept".into(), 2.0),
            ("pilothouse_ingested_total", "traces invalid".into(), 2.0),
            ("pilothouse_ingested_total", "traces dropped".into(), 3.0),
        ]
    );
}

#[tokio::test]
async fn requests_that_are_none_are_refused_in_their_encoding() {
    let given = given();
    let good = traces(vec![a_span()]).encode_to_vec();
    let bomb = {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![0; 17 * 1024 * 1024]).unwrap();
        packer.finish().unwrap()
    };
    for (kind, encoding, body, want) in [
        (PROTOBUF, None, vec![0x0a, 0xff], 400),
        (JSON, None, b"{\"resourceSpans\":1}".to_vec(), 400),
        (JSON, None, b"".to_vec(), 400),
        ("text/plain", None, good.clone(), 415),
        (PROTOBUF, Some("br"), good.clone(), 415),
        (PROTOBUF, Some("gzip"), good.clone(), 400),
        (PROTOBUF, Some("gzip"), bomb, 413),
        (PROTOBUF, None, vec![0; 4 * 1024 * 1024 + 1], 413),
    ] {
        let got = send(&given, "/v1/traces", kind, encoding, body).await;
        assert_eq!(got.status.as_u16(), want, "{kind} {encoding:?}");
        if kind == PROTOBUF {
            assert_eq!(got.headers["content-type"], PROTOBUF);
            // google.rpc.Status: the code, then the message.
            assert_eq!((got.body[0], got.body[2]), (0x08, 0x12));
        } else {
            assert!(got.json()["message"].is_string());
        }
    }
    let got = send(&given, "/v1/metrics", JSON, None, b"{}".to_vec()).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    assert!(got.json()["message"].as_str().unwrap().contains("scrape"));
    let without = with(|sources| sources.intake = None);
    let got = send(&without, "/v1/traces", PROTOBUF, None, good).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
}
