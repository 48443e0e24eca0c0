//! What stands where in a segment: its footer.

use super::super::block::Zone;
use super::super::names::NAME_BYTES_MAX;
use std::sync::Arc;

/// Begins a footer. The last byte is the format.
const MAGIC: &[u8; 8] = b"PHSEG\0\0\x01";

/// Behind each footer: offset, length, checksum, and this.
const TRAILER_MAGIC: &[u8; 8] = b"PHSEGEND";

/// Lines that are compressed together are no longer: what is written is a record longer at most.
const RAW_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// Bytes of a file with their checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    pub(crate) sum: u32,
}

/// Lines of JSON, compressed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) section: Section,
    pub(crate) records: u32,
    /// Uncompressed, with line feeds.
    pub(crate) raw_bytes: u32,
}

/// Columns of a block, in the order of their sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Column {
    Seq,
    Time,
    Duration,
    Trace,
    Status,
    Level,
    Kind,
    Server,
    Method,
    Tool,
    Outcome,
}

pub(crate) const COLUMNS: usize = 11;

/// A run of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockMeta {
    pub(crate) zone: Zone,
    pub(crate) lines: Vec<Lines>,
    pub(crate) columns: [Section; COLUMNS],
    /// Pieces of the text; empty when there are none.
    pub(crate) grams: Section,
}

/// Which blocks may hold which traces: see [`super::super::bloom`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TraceBlooms {
    pub(crate) offset: u64,
    /// Rows, a power of two; each has one line of every block, and a checksum.
    pub(crate) rows: u32,
}

/// What stands where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) names: Arc<[Arc<str>]>,
    pub(crate) blocks: Vec<BlockMeta>,
    pub(crate) traces: TraceBlooms,
    /// The slowest records again, and the longest duration of all others.
    pub(crate) slowest: Option<(BlockMeta, u64)>,
    pub(crate) json_bytes: u64,
}

impl Footer {
    /// Bounds of all records.
    pub(crate) fn zone(&self) -> Zone {
        let mut zone = Zone::EMPTY;
        for block in &self.blocks {
            zone.join(&block.zone);
        }
        zone
    }

    /// `true` when everything it names is within a file of so many bytes, and no larger than what is written.
    pub(super) fn fits_in(&self, file_bytes: u64) -> bool {
        let end = |offset: u64, bytes: u64| offset.checked_add(bytes);
        let is_within = |section: &Section| {
            end(section.offset, section.bytes.into()).is_some_and(|end| end <= file_bytes)
        };
        let row_bytes = (self.blocks.len() * super::super::bloom::LINE_BYTES + 4) as u64;
        let rows = u64::from(self.traces.rows);
        let is_sound = |block: &BlockMeta| {
            let mut lines = block.lines.iter();
            lines.all(|l| is_within(&l.section) && l.raw_bytes <= RAW_BYTES_MAX)
                && block.columns.iter().all(is_within)
                && is_within(&block.grams)
        };
        !self.blocks.is_empty()
            && self.traces.rows.is_power_of_two()
            && end(self.traces.offset, rows * row_bytes).is_some_and(|end| end <= file_bytes)
            && self.blocks.iter().all(is_sound)
            && self.slowest.iter().all(|(block, _)| is_sound(block))
    }

    /// The footer with its trailer, for a file where it begins at `offset`.
    pub(super) fn write(&self, offset: u64) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        self.put(&mut out);
        let sum = crc32c::crc32c(&out);
        let bytes = out.len() as u32;
        put_u64(&mut out, offset);
        put_u32(&mut out, bytes);
        put_u32(&mut out, sum);
        out.extend_from_slice(TRAILER_MAGIC);
        out
    }

    /// Reads what `write` wrote, without the trailer; `None` when it is anything else.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes.strip_prefix(MAGIC)?);
        let footer = Self::take(&mut input)?;
        input.0.is_empty().then_some(footer)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_u32(out, self.names.len() as u32);
        for name in self.names.iter() {
            put_u32(out, name.len() as u32);
            out.extend_from_slice(name.as_bytes());
        }
        put_u32(out, self.blocks.len() as u32);
        for block in &self.blocks {
            block.put(out);
        }
        put_u64(out, self.traces.offset);
        put_u32(out, self.traces.rows);
        out.push(u8::from(self.slowest.is_some()));
        if let Some((block, floor)) = &self.slowest {
            block.put(out);
            put_u64(out, *floor);
        }
        put_u64(out, self.json_bytes);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let names = input.many(4, |input| {
            let bytes = input.u32()? as usize;
            let text = input.bytes((bytes <= NAME_BYTES_MAX).then_some(bytes)?)?;
            Some(Arc::from(std::str::from_utf8(text).ok()?))
        })?;
        let blocks = input.many(BlockMeta::BYTES_MIN, BlockMeta::take)?;
        let traces = TraceBlooms {
            offset: input.u64()?,
            rows: input.u32()?,
        };
        let slowest = match input.u8()? {
            0 => None,
            _ => Some((BlockMeta::take(input)?, input.u64()?)),
        };
        Some(Self {
            names: names.into(),
            blocks,
            traces,
            slowest,
            json_bytes: input.u64()?,
        })
    }
}

