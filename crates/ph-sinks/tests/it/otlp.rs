//! OTLP, read back by the generated messages.

use crate::memory::Memory;
use crate::receiver::{Receiver, until};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric;
use ph_otlp::{Protocol, Settings};
use ph_record::{Reading, SampleSource, catalogue};
use ph_sinks::{
    Feed, Handle, MetricsPush, MetricsSettings, OtlpSettings, Signal, Sink, SinkSettings, Target,
    WhenFull,
};
use prost::Message;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn start(url: &str, signal: Signal, feed: &Arc<Memory>, dir: &Path) -> Handle {
    let settings = SinkSettings {
        name: "collector".to_owned(),
        target: Target::Otlp(Box::new(OtlpSettings {
            collector: Settings::at("sinks", url, Protocol::HttpProtobuf).unwrap(),
            signal,
            service: "pilothouse".to_owned(),
            version: "0.1".to_owned(),
        })),
        when_full: WhenFull::Block,
        lag_bytes_max: 1 << 30,
        batch_entries_max: 50,
        batch_bytes_max: 1 << 20,
        batch_delay: Duration::from_millis(50),
        kinds: Vec::new(),
    };
    let feed: Arc<dyn Feed> = Arc::<Memory>::clone(feed);
    Sink::start(
        settings,
        feed,
        dir,
        Arc::new(|_| {}),
        &tokio::runtime::Handle::current(),
    )
    .unwrap()
}

const ALL: Signal = Signal::Traces {
    ratio: 1.0,
    slow: Duration::from_secs(1),
};

#[tokio::test]
async fn log_records_arrive_across_a_failure() {
    let receiver = Receiver::start(|_| StatusCode::OK.into_response()).await;
    receiver.once(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
    let (feed, dir) = (Arc::new(Memory::default()), tempfile::tempdir().unwrap());
    feed.add(120);
    let sink = start(&receiver.url(), Signal::Logs, &feed, dir.path());
    until("all records", || sink.counts().totals().delivered == 120).await;
    let requests = receiver.requests();
    let bodies: Vec<String> = requests[1..]
        .iter()
        .inspect(|request| assert_eq!(request.path, "/v1/logs"))
        .flat_map(|request| {
            ExportLogsServiceRequest::decode(&request.body[..])
                .unwrap()
                .resource_logs
        })
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .map(|record| {
            assert_eq!(
                (
                    record.severity_number,
                    record.trace_id.len(),
                    record.span_id.len()
                ),
                (9, 16, 8)
            );
            assert!(record.attributes.iter().any(|a| a.key == "tool"));
            let Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(text)) =
                record.body.unwrap().value
            else {
                panic!("a body is text")
            };
            text
        })
        .collect();
    assert_eq!(bodies, (0..120).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_arrive_as_two_spans_each() {
    let receiver = Receiver::start(|_| StatusCode::OK.into_response()).await;
    let (feed, dir) = (Arc::new(Memory::default()), tempfile::tempdir().unwrap());
    feed.add(10);
    let sink = start(&receiver.url(), ALL, &feed, dir.path());
    until("all spans", || sink.counts().totals().delivered == 10).await;
    let request = &receiver.requests()[0];
    assert_eq!(request.path, "/v1/traces");
    let spans: Vec<_> = ExportTraceServiceRequest::decode(&request.body[..])
        .unwrap()
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    assert_eq!(spans.len(), 20);
    for pair in spans.chunks(2) {
        assert_eq!(pair[1].parent_span_id, pair[0].span_id);
        assert_eq!(pair[1].trace_id, pair[0].trace_id);
    }
}

#[tokio::test]
async fn what_a_collector_refuses_in_part_is_counted() {
    let answer = ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: 4,
            error_message: "too old".to_owned(),
        }),
    };
    let receiver = Receiver::start(move |_| answer.encode_to_vec().into_response()).await;
    let (feed, dir) = (Arc::new(Memory::default()), tempfile::tempdir().unwrap());
    feed.add(10);
    let sink = start(&receiver.url(), Signal::Logs, &feed, dir.path());
    until("the books", || sink.counts().totals().delivered == 6).await;
    let totals = sink.counts().totals();
    assert_eq!(
        (totals.rejected, totals.failure.as_deref()),
        (4, Some("too old"))
    );
}

#[tokio::test]
async fn a_sink_that_has_nothing_to_carry_moves_on_without_a_request() {
    let receiver = Receiver::start(|_| StatusCode::OK.into_response()).await;
    let (feed, dir) = (Arc::new(Memory::default()), tempfile::tempdir().unwrap());
    feed.add(10);
    let none = Signal::Traces {
        ratio: 0.0,
        slow: Duration::from_secs(1),
    };
    let sink = start(&receiver.url(), none, &feed, dir.path());
    until("the end", || feed.held("collector") == Some(10)).await;
    assert_eq!(receiver.requests().len(), 0);
    assert_eq!(sink.counts().totals().delivered, 0);
}

struct Registry;

impl SampleSource for Registry {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        for server in ["a", "b"] {
            out(
                &catalogue::ACTIVE_CONNECTIONS,
                &[server],
                Reading::Value(2.0),
            );
        }
        let buckets = vec![1; catalogue::RESPONSE_SECONDS.buckets.len() + 1];
        let histogram = Reading::Histogram {
            buckets: &buckets,
            sum: 3.5,
        };
        out(
            &catalogue::RESPONSE_SECONDS,
            &["a", "tools/call", "echo"],
            histogram,
        );
    }
}

#[tokio::test]
async fn metrics_arrive_after_a_failure_too() {
    let receiver = Receiver::start(|_| StatusCode::OK.into_response()).await;
    receiver.once(|_| StatusCode::BAD_GATEWAY.into_response());
    let settings = MetricsSettings {
        name: "collector".to_owned(),
        collector: Settings::at("sinks", &receiver.url(), Protocol::HttpProtobuf).unwrap(),
        service: "pilothouse".to_owned(),
        version: "0.1".to_owned(),
        interval: Duration::from_millis(50),
        start_unix_ns: 5,
    };
    let runtime = tokio::runtime::Handle::current();
    let push =
        MetricsPush::start(settings, Arc::new(Registry), Arc::new(|_| {}), &runtime).unwrap();
    until("an export", || push.totals().delivered > 0).await;
    assert_eq!(push.totals().retries, 1);
    let request = receiver.requests()[1].clone();
    assert_eq!(request.path, "/v1/metrics");
    let read = ExportMetricsServiceRequest::decode(&request.body[..]).unwrap();
    let metrics = &read.resource_metrics[0].scope_metrics[0].metrics;
    let names: Vec<_> = metrics
        .iter()
        .map(|m| (m.name.as_str(), m.unit.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("mcp_active_connections", ""),
            ("mcp_response_duration_seconds", "s")
        ]
    );
    let Some(metric::Data::Gauge(gauge)) = &metrics[0].data else {
        panic!("{metrics:?}")
    };
    assert_eq!(gauge.data_points.len(), 2);
    push.stop(Duration::from_secs(5)).await;
}
