//! The one writer of a directory of records.

use super::names::NameTable;
use super::reader::{LogReader, Shared, Snapshot};
use super::wal::{self, Wal};
use super::{Damage, Entry, LogOptions, Seq, StoreError, columns::Row};
use crate::disk::{Disk, WriteFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let (snapshot, report) = Snapshot::read(&*disk, dir)?;
        let wal_number_next = snapshot.wal_number_last + 1;
        let shared = Arc::new(Shared::new(disk.clone(), dir.to_owned(), snapshot));
        let last = report.last;
        let store = Self {
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
            wal_number_next,
        };
        Ok((store, report))
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

    /// Closes and removes what is due. To be called every few seconds.
    pub fn tick(&mut self, now_unix_ns: u64) -> Vec<StoreEvent> {
        let age = self.options.segment_age.as_nanos();
        let is_old = |active: &Active| {
            active.records > 0 && u128::from(now_unix_ns.saturating_sub(active.born_unix_ns)) >= age
        };
        if self.active.as_ref().is_some_and(is_old) && self.write_buffer().is_ok() {
            self.roll().ok();
        }
        Vec::new()
    }

    /// A reader of this store.
    pub fn reader(&self) -> LogReader {
        LogReader::of(self.shared.clone())
    }

    /// Writes and syncs everything.
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
        if self.active.is_none() {
            self.active = Some(self.create_wal()?);
        }
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        if let Err(source) = active.file.write_all(&self.buffer) {
            let error = StoreError::io("write to", &active.path)(source);
            // What is left of the write must go, or else the next one would stand behind it.
            if active.file.set_len(active.bytes).is_err() {
                self.leave_active();
            }
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
        if active.is_suspect {
            return self.rescue();
        }
        match active.file.sync() {
            Ok(()) => {
                active.synced_bytes = active.bytes;
                self.unsynced.clear();
                self.lasting = self.written;
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
    fn rescue(&mut self) -> Result<(), StoreError> {
        let mut fresh = self.create_wal()?;
        let path = fresh.path.clone();
        fresh
            .file
            .write_all(&self.unsynced)
            .map_err(StoreError::io("write to", &path))?;
        fresh.file.sync().map_err(StoreError::io("sync", &path))?;
        let (mut rows, mut at) = (Vec::new(), 0);
        while let crate::frame::Read::Payload(payload) = crate::frame::read(&self.unsynced[at..]) {
            let end = at + crate::frame::HEAD_BYTES + payload.len();
            if let Some((seq, entry)) = wal::read_record(payload) {
                let json_at = fresh.bytes + (end - entry.json.len()) as u64;
                rows.push(wal::row(&mut self.names, seq, &entry, json_at));
            }
            at = end;
        }
        if let Some(first) = rows.first() {
            fresh.born_unix_ns = first.time_ns;
        }
        fresh.records = rows.len();
        fresh.json_bytes = rows.iter().map(|row| u64::from(row.json_bytes)).sum();
        fresh.bytes += self.unsynced.len() as u64;
        fresh.synced_bytes = fresh.bytes;
        self.shared.hide_after(self.lasting);
        fresh.wal.show(&rows, self.names.list());
        if let Some(mut old) = self.active.replace(fresh) {
            // Not needed: what stands twice is told by its number.
            old.file.set_len(old.synced_bytes).ok();
        }
        self.unsynced.clear();
        self.lasting = self.written;
        Ok(())
    }

    fn roll_if_full(&mut self) -> Result<(), StoreError> {
        let pending = self.pending.len();
        let is_full = self.active.as_ref().is_some_and(|active| {
            active.records + pending >= self.options.segment_records
                || active.json_bytes + self.buffer.len() as u64 >= self.options.segment_bytes
        });
        if !is_full {
            return Ok(());
        }
        self.write_buffer()?;
        self.roll()
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
        self.active = None;
    }

    fn create_wal(&mut self) -> Result<Active, StoreError> {
        let number = self.wal_number_next;
        let name = format!("{number:010}.wal");
        let path = self.dir.join(&name);
        let mut file = self
            .disk
            .create(&path)
            .map_err(StoreError::io("create", &path))?;
        self.wal_number_next += 1;
        let mut head = Vec::new();
        wal::write_head(&mut head);
        file.write_all(&head)
            .map_err(StoreError::io("write to", &path))?;
        self.disk
            .sync_dir(&self.dir)
            .map_err(StoreError::io("sync the directory", &self.dir))?;
        let readable = self
            .disk
            .open_read(&path)
            .map_err(StoreError::io("open", &path))?;
        let wal = Arc::new(Wal::new(name, readable));
        self.shared.add_wal(wal.clone());
        Ok(Active {
            wal,
            path,
            file,
            bytes: head.len() as u64,
            synced_bytes: 0,
            is_suspect: false,
            json_bytes: 0,
            records: 0,
            born_unix_ns: 0,
        })
    }
}
