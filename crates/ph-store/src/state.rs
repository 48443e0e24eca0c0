//! Small state that changes: rows of text, by room and key, in one SQLite file.
//!
//! For what is decided again and again and must not be forgotten (who was told of which alert, silences),
//! not for what happens once (`logs`, `series`). One process owns the file, one thread writes it, and
//! every call blocks: a commit returns when the disk has it.

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use std::path::{Path, PathBuf};

/// Each moves the tables from the version that is its place in the list to the next.
const MIGRATIONS: &[&str] = &[
    "CREATE TABLE rows (room TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, \
     PRIMARY KEY (room, key)) WITHOUT ROWID, STRICT;",
];
/// Names the file as ours: `PHst`.
const APPLICATION_ID: i32 = 0x5048_7374;
/// Longest write-ahead file that is left lying, in bytes.
const WAL_BYTES_MAX: u32 = 4 << 20;

/// The open file.
#[derive(Debug)]
pub struct State {
    connection: Connection,
    path: PathBuf,
}

/// One change: a row that is new or other, or that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Whose row it is; a word.
    pub room: &'static str,
    /// Which one.
    pub key: String,
    /// What it says; none: it goes.
    pub value: Option<String>,
}

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process, or another opening in this one, has it.
    #[error("`{}` is in use by another process", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Its bytes are not what SQLite wrote.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A file of another program, or of another part of this one.
    #[error("`{}` is no file of this kind", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version has written it.
    #[error("`{}` is of version {found}, and this version reads up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest that can be read.
        known: usize,
    },
    /// The disk has no room.
    #[error("`{}` cannot be written: the disk is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("`{}`: {source}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl StateError {
    /// The file can be set aside ([`set_aside`]) and begun anew; what it said is lost then.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl State {
    /// Opens the file, or begins it, and takes it for this process alone.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let at = |source| named(path, source);
        let mut connection = Connection::open(path).map_err(at)?;
        // Nobody else may come in, so nobody is waited for.
        connection
            .busy_timeout(std::time::Duration::ZERO)
            .map_err(at)?;
        let set = |name: &str, value: &str| {
            connection.pragma_update_and_check(None, name, value, |_| Ok(()))
        };
        set("locking_mode", "EXCLUSIVE").map_err(at)?;
        let first_word = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        });
        first_word.map_err(at)?;
        set("journal_mode", "WAL").map_err(at)?;
        connection
            .execute_batch(&format!(
                "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = {WAL_BYTES_MAX};"
            ))
            .map_err(at)?;
        check(&connection, path)?;
        migrate(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// The rows of a room, ascending by key.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn rows(&self, room: &str) -> Result<Vec<(String, String)>, StateError> {
        let read = || {
            let mut rows = self
                .connection
                .prepare_cached("SELECT key, value FROM rows WHERE room = ?1 ORDER BY key")?;
            let rows = rows.query_map([room], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| named(&self.path, source))
    }

    /// The row of a room with a key.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn row(&self, room: &str, key: &str) -> Result<Option<String>, StateError> {
        let read = || {
            self.connection
                .prepare_cached("SELECT value FROM rows WHERE room = ?1 AND key = ?2")?
                .query_row([room, key], |row| row.get(0))
                .optional()
        };
        read().map_err(|source| named(&self.path, source))
    }

    /// Makes all changes or none. When it returns, they outlive a loss of power.
    ///
    /// # Errors
    /// [`StateError`]; nothing has changed then.
    pub fn commit<'a>(
        &mut self,
        writes: impl IntoIterator<Item = &'a Write>,
    ) -> Result<(), StateError> {
        let connection = &mut self.connection;
        let write = || {
            let transaction = connection.transaction()?;
            {
                let mut put = transaction.prepare_cached(
                    "INSERT INTO rows (room, key, value) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (room, key) DO UPDATE SET value = excluded.value",
                )?;
                let mut take =
                    transaction.prepare_cached("DELETE FROM rows WHERE room = ?1 AND key = ?2")?;
                for write in writes {
                    match &write.value {
                        Some(value) => put.execute(params![write.room, write.key, value])?,
                        None => take.execute([write.room, &write.key])?,
                    };
                }
            }
            transaction.commit()
        };
        write().map_err(|source| named(&self.path, source))
    }
}

