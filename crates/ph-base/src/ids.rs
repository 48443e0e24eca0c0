//! Fresh trace and span ids.
//!
//! They must be unique, not secret, so a small generator per thread is enough;
//! what must not be guessed (session ids) is made from the operating system's
//! randomness where it is needed, in `ph-relay`.

use crate::trace::{SpanId, TraceId};
use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

thread_local! {
    /// Seeded from the standard library's per-process random keys.
    static STATE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// SplitMix64 (Steele, Lea, Flood 2014): passes BigCrush, one add and three multiplies.
fn next() -> u64 {
    STATE.with(|state| {
        let s = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(s);
        let z = (s ^ (s >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// A new trace id; never all zero.
pub fn trace_id() -> TraceId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&next().to_be_bytes());
    id[8..].copy_from_slice(&(next() | 1).to_be_bytes());
    TraceId(id)
}

/// A new span id; never all zero.
pub fn span_id() -> SpanId {
    SpanId(next().max(1).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_within_and_across_threads() {
        let many = || {
            (0..1000)
                .map(|_| (trace_id(), span_id()))
                .collect::<Vec<_>>()
        };
        let other = std::thread::spawn(many);
        let ids: HashSet<_> = many().into_iter().chain(other.join().unwrap()).collect();
        assert_eq!(ids.len(), 2000);
    }
}
