//! What was seen of children last, to tell what has been used since.

use crate::shared::Running;
use ph_record::{ProcSample, Replica, ServerIdx};
use ph_wire::cgroup::CageUsage;
use ph_wire::procfs::GroupUsage;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Samples that make a minute: a peak is to be seen by whoever asks once a minute.
const WINDOW: usize = 13;
/// CPU time comes in ticks of 10 ms: over less than this it says nothing of cores.
const ELAPSED_MIN: Duration = Duration::from_secs(1);

type Place = (ServerIdx, Replica);

/// One entry for each server and replica: the children of sessions are taken together.
#[derive(Default)]
pub(super) struct Ledger {
    usages: HashMap<u32, GroupUsage>,
    cages: HashMap<u32, CageUsage>,
    /// Of each child, the most memory between the last sample and the next. It may be gone by then.
    noted: HashMap<u32, (Place, u64)>,
    /// Of each place that has or had children in the last minute, what it peaked at.
    windows: HashMap<Place, Window>,
}

/// The last samples, newest last.
#[derive(Default)]
struct Window(VecDeque<Peak>);

#[derive(Clone, Copy, Default)]
struct Peak {
    resident_bytes: u64,
    cores: f64,
}

impl Window {
    fn push(&mut self, peak: Peak) {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(peak);
    }

    fn highest(&self) -> Peak {
        let of = |most: Peak, one: &Peak| Peak {
            resident_bytes: most.resident_bytes.max(one.resident_bytes),
            cores: most.cores.max(one.cores),
        };
        self.0.iter().fold(Peak::default(), of)
    }
}

fn place_of(running: &Running) -> Place {
    (running.server, running.replica)
}

fn nothing((server, replica): Place) -> ProcSample {
    ProcSample {
        server,
        replica,
        cpu_seconds_delta: 0.0,
        read_bytes_delta: 0,
        written_bytes_delta: 0,
        resident_bytes: 0,
        resident_peak_bytes: 0,
        cpu_peak_cores: 0.0,
        cage: None,
        open_fds: 0,
        open_fds_ratio: 0.0,
        processes: 0,
    }
}

impl Ledger {
    /// A look between two samples: only what peaked is kept of it.
    pub(super) fn note(&mut self, children: &HashMap<u32, Running>, usages: &[(u32, GroupUsage)]) {
        for (group, usage) in usages {
            if let Some(place) = children.get(group).map(place_of) {
                let (_, peak) = self.noted.entry(*group).or_insert((place, 0));
                *peak = (*peak).max(usage.resident_peak_bytes);
            }
        }
    }

    /// One sample for each place that has children, and for each that had some until what they peaked at is a minute
    /// old. `elapsed` is the time since the last sample.
    pub(super) fn enter(
        &mut self,
        children: &HashMap<u32, Running>,
        usages: &[(u32, GroupUsage)],
        cages: &[(u32, CageUsage)],
        elapsed: Duration,
    ) -> Vec<ProcSample> {
        let mut sums: HashMap<Place, ProcSample> = self
            .windows
            .keys()
            .map(|place| (*place, nothing(*place)))
            .collect();
        self.note(children, usages);
        // Whoever came and went between two samples peaked too.
        for (place, _) in self.noted.values() {
            sums.entry(*place).or_insert_with(|| nothing(*place));
        }
        for (group, usage) in usages {
            if let Some(place) = children.get(group).map(place_of) {
                let sum = sums.entry(place).or_insert_with(|| nothing(place));
                add(sum, usage, self.usages.get(group));
            }
        }
        for (group, cage) in cages {
            if let Some(place) = children.get(group).map(place_of) {
                let sum = sums.entry(place).or_insert_with(|| nothing(place));
                add_cage(sum, cage, self.cages.get(group));
            }
        }
        self.usages = usages.iter().copied().collect();
        self.cages = cages.iter().copied().collect();
        self.with_peaks(sums, elapsed)
    }

