//! What became of the entries of one sink.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counters that the sink writes and `/metrics` reads.
#[derive(Debug, Default)]
pub struct Counts {
    pub(crate) delivered: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) dropped_lag: AtomicU64,
    pub(crate) dropped_retention: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) lag_entries: AtomicU64,
    /// When the oldest entry that waits happened, Unix time in nanoseconds; 0: none waits.
    pub(crate) oldest_unix_ns: AtomicU64,
    pub(crate) up: AtomicBool,
    pub(crate) failure: Mutex<Option<String>>,
}

/// One reading of [`Counts`]. `delivered + rejected + dropped_lag + dropped_retention` entries were passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken by the other side.
    pub delivered: u64,
    /// Refused by the other side for good.
    pub rejected: u64,
    /// Passed over because too much waited.
    pub dropped_lag: u64,
    /// Gone from the store before they were sent.
    pub dropped_retention: u64,
    /// Tries after the first one.
    pub retries: u64,
    /// Entries that wait.
    pub lag_entries: u64,
    /// When the oldest entry that waits happened, Unix time in nanoseconds; `None`: none waits.
    pub oldest_unix_ns: Option<u64>,
    /// The newest try was taken.
    pub up: bool,
    /// Why the newest try was not taken whole.
    pub failure: Option<String>,
}

impl Counts {
    /// What became of the entries so far.
    pub fn totals(&self) -> Totals {
        let oldest = self.oldest_unix_ns.load(Relaxed);
        Totals {
            delivered: self.delivered.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            dropped_lag: self.dropped_lag.load(Relaxed),
            dropped_retention: self.dropped_retention.load(Relaxed),
            retries: self.retries.load(Relaxed),
            lag_entries: self.lag_entries.load(Relaxed),
            oldest_unix_ns: (oldest > 0).then_some(oldest),
            up: self.up.load(Relaxed),
            failure: self.failure(),
        }
    }

    /// Why the newest try was not taken whole.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes why a try was not taken whole; `None`: it was.
    pub(crate) fn set_failure(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}
