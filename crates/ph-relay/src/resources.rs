//! Resource use of children, from procfs, every few seconds.

mod ledger;

use crate::shared::Shared;
use ledger::Ledger;
use ph_record::Observation;
use ph_wire::child::Adopted;
use ph_wire::procfs::Sampler;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Between two looks at the memory of children that the kernel does not look after.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks from one sample to the next.
const LOOKS_PER_SAMPLE: u32 = 5;

/// Samples until Pilothouse ends its children.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut ledger = Ledger::default();
    let mut sampler = Sampler::new();
    let mut adopted = Adopted::default();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    // Two looks at once would tell of a moment that is shorter than the clock of CPU time.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sampled = Instant::now();
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
        if !is_sample {
            ledger.note(&children, &usages);
            continue;
        }
        adopted.reap(&shared.parts.reaper);
        shared.parts.cgroups.sweep();
        let cages: Vec<_> = groups
            .iter()
            .filter_map(|group| Some((*group, shared.parts.cgroups.usage(*group)?)))
            .collect();
        let elapsed = sampled.elapsed();
        sampled = Instant::now();
        for sample in ledger.enter(&children, &usages, &cages, elapsed) {
            shared.parts.sink.observe(Observation::Proc(sample));
        }
    }
}
