//! The index of one ecosystem: a SQLite file that is written once, and from then on only read.
//!
//! Whoever changes an index writes another file and puts it in the place of the old one (`manifest`), so readers
//! need no lock, and a crash leaves the old one.

use crate::record::Head;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use zstd::bulk::{Compressor, Decompressor};

/// Names the file as ours: `PHad`.
const APPLICATION_ID: i32 = 0x5048_6164;
const TABLES: &str = "
    CREATE TABLE records (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, modified INTEGER NOT NULL,
        imported INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE packages (name TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (name, record))
        WITHOUT ROWID, STRICT;";
/// Pages that SQLite keeps in memory while it reads, in KiB.
const READ_CACHE_KIB: u32 = 4 << 10;
pub(crate) use ph_vuln::osv::RECORD_BYTES_MAX;
/// Little is gained by more: a record is short, and most of the time goes into reading JSON.
const LEVEL: i32 = 1;

/// Why an index cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// SQLite says no.
    #[error("`{}`: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file system says no.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of another program, or a record in it that cannot be read.
    #[error("`{}` is damaged: {why}; fetch or import the advisories again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
}

/// An index that is being written.
pub(crate) struct Writer {
    connection: Connection,
    path: PathBuf,
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
}

/// Who has brought a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The mirror that is fetched from: a record that it has no longer goes with its next whole dump.
    Mirror,
    /// Somebody who imported it: it stays.
    Import,
}

/// What an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) records: u64,
    pub(crate) packages: u64,
    /// When the record was changed that was changed last.
    pub(crate) newest: Option<Timestamp>,
}

