//! The audit log: one line for each attempt at a change before it, and one after it. Lines are only ever added.

mod read;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Size at which the file is put aside.
const ROTATE_BYTES: u64 = 16 << 20;
/// Files that were put aside and are kept: `audit.log.1` is the latest.
const KEEP_FILES: u32 = 16;

/// The log of one data directory.
#[derive(Debug)]
pub(crate) struct AuditLog {
    path: PathBuf,
    rotate_bytes: u64,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

/// One line, less the time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry<'a> {
    /// The same for the lines of one attempt.
    pub(crate) id: u64,
    /// `begun`, `refused`, `done` or `failed`.
    pub(crate) step: &'static str,
    /// Who: `key:NAME`, `anonymous`, or `process`.
    pub(crate) actor: &'a str,
    /// More of it, in the order of the line; empty values are left out.
    pub(crate) more: Vec<(&'static str, Value)>,
    /// What.
    pub(crate) action: &'a str,
}

impl AuditLog {
    /// Opens the log in `dir`, or begins it. A line that a crash has cut is ended.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        Self::open_with(dir, ROTATE_BYTES)
    }

    fn open_with(dir: &Path, rotate_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let path = dir.join("audit.log");
        let mut file = open(&path)?;
        let mut bytes = file.metadata()?.len();
        if bytes > 0 && !ends_with_newline(&path)? {
            file.write_all(b"\n")?;
            bytes += 1;
        }
        Ok(Self {
            path,
            rotate_bytes,
            open: Mutex::new(Open { file, bytes }),
        })
    }

    /// Adds a line; when this returns, the disk has it. Blocks.
    ///
    /// # Errors
    /// The system's error; the line is not there then.
    pub(crate) fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        let mut line = Map::new();
        let now = Timestamp::now();
        line.insert("ts".into(), json!(format!("{now:.3}")));
        line.insert("id".into(), json!(format!("{:016x}", entry.id)));
        line.insert("step".into(), json!(entry.step));
        line.insert("actor".into(), json!(entry.actor));
        line.insert("action".into(), json!(entry.action));
        for (key, value) in &entry.more {
            if !value.is_null() && value.as_str() != Some("") {
                line.insert((*key).into(), value.clone());
            }
        }
        let text = format!("{}\n", Value::Object(line));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.bytes > 0 && open.bytes + text.len() as u64 > self.rotate_bytes {
            self.rotate(&mut open)?;
        }
        let written = open.file.write_all(text.as_bytes());
        if let Err(error) = written.and_then(|()| open.file.sync_data()) {
            // Half a line would spoil the next one. A disk that does not do this either is said by the next attempt.
            let _cut = open.file.set_len(open.bytes);
            return Err(error);
        }
        open.bytes += text.len() as u64;
        Ok(())
    }

    /// Makes a change that is written down before and after.
    ///
    /// - `unwritten`: makes an error of what cannot be written; nothing is changed then.
    ///
    /// # Errors
    /// Those of the change, and `unwritten`'s.
    pub(crate) fn around<T, E>(
        &self,
        action: &str,
        more: Vec<(&'static str, Value)>,
        unwritten: impl FnOnce(String) -> E,
        change: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let actor = own_user();
        let mut entry = Entry {
            step: "begun",
            actor: &actor,
            action,
            more,
            ..Entry::default()
        };
        let written = self.write(&entry);
        written.map_err(|error| unwritten(format!("the audit log cannot be written: {error}")))?;
        let changed = change();
        entry.step = if changed.is_ok() { "done" } else { "failed" };
        // It has happened, or has not: that this line is missing says neither.
        let _written = self.write(&entry);
        changed
    }

    /// Puts the file aside and begins another.
    fn rotate(&self, open: &mut Open) -> io::Result<()> {
        let aside = |number| read::aside(&self.path, number);
        for number in (1..KEEP_FILES).rev() {
            match fs::rename(aside(number), aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, aside(1))?;
        *open = Open {
            file: self::open(&self.path)?,
            bytes: 0,
        };
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn ends_with_newline(path: &Path) -> io::Result<bool> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Who runs a command: the user's number.
pub(crate) fn own_user() -> String {
    let uid = fs::metadata("/proc/self").map(|own| own.uid());
    uid.map_or_else(|_| "command".to_owned(), |uid| format!("uid:{uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64) -> Entry<'static> {
        Entry {
            id,
            step: "begun",
            actor: "key:alice",
            action: "silence.set",
            more: vec![("sent", json!("a\nb")), ("before", Value::Null)],
        }
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn lines_are_added_and_a_cut_one_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        AuditLog::open(dir.path())
            .unwrap()
            .write(&entry(1))
            .unwrap();
        let mut file = open(&path).unwrap();
        file.write_all(b"{}").unwrap();
        AuditLog::open(dir.path())
            .unwrap()
            .write(&entry(2))
            .unwrap();
        let lines = lines(&path);
        let ids: Vec<_> = lines.iter().map(|line| line["id"].as_str()).collect();
        assert_eq!(
            ids,
            [Some("0000000000000001"), None, Some("0000000000000002")]
        );
        assert_eq!(lines[0]["sent"], "a\nb");
        assert!(lines[0].get("before").is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::open_with(dir.path(), 300).unwrap();
        for id in 0..200 {
            log.write(&entry(id)).unwrap();
        }
        let files = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(files, 1 + KEEP_FILES as usize);
        let last = lines(&dir.path().join("audit.log")).pop().unwrap();
        assert_eq!(last["id"], format!("{:016x}", 199));
        let before = lines(&dir.path().join("audit.log.1"));
        assert!(!before.is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::open_with(dir.path(), 1).unwrap();
        log.write(&entry(1)).unwrap();
        // The next line needs another file, and there is no place for the old one.
        fs::create_dir_all(dir.path().join("audit.log.1/occupied")).unwrap();
        fs::create_dir_all(dir.path().join("audit.log.2/occupied")).unwrap();
        for number in 3..=KEEP_FILES {
            fs::create_dir_all(dir.path().join(format!("audit.log.{number}/occupied"))).unwrap();
        }
        assert!(log.write(&entry(2)).is_err());
    }
}
