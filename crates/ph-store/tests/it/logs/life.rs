//! What was appended is there: at once, after a restart, after a crash.

use crate::given::{append, open, record};
use ph_store::Filter;
use ph_store::disk::FaultyDisk;
use ph_store::logs::{LogOptions, LogReader, Order, Search, Seq};

fn numbers(reader: &LogReader, order: Order, limit: usize) -> Vec<u64> {
    let filter = Filter::all();
    let mut search = Search::new(&filter);
    (search.order, search.limit) = (order, limit);
    let found = reader.search(&search).unwrap();
    found.hits.iter().map(|hit| hit.seq.0).collect()
}

#[test]
fn what_was_flushed_is_read_back() {
    let disk = FaultyDisk::new(1);
    let (mut store, report) = open(&disk, LogOptions::default()).unwrap();
    assert_eq!(report.last, Seq(0));
    append(&mut store, 1..=10);
    let reader = store.reader();
    assert!(numbers(&reader, Order::Newest, 100).is_empty());
    assert_eq!(store.flush().unwrap(), Seq(10));
    assert_eq!(numbers(&reader, Order::Newest, 3), [10, 9, 8]);
    assert_eq!(numbers(&reader, Order::Oldest, 3), [1, 2, 3]);
    // Sinks get what lasts, and only that.
    let batch = reader.read_from(Seq(4), 2, usize::MAX).unwrap();
    assert_eq!((batch.entries.len(), batch.next), (0, Seq(4)));
    assert_eq!(store.sync().unwrap(), Seq(10));
    let batch = reader.read_from(Seq(4), 2, usize::MAX).unwrap();
    let json = |n| record(n).json.into_bytes();
    let got: Vec<Vec<u8>> = batch.entries.iter().map(|hit| hit.json.clone()).collect();
    assert_eq!(got, [json(4), json(5)]);
    assert_eq!((batch.next, batch.missed), (Seq(6), 0));
}

#[test]
fn a_store_goes_on_where_it_was_left() {
    let disk = FaultyDisk::new(1);
    for life in 0..3 {
        let (mut store, report) = open(&disk, LogOptions::default()).unwrap();
        assert_eq!((report.last, report.records), (Seq(life * 5), life * 5));
        append(&mut store, life * 5 + 1..=life * 5 + 5);
        let closed = store.close();
        assert_eq!((closed.lasting, closed.lost), (Seq(life * 5 + 5), 0));
    }
}
