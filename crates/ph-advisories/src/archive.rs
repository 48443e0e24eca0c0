//! Zip archives, read entry by entry: an archive of 250,000 records costs no more memory than its largest one.
//!
//! Only what dumps are made of is read: stored and deflated entries, ZIP64. Everything else is refused, and so is
//! what pretends to be larger or smaller than it is. Nothing is ever unpacked to a disk.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Entries of one archive, at most.
pub const ENTRIES_MAX: u64 = 4_000_000;
/// Bytes of one entry once inflated, at most.
pub const ENTRY_BYTES_MAX: u64 = 16 << 20;
/// Bytes of all entries once inflated, at most.
pub const TOTAL_BYTES_MAX: u64 = 256 << 30;
/// An entry of more than [`SMALL`] bytes that is inflated to more than this many times its size is none of ours.
const RATIO_MAX: u64 = 250;
const SMALL: u64 = 1 << 20;
/// The bytes of the directory that are read at once.
const WINDOW: usize = 256 << 10;

/// Bytes that can be read at any place.
pub trait Bytes {
    /// How many there are.
    ///
    /// # Errors
    /// The system's.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from `at`, or less of it at the end; says how much.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl Bytes for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(
                self,
                &mut buffer[filled..],
                at.saturating_add(filled as u64),
            ) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl Bytes for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.len());
        let count = buffer.len().min(self.len() - from);
        buffer[..count].copy_from_slice(&self[from..from + count]);
        Ok(count)
    }
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is no directory at its end.
    #[error("it is no zip archive, or its end is missing ({0} bytes)")]
    NoEnd(u64),
    /// The directory is not what its end says.
    #[error("its directory is broken at byte {at}: {why}")]
    Directory {
        /// Where in the file.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// It has too many entries.
    #[error("it says that it has {0} entries, more than {ENTRIES_MAX}")]
    TooMany(u64),
    /// One entry is refused, and the archive with it.
    #[error("entry {nth} (`{name}`): {why}")]
    Entry {
        /// Which one, from 1.
        nth: u64,
        /// Its name, as far as it can be shown.
        name: String,
        /// What is wrong.
        why: EntryFault,
    },
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// A name that leads out of the folder, or could be read in two ways.
    #[error("its name leads somewhere else")]
    Name,
    /// It is encrypted.
    #[error("it is encrypted")]
    Encrypted,
    /// Neither stored nor deflated.
    #[error("it is compressed in a way that is not read here")]
    Method,
    /// More than [`ENTRY_BYTES_MAX`].
    #[error("it is larger than {ENTRY_BYTES_MAX} bytes")]
    TooLarge,
    /// It is inflated to so much that it must be meant to harm.
    #[error("it is inflated to more than {RATIO_MAX} times its size")]
    Bomb,
    /// All entries together are more than [`TOTAL_BYTES_MAX`].
    #[error("all entries together are larger than {TOTAL_BYTES_MAX} bytes")]
    TotalTooLarge,
    /// Entries share bytes.
    #[error("entries lie over each other")]
    Overlap,
    /// Its bytes are not where the directory says.
    #[error("its bytes are not where the directory says")]
    Place,
    /// It cannot be inflated to the size that is said.
    #[error("it cannot be inflated to the size that the directory says")]
    Inflate,
    /// Its checksum is another one.
    #[error("its checksum is not the one of the directory")]
    Checksum,
}

/// An archive whose directory has been found.
pub struct Archive<B> {
    bytes: B,
    size: u64,
    entries: u64,
    directory: u64,
    directory_end: u64,
}

/// An entry as the directory has it.
struct Entry {
    name: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    compressed: u64,
    size: u64,
    at: u64,
}

/// Takes an entry's name and content.
pub type Take<'a, E> = dyn FnMut(&str, &[u8]) -> Result<(), E> + 'a;

