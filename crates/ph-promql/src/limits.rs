//! What one query may take.

use std::fmt;

/// Why a query is stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupt {
    /// Its time is over.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Nobody waits for it any more.
    #[error("query was canceled in expression evaluation")]
    Canceled,
}

/// Bounds of one query, and the two durations that a query leaves open.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Samples held at once, read and computed: 50 M, as Prometheus.
    pub samples_max: usize,
    /// Series that one selector may match.
    pub series_max: usize,
    /// Steps of a range query: 11,000, as Prometheus.
    pub steps_max: usize,
    /// How old a sample may be to count at a time, milliseconds: 5 minutes.
    pub lookback_ms: i64,
    /// The step of a subquery that names none, milliseconds: 1 minute.
    pub subquery_step_ms: i64,
    /// How far apart samples may be that are read in place of all, milliseconds: 0, which is all of them. What
    /// Thanos calls `max_source_resolution`. Only for selectors of which the answer says the same with fewer
    /// samples, such as those of `rate` over several times as long.
    pub resolution_ms: i64,
    /// Whether names that functions drop are still there for `label_replace` and `by`, and go at the end only:
    /// Prometheus's feature flag `promql-delayed-name-removal`. Off, as there.
    pub delayed_name_removal: bool,
    /// Asked again and again while a query runs, at least once for each 100,000 samples.
    pub check: Option<&'a dyn Fn() -> Result<(), Interrupt>>,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self {
            samples_max: 50_000_000,
            series_max: 100_000,
            steps_max: 11_000,
            lookback_ms: 5 * 60_000,
            subquery_step_ms: 60_000,
            resolution_ms: 0,
            delayed_name_removal: false,
            check: None,
        }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Limits")
            .field("samples_max", &self.samples_max)
            .field("series_max", &self.series_max)
            .field("steps_max", &self.steps_max)
            .field("lookback_ms", &self.lookback_ms)
            .field("subquery_step_ms", &self.subquery_step_ms)
            .field("resolution_ms", &self.resolution_ms)
            .field("delayed_name_removal", &self.delayed_name_removal)
            .finish_non_exhaustive()
    }
}
