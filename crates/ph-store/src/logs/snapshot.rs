//! The files of a store at one moment, and what writer, sealer and readers share.

use super::columns::Row;
use super::events::KeptEvents;
use super::names::NameTable;
use super::segment::{self, Segment};
use super::wal::{self, Wal};
use super::{Damage, OpenReport, Seq, StoreError, StoreEvent};
use crate::disk::{Disk, ReadFile};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happened and was not yet asked for; more is dropped, the oldest first.
const EVENTS_MAX: usize = 256;

/// Bytes that are copied at once.
const COPY_BYTES: u64 = 256 * 1024;

/// What writer, sealer and readers share. No lock of it is held while a file is read or written.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    snapshot: Mutex<Arc<Snapshot>>,
    events: Mutex<VecDeque<StoreEvent>>,
    lasting: AtomicU64,
    /// Records from this one on are not removed.
    held: AtomicU64,
    pub(crate) kept_events: Arc<KeptEvents>,
}

/// The files of a store at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// By their records, oldest first.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Segments of which nothing can be found: name and length.
    pub(crate) broken: Vec<(String, u64)>,
    /// Oldest first. Their records come after those of the segments.
    pub(crate) wals: Vec<Arc<Wal>>,
}

/// A directory as it was found.
pub(crate) struct Directory {
    pub(crate) snapshot: Snapshot,
    pub(crate) report: OpenReport,
    pub(crate) wal_number_last: u64,
    /// What the newest write-ahead file is like, so that it can be gone on with.
    pub(crate) newest: Option<Newest>,
    /// Files that hold nothing that is not elsewhere.
    pub(crate) superfluous: Vec<String>,
}

/// A write-ahead file that can be appended to.
pub(crate) struct Newest {
    pub(crate) wal: Arc<Wal>,
    pub(crate) names: NameTable,
    /// Up to here it is whole.
    pub(crate) good_bytes: u64,
    pub(crate) first_time_ns: u64,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, snapshot: Snapshot, lasting: Seq) -> Self {
        Self {
            disk,
            dir,
            snapshot: Mutex::new(Arc::new(snapshot)),
            events: Mutex::default(),
            lasting: AtomicU64::new(lasting.0),
            held: AtomicU64::new(u64::MAX),
            kept_events: Arc::default(),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.lock().clone()
    }

    /// Shows readers other files from now on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut lock = self.lock();
        let mut next = Snapshot::clone(&lock);
        change(&mut next);
        *lock = Arc::new(next);
    }

    pub(crate) fn set_lasting(&self, seq: Seq) {
        self.lasting.store(seq.0, Ordering::Release);
    }

    pub(crate) fn lasting(&self) -> Seq {
        Seq(self.lasting.load(Ordering::Acquire))
    }

    pub(crate) fn hold(&self, from: Option<Seq>) {
        let from = from.map_or(u64::MAX, |seq| seq.0);
        self.held.store(from, Ordering::Release);
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    pub(crate) fn tell(&self, event: StoreEvent) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(event);
    }

    pub(crate) fn take_events(&self) -> Vec<StoreEvent> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Length of all files.
    pub(crate) fn bytes(&self) -> u64 {
        let segments: u64 = self.segments.iter().map(|s| s.bytes).sum();
        let broken: u64 = self.broken.iter().map(|(_, bytes)| bytes).sum();
        let wals: u64 = self.wals.iter().map(|w| w.file.len().unwrap_or(0)).sum();
        segments + broken + wals
    }
}

impl Directory {
    /// Reads a directory, without changing anything.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, StoreError> {
        let mut found = Self {
            snapshot: Snapshot::default(),
            report: OpenReport::default(),
            wal_number_last: 0,
            newest: None,
            superfluous: Vec::new(),
        };
        // Write-ahead files are listed and opened first: one that is sealed meanwhile can still be read, and its
        // segment is found too, so nothing is missed.
        let wals = wal_names(disk, dir)?;
        let mut opened = Vec::new();
        for (number, name) in &wals {
            let path = dir.join(name);
            match disk.open_read(&path) {
                Ok(file) => opened.push((*number, name.clone(), file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("open", path)(error)),
            }
        }
        let covered = found.read_segments(disk, dir)?;
        // What stands in two of them counts in the newer: it was copied there after a sync of the older had failed.
        let mut before = u64::MAX;
        for (number, name, file) in opened.into_iter().rev() {
            found.wal_number_last = found.wal_number_last.max(number);
            found.read_wal(dir, number, name, file, &covered, &mut before)?;
        }
        found.snapshot.wals.reverse();
        Ok(found)
    }

    /// Writes the newest write-ahead file that has records once more, under a new name.
    ///
    /// A sync of it may have failed before its process ended. What the system has given up to write it does not write
    /// again, and another sync of the same file would say that all is well. Of older ones the last sync went well, or there
    /// would be no newer one. Where there is no room for it, the file is used as it is.
    ///
    /// - returns: the name of the old one, which can go once the new name lasts.
    pub(crate) fn renew_newest(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
    ) -> Result<Option<String>, StoreError> {
        let has_records = |wal: &&mut Arc<Wal>| wal.size().1 > 0;
        let Some(newest) = self.snapshot.wals.last_mut().filter(has_records) else {
            return Ok(None);
        };
        let number = self.wal_number_last + 1;
        let name = wal_name(number);
        let (path, unfinished) = (dir.join(&name), dir.join(format!("{name}.tmp")));
        if copy(disk, &*newest.file, &unfinished).is_err() {
            disk.remove(&unfinished).ok();
            return Ok(None);
        }
        disk.rename(&unfinished, &path)
            .map_err(StoreError::io("rename", &unfinished))?;
        let file = disk
            .open_read(&path)
            .map_err(StoreError::io("open", &path))?;
        self.wal_number_last = number;
        let renewed = Arc::new(newest.moved_to(name, file));
        if let Some(found) = &mut self.newest
            && Arc::ptr_eq(&found.wal, newest)
        {
            found.wal = renewed.clone();
        }
        let old = std::mem::replace(newest, renewed);
        Ok(Some(old.name.clone()))
    }