/// Where the footer is, by the last bytes of a file: offset, length, checksum. The last one first.
pub(super) fn trailers(end: &[u8]) -> impl Iterator<Item = Section> + '_ {
    memchr::memmem::rfind_iter(end, TRAILER_MAGIC).filter_map(|at| {
        let mut input = Input(end.get(at.checked_sub(16)?..at)?);
        Some(Section {
            offset: input.u64()?,
            bytes: input.u32()?,
            sum: input.u32()?,
        })
    })
}

impl BlockMeta {
    /// No block is shorter.
    const BYTES_MIN: usize = Zone::BYTES + 4 + (COLUMNS + 1) * Section::BYTES;

    fn put(&self, out: &mut Vec<u8>) {
        self.zone.put(out);
        put_u32(out, self.lines.len() as u32);
        for lines in &self.lines {
            lines.section.put(out);
            put_u32(out, lines.records);
            put_u32(out, lines.raw_bytes);
        }
        for section in &self.columns {
            section.put(out);
        }
        self.grams.put(out);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let zone = Zone::take(input)?;
        let lines = input.many(Section::BYTES + 8, |input| {
            Some(Lines {
                section: Section::take(input)?,
                records: input.u32()?,
                raw_bytes: input.u32()?,
            })
        })?;
        let mut columns = [Section::default(); COLUMNS];
        for section in &mut columns {
            *section = Section::take(input)?;
        }
        let grams = Section::take(input)?;
        let records: u64 = lines.iter().map(|l| u64::from(l.records)).sum();
        (records == zone.records as u64).then_some(Self {
            zone,
            lines,
            columns,
            grams,
        })
    }
}

impl Section {
    const BYTES: usize = 16;

    fn put(&self, out: &mut Vec<u8>) {
        put_u64(out, self.offset);
        put_u32(out, self.bytes);
        put_u32(out, self.sum);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            offset: input.u64()?,
            bytes: input.u32()?,
            sum: input.u32()?,
        })
    }
}

impl Zone {
    const BYTES: usize = 4 + 6 * 8 + 4 + 2 + 2 + 1 + 1;

    fn put(&self, out: &mut Vec<u8>) {
        put_u32(out, self.records as u32);
        put_u64(out, self.seq_first);
        put_u64(out, self.seq_last);
        put_u64(out, self.time_min_ns);
        put_u64(out, self.time_max_ns);
        let (min, max) = self.durations_ns.unwrap_or((u64::MAX, 0));
        put_u64(out, min);
        put_u64(out, max);
        put_u32(out, self.untimed as u32);
        out.extend_from_slice(&self.status_min.to_le_bytes());
        out.extend_from_slice(&self.status_max.to_le_bytes());
        out.extend_from_slice(&[self.kinds, self.levels]);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let records = input.u32()? as usize;
        let (seq_first, seq_last) = (input.u64()?, input.u64()?);
        let (time_min_ns, time_max_ns) = (input.u64()?, input.u64()?);
        let (min, max) = (input.u64()?, input.u64()?);
        Some(Self {
            records: (records <= super::super::columns::BLOCK_RECORDS).then_some(records)?,
            seq_first,
            seq_last,
            time_min_ns,
            time_max_ns,
            durations_ns: (min <= max).then_some((min, max)),
            untimed: input.u32()? as usize,
            status_min: input.u16()?,
            status_max: input.u16()?,
            kinds: input.u8()?,
            levels: input.u8()?,
        })
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count and so many items, each at least `bytes_min` long: a wrong count cannot claim memory.
    fn many<T>(
        &mut self,
        bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()? as usize;
        if count > self.0.len() / bytes_min {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }
}
