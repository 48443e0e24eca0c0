//! Writing a segment from a write-ahead file.

use super::super::block::Zone;
use super::super::bloom;
use super::super::columns::{BLOCK_RECORDS, Columns, NO_DURATION, Row};
use super::super::grams::Grams;
use super::layout::{BlockMeta, COLUMNS, Footer, Lines, Section, TraceBlooms};
use super::packed::{Packer, compress};
use crate::disk::WriteFile;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;

/// Records that are compressed together: as many as are read to see one.
const LINES_RECORDS: usize = 512;
/// And their bytes, after which no further record is added.
const LINES_BYTES: usize = 256 * 1024;
/// After so many bytes of JSON a block ends, however few records it has.
const BLOCK_BYTES: usize = 8 * 1024 * 1024;

/// Records that stand in the list of the slowest, and their bytes.
const SLOWEST_RECORDS: usize = 256;
const SLOWEST_BYTES: u64 = 512 * 1024;

/// A frame that readers of zstd pass over; 16 such numbers are set apart for it.
const SKIPPABLE: u32 = 0x184d_2a50;

/// What a segment is made of.
pub(crate) trait Source {
    /// Every record that should be there, by its columns.
    fn rows(&self) -> Vec<Row>;
    /// Names by number.
    fn names(&self) -> Arc<[Arc<str>]>;
    /// Calls `record` with number and JSON of each record that can be read, in order.
    fn read(&self, record: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()>;
}

/// How a segment is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Effort of compression.
    pub(crate) level: i32,
    /// With the sets by which a search for text passes over blocks.
    pub(crate) text_sets: bool,
}

/// What became of the records.
pub(crate) struct Written {
    /// What stands where; `None` when no record could be read.
    pub(crate) footer: Option<Footer>,
    /// Records that could not be read.
    pub(crate) missing: Vec<u64>,
    pub(crate) bytes: u64,
}

/// Writes a segment.
pub(crate) fn write(
    source: &dyn Source,
    file: &mut dyn WriteFile,
    how: How,
) -> io::Result<Written> {
    let rows = source.rows();
    let (slowest, floor) = slowest(&rows);
    let mut writer = Writer::new(file, how, slowest)?;
    let mut missing = Vec::new();
    let mut rows = rows.into_iter().peekable();
    source.read(&mut |seq, json| {
        // What cannot be read any more has a row, and no JSON.
        while let Some(row) = rows.next_if(|row| row.seq < seq) {
            missing.push(row.seq);
        }
        match rows.next_if(|row| row.seq == seq) {
            Some(row) => writer.push(row, json),
            None => Ok(()),
        }
    })?;
    missing.extend(rows.map(|row| row.seq));
    let (footer, bytes) = writer.finish(source.names(), floor)?;
    Ok(Written {
        footer,
        missing,
        bytes,
    })
}

/// The slowest records, and the longest duration of the others.
fn slowest(rows: &[Row]) -> (HashSet<u64>, u64) {
    let mut timed: Vec<&Row> = rows
        .iter()
        .filter(|row| row.duration_ns != NO_DURATION)
        .collect();
    let kept = SLOWEST_RECORDS.min(timed.len());
    if kept < timed.len() {
        timed.select_nth_unstable_by(kept, |a, b| b.duration_ns.cmp(&a.duration_ns));
    }
    let mut floor = timed[kept..]
        .iter()
        .map(|row| row.duration_ns)
        .max()
        .unwrap_or(0);
    timed.truncate(kept);
    timed.sort_unstable_by_key(|row| Reverse(row.duration_ns));
    let mut bytes = 0;
    let fitting = timed.iter().position(|row| {
        bytes += u64::from(row.json_bytes);
        bytes > SLOWEST_BYTES
    });
    if let Some(fitting) = fitting {
        floor = floor.max(timed[fitting].duration_ns);
        timed.truncate(fitting);
    }
    (timed.iter().map(|row| row.seq).collect(), floor)
}

