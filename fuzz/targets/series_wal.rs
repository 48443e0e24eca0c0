//! The write-ahead log of series: whatever its records say, and wherever they are cut, opening it does not
//! panic, each series' samples are in order, and a second opening finds what the first one left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_promql::{Select, Series, SeriesSource};
use ph_store::disk::FaultyDisk;
use ph_store::frame;
use ph_store::series::{SeriesOptions, SeriesReader, SeriesStore};
use std::path::Path;
use std::sync::Arc;

fuzz_target!(|input: &[u8]| {
    let (_, records) = ph_fuzz::cut(input);
    let mut file = b"PHSWAL\x00\x01".to_vec();
    for raw in records.iter().filter(|raw| !raw.is_empty()) {
        frame::write(&mut file, |out| {
            out.push(raw.len() as u8);
            out.extend(zstd::bulk::compress(raw, 1).expect("into memory"));
        });
    }
    // Also as they are: damaged frames.
    file.extend_from_slice(input);
    let disk = FaultyDisk::new(1);
    let dir = Path::new("s");
    disk.put(&dir.join("wal/0000000001.wal"), &file);
    let (reader, _) = SeriesReader::open_read_only(&disk, dir).expect("the disk is well");
    let first = all(&reader);
    let options = SeriesOptions {
        background: false,
        ..SeriesOptions::default()
    };
    let (store, report) =
        SeriesStore::open(Arc::new(disk.clone()), dir, options.clone()).expect("the disk is well");
    assert_eq!(all(&store.reader()).len(), first.len());
    drop(store);
    let (store, again) = SeriesStore::open(Arc::new(disk), dir, options).expect("the disk is well");
    assert_eq!(again.replayed, report.replayed);
    assert_eq!(again.torn_bytes, 0);
    assert_eq!(all(&store.reader()).len(), first.len());
});

fn all(reader: &SeriesReader) -> Vec<Series> {
    let all = reader
        .select(&Select {
            matchers: &[],
            from_ms: i64::MIN,
            to_ms: i64::MAX,
            range_ms: None,
            step_ms: None,
            function: None,
            resolution_ms: 0,
            samples_max: usize::MAX,
            series_max: usize::MAX,
        })
        .expect("all is in memory");
    for series in &all {
        assert!(
            series
                .samples
                .windows(2)
                .all(|pair| pair[0].t_ms < pair[1].t_ms)
        );
    }
    all
}
