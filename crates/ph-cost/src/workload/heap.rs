//! The memory that is held: what load needs, what is lost, and what heaps keep.

use super::{DAYS, Kind, Random, SLOTS_PER_DAY, Truth};

const MIB: f64 = 1024.0 * 1024.0;

/// Fills in the memory of a pod whose CPU is known.
pub(super) fn heap(shape: &super::demand::Shape, random: &mut Random, truth: &mut Truth) {
    let mut held = Held::default();
    let mut next_start = 0;
    let mut tonight = 1.0;
    for slot in 0..DAYS as usize * SLOTS_PER_DAY {
        if truth.starts.get(next_start) == Some(&slot) {
            held = Held::started(shape, random);
            next_start += 1;
        }
        if slot % SLOTS_PER_DAY == 0 {
            tonight = random.factor(0.12);
        }
        let load = shape.load(slot);
        let wanted = truth.cpu_milli[slot];
        let steady = held.step(shape, load, wanted, random)
            + match shape.job_progress(slot) {
                // A job reads what it works on, and lets it go at its end.
                Some((done, size)) => shape.heap_max_bytes * size * tonight * (done * 1.6).min(1.0),
                None => 0.0,
            };
        let mut peak = steady * (1.0 + random.unit() * 0.01);
        if random.happens(shape.large_per_day * (0.2 + load) / SLOTS_PER_DAY as f64) {
            peak += shape.large_bytes * random.tail(2.2);
        }
        truth.memory_bytes.push(steady);
        truth.memory_peak_bytes.push(peak);
    }
}

/// What a running container holds.
#[derive(Default)]
struct Held {
    /// What load left, which falls slowly: allocators keep pages.
    kept_bytes: f64,
    lost_bytes: f64,
    heap_bytes: f64,
    committed_bytes: f64,
    /// Where the next collection comes.
    collect_at_bytes: f64,
    cache_bytes: f64,
}

impl Held {
    fn started(shape: &super::demand::Shape, random: &mut Random) -> Self {
        Self {
            committed_bytes: shape.heap_max_bytes * 0.25,
            collect_at_bytes: shape.heap_max_bytes * random.between(0.3, 0.5),
            ..Self::default()
        }
    }

    /// The memory at the end of a slot.
    fn step(
        &mut self,
        shape: &super::demand::Shape,
        load: f64,
        wanted_milli: f64,
        random: &mut Random,
    ) -> f64 {
        let of_load = shape.memory_load_bytes * load * random.between(0.9, 1.1);
        // Half of what is not needed any more is given back in about four hours.
        self.kept_bytes = of_load.max(self.kept_bytes * 0.999_52);
        self.lost_bytes += shape.leak_bytes_per_day * load.min(1.0) * 2.2 / SLOTS_PER_DAY as f64;
        let grown = match shape.kind {
            Kind::Jvm => self.committed(shape, wanted_milli, random),
            Kind::Node => self.sawtooth(shape, wanted_milli, random),
            Kind::Growth => {
                self.cache_bytes += MIB * load * 6.0 / SLOTS_PER_DAY as f64;
                self.cache_bytes
            }
            _ => 0.0,
        };
        shape.memory_base_bytes + self.kept_bytes + self.lost_bytes + grown
    }

    /// A heap is touched up to what is committed, which rises when the live part does and never falls: what is seen from
    /// outside says little of what is needed.
    fn committed(
        &mut self,
        shape: &super::demand::Shape,
        wanted_milli: f64,
        random: &mut Random,
    ) -> f64 {
        self.heap_bytes += wanted_milli * 2_500.0 * random.between(0.6, 1.4);
        if self.heap_bytes >= self.committed_bytes {
            let live = shape.heap_max_bytes * random.between(0.12, 0.45);
            if live > self.committed_bytes * 0.4 {
                self.committed_bytes = (self.committed_bytes * 1.3).min(shape.heap_max_bytes);
            }
            self.heap_bytes = live.min(self.committed_bytes * 0.8);
        }
        self.committed_bytes
    }

    /// A heap grows to a threshold and is collected; the threshold follows what survives.
    fn sawtooth(
        &mut self,
        shape: &super::demand::Shape,
        wanted_milli: f64,
        random: &mut Random,
    ) -> f64 {
        self.heap_bytes += wanted_milli * 9_000.0 * random.between(0.5, 1.5);
        if self.heap_bytes >= self.collect_at_bytes {
            let survives = self.heap_bytes * random.between(0.25, 0.6);
            self.collect_at_bytes =
                (survives * random.between(1.5, 2.4)).clamp(20.0 * MIB, shape.heap_max_bytes);
            self.heap_bytes = survives.min(self.collect_at_bytes * 0.9);
        }
        self.heap_bytes
    }
}
