//! How it goes with Redis: counts, and what is wrong.

use crate::connection::{Fault, Settings};
use ph_record::{Reading, SampleSource, catalogue};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How it goes with Redis; outlives plans, so that counters never fall.
#[derive(Default)]
pub struct Stats {
    taken: AtomicU64,
    refused: AtomicU64,
    overdue: AtomicU64,
    away: AtomicU64,
    buckets: [AtomicU64; catalogue::LIMIT_STORE_SECONDS_BOUNDS.len() + 1],
    sum_ns: AtomicU64,
    standing: Mutex<Lanes>,
}

#[derive(Default)]
struct Lanes {
    down: usize,
    trouble: Option<Trouble>,
    /// Told of each change.
    tell: Option<Tell>,
}

/// Told of each change: what is wrong, or that it is over.
pub type Tell = Box<dyn Fn(Option<&Trouble>) + Send + Sync>;

/// What is wrong with Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when, Unix time in seconds.
    pub since_unix_s: u64,
    /// What, with its address.
    pub what: Box<str>,
}

impl Stats {
    /// - `tell`: told of each change, on the thread of whoever saw it.
    pub fn new(tell: Tell) -> Self {
        let stats = Self::default();
        stats.lanes().tell = Some(tell);
        stats
    }

    /// What is wrong, if anything is.
    pub fn trouble(&self) -> Option<Trouble> {
        self.lanes().trouble.clone()
    }

    pub(crate) fn answered(&self, is_refused: bool, took: Duration) {
        let count = if is_refused {
            &self.refused
        } else {
            &self.taken
        };
        count.fetch_add(1, Relaxed);
        let seconds = took.as_secs_f64();
        let bounds = catalogue::LIMIT_STORE_SECONDS_BOUNDS;
        let bucket = bounds.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Relaxed);
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Relaxed);
    }

    pub(crate) fn overdue(&self) {
        self.overdue.fetch_add(1, Relaxed);
    }

    pub(crate) fn away(&self) {
        self.away.fetch_add(1, Relaxed);
    }

    pub(crate) fn lane_down(&self, settings: &Settings, fault: &Fault) {
        let mut lanes = self.lanes();
        lanes.down += 1;
        let is_new = lanes.trouble.is_none();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        lanes.trouble.get_or_insert_with(|| Trouble {
            since_unix_s: since.map_or(0, |since| since.as_secs()),
            what: format!("Redis at {}: {fault}", settings.address()).into(),
        });
        if let Some(tell) = lanes.tell.as_ref().filter(|_| is_new) {
            tell(lanes.trouble.as_ref());
        }
    }

    pub(crate) fn lane_up(&self) {
        let mut lanes = self.lanes();
        lanes.down = lanes.down.saturating_sub(1);
        if lanes.down == 0
            && lanes.trouble.take().is_some()
            && let Some(tell) = &lanes.tell
        {
            tell(None);
        }
    }

    /// Nothing panics while it is locked, `tell` included.
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SampleSource for Stats {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        let read = |count: &AtomicU64| Reading::Value(count.load(Relaxed) as f64);
        let up = if self.lanes().down == 0 { 1.0 } else { 0.0 };
        out(&catalogue::LIMIT_STORE_UP, &[], Reading::Value(up));
        for (result, count) in [
            ("taken", &self.taken),
            ("refused", &self.refused),
            ("overdue", &self.overdue),
            ("away", &self.away),
        ] {
            out(&catalogue::LIMIT_STORE_ASKED, &[result], read(count));
        }
        let buckets: Vec<_> = self
            .buckets
            .iter()
            .map(|count| count.load(Relaxed))
            .collect();
        let histogram = Reading::Histogram {
            buckets: &buckets,
            sum: self.sum_ns.load(Relaxed) as f64 / 1e9,
        };
        out(&catalogue::LIMIT_STORE_SECONDS, &[], histogram);
    }
}
