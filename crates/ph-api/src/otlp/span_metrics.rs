//! Rate, errors and duration of the spans that servers send in, by name.
//!
//! Names and labels are those of Tempo's span metrics, so that dashboards for them work, with one
//! difference: the latency has no `status_code`, which would triple its series.

use super::message::{Span, SpanStatus};
use super::{Signal, kind_label};
use ph_record::catalogue::{INGESTED, SPAN_CALLS, SPAN_LATENCY, SPAN_SECONDS};
use ph_record::{Reading, SampleSource};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most services; spans of further ones count under `other`.
const SERVICES_MAX: usize = 50;
/// Most span names of a service; further ones count under `other`.
const NAMES_MAX: usize = 200;
/// Most rows (service, name, kind) in all, so most series are 15 times as many; beyond them only
/// the `other` rows of known services are added.
const ROWS_MAX: usize = 500;

/// What takes the place of a name that no longer fits.
const OTHER: &str = "other";
const BUCKETS: usize = SPAN_SECONDS.len() + 1;
const STATUSES: [(SpanStatus, &str); 3] = [
    (SpanStatus::Unset, "STATUS_CODE_UNSET"),
    (SpanStatus::Ok, "STATUS_CODE_OK"),
    (SpanStatus::Error, "STATUS_CODE_ERROR"),
];

/// Counts of what came in; shown on `/metrics` and stored like the recorder's own numbers.
#[derive(Debug, Default)]
pub struct SpanMetrics {
    services: Mutex<Services>,
    ingested: [[AtomicU64; 3]; 2],
}

#[derive(Debug, Default)]
struct Services {
    rows: usize,
    by_name: BTreeMap<String, BTreeMap<RowKey, Row>>,
}

/// Name and kind of a span.
type RowKey = (String, &'static str);

#[derive(Debug, Default)]
struct Row {
    calls: [u64; STATUSES.len()],
    buckets: [u64; BUCKETS],
    sum_s: f64,
}

/// What became of a record that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Invalid,
    Dropped,
}

const FATES: [(Fate, &str); 3] = [
    (Fate::Kept, "kept"),
    (Fate::Invalid, "invalid"),
    (Fate::Dropped, "dropped"),
];
const SIGNALS: [(Signal, &str); 2] = [(Signal::Traces, "traces"), (Signal::Logs, "logs")];

impl SpanMetrics {
    /// Counts a record by what became of it.
    pub(crate) fn count(&self, signal: Signal, fate: Fate) {
        self.ingested[signal as usize][fate as usize].fetch_add(1, Relaxed);
    }

    /// Counts a span, kept or not: numbers do not depend on room in the store.
    ///
    /// - `name`: of the span, without secrets.
    pub(crate) fn observe(&self, service: &str, name: &str, span: &Span<'_>) {
        let seconds = span.duration_ns() as f64 / 1e9;
        let mut services = self.lock();
        let row = services.row(service, name, kind_of(span.kind));
        row.calls[span.status as usize] += 1;
        row.buckets[SPAN_SECONDS.partition_point(|bound| *bound < seconds)] += 1;
        row.sum_s += seconds;
    }

    fn lock(&self) -> MutexGuard<'_, Services> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Services {
    /// The row of a span, or the nearest `other` there is.
    fn row(&mut self, service: &str, name: &str, kind: &'static str) -> &mut Row {
        let room = self.rows < ROWS_MAX;
        let known = self.by_name.contains_key(service);
        // Without room for rows, new services come together in one.
        let service = if known || (room && self.by_name.len() < SERVICES_MAX) {
            service
        } else {
            OTHER
        };
        let names = self.by_name.entry(service.to_owned()).or_default();
        let key = (name.to_owned(), kind);
        let key = if names.contains_key(&key) || (room && names.len() < NAMES_MAX) {
            key
        } else {
            (OTHER.to_owned(), kind)
        };
        if !names.contains_key(&key) {
            self.rows += 1;
        }
        names.entry(key).or_default()
    }
}

