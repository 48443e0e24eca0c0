//! The one writer.

use super::PERIOD_MS;
use super::block::Unnumbered;
use super::error::SeriesError;
use super::index::SeriesId;
use super::intake::{Accepted, Scrape, ScrapeReport, accept};
use super::jobs::Job;
use super::metadata::NewMetadata;
use super::opening::{SeriesOpenReport, open_blocks, replay, trim};
use super::options::SeriesOptions;
use super::reader::SeriesReader;
use super::record::{Put, Scraped};
use super::state::{SeriesStats, Shared, State};
use super::wal::{Found, Wal};
use crate::disk::Disk;
use ph_promql::Sample;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A period is put into a block when it is over by so much: scrapes of different targets come when they come.
const GRACE_MS: i64 = 120_000;
/// After a failure writing blocks is tried again then.
const RETRY_MS: i64 = 60_000;
/// Targets whose last scrape is known. Of more, series end by the lookback only.
const TARGETS_MAX: usize = 10_000;

/// The series of each target's last scrape, ascending.
pub(super) type Targets = HashMap<String, Vec<SeriesId>>;

/// The store of series. Not shared: it belongs to the thread that writes.
#[derive(Debug)]
pub struct SeriesStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: SeriesOptions,
    shared: Arc<Shared>,
    wal: Wal,
    targets: Targets,
    scrapes: u64,
    job: Option<Running>,
    not_before_ms: i64,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<Result<Unnumbered, SeriesError>>,
    blocks: usize,
}

/// What a tick did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// A period of samples went from memory into a block.
    pub sealed: bool,
    /// So many blocks became one.
    pub compacted: usize,
    /// So many blocks went by age or by size.
    pub removed: usize,
    /// A block is being written, and a later tick will say what came of it.
    pub is_writing: bool,
}

