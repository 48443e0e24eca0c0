//! What is kept, what is refused, and for how long.

use super::{DAY_START_MS, DIR, HOUR_MS, STEP_MS, all, of, open, options, scrape, series, shown};
use ph_promql::Labels;
use ph_store::disk::{Disk, Faults, FaultyDisk, RealDisk};
use ph_store::series::{
    NewExemplar, NewMetadata, NewSample, Scrape, SeriesOptions, SeriesReader, SeriesStore,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_series_that_vanishes_ends_and_so_does_a_target() {
    let disk = FaultyDisk::new(1);
    let (a, b) = (series("m", "a"), series("m", "b"));
    let at = |n: i64| DAY_START_MS + n * STEP_MS;
    let mut store = open(&disk, options());
    scrape(&mut store, at(0), "x", &[(a.clone(), 1.0), (b, 1.0)]);
    let report = scrape(&mut store, at(1), "x", &[(a.clone(), 2.0)]);
    assert_eq!((report.added, report.ended), (1, 1));
    // Only once, and not for another target.
    let report = scrape(&mut store, at(2), "y", &[(series("n", "a"), 2.0)]);
    assert_eq!(report.ended, 0);
    let report = scrape(&mut store, at(2), "x", &[(a, 3.0)]);
    assert_eq!(report.ended, 0);
    // What the last scrape had is known after a crash, too.
    disk.kill();
    drop(store);
    let mut store = open(&disk, options());
    let report = scrape(&mut store, at(3), "x", &[]);
    assert_eq!((report.added, report.ended), (0, 1));

    let found = of(&store.reader(), "m");
    let wanted = [
        (at(0), Some(1.0)),
        (at(1), Some(2.0)),
        (at(2), Some(3.0)),
        (at(3), None),
    ];
    assert_eq!(shown(&found[0].samples), wanted);
    assert_eq!(
        shown(&found[1].samples),
        [(at(0), Some(1.0)), (at(1), None)]
    );
}

#[test]
fn samples_that_cannot_stand_in_order_are_refused_and_counted() {
    let disk = FaultyDisk::new(1);
    let mut store = open(&disk, options());
    let labels = series("m", "a");
    let now = DAY_START_MS + 5 * HOUR_MS;
    let sample = |v: f64, t_ms: Option<i64>| NewSample {
        labels: labels.clone(),
        v,
        t_ms,
    };
    let mut put = |samples: &[NewSample]| {
        let scrape = Scrape {
            t_ms: now,
            target: "x",
            samples,
            exemplars: &[],
            metadata: &[],
        };
        store.scrape(&scrape).unwrap()
    };
    assert_eq!(
        put(&[sample(1.0, Some(now - 1000)), sample(2.0, None)]).duplicates,
        1
    );
    assert_eq!(put(&[sample(1.0, Some(now - 1000))]).duplicates, 1);
    assert_eq!(put(&[sample(1.0, Some(now - 2000))]).out_of_order, 1);
    assert_eq!(
        put(&[sample(1.0, Some(now - 2 * HOUR_MS))]).out_of_bounds,
        1
    );
    assert_eq!(put(&[sample(1.0, Some(now + HOUR_MS))]).out_of_bounds, 1);
    let nameless = NewSample::from((Labels::from_pairs([("a", "b")]), 1.0));
    assert_eq!(put(&[nameless]).invalid, 1);
    assert_eq!(
        shown(&all(&store.reader())[0].samples),
        [(now - 1000, Some(1.0))]
    );
}

#[test]
fn too_many_series_go_into_the_overflow_series_of_their_metric() {
    let disk = FaultyDisk::new(1);
    let bounds = SeriesOptions {
        series_max: 6,
        metric_series_max: 3,
        ..options()
    };
    let mut store = open(&disk, bounds);
    let samples: Vec<(Labels, f64)> = (0..5)
        .flat_map(|n| ["m", "n"].map(|name| (series(name, &format!("t{n}")), 10.0 + f64::from(n))))
        .collect();
    for n in 0..2 {
        let report = scrape(&mut store, DAY_START_MS + n * STEP_MS, "x", &samples);
        assert_eq!((report.added, report.overflowed), (6, 4));
    }
    let found = of(&store.reader(), "m");
    assert_eq!(found.len(), 4);
    let overflow = found
        .iter()
        .find(|one| one.labels.get("overflow") == Some("true"))
        .unwrap();
    assert_eq!(
        overflow.labels.to_string(),
        r#"m{job="mcp-server", overflow="true"}"#
    );
    assert_eq!(
        shown(&overflow.samples),
        [
            (DAY_START_MS, Some(27.0)),
            (DAY_START_MS + STEP_MS, Some(27.0))
        ]
    );
}

#[test]
fn old_blocks_go_by_age_and_by_size() {
    let disk = FaultyDisk::new(1);
    let days = SeriesOptions {
        retention: Duration::from_secs(3 * 86_400),
        ..options()
    };
    let mut store = open(&disk, days.clone());
    let fill = |store: &mut SeriesStore, from: i64, hours: i64| {
        let mut removed = 0;
        for n in 0..hours * 4 {
            let now = from + n * HOUR_MS / 4;
            scrape(store, now, "x", &[(series("m", "a"), n as f64)]);
            removed += store.tick(now).unwrap().removed;
        }
        removed
    };
    assert_eq!(fill(&mut store, DAY_START_MS, 72), 0);
    assert!(fill(&mut store, DAY_START_MS + 72 * HOUR_MS, 48) > 0);
    let oldest = all(&store.reader())[0].samples[0].t_ms;
    let age = DAY_START_MS + 120 * HOUR_MS - oldest;
    assert!(
        (3 * 86_400_000..=4 * 86_400_000 + HOUR_MS).contains(&age),
        "{age}"
    );

    let before = store.stats();
    drop(store);
    let small = SeriesOptions {
        bytes_max: (before.block_bytes + before.wal_bytes) * 2 / 3,
        ..days
    };
    let mut store = open(&disk, small.clone());
    let removed = store.tick(DAY_START_MS + 120 * HOUR_MS).unwrap().removed;
    assert!(removed > 0);
    let after = store.stats();
    assert!(after.block_bytes + after.wal_bytes <= small.bytes_max);
    let on_disk: u64 = disk.files().iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(after.block_bytes + after.wal_bytes, on_disk);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = FaultyDisk::new(1);
    let mut store = open(&disk, options());
    let labels = series("m", "a");
    scrape(&mut store, DAY_START_MS, "x", &[(labels.clone(), 1.0)]);
    disk.set_faults(Faults {
        capacity_bytes: Some(10),
        ..Faults::default()
    });
    let samples = [NewSample::from((labels.clone(), 2.0))];
    let full = store
        .scrape(&Scrape {
            t_ms: DAY_START_MS + STEP_MS,
            target: "x",
            samples: &samples,
            exemplars: &[],
            metadata: &[],
        })
        .unwrap_err();
    assert!(full.is_disk_full(), "{full}");
    disk.set_faults(Faults::default());
    let report = scrape(
        &mut store,
        DAY_START_MS + 2 * STEP_MS,
        "x",
        &[(labels, 3.0)],
    );
    assert_eq!(report.added, 1);
    let wanted = [
        (DAY_START_MS, Some(1.0)),
        (DAY_START_MS + 2 * STEP_MS, Some(3.0)),
    ];
    assert_eq!(shown(&all(&store.reader())[0].samples), wanted);
    disk.kill();
    drop(store);
    assert_eq!(
        shown(&all(&open(&disk, options()).reader())[0].samples),
        wanted
    );
}

#[test]
fn a_damaged_record_costs_itself_and_is_named() {
    let disk = FaultyDisk::new(1);
    let mut store = open(&disk, options());
    for n in 0..60 {
        let samples = [(series("m", "a"), n as f64)];
        scrape(&mut store, DAY_START_MS + n * STEP_MS, "x", &samples);
    }
    drop(store);
    let wal = files(&disk, "wal")[0].clone();
    let bytes = disk.contents(&wal).unwrap().len();
    disk.flip_bit(&wal, bytes * 4);
    let (store, report) = SeriesStore::open(Arc::new(disk), Path::new(DIR), options()).unwrap();
    assert!(!report.damage.is_empty());
    assert_eq!(report.damage[0].file, "0000000001.wal");
    let kept = all(&store.reader())[0].samples.len();
    assert!((40..60).contains(&kept), "{kept}");
    assert_eq!(report.replayed, kept as u64);
}

#[test]
fn a_damaged_block_is_set_aside_or_costs_one_series() {
    let disk = FaultyDisk::new(1);
    let mut store = open(&disk, options());
    let all_series: Vec<Labels> = (0..40).map(|n| series("m", &format!("t{n:02}"))).collect();
    for n in 0..2 * 240 {
        let samples: Vec<(Labels, f64)> = all_series
            .iter()
            .map(|one| (one.clone(), (n % 7) as f64))
            .collect();
        scrape(&mut store, DAY_START_MS + n * STEP_MS, "x", &samples);
    }
    assert!(store.tick(DAY_START_MS + 3 * HOUR_MS).unwrap().sealed);
    let block = files(&disk, "block")[0].clone();
    // In the middle of the regions.
    disk.flip_bit(&block, 8 * 4000);
    let found = of(&store.reader(), "m");
    let empty = found.iter().filter(|one| one.samples.is_empty()).count();
    assert_eq!((found.len(), empty), (40, 1));
    assert!(
        found
            .iter()
            .all(|one| one.samples.is_empty() || one.samples.len() == 480)
    );
    assert_eq!(store.stats().damage.len(), 1);
    let verified = store.reader().verify().unwrap();
    assert_eq!((verified.blocks, verified.samples), (1, 39 * 480));
    assert_eq!(verified.damage.len(), 1);

    let bytes = disk.contents(&block).unwrap().len();
    disk.flip_bit(&block, 8 * (bytes - 100));
    drop(store);
    let (_, report) = SeriesStore::open(Arc::new(disk.clone()), Path::new(DIR), options()).unwrap();
    assert_eq!(report.blocks, 0);
    assert_eq!(report.damage[0].problem, "the index is damaged");
    assert_eq!(files(&disk, "damaged").len(), 1);
}

fn files(disk: &FaultyDisk, suffix: &str) -> Vec<PathBuf> {
    let files = disk.files().into_iter().map(|(path, _)| path);
    files
        .filter(|path| path.extension().is_some_and(|end| end == suffix))
        .collect()
}

#[test]
fn metadata_outlives_the_log_and_exemplars_a_restart() {
    let disk = FaultyDisk::new(1);
    let mut store = open(&disk, options());
    let metadata = [NewMetadata {
        metric: "m".into(),
        kind: "counter".into(),
        help: "Calls.".into(),
        unit: "".into(),
    }];
    let exemplars = [NewExemplar {
        series: series("m", "a"),
        labels: Labels::from_pairs([("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")]),
        v: 0.3,
        t_ms: DAY_START_MS,
    }];
    let samples = [NewSample::from((series("m", "a"), 1.0))];
    store
        .scrape(&Scrape {
            t_ms: DAY_START_MS,
            target: "x",
            samples: &samples,
            exemplars: &exemplars,
            metadata: &metadata,
        })
        .unwrap();
    disk.cut_power();
    drop(store);
    let mut store = open(&disk, options());
    let exemplars = store.reader().exemplars(&[], 0, i64::MAX);
    assert_eq!(exemplars.len(), 1);
    assert_eq!(exemplars[0].series, series("m", "a"));
    assert!(store.tick(DAY_START_MS + 3 * HOUR_MS).unwrap().sealed);
    drop(store);
    assert!(files(&disk, "wal").is_empty());
    let known = open(&disk, options()).reader().metadata(Some("m"));
    assert_eq!(&*known[0].1.help, "Calls.");
}

/// On a real disk, with the thread that writes blocks.
#[test]
fn blocks_are_written_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let in_background = SeriesOptions::default();
    let (mut store, _) = SeriesStore::open(disk.clone(), dir.path(), in_background).unwrap();
    let reader = store.reader();
    let labels = series("m", "a");
    for n in 0..600 {
        scrape(
            &mut store,
            DAY_START_MS + n * STEP_MS,
            "x",
            &[(labels.clone(), n as f64)],
        );
    }
    let now = DAY_START_MS + 600 * STEP_MS;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !store.tick(now).unwrap().sealed {
        assert!(std::time::Instant::now() < deadline);
        // A reader sees all samples at any moment.
        assert_eq!(all(&reader)[0].samples.len(), 600);
        std::thread::yield_now();
    }
    assert_eq!(all(&reader)[0].samples.len(), 600);
    let stats = store.stats();
    assert_eq!((stats.block_samples, stats.head_samples), (480, 120));

    // While it is open, and after it was closed, others may look at it.
    let (other, report) = SeriesReader::open_read_only(&*disk, dir.path()).unwrap();
    assert_eq!((report.blocks, report.damage.len()), (1, 0));
    assert_eq!(all(&other), all(&reader));
    store.close().unwrap();
    let (other, _) = SeriesReader::open_read_only(&*disk, dir.path()).unwrap();
    assert_eq!(all(&other)[0].samples.len(), 600);
}
