//! Counters in several copies, so that two workers do not fight over one cache line.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Copies of each counter. Two workers land on different copies; with more workers than copies some
/// share one, which costs time and never a count.
const SHARDS: usize = 4;

/// 128 bytes: adjacent lines are fetched in pairs on x86.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Padded<T>(T);

/// [`SHARDS`] copies of `T`; written through [`Sharded::mine`], read by adding up [`Sharded::all`].
#[derive(Debug, Default)]
pub(crate) struct Sharded<T>([Padded<T>; SHARDS]);

impl<T> Sharded<T> {
    /// The copy of the calling thread.
    pub(crate) fn mine(&self) -> &T {
        &self.0[SHARD.with(|shard| *shard)].0
    }

    /// Every copy.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = NEXT.fetch_add(1, Relaxed) % SHARDS;
}
