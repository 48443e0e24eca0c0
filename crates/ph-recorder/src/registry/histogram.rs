//! Buckets and sum of one histogram, in whole nanoseconds or bytes.

use ph_record::catalogue;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of a catalogue's buckets as whole numbers of the unit that is recorded.
///
/// - `per_unit`: recorded units in one of the catalogue's (`1e9` for seconds in nanoseconds).
const fn whole<const N: usize>(bounds: &[f64], per_unit: f64) -> [u64; N] {
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = (bounds[i] * per_unit + 0.5) as u64;
        i += 1;
    }
    out
}

const NS_PER_S: f64 = 1e9;

pub(crate) static CALL_NS: [u64; catalogue::SECONDS.len()] = whole(catalogue::SECONDS, NS_PER_S);
pub(crate) static OVERHEAD_NS: [u64; catalogue::OVERHEAD_SECONDS.len()] =
    whole(catalogue::OVERHEAD_SECONDS, NS_PER_S);
pub(crate) static HEALTH_NS: [u64; catalogue::HEALTH_SECONDS.len()] =
    whole(catalogue::HEALTH_SECONDS, NS_PER_S);
pub(crate) static OTEL_NS: [u64; catalogue::OTEL_SECONDS.len()] =
    whole(catalogue::OTEL_SECONDS, NS_PER_S);
pub(crate) static BYTES: [u64; catalogue::BYTES.len()] = whole(catalogue::BYTES, 1.0);

/// Buckets of each kind, `+Inf` included.
pub(crate) const CALL_BUCKETS: usize = CALL_NS.len() + 1;
pub(crate) const OVERHEAD_BUCKETS: usize = OVERHEAD_NS.len() + 1;
pub(crate) const HEALTH_BUCKETS: usize = HEALTH_NS.len() + 1;
pub(crate) const OTEL_BUCKETS: usize = OTEL_NS.len() + 1;
pub(crate) const BYTES_BUCKETS: usize = BYTES.len() + 1;

/// The bucket that `value` falls into; `bounds.len()` for `+Inf`.
pub(crate) fn bucket_of(bounds: &[u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

/// One histogram; `B` buckets, not cumulative, the last one `+Inf`.
#[derive(Debug)]
pub(crate) struct Histogram<const B: usize> {
    buckets: [AtomicU64; B],
    sum: AtomicU64,
}

impl<const B: usize> Default for Histogram<B> {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; B],
            sum: AtomicU64::new(0),
        }
    }
}

impl<const B: usize> Histogram<B> {
    /// Counts one value; `bounds` has `B - 1` entries.
    pub(crate) fn observe(&self, bounds: &[u64], value: u64) {
        debug_assert_eq!(bounds.len() + 1, B);
        self.buckets[bucket_of(bounds, value)].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Adds what is counted here to `totals`.
    pub(crate) fn add_to(&self, totals: &mut Totals<B>) {
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        totals.sum = totals.sum.wrapping_add(self.sum.load(Relaxed));
    }
}

/// A histogram as read: its count is the sum of its buckets, so that the two always agree.
#[derive(Clone, Debug)]
pub(crate) struct Totals<const B: usize> {
    pub(crate) buckets: [u64; B],
    pub(crate) sum: u64,
}

impl<const B: usize> Totals<B> {
    /// The sum of several histograms.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a Histogram<B>>) -> Self {
        let mut totals = Self {
            buckets: [0; B],
            sum: 0,
        };
        for part in parts {
            part.add_to(&mut totals);
        }
        totals
    }

    /// How many values were counted.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        assert_eq!(CALL_NS[0], 1_000_000);
        assert_eq!(CALL_NS[6], 100_000_000);
        assert_eq!(OVERHEAD_NS[1], 25_000);
        assert_eq!(BYTES[0], 256);
        let h = Histogram::<BYTES_BUCKETS>::default();
        for value in [0, 256, 257, 1 << 40] {
            h.observe(&BYTES, value);
        }
        let totals = Totals::of([&h]);
        assert_eq!(totals.buckets[..2], [2, 1]);
        assert_eq!(totals.buckets[BYTES_BUCKETS - 1], 1);
        assert_eq!((totals.count(), totals.sum), (4, 513 + (1 << 40)));
    }
}
