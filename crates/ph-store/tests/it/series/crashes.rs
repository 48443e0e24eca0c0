//! Random scrapes on a disk that fails, with processes that are killed and machines that lose their power.

use super::{DAY_START_MS, DIR, STEP_MS, all, options, series};
use ph_promql::is_stale;
use ph_store::disk::{Disk, Faults, FaultyDisk};
use ph_store::series::{NewSample, Scrape, SeriesOptions, SeriesStore};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    /// So much later, a target shows these series.
    Scrape {
        later: i64,
        target: u8,
        series: u8,
    },
    Tick,
    Kill,
    CutPower,
    Fail {
        change: u8,
        sync: u8,
        read: u8,
    },
    DieAfter(u64),
    Heal,
}

fn step() -> impl Strategy<Value = Step> {
    let later = prop_oneof![6 => Just(STEP_MS), 3 => Just(20 * 60_000), 2 => Just(3 * 3_600_000)];
    prop_oneof![
        12 => (later, 0u8..2, any::<u8>()).prop_map(|(later, target, series)| Step::Scrape { later, target, series }),
        4 => Just(Step::Tick),
        1 => Just(Step::Kill),
        1 => Just(Step::CutPower),
        1 => (0u8..60, 0u8..60, 0u8..20).prop_map(|(change, sync, read)| Step::Fail { change, sync, read }),
        1 => (0u64..12).prop_map(Step::DieAfter),
        2 => Just(Step::Heal),
    ]
}

type Samples = BTreeMap<String, BTreeMap<i64, u64>>;

/// What was acknowledged, and what was tried.
#[derive(Default)]
struct Model {
    sure: Samples,
    tried: BTreeSet<(String, i64, u64)>,
}

struct World {
    disk: FaultyDisk,
    options: SeriesOptions,
    store: Option<SeriesStore>,
    model: Model,
    now_ms: i64,
    value: f64,
}

impl World {
    fn new(seed: u64, syncs: bool) -> Self {
        Self {
            disk: FaultyDisk::new(seed),
            options: SeriesOptions { syncs, ..options() },
            store: None,
            model: Model::default(),
            now_ms: DAY_START_MS,
            value: 0.0,
        }
    }

    fn store(&mut self) -> Option<&mut SeriesStore> {
        if self.store.is_none() {
            let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
            self.store = SeriesStore::open(disk, Path::new(DIR), self.options.clone())
                .ok()
                .map(|(store, _)| store);
        }
        self.store.as_mut()
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Scrape {
                later,
                target,
                series,
            } => {
                self.now_ms += later;
                self.scrape(target, series);
            }
            Step::Tick => {
                let now_ms = self.now_ms;
                if let Some(store) = self.store() {
                    drop(store.tick(now_ms));
                }
            }
            Step::Kill => {
                self.disk.kill();
                self.store = None;
            }
            Step::CutPower => {
                self.disk.cut_power();
                self.store = None;
            }
            Step::Fail { change, sync, read } => self.disk.set_faults(Faults {
                change_rate: change,
                sync_rate: sync,
                read_rate: read,
                capacity_bytes: None,
            }),
            Step::DieAfter(operations) => self.disk.die_after(operations),
            Step::Heal => self.disk.set_faults(Faults::default()),
        }
    }

    fn scrape(&mut self, target: u8, which: u8) {
        let now_ms = self.now_ms;
        let name = format!("t{target}");
        let mut samples = Vec::new();
        for bit in 0..6 {
            if which & (1 << bit) != 0 {
                self.value += 0.5;
                let labels = series(&format!("m{bit}"), &name);
                samples.push(NewSample::from((labels, self.value)));
            }
        }
        let tried: Vec<(String, i64, u64)> = samples
            .iter()
            .map(|one| (one.labels.to_string(), now_ms, one.v.to_bits()))
            .collect();
        let Some(store) = self.store() else { return };
        let report = store.scrape(&Scrape {
            t_ms: now_ms,
            target: &name,
            samples: &samples,
            exemplars: &[],
            metadata: &[],
        });
        self.model.tried.extend(tried.iter().cloned());
        if let Ok(report) = report {
            assert_eq!(report.added, samples.len() as u64, "{report:?}");
            for (labels, t_ms, bits) in tried {
                self.model
                    .sure
                    .entry(labels)
                    .or_default()
                    .insert(t_ms, bits);
            }
        }
    }

    /// Everything acknowledged is there, nothing is there that was never tried, nothing twice.
    fn check(&mut self) -> Result<(), TestCaseError> {
        self.disk.set_faults(Faults::default());
        self.disk.die_after(u64::MAX / 2);
        let Some(store) = self.store() else {
            return Err(TestCaseError::fail("the store does not open"));
        };
        let mut left = Samples::new();
        for series in all(&store.reader()) {
            let labels = series.labels.to_string();
            for pair in series.samples.windows(2) {
                prop_assert!(pair[0].t_ms < pair[1].t_ms, "{labels} at {}", pair[1].t_ms);
            }
            let found = left.entry(labels).or_default();
            for sample in series.samples.iter().filter(|sample| !is_stale(sample.v)) {
                found.insert(sample.t_ms, sample.v.to_bits());
            }
        }
        for (labels, samples) in &self.model.sure {
            for (t_ms, bits) in samples {
                let found = left.get(labels).and_then(|found| found.get(t_ms));
                prop_assert_eq!(found, Some(bits), "{} at {}", labels, t_ms);
            }
        }
        for (labels, samples) in left {
            for (t_ms, bits) in samples {
                prop_assert!(self.model.tried.contains(&(labels.clone(), t_ms, bits)));
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_there_once(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new(seed, true);
        for step in &steps {
            world.take(step);
        }
        world.check()?;
        world.disk.set_faults(Faults::default());
        world.take(&Step::CutPower);
        world.check()?;
        // And all of it goes into blocks.
        world.now_ms += 3 * 86_400_000;
        world.take(&Step::Tick);
        world.take(&Step::Kill);
        world.check()?;
        world.check_only_blocks();
    }

    /// Without a sync of each scrape a killed process still loses nothing.
    #[test]
    fn without_syncs_a_killed_process_loses_nothing(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new(seed, false);
        for step in &steps {
            match step {
                Step::CutPower => world.take(&Step::Kill),
                other => world.take(other),
            }
        }
        world.take(&Step::Kill);
        world.check()?;
    }
}

impl World {
    fn check_only_blocks(&mut self) {
        let stats = self.store().unwrap().stats();
        assert_eq!(stats.head_samples, 0, "{stats:?}");
        let days: BTreeSet<i64> = self
            .disk
            .files()
            .iter()
            .filter_map(|(path, _)| {
                let name = path.file_name()?.to_str()?.strip_suffix(".block")?;
                let start: i64 = name.split('-').next()?.parse().ok()?;
                Some(start / 86_400)
            })
            .collect();
        assert_eq!(stats.blocks, days.len(), "one block a day");
    }
}
