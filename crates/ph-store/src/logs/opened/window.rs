//! JSON that was read last, with what stands around it.

use super::super::segment::{self, Lines};
use super::super::wal::Wal;
use super::{Trouble, View, Which};
use std::io;

/// JSON that was read last.
#[derive(Default)]
pub(super) struct Window {
    /// Where it begins: byte in a write-ahead file, or first row of some lines and which they are.
    pub(super) from: u64,
    pub(super) lines: Option<usize>,
    pub(super) bytes: Vec<u8>,
    /// Ends of the lines.
    pub(super) ends: Vec<u32>,
    /// `false`: none of it contains what every wanted record contains.
    pub(super) may_fit: bool,
}

/// Bytes of a write-ahead file that are read before and behind a record.
const WINDOW_BYTES: u64 = 64 * 1024;

impl Window {
    /// Nothing is loaded; the memory is kept.
    pub(super) fn forget(&mut self) {
        self.lines = None;
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn load_wal(&mut self, wal: &Wal, at: u64, end: u64) -> io::Result<()> {
        let from = at.saturating_sub(WINDOW_BYTES);
        let to = (end + WINDOW_BYTES).min(wal.file.len()?);
        self.bytes
            .resize(to.max(end).saturating_sub(from) as usize, 0);
        let read = wal.file.read_exact_at(&mut self.bytes, from);
        (self.from, self.may_fit) = (from, true);
        read
    }

    pub(super) fn load_lines(
        &mut self,
        view: &View,
        which: Which,
        lines: &Lines,
        first: usize,
    ) -> Result<(), Trouble> {
        let packed = view.section(which, &lines.section)?;
        let damaged = || view.damage(which, &lines.section, "is not what its index says");
        segment::expand(&packed, lines.raw_bytes as usize, &mut self.bytes)
            .map_err(|_| damaged())?;
        let ends = memchr::memchr_iter(b'\n', &self.bytes).map(|end| end as u32);
        self.ends.extend(ends);
        self.from = first as u64;
        if self.ends.len() == lines.records as usize {
            Ok(())
        } else {
            Err(damaged())
        }
    }
}
