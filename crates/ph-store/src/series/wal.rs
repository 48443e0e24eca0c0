//! The write-ahead log of series: `wal/NNNNNNNNNN.wal`, a mark and then frames, one for each scrape.
//!
//! Each file can be read without the others. One is begun at each opening, at each period, and after any error
//! of a write or a sync: what such a file has at its end is then unknown, and it is not written to again.

use super::error::{SeriesDamage, SeriesError};
use super::index::SeriesId;
use super::period_of;
use super::record::{Reader, Replayed, Scraped, Writer};
use crate::disk::{Disk, ReadFile, WriteFile};
use crate::frame;
use ph_promql::Labels;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MARK: &[u8; 8] = b"PHSWAL\x00\x01";
/// Read at once.
const READ_BYTES: usize = 1 << 20;
/// Searched for the next record behind a damaged one.
const SEARCH_BYTES: usize = 2 << 20;

/// The log as its one writer sees it.
#[derive(Debug)]
pub(super) struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Also syncs each scrape.
    syncs: bool,
    files: Vec<WalFile>,
    open: Option<Open>,
    next: u64,
}

/// A file and up to when its samples go.
#[derive(Clone, Debug)]
struct WalFile {
    name: String,
    bytes: u64,
    last_ms: i64,
}

#[derive(Debug)]
struct Open {
    file: Box<dyn WriteFile>,
    writer: Writer,
    /// The period of the first scrape in it.
    period: Option<i64>,
}

impl Wal {
    /// The log in `dir`, whose files were read already.
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, syncs: bool, found: &[Found]) -> Self {
        let files = found
            .iter()
            .map(|found| WalFile {
                name: found.name.clone(),
                bytes: found.bytes,
                last_ms: found.last_ms,
            })
            .collect();
        let next = found.last().map_or(1, |last| last.number + 1);
        Self {
            disk,
            dir,
            syncs,
            files,
            open: None,
            next,
        }
    }

    /// Begins another file if one is due. Before each scrape.
    pub(super) fn prepare(&mut self, t_ms: i64) -> Result<(), SeriesError> {
        let period = period_of(t_ms);
        let is_over = |open: &Open| open.period.is_some_and(|before| before < period);
        if self.open.as_ref().is_none_or(is_over) {
            self.open = None;
            self.open = Some(self.begin()?);
        }
        Ok(())
    }

    /// The bytes of a scrape. They must be given to [`Wal::write`]: those that follow build on them.
    pub(super) fn encode<'a>(
        &mut self,
        scraped: &Scraped<'_>,
        labels_of: impl Fn(SeriesId) -> Option<&'a Labels>,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(open) = &mut self.open else {
            return bytes;
        };
        open.period = open.period.max(Some(period_of(scraped.t_ms)));
        for payload in open.writer.payloads(scraped, labels_of) {
            frame::write(&mut bytes, |out| out.extend_from_slice(&payload));
        }
        bytes
    }

    /// Writes a scrape, and makes it last when that is wanted. `last_ms`: its youngest sample. After an error
    /// nothing of it counts.
    pub(super) fn write(&mut self, bytes: &[u8], last_ms: Option<i64>) -> Result<(), SeriesError> {
        // Put back only when all went well: of a file after an error nobody knows the end.
        let (Some(mut open), Some(file)) = (self.open.take(), self.files.last_mut()) else {
            return Ok(());
        };
        // Whatever comes of it, the file may have these samples.
        file.last_ms = file.last_ms.max(last_ms.unwrap_or(i64::MIN));
        let path = self.dir.join(&file.name);
        open.file
            .write_all(bytes)
            .map_err(SeriesError::io("write", &path))?;
        file.bytes += bytes.len() as u64;
        if self.syncs {
            open.file.sync().map_err(SeriesError::io("sync", &path))?;
        }
        self.open = Some(open);
        Ok(())
    }

    fn begin(&mut self) -> Result<Open, SeriesError> {
        let name = format!("{:010}.wal", self.next);
        let path = self.dir.join(&name);
        let mut file = self
            .disk
            .create(&path)
            .map_err(SeriesError::io("create", &path))?;
        // From here on the name may be taken.
        self.next += 1;
        self.files.push(WalFile {
            name,
            bytes: MARK.len() as u64,
            last_ms: i64::MIN,
        });
        file.write_all(MARK)
            .map_err(SeriesError::io("write", &path))?;
        if self.syncs {
            self.disk
                .sync_dir(&self.dir)
                .map_err(SeriesError::io("sync", &self.dir))?;
        }
        Ok(Open {
            file,
            writer: Writer::default(),
            period: None,
        })
    }

    /// A series has another id from now on, or none.
    pub(super) fn forget(&mut self, id: SeriesId) {
        if let Some(open) = &mut self.open {
            open.writer.forget(id);
        }
    }

    /// Removes the files of which every sample is before `before_ms`, and so in a block.
    pub(super) fn remove_before(&mut self, before_ms: i64) -> Result<(), SeriesError> {
        let written = self.open.is_some().then(|| self.files.len() - 1);
        let mut kept = Vec::new();
        let mut error = None;
        for (at, file) in std::mem::take(&mut self.files).into_iter().enumerate() {
            if file.last_ms >= before_ms || written == Some(at) {
                kept.push(file);
                continue;
            }
            let path = self.dir.join(&file.name);
            match self.disk.remove(&path) {
                Ok(()) => {}
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    kept.push(file);
                    error = Some(SeriesError::io("remove", &path)(source));
                }
            }
        }
        self.files = kept;
        error.map_or(Ok(()), Err)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Makes everything written last.
    pub(super) fn sync(&mut self) -> Result<(), SeriesError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.file
            .sync()
            .map_err(SeriesError::io("sync", &self.dir))?;
        self.open = Some(open);
        self.disk
            .sync_dir(&self.dir)
            .map_err(SeriesError::io("sync", &self.dir))
    }
}

