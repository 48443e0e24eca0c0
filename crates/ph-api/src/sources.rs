//! What the API reads from and writes to, given by whoever assembles it.

use crate::otlp::{Ingested, SpanMetrics};
use crate::work::Gate;
use ph_policy::HeadRules;
use ph_promql::{Labels, Matcher, SeriesSource, SourceError};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Everything the API needs.
pub struct Sources {
    /// The history of numbers; none while the store is switched off.
    pub numbers: Option<Arc<dyn Numbers>>,
    /// Takes what comes in by OTLP; none while the store is switched off.
    pub intake: Option<Arc<dyn Intake>>,
    /// Counts what comes in by OTLP. The recorder shows it: [`ph_record::SampleSource`].
    pub spans: Arc<SpanMetrics>,
    /// Which `Host` and `Origin` are accepted.
    pub rules: HeadRules,
    /// Version of the binary.
    pub version: String,
    /// Ends answers that have no end of their own.
    pub end: CancellationToken,
}

/// What the handlers share.
pub(crate) type Shared = Arc<Inner>;

pub(crate) struct Inner {
    pub(crate) sources: Sources,
    /// Queries and searches.
    pub(crate) queries: Gate,
    /// Decoding of what comes in.
    pub(crate) decoding: Gate,
}

/// Queries and searches that run at once; others wait.
const QUERIES_MAX: usize = 8;
/// Requests of OTLP that are decoded at once; others are told to come again.
const DECODING_MAX: usize = 4;

impl Inner {
    pub(crate) fn new(sources: Sources) -> Shared {
        Arc::new(Self {
            sources,
            queries: Gate::new(QUERIES_MAX),
            decoding: Gate::new(DECODING_MAX),
        })
    }
}

/// A history of numbers that can be searched by its labels, too.
pub trait Numbers: SeriesSource + Send + Sync {
    /// The labels of every series that one of `selectors` matches, all of them when there is none, and
    /// that may have a sample between the two times (Unix milliseconds, inclusive).
    ///
    /// # Errors
    /// When there are more than `series_max`, or they cannot be read.
    fn label_sets(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        series_max: usize,
    ) -> Result<Vec<Labels>, SourceError>;

    /// What is known of the metrics that were scraped.
    fn metadata(&self) -> Vec<Metadata>;

    /// Exemplars of the series that one of `selectors` matches, between the two times.
    ///
    /// # Errors
    /// When they cannot be read.
    fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        exemplars_max: usize,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, SourceError>;
}

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Name of the family.
    pub metric: String,
    /// `counter`, `gauge`, `histogram`, …
    pub kind: String,
    /// What it says.
    pub help: String,
    /// Its unit, when that is told.
    pub unit: String,
}

/// One observation that a number was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// `trace_id`, `span_id`.
    pub labels: Labels,
    /// What was observed.
    pub value: f64,
    /// When, in Unix milliseconds.
    pub t_ms: i64,
}

/// Takes records that came in.
pub trait Intake: Send + Sync {
    /// Queues `entry` for the store and does not wait; `false` when there is no room.
    fn offer(&self, entry: Ingested) -> bool;
}
