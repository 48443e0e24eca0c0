//! Sealed segments: bytes of a good one are changed, with and without its checksums put right again. It is opened and
//! searched all the same, and what is found says where it is damaged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_store::Filter;
use ph_store::disk::{Disk, FaultyDisk};
use ph_store::logs::{Entry, Kind, Level, LogOptions, LogReader, LogStore, Order, Search, Seq};
use ph_store::query;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// A segment and its name.
static GOOD: LazyLock<(PathBuf, Vec<u8>)> = LazyLock::new(good);

const DIR: &str = "logs";
const TRAILER: &[u8; 8] = b"PHSEGEND";

fuzz_target!(|input: &[u8]| {
    let Some((how, changes)) = input.split_first() else {
        return;
    };
    let (path, mut file) = GOOD.clone();
    if how & 1 == 0 {
        change(&mut file, changes);
    } else {
        // Only the last footer, whose checksum then fits.
        let end = file.len() - TRAILER.len() - 16;
        let number =
            |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        let begin = end - number(end + 8) as usize;
        change(&mut file[begin..end], changes);
        let sum = crc32c::crc32c(&file[begin..end]).to_le_bytes();
        file[end + 12..end + 16].copy_from_slice(&sum);
    }
    let disk = FaultyDisk::new(1);
    disk.put(&path, &file);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let (reader, _) =
        LogReader::open_read_only(disk, Path::new(DIR)).expect("no file is a reason to fail");
    for text in [
        "",
        "tool=b status=200",
        "needle",
        "NOT kind=call",
        "trace_id=00000000000000000000000000000007",
    ] {
        let filter = query::parse(text).expect("it is a query");
        for order in [Order::Newest, Order::Slowest] {
            let mut search = Search::new(&filter);
            search.order = order;
            reader.search(&search).expect("a search has an answer");
        }
    }
    reader
        .follow(Seq(1), &Filter::all(), 1_000, usize::MAX)
        .expect("a reader reads");
});

/// Four bytes each: where (three), and what to.
fn change(bytes: &mut [u8], changes: &[u8]) {
    for change in changes.chunks_exact(4) {
        let at =
            usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let at = at % bytes.len();
        bytes[at] = change[3];
    }
}

fn good() -> (PathBuf, Vec<u8>) {
    let disk = FaultyDisk::new(1);
    let options = LogOptions {
        background: false,
        segment_records: 100,
        ..LogOptions::default()
    };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut store, _) = LogStore::open(shared, Path::new(DIR), options).expect("it is empty");
    for n in 0..=100_u8 {
        let json = format!("{{\"n\":{n},\"message\":\"a needle in the hay\"}}");
        let entry = Entry {
            kind: Kind::Call,
            level: Level::Info,
            time_unix_ns: u64::from(n),
            duration_ns: Some(u64::from(n ^ 85)),
            status: 200,
            trace_id: Some(ph_base::trace::TraceId([
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                n | 1,
            ])),
            server: "a",
            method: "m",
            tool: if n % 3 == 0 { "b" } else { "c" },
            outcome: "ok",
            json: json.as_bytes(),
        };
        store.append(&entry).expect("there is room");
    }
    store.sync().expect("the disk is well");
    store.tick(0);
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|e| e == "zst");
    let path = disk
        .files()
        .into_iter()
        .map(|(path, _)| path)
        .find(is_segment)
        .expect("it is sealed");
    let bytes = disk.contents(&path).expect("it is there");
    (path, bytes)
}
