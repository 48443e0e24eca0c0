//! Resource use and restarts of a server's processes.

use ph_record::{ProcSample, Replica, RestartReason};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By `replica` label. Samples come every few seconds and not from a call, so a lock does no harm.
#[derive(Debug, Default)]
pub(crate) struct Replicas(Mutex<BTreeMap<Key, Use>>);

/// Order of the output: no replica, sessions, slots by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    None,
    Session,
    Slot(u16),
}

/// What the processes of one replica used so far, and hold now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    /// `None` until the first sample, so that a replica without one has no such series.
    pub(crate) sample: Option<ProcTotals>,
    /// By [`RestartReason`].
    pub(crate) restarts: [u64; RestartReason::ALL.len()],
    /// Children that used more memory than they may.
    pub(crate) memory_kills: u64,
}

/// Counters of a replica since the start of Pilothouse, and its gauges.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcTotals {
    pub(crate) cpu_seconds: f64,
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) resident_peak_bytes: u64,
    pub(crate) cpu_peak_cores: f64,
    /// `None` until a child of it had a control group.
    pub(crate) throttled: Option<Throttled>,
    pub(crate) cgroup_peak_bytes: Option<u64>,
    pub(crate) open_fds: u64,
    pub(crate) open_fds_ratio: f64,
    pub(crate) processes: u64,
}

/// How long and how often a bound on CPU held a replica up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throttled {
    pub(crate) seconds: f64,
    pub(crate) periods: u64,
}

impl Replicas {
    /// Adds the deltas of `sample` and keeps its levels.
    pub(crate) fn sample(&self, sample: &ProcSample) {
        let mut all = self.lock();
        let totals = all
            .entry(key(sample.replica))
            .or_default()
            .sample
            .get_or_insert_default();
        totals.cpu_seconds += sample.cpu_seconds_delta.max(0.0);
        totals.read_bytes += sample.read_bytes_delta;
        totals.written_bytes += sample.written_bytes_delta;
        totals.resident_bytes = sample.resident_bytes;
        totals.resident_peak_bytes = sample.resident_peak_bytes;
        totals.cpu_peak_cores = sample.cpu_peak_cores;
        if let Some(cage) = &sample.cage {
            let throttled = totals.throttled.get_or_insert_default();
            throttled.seconds += cage.throttled_seconds_delta.max(0.0);
            throttled.periods += cage.throttled_periods_delta;
        }
        totals.cgroup_peak_bytes = sample.cage.and_then(|cage| cage.memory_peak_bytes);
        totals.open_fds = sample.open_fds;
        totals.open_fds_ratio = sample.open_fds_ratio;
        totals.processes = sample.processes;
    }

    /// Counts a restart.
    pub(crate) fn restarted(&self, replica: Replica, reason: RestartReason) {
        self.lock().entry(key(replica)).or_default().restarts[reason as usize] += 1;
    }

    /// Counts a child that used more memory than it may.
    pub(crate) fn was_over_memory(&self, replica: Replica) {
        self.lock().entry(key(replica)).or_default().memory_kills += 1;
    }

    /// Every replica seen, by label.
    pub(crate) fn read(&self) -> Vec<(String, Use)> {
        self.lock()
            .iter()
            .map(|(key, used)| (label(*key), *used))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Use>> {
        // Numbers stay numbers: a panic elsewhere is no reason to stop counting.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(replica: Replica) -> Key {
    match replica {
        Replica::None => Key::None,
        Replica::Session => Key::Session,
        Replica::Slot(n) => Key::Slot(n),
    }
}

fn label(key: Key) -> String {
    match key {
        Key::None => String::new(),
        Key::Session => "session".to_owned(),
        Key::Slot(n) => n.to_string(),
    }
}
