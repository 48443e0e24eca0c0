//! Crashes at any point, on a disk that fails in every way: what was acknowledged is there, once.

use crate::given::{open, record};
use ph_store::Filter;
use ph_store::disk::{Faults, FaultyDisk};
use ph_store::logs::{LogOptions, LogReader, LogStore, Seq};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Flush,
    Sync,
    Tick,
    /// Of 256 changes and syncs so many fail.
    Fail(u8, u8),
    /// So many more bytes fit.
    Fill(u16),
    Heal,
    Kill,
    CutPower,
    /// After so many more operations nothing works any more; then the power is cut.
    DieAt(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..40_u8).prop_map(Step::Append),
        4 => Just(Step::Flush),
        4 => Just(Step::Sync),
        4 => Just(Step::Tick),
        1 => (0..120_u8, 0..120_u8).prop_map(|(a, b)| Step::Fail(a, b)),
        1 => (0..8_000_u16).prop_map(Step::Fill),
        2 => Just(Step::Heal),
        1 => Just(Step::Kill),
        1 => Just(Step::CutPower),
        1 => (0..30_u8).prop_map(Step::DieAt),
    ]
}

/// What a store must hold.
#[derive(Default)]
struct Model {
    /// Every record that was taken and may be there.
    taken: BTreeMap<u64, u64>,
    written: u64,
    lasting: u64,
    /// Numbers the records, so that each is different.
    next: u64,
}

impl Model {
    /// Whatever is there is what was taken, once, in order; up to `certain` all of it is there.
    fn check(&mut self, reader: &LogReader, certain: u64) {
        let batch = reader
            .follow(Seq(1), &Filter::all(), usize::MAX, usize::MAX)
            .unwrap();
        let mut there = BTreeMap::new();
        let mut last = 0;
        for hit in &batch.entries {
            assert!(hit.seq.0 > last, "{} after {last}", hit.seq);
            last = hit.seq.0;
            let n = self.taken.get(&last).copied();
            let json = n.map(|n| record(n).json.into_bytes());
            assert_eq!(Some(&hit.json), json.as_ref(), "record {last}");
            there.extend(n.map(|n| (last, n)));
        }
        for seq in self.taken.keys().filter(|seq| **seq <= certain) {
            assert!(there.contains_key(seq), "record {seq} of {certain} is lost");
        }
        self.taken = there;
    }
}

/// Small, so that everything happens often; in the foreground, so that it happens in an order.
fn options() -> LogOptions {
    LogOptions {
        segment_records: 50,
        buffer_bytes: 2_000,
        retention: None,
        bytes_max: None,
        background: false,
        ..LogOptions::default()
    }
}

/// Opens it as often as it takes.
fn open_again(
    disk: &FaultyDisk,
    model: &mut Model,
    certain: u64,
    options: &LogOptions,
) -> LogStore {
    disk.set_faults(Faults::default());
    let (store, report) = open(disk, options.clone()).unwrap();
    assert_eq!(report.damage, []);
    model.check(&store.reader(), certain);
    assert!(report.last.0 >= certain);
    // Numbers go on behind everything that was ever seen to last.
    (model.written, model.lasting) = (report.last.0, report.last.0);
    store
}

fn run(seed: u64, steps: &[Step], options: &LogOptions) {
    let disk = FaultyDisk::new(seed);
    let mut model = Model::default();
    let mut store = Some(open_again(&disk, &mut model, 0, options));
    let mut dies = false;
    for step in steps {
        let Some(open) = store.as_mut() else { break };
        match step {
            Step::Append(count) => {
                for _ in 0..*count {
                    let n = model.next;
                    if let Ok(seq) = open.append(&record(n).entry()) {
                        model.taken.insert(seq.0, n);
                        model.next += 1;
                    }
                }
            }
            Step::Flush => {
                if let Ok(seq) = open.flush() {
                    model.written = seq.0;
                }
            }
            Step::Sync => {
                if let Ok(seq) = open.sync() {
                    (model.written, model.lasting) = (seq.0, seq.0);
                }
            }
            Step::Tick => {
                open.tick(0);
            }
            Step::Fail(change_rate, sync_rate) => disk.set_faults(Faults {
                change_rate: *change_rate,
                sync_rate: *sync_rate,
                ..Faults::default()
            }),
            Step::Fill(more) => {
                let used: u64 = disk.files().iter().map(|(_, bytes)| bytes).sum();
                disk.set_faults(Faults {
                    capacity_bytes: Some(used + u64::from(*more)),
                    ..Faults::default()
                });
            }
            Step::Heal => disk.set_faults(Faults::default()),
            Step::DieAt(operations) => {
                disk.die_after(u64::from(*operations));
                dies = true;
                continue;
            }
            Step::Kill | Step::CutPower => {
                drop(store.take());
                let certain = if matches!(step, Step::Kill) && !dies {
                    disk.kill();
                    model.written
                } else {
                    disk.cut_power();
                    model.lasting
                };
                dies = false;
                store = Some(open_again(&disk, &mut model, certain, options));
                continue;
            }
        }
        // What is lasting is never less than what was said.
        assert!(open.lasting().0 >= model.lasting);
        model.lasting = open.lasting().0;
    }
    drop(store);
    disk.cut_power();
    let lasting = model.lasting;
    let mut store = open_again(&disk, &mut model, lasting, options);
    store.tick(0);
    model.check(&store.reader(), lasting);
    assert!(store.wait_sealed(Duration::ZERO));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_or_doubled(seed: u64, steps in prop::collection::vec(step(), 1..80)) {
        run(seed, &steps, &options());
    }
}

/// A sync fails, and before it is tried again the process is killed. What the next one finds in the file was given up by
/// the system, which says of the next sync that all is well.
#[test]
fn what_was_never_synced_is_written_again_by_the_next_process() {
    for seed in 0..200 {
        let steps = [
            Step::Append(8),
            Step::Fail(0, 200),
            Step::Sync,
            Step::Kill,
            Step::CutPower,
            Step::Append(3),
            Step::Sync,
            Step::CutPower,
        ];
        run(seed, &steps, &options());
    }
}

#[test]
fn a_crash_after_any_operation_of_a_life() {
    let mut steps = Vec::new();
    for _ in 0..8 {
        steps.extend([Step::Append(30), Step::Sync, Step::Tick]);
    }
    for dies_at in 0..60 {
        let mut steps = steps.clone();
        steps.insert(0, Step::DieAt(dies_at));
        run(u64::from(dies_at), &steps, &options());
    }
}
