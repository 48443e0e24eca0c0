//! Write-ahead files: whatever stands in one, it is opened, searched and gone on with, and what was appended is there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_store::disk::{Disk, FaultyDisk};
use ph_store::logs::{Entry, Kind, Level, LogOptions, LogReader, LogStore, Search};
use ph_store::{Filter, frame};
use std::path::Path;
use std::sync::Arc;

fuzz_target!(|input: &[u8]| {
    let Some((how, bytes)) = input.split_first() else {
        return;
    };
    // Checksums are no obstacle for half of the inputs: each piece between 0xff becomes a frame.
    let file = if how & 1 == 0 {
        bytes.to_vec()
    } else {
        framed(bytes)
    };
    let disk = FaultyDisk::new(1);
    let dir = Path::new("logs");
    disk.put(&dir.join("0000000001.wal"), &file);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let (reader, before) =
        LogReader::open_read_only(disk.clone(), dir).expect("no file is a reason to fail");
    let filter = Filter::all();
    let found = reader
        .search(&Search::new(&filter))
        .expect("a search has an answer");
    assert!(found.hits.len() as u64 <= before.records);

    // The ticks below are at the end of time: nothing may go for its age.
    let options = LogOptions {
        retention: None,
        bytes_max: None,
        background: false,
        ..LogOptions::default()
    };
    let (mut store, after) =
        LogStore::open(disk, dir, options).expect("no file is a reason to fail");
    assert_eq!(before.last, after.last);
    let seq = store.append(&entry(b"{}")).expect("there is room");
    assert!(seq >= after.last);
    assert_eq!(store.sync().expect("the disk is well"), seq);
    store.tick(u64::MAX);
    store.tick(u64::MAX);
    let batch = store
        .reader()
        .read_from(seq, 10, usize::MAX)
        .expect("a reader reads");
    // Numbers of ours are next to one another, and a segment keeps them in 32 bits: with forged ones far apart it
    // is enough that nothing breaks.
    let is_ours = |number: u64| number.abs_diff(seq.0) < 1 << 30;
    let were_ours = found.hits.iter().all(|hit| is_ours(hit.seq.0)) && is_ours(before.last.0);
    assert!(!were_ours || batch.entries.iter().any(|hit| hit.json == b"{}"));
});

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for payload in bytes
        .split(|b| *b == 0xff)
        .filter(|payload| !payload.is_empty())
    {
        frame::write(&mut out, |out| out.extend_from_slice(payload));
    }
    out
}

fn entry(json: &[u8]) -> Entry<'_> {
    Entry {
        kind: Kind::Call,
        level: Level::Info,
        time_unix_ns: 1,
        duration_ns: None,
        status: 0,
        trace_id: None,
        server: "",
        method: "",
        tool: "",
        outcome: "",
        json,
    }
}