/// A file of the log that was read.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) number: u64,
    /// Its length, the torn end not counted.
    pub(super) bytes: u64,
    /// What a crash left of the last write, in bytes.
    pub(super) torn: u64,
    pub(super) last_ms: i64,
    pub(super) samples: u64,
    pub(super) damage: Vec<SeriesDamage>,
}

/// Reads all files of the log in order, each record with its file's number into `take`.
pub(super) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    mut take: impl FnMut(u64, Replayed),
) -> Result<Vec<Found>, SeriesError> {
    let mut names: Vec<(u64, String)> = disk
        .list(dir)
        .map_err(SeriesError::io("list", dir))?
        .into_iter()
        .filter_map(|file| Some((file.name.strip_suffix(".wal")?.parse().ok()?, file.name)))
        .collect();
    names.sort_unstable();
    let mut all = Vec::new();
    for (number, name) in names {
        let path = dir.join(&name);
        let file = disk
            .open_read(&path)
            .map_err(SeriesError::io("open", &path))?;
        all.push(replay_file(&*file, number, name, &path, &mut take)?);
    }
    Ok(all)
}

fn replay_file(
    file: &dyn ReadFile,
    number: u64,
    name: String,
    path: &Path,
    take: &mut impl FnMut(u64, Replayed),
) -> Result<Found, SeriesError> {
    let end = file.len().map_err(SeriesError::io("read", path))?;
    let mut found = Found {
        name,
        number,
        bytes: 0,
        torn: 0,
        last_ms: i64::MIN,
        samples: 0,
        damage: Vec::new(),
    };
    let mut window = Window {
        file,
        path,
        bytes: Vec::new(),
        used: 0,
        at: 0,
        end,
    };
    if !MARK.starts_with(&window.get(MARK.len())?[..MARK.len().min(end as usize)]) {
        // Zeros are what a crash makes of a file that was only just begun.
        if window.get(MARK.len())?.iter().any(|byte| *byte != 0) {
            found.lost(
                0,
                end,
                "not a file of the log; none of its samples are known".to_owned(),
            );
        }
        found.torn = end;
        return Ok(found);
    }
    found.bytes = end.min(MARK.len() as u64);
    window.skip(found.bytes as usize);
    let mut reader = Reader::default();
    while window.at < end {
        let at = window.at;
        match window.frame()? {
            Next::Payload(payload) => match reader.read(&payload) {
                Some(replayed) => {
                    if replayed.unreadable > 0 {
                        let problem = format!(
                            "{} samples cannot be read without the damaged record before them",
                            replayed.unreadable
                        );
                        found.lost(at, window.at - at, problem);
                    }
                    let last_ms = replayed.samples.iter().map(|put| put.t_ms).max();
                    found.last_ms = found.last_ms.max(last_ms.unwrap_or(i64::MIN));
                    found.samples += replayed.samples.len() as u64;
                    take(number, replayed);
                }
                None => {
                    reader.gap();
                    found.lost(at, window.at - at, "not a record".to_owned());
                }
            },
            Next::Damaged(bytes) => {
                reader.gap();
                found.lost(at, bytes, "the checksum of a record is wrong".to_owned());
            }
            Next::Torn => {
                found.torn = end - at;
                return Ok(found);
            }
        }
        found.bytes = window.at;
    }
    Ok(found)
}

