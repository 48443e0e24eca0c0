//! Writing blocks: of what is in memory, and of smaller blocks. Runs beside the writer, on what it was given.

use super::block::{
    Block, BlockWriter, ChunkRef, KnownLabels, Opened, SeriesRef, Unnumbered, chunks_of,
};
use super::chunk::SAMPLES_MAX;
use super::error::SeriesError;
use super::head::{Chunk, HeadChunk};
use super::index::SeriesId;
use super::metadata::NewMetadata;
use super::state::State;
use super::thin::thin;
use super::{DAY_MS, PERIOD_MS};
use crate::disk::Disk;
use ph_promql::{Labels, Sample};
use std::path::Path;
use std::sync::Arc;

/// Read at once from a block that is put together with others.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// A block to write.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    metadata: Vec<NewMetadata>,
    series: Vec<(Labels, Source)>,
    blocks: Vec<Arc<Block>>,
}

#[derive(Debug)]
enum Source {
    Head(Vec<HeadChunk>),
    Blocks(SeriesId),
}

impl Job {
    /// The oldest period in memory, if it is over by `until_ms`.
    pub(super) fn seal(state: &State, until_ms: i64) -> Option<Self> {
        let heads = || {
            let entries = state.index.iter();
            entries.filter_map(|(_, entry)| Some((entry, entry.head.as_ref()?)))
        };
        let oldest = heads().filter_map(|(_, head)| head.first_ms()).min()?;
        let start_ms = oldest.div_euclid(PERIOD_MS) * PERIOD_MS;
        let end_ms = start_ms + PERIOD_MS;
        if end_ms > until_ms {
            return None;
        }
        let series = heads()
            .filter_map(|(entry, head)| {
                let chunks: Vec<HeadChunk> = head.chunks(start_ms, end_ms - 1).collect();
                (!chunks.is_empty()).then(|| (entry.labels.clone(), Source::Head(chunks)))
            })
            .collect();
        Some(Self::new(state, start_ms, end_ms, series, Vec::new()))
    }

