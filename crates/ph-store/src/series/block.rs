//! A block: all samples of some time, in one file that never changes.
//!
//! ```text
//! mark │ regions: one per series, by labels │ rollups, the same way │ index │ footer
//! region  chunks of a series: count; first, span, count, length of each; their bytes; CRC-32C of it all
//! index   frames of zstd: entries (labels, length of region, length of rollup, samples), then metadata
//! footer  fixed: where the index is, times, counts, CRC-32C, mark
//! ```
//!
//! It is written under another name, synced, renamed and the directory synced, so a block that is there is whole.

use super::bits::{Bytes, put_text, put_varint, unzigzag, zigzag};
use super::chunk;
use super::error::{SeriesDamage, SeriesError};
use super::head::Chunk;
use super::index::SeriesId;
use super::metadata::NewMetadata;
use super::record::{labels_of, metadata_of, packed, put_metadata, unpacked};
use crate::disk::{Disk, ReadFile, WriteFile};
use crate::frame;
use ph_promql::{Labels, Sample};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const MARK: &[u8; 8] = b"PHSBLK\x00\x01";
const FOOTER_BYTES: usize = 6 * 8 + 4 + 8;
/// Written at once.
const WRITE_BYTES: usize = 1 << 20;
/// Before compression, of one frame of the index.
const INDEX_FRAME_BYTES: usize = 4 << 20;
const CHUNKS_MAX: usize = 1 << 20;
/// Places that are named; more are only counted.
const DAMAGE_MAX: usize = 64;

/// The name of the block of some time, while it is written with `.tmp` behind.
pub(super) fn name_of(start_ms: i64, end_ms: i64) -> String {
    format!("{}-{}.block", start_ms / 1000, end_ms / 1000)
}

/// Appends a region.
fn put_region<'a>(out: &mut Vec<u8>, chunks: impl ExactSizeIterator<Item = &'a Chunk> + Clone) {
    let start = out.len();
    put_varint(out, chunks.len() as u64);
    let mut before = 0i64;
    for chunk in chunks.clone() {
        put_varint(out, zigzag(chunk.first_ms.wrapping_sub(before)));
        put_varint(out, chunk.last_ms.wrapping_sub(chunk.first_ms) as u64);
        put_varint(out, u64::from(chunk.count));
        put_varint(out, chunk.bytes.len() as u64);
        before = chunk.last_ms;
    }
    for chunk in chunks {
        out.extend_from_slice(&chunk.bytes);
    }
    let sum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
}

/// A chunk inside of a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkRef<'a> {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) count: u32,
    pub(super) bytes: &'a [u8],
}

impl ChunkRef<'_> {
    pub(super) fn to_chunk(self) -> Chunk {
        Chunk {
            first_ms: self.first_ms,
            last_ms: self.last_ms,
            count: self.count,
            bytes: self.bytes.into(),
        }
    }

    /// Appends its samples between two times, both inclusive; `None` when they cannot be read.
    pub(super) fn read(&self, from_ms: i64, to_ms: i64, out: &mut Vec<Sample>) -> Option<()> {
        let start = out.len();
        chunk::read(self.bytes, out)?;
        if self.last_ms > to_ms {
            let keep = out[start..].partition_point(|sample| sample.t_ms <= to_ms);
            out.truncate(start + keep);
        }
        if self.first_ms < from_ms {
            let before = out[start..].partition_point(|sample| sample.t_ms < from_ms);
            out.drain(start..start + before);
        }
        Some(())
    }
}

/// The chunks of a region; `None` when it is not what was written.
pub(super) fn chunks_of<'a>(region: &'a [u8], out: &mut Vec<ChunkRef<'a>>) -> Option<()> {
    let (body, sum) = region.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut bytes = Bytes(body);
    let count = bytes.count(CHUNKS_MAX)?;
    out.clear();
    let mut lengths = Vec::with_capacity(count.min(body.len()));
    let mut before = 0i64;
    for _ in 0..count {
        let first_ms = before.wrapping_add(unzigzag(bytes.varint()?));
        let last_ms = first_ms.wrapping_add(bytes.varint()? as i64);
        let samples = u32::try_from(bytes.varint()?).ok()?;
        lengths.push(bytes.count(body.len())?);
        before = last_ms;
        out.push(ChunkRef {
            first_ms,
            last_ms,
            count: samples,
            bytes: &[],
        });
    }
    for (chunk, length) in out.iter_mut().zip(lengths) {
        chunk.bytes = bytes.take(length)?;
    }
    bytes.is_empty().then_some(())
}