impl Found {
    fn lost(&mut self, offset: u64, bytes: u64, problem: String) {
        self.damage.push(SeriesDamage {
            file: self.name.clone(),
            offset,
            bytes,
            problem,
        });
    }
}

enum Next {
    Payload(Vec<u8>),
    /// This many bytes are no frame, behind them is one.
    Damaged(u64),
    Torn,
}

/// A piece of a file, read as it is needed.
struct Window<'a> {
    file: &'a dyn ReadFile,
    path: &'a Path,
    bytes: Vec<u8>,
    /// Bytes of `bytes` that are done with.
    used: usize,
    /// Where in the file the first byte is that is not.
    at: u64,
    end: u64,
}

impl Window<'_> {
    /// The next `length` bytes, fewer at the end of the file.
    fn get(&mut self, length: usize) -> Result<&[u8], SeriesError> {
        let have = self.bytes.len() - self.used;
        let left = self.end.saturating_sub(self.at + have as u64);
        if have < length && left > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
            let more = left.min((length - have).max(READ_BYTES) as u64) as usize;
            self.bytes.resize(have + more, 0);
            self.file
                .read_exact_at(&mut self.bytes[have..], self.at + have as u64)
                .map_err(SeriesError::io("read", self.path))?;
        }
        let ready = &self.bytes[self.used..];
        Ok(&ready[..length.min(ready.len())])
    }

    fn skip(&mut self, length: usize) {
        self.used += length;
        self.at += length as u64;
    }

    fn frame(&mut self) -> Result<Next, SeriesError> {
        let mut needed = frame::HEAD_BYTES;
        let left = self.end - self.at;
        loop {
            match frame::read(self.get(needed)?) {
                frame::Read::Payload(payload) => {
                    let payload = payload.to_vec();
                    self.skip(frame::HEAD_BYTES + payload.len());
                    return Ok(Next::Payload(payload));
                }
                frame::Read::Partial { needed: all } if all as u64 <= left => {
                    needed = all;
                }
                frame::Read::BadSum { bytes } => {
                    return self.past_damage(frame::HEAD_BYTES + bytes);
                }
                frame::Read::Partial { .. } | frame::Read::BadLength => return self.past_damage(1),
            }
        }
    }

    /// Looks for the next frame behind bytes that are none, first behind `likely` of them; a torn end has none
    /// behind it. Of what is behind a damaged length only so much is searched.
    fn past_damage(&mut self, likely: usize) -> Result<Next, SeriesError> {
        let bytes = self.get(likely + SEARCH_BYTES)?;
        let is_frame = |at: &usize| {
            let rest = bytes.get(*at..).unwrap_or_default();
            matches!(frame::read(rest), frame::Read::Payload(_))
        };
        let mut places = std::iter::once(likely).chain(1..bytes.len().min(SEARCH_BYTES));
        let Some(skipped) = places.find(is_frame) else {
            return Ok(Next::Torn);
        };
        self.skip(skipped);
        Ok(Next::Damaged(skipped as u64))
    }
}