impl Writer {
    /// A new one, at a path where nothing is.
    ///
    /// - `cache_kib`: memory for pages.
    pub(crate) fn create(path: &Path, cache_kib: u32) -> Result<Self, IndexError> {
        let writer = Self::open(path, cache_kib)?;
        writer.run(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; {TABLES}"
        ))?;
        writer.run("BEGIN")?;
        Ok(writer)
    }

    /// A copy of `old`, at a path where nothing is.
    pub(crate) fn copy(old: &Path, path: &Path, cache_kib: u32) -> Result<Self, IndexError> {
        std::fs::copy(old, path).map_err(|source| IndexError::Io {
            path: path.to_owned(),
            source,
        })?;
        let writer = Self::open(path, cache_kib)?;
        writer.run("BEGIN")?;
        Ok(writer)
    }

    /// Without a journal: whoever ends before [`Self::finish`] leaves a file that nobody reads.
    fn open(path: &Path, cache_kib: u32) -> Result<Self, IndexError> {
        let at = |source| sqlite(path, source);
        let connection = Connection::open(path).map_err(at)?;
        let io = |source| IndexError::Io {
            path: path.to_owned(),
            source,
        };
        let writer = Self {
            connection,
            path: path.to_owned(),
            compressor: Compressor::new(LEVEL).map_err(io)?,
            decompressor: Decompressor::new().map_err(io)?,
        };
        writer.run(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; \
             PRAGMA temp_store = FILE; PRAGMA cache_size = -{cache_kib};"
        ))?;
        Ok(writer)
    }

    fn run(&self, sql: &str) -> Result<(), IndexError> {
        let done = self.connection.execute_batch(sql);
        done.map_err(|source| sqlite(&self.path, source))
    }

    /// Puts in a record, if it names packages of `ecosystem`; of two with one id the one that was changed later stays,
    /// of two that were changed at the same time the one that comes later.
    ///
    /// - result: whether it is in the index now.
    pub(crate) fn put(
        &mut self,
        ecosystem: &str,
        head: &Head,
        body: &[u8],
        origin: Origin,
    ) -> Result<bool, IndexError> {
        let modified = micros(head.modified);
        let known = self.known(&head.id)?;
        if let Some((number, known_at)) = known {
            if known_at > modified {
                return Ok(false);
            }
            self.remove(number)?;
        }
        if !head.packages.iter().any(|(base, _)| base == ecosystem) {
            return Ok(false);
        }
        let packed = self
            .compressor
            .compress(body)
            .map_err(|source| IndexError::Io {
                path: self.path.clone(),
                source,
            })?;
        self.insert(ecosystem, head, modified, origin, body.len(), &packed)
            .map_err(|source| sqlite(&self.path, source))?;
        Ok(true)
    }

    fn insert(
        &self,
        ecosystem: &str,
        head: &Head,
        modified: i64,
        origin: Origin,
        size: usize,
        packed: &[u8],
    ) -> rusqlite::Result<()> {
        let sql =
            "INSERT INTO records (id, modified, imported, size, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        let is_imported = origin == Origin::Import;
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.connection.prepare_cached(sql)?.execute(params![
            head.id,
            modified,
            is_imported,
            size,
            packed
        ])?;
        let number = self.connection.last_insert_rowid();
        let sql = "INSERT OR IGNORE INTO packages (name, record) VALUES (?1, ?2)";
        let mut package = self.connection.prepare_cached(sql)?;
        for (_, name) in head.packages.iter().filter(|(base, _)| base == ecosystem) {
            package.execute(params![name, number])?;
        }
        Ok(())
    }

    /// The number of a record, and when it was changed.
    fn known(&self, id: &str) -> Result<Option<(i64, i64)>, IndexError> {
        let sql = "SELECT number, modified FROM records WHERE id = ?1";
        let row = self.connection.prepare_cached(sql).and_then(|mut known| {
            known
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        });
        row.map_err(|source| sqlite(&self.path, source))
    }

    /// When the record of this id was changed.
    pub(crate) fn modified(&self, id: &str) -> Result<Option<Timestamp>, IndexError> {
        let known = self.known(id)?;
        Ok(known.and_then(|(_, micros)| Timestamp::from_microsecond(micros).ok()))
    }

    /// Takes out a record with what points to it: the packages that it names stand in it.
    fn remove(&mut self, number: i64) -> Result<(), IndexError> {
        let sql = "SELECT size, body FROM records WHERE number = ?1";
        let row = self.connection.query_row(sql, [number], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let (size, packed) = row.map_err(|source| sqlite(&self.path, source))?;
        let body = unpack(&mut self.decompressor, &packed, size, &self.path)?;
        let head = Head::read(&body).map_err(|error| damaged(&self.path, &error))?;
        let done = self
            .connection
            .prepare_cached("DELETE FROM packages WHERE name = ?1 AND record = ?2")
            .and_then(|mut delete| {
                for (_, name) in &head.packages {
                    delete.execute(params![name, number])?;
                }
                self.connection
                    .execute("DELETE FROM records WHERE number = ?1", [number])
            });
        done.map(drop).map_err(|source| sqlite(&self.path, source))
    }

    /// Puts in what was imported into `old`, unless it is here in a newer form.
    pub(crate) fn take_imported(
        &mut self,
        ecosystem: &str,
        old: &Reader,
    ) -> Result<(), IndexError> {
        let mut each = |body: &[u8]| {
            let head = Head::read(body).map_err(|error| damaged(&old.path, &error))?;
            let is_newer_here = self
                .modified(&head.id)?
                .is_some_and(|here| here >= head.modified);
            if !is_newer_here {
                self.put(ecosystem, &head, body, Origin::Import)?;
            }
            Ok(())
        };
        old.imported(&mut each)
    }

    /// Writes all of it to the disk.
    pub(crate) fn finish(self) -> Result<Contents, IndexError> {
        self.run("COMMIT; PRAGMA optimize;")?;
        let counted = contents(&self.connection).map_err(|source| sqlite(&self.path, source))?;
        let closed = self.connection.close();
        closed.map_err(|(_, source)| sqlite(&self.path, source))?;
        let synced = File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(|source| IndexError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(counted)
    }
}

fn contents(connection: &Connection) -> rusqlite::Result<Contents> {
    let sql = "SELECT (SELECT count(*) FROM records), (SELECT count(DISTINCT name) FROM packages), \
               (SELECT max(modified) FROM records)";
    connection.query_row(sql, [], |row| {
        let newest: Option<i64> = row.get(2)?;
        Ok(Contents {
            records: row.get::<_, i64>(0)?.unsigned_abs(),
            packages: row.get::<_, i64>(1)?.unsigned_abs(),
            newest: newest.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
        })
    })
}

/// An index that is read. Nobody writes to its file.
pub(crate) struct Reader {
    connection: Connection,
    path: PathBuf,
    decompressor: RefCell<Decompressor<'static>>,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self, IndexError> {
        let at = |source| sqlite(path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri(path), flags).map_err(at)?;
        let id: i32 = connection
            .query_row("PRAGMA application_id", [], |row| row.get(0))
            .map_err(at)?;
        if id != APPLICATION_ID {
            return Err(damaged(path, &"it is no index of advisories"));
        }
        connection
            .execute_batch(&format!("PRAGMA cache_size = -{READ_CACHE_KIB}"))
            .map_err(at)?;
        let decompressor = Decompressor::new().map_err(|source| IndexError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            decompressor: RefCell::new(decompressor),
        })
    }

    /// The records that name a package, each as JSON, by id.
    ///
    /// - `name`: as names are compared.
    pub(crate) fn records(
        &self,
        name: &str,
        each: &mut dyn FnMut(Vec<u8>),
    ) -> Result<(), IndexError> {
        let sql = "SELECT size, body FROM packages JOIN records ON number = record WHERE name = ?1 ORDER BY id";
        self.bodies(sql, [name], &mut |body| {
            each(body);
            Ok(())
        })
    }

    /// When the record of this id was changed.
    pub(crate) fn modified(&self, id: &str) -> Result<Option<Timestamp>, IndexError> {
        let sql = "SELECT modified FROM records WHERE id = ?1";
        let known = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut known| known.query_row([id], |row| row.get::<_, i64>(0)).optional());
        let known = known.map_err(|source| sqlite(&self.path, source))?;
        Ok(known.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
    }

    pub(crate) fn damaged(&self, why: &dyn std::fmt::Display) -> IndexError {
        damaged(&self.path, why)
    }

    fn imported(
        &self,
        each: &mut dyn FnMut(&[u8]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let sql = "SELECT size, body FROM records WHERE imported";
        self.bodies(sql, [], &mut |body| each(&body))
    }

    fn bodies(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        each: &mut dyn FnMut(Vec<u8>) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let at = |source| sqlite(&self.path, source);
        let mut ask = self.connection.prepare_cached(sql).map_err(at)?;
        let mut rows = ask.query(params).map_err(at)?;
        while let Some(row) = rows.next().map_err(at)? {
            let size: i64 = row.get(0).map_err(at)?;
            let packed = row
                .get_ref(1)
                .and_then(|value| Ok(value.as_blob()?))
                .map_err(at)?;
            let mut decompressor = self.decompressor.borrow_mut();
            let body = unpack(&mut decompressor, packed, size, &self.path)?;
            drop(decompressor);
            each(body)?;
        }
        Ok(())
    }
}

fn unpack(
    decompressor: &mut Decompressor<'static>,
    packed: &[u8],
    size: i64,
    path: &Path,
) -> Result<Vec<u8>, IndexError> {
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= RECORD_BYTES_MAX);
    let size = size.ok_or_else(|| damaged(path, &"a record has no size"))?;
    decompressor
        .decompress(packed, size)
        .map_err(|error| damaged(path, &error))
}

/// Read-only, and without looking for a journal: the file never changes.
fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
        if is_plain {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Finer differences than a microsecond mean nothing.
fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

fn sqlite(path: &Path, source: rusqlite::Error) -> IndexError {
    let path = path.to_owned();
    IndexError::Sqlite { path, source }
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> IndexError {
    IndexError::Damaged {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
