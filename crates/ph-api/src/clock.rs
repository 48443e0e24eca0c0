//! What time it is.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in nanoseconds.
pub(crate) fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

/// Unix time in milliseconds.
pub(crate) fn unix_ms() -> i64 {
    i64::try_from(unix_ns() / 1_000_000).unwrap_or(i64::MAX)
}