    /// The oldest day that is over by `until_ms` and is in more than one block.
    pub(super) fn compact(state: &State, until_ms: i64) -> Option<Self> {
        let day_of = |block: &Block| block.start_ms.div_euclid(DAY_MS);
        let day = state
            .blocks
            .windows(2)
            .find(|pair| day_of(&pair[0]) == day_of(&pair[1]))
            .map(|pair| day_of(&pair[0]))?;
        let (start_ms, end_ms) = (day * DAY_MS, (day + 1) * DAY_MS);
        if end_ms > until_ms {
            return None;
        }
        let blocks: Vec<Arc<Block>> = state
            .blocks
            .iter()
            .filter(|block| day_of(block) == day)
            .cloned()
            .collect();
        let mut ids: Vec<SeriesId> = blocks
            .iter()
            .flat_map(|block| block.series.iter().map(|series| series.id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let series = ids
            .into_iter()
            .filter_map(|id| Some((state.index.get(id)?.labels.clone(), Source::Blocks(id))))
            .collect();
        Some(Self::new(state, start_ms, end_ms, series, blocks))
    }

    fn new(
        state: &State,
        start_ms: i64,
        end_ms: i64,
        series: Vec<(Labels, Source)>,
        blocks: Vec<Arc<Block>>,
    ) -> Self {
        Self {
            start_ms,
            end_ms,
            metadata: state.metadata.all(),
            series,
            blocks,
        }
    }

    /// How many blocks it makes one of; 0 when it is of samples in memory.
    pub(super) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Writes the block and opens it.
    pub(super) fn run(mut self, disk: &dyn Disk, dir: &Path) -> Result<Unnumbered, SeriesError> {
        // Metric by metric, so that a query's series stand together.
        self.series.sort_unstable_by(|(one, _), (other, _)| {
            (one.metric_name(), one).cmp(&(other.metric_name(), other))
        });
        let mut writer = BlockWriter::create(disk, dir, self.start_ms, self.end_ms)?;
        let mut parts: Vec<Part> = self.blocks.iter().map(|block| Part::new(block)).collect();
        for (labels, source) in &self.series {
            let (chunks, rollup) = match source {
                Source::Head(chunks) => sealed(chunks),
                Source::Blocks(id) => joined(*id, &mut parts, dir)?,
            };
            writer.series(labels, &chunks, &rollup)?;
        }
        let path = writer.finish(&self.metadata)?;
        match Block::open(disk, &path, &mut KnownLabels::new())? {
            Opened::Whole(block) => Ok(block),
            Opened::Damaged(damage) => Err(SeriesError::Io {
                what: "read back",
                path,
                source: std::io::Error::other(damage.problem),
            }),
        }
    }
}

/// The chunks and the rollup of a series that was in memory.
fn sealed(chunks: &[HeadChunk]) -> (Vec<Chunk>, Vec<Chunk>) {
    let mut samples = Vec::new();
    for chunk in chunks {
        chunk.read(&mut samples);
    }
    let whole = chunks.iter().map(|chunk| match chunk {
        HeadChunk::Closed(chunk) => Chunk::clone(chunk),
        HeadChunk::Open(chunk) => {
            let mut samples = Vec::new();
            chunk.read(&mut samples);
            Chunk::of(&samples)
        }
    });
    let rollup = thin(&samples)
        .map(|kept| chunked(&kept))
        .unwrap_or_default();
    (whole.collect(), rollup)
}

fn chunked(samples: &[Sample]) -> Vec<Chunk> {
    samples.chunks(SAMPLES_MAX).map(Chunk::of).collect()
}

/// The chunks of a series in all blocks, and its rollups; a rollup only if that is half as much at most.
fn joined(
    id: SeriesId,
    parts: &mut [Part<'_>],
    dir: &Path,
) -> Result<(Vec<Chunk>, Vec<Chunk>), SeriesError> {
    let (mut chunks, mut rollup) = (Vec::new(), Vec::new());
    for part in parts {
        let Some(series) = part.block.find(id).copied() else {
            continue;
        };
        let Some(own) = part.read(&series, dir)? else {
            continue;
        };
        match part.rollup(&series, dir)? {
            Some(mut own) => rollup.append(&mut own),
            None => rollup.extend(own.iter().cloned()),
        }
        chunks.extend(own);
    }
    let samples = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.count).sum::<u32>();
    if samples(&rollup) * 2 > samples(&chunks) {
        rollup.clear();
    }
    Ok((chunks, rollup))
}

/// A block that is read from its beginning to its end.
struct Part<'a> {
    block: &'a Block,
    regions: Ahead,
    rollups: Ahead,
}

/// Bytes that were read, and where they begin in the file.
#[derive(Default)]
struct Ahead {
    at: u64,
    bytes: Vec<u8>,
}

impl<'a> Part<'a> {
    fn new(block: &'a Block) -> Self {
        Self {
            block,
            regions: Ahead::default(),
            rollups: Ahead::default(),
        }
    }

    /// The chunks of a series; `None` when they are damaged.
    fn read(&mut self, series: &SeriesRef, dir: &Path) -> Result<Option<Vec<Chunk>>, SeriesError> {
        let region = self
            .regions
            .get(self.block, series.region_at, series.region_bytes, dir)?;
        let chunks = owned(region);
        if chunks.is_none() {
            self.block.is_damaged_at(
                series.region_at,
                series.region_bytes,
                "samples of one series",
            );
        }
        Ok(chunks)
    }

    /// The rollup of a series; `None` when it has none that can be read.
    fn rollup(
        &mut self,
        series: &SeriesRef,
        dir: &Path,
    ) -> Result<Option<Vec<Chunk>>, SeriesError> {
        if series.rollup_bytes == 0 {
            return Ok(None);
        }
        let region = self
            .rollups
            .get(self.block, series.rollup_at, series.rollup_bytes, dir)?;
        Ok(owned(region))
    }
}

fn owned(region: &[u8]) -> Option<Vec<Chunk>> {
    let mut chunks = Vec::new();
    chunks_of(region, &mut chunks)?;
    Some(chunks.into_iter().map(ChunkRef::to_chunk).collect())
}

impl Ahead {
    fn get(
        &mut self,
        block: &Block,
        at: u64,
        bytes: u32,
        dir: &Path,
    ) -> Result<&[u8], SeriesError> {
        let is_there = at >= self.at && at + u64::from(bytes) <= self.at + self.bytes.len() as u64;
        if !is_there {
            let length = u64::from(bytes).max(READ_AHEAD_BYTES.min(block.bytes - at));
            self.at = at;
            self.bytes.resize(length as usize, 0);
            block
                .file
                .read_exact_at(&mut self.bytes, at)
                .map_err(SeriesError::io("read", &dir.join(&block.name)))?;
        }
        let from = (at - self.at) as usize;
        Ok(&self.bytes[from..from + bytes as usize])
    }
}
