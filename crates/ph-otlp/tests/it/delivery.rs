//! What arrives, over both transports, whatever the collector answers.

use std::time::Duration;

use http::Version;
use ph_otlp::{Counts, Exporter, Protocol, Settings, Tuning};

use crate::collector::{Collector, Reply, Seen};
use crate::samples::{PATIENCE, QUICK, exporter, offer, span, start};

const BOTH: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::Grpc];

#[tokio::test]
async fn spans_arrive_over_http() {
    let collector = Collector::start([]).await;
    let exporter = exporter(&collector, Protocol::HttpProtobuf, QUICK);
    offer(&exporter, 0..3);
    assert!(exporter.flush(PATIENCE).await);
    let seen = collector.seen();
    assert_eq!(seen.len(), 1, "one batch");
    assert_eq!(
        (seen[0].path.as_str(), seen[0].version),
        ("/v1/traces", Version::HTTP_11)
    );
    assert_eq!(seen[0].headers["content-type"], "application/x-protobuf");
    assert_eq!(seen[0].headers["host"], collector.address.to_string());
    check_names(&collector);
}

#[tokio::test]
async fn spans_arrive_over_grpc() {
    let collector = Collector::start([]).await;
    let exporter = exporter(&collector, Protocol::Grpc, QUICK);
    offer(&exporter, 0..3);
    assert!(exporter.flush(PATIENCE).await);
    let seen = collector.seen();
    assert_eq!(
        seen[0].path,
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    );
    assert_eq!(seen[0].version, Version::HTTP_2);
    assert_eq!(
        (&seen[0].headers["content-type"], &seen[0].headers["te"]),
        (
            &"application/grpc".parse().unwrap(),
            &"trailers".parse().unwrap()
        )
    );
    check_names(&collector);
}

#[track_caller]
fn check_names(collector: &Collector) {
    let names: Vec<_> = collector
        .spans()
        .into_iter()
        .map(|span| span.name)
        .collect();
    assert_eq!(names, ["step 0", "step 1", "step 2"]);
    let resource = &collector.seen()[0].body.resource_spans[0].resource;
    let name = &resource.as_ref().unwrap().attributes[0];
    assert_eq!(name.key, "service.name");
    assert!(format!("{:?}", name.value).contains("tests"));
}

#[tokio::test]
async fn settings_of_the_environment_are_used() {
    let collector = Collector::start([]).await;
    let url = format!("{}/exact", collector.url());
    let env = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=k%201"),
        ("OTEL_SERVICE_NAME", "renamed"),
    ];
    let lookup = |name: &str| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let exporter = start(Settings::from_env(lookup).unwrap().unwrap(), QUICK);
    offer(&exporter, 0..1);
    assert!(exporter.flush(PATIENCE).await);
    let seen = collector.seen();
    assert_eq!(seen[0].path, "/exact");
    assert_eq!(seen[0].headers["x-key"], "k 1");
    assert!(format!("{:?}", seen[0].body.resource_spans[0].resource).contains("renamed"));
}

#[tokio::test]
async fn a_batch_goes_after_its_delay_without_being_asked() {
    let collector = Collector::start([]).await;
    let exporter = exporter(
        &collector,
        Protocol::HttpProtobuf,
        Tuning {
            batch_delay: Duration::from_millis(5),
            ..QUICK
        },
    );
    offer(&exporter, 0..2);
    collector.requests(1).await;
    offer(&exporter, 2..3);
    let mut seen = collector.requests(1).await;
    while seen.iter().flat_map(Seen::spans).count() < 3 {
        seen = collector.requests(seen.len() + 1).await;
    }
    assert!(exporter.flush(PATIENCE).await);
}

