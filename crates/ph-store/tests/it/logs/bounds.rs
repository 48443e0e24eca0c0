//! What bounds a store: age, room, and a disk that is full.

use crate::given::{append, open, record, time_ns};
use ph_store::disk::{Faults, FaultyDisk};
use ph_store::logs::{LogOptions, LogStore, Seq, StoreError, StoreEvent};
use std::time::Duration;

fn options() -> LogOptions {
    LogOptions {
        segment_records: 100,
        background: false,
        retention: None,
        bytes_max: None,
        ..LogOptions::default()
    }
}

fn filled(disk: &FaultyDisk, options: LogOptions) -> LogStore {
    let (mut store, _) = open(disk, options).unwrap();
    append(&mut store, 1..=1_000);
    store.sync().unwrap();
    store
}

fn removed(events: &[StoreEvent]) -> u64 {
    let of = |event: &StoreEvent| match event {
        StoreEvent::Removed { records, .. } => *records,
        _ => 0,
    };
    events.iter().map(of).sum()
}

#[test]
fn what_is_too_old_goes() {
    let retention = Some(Duration::from_secs(10));
    let mut store = filled(
        &FaultyDisk::new(1),
        LogOptions {
            retention,
            ..options()
        },
    );
    // Segments end at records 100, 200, …
    let events = store.tick(time_ns(450) + 10_000_000_000);
    assert_eq!(removed(&events), 400);
    let batch = store.reader().read_from(Seq(1), 1, usize::MAX).unwrap();
    assert_eq!((batch.entries[0].seq, batch.missed), (Seq(401), 400));
}

#[test]
fn numbers_go_on_when_everything_is_gone() {
    let disk = FaultyDisk::new(1);
    let mut store = filled(&disk, options());
    store.set_bounds(Some(Duration::from_secs(10)), None);
    let day = 24 * 3_600_000_000_000;
    for days in 1..=3 {
        store.tick(time_ns(1_000) + days * day);
    }
    assert_eq!(store.reader().stats().unwrap().records, 0);
    drop(store);
    disk.kill();
    let (mut store, report) = open(&disk, options()).unwrap();
    assert_eq!((report.records, report.last), (0, Seq(1_000)));
    append(&mut store, 1_001..=1_001);
}

#[test]
fn what_is_too_much_goes() {
    let mut store = filled(&FaultyDisk::new(1), options());
    store.tick(0);
    let before = store.reader().stats().unwrap();
    store.set_bounds(None, Some(before.bytes / 2));
    let events = store.tick(0);
    let after = store.reader().stats().unwrap();
    assert!(after.bytes <= before.bytes / 2, "{after:?}");
    assert_eq!(removed(&events), before.records - after.records);
    assert_eq!(after.seqs.unwrap().1, Seq(1_000));
}

#[test]
fn a_full_disk_refuses_records_and_takes_them_again() {
    let disk = FaultyDisk::new(1);
    let (mut store, _) = open(
        &disk,
        LogOptions {
            buffer_bytes: 4_096,
            ..options()
        },
    )
    .unwrap();
    disk.set_faults(Faults {
        capacity_bytes: Some(20_000),
        ..Faults::default()
    });
    let (mut taken, mut refused) = (0, 0);
    for n in 1..=200 {
        match store.append(&record(n).entry()) {
            Ok(_) => taken += 1,
            Err(error) => {
                assert!(error.is_disk_full(), "{error}");
                refused += 1;
            }
        }
    }
    assert!(taken >= 40 && refused > 0, "{taken} {refused}");
    assert!(store.flush().unwrap_err().is_disk_full());
    let waiting = store.unwritten() as u64;
    disk.set_faults(Faults::default());
    assert_eq!(store.sync().unwrap(), Seq(taken));
    let stats = store.reader().stats().unwrap();
    assert_eq!(stats.records, taken);
    assert!(waiting > 0 && waiting < taken);
}

#[test]
fn files_that_wait_to_be_sealed_are_bounded() {
    let disk = FaultyDisk::new(1);
    let (mut store, _) = open(
        &disk,
        LogOptions {
            unsealed_max: 2,
            ..options()
        },
    )
    .unwrap();
    // Segments cannot be made, write-ahead files can: they are not renamed.
    append(&mut store, 1..=100);
    store.sync().unwrap();
    disk.set_faults(Faults {
        capacity_bytes: Some(0),
        ..Faults::default()
    });
    let errors: Vec<StoreError> = (101..=400)
        .filter_map(|n| store.append(&record(n).entry()).err())
        .collect();
    assert!(!errors.is_empty());
    disk.set_faults(Faults::default());
    let events = store.tick(0);
    assert!(
        events
            .iter()
            .any(|e| matches!(e, StoreEvent::SealFailed { .. } | StoreEvent::Sealed { .. }))
    );
    store.sync().unwrap();
    assert_eq!(store.unwritten(), 0);
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let (mut store, _) = open(&FaultyDisk::new(1), options()).unwrap();
    let mut given = record(1);
    given.json.push('\n');
    assert!(matches!(
        store.append(&given.entry()),
        Err(StoreError::NotOneLine)
    ));
    given.json = "x".repeat(5 * 1024 * 1024);
    assert!(matches!(
        store.append(&given.entry()),
        Err(StoreError::TooLong { .. })
    ));
    append(&mut store, 1..=1);
}
