//! Generated use of containers over 30 days, with the peaks that a scrape does not see.
//!
//! **All of it is invented.** No public series of CPU and memory over 30 days may be shipped, so kinds of use are drawn
//! from a seed: shapes of days and weeks, bursts, batches, leaks, heaps, start-ups. It tells recommenders apart; it does
//! not say how the containers of a given company behave.
//!
//! [`TUNING_SEEDS`] may be looked at while a recommender is built, [`JUDGING_SEEDS`] only to judge it. Both are named here
//! before there is a recommender, and stay.

use serde::{Deserialize, Serialize};

use crate::sizing::{PodSamples, Point, Resources, Samples, Slot};

mod demand;
mod heap;
mod random;

pub use random::Random;

/// What a recommender may be tuned on.
pub const TUNING_SEEDS: [u64; 3] = [11, 23, 47];
/// What it is judged on: nothing is ever tuned on these.
pub const JUDGING_SEEDS: [u64; 5] = [1009, 2003, 3001, 4001, 5003];
/// How long a workload lasts.
pub const DAYS: u32 = 30;
/// The grain of the truth, in seconds.
pub const SLOT_S: u32 = 10;
/// What a monitoring system records of it: one sample in so many seconds.
pub const SCRAPE_S: u32 = 60;

pub(crate) const SLOTS_PER_DAY: usize = 86_400 / SLOT_S as usize;
const PODS: usize = 2;

/// What a container does for a living.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Requests of people: office hours, quiet weekends.
    Web,
    /// As `Web`, with bursts whose size has a heavy tail.
    Burst,
    /// Idle, but for a job at night that is larger on Sundays.
    Batch,
    /// As `Web`, with memory that is lost until the next deployment.
    Leak,
    /// A heap that is committed in steps up to its maximum, and a start-up that costs cores.
    Jvm,
    /// A heap that fills up and is collected.
    Node,
    /// As `Web`, with more of it every day.
    Growth,
    /// A few calls an hour, short and hungry: what most MCP servers do.
    Quiet,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Web,
        Self::Burst,
        Self::Batch,
        Self::Leak,
        Self::Jvm,
        Self::Node,
        Self::Growth,
        Self::Quiet,
    ];

    /// As it is written in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Burst => "burst",
            Self::Batch => "batch",
            Self::Leak => "leak",
            Self::Jvm => "jvm",
            Self::Node => "node",
            Self::Growth => "growth",
            Self::Quiet => "quiet",
        }
    }
}

/// What one pod really used, one value for each [`SLOT_S`] seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// CPU that was wanted, as a mean over the slot.
    pub cpu_milli: Vec<f64>,
    /// CPU that was wanted in the busy 100 ms periods of the slot; the others are idle. Never less than the mean.
    pub cpu_busy_milli: Vec<f64>,
    /// Memory at the end of the slot: what a scrape sees.
    pub memory_bytes: Vec<f64>,
    /// The most memory within the slot.
    pub memory_peak_bytes: Vec<f64>,
    /// Slots in which the container was started.
    pub starts: Vec<usize>,
}

/// A container of two replicas over [`DAYS`] days.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What it does.
    pub kind: Kind,
    /// What it was drawn from.
    pub seed: u64,
    /// What its owner asked for, who guessed.
    pub current: Resources,
    /// What each replica used.
    pub pods: Vec<Truth>,
}

impl Workload {
    /// The workload of a kind and a seed: always the same.
    #[must_use]
    pub fn generate(kind: Kind, seed: u64) -> Self {
        let mut random = Random::new(seed ^ ((kind as u64 + 1) << 40));
        let shape = demand::Shape::draw(kind, &mut random);
        let pods: Vec<Truth> = (0..PODS)
            .map(|_| {
                let mut own = random.split();
                let mut truth = demand::demand(&shape, &mut own);
                heap::heap(&shape, &mut own, &mut truth);
                truth
            })
            .collect();
        let current = guess(&pods, &mut random);
        Self {
            kind,
            seed,
            current,
            pods,
        }
    }

    /// What a monitoring system has of the days `from..to`: a mean of CPU and a look at memory every [`SCRAPE_S`]
    /// seconds, and, where `with_peaks`, the highest of both within that time.
    #[must_use]
    pub fn recorded(&self, from: u32, to: u32, with_peaks: bool) -> Samples {
        let slots = from as usize * SLOTS_PER_DAY..to.min(DAYS) as usize * SLOTS_PER_DAY;
        let pods = self
            .pods
            .iter()
            .enumerate()
            .map(|(number, truth)| truth.recorded(number, slots.clone(), with_peaks))
            .collect();
        Samples {
            step_s: SCRAPE_S,
            pods,
        }
    }
}

