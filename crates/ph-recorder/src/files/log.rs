//! One log: its open file and its rotation.

use super::directory::{LogDir, Opened};
use std::io;
use std::time::Duration;

/// One of the logs of a directory.
pub(crate) struct Log {
    /// `combined` for `combined.log`.
    stem: &'static str,
    name: String,
    /// `None` until the first line, and after a fault.
    open: Option<Opened>,
    /// Bytes of a line's beginning at the end of the file, still to be cut off.
    torn_bytes: u64,
    /// The newest rotated name's stamp: names rise strictly.
    newest_stamp_ms: u64,
}

/// When a file is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Age of the file.
    pub(crate) age: Duration,
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Written {
    /// Bytes that are in the file: whole lines from the batch's beginning.
    pub(crate) bytes: usize,
    /// Why not all.
    pub(crate) error: Option<io::Error>,
}

impl Log {
    pub(crate) fn new(stem: &'static str) -> Self {
        Self {
            stem,
            name: format!("{stem}.log"),
            open: None,
            torn_bytes: 0,
            newest_stamp_ms: 0,
        }
    }

    /// Appends whole lines; see the module of files for what a fault leaves.
    pub(crate) fn write(&mut self, dir: &dyn LogDir, lines: &[u8]) -> Written {
        let mut taken = 0;
        let error = self.append(dir, lines, &mut taken).err();
        let whole = lines[..taken]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        if taken > whole {
            self.torn_bytes = (taken - whole) as u64;
            // If this fails too, the next batch tries before it writes.
            let _later = self.mend();
        }
        if let Some(open) = &mut self.open {
            open.bytes += whole as u64;
        }
        Written {
            bytes: whole,
            error,
        }
    }

    fn append(&mut self, dir: &dyn LogDir, lines: &[u8], taken: &mut usize) -> io::Result<()> {
        self.mend()?;
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(dir.open(&self.name)?),
        };
        while *taken < lines.len() {
            match open.file.append(&lines[*taken..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => *taken += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts off a torn line, if there is one.
    pub(crate) fn mend(&mut self) -> io::Result<()> {
        if let (1.., Some(open)) = (self.torn_bytes, &mut self.open) {
            open.file.cut(self.torn_bytes)?;
        }
        self.torn_bytes = 0;
        Ok(())
    }

    /// Lets go of a file that somebody moved or removed; the next line makes a new one.
    pub(crate) fn follow(&mut self, dir: &dyn LogDir) {
        let Some(open) = &self.open else { return };
        let still_ours = dir
            .identity(&self.name)
            .is_ok_and(|now| now == open.identity);
        if !still_ours && self.mend().is_ok() {
            self.open = None;
        }
    }

    /// Rotates the file when it is large or old enough; `true` when it was.
    ///
    /// - `now_unix_ms`: stands in the rotated file's name.
    /// - errors: the file stays as it is and is tried again.
    pub(crate) fn rotate(
        &mut self,
        dir: &dyn LogDir,
        rotation: Rotation,
        now_unix_ms: u64,
    ) -> io::Result<bool> {
        let Some(open) = &self.open else {
            return Ok(false);
        };
        let age = Duration::from_millis(now_unix_ms.saturating_sub(open.born_unix_s * 1000));
        let due = open.bytes > 0 && (open.bytes >= rotation.bytes || age >= rotation.age);
        if !due || self.torn_bytes > 0 {
            return Ok(false);
        }
        let mut stamp_ms = now_unix_ms.max(self.newest_stamp_ms + 1);
        while let Err(error) = dir.rename(
            &self.name,
            &format!("{}-{}.log", self.stem, stamp(stamp_ms)),
        ) {
            let taken =
                error.kind() == io::ErrorKind::AlreadyExists && stamp_ms < now_unix_ms + NAME_TRIES;
            if !taken {
                return Err(error);
            }
            stamp_ms += 1;
        }
        self.newest_stamp_ms = stamp_ms;
        self.open = None;
        Ok(true)
    }
}

/// Names of the same moment that are tried before giving up until the next batch.
const NAME_TRIES: u64 = 100;

/// `20261122T174708123Z`: sorts by time.
fn stamp(unix_ms: u64) -> String {
    let mut stamp = crate::line::Stamp::default();
    let text = stamp.at(unix_ms * 1_000_000);
    let digits = text[..23]
        .iter()
        .filter(|b| b.is_ascii_digit() || **b == b'T');
    digits.map(|b| char::from(*b)).chain(['Z']).collect()
}