    fn with_peaks(
        &mut self,
        mut sums: HashMap<Place, ProcSample>,
        elapsed: Duration,
    ) -> Vec<ProcSample> {
        let mut peaks: HashMap<Place, u64> = HashMap::new();
        for (place, bytes) in std::mem::take(&mut self.noted).into_values() {
            *peaks.entry(place).or_default() += bytes;
        }
        for (place, sum) in &mut sums {
            let window = self.windows.entry(*place).or_default();
            let is_long = elapsed >= ELAPSED_MIN;
            window.push(Peak {
                resident_bytes: peaks.get(place).copied().unwrap_or(0),
                cores: if is_long {
                    sum.cpu_seconds_delta / elapsed.as_secs_f64()
                } else {
                    0.0
                },
            });
            let highest = window.highest();
            sum.resident_peak_bytes = highest.resident_bytes;
            sum.cpu_peak_cores = highest.cores;
        }
        self.windows.retain(|place, window| {
            let runs = sums.get(place).is_some_and(|sum| sum.processes > 0);
            runs || window.highest().resident_bytes > 0
        });
        sums.into_values().collect()
    }
}

fn add(sum: &mut ProcSample, usage: &GroupUsage, before: Option<&GroupUsage>) {
    let before = before.copied().unwrap_or_default();
    sum.cpu_seconds_delta += (usage.cpu_seconds - before.cpu_seconds).max(0.0);
    sum.read_bytes_delta += usage.read_bytes.saturating_sub(before.read_bytes);
    sum.written_bytes_delta += usage.written_bytes.saturating_sub(before.written_bytes);
    sum.resident_bytes += usage.resident_bytes;
    sum.open_fds += usage.open_fds;
    sum.open_fds_ratio = sum.open_fds_ratio.max(usage.open_fds_ratio);
    sum.processes += usage.processes;
}

