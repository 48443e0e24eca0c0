//! How a store is kept.

use std::time::Duration;

/// How a store is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// A segment is closed when it holds so many bytes of JSON.
    pub segment_bytes: u64,
    /// A segment is closed when it holds so many records.
    pub segment_records: usize,
    /// A segment is closed when its first record is so old.
    pub segment_age: Duration,
    /// A segment is removed when its last record is older; `None` keeps it.
    pub retention: Option<Duration>,
    /// The oldest segments are removed while all files together are longer; `None` keeps them.
    pub bytes_max: Option<u64>,
    /// Write-ahead files that may wait to be sealed. When it is reached, records are refused.
    pub unsealed_max: usize,
    /// Records that were taken and are not yet written, in bytes. When it is reached, they are written at once.
    pub buffer_bytes: usize,
    /// `true`: what was written and not yet synced stays in memory (at most 4 MiB, then it is synced), so that a
    /// failed sync loses nothing. `false` where nobody syncs (`fsync: os`).
    pub keep_unsynced: bool,
    /// Effort of compression, 1 to 19.
    pub zstd_level: i32,
    /// `true`: each block keeps which pieces its text has, so that a search for text can pass over it.
    pub text_sets: bool,
    /// `true`: a thread of its own seals. `false`: `tick` does, which a test can foresee.
    pub background: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 32 * 1024 * 1024,
            segment_records: 65_536,
            segment_age: Duration::from_secs(24 * 3600),
            retention: Some(Duration::from_secs(30 * 24 * 3600)),
            bytes_max: Some(8 * 1024 * 1024 * 1024),
            unsealed_max: 4,
            buffer_bytes: 256 * 1024,
            keep_unsynced: true,
            zstd_level: 1,
            text_sets: true,
            background: true,
        }
    }
}
