//! Spans and exporters for the tests.

use std::borrow::Cow;
use std::time::Duration;

use ph_base::trace::{SpanId, TraceId};
use ph_otlp::{Exporter, Kind, Protocol, Settings, SourceName, Span, Status, Tuning};
use tokio::runtime::Handle;

use crate::collector::Collector;

pub(crate) const SOURCE: SourceName<'static> = SourceName {
    service: "tests",
    version: "1.2.3",
    scope: "ph-otlp",
};

/// Long enough that only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Retries at once; batches wait for a flush.
pub(crate) const QUICK: Tuning = Tuning {
    queue_spans_max: 10_000,
    batch_spans_max: 512,
    batch_bytes_max: 2 << 20,
    batch_delay: Duration::from_secs(3600),
    retry_delays: [Duration::from_millis(1); 2],
};

pub(crate) fn span(number: u64) -> Span {
    Span {
        trace_id: TraceId([7; 16]),
        span_id: SpanId((number + 1).to_be_bytes()),
        parent: None,
        trace_state: String::new(),
        name: Cow::Owned(format!("step {number}")),
        kind: Kind::Internal,
        start_unix_ns: 1_000 + number,
        end_unix_ns: 2_000 + number,
        attributes: vec![("n".into(), number.cast_signed().into())],
        events: vec![],
        links: vec![],
        status: Status::Unset,
        flags: 0,
    }
}

pub(crate) fn exporter(collector: &Collector, protocol: Protocol, tuning: Tuning) -> Exporter {
    start(
        Settings::at("endpoint", &collector.url(), protocol).unwrap(),
        tuning,
    )
}

pub(crate) fn start(settings: Settings, tuning: Tuning) -> Exporter {
    Exporter::start(settings, &SOURCE, tuning, &Handle::current()).unwrap()
}

pub(crate) fn offer(exporter: &Exporter, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert!(exporter.offer(&span(number)));
    }
}
