//! Numbers that are kept elsewhere than in the recorder and are shown and stored with its own.

use crate::catalogue::Metric;

/// Something that keeps numbers of the catalogue: the recorder asks it at each scrape of `/metrics`
/// and each time it samples into the store.
pub trait SampleSource: Send + Sync {
    /// Hands every series to `out`: its metric, the values of the metric's labels in its order, and
    /// what it reads. Series of one metric come together; it must not block.
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>));
}

/// What one series reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading<'a> {
    /// A counter or a gauge.
    Value(f64),
    /// A histogram.
    Histogram {
        /// Counts by bucket, not cumulative; one more than the metric has bounds, `+Inf` last.
        buckets: &'a [u64],
        /// Sum of all values, in the metric's unit.
        sum: f64,
    },
}
