//! The youngest samples of one series, in memory.

use super::chunk::{self, SAMPLES_MAX};
use super::xor::XorChunk;
use super::{PERIOD_MS, period_of};
use ph_promql::Sample;
use std::sync::Arc;

/// Samples of one series that are in no block yet. No chunk reaches from one period into the next.
#[derive(Debug, Default)]
pub(super) struct HeadSeries {
    closed: Vec<Arc<Chunk>>,
    open: XorChunk,
    last: Option<Sample>,
    /// The last scrape that had it.
    pub(super) seen: u64,
}

/// A sealed chunk with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) count: u32,
    pub(super) bytes: Box<[u8]>,
}

impl Chunk {
    /// `samples` is not empty.
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut bytes = Vec::new();
        chunk::put(&mut bytes, samples);
        Self {
            first_ms: samples.first().map_or(0, |sample| sample.t_ms),
            last_ms: samples.last().map_or(0, |sample| sample.t_ms),
            count: samples.len() as u32,
            bytes: bytes.into(),
        }
    }
}

/// What a reader takes with it.
#[derive(Clone, Debug)]
pub(super) enum HeadChunk {
    Closed(Arc<Chunk>),
    Open(XorChunk),
}

impl HeadChunk {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Closed(chunk) => chunk.count as usize,
            Self::Open(chunk) => chunk.count() as usize,
        }
    }

    /// Appends its samples to `out`.
    pub(super) fn read(&self, out: &mut Vec<Sample>) {
        match self {
            // We wrote it ourselves, into memory.
            Self::Closed(chunk) => drop(chunk::read(&chunk.bytes, out)),
            Self::Open(chunk) => chunk.read(out),
        }
    }
}

impl HeadSeries {
    /// The youngest sample ever pushed.
    pub(super) fn last(&self) -> Option<Sample> {
        self.last
    }

    /// `sample` is younger than [`HeadSeries::last`].
    pub(super) fn push(&mut self, sample: Sample) {
        let is_full = self.open.count() as usize >= SAMPLES_MAX;
        if self.open.count() > 0
            && (is_full || period_of(self.open.first_ms()) != period_of(sample.t_ms))
        {
            self.close();
        }
        self.open.push(sample);
        self.last = Some(sample);
    }

    fn close(&mut self) {
        let mut samples = Vec::with_capacity(SAMPLES_MAX);
        std::mem::take(&mut self.open).read(&mut samples);
        self.closed.push(Arc::new(Chunk::of(&samples)));
    }

    /// Chunks with samples between two times, both inclusive.
    pub(super) fn chunks(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = HeadChunk> {
        let closed = self
            .closed
            .iter()
            .filter(move |chunk| chunk.first_ms <= to_ms && chunk.last_ms >= from_ms)
            .map(|chunk| HeadChunk::Closed(chunk.clone()));
        let open = (self.open.count() > 0
            && self.open.first_ms() <= to_ms
            && self.open.last_ms() >= from_ms)
            .then(|| HeadChunk::Open(self.open.clone()));
        closed.chain(open)
    }

    /// The time of its oldest sample.
    pub(super) fn first_ms(&self) -> Option<i64> {
        let open = (self.open.count() > 0).then(|| self.open.first_ms());
        self.closed.first().map(|chunk| chunk.first_ms).or(open)
    }

    /// Lets go of the period that begins at `start_ms`, which is in a block now.
    pub(super) fn drop_period(&mut self, start_ms: i64) {
        let is_in = |time: i64| time >= start_ms && time < start_ms + PERIOD_MS;
        self.closed.retain(|chunk| !is_in(chunk.first_ms));
        if self.open.count() > 0 && is_in(self.open.first_ms()) {
            self.open = XorChunk::default();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.count() == 0
    }

    pub(super) fn samples(&self) -> u64 {
        let closed: u64 = self.closed.iter().map(|chunk| u64::from(chunk.count)).sum();
        closed + u64::from(self.open.count())
    }

    /// Heap bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let closed: usize = self.closed.iter().map(|chunk| chunk.bytes.len() + 64).sum();
        closed + self.open.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_ends_when_it_is_full_and_at_the_end_of_a_period() {
        let mut head = HeadSeries::default();
        let start = 3 * PERIOD_MS - 130 * 15_000;
        let samples: Vec<Sample> = (0..200)
            .map(|n| Sample {
                t_ms: start + n * 15_000,
                v: n as f64,
            })
            .collect();
        for sample in &samples {
            head.push(*sample);
        }
        let counts: Vec<usize> = head
            .chunks(i64::MIN, i64::MAX)
            .map(|chunk| chunk.count())
            .collect();
        assert_eq!(counts, [120, 10, 70]);
        let mut read = Vec::new();
        for chunk in head.chunks(i64::MIN, i64::MAX) {
            chunk.read(&mut read);
        }
        assert_eq!(read, samples);
        assert_eq!(head.chunks(start, start).count(), 1);

        head.drop_period(2 * PERIOD_MS);
        assert_eq!(head.samples(), 70);
        assert_eq!(head.first_ms(), Some(3 * PERIOD_MS));
        head.drop_period(3 * PERIOD_MS);
        assert!(head.is_empty());
        assert_eq!(head.last(), samples.last().copied());
    }
}
