//! The CPU that is wanted: load by the hour, noise, bursts, jobs, start-ups.

use super::{DAYS, Kind, Random, SLOT_S, SLOTS_PER_DAY, Truth};

/// Load by hour of a working day, as a share of the busiest hour. Invented.
const HOURS: [f64; 24] = [
    0.10, 0.08, 0.07, 0.06, 0.06, 0.08, 0.14, 0.28, 0.55, 0.82, 0.95, 1.00, 0.84, 0.90, 0.98, 0.96,
    0.90, 0.74, 0.52, 0.40, 0.32, 0.26, 0.20, 0.14,
];

/// What is drawn once for a workload, so that its pods are alike.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// CPU at the busiest hour, without bursts.
    peak_milli: f64,
    idle_milli: f64,
    weekend: f64,
    noise: f64,
    growth_per_day: f64,
    bursts_per_day: f64,
    burst_alpha: f64,
    burst_s: f64,
    job_hour: f64,
    job_s: f64,
    job_milli: f64,
    startup_s: f64,
    startup_milli: f64,
    /// How much more than its mean a slot wants in its busy periods.
    busy: f64,
    threads_milli: f64,
    /// Days between deployments.
    deployed_every: f64,
    pub(super) memory_base_bytes: f64,
    /// Memory that the busiest hour adds.
    pub(super) memory_load_bytes: f64,
    /// Memory that is lost in a day, at full load.
    pub(super) leak_bytes_per_day: f64,
    pub(super) heap_max_bytes: f64,
    /// Rare large requests a day, and how much memory they take for seconds.
    pub(super) large_per_day: f64,
    pub(super) large_bytes: f64,
}

impl Shape {
    pub(super) fn draw(kind: Kind, random: &mut Random) -> Self {
        let mib = 1024.0 * 1024.0;
        let peak_milli = match kind {
            Kind::Quiet => random.between(15.0, 60.0),
            Kind::Batch => random.between(10.0, 40.0),
            Kind::Jvm => random.between(250.0, 1200.0),
            _ => random.between(80.0, 700.0),
        };
        let memory_base_bytes = mib
            * match kind {
                Kind::Jvm => random.between(250.0, 500.0),
                Kind::Node | Kind::Quiet => random.between(60.0, 140.0),
                _ => random.between(40.0, 300.0),
            };
        Self {
            kind,
            peak_milli,
            idle_milli: random.between(1.0, 8.0),
            weekend: random.between(0.15, 0.7),
            noise: random.between(0.08, 0.25),
            growth_per_day: match kind {
                Kind::Growth => random.between(0.01, 0.03),
                _ => random.between(-0.002, 0.003),
            },
            bursts_per_day: match kind {
                Kind::Burst => random.between(3.0, 12.0),
                Kind::Quiet => random.between(40.0, 200.0),
                _ => random.between(0.0, 1.0),
            },
            burst_alpha: random.between(1.6, 2.6),
            burst_s: match kind {
                Kind::Quiet => random.between(1.0, 8.0),
                _ => random.between(30.0, 400.0),
            },
            job_hour: random.between(1.0, 4.0),
            job_s: random.between(600.0, 5400.0),
            job_milli: random.between(400.0, 2500.0),
            startup_s: match kind {
                Kind::Jvm => random.between(40.0, 120.0),
                _ => random.between(3.0, 20.0),
            },
            startup_milli: match kind {
                Kind::Jvm => random.between(1500.0, 3500.0),
                _ => random.between(300.0, 1000.0),
            },
            busy: random.between(1.5, 4.0),
            threads_milli: match kind {
                Kind::Node | Kind::Quiet => 1_000.0,
                _ => 4_000.0,
            },
            deployed_every: random.between(4.0, 12.0),
            memory_base_bytes,
            memory_load_bytes: mib * random.between(20.0, 200.0),
            leak_bytes_per_day: match kind {
                Kind::Leak => mib * random.between(10.0, 60.0),
                _ => 0.0,
            },
            heap_max_bytes: match kind {
                Kind::Jvm => mib * random.between(512.0, 2048.0),
                _ => mib * random.between(80.0, 400.0),
            },
            large_per_day: random.between(0.0, 4.0),
            large_bytes: mib * random.between(5.0, 40.0),
        }
    }

    /// The share of the busiest hour, at a slot.
    pub(super) fn load(&self, slot: usize) -> f64 {
        let day = slot / SLOTS_PER_DAY;
        let hour = (slot % SLOTS_PER_DAY) as f64 * f64::from(SLOT_S) / 3600.0;
        let from = hour as usize % 24;
        let share = hour.fract();
        let of_day = HOURS[from] * (1.0 - share) + HOURS[(from + 1) % 24] * share;
        // Day 0 is a Monday.
        let of_week = if day % 7 >= 5 { self.weekend } else { 1.0 };
        let grown = (1.0 + self.growth_per_day).powf(slot as f64 / SLOTS_PER_DAY as f64);
        of_day * of_week * grown
    }