struct Writer<'a> {
    file: &'a mut dyn WriteFile,
    at: u64,
    how: How,
    zstd: zstd::bulk::Compressor<'static>,
    packer: Packer,
    grams: Grams,
    out: Vec<u8>,
    block: Building,
    blocks: Vec<BlockMeta>,
    /// Hashes of the traces of each block.
    traces: Vec<Vec<u64>>,
    slowest: HashSet<u64>,
    slowest_block: Building,
    json_bytes: u64,
}

/// A block that is not yet full.
#[derive(Default)]
struct Building {
    columns: Columns,
    /// Lines that are not yet compressed.
    raw: Vec<u8>,
    raw_records: u32,
    lines: Vec<Lines>,
    bytes: usize,
}

impl<'a> Writer<'a> {
    fn new(file: &'a mut dyn WriteFile, how: How, slowest: HashSet<u64>) -> io::Result<Self> {
        Ok(Self {
            file,
            at: 0,
            how,
            zstd: zstd::bulk::Compressor::new(how.level)?,
            packer: Packer::new()?,
            grams: Grams::new(),
            out: Vec::new(),
            block: Building::default(),
            blocks: Vec::new(),
            traces: Vec::new(),
            slowest,
            slowest_block: Building::default(),
            json_bytes: 0,
        })
    }

