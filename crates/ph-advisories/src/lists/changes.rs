//! The list of changed records that a mirror gives out: the newest first, a time and an id in each line.

use crate::record::{is_id, time};
use jiff::Timestamp;

/// Changed records that are looked at, at most: most of them are known.
pub const CHANGES_MAX: usize = 100_000;
/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 512;

/// The beginning of the list, as far as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The newest time, as it stands there.
    pub newest: Option<String>,
    /// The ids that were changed since, with when; one more than [`CHANGES_MAX`] at most.
    pub changed: Vec<(String, Timestamp)>,
    /// All that was changed since has been read.
    pub is_over: bool,
    /// It is no such list.
    pub is_bad: bool,
    /// The rest of a line.
    rest: Vec<u8>,
}

impl Changes {
    /// Takes a piece; `false` when enough is known.
    ///
    /// - `since`: nothing is listed that was changed before; none: nothing at all.
    pub fn take(&mut self, piece: &[u8], since: Option<Timestamp>) -> bool {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(piece);
        let mut begin = 0;
        while let Some(length) = rest[begin..].iter().position(|b| *b == b'\n') {
            self.line(&rest[begin..begin + length], since);
            begin += length + 1;
            if self.is_over || self.is_bad {
                return false;
            }
        }
        rest.drain(..begin);
        self.is_bad = rest.len() > LINE_BYTES_MAX;
        self.rest = rest;
        !self.is_bad
    }

    fn line(&mut self, line: &[u8], since: Option<Timestamp>) {
        if line.len() > LINE_BYTES_MAX {
            self.is_bad = true;
            return;
        }
        let text = str::from_utf8(line).unwrap_or_default().trim();
        if text.is_empty() {
            return;
        }
        let read = text.split_once(',').and_then(|(at, id)| {
            // The list of all ecosystems has folders before the ids.
            let id = id.rsplit('/').next().unwrap_or_default().trim();
            is_id(id).then_some((time(at)?, at.trim(), id))
        });
        let Some((at, written, id)) = read else {
            self.is_bad = true;
            return;
        };
        if self.newest.is_none() {
            self.newest = Some(written.to_owned());
        }
        match since {
            Some(since) if at >= since => self.changed.push((id.to_owned(), at)),
            _ => self.is_over = true,
        }
        self.is_over |= self.changed.len() > CHANGES_MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, since: &str, piece: usize) -> Changes {
        let mut list = Changes::default();
        let since = time(since);
        for piece in text.as_bytes().chunks(piece) {
            if !list.take(piece, since) {
                break;
            }
        }
        list
    }

    #[test]
    fn the_list_is_read_until_it_is_old() {
        let text = "2026-11-22T10:00:00.5Z,GHSA-3\n2026-11-22T09:00:00Z,npm/GHSA-2\r\n2026-11-21T00:00:00Z,GHSA-1\nbad\n";
        for piece in [1, 7, 1_000] {
            let list = read(text, "2026-11-22T00:00:00Z", piece);
            let ids: Vec<_> = list.changed.iter().map(|(id, _)| id.as_str()).collect();
            assert_eq!(ids, ["GHSA-3", "GHSA-2"]);
            assert_eq!(list.newest.as_deref(), Some("2026-11-22T10:00:00.5Z"));
            assert!(list.is_over && !list.is_bad);
        }
        assert!(read(text, "2026-11-20T00:00:00Z", 9).is_bad);
        assert!(read(&"x".repeat(1_000), "2026-11-20T00:00:00Z", 100).is_bad);
        // A line that is too long is none however it comes in.
        let long = format!("2026-11-22T10:00:00Z,{}\n", "x".repeat(600));
        assert!(read(&long, "2026-11-20T00:00:00Z", 1_000).is_bad);
        assert!(read(&long, "2026-11-20T00:00:00Z", 10).is_bad);
        assert!(
            read("2026-11-22T10:00:00Z,../x\n", "2026-11-20T00:00:00Z", 100)
                .changed
                .iter()
                .all(|(id, _)| id == "x")
        );
    }
}
