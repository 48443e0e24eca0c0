//! How series are kept.

use std::time::Duration;

/// How series are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesOptions {
    /// Blocks whose youngest possible sample is older go.
    pub retention: Duration,
    /// The oldest blocks go while all files together have more bytes.
    pub bytes_max: u64,
    /// Each scrape is synced before it is acknowledged. Without, what the machine loses with its power is what
    /// the system had not written; a crash of the process alone loses nothing.
    pub syncs: bool,
    /// Series that have samples of the last two to four hours. A new one beyond goes into the overflow series
    /// of its metric.
    pub series_max: usize,
    /// The same for one metric.
    pub metric_series_max: usize,
    /// Exemplars in memory, the youngest of all series.
    pub exemplars_max: usize,
    /// Blocks are written by a thread of their own. Without, by whoever calls `tick`.
    pub background: bool,
}

impl Default for SeriesOptions {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(30 * 86_400),
            bytes_max: 4 << 30,
            syncs: true,
            series_max: 20_000,
            metric_series_max: 10_000,
            exemplars_max: 10_000,
            background: true,
        }
    }
}

impl SeriesOptions {
    /// Series that are known in all, those of old blocks included: bounds the memory for labels.
    pub(super) fn known_max(&self) -> usize {
        self.series_max.saturating_mul(10)
    }

    /// Overflow series.
    pub(super) fn overflow_max(&self) -> usize {
        self.series_max / 10 + 10
    }

    /// Samples in memory: what four periods at 15 s have.
    pub(super) fn head_samples_max(&self) -> u64 {
        (self.series_max as u64 + 1000) * 4 * 480
    }
}
