//! Readers beside the writer and the thread that seals.

use crate::given::{record, trace};
use ph_store::logs::{LogOptions, LogReader, LogStore, Seq, StoreError};
use ph_store::{Filter, RealDisk};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const RECORDS: u64 = 20_000;

fn options() -> LogOptions {
    LogOptions {
        segment_records: 2_500,
        retention: None,
        ..LogOptions::default()
    }
}

fn write(store: &mut LogStore) {
    for n in 1..=RECORDS {
        while let Err(error) = store.append(&record(n).entry()) {
            assert!(matches!(error, StoreError::SealingBehind { .. }), "{error}");
            store.wait_sealed(Duration::from_secs(60));
        }
        if n % 50 == 0 {
            store.flush().unwrap();
        }
    }
    store.sync().unwrap();
}

/// Reads on until every record was seen, each once and right.
fn read(reader: &LogReader) {
    let mut next = Seq(1);
    while next.0 <= RECORDS {
        let batch = reader
            .follow(next, &Filter::all(), 700, usize::MAX)
            .unwrap();
        assert_eq!(batch.missed, 0);
        for hit in batch.entries {
            assert_eq!(hit.seq, next);
            assert_eq!(hit.json, record(next.0).json.into_bytes());
            next = next.next();
        }
        thread::yield_now();
    }
}

#[test]
fn every_record_is_seen_once_while_files_are_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk);
    let (mut store, _) = LogStore::open(disk.clone(), dir.path(), options()).unwrap();
    let readers = [store.reader(), store.reader()];
    thread::scope(|scope| {
        for reader in &readers {
            scope.spawn(|| read(reader));
        }
        scope.spawn(|| write(&mut store));
    });
    assert!(store.wait_sealed(Duration::from_secs(60)));
    assert!(store.reader().stats().unwrap().segments >= 7);
    // Beside the writer, with nothing shared but the directory.
    let (reader, report) = LogReader::open_read_only(disk.clone(), dir.path()).unwrap();
    assert_eq!((report.records, report.damage), (RECORDS, vec![]));
    read(&reader);
    assert_eq!(reader.trace(trace(7)).unwrap().hits.len(), 3);
    assert_eq!(store.close().lasting, Seq(RECORDS));
    let (store, report) = LogStore::open(disk, dir.path(), options()).unwrap();
    assert_eq!((report.records, report.last), (RECORDS, Seq(RECORDS)));
    read(&store.reader());
}
