//! Reading a directory: its blocks, then the write-ahead log into memory.

use super::block::{Block, KnownLabels, Opened};
use super::error::{SeriesDamage, SeriesError};
use super::index::SeriesId;
use super::record::Replayed;
use super::state::Shared;
use super::store::{Targets, apply, remember};
use super::wal::{self, Found};
use crate::disk::Disk;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesOpenReport {
    /// Samples read from the write-ahead log.
    pub replayed: u64,
    /// Bytes that a crash had left of writes that were never acknowledged.
    pub torn_bytes: u64,
    /// Blocks that can be read.
    pub blocks: usize,
    /// What cannot be read. A block that is named as a whole was renamed to `….damaged`.
    pub damage: Vec<SeriesDamage>,
}

/// Opens the blocks of a directory. `repairs`: what no longer belongs there is removed or renamed.
pub(super) fn open_blocks(
    disk: &dyn Disk,
    dir: &Path,
    shared: &Shared,
    report: &mut SeriesOpenReport,
    repairs: bool,
) -> Result<(), SeriesError> {
    let mut opened = Vec::new();
    let mut known = KnownLabels::new();
    for file in disk.list(dir).map_err(SeriesError::io("list", dir))? {
        let path = dir.join(&file.name);
        if file.name.ends_with(".block.tmp") && repairs {
            disk.remove(&path)
                .map_err(SeriesError::io("remove", &path))?;
        }
        if !file.name.ends_with(".block") {
            continue;
        }
        match Block::open(disk, &path, &mut known)? {
            Opened::Whole(block) => opened.push(block),
            Opened::Damaged(damage) => {
                report.damage.push(damage);
                if repairs {
                    let aside = dir.join(format!("{}.damaged", file.name));
                    disk.rename(&path, &aside)
                        .map_err(SeriesError::io("rename", &path))?;
                }
            }
        }
    }
    // A day before the hours that it was made of.
    opened.sort_by_key(|block| (block.block().start_ms, -block.block().end_ms));
    let mut until_ms = i64::MIN;
    let mut state = shared.write();
    for block in opened {
        let (name, end_ms) = (block.block().name.clone(), block.block().end_ms);
        if end_ms <= until_ms {
            // A crash came before it could be removed.
            if repairs {
                let path = dir.join(name);
                disk.remove(&path)
                    .map_err(SeriesError::io("remove", &path))?;
            }
            continue;
        }
        until_ms = end_ms;
        for one in &block.metadata {
            state.metadata.put(one);
        }
        let block = block.number(|labels| state.index.make(labels));
        state.show(block);
        report.blocks += 1;
    }
    Ok(())
}

/// Reads the write-ahead log into memory.
pub(super) fn replay(
    disk: &dyn Disk,
    wal_dir: &Path,
    shared: &Shared,
    report: &mut SeriesOpenReport,
) -> Result<(Vec<Found>, Targets), SeriesError> {
    let mut targets = Targets::new();
    let mut last_scrape: HashMap<String, i64> = HashMap::new();
    let mut ids: HashMap<SeriesId, SeriesId> = HashMap::new();
    let mut ids_of = 0;
    let mut state = shared.write();
    let state = &mut *state;
    let found = wal::replay(disk, wal_dir, |file, replayed| {
        if ids_of != file {
            ids.clear();
            ids_of = file;
        }
        let Replayed {
            target,
            t_ms,
            defined,
            mut samples,
            exemplars,
            metadata,
            unreadable: _,
        } = replayed;
        for (id, labels) in defined {
            ids.insert(id, state.index.make(&labels));
        }
        samples.retain_mut(|put| match ids.get(&put.id) {
            Some(id) => {
                put.id = *id;
                true
            }
            None => false,
        });
        let mut shown: Vec<SeriesId> = samples
            .iter()
            .filter(|put| !put.own_time && !ph_promql::is_stale(put.v))
            .map(|put| put.id)
            .collect();
        // A long scrape is several records.
        if last_scrape.insert(target.clone(), t_ms) == Some(t_ms) {
            shown.extend(targets.remove(&target).unwrap_or_default());
        }
        shown.sort_unstable();
        shown.dedup();
        remember(&mut targets, &target, shown);
        samples.retain(|put| put.t_ms >= state.sealed_until_ms);
        report.replayed += samples.len() as u64;
        apply(state, &samples);
        for exemplar in &exemplars {
            state.exemplars.push(exemplar);
        }
        for one in &metadata {
            state.metadata.put(one);
        }
    })?;
    for file in &found {
        report.torn_bytes += file.torn;
        report.damage.extend(file.damage.iter().cloned());
    }
    let forgotten: HashSet<SeriesId> = state.index.forget_unused().into_iter().collect();
    for shown in targets.values_mut() {
        shown.retain(|id| !forgotten.contains(id));
    }
    Ok((found, targets))
}

/// Cuts what a crash left of the last write; a file of nothing else goes.
pub(super) fn trim(disk: &dyn Disk, wal_dir: &Path, file: &Found) -> Result<(), SeriesError> {
    if file.torn == 0 {
        return Ok(());
    }
    let path = wal_dir.join(&file.name);
    if file.bytes == 0 && file.damage.is_empty() {
        return disk.remove(&path).map_err(SeriesError::io("remove", &path));
    }
    if file.bytes == 0 {
        let aside = wal_dir.join(format!("{}.damaged", file.name));
        return disk
            .rename(&path, &aside)
            .map_err(SeriesError::io("rename", &path));
    }
    let mut open = disk
        .open_append(&path)
        .map_err(SeriesError::io("open", &path))?;
    open.set_len(file.bytes)
        .and_then(|()| open.sync())
        .map_err(SeriesError::io("cut", &path))
}
