//! The store as a feed.

use crate::feed::{Entry, Feed, FeedError, Page};
use ph_store::logs::{LogReader, Seq};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What sinks read, and from where on they want it kept.
#[derive(Clone)]
pub struct StoreFeed {
    reader: LogReader,
    id: Arc<str>,
    holds: Arc<Mutex<BTreeMap<String, u64>>>,
}

const ID_FILE: &str = "id";

impl StoreFeed {
    /// - `dir`: the store's own directory, where its id is kept: it goes when the store goes.
    ///
    /// # Errors
    /// When the id cannot be read or written.
    pub fn new(reader: LogReader, dir: &Path) -> io::Result<Self> {
        Ok(Self {
            reader,
            id: id_of(dir)?.into(),
            holds: Arc::default(),
        })
    }

    /// First number that may still be there, the number after the newest record, and bytes per record.
    fn extent(&self) -> (u64, u64, u64) {
        // An error here is one of reading, too, and is told when it is read.
        let stats = self.reader.stats().unwrap_or_default();
        let (first, head) = stats
            .seqs
            .map_or((0, 0), |(first, last)| (first.0, last.0 + 1));
        (first, head, stats.json_bytes / stats.records.max(1))
    }
}

impl Feed for StoreFeed {
    fn read(&self, from: u64, entries_max: usize, bytes_max: usize) -> Result<Page, FeedError> {
        let batch = self
            .reader
            .read_from(Seq(from), entries_max, bytes_max)
            .map_err(|e| FeedError(e.to_string()))?;
        let entries = batch.entries.into_iter().map(|hit| Entry {
            seq: hit.seq.0,
            time_unix_ns: hit.time_unix_ns,
            kind: hit.kind.as_label(),
            json: hit.json,
        });
        Ok(Page {
            entries: entries.collect(),
            next: batch.next.0.max(from),
            lost: batch.missed,
        })
    }

    fn head(&self) -> u64 {
        self.extent().1
    }

    fn bytes_from(&self, seq: u64) -> u64 {
        let (first, head, each) = self.extent();
        head.saturating_sub(seq.max(first)) * each
    }

    fn seq_within(&self, bytes: u64) -> u64 {
        let (first, head, each) = self.extent();
        head.saturating_sub(bytes / each.max(1)).max(first)
    }

    fn hold(&self, name: &str, from: Option<u64>) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        match from {
            Some(from) => holds.insert(name.to_owned(), from),
            None => holds.remove(name),
        };
        self.reader.hold(holds.values().min().copied().map(Seq));
    }

    fn store_id(&self) -> String {
        self.id.to_string()
    }
}

/// 16 hex digits, made once.
fn id_of(dir: &Path) -> io::Result<String> {
    let path = dir.join(ID_FILE);
    match fs::read_to_string(&path) {
        Ok(id) if id.len() == 16 && id.bytes().all(|c| c.is_ascii_hexdigit()) => return Ok(id),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let random = getrandom::u64().map_err(|e| io::Error::other(e.to_string()))?;
    let id = format!("{random:016x}");
    let new = dir.join("id.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(id.as_bytes())?;
    file.sync_data()?;
    fs::rename(&new, &path)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_store::disk::RealDisk;
    use ph_store::logs::{Entry as Record, Kind, Level, LogOptions, LogStore};

    fn append(store: &mut LogStore, from: u64, count: u64) {
        for number in from..from + count {
            let json = format!(r#"{{"message":"{number}"}}"#);
            let record = Record {
                kind: Kind::Call,
                level: Level::Info,
                time_unix_ns: 1_000 + number,
                duration_ns: None,
                status: 200,
                trace_id: None,
                server: "s",
                method: "m",
                tool: "t",
                outcome: "ok",
                json: json.as_bytes(),
            };
            store.append(&record).unwrap();
        }
        store.sync().unwrap();
    }

    #[test]
    fn what_was_stored_is_read_in_order_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk);
        let (mut store, _) = LogStore::open(disk, dir.path(), LogOptions::default()).unwrap();
        append(&mut store, 0, 10);
        let feed = StoreFeed::new(store.reader(), dir.path()).unwrap();
        let (mut from, mut read) = (0, Vec::new());
        loop {
            let page = feed.read(from, 3, 1 << 20).unwrap();
            assert_eq!(page.lost, 0);
            if page.entries.is_empty() {
                break;
            }
            from = page.next;
            read.extend(
                page.entries
                    .into_iter()
                    .map(|e| String::from_utf8(e.json).unwrap()),
            );
        }
        let want: Vec<_> = (0..10).map(|n| format!(r#"{{"message":"{n}"}}"#)).collect();
        assert_eq!(read, want);
        assert_eq!((from, feed.bytes_from(from)), (feed.head(), 0));
        assert!(feed.bytes_from(0) >= 10 * 15 && feed.seq_within(1 << 30) < feed.seq_within(0));
    }

    #[test]
    fn a_store_has_one_id() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) =
            LogStore::open(Arc::new(RealDisk), dir.path(), LogOptions::default()).unwrap();
        let feed = StoreFeed::new(store.reader(), dir.path()).unwrap();
        let again = StoreFeed::new(store.reader(), dir.path()).unwrap();
        assert_eq!(feed.store_id(), again.store_id());
    }
}