/// Writes a block. Dropped before [`BlockWriter::finish`], it leaves only a file that the next opening removes.
pub(super) struct BlockWriter<'d> {
    disk: &'d dyn Disk,
    dir: &'d Path,
    start_ms: i64,
    end_ms: i64,
    path: PathBuf,
    file: Box<dyn WriteFile>,
    buffer: Vec<u8>,
    written: u64,
    /// In memory until all regions are written: about a byte per series and minute.
    rollups: Vec<u8>,
    index: Vec<u8>,
    entries: Vec<u8>,
    entry_count: u64,
    series: u64,
    samples: u64,
}

impl<'d> BlockWriter<'d> {
    pub(super) fn create(
        disk: &'d dyn Disk,
        dir: &'d Path,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Self, SeriesError> {
        let path = dir.join(format!("{}.tmp", name_of(start_ms, end_ms)));
        let file = disk
            .create(&path)
            .map_err(SeriesError::io("create", &path))?;
        Ok(Self {
            disk,
            dir,
            start_ms,
            end_ms,
            path,
            file,
            buffer: MARK.to_vec(),
            written: 0,
            rollups: Vec::new(),
            index: Vec::new(),
            entries: Vec::new(),
            entry_count: 0,
            series: 0,
            samples: 0,
        })
    }

