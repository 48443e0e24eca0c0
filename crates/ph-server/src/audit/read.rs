//! Reading the audit log back, from its end.

use super::{AuditLog, KEEP_FILES};
use ph_api::{AuditEntry, AuditPage, AuditWanted};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 64 << 10;
/// A longer line is none of ours: each of its texts is cut when it is written.
const LINE_BYTES_MAX: usize = 256 << 10;

impl AuditLog {
    /// The entries that are wanted, the newest first.
    ///
    /// - `go_on`: asked for each piece; where it says no, what was found so far is given.
    ///
    /// # Errors
    /// The system's error. A file that is not there, or no longer, has no entries.
    pub(crate) fn read(
        &self,
        wanted: &AuditWanted,
        go_on: &dyn Fn() -> bool,
    ) -> io::Result<AuditPage> {
        let mut page = AuditPage {
            entries: Vec::new(),
            complete: true,
        };
        let aside = (1..=KEEP_FILES).map(|number| aside(&self.path, number));
        let text = wanted.text.to_lowercase();
        let mut take = |line: &[u8]| {
            let found = entry(line).filter(|entry| fits(entry, line, &text, &wanted.step));
            if let Some(entry) = found {
                // One more than is wanted shows that there are more.
                if page.entries.len() == wanted.limit {
                    page.complete = false;
                    return false;
                }
                page.entries.push(entry);
            }
            true
        };
        for path in std::iter::once(self.path.clone()).chain(aside) {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            match backwards(file, &mut take, go_on)? {
                End::Begun => {}
                End::Enough => break,
                End::TimeOver => {
                    page.complete = false;
                    break;
                }
            }
        }
        Ok(page)
    }
}

/// The name of a file that was put aside.
pub(super) fn aside(path: &Path, number: u32) -> PathBuf {
    let mut path = path.to_owned().into_os_string();
    path.push(format!(".{number}"));
    PathBuf::from(path)
}

/// Why reading a file ended.
enum End {
    /// Its beginning was reached.
    Begun,
    /// Nothing more is wanted.
    Enough,
    /// There is no more time.
    TimeOver,
}

/// Gives each whole line, the last first, until `take` wants no more.
fn backwards(
    mut file: File,
    take: &mut dyn FnMut(&[u8]) -> bool,
    go_on: &dyn Fn() -> bool,
) -> io::Result<End> {
    let mut at = file.metadata()?.len();
    // What stands before the first line end of all that was read.
    let mut rest: Vec<u8> = Vec::new();
    while at > 0 {
        if !go_on() {
            return Ok(End::TimeOver);
        }
        let from = at.saturating_sub(PIECE_BYTES);
        let mut piece = vec![0; usize::try_from(at - from).unwrap_or(0)];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut piece)?;
        piece.append(&mut rest);
        at = from;
        let mut end = piece.len();
        while let Some(line_end) = piece[..end].iter().rposition(|byte| *byte == b'\n') {
            if !take(&piece[line_end + 1..end]) {
                return Ok(End::Enough);
            }
            end = line_end;
        }
        piece.truncate(end);
        rest = piece;
        if rest.len() > LINE_BYTES_MAX {
            rest.clear();
        }
    }
    Ok(if take(&rest) { End::Begun } else { End::Enough })
}

/// A line of ours; none for what a crash has cut.
fn entry(line: &[u8]) -> Option<AuditEntry> {
    let mut fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    Some(AuditEntry {
        ts: text("ts"),
        id: text("id"),
        step: text("step"),
        actor: text("actor"),
        action: text("action"),
        more: fields,
    })
}

fn fits(entry: &AuditEntry, line: &[u8], text: &str, step: &str) -> bool {
    let is_step = step.is_empty() || entry.step == step;
    is_step && (text.is_empty() || String::from_utf8_lossy(line).to_lowercase().contains(text))
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::*;

    fn log(count: u64, rotate_bytes: u64) -> (tempfile::TempDir, AuditLog) {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::open_with(dir.path(), rotate_bytes).unwrap();
        for id in 0..count {
            let step = if id % 2 == 0 { "begun" } else { "done" };
            log.write(&Entry {
                id,
                step,
                actor: "key:Alice",
                action: "silence.set",
                more: vec![("sent", Value::from("x".repeat(id as usize % 700)))],
            })
            .unwrap();
        }
        (dir, log)
    }

    fn ids(page: &AuditPage) -> Vec<u64> {
        let id = |entry: &AuditEntry| u64::from_str_radix(&entry.id, 16).unwrap();
        page.entries.iter().map(id).collect()
    }

    fn wanted(text: &str, step: &str, limit: usize) -> AuditWanted {
        AuditWanted {
            text: text.to_owned(),
            step: step.to_owned(),
            limit,
        }
    }

    #[test]
    fn the_newest_is_first_over_pieces_and_files() {
        let (_dir, log) = log(1_000, 200_000);
        let page = log.read(&wanted("", "", 2_000), &|| true).unwrap();
        assert_eq!(ids(&page), (0..1_000).rev().collect::<Vec<_>>());
        assert!(page.complete);
        let page = log.read(&wanted("", "", 3), &|| true).unwrap();
        assert_eq!((ids(&page), page.complete), (vec![999, 998, 997], false));
    }

    #[test]
    fn only_what_fits_is_given_and_what_is_no_line_is_left_out() {
        let (dir, log) = log(10, 1 << 20);
        let path = dir.path().join("audit.log");
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"ts\": cut\n\n[]\n");
        std::fs::write(&path, text).unwrap();
        let page = log.read(&wanted("ALICE", "done", 100), &|| true).unwrap();
        assert_eq!(ids(&page), [9, 7, 5, 3, 1]);
        let page = log.read(&wanted("bob", "", 100), &|| true).unwrap();
        assert!(page.entries.is_empty() && page.complete);
    }

    #[test]
    fn without_time_nothing_is_said_to_be_all() {
        let (_dir, log) = log(10, 1 << 20);
        let page = log.read(&wanted("", "", 100), &|| false).unwrap();
        assert!(!page.complete && page.entries.is_empty());
    }
}
