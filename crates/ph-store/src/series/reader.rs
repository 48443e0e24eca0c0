//! What readers ask. They take what they need from memory and read files on their own.

use super::block::{Block, ChunkRef, SeriesRef, chunks_of};
use super::error::SeriesError;
use super::exemplar::Exemplar;
use super::head::HeadChunk;
use super::index::SeriesId;
use super::metadata::Metadata;
use super::opening::{SeriesOpenReport, open_blocks, replay};
use super::state::{SeriesStats, Shared, State};
use super::thin::{Plan, merge};
use crate::disk::Disk;
use ph_promql::{Labels, Matcher, Sample, Select, Series, SeriesSource, SourceError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Regions that stand together are read at once up to so many bytes.
const READ_BYTES_MAX: u64 = 4 << 20;
/// Bytes between regions that are rather read than skipped.
const GAP_BYTES: u64 = 16 << 10;

/// Reads series. Clones are cheap and see the same store; it never makes the writer wait for a disk.
///
/// Its answers block on file reads: an async caller asks on a thread that may block.
#[derive(Clone, Debug)]
pub struct SeriesReader {
    shared: Arc<Shared>,
}

/// Exemplars of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct ExemplarsOf {
    /// The series.
    pub series: Labels,
    /// Its exemplars, ascending by time.
    pub exemplars: Vec<Exemplar>,
}

