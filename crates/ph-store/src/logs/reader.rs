//! Reading, beside the writer or without one.

use super::columns::Row;
use super::names::NameTable;
use super::search::{self, Found, Hit, Search, Top};
use super::wal::{self, Wal, WalBlock};
use super::{OpenReport, Seq, StoreError};
use crate::disk::Disk;
use crate::query::{Field, Filter};
use ph_base::trace::TraceId;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reads the records of a store. Clones are cheap, any thread may have one, and none holds up the writer.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

/// What writer and readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    /// Never locked while a file is read or written.
    snapshot: Mutex<Arc<Snapshot>>,
}

/// The files of a store at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Oldest first.
    pub(crate) wals: Vec<Arc<Wal>>,
    pub(crate) wal_number_last: u64,
}

/// Records in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The records.
    pub entries: Vec<Hit>,
    /// Where to go on: the number after the last one looked at.
    pub next: Seq,
    /// Records from the asked one on that are no longer there.
    pub missed: u64,
}

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sealed segments.
    pub segments: usize,
    /// Files that are not yet sealed.
    pub unsealed: usize,
    /// Records in both.
    pub records: u64,
    /// Length of all files.
    pub bytes: u64,
    /// Length of the JSON in them.
    pub json_bytes: u64,
    /// First and last record.
    pub seqs: Option<(Seq, Seq)>,
    /// The earliest and the latest time.
    pub times_unix_ns: Option<(u64, u64)>,
}

impl LogReader {
    /// Opens a directory to read only: nothing in it is changed, and a writer may have it open. What it writes is seen
    /// after [`LogReader::refresh`].
    pub fn open_read_only(
        disk: Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<(Self, OpenReport), StoreError> {
        let (snapshot, report) = Snapshot::read(&*disk, dir)?;
        let shared = Shared::new(disk, dir.to_owned(), snapshot);
        Ok((Self::of(Arc::new(shared)), report))
    }

    /// Looks at the directory again. Needed only after [`LogReader::open_read_only`].
    pub fn refresh(&self) -> Result<OpenReport, StoreError> {
        let (snapshot, report) = Snapshot::read(&*self.shared.disk, &self.shared.dir)?;
        *self.shared.lock() = Arc::new(snapshot);
        Ok(report)
    }

    /// Records that fit, in an order, up to a limit.
    pub fn search(&self, search: &Search<'_>) -> Result<Found, StoreError> {
        search::search(&self.blocks(), search)
    }

    /// Every record of a trace, oldest first; at most [`LogReader::TRACE_RECORDS_MAX`].
    pub fn trace(&self, id: TraceId) -> Result<Found, StoreError> {
        let filter = Filter::of_trace(id);
        let mut search = Search::new(&filter);
        search.order = search::Order::Oldest;
        search.limit = Self::TRACE_RECORDS_MAX;
        self.search(&search)
    }

    /// Records of one trace that are given out.
    pub const TRACE_RECORDS_MAX: usize = 10_000;

    /// Which values of a field the records that fit have, the most frequent first; at most `search.limit` of them.
    pub fn top(&self, search: &Search<'_>, field: &Field) -> Result<Top, StoreError> {
        search::top(&self.blocks(), search, field)
    }

    /// Records in the order of their numbers, from one on: for sinks.
    pub fn read_from(
        &self,
        from: Seq,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError> {
        self.follow(from, &Filter::all(), entries_max, bytes_max)
    }

    /// Records that fit, in the order of their numbers, from one on. At least one when there is one.
    pub fn follow(
        &self,
        from: Seq,
        filter: &Filter,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError> {
        search::follow(&self.blocks(), from, filter, entries_max, bytes_max)
    }

    /// How much there is.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let snapshot = self.shared.snapshot();
        let mut zone = super::block::Zone::EMPTY;
        let mut stats = Stats {
            unsealed: snapshot.wals.len(),
            ..Stats::default()
        };
        for wal in &snapshot.wals {
            stats.json_bytes += wal.size().0;
            stats.bytes += wal.file.len().unwrap_or(0);
        }
        for block in self.blocks() {
            zone.join(block.zone());
        }
        stats.records = zone.records as u64;
        if zone.records > 0 {
            stats.seqs = Some((Seq(zone.seq_first), Seq(zone.seq_last)));
            stats.times_unix_ns = Some((zone.time_min_ns, zone.time_max_ns));
        }
        Ok(stats)
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Every block, oldest first.
    fn blocks(&self) -> Vec<search::Block> {
        let snapshot = self.shared.snapshot();
        let mut all = Vec::new();
        for wal in &snapshot.wals {
            let (blocks, names) = wal.blocks();
            let names: Arc<[Arc<str>]> = names.into();
            all.extend(
                blocks
                    .into_iter()
                    .map(|block: Arc<WalBlock>| search::Block {
                        wal: wal.clone(),
                        block,
                        names: names.clone(),
                    }),
            );
        }
        all
    }
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, snapshot: Snapshot) -> Self {
        let snapshot = Mutex::new(Arc::new(snapshot));
        Self {
            disk,
            dir,
            snapshot,
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.lock().clone()
    }

    pub(crate) fn add_wal(&self, wal: Arc<Wal>) {
        let mut lock = self.lock();
        let mut next = Snapshot::clone(&lock);
        next.wals.push(wal);
        *lock = Arc::new(next);
    }

    /// Shows no record after this one.
    pub(crate) fn hide_after(&self, last: Seq) {
        for wal in &self.snapshot().wals {
            wal.show_until(last.0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Reads a directory, without changing anything.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<(Self, OpenReport), StoreError> {
        let listed = disk.list(dir).map_err(StoreError::io("list", dir))?;
        let mut files: Vec<(u64, String)> = listed
            .into_iter()
            .filter_map(|file| {
                let number = file.name.strip_suffix(".wal")?.parse().ok()?;
                Some((number, file.name))
            })
            .collect();
        files.sort_unstable();
        let mut report = OpenReport::default();
        let mut snapshot = Self {
            wal_number_last: files.last().map_or(0, |(number, _)| *number),
            ..Self::default()
        };
        // What stands in two files counts in the newer one: it was copied there since a sync of the older had failed.
        let mut before = u64::MAX;
        for (_, name) in files.into_iter().rev() {
            let path = dir.join(&name);
            let file = disk
                .open_read(&path)
                .map_err(StoreError::io("open", &path))?;
            let (mut names, mut rows) = (NameTable::default(), Vec::<Row>::new());
            let scanned = wal::scan(&name, &*file, &mut |seq, at, entry| {
                if seq < before && rows.last().is_none_or(|last| last.seq < seq) {
                    let json_at = at + wal::json_offset(entry);
                    rows.push(wal::row(&mut names, seq, entry, json_at));
                }
            })
            .map_err(StoreError::io("read", &path))?;
            before = rows.first().map_or(before, |row| row.seq);
            report.records += rows.len() as u64;
            report.last = report.last.max(Seq(rows.last().map_or(0, |row| row.seq)));
            report.torn_bytes += scanned.torn_bytes;
            report.damage.extend(scanned.damage);
            let wal = Wal::new(name, file);
            wal.show(&rows, names.list());
            snapshot.wals.push(Arc::new(wal));
        }
        snapshot.wals.reverse();
        Ok((snapshot, report))
    }
}
