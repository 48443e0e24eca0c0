//! Log records and data points are what the generated messages say.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use ph_base::trace::{SpanId, TraceId};
use ph_otlp::encode::Source;
use ph_otlp::logs::{self, LogRecord, Severity};
use ph_otlp::metrics::{self, Kind, Metric, Point, Value};
use prost::Message;

fn source() -> Source {
    Source::new("svc", "0.1", &[], "scope")
}

#[test]
fn log_records_are_read_back() {
    let mut batch = logs::Batch::default();
    let record = LogRecord {
        unix_ns: 7,
        severity: Severity::Warn,
        body: String::new(),
        attributes: vec![("k".into(), 5_i64.into())],
        trace_id: Some(TraceId([1; 16])),
        span_id: None,
    };
    batch.push(&record);
    batch.push(&LogRecord {
        body: "b".to_owned(),
        span_id: Some(SpanId([2; 8])),
        ..record
    });
    let read = ExportLogsServiceRequest::decode(&batch.finish(&source())[..]).unwrap();
    let resource = &read.resource_logs[0];
    assert_eq!(
        resource.resource.as_ref().unwrap().attributes[0].key,
        "service.name"
    );
    let scope = &resource.scope_logs[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "scope");
    let [first, second] = &scope.log_records[..] else {
        panic!("{scope:?}")
    };
    let text = |text: &str| {
        Some(AnyValue {
            value: Some(any_value::Value::StringValue(text.to_owned())),
        })
    };
    assert_eq!(
        (first.time_unix_nano, first.observed_time_unix_nano),
        (7, 7)
    );
    assert_eq!(
        (first.severity_number, first.severity_text.as_str()),
        (13, "WARN")
    );
    assert_eq!((&first.body, &second.body), (&text(""), &text("b")));
    assert_eq!(first.attributes[0].key, "k");
    assert_eq!(
        (
            first.trace_id.len(),
            first.span_id.len(),
            second.span_id.len()
        ),
        (16, 0, 8)
    );
}

fn metric(name: &'static str, kind: Kind, value: Value) -> Metric<'static> {
    Metric {
        name,
        help: "what it says",
        unit: "s",
        kind,
        start_unix_ns: 5,
        unix_ns: 9,
        points: vec![Point {
            attributes: vec![("server".into(), "a".into())],
            value,
        }],
    }
}

#[test]
fn data_points_are_read_back() {
    let mut batch = metrics::Batch::default();
    batch.push(&metric("up", Kind::Gauge, Value::Number(0.0)));
    batch.push(&metric("calls", Kind::Counter, Value::Number(3.0)));
    let histogram = Value::Histogram {
        bounds: vec![0.1, 1.0],
        counts: vec![2, 0, 1],
        sum: 4.5,
    };
    batch.push(&metric("seconds", Kind::Histogram, histogram));
    // A value that is not of its kind is no point.
    batch.push(&metric("odd", Kind::Histogram, Value::Number(1.0)));
    assert_eq!(batch.points(), 3);
    let read = ExportMetricsServiceRequest::decode(&batch.finish(&source())[..]).unwrap();
    let read = &read.resource_metrics[0].scope_metrics[0].metrics;
    let data: Vec<_> = read.iter().map(|m| m.data.as_ref().unwrap()).collect();
    assert_eq!(
        (read[1].name.as_str(), read[1].unit.as_str()),
        ("calls", "s")
    );
    let metric::Data::Gauge(gauge) = data[0] else {
        panic!("{data:?}")
    };
    let point = &gauge.data_points[0];
    assert_eq!((point.time_unix_nano, point.start_time_unix_nano), (9, 0));
    assert_eq!(point.value, Some(number_data_point::Value::AsDouble(0.0)));
    let metric::Data::Sum(sum) = data[1] else {
        panic!("{data:?}")
    };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (2, true));
    assert_eq!(sum.data_points[0].start_time_unix_nano, 5);
    assert_eq!(sum.data_points[0].attributes[0].key, "server");
    let metric::Data::Histogram(histogram) = data[2] else {
        panic!("{data:?}")
    };
    let point = &histogram.data_points[0];
    assert_eq!(histogram.aggregation_temporality, 2);
    assert_eq!((point.count, point.sum), (3, Some(4.5)));
    assert_eq!(
        (&point.bucket_counts[..], &point.explicit_bounds[..]),
        (&[2, 0, 1][..], &[0.1, 1.0][..])
    );
}
