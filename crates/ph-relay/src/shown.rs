//! How many replicas of a server the metrics show: each version of it that runs adds its own.

use ph_record::Server;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

/// What one version adds, until it is over or dropped.
pub(crate) struct Shown {
    server: Arc<Server>,
    /// Those that are wanted, get calls, and are left out; none once it is over.
    adds: Mutex<Option<[i64; 3]>>,
}

impl Shown {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            adds: Mutex::new(Some([0; 3])),
        }
    }

    /// What it adds from now on.
    pub(crate) fn set(&self, wanted: usize, ready: usize, out: usize) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let mut adds = self.adds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = *adds {
            let now = [wanted, ready, out].map(number);
            self.add(before, now);
            *adds = Some(now);
        }
    }

    /// It adds nothing any more, whatever is set.
    pub(crate) fn end(&self) {
        let mut adds = self.adds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = adds.take() {
            self.add(before, [0; 3]);
        }
    }

    fn add(&self, before: [i64; 3], now: [i64; 3]) {
        let live = &self.server.live;
        let gauges = [
            &live.replicas_wanted,
            &live.replicas_ready,
            &live.replicas_out,
        ];
        for (gauge, (before, now)) in gauges.into_iter().zip(before.into_iter().zip(now)) {
            gauge.fetch_add(now - before, Relaxed);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.end();
    }
}
