//! Records and stores of the tests.

use ph_base::trace::TraceId;
use ph_store::Disk;
use ph_store::disk::FaultyDisk;
use ph_store::logs::{Entry, Kind, Level, LogOptions, LogStore, OpenReport, Seq, StoreError};
use std::path::Path;
use std::sync::Arc;

pub(crate) const DIR: &str = "store/logs";

/// A record by number: every property follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) n: u64,
    pub(crate) json: String,
}

pub(crate) fn record(n: u64) -> Given {
    let (tool, status) = (tool(n), status(n));
    let duration = duration_ms(n);
    let json = format!(
        r#"{{"kind":"call","level":"{}","server":"files","method":"tools/call","tool":"{tool}","outcome":"{}","status":{status},"duration":{duration},"trace_id":"{}","client":"client-{}","params":{{"pattern":"*.{}"}},"n":{n}}}"#,
        level(n).as_label(),
        outcome(n),
        String::from_utf8_lossy(&trace(n).hex()),
        n % 7,
        n % 13,
    );
    Given { n, json }
}

pub(crate) fn tool(n: u64) -> &'static str {
    ["searchFiles", "readFile", "writeFile"][(n % 3) as usize]
}

pub(crate) fn status(n: u64) -> u16 {
    if n % 50 == 7 { 500 } else { 200 }
}

pub(crate) fn outcome(n: u64) -> &'static str {
    if status(n) == 500 {
        "protocol_error"
    } else {
        "ok"
    }
}

pub(crate) fn level(n: u64) -> Level {
    if status(n) == 500 {
        Level::Error
    } else {
        Level::Info
    }
}

pub(crate) fn duration_ms(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50
}

pub(crate) fn time_ns(n: u64) -> u64 {
    1_700_000_000_000_000_000 + n * 1_000_000
}

/// Three records have the same.
pub(crate) fn trace(n: u64) -> TraceId {
    TraceId(
        u128::from(n / 3 + 1)
            .wrapping_mul(0x0123_4567_89ab_cdef_0011_2233_4455_6677)
            .to_be_bytes(),
    )
}

impl Given {
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry {
            kind: Kind::Call,
            level: level(self.n),
            time_unix_ns: time_ns(self.n),
            duration_ns: Some(duration_ms(self.n) * 1_000_000),
            status: status(self.n),
            trace_id: Some(trace(self.n)),
            server: "files",
            method: "tools/call",
            tool: tool(self.n),
            outcome: outcome(self.n),
            json: self.json.as_bytes(),
        }
    }
}

pub(crate) fn open(
    disk: &FaultyDisk,
    options: LogOptions,
) -> Result<(LogStore, OpenReport), StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    LogStore::open(disk, Path::new(DIR), options)
}

pub(crate) fn append(store: &mut LogStore, ns: std::ops::RangeInclusive<u64>) {
    for n in ns {
        assert_eq!(store.append(&record(n).entry()).unwrap(), Seq(n));
    }
}