    fn push(&mut self, row: Row, json: &[u8]) -> io::Result<()> {
        if self.how.text_sets {
            self.grams.add(json);
        }
        self.block.push(&row, json);
        self.json_bytes += json.len() as u64;
        if self.slowest.contains(&row.seq) {
            self.slowest_block.push(&row, json);
        }
        if self.block.raw_records as usize == LINES_RECORDS || self.block.raw.len() >= LINES_BYTES {
            self.end_lines()?;
        }
        if self.block.columns.len() == BLOCK_RECORDS || self.block.bytes >= BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_lines(&mut self) -> io::Result<()> {
        self.block
            .end_lines(&mut self.zstd, &mut self.out, self.at)?;
        self.write_out()
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.columns.len() == 0 {
            return Ok(());
        }
        if self.block.raw_records > 0 {
            self.end_lines()?;
        }
        let block = std::mem::take(&mut self.block);
        let mut traces: Vec<u64> = block
            .columns
            .trace
            .iter()
            .copied()
            .filter(|t| *t != 0)
            .collect();
        traces.sort_unstable();
        traces.dedup();
        self.traces.push(traces);
        let bits = self.how.text_sets.then(|| self.grams.take_bits());
        let frame = begin_skippable(&mut self.out);
        let meta = block.meta(&mut self.packer, &mut self.out, self.at, bits.as_deref())?;
        end_skippable(&mut self.out, frame);
        self.blocks.push(meta);
        self.block.raw = block.raw;
        self.write_out()
    }

    fn finish(mut self, names: Arc<[Arc<str>]>, floor: u64) -> io::Result<(Option<Footer>, u64)> {
        self.end_block()?;
        if self.blocks.is_empty() {
            return Ok((None, 0));
        }
        let traces = self.write_blooms()?;
        let slowest = self.write_slowest()?.map(|meta| (meta, floor));
        let footer = Footer {
            names,
            blocks: std::mem::take(&mut self.blocks),
            traces,
            slowest,
            json_bytes: self.json_bytes,
        };
        for _ in 0..2 {
            let frame = begin_skippable(&mut self.out);
            let bytes = footer.write(self.at + self.out.len() as u64);
            self.out.extend_from_slice(&bytes);
            end_skippable(&mut self.out, frame);
            self.write_out()?;
        }
        Ok((Some(footer), self.at))
    }

    fn write_blooms(&mut self) -> io::Result<TraceBlooms> {
        let most = self.traces.iter().map(Vec::len).max().unwrap_or(0);
        let rows = bloom::rows_for(most);
        let row_bytes = self.traces.len() * bloom::LINE_BYTES;
        let mut lines = vec![0; rows as usize * row_bytes];
        for (block, traces) in self.traces.iter().enumerate() {
            for hash in traces {
                let from = bloom::row_of(*hash, rows) * row_bytes + block * bloom::LINE_BYTES;
                bloom::set(&mut lines[from..from + bloom::LINE_BYTES], *hash);
            }
        }
        let frame = begin_skippable(&mut self.out);
        let offset = self.at + self.out.len() as u64;
        for row in lines.chunks_exact(row_bytes) {
            self.out.extend_from_slice(row);
            self.out
                .extend_from_slice(&crc32c::crc32c(row).to_le_bytes());
        }
        end_skippable(&mut self.out, frame);
        self.write_out()?;
        Ok(TraceBlooms { offset, rows })
    }

    fn write_slowest(&mut self) -> io::Result<Option<BlockMeta>> {
        let mut block = std::mem::take(&mut self.slowest_block);
        if block.columns.len() == 0 {
            return Ok(None);
        }
        let frame = begin_skippable(&mut self.out);
        block.end_lines(&mut self.zstd, &mut self.out, self.at)?;
        let meta = block.meta(&mut self.packer, &mut self.out, self.at, None)?;
        end_skippable(&mut self.out, frame);
        self.write_out()?;
        Ok(Some(meta))
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.out)?;
        self.at += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

impl Building {
    fn push(&mut self, row: &Row, json: &[u8]) {
        self.columns.push(row);
        self.raw.extend_from_slice(json);
        self.raw.push(b'\n');
        self.raw_records += 1;
        self.bytes += json.len();
    }

    /// Compresses what is not yet. `at` is where `out` begins in the file.
    fn end_lines(
        &mut self,
        zstd: &mut zstd::bulk::Compressor<'_>,
        out: &mut Vec<u8>,
        at: u64,
    ) -> io::Result<()> {
        let from = out.len();
        compress(zstd, &self.raw, out)?;
        self.lines.push(Lines {
            section: section(out, from, at),
            records: self.raw_records,
            raw_bytes: self.raw.len() as u32,
        });
        self.raw.clear();
        self.raw_records = 0;
        Ok(())
    }

    /// Writes the columns. `at` is where `out` begins in the file.
    fn meta(
        &self,
        packer: &mut Packer,
        out: &mut Vec<u8>,
        at: u64,
        grams: Option<&[u8]>,
    ) -> io::Result<BlockMeta> {
        let c = &self.columns;
        let zone = Zone::of(c);
        let mut columns = [Section::default(); COLUMNS];
        let mut column = 0;
        let mut end = |out: &mut Vec<u8>, from: usize| {
            columns[column] = section(out, from, at);
            column += 1;
            out.len()
        };
        // In the order of `Column`.
        let mut from = out.len();
        let after_first = c
            .seq
            .iter()
            .map(|n| ((n - zone.seq_first) as u32).to_le_bytes());
        packer.numbers(after_first, out)?;
        from = end(out, from);
        let after_min = c
            .time_ns
            .iter()
            .map(|n| (n - zone.time_min_ns).to_le_bytes());
        packer.numbers(after_min, out)?;
        from = end(out, from);
        packer.numbers(c.duration_ns.iter().map(|n| n.to_le_bytes()), out)?;
        from = end(out, from);
        packer.numbers(c.trace.iter().map(|n| (*n as u16).to_le_bytes()), out)?;
        from = end(out, from);
        packer.numbers(c.status.iter().map(|n| n.to_le_bytes()), out)?;
        from = end(out, from);
        packer.bytes(&c.level, out)?;
        from = end(out, from);
        packer.bytes(&c.kind, out)?;
        from = end(out, from);
        for names in &c.names {
            packer.numbers(names.iter().map(|n| n.to_le_bytes()), out)?;
            from = end(out, from);
        }
        let grams = match grams {
            Some(bits) => {
                packer.bytes(bits, out)?;
                section(out, from, at)
            }
            None => Section::default(),
        };
        Ok(BlockMeta {
            zone,
            lines: self.lines.clone(),
            columns,
            grams,
        })
    }
}

fn section(out: &[u8], from: usize, at: u64) -> Section {
    Section {
        offset: at + from as u64,
        bytes: (out.len() - from) as u32,
        sum: crc32c::crc32c(&out[from..]),
    }
}

fn begin_skippable(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&SKIPPABLE.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.len()
}

fn end_skippable(out: &mut [u8], from: usize) {
    let bytes = (out.len() - from) as u32;
    out[from - 4..from].copy_from_slice(&bytes.to_le_bytes());
}
