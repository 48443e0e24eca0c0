//! Data points → the bytes of an OTLP `ExportMetricsServiceRequest`.
//!
//! Field numbers are those of opentelemetry-proto 1.x: `metrics/v1/metrics.proto`. Sums and
//! histograms are cumulative: a point that is lost is made good by the next one.

use crate::encode::{Source, scope_spans, write_attributes};
use crate::protobuf::Writer;
use crate::span::Attribute;

/// What a metric's points mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A level.
    Gauge,
    /// Only rises, from the start time on.
    Counter,
    /// Counts by size, from the start time on.
    Histogram,
}

/// A metric and its points, all of one kind.
#[derive(Clone, Debug)]
pub struct Metric<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it says.
    pub help: &'a str,
    /// UCUM unit; empty where there is none.
    pub unit: &'a str,
    /// What its points mean.
    pub kind: Kind,
    /// Since when counters count, Unix time in nanoseconds.
    pub start_unix_ns: u64,
    /// When the points were read, Unix time in nanoseconds.
    pub unix_ns: u64,
    /// The points.
    pub points: Vec<Point>,
}

/// One point of one series.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its labels.
    pub attributes: Vec<Attribute>,
    /// Its reading.
    pub value: Value,
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a gauge or counter.
    Number(f64),
    /// Of a histogram. `counts` is one longer than `bounds`, and not cumulative over buckets.
    Histogram {
        /// Upper bounds, rising.
        bounds: Vec<f64>,
        /// How many fell between a bound and the one before.
        counts: Vec<u64>,
        /// Sum of what was counted.
        sum: f64,
    },
}

const CUMULATIVE: u64 = 2;

mod metric {
    pub(super) const NAME: u32 = 1;
    pub(super) const DESCRIPTION: u32 = 2;
    pub(super) const UNIT: u32 = 3;
    pub(super) const GAUGE: u32 = 5;
    pub(super) const SUM: u32 = 7;
    pub(super) const HISTOGRAM: u32 = 9;
}

/// A request under construction.
#[derive(Default)]
pub struct Batch {
    metrics: Writer,
    points: usize,
}

impl Batch {
    /// Adds a metric. A point whose value is not of its kind is left out.
    pub fn push(&mut self, it: &Metric<'_>) {
        let mut points = 0;
        self.metrics.message(scope_spans::SPANS, |w| {
            w.string(metric::NAME, it.name);
            w.string(metric::DESCRIPTION, it.help);
            w.string(metric::UNIT, it.unit);
            let field = match it.kind {
                Kind::Gauge => metric::GAUGE,
                Kind::Counter => metric::SUM,
                Kind::Histogram => metric::HISTOGRAM,
            };
            w.message(field, |w| {
                for point in &it.points {
                    points += usize::from(write_point(w, it, point));
                }
                if it.kind != Kind::Gauge {
                    w.integer(2, CUMULATIVE);
                }
                if it.kind == Kind::Counter {
                    // is_monotonic
                    w.integer(3, 1);
                }
            });
        });
        self.points += points;
    }

    /// Number of points in it.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The finished `ExportMetricsServiceRequest`.
    pub fn finish(&self, source: &Source) -> Vec<u8> {
        source.request(&self.metrics.bytes)
    }
}

fn write_point(w: &mut Writer, of: &Metric<'_>, point: &Point) -> bool {
    let start = if of.kind == Kind::Gauge {
        0
    } else {
        of.start_unix_ns
    };
    match (&point.value, of.kind) {
        (Value::Number(number), Kind::Gauge | Kind::Counter) => w.message(1, |w| {
            if start > 0 {
                w.fixed64(2, start);
            }
            w.fixed64(3, of.unix_ns);
            w.fixed64(4, number.to_bits());
            write_attributes(w, 7, &point.attributes);
        }),
        (
            Value::Histogram {
                bounds,
                counts,
                sum,
            },
            Kind::Histogram,
        ) => w.message(1, |w| {
            w.fixed64(2, start);
            w.fixed64(3, of.unix_ns);
            w.fixed64(4, counts.iter().sum());
            w.fixed64(5, sum.to_bits());
            let packed = |bytes: Vec<[u8; 8]>| bytes.concat();
            w.octets(6, &packed(counts.iter().map(|c| c.to_le_bytes()).collect()));
            w.octets(7, &packed(bounds.iter().map(|b| b.to_le_bytes()).collect()));
            write_attributes(w, 9, &point.attributes);
        }),
        _ => return false,
    }
    true
}