#[tokio::test]
async fn a_full_batch_goes_at_once_and_none_is_larger() {
    let collector = Collector::start([]).await;
    let exporter = exporter(&collector, Protocol::HttpProtobuf, QUICK);
    offer(&exporter, 0..1_200);
    let seen = collector.requests(2).await;
    assert!(
        seen.iter().all(|it| it.spans().len() == 512),
        "the delay is an hour: only full batches go"
    );
    assert!(exporter.flush(PATIENCE).await);
    let names: Vec<_> = collector
        .spans()
        .into_iter()
        .map(|span| span.start_time_unix_nano - 1_000)
        .collect();
    assert_eq!(names, (0..1_200).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(
        exporter.counts(),
        Counts {
            offered: 1_200,
            exported: 1_200,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn large_spans_are_spread_over_requests() {
    let collector = Collector::start([]).await;
    let exporter = exporter(
        &collector,
        Protocol::Grpc,
        Tuning {
            batch_bytes_max: 10_000,
            ..QUICK
        },
    );
    for number in 0..10 {
        let mut large = span(number);
        large
            .attributes
            .push(("text".into(), "x".repeat(4_000).into()));
        assert!(exporter.offer(&large));
    }
    assert!(exporter.flush(PATIENCE).await);
    let sizes: Vec<_> = collector.seen().iter().map(|it| it.spans().len()).collect();
    assert_eq!(sizes, [3, 3, 3, 1]);
    assert_eq!(exporter.counts().exported, 10);
}

/// Offers two spans to a collector with this script, and then one more that is taken.
async fn check(
    protocol: Protocol,
    script: &[Reply],
    requests: usize,
    exported: u64,
    failure: Option<&str>,
) {
    let collector = Collector::start(script.iter().copied()).await;
    let exporter = exporter(&collector, protocol, QUICK);
    offer(&exporter, 0..2);
    assert!(exporter.flush(PATIENCE).await);
    assert_eq!(collector.seen().len(), requests, "{protocol:?} {script:?}");
    let want = Counts {
        offered: 2,
        exported,
        dropped_export: 2 - exported,
        ..Counts::default()
    };
    assert_eq!(exporter.counts(), want, "{protocol:?} {script:?}");
    let said = exporter.last_failure();
    assert_eq!(
        said.is_some(),
        failure.is_some(),
        "{protocol:?} {script:?} {said:?}"
    );
    assert!(
        said.unwrap_or_default()
            .contains(failure.unwrap_or_default()),
        "{protocol:?} {script:?}"
    );
    works(&exporter).await;
}

async fn works(exporter: &Exporter) {
    let before = exporter.counts().exported;
    offer(exporter, 9..10);
    assert!(exporter.flush(PATIENCE).await);
    assert_eq!(
        (exporter.counts().exported, exporter.last_failure()),
        (before + 1, None)
    );
}

#[tokio::test]
async fn failures_that_pass_are_retried_twice() {
    use Reply::{Grpc, GrpcHeadOnly, Status};
    for protocol in BOTH {
        check(protocol, &[Status(503), Status(429)], 3, 2, None).await;
        check(
            protocol,
            &[Status(502), Status(504), Status(503)],
            3,
            0,
            Some("HTTP 503"),
        )
        .await;
    }
    check(Protocol::Grpc, &[Grpc("14"), GrpcHeadOnly("4")], 3, 2, None).await;
    check(
        Protocol::Grpc,
        &[Grpc("14"); 3],
        3,
        0,
        Some("gRPC status 14: said so"),
    )
    .await;
}

#[tokio::test]
async fn failures_that_stay_are_not_retried() {
    use Reply::{Grpc, GrpcHeadOnly, Status};
    for protocol in BOTH {
        check(protocol, &[Status(400)], 1, 0, Some("HTTP 400")).await;
        check(protocol, &[Status(500)], 1, 0, Some("HTTP 500")).await;
    }
    check(Protocol::Grpc, &[Grpc("3")], 1, 0, Some("gRPC status 3")).await;
    check(
        Protocol::Grpc,
        &[GrpcHeadOnly("12")],
        1,
        0,
        Some("gRPC status 12"),
    )
    .await;
    check(Protocol::Grpc, &[Grpc("8")], 1, 0, Some("gRPC status 8")).await;
}

#[tokio::test]
async fn rejected_spans_are_counted_as_dropped() {
    for protocol in BOTH {
        check(
            protocol,
            &[Reply::Reject(1)],
            1,
            1,
            Some("rejected 1 spans: too old"),
        )
        .await;
        check(
            protocol,
            &[Reply::Reject(99)],
            1,
            0,
            Some("rejected 99 spans"),
        )
        .await;
    }
}

#[tokio::test]
async fn a_closed_connection_is_opened_again() {
    let collector = Collector::start([Reply::AcceptAndClose]).await;
    let exporter = exporter(&collector, Protocol::HttpProtobuf, QUICK);
    offer(&exporter, 0..1);
    assert!(exporter.flush(PATIENCE).await);
    works(&exporter).await;
    assert_eq!(exporter.counts().exported, 2);
}

#[tokio::test]
async fn a_collector_that_does_not_answer_is_left_after_the_timeout() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start([Reply::Hang]).await;
        let url = collector.url();
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "200"),
        ];
        let lookup = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let exporter = start(Settings::from_env(lookup).unwrap().unwrap(), QUICK);
        offer(&exporter, 0..1);
        assert!(exporter.flush(PATIENCE).await);
        assert_eq!(
            (collector.seen().len(), exporter.counts().exported),
            (2, 1),
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn nobody_listening_costs_the_spans_and_says_so() {
    for protocol in BOTH {
        let (gone, listener) = Collector::bind([]).await;
        drop(listener);
        let exporter = exporter(&gone, protocol, QUICK);
        offer(&exporter, 0..2);
        assert!(exporter.flush(PATIENCE).await);
        assert_eq!(
            exporter.counts(),
            Counts {
                offered: 2,
                dropped_export: 2,
                ..Counts::default()
            }
        );
        let said = exporter.last_failure().unwrap();
        assert!(
            said.contains(&gone.address.to_string()) && said.contains("refused"),
            "{said}"
        );
    }
}