    /// The next series, in the order of labels. `rollup` may be empty: then there is none.
    pub(super) fn series(
        &mut self,
        labels: &Labels,
        chunks: &[Chunk],
        rollup: &[Chunk],
    ) -> Result<(), SeriesError> {
        let before = self.buffer.len();
        put_region(&mut self.buffer, chunks.iter());
        let region = self.buffer.len() - before;
        let before = self.rollups.len();
        if !rollup.is_empty() {
            put_region(&mut self.rollups, rollup.iter());
        }
        let samples: u64 = chunks.iter().map(|chunk| u64::from(chunk.count)).sum();
        put_varint(&mut self.entries, labels.len() as u64);
        for (name, value) in labels.iter() {
            put_text(&mut self.entries, name);
            put_text(&mut self.entries, value);
        }
        put_varint(&mut self.entries, region as u64);
        put_varint(&mut self.entries, (self.rollups.len() - before) as u64);
        put_varint(&mut self.entries, samples);
        self.entry_count += 1;
        self.series += 1;
        self.samples += samples;
        if self.entries.len() >= INDEX_FRAME_BYTES {
            self.end_entries();
        }
        if self.buffer.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn end_entries(&mut self) {
        let mut raw = Vec::new();
        put_varint(&mut raw, self.entry_count);
        raw.append(&mut self.entries);
        self.entry_count = 0;
        let payload = packed(&raw);
        frame::write(&mut self.index, |out| out.extend_from_slice(&payload));
    }

    fn write(&mut self) -> Result<(), SeriesError> {
        self.file
            .write_all(&self.buffer)
            .map_err(SeriesError::io("write", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the block last; gives its path.
    pub(super) fn finish(mut self, metadata: &[NewMetadata]) -> Result<PathBuf, SeriesError> {
        let rollups_at = self.written + self.buffer.len() as u64;
        self.buffer.append(&mut self.rollups);
        let index_at = self.written + self.buffer.len() as u64;
        self.end_entries();
        let mut raw = Vec::new();
        put_metadata(&mut raw, metadata);
        let payload = packed(&raw);
        frame::write(&mut self.index, |out| out.extend_from_slice(&payload));
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        for number in [
            rollups_at,
            index_at,
            self.start_ms as u64,
            self.end_ms as u64,
            self.series,
            self.samples,
        ] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        let sum = crc32c::crc32c(&footer);
        footer.extend_from_slice(&sum.to_le_bytes());
        footer.extend_from_slice(MARK);
        self.buffer.append(&mut self.index);
        self.buffer.append(&mut footer);
        self.write()?;
        self.file
            .sync()
            .map_err(SeriesError::io("sync", &self.path))?;
        let path = self.dir.join(name_of(self.start_ms, self.end_ms));
        self.disk
            .rename(&self.path, &path)
            .map_err(SeriesError::io("rename", &self.path))?;
        self.disk
            .sync_dir(self.dir)
            .map_err(SeriesError::io("sync", self.dir))?;
        Ok(path)
    }
}

/// Where a series is in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeriesRef {
    pub(super) id: SeriesId,
    pub(super) region_at: u64,
    pub(super) rollup_at: u64,
    pub(super) region_bytes: u32,
    /// 0: it has none.
    pub(super) rollup_bytes: u32,
}

/// A block that is open for reading.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    /// The first time in it.
    pub(super) start_ms: i64,
    /// The first time behind it.
    pub(super) end_ms: i64,
    pub(super) bytes: u64,
    pub(super) samples: u64,
    pub(super) file: Arc<dyn ReadFile>,
    /// By id.
    pub(super) series: Vec<SeriesRef>,
    damage: Mutex<Damages>,
}

#[derive(Debug, Default)]
struct Damages {
    named: Vec<SeriesDamage>,
    /// Where damage was found, so that it is found once.
    places: std::collections::BTreeSet<u64>,
}

/// A block as it is read, before its series have ids.
#[derive(Debug)]
pub(super) struct Unnumbered {
    block: Block,
    pub(super) labels: Vec<Labels>,
    pub(super) metadata: Vec<NewMetadata>,
}

impl Unnumbered {
    /// Gives each series its id, in the order of [`Unnumbered::labels`].
    pub(super) fn number(self, id_of: impl FnMut(&Labels) -> SeriesId) -> Block {
        let mut block = self.block;
        let ids = self.labels.iter().map(id_of);
        for (series, id) in block.series.iter_mut().zip(ids) {
            series.id = id;
        }
        block.series.sort_unstable_by_key(|series| series.id);
        block
    }

    pub(super) fn block(&self) -> &Block {
        &self.block
    }
}

/// What came of opening a block.
#[derive(Debug)]
pub(super) enum Opened {
    Whole(Unnumbered),
    Damaged(SeriesDamage),
}

/// Labels by their bytes: what many blocks have is read once.
pub(super) type KnownLabels = HashMap<Vec<u8>, Labels>;

impl Block {
    /// Reads footer and index.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        known: &mut KnownLabels,
    ) -> Result<Opened, SeriesError> {
        let file = disk
            .open_read(path)
            .map_err(SeriesError::io("open", path))?;
        let bytes = file.len().map_err(SeriesError::io("read", path))?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let damaged = |problem: &str| {
            Ok(Opened::Damaged(SeriesDamage {
                file: name.clone(),
                offset: 0,
                bytes,
                problem: problem.to_owned(),
            }))
        };
        let Some(footer_at) = bytes.checked_sub(FOOTER_BYTES as u64) else {
            return damaged("too short for a block");
        };
        let mut footer = [0; FOOTER_BYTES];
        file.read_exact_at(&mut footer, footer_at)
            .map_err(SeriesError::io("read", path))?;
        let Some(footer) = Footer::read(&footer) else {
            return damaged("the footer is damaged");
        };
        if footer.rollups_at > footer.index_at || footer.index_at > footer_at {
            return damaged("the footer is damaged");
        }
        let mut index = vec![0; (footer_at - footer.index_at) as usize];
        file.read_exact_at(&mut index, footer.index_at)
            .map_err(SeriesError::io("read", path))?;
        let Some(index) = Index::read(&index, &footer, known) else {
            return damaged("the index is damaged");
        };
        let damage = Mutex::default();
        Ok(Opened::Whole(Unnumbered {
            labels: index.labels,
            metadata: index.metadata,
            block: Self {
                name,
                start_ms: footer.start_ms,
                end_ms: footer.end_ms,
                bytes,
                samples: footer.samples,
                file,
                series: index.series,
                damage,
            },
        }))
    }

    pub(super) fn find(&self, id: SeriesId) -> Option<&SeriesRef> {
        let at = self
            .series
            .binary_search_by_key(&id, |series| series.id)
            .ok()?;
        self.series.get(at)
    }

    /// A region that is not what was written: named once, left out of answers.
    pub(super) fn is_damaged_at(&self, offset: u64, bytes: u32, what: &str) {
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        if damage.places.len() < DAMAGE_MAX && damage.places.insert(offset) {
            damage.named.push(SeriesDamage {
                file: self.name.clone(),
                offset,
                bytes: u64::from(bytes),
                problem: what.to_owned(),
            });
        }
    }

    /// What readers found, at most 64 places.
    pub(super) fn damage(&self) -> Vec<SeriesDamage> {
        let damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        damage.named.clone()
    }
}

struct Footer {
    rollups_at: u64,
    index_at: u64,
    start_ms: i64,
    end_ms: i64,
    series: u64,
    samples: u64,
}

impl Footer {
    fn read(footer: &[u8; FOOTER_BYTES]) -> Option<Self> {
        let (numbers, rest) = footer.split_at(6 * 8);
        let mut rest = Bytes(rest);
        if rest.array()? != crc32c::crc32c(numbers).to_le_bytes() || rest.array::<8>()? != *MARK {
            return None;
        }
        let mut bytes = Bytes(numbers);
        let mut next = || bytes.array().map(u64::from_le_bytes);
        Some(Self {
            rollups_at: next()?,
            index_at: next()?,
            start_ms: next()? as i64,
            end_ms: next()? as i64,
            series: next()?,
            samples: next()?,
        })
    }
}

fn known_labels(bytes: &mut Bytes<'_>, known: &mut KnownLabels) -> Option<Labels> {
    let start = bytes.0;
    for _ in 0..bytes.count(start.len())? {
        for _ in 0..2 {
            let length = bytes.count(start.len())?;
            bytes.take(length)?;
        }
    }
    let own = &start[..start.len() - bytes.0.len()];
    if let Some(labels) = known.get(own) {
        return Some(labels.clone());
    }
    let labels = labels_of(&mut Bytes(own))?;
    known.insert(own.to_vec(), labels.clone());
    Some(labels)
}

struct Index {
    labels: Vec<Labels>,
    series: Vec<SeriesRef>,
    metadata: Vec<NewMetadata>,
}

impl Index {
    fn read(mut bytes: &[u8], footer: &Footer, known: &mut KnownLabels) -> Option<Self> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let frame::Read::Payload(payload) = frame::read(bytes) else {
                return None;
            };
            frames.push(payload);
            bytes = &bytes[frame::HEAD_BYTES + payload.len()..];
        }
        let (metadata, entries) = frames.split_last()?;
        let (mut labels, mut series) = (Vec::new(), Vec::new());
        let mut samples = 0;
        let mut region_at = MARK.len() as u64;
        let mut rollup_at = footer.rollups_at;
        for payload in entries {
            let raw = unpacked(payload)?;
            let mut bytes = Bytes(&raw);
            for _ in 0..bytes.count(raw.len())? {
                labels.push(known_labels(&mut bytes, known)?);
                let region_bytes = u32::try_from(bytes.varint()?).ok()?;
                let rollup_bytes = u32::try_from(bytes.varint()?).ok()?;
                samples = bytes.varint()?.checked_add(samples)?;
                series.push(SeriesRef {
                    id: 0,
                    region_at,
                    rollup_at,
                    region_bytes,
                    rollup_bytes,
                });
                region_at += u64::from(region_bytes);
                rollup_at += u64::from(rollup_bytes);
            }
        }
        let metadata = unpacked(metadata)?;
        let is_whole = region_at == footer.rollups_at
            && rollup_at == footer.index_at
            && series.len() as u64 == footer.series
            && samples == footer.samples;
        is_whole.then_some(Self {
            labels,
            series,
            metadata: metadata_of(&mut Bytes(&metadata))?,
        })
    }
}
