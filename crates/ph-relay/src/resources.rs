//! Resource use of children, from procfs, every few seconds.

use crate::shared::{Running, Shared};
use ph_record::{Observation, ProcSample, Replica, ServerIdx};
use ph_wire::child::Adopted;
use ph_wire::procfs::{GroupUsage, Sampler};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at the memory of children that the kernel does not look after.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks from one sample to the next.
const LOOKS_PER_SAMPLE: u32 = 5;

type Place = (ServerIdx, Replica);

/// Samples until Pilothouse ends its children.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut ledger = Ledger::default();
    let mut sampler = Sampler::new();
    let mut adopted = Adopted::default();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    for look in (0..LOOKS_PER_SAMPLE).cycle() {
        tokio::select! {
            _ = tick.tick() => {}
            () = shared.parts.end_children.cancelled() => return,
        }
        let children = shared.children_by_group();
        let is_sample = look == 0;
        if !is_sample && children.values().all(|running| running.memory.is_none()) {
            continue;
        }
        let groups: Vec<u32> = children.keys().copied().collect();
        let usages = sampler.sample_groups(&groups);
        for (group, usage) in &usages {
            if let Some(memory) = children.get(group).and_then(|r| r.memory.as_ref()) {
                memory.look(usage.resident_bytes);
            }
        }
        if is_sample {
            adopted.reap(&shared.parts.reaper);
            shared.parts.cgroups.sweep();
            for sample in ledger.enter(&children, &usages) {
                shared.parts.sink.observe(Observation::Proc(sample));
            }
        }
    }
}

fn place_of(running: &Running) -> Place {
    (running.server, running.replica)
}

/// What was seen last, to tell what has been used since.
#[derive(Default)]
struct Ledger {
    last: HashMap<u32, GroupUsage>,
    places: Vec<Place>,
}

impl Ledger {
    /// One sample per server and replica: the children of sessions are taken
    /// together. A place whose last child has gone is sampled once more, as nothing.
    fn enter(
        &mut self,
        children: &HashMap<u32, Running>,
        usages: &[(u32, GroupUsage)],
    ) -> Vec<ProcSample> {
        let nothing = |&(server, replica): &Place| ProcSample {
            server,
            replica,
            cpu_seconds_delta: 0.0,
            read_bytes_delta: 0,
            written_bytes_delta: 0,
            resident_bytes: 0,
            open_fds: 0,
            open_fds_ratio: 0.0,
            processes: 0,
        };
        let mut sums: HashMap<Place, ProcSample> =
            self.places.iter().map(|p| (*p, nothing(p))).collect();
        let mut now = HashMap::new();
        for (group, usage) in usages {
            let Some(place) = children.get(group).map(place_of) else {
                continue;
            };
            let before = self.last.get(group);
            let sum = sums.entry(place).or_insert_with(|| nothing(&place));
            sum.cpu_seconds_delta +=
                (usage.cpu_seconds - before.map_or(0.0, |b| b.cpu_seconds)).max(0.0);
            sum.read_bytes_delta += usage
                .read_bytes
                .saturating_sub(before.map_or(0, |b| b.read_bytes));
            sum.written_bytes_delta += usage
                .written_bytes
                .saturating_sub(before.map_or(0, |b| b.written_bytes));
            sum.resident_bytes += usage.resident_bytes;
            sum.open_fds += usage.open_fds;
            sum.open_fds_ratio = sum.open_fds_ratio.max(usage.open_fds_ratio);
            sum.processes += usage.processes;
            now.insert(*group, *usage);
        }
        self.places = now
            .keys()
            .filter_map(|g| children.get(g).map(place_of))
            .collect();
        self.places
            .sort_unstable_by_key(|(server, replica)| (*server, format!("{replica:?}")));
        self.places.dedup();
        self.last = now;
        sums.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::MemoryWatch;

    fn usage(cpu_seconds: f64, resident_bytes: u64) -> GroupUsage {
        GroupUsage {
            cpu_seconds,
            resident_bytes,
            read_bytes: 0,
            written_bytes: 0,
            open_fds: 1,
            open_fds_ratio: 0.1,
            processes: 1,
        }
    }

    #[test]
    fn children_of_sessions_are_taken_together_and_end_at_nothing() {
        let running = Running {
            server: ServerIdx(0),
            replica: Replica::Session,
            memory: None,
        };
        let children = HashMap::from([(7, running.clone()), (8, running)]);
        let mut ledger = Ledger::default();
        let first = ledger.enter(&children, &[(7, usage(1.0, 10)), (8, usage(2.0, 20))]);
        assert_eq!(
            (first.len(), first[0].resident_bytes, first[0].processes),
            (1, 30, 2)
        );
        assert!((first[0].cpu_seconds_delta - 3.0).abs() < 1e-9);
        let second = ledger.enter(&children, &[(7, usage(1.5, 10))]);
        assert!((second[0].cpu_seconds_delta - 0.5).abs() < 1e-9);
        let gone = ledger.enter(&HashMap::new(), &[]);
        assert_eq!(
            (gone.len(), gone[0].resident_bytes, gone[0].processes),
            (1, 0, 0)
        );
        assert!(ledger.enter(&HashMap::new(), &[]).is_empty());
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
