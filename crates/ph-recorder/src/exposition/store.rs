//! The store's own numbers.

use super::Number;
use super::page::Page;
use ph_record::catalogue;

/// What became of what the store was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeptTotals {
    pub(crate) offered: u64,
    pub(crate) stored: u64,
    /// By [`crate::store::Dropped`].
    pub(crate) dropped: [u64; 4],
    pub(crate) queue_bytes: u64,
    /// Syncs by bucket of [`catalogue::SYNC_SECONDS`], `+Inf` last, and their nanoseconds.
    pub(crate) syncs: [u64; catalogue::SYNC_SECONDS.len() + 1],
    pub(crate) sync_ns: u64,
    pub(crate) failing: bool,
    pub(crate) logs_bytes: u64,
    pub(crate) series_bytes: u64,
    pub(crate) series: u64,
    pub(crate) samples: u64,
    /// By [`SAMPLES_DROPPED`].
    pub(crate) samples_dropped: [u64; 6],
}

impl KeptTotals {
    /// Records that are neither safe nor dropped yet.
    pub(crate) fn queued(&self) -> u64 {
        let settled = self.stored + self.dropped.iter().sum::<u64>();
        self.offered.saturating_sub(settled)
    }
}

/// Labels of [`KeptTotals::dropped`].
pub(crate) const DROPPED: [&str; 4] = ["queue", "disk_full", "io_error", "refused"];
/// Labels of [`KeptTotals::samples_dropped`].
pub(crate) const SAMPLES_DROPPED: [&str; 6] = [
    "queue",
    "overflow",
    "order",
    "invalid",
    "disk_full",
    "io_error",
];

pub(super) fn store(page: &mut Page<'_>, kept: &KeptTotals) {
    page.family(&catalogue::STORE_OFFERED)
        .sample(&[], kept.offered);
    page.family(&catalogue::STORE_RECORDS)
        .sample(&[], kept.stored);
    let mut family = page.family(&catalogue::STORE_DROPPED);
    for (reason, count) in DROPPED.into_iter().zip(kept.dropped) {
        family.sample(&[reason], count);
    }
    page.family(&catalogue::STORE_QUEUED)
        .sample(&[], kept.queued());
    page.family(&catalogue::STORE_QUEUE_BYTES)
        .sample(&[], kept.queue_bytes);
    page.family(&catalogue::STORE_SYNC_SECONDS).histogram(
        &[],
        &kept.syncs,
        Number::Nanos(kept.sync_ns),
        &[],
    );
    page.family(&catalogue::STORE_FAILING)
        .sample(&[], u64::from(kept.failing));
    let mut family = page.family(&catalogue::STORE_BYTES);
    family.sample(&["logs"], kept.logs_bytes);
    family.sample(&["series"], kept.series_bytes);
    page.family(&catalogue::STORE_SERIES)
        .sample(&[], kept.series);
    page.family(&catalogue::STORE_SAMPLES)
        .sample(&[], kept.samples);
    let mut family = page.family(&catalogue::STORE_SAMPLES_DROPPED);
    for (reason, count) in SAMPLES_DROPPED.into_iter().zip(kept.samples_dropped) {
        family.sample(&[reason], count);
    }
}