fn check(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let at = |source| named(path, source);
    let id: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(at)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(at)?;
    if id != APPLICATION_ID && tables > 0 {
        return Err(StateError::Foreign {
            path: path.to_owned(),
        });
    }
    let said: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(at)?;
    if said == "ok" {
        return Ok(());
    }
    Err(StateError::Damaged {
        path: path.to_owned(),
        reason: said,
    })
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let at = |source| named(path, source);
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(at)?;
    let found = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(found..) else {
        return Err(StateError::Newer {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.len(),
        });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(at)?;
    for migration in missing {
        transaction.execute_batch(migration).map_err(at)?;
    }
    let known = MIGRATIONS.len();
    transaction
        .execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {known};"
        ))
        .map_err(at)?;
    transaction.commit().map_err(at)
}

/// Renames a damaged file and what belongs to it, so that a new one can be begun. Gives the new name.
///
/// # Errors
/// When it cannot be renamed.
pub fn set_aside(path: &Path, unix_seconds: u64) -> std::io::Result<PathBuf> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let aside = with(&format!(".damaged-{unix_seconds}"));
    std::fs::rename(path, &aside)?;
    for ending in ["-wal", "-shm"] {
        match std::fs::remove_file(with(ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

fn named(path: &Path, source: rusqlite::Error) -> StateError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StateError::Damaged {
            path,
            reason: source.to_string(),
        },
        Some(ErrorCode::DiskFull) => StateError::Full { path },
        _ => StateError::Other { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Write {
        Write {
            room: "a",
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    fn gone(key: &str) -> Write {
        Write {
            room: "a",
            key: key.to_owned(),
            value: None,
        }
    }

    fn pairs(state: &State) -> Vec<(String, String)> {
        state.rows("a").unwrap()
    }

    #[test]
    fn what_was_committed_is_there_after_opening_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut state = State::open(&path).unwrap();
        state.commit(&[put("1", "x"), put("2", "y")]).unwrap();
        state
            .commit(&[put("1", "z"), gone("2"), gone("3")])
            .unwrap();
        drop(state);
        let state = State::open(&path).unwrap();
        assert_eq!(pairs(&state), [("1".to_owned(), "z".to_owned())]);
        assert_eq!(state.row("a", "1").unwrap().as_deref(), Some("z"));
        assert_eq!(state.row("b", "1").unwrap(), None);
    }

    #[test]
    fn there_is_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut first = State::open(&path).unwrap();
        assert!(matches!(State::open(&path), Err(StateError::Busy { .. })));
        first.commit(&[put("1", "x")]).unwrap();
        assert!(matches!(State::open(&path), Err(StateError::Busy { .. })));
        drop(first);
        State::open(&path).unwrap();
    }

    #[test]
    fn damage_is_named_and_can_be_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut state = State::open(&path).unwrap();
        let many: Vec<_> = (0..500)
            .map(|n| put(&format!("{n:04}"), &"v".repeat(50)))
            .collect();
        state.commit(&many).unwrap();
        drop(state);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4096].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        let error = State::open(&path).unwrap_err();
        assert!(error.is_damage(), "{error}");
        let aside = set_aside(&path, 7).unwrap();
        assert_eq!(std::fs::read(aside).unwrap(), bytes);
        assert!(pairs(&State::open(&path).unwrap()).is_empty());
        std::fs::write(
            &path,
            "this is no database, and long enough to be looked at",
        )
        .unwrap();
        assert!(State::open(&path).unwrap_err().is_damage());
    }

    #[test]
    fn files_of_others_and_of_the_future_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = dir.path().join("foreign.db");
        let other = Connection::open(&foreign).unwrap();
        other.execute_batch("CREATE TABLE t (x)").unwrap();
        drop(other);
        assert!(matches!(
            State::open(&foreign),
            Err(StateError::Foreign { .. })
        ));
        let newer = dir.path().join("newer.db");
        drop(State::open(&newer).unwrap());
        let other = Connection::open(&newer).unwrap();
        other.execute_batch("PRAGMA user_version = 99").unwrap();
        drop(other);
        assert!(matches!(
            State::open(&newer),
            Err(StateError::Newer { found: 99, .. })
        ));
    }
}