fn add_cage(sum: &mut ProcSample, cage: &CageUsage, before: Option<&CageUsage>) {
    let before = before.copied().unwrap_or_default();
    let throttled_us = cage.throttled_us.saturating_sub(before.throttled_us);
    let periods = cage
        .throttled_periods
        .saturating_sub(before.throttled_periods);
    let into = sum.cage.get_or_insert_default();
    into.throttled_seconds_delta += throttled_us as f64 / 1e6;
    into.throttled_periods_delta += periods;
    into.memory_peak_bytes = into.memory_peak_bytes.max(cage.memory_peak_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::MemoryWatch;

    const SAMPLE: Duration = Duration::from_secs(5);

    fn usage(cpu_seconds: f64, resident_bytes: u64) -> GroupUsage {
        GroupUsage {
            cpu_seconds,
            resident_bytes,
            resident_peak_bytes: resident_bytes * 2,
            open_fds: 1,
            open_fds_ratio: 0.1,
            processes: 1,
            ..GroupUsage::default()
        }
    }

    fn running(replica: Replica) -> Running {
        Running {
            server: ServerIdx(0),
            replica,
            memory: None,
        }
    }

    #[test]
    fn children_of_sessions_are_taken_together_and_end_at_nothing() {
        let child = running(Replica::Session);
        let children = HashMap::from([(7, child.clone()), (8, child)]);
        let mut ledger = Ledger::default();
        let both = [(7, usage(1.0, 10)), (8, usage(2.0, 20))];
        let first = ledger.enter(&children, &both, &[], SAMPLE);
        assert_eq!(
            (first.len(), first[0].resident_bytes, first[0].processes),
            (1, 30, 2)
        );
        assert!((first[0].cpu_seconds_delta - 3.0).abs() < 1e-9);
        let second = ledger.enter(&children, &[(7, usage(1.5, 10))], &[], SAMPLE);
        assert!((second[0].cpu_seconds_delta - 0.5).abs() < 1e-9);
        let gone = ledger.enter(&HashMap::new(), &[], &[], SAMPLE);
        assert_eq!(
            (gone.len(), gone[0].resident_bytes, gone[0].processes),
            (1, 0, 0)
        );
        assert_eq!(gone[0].cage, None);
    }

    #[test]
    fn peaks_stay_for_a_minute_also_of_a_child_that_is_gone() {
        let children = HashMap::from([(7, running(Replica::Slot(0)))]);
        let mut ledger = Ledger::default();
        ledger.enter(&children, &[(7, usage(1.0, 10))], &[], SAMPLE);
        // Between two samples it takes more, and is ended for it.
        ledger.note(&children, &[(7, usage(1.0, 500))]);
        let mut peaks = Vec::new();
        for _ in 0..WINDOW {
            let samples = ledger.enter(&HashMap::new(), &[], &[], SAMPLE);
            assert_eq!((samples.len(), samples[0].resident_bytes), (1, 0));
            peaks.push((samples[0].resident_peak_bytes, samples[0].cpu_peak_cores));
        }
        assert_eq!(peaks[0], (1000, 0.2));
        assert_eq!(
            peaks[WINDOW - 1],
            (1000, 0.0),
            "the CPU was a sample before"
        );
        // Once more, at nothing; then it is forgotten.
        let last = ledger.enter(&HashMap::new(), &[], &[], SAMPLE);
        assert_eq!((last.len(), last[0].resident_peak_bytes), (1, 0));
        assert!(ledger.enter(&HashMap::new(), &[], &[], SAMPLE).is_empty());
        assert!(ledger.noted.is_empty() && ledger.windows.is_empty());
    }

    #[test]
    fn who_came_and_went_between_two_samples_peaked_too() {
        let children = HashMap::from([(7, running(Replica::Session))]);
        let mut ledger = Ledger::default();
        ledger.note(&children, &[(7, usage(1.0, 500))]);
        let samples = ledger.enter(&HashMap::new(), &[], &[], SAMPLE);
        assert_eq!((samples.len(), samples[0].resident_peak_bytes), (1, 1000));
    }

    #[test]
    fn what_a_bound_on_cpu_held_up_is_counted_of_each_child_since_it_began() {
        let children = HashMap::from([
            (7, running(Replica::Session)),
            (8, running(Replica::Session)),
        ]);
        let cage = |us, periods, memory_peak_bytes| CageUsage {
            throttled_us: us,
            throttled_periods: periods,
            memory_peak_bytes,
        };
        let usages = [(7, usage(1.0, 10)), (8, usage(1.0, 10))];
        let mut ledger = Ledger::default();
        let cages = [(7, cage(500_000, 5, Some(100))), (8, cage(0, 0, None))];
        let first = ledger.enter(&children, &usages, &cages, SAMPLE)[0]
            .cage
            .unwrap();
        assert_eq!(
            (first.throttled_seconds_delta, first.throttled_periods_delta),
            (0.5, 5)
        );
        assert_eq!(first.memory_peak_bytes, Some(100));
        // One is held up more, the other is another child that was given its number.
        let cages = [(7, cage(750_000, 7, Some(120))), (8, cage(0, 0, None))];
        let second = ledger.enter(&children, &usages, &cages, SAMPLE)[0]
            .cage
            .unwrap();
        assert_eq!(
            (
                second.throttled_seconds_delta,
                second.throttled_periods_delta
            ),
            (0.25, 2)
        );
    }

    #[test]
    fn a_moment_says_nothing_of_cores() {
        let children = HashMap::from([(7, running(Replica::Slot(0)))]);
        let mut ledger = Ledger::default();
        let samples = ledger.enter(
            &children,
            &[(7, usage(0.01, 10))],
            &[],
            Duration::from_millis(2),
        );
        assert_eq!(samples[0].cpu_peak_cores, 0.0);
    }

    #[tokio::test]
    async fn who_uses_more_than_it_may_is_found_out_once() {
        let memory = MemoryWatch::new(100);
        memory.look(100);
        let waits = tokio::time::timeout(Duration::ZERO, memory.exceeded()).await;
        assert!(waits.is_err());
        memory.look(101);
        memory.look(50);
        assert_eq!(memory.exceeded().await, 101);
    }
}