impl SeriesStore {
    /// Opens the store in `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// The file system refuses. Damaged files are no error, they are in the report.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: SeriesOptions,
    ) -> Result<(Self, SeriesOpenReport), SeriesError> {
        let wal_dir = dir.join("wal");
        disk.create_dir(&wal_dir)
            .map_err(SeriesError::io("create", &wal_dir))?;
        disk.sync_dir(dir).map_err(SeriesError::io("sync", dir))?;
        let shared = Arc::new(Shared::new(options.exemplars_max));
        let mut report = SeriesOpenReport::default();
        open_blocks(&*disk, dir, &shared, &mut report, true)?;
        let (found, targets) = replay(&*disk, &wal_dir, &shared, &mut report)?;
        for file in &found {
            trim(&*disk, &wal_dir, file)?;
        }
        let kept: Vec<Found> = found.into_iter().filter(|file| file.bytes > 0).collect();
        let wal = Wal::new(disk.clone(), wal_dir, options.syncs, &kept);
        shared.write().wal_bytes = wal.bytes();
        let store = Self {
            disk,
            dir: dir.to_owned(),
            options,
            shared,
            wal,
            targets,
            scrapes: 0,
            job: None,
            not_before_ms: i64::MIN,
        };
        Ok((store, report))
    }

    /// Takes a scrape: when this is `Ok`, it is on the disk.
    ///
    /// # Errors
    /// It could not be written, and nothing of it is kept.
    pub fn scrape(&mut self, scrape: &Scrape<'_>) -> Result<ScrapeReport, SeriesError> {
        self.scrapes += 1;
        let before = self
            .targets
            .get(scrape.target)
            .map_or(&[][..], Vec::as_slice);
        let (accepted, metadata) = {
            let mut state = self.shared.write();
            if state.head_samples > self.options.head_samples_max() {
                return Err(SeriesError::Behind {
                    samples: state.head_samples,
                });
            }
            let accepted = accept(&mut state, &self.options, scrape, self.scrapes, before);
            (accepted, news(&state, scrape.metadata))
        };
        let Accepted {
            puts,
            shown,
            report,
        } = accepted;
        let exemplars = &scrape.exemplars[..scrape.exemplars.len().min(self.options.exemplars_max)];
        if !puts.is_empty() || !exemplars.is_empty() || !metadata.is_empty() {
            let scraped = Scraped {
                target: scrape.target,
                t_ms: scrape.t_ms,
                samples: &puts,
                exemplars,
                metadata: &metadata,
            };
            self.wal.prepare(scrape.t_ms)?;
            let bytes = {
                let state = self.shared.read();
                let labels_of = |id| state.index.get(id).map(|entry| &entry.labels);
                self.wal.encode(&scraped, labels_of)
            };
            self.wal
                .write(&bytes, puts.iter().map(|put| put.t_ms).max())?;
        }
        let mut state = self.shared.write();
        apply(&mut state, &puts);
        for exemplar in exemplars {
            state.exemplars.push(exemplar);
        }
        for one in &metadata {
            state.metadata.put(one);
        }
        state.wal_bytes = self.wal.bytes();
        drop(state);
        remember(&mut self.targets, scrape.target, shown);
        Ok(report)
    }

    /// Does what is due: blocks of periods that are over, days of blocks, retention. To be called after each
    /// scrape, and once a minute at least.
    ///
    /// # Errors
    /// A block could not be written or removed. Nothing is lost by it, and it is tried again after a minute.
    pub fn tick(&mut self, now_ms: i64) -> Result<TickReport, SeriesError> {
        let mut report = TickReport::default();
        if self
            .job
            .as_ref()
            .is_some_and(|job| job.thread.is_finished())
        {
            self.finish_job(now_ms, &mut report)?;
        }
        report.is_writing = self.job.is_some();
        if report.is_writing || now_ms < self.not_before_ms {
            return Ok(report);
        }
        report.removed = self.retire(now_ms).inspect_err(|_| self.wait(now_ms))?;
        while let Some(job) = self.next_job(now_ms) {
            let blocks = job.block_count();
            if !self.options.background {
                let done = job.run(&*self.disk, &self.dir);
                self.install(done, blocks, now_ms, &mut report)?;
                continue;
            }
            let (disk, dir) = (self.disk.clone(), self.dir.clone());
            let thread = std::thread::Builder::new()
                .name("series-blocks".to_owned())
                .spawn(move || job.run(&*disk, &dir))
                .map_err(SeriesError::Thread)?;
            self.job = Some(Running { thread, blocks });
            report.is_writing = true;
            break;
        }
        Ok(report)
    }

    /// From the next tick on blocks go by these bounds.
    pub fn set_bounds(&mut self, retention: Duration, bytes_max: u64) {
        self.options.retention = retention;
        self.options.bytes_max = bytes_max;
    }

    /// What PromQL reads.
    pub fn reader(&self) -> SeriesReader {
        SeriesReader::new(self.shared.clone())
    }

    /// How much is kept.
    pub fn stats(&self) -> SeriesStats {
        self.shared.read().stats()
    }

    /// Waits for a block that is being written, and makes the log last.
    ///
    /// # Errors
    /// The log cannot be synced, which matters only when scrapes are not.
    pub fn close(mut self) -> Result<(), SeriesError> {
        if let Some(job) = self.job.take() {
            // Whatever came of it, the log still has all of it.
            drop(job.thread.join());
        }
        self.wal.sync()
    }

    fn next_job(&self, now_ms: i64) -> Option<Job> {
        let until_ms = now_ms.saturating_sub(GRACE_MS);
        let job = {
            let state = self.shared.read();
            Job::seal(&state, until_ms).or_else(|| Job::compact(&state, until_ms))?
        };
        // From here on nothing older may come: the block would lack it.
        let over_ms = until_ms.div_euclid(PERIOD_MS) * PERIOD_MS;
        let mut state = self.shared.write();
        state.sealed_until_ms = state.sealed_until_ms.max(over_ms);
        Some(job)
    }

    fn finish_job(&mut self, now_ms: i64, report: &mut TickReport) -> Result<(), SeriesError> {
        let Some(job) = self.job.take() else {
            return Ok(());
        };
        let done = job.thread.join().unwrap_or_else(|_| {
            Err(SeriesError::Io {
                what: "write a block in",
                path: self.dir.clone(),
                source: std::io::Error::other("the thread that writes blocks has panicked"),
            })
        });
        self.install(done, job.blocks, now_ms, report)
    }

    /// Shows a block that was written in place of what it was made of.
    fn install(
        &mut self,
        done: Result<Unnumbered, SeriesError>,
        blocks: usize,
        now_ms: i64,
        report: &mut TickReport,
    ) -> Result<(), SeriesError> {
        let done = done.inspect_err(|_| self.wait(now_ms))?;
        let mut state = self.shared.write();
        let block = done.number(|labels| state.index.make(labels));
        let (start_ms, end_ms) = (block.start_ms, block.end_ms);
        let name = block.name.clone();
        let replaced = state.show(block);
        if blocks == 0 {
            report.sealed = true;
            drop_period(&mut state, start_ms, end_ms);
        } else {
            report.compacted += blocks;
        }
        let forgotten = state.index.forget_unused();
        drop(state);
        self.forget(&forgotten);
        let mut removed = if blocks == 0 {
            self.wal.remove_before(end_ms)
        } else {
            Ok(())
        };
        for old in replaced.iter().filter(|old| old.name != name) {
            removed = removed.and(self.remove_block(&old.name));
        }
        self.shared.write().wal_bytes = self.wal.bytes();
        removed.inspect_err(|_| self.wait(now_ms))
    }

    /// Removes the blocks that are too old, and the oldest ones while there are too many bytes.
    fn retire(&mut self, now_ms: i64) -> Result<usize, SeriesError> {
        let age_ms = i64::try_from(self.options.retention.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now_ms.saturating_sub(age_ms);
        let mut state = self.shared.write();
        let mut bytes: u64 = self.wal.bytes() + state.blocks.iter().map(|b| b.bytes).sum::<u64>();
        let mut gone_until_ms = i64::MIN;
        for block in &state.blocks {
            if block.end_ms > oldest_ms && bytes <= self.options.bytes_max {
                break;
            }
            bytes -= block.bytes;
            gone_until_ms = block.end_ms;
        }
        if gone_until_ms == i64::MIN {
            return Ok(0);
        }
        let hidden = state.hide(|block| block.end_ms <= gone_until_ms);
        let forgotten = state.index.forget_unused();
        drop(state);
        self.forget(&forgotten);
        for block in &hidden {
            self.remove_block(&block.name)?;
        }
        Ok(hidden.len())
    }

    fn remove_block(&self, name: &str) -> Result<(), SeriesError> {
        let path = self.dir.join(name);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(SeriesError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn forget(&mut self, ids: &[SeriesId]) {
        if ids.is_empty() {
            return;
        }
        for id in ids {
            self.wal.forget(*id);
        }
        let forgotten: HashSet<SeriesId> = ids.iter().copied().collect();
        for shown in self.targets.values_mut() {
            shown.retain(|id| !forgotten.contains(id));
        }
        self.targets.retain(|_, shown| !shown.is_empty());
    }

    fn wait(&mut self, now_ms: i64) {
        self.not_before_ms = now_ms.saturating_add(RETRY_MS);
    }
}

impl Drop for SeriesStore {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            // The directory must not be written to when it is opened again.
            drop(job.thread.join());
        }
    }
}

