//! The one writer of a directory of records.

mod retention;

use super::columns::Row;
use super::names::NameTable;
use super::seal::Sealer;
use super::segment::How;
use super::snapshot::{Directory, Newest, Shared, wal_name};
use super::wal::{self, Wal};
use super::{Damage, Entry, LogOptions, LogReader, Seq, StoreError};
use crate::disk::{Disk, WriteFile};
use crate::frame::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Written and not yet synced, at most; then a sync is due. See [`LogOptions::keep_unsynced`].
const UNSYNCED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The one writer. It is made for a thread of its own: what it does blocks on the disk.
///
/// A record is *taken* when `append` returns, *written* after `flush` (readers see it, and it outlives the process),
/// *lasting* after `sync` (it outlives the machine's power).
#[derive(Debug)]
pub struct LogStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: LogOptions,
    shared: Arc<Shared>,
    active: Option<Active>,
    /// Names of the records in `pending`, numbered for the file they will go into.
    names: NameTable,
    /// Frames that are taken and not written, and their columns, `json_at` counted from the buffer's beginning.
    buffer: Vec<u8>,
    pending: Vec<Row>,
    /// Frames that are written and not synced.
    unsynced: Vec<u8>,
    next: Seq,
    written: Seq,
    lasting: Seq,
    wal_number_next: u64,
    sealer: Sealer,
    /// The last look at the bounds found too much, and a sink that holds it.
    is_full_of_held: bool,
}

/// The file that is appended to.
#[derive(Debug)]
struct Active {
    wal: Arc<Wal>,
    path: PathBuf,
    file: Box<dyn WriteFile>,
    /// Its length, without what a failed write may have left behind.
    bytes: u64,
    /// Of that so much is lasting.
    synced_bytes: u64,
    /// A failed write left something at its end that could not be cut off.
    is_torn: bool,
    /// Its name is lasting.
    is_named: bool,
    /// A sync failed: nothing written to it later can be trusted to last.
    is_suspect: bool,
    json_bytes: u64,
    records: usize,
    born_unix_ns: u64,
}

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Records that can be read.
    pub records: u64,
    /// The last of them.
    pub last: Seq,
    /// Bytes that a crash left of unfinished writes. No record in them was acknowledged as lasting.
    pub torn_bytes: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

/// What the store did by itself.
#[derive(Debug)]
pub enum StoreEvent {
    /// A file was sealed.
    Sealed {
        /// The new segment.
        file: String,
        /// Its records.
        records: u64,
        /// Its length.
        bytes: u64,
    },
    /// A file could not be sealed and stays as it is; it is tried again.
    SealFailed {
        /// Why not.
        error: StoreError,
    },
    /// A segment was removed.
    Removed {
        /// The segment.
        file: String,
        /// Its records.
        records: u64,
        /// `true`: for room. `false`: for age.
        for_room: bool,
    },
    /// A segment that should go could not be removed.
    RemoveFailed {
        /// Why not.
        error: StoreError,
    },
    /// Something cannot be read any more.
    Damaged(Damage),
}

/// How a store was left.
#[derive(Debug)]
pub struct CloseReport {
    /// The last record that is lasting.
    pub lasting: Seq,
    /// Records that were taken and never written.
    pub lost: u64,
    /// Why, when there are any.
    pub error: Option<StoreError>,
}

