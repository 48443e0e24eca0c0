//! What a sink has not sent.

use crate::given::{open, record, time_ns};
use ph_store::disk::FaultyDisk;
use ph_store::logs::{LogOptions, Seq, StoreError};

#[test]
fn what_is_held_is_not_removed_and_a_store_that_is_full_of_it_takes_no_more() {
    let options = LogOptions {
        segment_records: 100,
        retention: None,
        bytes_max: Some(40_000),
        background: false,
        ..LogOptions::default()
    };
    let (mut store, _) = open(&FaultyDisk::new(1), options).unwrap();
    let reader = store.reader();
    reader.hold(Some(Seq(1)));
    let refused = (1..=5_000).find_map(|n| {
        if let Err(error) = store.append(&record(n).entry()) {
            return Some(error);
        }
        store.sync().unwrap();
        store.tick(time_ns(n));
        None
    });
    assert!(matches!(refused, Some(StoreError::Held)), "{refused:?}");
    let (first, last) = reader.stats().unwrap().seqs.unwrap();
    assert!(
        first == Seq(1) && last > Seq(150),
        "nothing was removed: {first:?} to {last:?}"
    );
    reader.hold(Some(Seq(101)));
    store.tick(time_ns(3_000));
    let first = reader.stats().unwrap().seqs.unwrap().0;
    assert!(
        first.0 > 1 && first.0 <= 1_001,
        "what was sent may go, no more: {first:?}"
    );
    reader.hold(None);
    store.tick(time_ns(3_000));
    store.append(&record(3_000).entry()).unwrap();
}
