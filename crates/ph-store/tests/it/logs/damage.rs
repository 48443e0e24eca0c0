//! Damaged files: what is damaged is named, what is given out is right, and the rest stays readable.

use crate::given::{DIR, append, open, record};
use ph_store::disk::{Disk, FaultyDisk};
use ph_store::logs::{LogOptions, LogReader, Order, Search};
use ph_store::{Filter, query};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const RECORDS: u64 = 1_400;

fn options() -> LogOptions {
    LogOptions {
        segment_records: RECORDS as usize,
        background: false,
        retention: None,
        ..LogOptions::default()
    }
}

/// One segment of three frames of lines, by path.
static SEGMENT: LazyLock<(PathBuf, Vec<u8>)> = LazyLock::new(|| {
    let disk = FaultyDisk::new(1);
    let (mut store, _) = open(&disk, options()).unwrap();
    append(&mut store, 1..=RECORDS);
    store.sync().unwrap();
    store.tick(0);
    append(&mut store, RECORDS + 1..=RECORDS + 1);
    store.tick(0);
    file(&disk, "zst")
});

fn file(disk: &FaultyDisk, extension: &str) -> (PathBuf, Vec<u8>) {
    let mut paths = disk.files().into_iter().map(|(path, _)| path);
    let path = paths.find(|path| path.extension().is_some_and(|e| e == extension));
    let path = path.unwrap();
    let bytes = disk.contents(&path).unwrap();
    (path, bytes)
}

fn reader_of(path: &Path, bytes: &[u8]) -> (LogReader, Vec<String>) {
    let disk = FaultyDisk::new(1);
    disk.put(path, bytes);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let (reader, report) = LogReader::open_read_only(disk, Path::new(DIR)).unwrap();
    let named = report.damage.iter().map(ToString::to_string).collect();
    (reader, named)
}

/// How many are found, all of them right; and what is named as damaged.
fn found(reader: &LogReader, text: &str, order: Order) -> (u64, Vec<String>) {
    let filter = query::parse(text).unwrap();
    let mut search = Search::new(&filter);
    (search.order, search.limit) = (order, Search::LIMIT_MAX);
    let found = reader.search(&search).unwrap();
    for hit in &found.hits {
        assert_eq!(hit.json, record(hit.seq.0).json.into_bytes());
    }
    let named = found.damaged.iter().map(ToString::to_string).collect();
    (found.hits.len() as u64, named)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_is_seen_and_named(bit: prop::sample::Index) {
        let (path, good) = &*SEGMENT;
        let bit = bit.index(good.len() * 8);
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (reader, at_open) = reader_of(path, &bytes);
        prop_assert_eq!(&at_open, &Vec::<String>::new(), "one footer is enough");
        for (text, want) in [("", RECORDS), ("status=200 tool=readFile", 0), ("client-3", 200)] {
            for order in [Order::Newest, Order::Slowest] {
                let (count, named) = found(&reader, text, order);
                let name = path.file_name().unwrap().to_str().unwrap();
                prop_assert!(named.iter().all(|d| d.starts_with(name) && d.contains("records")), "{:?}", named);
                if named.is_empty() {
                    prop_assert!(want == 0 || count == want, "{} of {} for {}", count, want, text);
                }
            }
        }
        // A frame of lines is the most that a search for all loses, unless a column is hit.
        let (count, named) = found(&reader, "", Order::Newest);
        let of_column = named.iter().any(|d| d.contains(&format!("(records 1 to {RECORDS})")));
        prop_assert!(count >= RECORDS - 512 || of_column, "{} {:?}", count, named);
    }
}

#[test]
fn both_footers_gone_the_segment_is_named() {
    let (path, good) = &*SEGMENT;
    let (reader, named) = reader_of(path, &good[..good.len() / 2]);
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(
        named[0].contains("index is damaged (records 1 to 1400)"),
        "{named:?}"
    );
    assert_eq!(found(&reader, "", Order::Newest).0, 0);
    assert_eq!(reader.stats().unwrap().broken, 1);
}

#[test]
fn a_segment_is_lines_of_json_for_zstd_tools() {
    let (_, bytes) = &*SEGMENT;
    let lines = zstd::stream::decode_all(&bytes[..]).unwrap();
    let want: String = (1..=RECORDS).map(|n| record(n).json + "\n").collect();
    assert_eq!(String::from_utf8(lines).unwrap(), want);
}

#[test]
fn behind_a_damaged_place_a_write_ahead_file_is_read_on() {
    let disk = FaultyDisk::new(1);
    let (mut store, _) = open(&disk, options()).unwrap();
    append(&mut store, 1..=100);
    store.sync().unwrap();
    drop(store);
    let (path, bytes) = file(&disk, "wal");
    for at in [40, bytes.len() / 3, bytes.len() / 2] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let (reader, named) = reader_of(&path, &bytes);
        assert_eq!(named.len(), 1, "{named:?}");
        assert_eq!(found(&reader, "", Order::Newest).0, 99);
        // A writer seals what is left, and goes on behind it.
        let disk = FaultyDisk::new(1);
        disk.put(&path, &bytes);
        let (mut store, report) = open(&disk, options()).unwrap();
        assert_eq!((report.last.0, report.damage.len()), (100, 1));
        append(&mut store, 101..=101);
        store.sync().unwrap();
        store.tick(0);
        let all = store
            .reader()
            .follow(ph_store::logs::Seq(1), &Filter::all(), 1_000, usize::MAX);
        assert_eq!(all.unwrap().entries.len(), 100);
    }
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let disk = FaultyDisk::new(1);
    let (mut store, _) = open(&disk, options()).unwrap();
    append(&mut store, 1..=10);
    store.sync().unwrap();
    drop(store);
    let (path, bytes) = file(&disk, "wal");
    disk.put(&path, &bytes[..bytes.len() - 7]);
    let (mut store, report) = open(&disk, options()).unwrap();
    assert_eq!((report.last.0, report.damage.len()), (9, 0));
    assert!(report.torn_bytes > 300, "{report:?}");
    append(&mut store, 10..=10);
    store.sync().unwrap();
    drop(store);
    let (_, report) = open(&disk, options()).unwrap();
    assert_eq!((report.records, report.torn_bytes), (10, 0));
}