impl<B: Bytes> Archive<B> {
    /// Finds the directory.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(bytes: B) -> Result<Self, ArchiveError> {
        let size = bytes.size()?;
        let tail_len = size.min(0xFFFF + 22);
        let mut tail = vec![0; usize::try_from(tail_len).unwrap_or(0)];
        let tail_at = size - tail_len;
        let got = bytes.read_at(&mut tail, tail_at)?;
        tail.truncate(got);
        let end = (0..tail.len().saturating_sub(21))
            .rev()
            .find(|at| tail[*at..].starts_with(b"PK\x05\x06"))
            .ok_or(ArchiveError::NoEnd(size))?;
        let record = &tail[end..];
        let end_at = tail_at + end as u64;
        let mut entries = u64::from(u16_at(record, 10));
        let mut directory_bytes = u64::from(u32_at(record, 12));
        let mut directory = u64::from(u32_at(record, 16));
        let mut directory_limit = end_at;
        let is_64 = entries == 0xFFFF
            || directory_bytes == u64::from(u32::MAX)
            || directory == u64::from(u32::MAX);
        if is_64 && let Some((at, wide)) = Self::wide_end(&bytes, end_at)? {
            entries = u64_at(&wide, 32);
            directory_bytes = u64_at(&wide, 40);
            directory = u64_at(&wide, 48);
            directory_limit = at;
        }
        if entries > ENTRIES_MAX {
            return Err(ArchiveError::TooMany(entries));
        }
        let directory_end = directory.saturating_add(directory_bytes);
        if directory_end > directory_limit {
            let why = "it reaches beyond the end";
            return Err(ArchiveError::Directory { at: directory, why });
        }
        Ok(Self {
            bytes,
            size,
            entries,
            directory,
            directory_end,
        })
    }

    /// The end record of ZIP64, and where it is.
    fn wide_end(bytes: &B, end_at: u64) -> Result<Option<(u64, [u8; 56])>, ArchiveError> {
        let mut locator = [0; 20];
        let Some(at) = end_at.checked_sub(20) else {
            return Ok(None);
        };
        if bytes.read_at(&mut locator, at)? < 20 || !locator.starts_with(b"PK\x06\x07") {
            return Ok(None);
        }
        let at = u64_at(&locator, 8);
        let mut wide = [0; 56];
        if bytes.read_at(&mut wide, at)? < 56 || !wide.starts_with(b"PK\x06\x06") {
            let why = "the end of ZIP64 is not where it should be";
            return Err(ArchiveError::Directory { at, why });
        }
        Ok(Some((at, wide)))
    }

    /// How many entries the end says that there are.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Reads the entries in the order of the directory.
    ///
    /// - `wants`: whether the content of the entry of this name is asked for.
    /// - `take`: takes name and content.
    ///
    /// # Errors
    /// What is wrong with the archive ([`ArchiveError`]), or what `take` says.
    pub fn each<E: From<ArchiveError>>(
        &self,
        wants: &dyn Fn(&str) -> bool,
        take: &mut Take<'_, E>,
    ) -> Result<(), E> {
        let mut window = Window::new(self.directory, self.directory_end);
        let mut inflate = Decompress::new(false);
        let (mut packed, mut content) = (Vec::new(), Vec::new());
        let (mut total, mut total_packed) = (0_u64, 0_u64);
        for nth in 1..=self.entries {
            let entry = window.entry(&self.bytes)?;
            let refuse = |why| {
                let name = shown(&entry.name);
                ArchiveError::Entry { nth, name, why }
            };
            let name = fit_name(&entry.name).ok_or_else(|| refuse(EntryFault::Name))?;
            check(&entry).map_err(refuse)?;
            total_packed = total_packed.saturating_add(entry.compressed);
            if total_packed > self.size {
                return Err(refuse(EntryFault::Overlap).into());
            }
            if name.ends_with('/') || !wants(name) {
                continue;
            }
            total += entry.size;
            if total > TOTAL_BYTES_MAX {
                return Err(refuse(EntryFault::TotalTooLarge).into());
            }
            self.content(&entry, &mut inflate, &mut packed, &mut content)?
                .map_err(refuse)?;
            take(name, &content)?;
        }
        Ok(())
    }

    fn content(
        &self,
        entry: &Entry,
        inflate: &mut Decompress,
        packed: &mut Vec<u8>,
        content: &mut Vec<u8>,
    ) -> Result<Result<(), EntryFault>, ArchiveError> {
        let mut head = [0; 30];
        let is_there =
            self.bytes.read_at(&mut head, entry.at)? == 30 && head.starts_with(b"PK\x03\x04");
        if !is_there {
            return Ok(Err(EntryFault::Place));
        }
        let skip = 30 + u64::from(u16_at(&head, 26)) + u64::from(u16_at(&head, 28));
        packed.resize(usize::try_from(entry.compressed).unwrap_or(0), 0);
        if self.bytes.read_at(packed, entry.at + skip)? < packed.len() {
            return Ok(Err(EntryFault::Place));
        }
        content.clear();
        if entry.method == STORED {
            content.extend_from_slice(packed);
        } else {
            content.reserve(usize::try_from(entry.size).unwrap_or(0).max(1));
            inflate.reset(false);
            let status = inflate.decompress_vec(packed, content, FlushDecompress::Finish);
            let is_whole = matches!(status, Ok(Status::StreamEnd))
                && inflate.total_in() == entry.compressed
                && content.len() as u64 == entry.size;
            if !is_whole {
                return Ok(Err(EntryFault::Inflate));
            }
        }
        let mut crc = Crc::new();
        crc.update(content);
        Ok(if crc.sum() == entry.crc {
            Ok(())
        } else {
            Err(EntryFault::Checksum)
        })
    }
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