    /// The first and last records of the segments.
    fn read_segments(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
    ) -> Result<BTreeMap<u64, u64>, StoreError> {
        let mut covered = BTreeMap::new();
        for file in disk.list(dir).map_err(StoreError::io("list", dir))? {
            if file.name.ends_with(".tmp") {
                self.superfluous.push(file.name);
                continue;
            }
            let Some((first, last)) = segment::seqs_of_name(&file.name) else {
                continue;
            };
            match Segment::open(disk, dir, &file.name) {
                Ok(Ok(segment)) => {
                    self.report.records += segment.zone.records as u64;
                    self.snapshot.segments.push(Arc::new(segment));
                }
                Ok(Err(damage)) => {
                    self.report.damage.push(damage);
                    self.snapshot.broken.push((file.name, file.bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("read", dir.join(&file.name))(error)),
            }
            covered.insert(first, last);
            self.report.last = self.report.last.max(Seq(last));
        }
        self.snapshot.broken.sort_unstable();
        self.snapshot
            .segments
            .sort_unstable_by_key(|segment| segment.zone.seq_first);
        Ok(covered)
    }

    fn read_wal(
        &mut self,
        dir: &Path,
        number: u64,
        name: String,
        file: Arc<dyn ReadFile>,
        covered: &BTreeMap<u64, u64>,
        before: &mut u64,
    ) -> Result<(), StoreError> {
        let (mut names, mut rows) = (NameTable::default(), Vec::<Row>::new());
        let mut repeated = 0;
        let scanned = wal::scan(&name, &*file, &mut |seq, at, entry| {
            let is_sealed = covered
                .range(..=seq)
                .next_back()
                .is_some_and(|(_, last)| seq <= *last);
            let is_new = seq < *before && rows.last().is_none_or(|last| last.seq < seq);
            let is_near = rows
                .first()
                .is_none_or(|first| seq.saturating_sub(first.seq) <= SPAN_MAX);
            if is_new && is_near && !is_sealed {
                let json_at = at + wal::json_offset(entry);
                rows.push(wal::row(&mut names, seq, entry, json_at));
            } else {
                repeated += 1;
            }
            Ok(())
        })
        .map_err(StoreError::io("read", dir.join(&name)))?;
        self.report.torn_bytes += scanned.torn_bytes;
        self.report.damage.extend(scanned.damage.iter().cloned());
        self.report.last = self.report.last.max(Seq(scanned.next.saturating_sub(1)));
        let is_newest = self.wal_number_last == number;
        let is_head_only = is_newest && scanned.next > 0 && repeated == 0;
        if rows.is_empty() && !is_head_only {
            // What is damaged is kept, for whoever wants to look at it.
            if scanned.damage.is_empty() {
                self.superfluous.push(name);
            }
            return Ok(());
        }
        if let Some((first, last)) = rows.first().zip(rows.last()) {
            *before = first.seq;
            self.report.last = self.report.last.max(Seq(last.seq));
        }
        self.report.records += rows.len() as u64;
        let wal = Arc::new(Wal::new(name, file));
        wal.show(&rows, names.list());
        let span = rows
            .first()
            .map_or(0, |first| self.report.last.0.saturating_sub(first.seq));
        if is_newest && scanned.damage.is_empty() && repeated == 0 && span < SPAN_MAX / 2 {
            self.newest = Some(Newest {
                wal: wal.clone(),
                names,
                good_bytes: scanned.good_bytes,
                first_time_ns: rows.first().map_or(0, |row| row.time_ns),
            });
        }
        self.snapshot.wals.push(wal);
        Ok(())
    }
}

/// A segment keeps numbers as 32 bits after its first. Ours are next to one another; what is further apart was
/// not written by us.
const SPAN_MAX: u64 = u32::MAX as u64;

/// The name of the write-ahead file with this number.
pub(crate) fn wal_name(number: u64) -> String {
    format!("{number:010}.wal")
}

/// Copies a whole file to `path`, and makes it last.
fn copy(disk: &dyn Disk, from: &dyn ReadFile, path: &Path) -> io::Result<()> {
    let (mut at, end) = (0, from.len()?);
    let mut to = disk.create(path)?;
    let mut buffer = Vec::new();
    while at < end {
        buffer.resize((end - at).min(COPY_BYTES) as usize, 0);
        from.read_exact_at(&mut buffer, at)?;
        to.write_all(&buffer)?;
        at += buffer.len() as u64;
    }
    to.sync()
}

fn wal_names(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, String)>, StoreError> {
    let listed = disk.list(dir).map_err(StoreError::io("list", dir))?;
    let mut files: Vec<(u64, String)> = listed
        .into_iter()
        .filter_map(|file| Some((file.name.strip_suffix(".wal")?.parse().ok()?, file.name)))
        .collect();
    files.sort_unstable();
    Ok(files)
}

/// Damage, as an event.
impl From<Damage> for StoreEvent {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}
