//! What the writer and the readers share, all of it in memory.

use super::block::Block;
use super::error::SeriesDamage;
use super::exemplar::Ring;
use super::index::Index;
use super::metadata::Table;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Nobody holds it while a file is read or written.
#[derive(Debug)]
pub(super) struct Shared(RwLock<State>);

#[derive(Debug)]
pub(super) struct State {
    pub(super) index: Index,
    /// By time; none overlaps another.
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) exemplars: Ring,
    pub(super) metadata: Table,
    /// Samples before it are in blocks, or too late.
    pub(super) sealed_until_ms: i64,
    /// Samples in the head.
    pub(super) head_samples: u64,
    /// Bytes of the write-ahead log.
    pub(super) wal_bytes: u64,
}

impl Shared {
    pub(super) fn new(exemplars_max: usize) -> Self {
        Self(RwLock::new(State {
            index: Index::default(),
            blocks: Vec::new(),
            exemplars: Ring::new(exemplars_max),
            metadata: Table::default(),
            sealed_until_ms: i64::MIN,
            head_samples: 0,
            wal_bytes: 0,
        }))
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Shows a block; the blocks inside of its time, of which it was made, are not shown any more.
    pub(super) fn show(&mut self, block: Block) -> Vec<Arc<Block>> {
        let replaced =
            self.take_blocks(|old| old.start_ms >= block.start_ms && old.end_ms <= block.end_ms);
        for series in &block.series {
            if let Some(entry) = self.index.get_mut(series.id) {
                entry.blocks += 1;
            }
        }
        let at = self
            .blocks
            .partition_point(|other| other.start_ms < block.start_ms);
        self.sealed_until_ms = self.sealed_until_ms.max(block.end_ms);
        self.blocks.insert(at, Arc::new(block));
        for old in &replaced {
            self.unref(old);
        }
        replaced
    }

    /// Does not show some blocks any more; series that only they had can be forgotten.
    pub(super) fn hide(&mut self, which: impl Fn(&Block) -> bool) -> Vec<Arc<Block>> {
        let hidden = self.take_blocks(which);
        for block in &hidden {
            self.unref(block);
        }
        hidden
    }

    fn take_blocks(&mut self, which: impl Fn(&Block) -> bool) -> Vec<Arc<Block>> {
        let (taken, kept) = std::mem::take(&mut self.blocks)
            .into_iter()
            .partition(|block| which(block));
        self.blocks = kept;
        taken
    }

    fn unref(&mut self, block: &Block) {
        for series in &block.series {
            if let Some(entry) = self.index.get_mut(series.id) {
                entry.blocks -= 1;
            }
        }
    }

    pub(super) fn stats(&self) -> SeriesStats {
        let heads = || {
            self.index
                .iter()
                .filter_map(|(_, entry)| entry.head.as_ref())
        };
        SeriesStats {
            series: self.index.len(),
            series_active: self.index.active() as usize,
            head_samples: self.head_samples,
            head_bytes: heads().map(|head| head.bytes() as u64).sum(),
            blocks: self.blocks.len(),
            block_samples: self.blocks.iter().map(|block| block.samples).sum(),
            block_bytes: self.blocks.iter().map(|block| block.bytes).sum(),
            wal_bytes: self.wal_bytes,
            exemplars: self.exemplars.len(),
            oldest_ms: self
                .blocks
                .first()
                .map(|block| block.start_ms)
                .or_else(|| heads().filter_map(|head| head.first_ms()).min()),
            damage: self
                .blocks
                .iter()
                .flat_map(|block| block.damage())
                .collect(),
        }
    }
}

/// How much is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesStats {
    /// Series known, in memory or in blocks.
    pub series: usize,
    /// Series with samples in memory.
    pub series_active: usize,
    /// Samples in memory.
    pub head_samples: u64,
    /// Bytes of these, about.
    pub head_bytes: u64,
    /// Blocks.
    pub blocks: usize,
    /// Samples in blocks.
    pub block_samples: u64,
    /// Bytes of blocks.
    pub block_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Exemplars in memory.
    pub exemplars: usize,
    /// The time that the oldest block begins with, Unix milliseconds.
    pub oldest_ms: Option<i64>,
    /// What readers found damaged; its samples are missing in answers.
    pub damage: Vec<SeriesDamage>,
}
