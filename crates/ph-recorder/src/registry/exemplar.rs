//! The last kept trace of a bucket.

use ph_base::trace::{SpanId, TraceId};
use ph_record::CallRecord;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

/// A trace that shows what a bucket's calls look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// The call's duration in nanoseconds.
    pub(crate) value_ns: u64,
    /// When the call ended, Unix time in nanoseconds.
    pub(crate) at_unix_ns: u64,
}

impl Exemplar {
    /// A call as an example of its bucket.
    pub(crate) fn of(record: &CallRecord) -> Self {
        Self {
            trace_id: record.trace.trace_id,
            span_id: record.trace.server_span,
            value_ns: record.duration_ns,
            at_unix_ns: record.started_unix_ns.saturating_add(record.duration_ns),
        }
    }
}

/// A place for one exemplar: a sequence lock, so that neither side waits.
///
/// Written by the recorder's thread alone; a second writer would lose its exemplar, nothing else.
#[derive(Debug, Default)]
pub(crate) struct ExemplarSlot {
    /// 0: never written; odd: being written.
    version: AtomicU64,
    words: [AtomicU64; 5],
}

impl ExemplarSlot {
    /// Replaces what is there.
    pub(crate) fn write(&self, exemplar: &Exemplar) {
        let version = self.version.load(Relaxed);
        let busy = version % 2 == 1;
        if busy
            || self
                .version
                .compare_exchange(version, version + 1, Acquire, Relaxed)
                .is_err()
        {
            return;
        }
        fence(Release);
        for (word, value) in self.words.iter().zip(to_words(exemplar)) {
            word.store(value, Relaxed);
        }
        self.version.store(version + 2, Release);
    }

    /// What is there; `None` when nothing is, or when it was just being replaced.
    pub(crate) fn read(&self) -> Option<Exemplar> {
        let before = self.version.load(Acquire);
        if before == 0 || before % 2 == 1 {
            return None;
        }
        let words = std::array::from_fn(|i| self.words[i].load(Relaxed));
        fence(Acquire);
        (self.version.load(Relaxed) == before).then(|| from_words(words))
    }
}

fn to_words(e: &Exemplar) -> [u64; 5] {
    let trace = u128::from_be_bytes(e.trace_id.0);
    let span = u64::from_be_bytes(e.span_id.0);
    [
        (trace >> 64) as u64,
        trace as u64,
        span,
        e.value_ns,
        e.at_unix_ns,
    ]
}

fn from_words([high, low, span, value_ns, at_unix_ns]: [u64; 5]) -> Exemplar {
    let trace = u128::from(high) << 64 | u128::from(low);
    Exemplar {
        trace_id: TraceId(trace.to_be_bytes()),
        span_id: SpanId(span.to_be_bytes()),
        value_ns,
        at_unix_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(n: u8) -> Exemplar {
        Exemplar {
            trace_id: TraceId([n; 16]),
            span_id: SpanId([n; 8]),
            value_ns: u64::from(n),
            at_unix_ns: u64::from(n) << 32,
        }
    }

    #[test]
    fn a_reader_never_sees_halves_of_two() {
        let slot = ExemplarSlot::default();
        assert_eq!(slot.read(), None);
        slot.write(&exemplar(1));
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20_000u32).for_each(|i| slot.write(&exemplar((i % 250) as u8 + 1))));
            for _ in 0..20_000 {
                if let Some(seen) = slot.read() {
                    assert_eq!(seen, exemplar(seen.trace_id.0[0]));
                }
            }
        });
        assert_eq!(slot.read(), Some(exemplar((19_999 % 250) as u8 + 1)));
    }
}