impl SeriesReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Opens a directory without writing to it: as it is now, also while a store is writing to it.
    ///
    /// # Errors
    /// The file system refuses. Damaged files are no error, they are in the report.
    pub fn open_read_only(
        disk: &dyn Disk,
        dir: &Path,
    ) -> Result<(Self, SeriesOpenReport), SeriesError> {
        let mut tries = 3;
        loop {
            tries -= 1;
            let shared = Arc::new(Shared::new(10_000));
            let mut report = SeriesOpenReport::default();
            let before = names(disk, dir)?;
            let opened = open_blocks(disk, dir, &shared, &mut report, false)
                .and_then(|()| replay(disk, &dir.join("wal"), &shared, &mut report));
            match opened {
                // What went from the log into a block meanwhile would be in neither.
                Ok(_) if tries > 0 && names(disk, dir)? != before => {}
                Ok(_) => return Ok((Self { shared }, report)),
                // A file that went between the listing and the opening.
                Err(SeriesError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The names of labels of series that match one of `sets` (all series when there is none) and may have
    /// samples between two times, both inclusive, in Unix milliseconds. Ascending.
    pub fn label_names(&self, sets: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<Arc<str>> {
        let state = self.shared.read();
        let found = found(&state, sets, from_ms, to_ms);
        let postings = state.index.postings().iter();
        postings
            .filter(|(_, values)| values.values().any(|ids| meet(ids, &found)))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The values of a label, as [`SeriesReader::label_names`].
    pub fn label_values(
        &self,
        name: &str,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<Arc<str>> {
        let state = self.shared.read();
        let found = found(&state, sets, from_ms, to_ms);
        let values = state.index.postings().get(name);
        values
            .into_iter()
            .flatten()
            .filter(|(_, ids)| meet(ids, &found))
            .map(|(value, _)| value.clone())
            .collect()
    }

    /// The series, as [`SeriesReader::label_names`], at most `max`. Ascending.
    pub fn series(
        &self,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        max: usize,
    ) -> Vec<Labels> {
        let state = self.shared.read();
        let mut all: Vec<Labels> = found(&state, sets, from_ms, to_ms)
            .into_iter()
            .filter_map(|id| Some(state.index.get(id)?.labels.clone()))
            .collect();
        drop(state);
        all.sort_unstable();
        all.truncate(max);
        all
    }

    /// What is known of one metric, or of all. Ascending by name.
    pub fn metadata(&self, metric: Option<&str>) -> Vec<(Arc<str>, Metadata)> {
        let state = self.shared.read();
        state
            .metadata
            .iter()
            .filter(|(name, _)| metric.is_none_or(|metric| metric == &***name))
            .map(|(name, metadata)| (name.clone(), metadata.clone()))
            .collect()
    }

    /// Exemplars of series that match one of `sets`, seen between two times, both inclusive.
    pub fn exemplars(&self, sets: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<ExemplarsOf> {
        let state = self.shared.read();
        let mut all: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
        for one in state.exemplars.iter() {
            let is_wanted = one.t_ms >= from_ms
                && one.t_ms <= to_ms
                && (sets.is_empty() || sets.iter().any(|set| all_match(set, &one.series)));
            if is_wanted {
                all.entry(one.series.clone()).or_default().push(Exemplar {
                    labels: one.labels.clone(),
                    v: one.v,
                    t_ms: one.t_ms,
                });
            }
        }
        all.into_iter()
            .map(|(series, exemplars)| ExemplarsOf { series, exemplars })
            .collect()
    }

    /// How many series each metric has, the most first, at most `max`.
    pub fn largest_metrics(&self, max: usize) -> Vec<(Arc<str>, usize)> {
        let state = self.shared.read();
        let Some(metrics) = state.index.postings().get(ph_promql::METRIC_NAME) else {
            return Vec::new();
        };
        let mut all: Vec<(Arc<str>, usize)> = metrics
            .iter()
            .map(|(metric, ids)| (metric.clone(), ids.len()))
            .collect();
        drop(state);
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(max);
        all
    }

    pub(super) fn blocks(&self) -> Vec<Arc<Block>> {
        self.shared.read().blocks.clone()
    }

    /// How much is kept.
    pub fn stats(&self) -> SeriesStats {
        self.shared.read().stats()
    }
}

fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, SeriesError> {
    let files = disk.list(dir).map_err(SeriesError::io("list", dir))?;
    let mut names: Vec<String> = files.into_iter().map(|file| file.name).collect();
    names.sort_unstable();
    Ok(names)
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
}

/// Series that match one of the sets and have samples in a block or chunk of that time.
fn found(state: &State, sets: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<SeriesId> {
    let mut ids: Vec<SeriesId> = if sets.is_empty() {
        state.index.iter().map(|(id, _)| id).collect()
    } else {
        let all = sets.iter().flat_map(|set| state.index.matching(set));
        all.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let blocks: Vec<&Arc<Block>> = blocks_of(state, from_ms, to_ms).collect();
    ids.retain(|id| {
        let in_head = state.index.get(*id).and_then(|entry| entry.head.as_ref());
        in_head.is_some_and(|head| head.chunks(from_ms, to_ms).next().is_some())
            || blocks.iter().any(|block| block.find(*id).is_some())
    });
    ids
}

fn blocks_of(state: &State, from_ms: i64, to_ms: i64) -> impl Iterator<Item = &Arc<Block>> {
    let blocks = state.blocks.iter();
    blocks.filter(move |block| block.start_ms <= to_ms && block.end_ms > from_ms)
}

/// Whether two ascending lists have an id in common.
fn meet(some: &[SeriesId], others: &[SeriesId]) -> bool {
    let (few, many) = if some.len() < others.len() {
        (some, others)
    } else {
        (others, some)
    };
    few.iter().any(|id| many.binary_search(id).is_ok())
}

/// What a selection takes from memory before it reads files.
struct Taken {
    blocks: Vec<Arc<Block>>,
    /// Ascending.
    ids: Vec<SeriesId>,
    labels: Vec<Labels>,
    heads: Vec<Vec<HeadChunk>>,
}

impl Taken {
    fn of(state: &State, wish: &Select<'_>) -> Self {
        let blocks: Vec<Arc<Block>> = blocks_of(state, wish.from_ms, wish.to_ms)
            .cloned()
            .collect();
        let mut taken = Self {
            blocks,
            ids: Vec::new(),
            labels: Vec::new(),
            heads: Vec::new(),
        };
        for id in state.index.matching(wish.matchers) {
            let Some(entry) = state.index.get(id) else {
                continue;
            };
            let head: Vec<HeadChunk> = entry
                .head
                .iter()
                .flat_map(|head| head.chunks(wish.from_ms, wish.to_ms))
                .collect();
            if head.is_empty() && !taken.blocks.iter().any(|block| block.find(id).is_some()) {
                continue;
            }
            taken.ids.push(id);
            taken.labels.push(entry.labels.clone());
            taken.heads.push(head);
        }
        taken
    }
}

impl SeriesSource for SeriesReader {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let taken = Taken::of(&self.shared.read(), wish);
        if taken.ids.len() > wish.series_max {
            return Err(SourceError::TooManySeries {
                max: wish.series_max,
            });
        }
        let mut reading = Reading {
            wish,
            plan: Plan::of(wish),
            samples: vec![Vec::new(); taken.ids.len()],
            count: 0,
        };
        for block in &taken.blocks {
            reading.block(block, &taken.ids)?;
        }
        for (at, head) in taken.heads.iter().enumerate() {
            for chunk in head {
                reading.count(chunk.count())?;
                reading.head(at, chunk);
            }
        }
        let series = taken.labels.into_iter().zip(reading.samples);
        Ok(series
            .map(|(labels, samples)| Series { labels, samples })
            .collect())
    }
}

/// A selection on its way.
struct Reading<'a> {
    wish: &'a Select<'a>,
    plan: Plan,
    /// By the position of the series' id.
    samples: Vec<Vec<Sample>>,
    count: usize,
}

/// A region of a block that is wanted, and whose it is.
#[derive(Clone, Copy)]
struct Wanted {
    series: SeriesRef,
    position: usize,
}

impl Reading<'_> {
    fn count(&mut self, samples: usize) -> Result<(), SourceError> {
        self.count += samples;
        if self.count > self.wish.samples_max {
            return Err(SourceError::TooManySamples {
                max: self.wish.samples_max,
            });
        }
        Ok(())
    }

    fn head(&mut self, position: usize, chunk: &HeadChunk) {
        let (from, to) = (self.wish.from_ms, self.wish.to_ms);
        let Some(out) = self.samples.get_mut(position) else {
            return;
        };
        let start = out.len();
        chunk.read(out);
        let keep = out[start..].partition_point(|sample| sample.t_ms <= to);
        out.truncate(start + keep);
        let before = out[start..].partition_point(|sample| sample.t_ms < from);
        if before > 0 {
            out.drain(start..start + before);
        }
    }

    fn block(&mut self, block: &Block, ids: &[SeriesId]) -> Result<(), SourceError> {
        let mut all = wanted(block, ids);
        if self.plan.uses_rollup() {
            let (thin, rest): (Vec<Wanted>, Vec<Wanted>) =
                all.into_iter().partition(|one| one.series.rollup_bytes > 0);
            self.thin(block, thin)?;
            all = rest;
        }
        let place = |one: &Wanted| (one.series.region_at, one.series.region_bytes);
        let (from, to) = (self.wish.from_ms, self.wish.to_ms);
        read_regions(block, all, place, |one, chunks| {
            let chunks = chunks.iter().filter(|chunk| chunk.is_in(from, to));
            let count = chunks.clone().map(|chunk| chunk.count as usize).sum();
            self.count(count)?;
            let out = &mut self.samples[one.position];
            out.reserve(count);
            for chunk in chunks {
                if chunk.read(from, to, out).is_none() {
                    damaged(block, &one);
                }
            }
            Ok(())
        })
    }

    /// Rollups, and all samples where they are needed.
    fn thin(&mut self, block: &Block, all: Vec<Wanted>) -> Result<(), SourceError> {
        let (from, to) = (self.wish.from_ms, self.wish.to_ms);
        let mut kept: Vec<Vec<Sample>> = Vec::new();
        let mut positions = Vec::new();
        let place = |one: &Wanted| (one.series.rollup_at, one.series.rollup_bytes);
        read_regions(block, all.clone(), place, |one, chunks| {
            let mut samples = Vec::new();
            for chunk in chunks.iter().filter(|chunk| chunk.is_in(from, to)) {
                self.count(chunk.count as usize)?;
                if chunk.read(from, to, &mut samples).is_none() {
                    damaged(block, &one);
                }
            }
            positions.push(one.position);
            kept.push(samples);
            Ok(())
        })?;
        let plan = self.plan;
        if plan.needs_all(block.start_ms.max(from), block.end_ms.min(to)) {
            let place = |one: &Wanted| (one.series.region_at, one.series.region_bytes);
            let mut near: Vec<(usize, Vec<Sample>)> = Vec::new();
            read_regions(block, all, place, |one, chunks| {
                let mut samples = Vec::new();
                for chunk in chunks.iter().filter(|chunk| {
                    chunk.is_in(from, to) && plan.needs_all(chunk.first_ms, chunk.last_ms)
                }) {
                    self.count(chunk.count as usize)?;
                    if chunk.read(from, to, &mut samples).is_none() {
                        damaged(block, &one);
                    }
                }
                samples.retain(|sample| plan.needs_all(sample.t_ms, sample.t_ms));
                near.push((one.position, samples));
                Ok(())
            })?;
            let near: BTreeMap<usize, Vec<Sample>> = near.into_iter().collect();
            for (position, kept) in positions.into_iter().zip(kept) {
                let near = near.get(&position).map_or(&[][..], Vec::as_slice);
                merge(near, &kept, &mut self.samples[position]);
            }
        } else {
            for (position, mut kept) in positions.into_iter().zip(kept) {
                self.samples[position].append(&mut kept);
            }
        }
        Ok(())
    }
}

impl ChunkRef<'_> {
    fn is_in(&self, from_ms: i64, to_ms: i64) -> bool {
        self.first_ms <= to_ms && self.last_ms >= from_ms
    }
}

fn damaged(block: &Block, one: &Wanted) {
    let SeriesRef {
        region_at,
        region_bytes,
        ..
    } = one.series;
    block.is_damaged_at(region_at, region_bytes, "samples of one series");
}

/// The series of a block that are wanted.
fn wanted(block: &Block, ids: &[SeriesId]) -> Vec<Wanted> {
    // Few of many are looked up, many of many are walked.
    let mut all = Vec::new();
    if ids.len() * 8 < block.series.len() {
        for (position, id) in ids.iter().enumerate() {
            if let Some(series) = block.find(*id) {
                all.push(Wanted {
                    series: *series,
                    position,
                });
            }
        }
    } else {
        let mut rest = ids.iter().enumerate().peekable();
        for series in &block.series {
            while rest.next_if(|(_, id)| **id < series.id).is_some() {}
            if let Some((position, _)) = rest.next_if(|(_, id)| **id == series.id) {
                all.push(Wanted {
                    series: *series,
                    position,
                });
            }
        }
    }
    all
}

/// Reads regions in the order in which they are in the file, neighbours together.
///
/// One that is damaged is named and left out.
fn read_regions(
    block: &Block,
    mut all: Vec<Wanted>,
    place: impl Fn(&Wanted) -> (u64, u32),
    mut take: impl FnMut(Wanted, &[ChunkRef<'_>]) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    all.sort_unstable_by_key(|one| place(one).0);
    let mut buffer = Vec::new();
    let mut rest = all.as_slice();
    while let Some(first) = rest.first() {
        let start = place(first).0;
        let mut end = start;
        let mut together = 0;
        for one in rest {
            let (at, bytes) = place(one);
            let next = at + u64::from(bytes);
            if together > 0 && (at > end + GAP_BYTES || next - start > READ_BYTES_MAX) {
                break;
            }
            end = next;
            together += 1;
        }
        buffer.resize((end - start) as usize, 0);
        block
            .file
            .read_exact_at(&mut buffer, start)
            .map_err(|error| SourceError::Read(format!("`{}`: {error}", block.name)))?;
        let (now, later) = rest.split_at(together);
        rest = later;
        for one in now {
            let (at, bytes) = place(one);
            let from = (at - start) as usize;
            let mut chunks = Vec::new();
            match chunks_of(&buffer[from..from + bytes as usize], &mut chunks) {
                Some(()) => take(*one, &chunks)?,
                None => block.is_damaged_at(at, bytes, "samples of one series"),
            }
        }
    }
    Ok(())
}