    /// Whether the nightly job runs, and how large it is tonight.
    fn job(&self, slot: usize) -> Option<f64> {
        if self.kind != Kind::Batch {
            return None;
        }
        let day = slot / SLOTS_PER_DAY;
        let second = (slot % SLOTS_PER_DAY) as f64 * f64::from(SLOT_S);
        let size = if day % 7 == 6 { 1.8 } else { 1.0 };
        let begin = self.job_hour * 3600.0;
        (second >= begin && second < begin + self.job_s * size).then_some(size)
    }

    /// How far the nightly job has come, from 0 to 1, and how large it is.
    pub(super) fn job_progress(&self, slot: usize) -> Option<(f64, f64)> {
        let size = self.job(slot)?;
        let second = (slot % SLOTS_PER_DAY) as f64 * f64::from(SLOT_S);
        let done = (second - self.job_hour * 3600.0) / (self.job_s * size);
        Some((done, size))
    }
}

/// What one pod wants of CPU, and when it is started.
pub(super) fn demand(shape: &Shape, random: &mut Random) -> Truth {
    let slots = DAYS as usize * SLOTS_PER_DAY;
    let mut truth = Truth {
        starts: starts(shape, random, slots),
        ..Truth::default()
    };
    let share = random.factor(0.1);
    let mut wander = 0.0;
    let mut burst = Burst::default();
    let mut tonight = 1.0;
    let mut next_start = 0;
    let mut started = 0;
    for slot in 0..slots {
        if truth.starts.get(next_start) == Some(&slot) {
            started = slot;
            next_start += 1;
        }
        if slot % SLOTS_PER_DAY == 0 {
            tonight = random.factor(0.15);
        }
        wander = wander * 0.98 + random.normal() * shape.noise * 0.2;
        let noise = (wander + random.normal() * shape.noise * 0.5).exp();
        let load = shape.load(slot);
        let mut wanted = shape.idle_milli
            + match shape.kind {
                Kind::Quiet | Kind::Batch => shape.peak_milli * 0.1 * load,
                _ => shape.peak_milli * load,
            } * noise
                * share;
        wanted += burst.step(shape, load, random);
        if shape.job(slot).is_some() {
            wanted += shape.job_milli * tonight * random.between(0.6, 1.1);
        }
        let age_s = (slot - started) as f64 * f64::from(SLOT_S);
        if age_s < shape.startup_s {
            wanted += shape.startup_milli * random.between(0.7, 1.0);
        }
        let wanted = wanted.min(shape.threads_milli);
        let busy = wanted * shape.busy * random.between(0.8, 1.2);
        truth.cpu_milli.push(wanted);
        truth
            .cpu_busy_milli
            .push(busy.clamp(wanted, shape.threads_milli.max(wanted)));
    }
    truth
}

/// When the container is deployed anew: at noon or so, on days that the seed decides.
fn starts(shape: &Shape, random: &mut Random, slots: usize) -> Vec<usize> {
    let mut starts = vec![0];
    let mut day = 0.0;
    loop {
        day += shape.deployed_every * random.between(0.6, 1.4);
        let hour = random.between(9.0, 17.0);
        let slot = (day as usize) * SLOTS_PER_DAY + (hour * 3600.0) as usize / SLOT_S as usize;
        if slot >= slots {
            return starts;
        }
        if starts.last().is_some_and(|last| *last < slot) {
            starts.push(slot);
        }
    }
}

/// A burst that is going on.
#[derive(Default)]
struct Burst {
    left_s: f64,
    milli: f64,
}

impl Burst {
    /// What it adds to this slot; a new one begins by chance, sooner where there is load.
    fn step(&mut self, shape: &Shape, load: f64, random: &mut Random) -> f64 {
        let slot_s = f64::from(SLOT_S);
        let chance = shape.bursts_per_day * (0.3 + load) / SLOTS_PER_DAY as f64;
        if self.left_s <= 0.0 {
            if !random.happens(chance) {
                return 0.0;
            }
            self.left_s = shape.burst_s * random.factor(0.6);
            let base = match shape.kind {
                Kind::Quiet => 200.0,
                _ => shape.peak_milli * 0.5,
            };
            self.milli = base * random.tail(shape.burst_alpha);
        }
        let within = self.left_s.min(slot_s) / slot_s;
        self.left_s -= slot_s;
        self.milli * within
    }
}