impl LogStore {
    /// Opens the store in `dir`, which is made when it is not there. Nobody else may write to it meanwhile.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: LogOptions,
    ) -> Result<(Self, OpenReport), StoreError> {
        disk.create_dir(dir)
            .map_err(StoreError::io("make the directory", dir))?;
        let mut found = Directory::read(&*disk, dir)?;
        for name in &found.superfluous {
            // Should it stay, it is as superfluous the next time.
            disk.remove(&dir.join(name)).ok();
        }
        let replaced = found.renew_newest(&*disk, dir)?;
        // Written by an earlier process; nobody knows whether it was synced.
        for wal in &found.snapshot.wals {
            let path = dir.join(&wal.name);
            disk.open_append(&path)
                .and_then(|mut file| file.sync())
                .map_err(StoreError::io("sync", &path))?;
            wal.close();
        }
        disk.sync_dir(dir)
            .map_err(StoreError::io("sync the directory", dir))?;
        if let Some(name) = replaced {
            // Should it stay, the one that came after it counts.
            disk.remove(&dir.join(name)).ok();
        }
        let last = found.report.last;
        let shared = Shared::new(disk.clone(), dir.to_owned(), found.snapshot, last);
        let shared = Arc::new(shared);
        let how = How {
            level: options.zstd_level,
            text_sets: options.text_sets,
        };
        let sealer = Sealer::start(shared.clone(), how, options.background)?;
        let mut store = Self {
            disk,
            dir: dir.to_owned(),
            options,
            shared,
            active: None,
            names: NameTable::default(),
            buffer: Vec::new(),
            pending: Vec::new(),
            unsynced: Vec::new(),
            next: last.next(),
            written: last,
            lasting: last,
            wal_number_next: found.wal_number_last + 1,
            sealer,
            is_full_of_held: false,
        };
        if let Some(newest) = found.newest {
            store.go_on_with(newest)?;
        }
        store.sealer.call();
        Ok((store, found.report))
    }

    /// Takes a record. After an error it was not taken.
    ///
    /// # Errors
    /// A record that cannot be kept; or no room, since what was taken before cannot be written or sealed. Then the
    /// caller drops the record or tries again.
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<Seq, StoreError> {
        if entry.json.len() > Entry::JSON_BYTES_MAX {
            return Err(StoreError::TooLong {
                bytes: entry.json.len(),
                max: Entry::JSON_BYTES_MAX,
            });
        }
        if memchr::memchr(b'\n', entry.json).is_some() {
            return Err(StoreError::NotOneLine);
        }
        if self.is_full_of_held {
            return Err(StoreError::Held);
        }
        if self.buffer.len() >= self.options.buffer_bytes {
            self.write_buffer()?;
        }
        self.roll_if_full()?;
        let seq = self.next;
        let start = self.buffer.len();
        let json_in_frame = wal::write_record(&mut self.buffer, seq.0, entry);
        let json_at = (start + json_in_frame) as u64;
        self.pending
            .push(wal::row(&mut self.names, seq.0, entry, json_at));
        self.next = seq.next();
        Ok(seq)
    }

    /// Writes what was taken, and shows it to readers. The last record that is written.
    pub fn flush(&mut self) -> Result<Seq, StoreError> {
        self.write_buffer()?;
        Ok(self.written)
    }

    /// Writes what was taken and makes it last. The last record that does.
    pub fn sync(&mut self) -> Result<Seq, StoreError> {
        self.write_buffer()?;
        self.sync_written()?;
        Ok(self.lasting)
    }

    /// The last record that is lasting.
    pub fn lasting(&self) -> Seq {
        self.lasting
    }

    /// Records that are taken and not yet written.
    pub fn unwritten(&self) -> usize {
        self.pending.len()
    }

    /// Closes and removes what is due, and says what happened since it was last called. To be called every second.
    pub fn tick(&mut self, now_unix_ns: u64) -> Vec<StoreEvent> {
        let age = self.options.segment_age.as_nanos();
        let is_old = |active: &Active| {
            active.records > 0 && u128::from(now_unix_ns.saturating_sub(active.born_unix_ns)) >= age
        };
        if self.active.as_ref().is_some_and(is_old)
            && self.has_room_to_seal()
            && self.write_buffer().is_ok()
        {
            // What cannot be closed now is old the next time, too.
            self.roll().ok();
        }
        self.sealer.call();
        // The last number must stand somewhere before the last record goes.
        if self.active.is_none() && self.shared.snapshot().wals.is_empty() {
            self.active = self.create_wal().ok();
        }
        self.is_full_of_held = retention::apply(&self.shared, &self.options, now_unix_ns);
        self.shared.take_events()
    }

    /// From the next tick on this much is kept; see [`LogOptions`].
    pub fn set_bounds(&mut self, retention: Option<Duration>, bytes_max: Option<u64>) {
        self.options.retention = retention;
        self.options.bytes_max = bytes_max;
    }

    /// Waits until what is closed is sealed; `false` when the time is up first.
    pub fn wait_sealed(&self, limit: Duration) -> bool {
        self.sealer.wait(limit)
    }

    /// A reader of this store.
    pub fn reader(&self) -> LogReader {
        LogReader::of(self.shared.clone())
    }

    /// Writes and syncs everything, and ends the thread that seals; what is not sealed is sealed the next time.
    pub fn close(mut self) -> CloseReport {
        let error = self.sync().err();
        CloseReport {
            lasting: self.lasting,
            lost: self.pending.len() as u64,
            error,
        }
    }

    fn write_buffer(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.unsynced.len() + self.buffer.len() > UNSYNCED_BYTES_MAX {
            self.sync_written()?;
        }
        if self.active.as_ref().is_some_and(|active| active.is_torn) {
            self.sync_written()?;
            self.leave_torn();
        }
        if self.active.is_none() {
            self.active = Some(self.create_wal()?);
        }
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        if let Err(source) = active.file.write_all(&self.buffer) {
            let error = StoreError::io("write to", &active.path)(source);
            // What is left of the write must go, or else the next one would stand behind it.
            active.is_torn = active.file.set_len(active.bytes).is_err();
            return Err(error);
        }
        for row in &mut self.pending {
            row.json_at += active.bytes;
            active.json_bytes += u64::from(row.json_bytes);
        }
        if let (0, Some(first)) = (active.records, self.pending.first()) {
            active.born_unix_ns = first.time_ns;
        }
        active.records += self.pending.len();
        active.bytes += self.buffer.len() as u64;
        active.wal.show(&self.pending, self.names.list());
        self.written = Seq(self.next.0 - 1);
        if self.options.keep_unsynced {
            self.unsynced.extend_from_slice(&self.buffer);
        } else {
            self.shared.set_lasting(self.written);
        }
        self.buffer.clear();
        self.pending.clear();
        Ok(())
    }

    fn sync_written(&mut self) -> Result<(), StoreError> {
        if self.lasting == self.written {
            return Ok(());
        }
        let Some(active) = &mut self.active else {
            return self.rescue();
        };
        if active.is_suspect || (active.is_torn && self.options.keep_unsynced) {
            return self.rescue();
        }
        match active.file.sync() {
            Ok(()) => {
                active.synced_bytes = active.bytes;
                self.name_active()?;
                self.all_lasts();
                Ok(())
            }
            Err(source) => {
                active.is_suspect = true;
                let error = StoreError::io("sync", &active.path)(source);
                self.rescue().map_err(|_| error)
            }
        }
    }

    /// After a failed sync nobody knows what is on the disk: what is not lasting goes into another file.
    ///
    /// That file gets its name when it is whole: what stands in it counts more than what stands in the older one.
    fn rescue(&mut self) -> Result<(), StoreError> {
        let (name, path) = self.next_wal();
        let unfinished = self.dir.join(format!("{name}.tmp"));
        let head = self.head(self.lasting);
        let mut file = self.create(&unfinished, &head)?;
        file.write_all(&self.unsynced)
            .map_err(StoreError::io("write to", &unfinished))?;
        file.sync().map_err(StoreError::io("sync", &unfinished))?;
        let readable = self
            .disk
            .open_read(&unfinished)
            .map_err(StoreError::io("open", &unfinished))?;
        self.disk
            .rename(&unfinished, &path)
            .map_err(StoreError::io("rename", &unfinished))?;
        let rows = rows_of(&self.unsynced, head.len() as u64, &mut self.names);
        let bytes = (head.len() + self.unsynced.len()) as u64;
        let fresh = Active {
            wal: Arc::new(Wal::new(name, readable)),
            path,
            file,
            bytes,
            synced_bytes: bytes,
            is_torn: false,
            is_suspect: false,
            is_named: false,
            json_bytes: rows.iter().map(|row| u64::from(row.json_bytes)).sum(),
            records: rows.len(),
            born_unix_ns: rows.first().map_or(0, |row| row.time_ns),
        };
        for wal in &self.shared.snapshot().wals {
            wal.show_until(self.lasting.0);
        }
        fresh.wal.show(&rows, self.names.list());
        self.show_wal(&fresh.wal);
        if let Some(mut old) = self.active.replace(fresh) {
            // Not needed: what stands twice is told by its number.
            old.file.set_len(old.synced_bytes).ok();
            old.wal.close();
        }
        self.name_active()?;
        self.all_lasts();
        Ok(())
    }

    /// Makes the name of the active file last.
    fn name_active(&mut self) -> Result<(), StoreError> {
        if let Some(active) = self.active.as_mut().filter(|active| !active.is_named) {
            self.disk
                .sync_dir(&self.dir)
                .map_err(StoreError::io("sync the directory", &self.dir))?;
            active.is_named = true;
        }
        Ok(())
    }

    fn all_lasts(&mut self) {
        self.unsynced.clear();
        self.lasting = self.written;
        self.shared.set_lasting(self.written);
    }

    fn roll_if_full(&mut self) -> Result<(), StoreError> {
        let (records, json_bytes) = self
            .active
            .as_ref()
            .map_or((0, 0), |active| (active.records, active.json_bytes));
        let is_full = records + self.pending.len() >= self.options.segment_records
            || json_bytes + self.buffer.len() as u64 >= self.options.segment_bytes;
        if !is_full {
            return Ok(());
        }
        if !self.has_room_to_seal() {
            self.sealer.call();
            return Err(StoreError::SealingBehind {
                files: self.options.unsealed_max,
            });
        }
        self.write_buffer()?;
        self.roll()
    }

    fn has_room_to_seal(&self) -> bool {
        let snapshot = self.shared.snapshot();
        let waiting = snapshot.wals.iter().filter(|wal| wal.is_closed()).count();
        waiting < self.options.unsealed_max
    }

    /// Ends the active file. Everything taken must be written.
    fn roll(&mut self) -> Result<(), StoreError> {
        if self.options.keep_unsynced {
            self.sync_written()?;
        }
        self.leave_active();
        self.names = NameTable::default();
        Ok(())
    }

    fn leave_active(&mut self) {
        if let Some(active) = self.active.take() {
            active.wal.close();
            self.sealer.call();
        }
    }

    fn leave_torn(&mut self) {
        if self.active.as_ref().is_some_and(|active| active.is_torn) {
            self.leave_active();
        }
    }

    /// The newest file of an earlier process is appended to.
    fn go_on_with(&mut self, newest: Newest) -> Result<(), StoreError> {
        let path = self.dir.join(&newest.wal.name);
        let (json_bytes, records) = newest.wal.size();
        let is_small = records < self.options.segment_records / 2
            && json_bytes < self.options.segment_bytes / 2;
        if !is_small {
            return Ok(());
        }
        let mut file = self
            .disk
            .open_append(&path)
            .map_err(StoreError::io("open", &path))?;
        if file.set_len(newest.good_bytes).is_err() {
            // It stays as it is, and is sealed.
            return Ok(());
        }
        newest.wal.reopen();
        self.names = newest.names;
        self.active = Some(Active {
            wal: newest.wal,
            path,
            file,
            bytes: newest.good_bytes,
            synced_bytes: newest.good_bytes,
            is_torn: false,
            is_suspect: false,
            is_named: true,
            json_bytes,
            records,
            born_unix_ns: newest.first_time_ns,
        });
        Ok(())
    }

    fn create_wal(&mut self) -> Result<Active, StoreError> {
        let (name, path) = self.next_wal();
        let head = self.head(self.written);
        let file = self.create(&path, &head)?;
        let readable = self
            .disk
            .open_read(&path)
            .map_err(StoreError::io("open", &path))?;
        let wal = Arc::new(Wal::new(name, readable));
        self.show_wal(&wal);
        Ok(Active {
            wal,
            path,
            file,
            bytes: head.len() as u64,
            synced_bytes: 0,
            is_torn: false,
            is_suspect: false,
            is_named: false,
            json_bytes: 0,
            records: 0,
            born_unix_ns: 0,
        })
    }

    /// A name that no write-ahead file had.
    fn next_wal(&mut self) -> (String, PathBuf) {
        let name = wal_name(self.wal_number_next);
        self.wal_number_next += 1;
        let path = self.dir.join(&name);
        (name, path)
    }

    fn head(&self, last: Seq) -> Vec<u8> {
        let mut head = Vec::new();
        wal::write_head(&mut head, last.next().0);
        head
    }

    fn create(&self, path: &Path, head: &[u8]) -> Result<Box<dyn WriteFile>, StoreError> {
        let mut file = self
            .disk
            .create(path)
            .map_err(StoreError::io("create", path))?;
        file.write_all(head)
            .map_err(StoreError::io("write to", path))?;
        Ok(file)
    }

    fn show_wal(&self, wal: &Arc<Wal>) {
        self.shared
            .change(|snapshot| snapshot.wals.push(wal.clone()));
    }
}

/// The columns of frames that stand at `at` in their file.
fn rows_of(frames: &[u8], at: u64, names: &mut NameTable) -> Vec<Row> {
    let (mut rows, mut done) = (Vec::new(), 0);
    while let Read::Payload(payload) = frame::read(&frames[done..]) {
        let end = done + frame::HEAD_BYTES + payload.len();
        if let Some((seq, entry)) = wal::read_record(payload) {
            let json_at = at + (end - entry.json.len()) as u64;
            rows.push(wal::row(names, seq, &entry, json_at));
        }
        done = end;
    }
    rows
}
