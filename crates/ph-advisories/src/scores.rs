//! CISA's list of known exploited vulnerabilities (KEV) and the EPSS scores, by CVE, in one SQLite file.

use crate::index::IndexError;
use crate::lists::{self, ScoresError};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::io::Read;
use std::path::{Path, PathBuf};

const TABLES: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE kev (cve TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;
    CREATE TABLE epss (cve TEXT PRIMARY KEY, score REAL NOT NULL) WITHOUT ROWID, STRICT;
    BEGIN;";

/// The file while it is written.
pub(crate) struct Writer {
    connection: Connection,
    path: PathBuf,
}

impl Writer {
    pub(crate) fn create(path: &Path) -> Result<Self, IndexError> {
        let writer = Self {
            connection: Connection::open(path).map_err(|source| sqlite(path, source))?,
            path: path.to_owned(),
        };
        writer.run(TABLES)?;
        Ok(writer)
    }

    fn run(&self, sql: &str) -> Result<(), IndexError> {
        let done = self.connection.execute_batch(sql);
        done.map_err(|source| sqlite(&self.path, source))
    }

    /// Takes a list over from the file before.
    ///
    /// - `table`: `kev` or `epss`.
    pub(crate) fn keep(&self, table: &str, old: &Path) -> Result<(), IndexError> {
        let old_path = old.to_string_lossy().into_owned();
        // A database cannot be attached within a transaction.
        self.run("COMMIT")?;
        let attached = self.connection.execute("ATTACH ?1 AS old", [old_path]);
        attached.map_err(|source| sqlite(&self.path, source))?;
        self.run(&format!(
            "INSERT INTO {table} SELECT * FROM old.{table}; DETACH old; BEGIN;"
        ))
    }

    /// Takes out what a list that turned out to be bad has left.
    pub(crate) fn empty(&self, table: &str) -> Result<(), IndexError> {
        self.run(&format!("DELETE FROM {table}"))
    }

    /// Takes CISA's list; says how many it has.
    pub(crate) fn kev(&self, bytes: impl Read) -> Result<u64, ScoresError> {
        let at = |source| sqlite(&self.path, source);
        let mut put = self
            .connection
            .prepare("INSERT OR IGNORE INTO kev VALUES (?1)")
            .map_err(at)?;
        lists::kev(bytes, &mut |cve| put.execute([cve]).map(drop).map_err(at))
    }

    /// Takes the scores of EPSS; says how many there are.
    pub(crate) fn epss(&self, bytes: impl Read) -> Result<u64, ScoresError> {
        let at = |source| sqlite(&self.path, source);
        let mut put = self
            .connection
            .prepare("INSERT OR REPLACE INTO epss VALUES (?1, ?2)")
            .map_err(at)?;
        lists::epss(bytes, &mut |cve, score| {
            put.execute(params![cve, score]).map(drop).map_err(at)
        })
    }

    pub(crate) fn finish(self) -> Result<(), IndexError> {
        self.run("COMMIT")?;
        let closed = self.connection.close();
        closed.map_err(|(_, source)| sqlite(&self.path, source))?;
        let synced = std::fs::File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(|source| IndexError::Io {
            path: self.path.clone(),
            source,
        })
    }
}

/// The file as it is read.
pub(crate) struct Scores {
    connection: Connection,
    path: PathBuf,
}

impl Scores {
    pub(crate) fn open(path: &Path) -> Result<Self, IndexError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|source| sqlite(path, source))?;
        let scores = Self {
            connection,
            path: path.to_owned(),
        };
        scores.is_exploited("")?;
        Ok(scores)
    }

    pub(crate) fn is_exploited(&self, cve: &str) -> Result<bool, IndexError> {
        let found = self
            .connection
            .prepare_cached("SELECT 1 FROM kev WHERE cve = ?1")
            .and_then(|mut ask| ask.exists([cve]));
        found.map_err(|source| sqlite(&self.path, source))
    }

    pub(crate) fn epss(&self, cve: &str) -> Result<Option<f64>, IndexError> {
        let found = self
            .connection
            .prepare_cached("SELECT score FROM epss WHERE cve = ?1")
            .and_then(|mut ask| ask.query_row([cve], |row| row.get(0)).optional());
        found.map_err(|source| sqlite(&self.path, source))
    }
}

fn sqlite(path: &Path, source: rusqlite::Error) -> IndexError {
    let path = path.to_owned();
    IndexError::Sqlite { path, source }
}