fn check(entry: &Entry) -> Result<(), EntryFault> {
    if entry.flags & 1 != 0 {
        return Err(EntryFault::Encrypted);
    }
    match entry.method {
        DEFLATED => {}
        STORED if entry.size == entry.compressed => {}
        STORED => return Err(EntryFault::Inflate),
        _ => return Err(EntryFault::Method),
    }
    if entry.size > ENTRY_BYTES_MAX || entry.compressed > ENTRY_BYTES_MAX {
        return Err(EntryFault::TooLarge);
    }
    if entry.size > SMALL && entry.size / entry.compressed.max(1) > RATIO_MAX {
        return Err(EntryFault::Bomb);
    }
    Ok(())
}

/// A name that means one place below the archive.
fn fit_name(name: &[u8]) -> Option<&str> {
    let name = str::from_utf8(name).ok()?;
    let is_odd = name.is_empty()
        || name.starts_with('/')
        || name.contains(['\\', '\0'])
        || name.contains(':') && name.as_bytes().get(1) == Some(&b':');
    let climbs = name.split('/').any(|part| part == ".." || part == ".");
    (!is_odd && !climbs).then_some(name)
}

fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .take(120)
        .collect()
}

/// The piece of the directory that is read now.
struct Window {
    buffer: Vec<u8>,
    /// How much of the buffer is behind us.
    used: usize,
    /// Where in the file the buffer ends.
    next: u64,
    end: u64,
}

impl Window {
    fn new(from: u64, end: u64) -> Self {
        Self {
            buffer: Vec::new(),
            used: 0,
            next: from,
            end,
        }
    }

    fn here(&self) -> u64 {
        self.next - (self.buffer.len() - self.used) as u64
    }

    fn broken(&self, why: &'static str) -> ArchiveError {
        ArchiveError::Directory {
            at: self.here(),
            why,
        }
    }

    /// The next `count` bytes.
    fn take<B: Bytes>(&mut self, bytes: &B, count: usize) -> Result<&[u8], ArchiveError> {
        if self.buffer.len() - self.used < count {
            self.buffer.drain(..self.used);
            self.used = 0;
            let have = self.buffer.len();
            let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
            let more = left.min(WINDOW.max(count));
            self.buffer.resize(have + more, 0);
            let got = bytes.read_at(&mut self.buffer[have..], self.next)?;
            self.buffer.truncate(have + got);
            self.next += got as u64;
            if self.buffer.len() < count {
                return Err(self.broken("it ends within an entry"));
            }
        }
        self.used += count;
        Ok(&self.buffer[self.used - count..self.used])
    }

    fn entry<B: Bytes>(&mut self, bytes: &B) -> Result<Entry, ArchiveError> {
        let head: [u8; 46] = self
            .take(bytes, 46)?
            .try_into()
            .map_err(|_| self.broken("it ends within an entry"))?;
        if !head.starts_with(b"PK\x01\x02") {
            return Err(self.broken("there is no entry where one should be"));
        }
        let (name, extra, comment) = (u16_at(&head, 28), u16_at(&head, 30), u16_at(&head, 32));
        let name = self.take(bytes, usize::from(name))?.to_vec();
        let mut entry = Entry {
            name,
            flags: u16_at(&head, 8),
            method: u16_at(&head, 10),
            crc: u32_at(&head, 16),
            compressed: u64::from(u32_at(&head, 20)),
            size: u64::from(u32_at(&head, 24)),
            at: u64::from(u32_at(&head, 42)),
        };
        let extra = self.take(bytes, usize::from(extra))?;
        widen(&mut entry, extra);
        self.take(bytes, usize::from(comment))?;
        Ok(entry)
    }
}

/// Puts in the numbers of ZIP64, which stand in the extra field in place of those that are all ones.
fn widen(entry: &mut Entry, mut extra: &[u8]) {
    while let [a, b, c, d, rest @ ..] = extra {
        let (id, len) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
        let (field, after) = rest.split_at(usize::from(len).min(rest.len()));
        extra = after;
        if id != 1 {
            continue;
        }
        let mut numbers = field.chunks_exact(8).map(|number| u64_at(number, 0));
        for wide in [&mut entry.size, &mut entry.compressed, &mut entry.at] {
            if *wide == u64::from(u32::MAX)
                && let Some(number) = numbers.next()
            {
                *wide = number;
            }
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}
