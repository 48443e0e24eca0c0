//! Reading everything once, to find what is damaged before a query does.

use super::block::{Block, ChunkRef, SeriesRef, chunks_of};
use super::error::{SeriesDamage, SeriesError};
use super::reader::SeriesReader;
use std::path::Path;

/// What a verification read, and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesVerified {
    /// Blocks that were read from end to end.
    pub blocks: usize,
    /// Samples in them that can be read, rollups not counted.
    pub samples: u64,
    /// What cannot be read; the rest of each block can.
    pub damage: Vec<SeriesDamage>,
}

impl SeriesReader {
    /// Reads every chunk and every rollup of every block. The write-ahead log is verified by opening it.
    ///
    /// # Errors
    /// A file cannot be read at all.
    pub fn verify(&self) -> Result<SeriesVerified, SeriesError> {
        let mut verified = SeriesVerified::default();
        for block in self.blocks() {
            verify_block(&block, &mut verified)?;
            verified.blocks += 1;
        }
        Ok(verified)
    }
}

fn verify_block(block: &Block, verified: &mut SeriesVerified) -> Result<(), SeriesError> {
    let mut series = block.series.clone();
    series.sort_unstable_by_key(|one| one.region_at);
    let mut region = Vec::new();
    for one in &series {
        let SeriesRef {
            region_at,
            region_bytes,
            rollup_at,
            rollup_bytes,
            ..
        } = *one;
        verified.samples += samples_of(
            block,
            region_at,
            region_bytes,
            &mut region,
            verified,
            "samples",
        )?;
        if rollup_bytes > 0 {
            samples_of(
                block,
                rollup_at,
                rollup_bytes,
                &mut region,
                verified,
                "rollup",
            )?;
        }
    }
    Ok(())
}

/// The samples of a region that can be read.
fn samples_of(
    block: &Block,
    at: u64,
    bytes: u32,
    region: &mut Vec<u8>,
    verified: &mut SeriesVerified,
    what: &str,
) -> Result<u64, SeriesError> {
    region.resize(bytes as usize, 0);
    block
        .file
        .read_exact_at(region, at)
        .map_err(SeriesError::io("read", Path::new(&block.name)))?;
    let mut chunks = Vec::new();
    let readable = chunks_of(region, &mut chunks).and_then(|()| {
        let counts = chunks.iter().map(|chunk| count(chunk));
        counts.sum::<Option<u64>>()
    });
    if readable.is_none() {
        verified.damage.push(SeriesDamage {
            file: block.name.clone(),
            offset: at,
            bytes: u64::from(bytes),
            problem: format!("{what} of one series"),
        });
    }
    Ok(readable.unwrap_or(0))
}

fn count(chunk: &ChunkRef<'_>) -> Option<u64> {
    let mut samples = Vec::new();
    chunk.read(i64::MIN, i64::MAX, &mut samples)?;
    (samples.len() == chunk.count as usize).then_some(samples.len() as u64)
}