impl SampleSource for SpanMetrics {
    fn samples(
        &self,
        out: &mut dyn FnMut(&'static ph_record::catalogue::Metric, &[&str], Reading<'_>),
    ) {
        let services = self.lock();
        let rows = || {
            services.by_name.iter().flat_map(|(service, rows)| {
                rows.iter()
                    .map(move |((name, kind), row)| (service.as_str(), name.as_str(), *kind, row))
            })
        };
        for (service, name, kind, row) in rows() {
            for (status, label) in STATUSES {
                let calls = row.calls[status as usize];
                if calls > 0 {
                    out(
                        &SPAN_CALLS,
                        &[service, name, kind, label],
                        Reading::Value(calls as f64),
                    );
                }
            }
        }
        for (service, name, kind, row) in rows() {
            out(
                &SPAN_LATENCY,
                &[service, name, kind],
                Reading::Histogram {
                    buckets: &row.buckets,
                    sum: row.sum_s,
                },
            );
        }
        for (signal, label) in SIGNALS {
            for (fate, result) in FATES {
                let count = self.ingested[signal as usize][fate as usize].load(Relaxed);
                if count > 0 {
                    out(&INGESTED, &[label, result], Reading::Value(count as f64));
                }
            }
        }
    }
}

/// Tempo's words for a kind.
fn kind_of(kind: u64) -> &'static str {
    match kind_label(kind) {
        "internal" => "SPAN_KIND_INTERNAL",
        "server" => "SPAN_KIND_SERVER",
        "client" => "SPAN_KIND_CLIENT",
        "producer" => "SPAN_KIND_PRODUCER",
        "consumer" => "SPAN_KIND_CONSUMER",
        _ => "SPAN_KIND_UNSPECIFIED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &str, ms: u64, status: SpanStatus) -> Span<'_> {
        Span {
            name: name.into(),
            kind: 1,
            start_unix_ns: 1,
            end_unix_ns: 1 + ms * 1_000_000,
            status,
            ..Span::default()
        }
    }

    fn read(metrics: &SpanMetrics) -> Vec<String> {
        let mut lines = Vec::new();
        metrics.samples(&mut |metric, labels, reading| {
            assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
            if let Reading::Histogram { buckets, .. } = reading {
                assert_eq!(buckets.len(), metric.buckets.len() + 1);
            }
            lines.push(format!("{} {labels:?} {reading:?}", metric.name));
        });
        lines
    }

    #[test]
    fn spans_are_counted_by_name_kind_and_status() {
        let metrics = SpanMetrics::default();
        metrics.observe("files", "fs.stat", &span("fs.stat", 2, SpanStatus::Unset));
        metrics.observe(
            "files",
            "fs.stat",
            &span("fs.stat", 2000, SpanStatus::Error),
        );
        metrics.count(Signal::Traces, Fate::Kept);
        assert_eq!(
            read(&metrics),
            [
                r#"traces_spanmetrics_calls_total ["files", "fs.stat", "SPAN_KIND_INTERNAL", "STATUS_CODE_UNSET"] Value(1.0)"#,
                r#"traces_spanmetrics_calls_total ["files", "fs.stat", "SPAN_KIND_INTERNAL", "STATUS_CODE_ERROR"] Value(1.0)"#,
                r#"traces_spanmetrics_latency ["files", "fs.stat", "SPAN_KIND_INTERNAL"] Histogram { buckets: [0, 1, 0, 0, 0, 0, 0, 1, 0, 0], sum: 2.002 }"#,
                r#"pilothouse_ingested_total ["traces", "kept"] Value(1.0)"#,
            ]
        );
    }

    #[test]
    fn the_table_is_bounded_and_loses_no_count() {
        let metrics = SpanMetrics::default();
        for service in 0..60 {
            for name in 0..250 {
                let (service, name) = (format!("service{service}"), format!("step {name}"));
                metrics.observe(&service, &name, &span(&name, 1, SpanStatus::Ok));
            }
        }
        let services = metrics.lock();
        let rows: usize = services.by_name.values().map(BTreeMap::len).sum();
        assert_eq!(rows, services.rows);
        assert!(
            services.by_name["service0"].len() == NAMES_MAX + 1,
            "{rows}"
        );
        assert!(rows <= ROWS_MAX + SERVICES_MAX + 1, "{rows}");
        let calls: u64 = services
            .by_name
            .values()
            .flat_map(BTreeMap::values)
            .map(|row| row.calls.iter().sum::<u64>())
            .sum();
        assert_eq!(calls, 60 * 250);
    }
}
