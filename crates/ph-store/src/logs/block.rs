//! What is known of a run of records before any of its columns is read.

use super::columns::{Columns, NO_DURATION};

/// Bounds of the columns of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) records: usize,
    pub(crate) seq_first: u64,
    pub(crate) seq_last: u64,
    pub(crate) time_min_ns: u64,
    pub(crate) time_max_ns: u64,
    /// Of the records that have a duration; `None` when none has.
    pub(crate) durations_ns: Option<(u64, u64)>,
    /// Records without a duration.
    pub(crate) untimed: usize,
    pub(crate) status_min: u16,
    pub(crate) status_max: u16,
    /// Bit i: a record of the kind with that number is in the block.
    pub(crate) kinds: u8,
    /// Bit i: a record of the level with that number is in the block.
    pub(crate) levels: u8,
}

impl Zone {
    /// Of nothing.
    pub(crate) const EMPTY: Self = Self {
        records: 0,
        seq_first: u64::MAX,
        seq_last: 0,
        time_min_ns: u64::MAX,
        time_max_ns: 0,
        durations_ns: None,
        untimed: 0,
        status_min: u16::MAX,
        status_max: 0,
        kinds: 0,
        levels: 0,
    };

    pub(crate) fn of(columns: &Columns) -> Self {
        let mut zone = Self::EMPTY;
        for i in 0..columns.len() {
            let duration = columns.duration_ns[i];
            zone.join(&Self {
                records: 1,
                seq_first: columns.seq[i],
                seq_last: columns.seq[i],
                time_min_ns: columns.time_ns[i],
                time_max_ns: columns.time_ns[i],
                durations_ns: (duration != NO_DURATION).then_some((duration, duration)),
                untimed: usize::from(duration == NO_DURATION),
                status_min: columns.status[i],
                status_max: columns.status[i],
                kinds: 1 << columns.kind[i],
                levels: 1 << columns.level[i],
            });
        }
        zone
    }

    /// Takes in another run of records.
    pub(crate) fn join(&mut self, other: &Self) {
        self.records += other.records;
        self.seq_first = self.seq_first.min(other.seq_first);
        self.seq_last = self.seq_last.max(other.seq_last);
        self.time_min_ns = self.time_min_ns.min(other.time_min_ns);
        self.time_max_ns = self.time_max_ns.max(other.time_max_ns);
        self.durations_ns = match (self.durations_ns, other.durations_ns) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
        self.untimed += other.untimed;
        self.status_min = self.status_min.min(other.status_min);
        self.status_max = self.status_max.max(other.status_max);
        self.kinds |= other.kinds;
        self.levels |= other.levels;
    }
}
