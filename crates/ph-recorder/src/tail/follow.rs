//! One followed file.

use super::positions::Place;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// A file that is followed through renames and cuts.
pub(super) struct Follow {
    open: Option<Open>,
    /// Where to begin when the file is opened first.
    begin: Begin,
    /// Bytes read and not yet given as lines; the beginning of a line.
    pending: Vec<u8>,
    /// The rest of a line whose beginning was given already is left out.
    skipping: bool,
    /// Ends the last line of a file that is gone.
    at_end: bool,
    trouble: Option<io::ErrorKind>,
}

struct Open {
    file: File,
    id: (u64, u64),
    /// Bytes read.
    read: u64,
    head: u64,
    head_bytes: u64,
}

enum Begin {
    /// Where it was left, if it is still the same file, else at its beginning.
    At(Place),
    /// At its end: it is older than its name in the configuration.
    End,
    /// At its beginning: it came after we did.
    Start,
}

/// A line, or the part of it that is kept.
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) is_cut: bool,
}

/// Longest line that is kept whole, in bytes; as for stderr.
pub(super) const LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;
const HEAD_BYTES_MAX: u64 = 256;

impl Follow {
    /// - `place`: how far it was read by a process before this one.
    pub(super) fn new(path: &Path, place: Option<Place>) -> Self {
        let begin = match place {
            Some(place) => Begin::At(place),
            None if path.exists() => Begin::End,
            None => Begin::Start,
        };
        Self {
            open: None,
            begin,
            pending: Vec::new(),
            skipping: false,
            at_end: false,
            trouble: None,
        }
    }

    /// Reads a piece: how long it was, or `None` when there is nothing new. [`Follow::lines`] has its
    /// lines.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Option<usize>> {
        if self.open.is_none() && !self.open(path)? {
            return Ok(None);
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        if open.was_cut()? {
            open.restart()?;
            self.pending.clear();
            self.skipping = false;
        }
        let before = self.pending.len();
        self.pending.resize(before + READ_BYTES, 0);
        let read = open.file.read_at(&mut self.pending[before..], open.read);
        self.pending.truncate(before + *read.as_ref().unwrap_or(&0));
        let read = read?;
        open.read += read as u64;
        open.learn_head()?;
        self.trouble = None;
        if read > 0 {
            return Ok(Some(read));
        }
        if !self.is_replaced(path) {
            return Ok(None);
        }
        // The old file was read to its end; the new one is next.
        if !self.pending.is_empty() && !self.at_end {
            self.at_end = true;
            return Ok(Some(0));
        }
        self.open = None;
        self.begin = Begin::Start;
        Ok(Some(0))
    }

    /// Gives the whole lines of what was read, until `give` says that there is no room; `true` when
    /// all were taken.
    pub(super) fn lines(&mut self, give: &mut dyn FnMut(Piece<'_>) -> bool) -> bool {
        let mut from = 0;
        let mut room = true;
        while room && let Some(len) = self.pending[from..].iter().position(|b| *b == b'\n') {
            let line = &self.pending[from..from + len];
            room = std::mem::take(&mut self.skipping) || whole(line, give);
            if room {
                from += len + 1;
            }
        }
        self.pending.drain(..from);
        if room {
            room = self.unfinished(give);
        }
        self.pending.shrink_to(READ_BYTES);
        room
    }

    /// The beginning of a line that is too long to be waited for, or that has no end.
    fn unfinished(&mut self, give: &mut dyn FnMut(Piece<'_>) -> bool) -> bool {
        let too_long = self.pending.len() > LINE_BYTES_MAX;
        if self.skipping {
            self.pending.clear();
        } else if too_long || (self.at_end && !self.pending.is_empty()) {
            if !whole(&self.pending, give) {
                return false;
            }
            self.pending.clear();
            self.skipping = too_long;
        }
        if std::mem::take(&mut self.at_end) {
            self.skipping = false;
        }
        true
    }

    /// How far it was read: the beginning of the first line that was not given.
    pub(super) fn place(&self) -> Option<Place> {
        let open = self.open.as_ref()?;
        Some(Place {
            file: open.id,
            offset: open.read - self.pending.len() as u64,
            head: open.head,
            head_bytes: open.head_bytes,
        })
    }

    /// The error, if it was not one of its kind before.
    pub(super) fn new_trouble<'e>(&mut self, error: &'e io::Error) -> Option<&'e io::Error> {
        let again = self.trouble.replace(error.kind()) == Some(error.kind());
        (!again).then_some(error)
    }

    /// `false` while the file is not there.
    fn open(&mut self, path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // What comes now is new.
                if matches!(self.begin, Begin::End) {
                    self.begin = Begin::Start;
                }
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut open = Open {
            file,
            id: (metadata.dev(), metadata.ino()),
            read: 0,
            head: 0,
            head_bytes: 0,
        };
        match std::mem::replace(&mut self.begin, Begin::Start) {
            Begin::Start => {}
            Begin::End => open.read = metadata.len(),
            Begin::At(place) => {
                let same = place.file == open.id
                    && place.offset <= metadata.len()
                    && open.hash(place.head_bytes)? == place.head;
                if same {
                    open.read = place.offset;
                }
            }
        }
        open.learn_head()?;
        self.open = Some(open);
        Ok(true)
    }

    /// Whether another file has the name now.
    fn is_replaced(&self, path: &Path) -> bool {
        let id = self.open.as_ref().map(|open| open.id);
        std::fs::metadata(path).is_ok_and(|m| Some((m.dev(), m.ino())) != id)
    }
}

impl Open {
    /// Whether it is shorter than what was read, or begins otherwise than it did.
    fn was_cut(&self) -> io::Result<bool> {
        let shorter = self.file.metadata()?.len() < self.read;
        Ok(shorter || self.hash(self.head_bytes)? != self.head)
    }

    fn restart(&mut self) -> io::Result<()> {
        (self.read, self.head_bytes) = (0, 0);
        self.head = self.hash(0)?;
        Ok(())
    }

    /// Remembers the first bytes of what was read, as soon as they are there.
    fn learn_head(&mut self) -> io::Result<()> {
        let bytes = self.read.min(HEAD_BYTES_MAX);
        if bytes > self.head_bytes || self.head_bytes == 0 {
            self.head = self.hash(bytes)?;
            self.head_bytes = bytes;
        }
        Ok(())
    }

    /// FNV-1a of the first `bytes`, or of what there is.
    fn hash(&self, bytes: u64) -> io::Result<u64> {
        let mut head = [0; HEAD_BYTES_MAX as usize];
        let head = &mut head[..bytes.min(HEAD_BYTES_MAX) as usize];
        let mut have = 0;
        while have < head.len() {
            match self.file.read_at(&mut head[have..], have as u64)? {
                0 => break,
                read => have += read,
            }
        }
        Ok(head[..have].iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| {
            (hash ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }
}

fn whole(line: &[u8], give: &mut dyn FnMut(Piece<'_>) -> bool) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return true;
    }
    let is_cut = line.len() > LINE_BYTES_MAX;
    let kept = &line[..line.len().min(LINE_BYTES_MAX)];
    let text = String::from_utf8_lossy(kept);
    give(Piece {
        text: &text,
        is_cut,
    })
}