pub(super) fn apply(state: &mut State, puts: &[Put]) {
    let mut added = 0;
    for put in puts {
        let Some(head) = state.index.head(put.id) else {
            continue;
        };
        if head.last().is_none_or(|last| last.t_ms < put.t_ms) {
            head.push(Sample {
                t_ms: put.t_ms,
                v: put.v,
            });
            added += 1;
        }
    }
    state.head_samples += added;
}

fn drop_period(state: &mut State, start_ms: i64, end_ms: i64) {
    let ids: Vec<SeriesId> = state.index.iter().map(|(id, _)| id).collect();
    let mut samples = 0;
    for id in ids {
        let Some(head) = state
            .index
            .get_mut(id)
            .and_then(|entry| entry.head.as_mut())
        else {
            continue;
        };
        head.drop_period(start_ms);
        samples += head.samples();
        if head.is_empty() && head.last().is_none_or(|last| last.t_ms < end_ms) {
            state.index.drop_head(id);
        }
    }
    state.head_samples = samples;
}

fn news(state: &State, metadata: &[NewMetadata]) -> Vec<NewMetadata> {
    let news = metadata.iter().filter(|one| state.metadata.is_news(one));
    news.cloned().collect()
}

pub(super) fn remember(targets: &mut Targets, target: &str, shown: Vec<SeriesId>) {
    if shown.is_empty() {
        targets.remove(target);
    } else if let Some(known) = targets.get_mut(target) {
        *known = shown;
    } else if targets.len() < TARGETS_MAX {
        targets.insert(target.to_owned(), shown);
    }
}
