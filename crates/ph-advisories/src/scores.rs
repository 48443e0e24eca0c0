//! CISA's list of known exploited vulnerabilities (KEV) and the EPSS scores, by CVE, in one SQLite file.

use crate::index::IndexError;
use flate2::read::GzDecoder;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use serde::Deserialize;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of either list once inflated, at most.
const BYTES_MAX: u64 = 256 << 20;
/// Entries of either list, at most.
const ENTRIES_MAX: u64 = 5_000_000;
const TABLES: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE kev (cve TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;
    CREATE TABLE epss (cve TEXT PRIMARY KEY, score REAL NOT NULL) WITHOUT ROWID, STRICT;
    BEGIN;";

/// Why a list is none.
#[derive(Debug, thiserror::Error)]
pub enum ScoresError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It cannot be kept.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// It is not what CISA gives out.
    #[error("it is no list of known exploited vulnerabilities: {0}")]
    Kev(#[from] serde_json::Error),
    /// It is not what EPSS gives out.
    #[error("line {line}: it is no list of EPSS scores: {why}")]
    Epss {
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// It holds nothing.
    #[error("it is empty")]
    Empty,
    /// It is too large.
    #[error("it has more than {ENTRIES_MAX} entries, or {BYTES_MAX} bytes")]
    TooLarge,
}

#[derive(Deserialize)]
struct Kev {
    vulnerabilities: Vec<KevEntry>,
}

#[derive(Deserialize)]
struct KevEntry {
    #[serde(rename = "cveID")]
    cve: String,
}

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
        let kev: Kev = serde_json::from_reader(BufReader::new(bytes.take(BYTES_MAX)))?;
        let at = |source| sqlite(&self.path, source);
        let mut put = self
            .connection
            .prepare("INSERT OR IGNORE INTO kev VALUES (?1)")
            .map_err(at)?;
        for entry in &kev.vulnerabilities {
            put.execute([&entry.cve]).map_err(at)?;
        }
        match kev.vulnerabilities.len() as u64 {
            0 => Err(ScoresError::Empty),
            count => Ok(count),
        }
    }

    /// Takes the scores: CSV with a comment, a head (`cve,epss,…`) and a line for each, compressed by gzip or not.
    pub(crate) fn epss(&self, bytes: impl Read) -> Result<u64, ScoresError> {
        let mut bytes = BufReader::new(bytes);
        let is_packed = bytes.fill_buf()?.starts_with(&[0x1F, 0x8B]);
        let plain: Box<dyn Read + '_> = if is_packed {
            Box::new(GzDecoder::new(bytes))
        } else {
            Box::new(bytes)
        };
        let at = |source| sqlite(&self.path, source);
        let mut put = self
            .connection
            .prepare("INSERT OR REPLACE INTO epss VALUES (?1, ?2)")
            .map_err(at)?;
        let mut lines = BufReader::new(plain.take(BYTES_MAX)).split(b'\n');
        let (mut line, mut count) = (0, 0);
        while let Some(text) = lines.next().transpose()? {
            line += 1;
            let wrong = |why| ScoresError::Epss { line, why };
            let text = str::from_utf8(&text)
                .map_err(|_| wrong("it is no text"))?
                .trim();
            if text.is_empty() || text.starts_with('#') || text.starts_with("cve,") {
                continue;
            }
            let mut fields = text.split(',');
            let (cve, score) = (
                fields.next().unwrap_or_default(),
                fields.next().unwrap_or_default(),
            );
            let score: f64 = score
                .parse()
                .map_err(|_| wrong("the second field is no number"))?;
            if !cve.starts_with("CVE-") || !(0.0..=1.0).contains(&score) {
                return Err(wrong("a line is `CVE-…,` and a number from 0 to 1"));
            }
            put.execute(params![cve, score]).map_err(at)?;
            count += 1;
            if count > ENTRIES_MAX {
                return Err(ScoresError::TooLarge);
            }
        }
        if count == 0 {
            Err(ScoresError::Empty)
        } else {
            Ok(count)
        }
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