impl Truth {
    /// What was really wanted in the days `from..to`, to judge by.
    pub fn slots(&self, from: u32, to: u32) -> impl Iterator<Item = Slot> {
        let mut starts = self.starts.iter().copied().peekable();
        (from as usize * SLOTS_PER_DAY..to.min(DAYS) as usize * SLOTS_PER_DAY).map(move |slot| {
            let mut is_start = false;
            while starts.next_if(|start| *start <= slot).is_some() {
                is_start = true;
            }
            Slot {
                at_s: (slot * SLOT_S as usize) as i64,
                seconds: f64::from(SLOT_S),
                cpu_milli: self.cpu_milli[slot],
                cpu_busy_milli: self.cpu_busy_milli[slot],
                memory_bytes: self.memory_peak_bytes[slot],
                is_start,
            }
        })
    }

    fn recorded(
        &self,
        number: usize,
        slots: core::ops::Range<usize>,
        with_peaks: bool,
    ) -> PodSamples {
        let each = (SCRAPE_S / SLOT_S) as usize;
        let mut pod = PodSamples {
            name: format!("pod-{number}"),
            ..PodSamples::default()
        };
        for first in slots.clone().step_by(each) {
            let span = first..first + each;
            let at_s = (span.end * SLOT_S as usize) as i64;
            let push = |to: &mut Vec<Point>, value| to.push(Point { at_s, value });
            let cpu = &self.cpu_milli[span.clone()];
            push(&mut pod.cpu_milli, cpu.iter().sum::<f64>() / each as f64);
            push(&mut pod.memory_bytes, self.memory_bytes[span.end - 1]);
            if with_peaks {
                push(&mut pod.cpu_peak_milli, highest(cpu));
                let memory = highest(&self.memory_peak_bytes[span]);
                push(&mut pod.memory_peak_bytes, memory);
            }
        }
        pod.starts_s = self
            .starts
            .iter()
            .filter(|slot| slots.contains(slot))
            .map(|slot| (slot * SLOT_S as usize) as i64)
            .collect();
        pod
    }
}

/// What somebody asked for who looked at a graph once: one and a half times to four times what is needed, in round
/// numbers, with limits of twice that.
fn guess(pods: &[Truth], random: &mut Random) -> Resources {
    let cpu = pods.iter().flat_map(|pod| &pod.cpu_milli);
    let memory = pods.iter().flat_map(|pod| &pod.memory_peak_bytes);
    let cpu = cpu.copied().fold(0.0, f64::max) * random.between(0.5, 1.6);
    let memory = memory.copied().fold(0.0, f64::max) * random.between(1.1, 2.5);
    let cpu_milli = ((cpu / 250.0).ceil() * 250.0) as u64;
    let mib = 1024.0 * 1024.0;
    let memory_bytes = ((memory / (128.0 * mib)).ceil() * 128.0 * mib) as u64;
    Resources {
        cpu_request_milli: Some(cpu_milli),
        cpu_limit_milli: Some(cpu_milli * 2),
        memory_request_bytes: Some(memory_bytes),
        memory_limit_bytes: Some(memory_bytes * 2),
    }
}

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_workload_and_another_seed_another() {
        for kind in Kind::ALL {
            let one = Workload::generate(kind, 11);
            assert_eq!(one, Workload::generate(kind, 11), "{kind:?}");
            assert_ne!(one.pods, Workload::generate(kind, 23).pods, "{kind:?}");
        }
    }

    #[test]
    fn every_slot_is_there_and_means_are_below_peaks() {
        for kind in Kind::ALL {
            let workload = Workload::generate(kind, TUNING_SEEDS[0]);
            for pod in &workload.pods {
                let slots = DAYS as usize * SLOTS_PER_DAY;
                assert_eq!(pod.cpu_milli.len(), slots);
                assert_eq!(pod.cpu_busy_milli.len(), slots);
                assert_eq!(pod.memory_bytes.len(), slots);
                assert_eq!(pod.memory_peak_bytes.len(), slots);
                assert_eq!(pod.starts.first(), Some(&0));
                for slot in 0..slots {
                    assert!(pod.cpu_milli[slot] > 0.0 && pod.cpu_milli[slot].is_finite());
                    assert!(pod.cpu_milli[slot] <= pod.cpu_busy_milli[slot]);
                    assert!(pod.memory_bytes[slot] <= pod.memory_peak_bytes[slot]);
                    assert!(pod.memory_bytes[slot] > 1e6 && pod.memory_peak_bytes[slot] < 64e9);
                }
            }
        }
    }

    #[test]
    fn seeds_for_tuning_and_for_judging_are_apart() {
        assert!(
            TUNING_SEEDS
                .iter()
                .all(|seed| !JUDGING_SEEDS.contains(seed))
        );
    }

    #[test]
    fn a_scrape_sees_less_than_there_was() {
        let workload = Workload::generate(Kind::Node, TUNING_SEEDS[0]);
        let samples = workload.recorded(0, 7, true);
        let pod = &samples.pods[0];
        assert_eq!(pod.memory_bytes.len(), 7 * 1440);
        let most = |points: &[Point]| points.iter().map(|point| point.value).fold(0.0, f64::max);
        assert!(most(&pod.memory_bytes) < most(&pod.memory_peak_bytes));
        let sum = |points: &[Point]| points.iter().map(|point| point.value).sum::<f64>();
        assert!(sum(&pod.cpu_milli) < sum(&pod.cpu_peak_milli));
    }
}
