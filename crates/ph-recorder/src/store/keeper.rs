//! The store's thread: the only one that waits for its disk.

use super::samples::Sampler;
use super::trouble::Trouble;
use super::{Batch, Dropped, Fsync, Item, Keep, Queue, Scraped, Settings};
use crate::complaints::Complain;
use crate::recorder::Shared;
use ph_base::Chain;
use ph_record::{EventKind, Replica, ServerEvent};
use ph_store::logs::{LogStore, Seq, StoreError, StoreEvent};
use ph_store::series::{Scrape, SeriesError, SeriesStore};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// State of the thread.
pub(crate) struct Thread {
    shared: Arc<Shared>,
    queue: Queue,
    logs: LogStore,
    series: SeriesStore,
    settings: Settings,
    sampler: Sampler,
    complain: Complain,
    trouble: Trouble,
    /// The last record that the store took, and the last that is safe and counted so.
    taken: Seq,
    safe: Seq,
    /// Why the last write failed, for what is dropped because of it.
    last_failure: Dropped,
    next_sync: Instant,
    next_tick: Instant,
    /// The next sample of our own numbers, in milliseconds of Unix time.
    next_sample_ms: u64,
}

/// Records are gathered for so long.
const GATHER: Duration = Duration::from_millis(20);
/// Time between two syncs with [`Fsync::Interval`].
const SYNC: Duration = Duration::from_secs(1);
/// Retention and sealing are looked at this often.
const TICK: Duration = Duration::from_secs(1);

impl Thread {
    pub(crate) fn new(shared: Arc<Shared>, queue: Queue, keep: Keep, complain: Complain) -> Self {
        let (now, safe) = (Instant::now(), keep.logs.lasting());
        let mut thread = Self {
            shared,
            queue,
            logs: keep.logs,
            series: keep.series,
            sampler: Sampler::new(&keep.settings.instance),
            settings: keep.settings,
            complain,
            trouble: Trouble::default(),
            taken: safe,
            safe,
            last_failure: Dropped::IoError,
            next_sync: now + SYNC,
            next_tick: now,
            next_sample_ms: 0,
        };
        // Before anything is counted: what is counted until the next sample is an increase, then.
        thread.sample(now_unix_ms());
        thread.plan_sample();
        thread
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut round = Instant::now();
        loop {
            let items = self.queue.take(round + GATHER, self.deadline());
            round = Instant::now();
            let mut answers = Vec::new();
            for item in items {
                match item {
                    Item::Entries(batch) => self.append(batch),
                    Item::Scrape(scrape) => {
                        self.scrape(&scrape);
                        self.queue.done(scrape.bytes(), None);
                    }
                    Item::Apply(settings) => self.apply(settings),
                    Item::Flush(done) => answers.push(done),
                    Item::Stop(done) => {
                        self.end();
                        for done in answers.into_iter().chain([done]) {
                            let _gone = done.send(());
                        }
                        return;
                    }
                }
            }
            self.write(!answers.is_empty());
            for done in answers {
                // Whoever asked may have stopped waiting.
                let _gone = done.send(());
            }
            self.tick();
        }
    }

    /// When there is something to do though nothing comes.
    fn deadline(&self) -> Instant {
        let wait = self.next_sample_ms.saturating_sub(now_unix_ms());
        let sample = Instant::now() + Duration::from_millis(wait);
        let syncing = self.taken > self.safe && self.settings.fsync != Fsync::Os;
        let sync = syncing.then_some(self.next_sync);
        self.next_tick.min(sample).min(sync.unwrap_or(sample))
    }

    fn append(&mut self, batch: Batch) {
        let (mut full, mut refused) = (0, 0);
        for entry in batch.entries() {
            match self.logs.append(&entry) {
                Ok(seq) => self.taken = seq,
                Err(error @ (StoreError::BufferFull { .. } | StoreError::Io { .. })) => {
                    full += 1;
                    if let StoreError::Io { .. } = &error {
                        self.failed(&error);
                    }
                }
                Err(error) => {
                    refused += 1;
                    self.say_refused(&error);
                }
            }
        }
        let reason = self.last_failure;
        if full + refused > 0 {
            self.queue.settle(|totals| {
                totals.dropped[reason as usize] += full;
                totals.dropped[Dropped::Refused as usize] += refused;
            });
        }
        self.queue.done(batch.bytes(), Some(batch));
    }

    /// Hands what was taken to the system, and makes it safe when that is due or `at_once`.
    fn write(&mut self, at_once: bool) {
        if self.taken == self.safe {
            return;
        }
        let now = Instant::now();
        let due = match self.settings.fsync {
            Fsync::Always => true,
            Fsync::Interval => at_once || now >= self.next_sync,
            Fsync::Os => false,
        };
        let wrote = if due {
            self.next_sync = now + SYNC;
            self.logs.sync()
        } else {
            self.logs.flush()
        };
        if due {
            self.count_sync(now.elapsed());
        }
        match wrote {
            Ok(safe) => {
                if due || self.settings.fsync == Fsync::Os {
                    self.count_safe(safe);
                }
                self.worked();
            }
            Err(error) => self.failed(&error),
        }
    }

    fn count_safe(&mut self, safe: Seq) {
        let stored = safe.0.saturating_sub(self.safe.0);
        self.safe = self.safe.max(safe);
        self.queue.settle(|totals| totals.stored += stored);
    }

    fn count_sync(&self, took: Duration) {
        let bounds = ph_record::catalogue::SYNC_SECONDS;
        let bucket = bounds.iter().position(|b| took.as_secs_f64() <= *b);
        self.queue.settle(|totals| {
            totals.syncs[bucket.unwrap_or(bounds.len())] += 1;
            totals.sync_ns += u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        });
    }

    fn tick(&mut self) {
        let now_unix_ms = now_unix_ms();
        if now_unix_ms >= self.next_sample_ms {
            // At regular times, which cost the store nothing.
            self.sample(now_unix_ms - now_unix_ms % self.interval_ms());
            self.plan_sample();
        }
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        for event in self.logs.tick(now_unix_ms.saturating_mul(1_000_000)) {
            self.happened(event);
        }
        if let Err(error) = self.series.tick(as_ms(now_unix_ms)) {
            self.series_failed(&error);
        }
        let (logs, series) = (self.logs.reader().stats(), self.series.stats());
        self.queue.settle(|totals| {
            totals.logs_bytes = logs.map_or(totals.logs_bytes, |logs| logs.bytes);
            totals.series_bytes = series.block_bytes + series.wal_bytes;
            totals.series = series.series_active as u64;
        });
    }

    /// Our own numbers.
    fn sample(&mut self, at_unix_ms: u64) {
        let taken = self.sampler.take(&self.shared.scrape());
        self.scrape(&Scraped {
            t_ms: as_ms(at_unix_ms),
            target: self.sampler.target(),
            samples: taken.samples,
            exemplars: taken.exemplars,
            metadata: taken.metadata,
        });
    }

    fn plan_sample(&mut self) {
        let interval = self.interval_ms();
        let now = now_unix_ms();
        self.next_sample_ms = now - now % interval + interval;
    }

    fn interval_ms(&self) -> u64 {
        u64::try_from(self.settings.sample_interval.as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    fn scrape(&mut self, scraped: &Scraped) {
        let offered = scraped.samples.len() as u64;
        let done = self.series.scrape(&Scrape {
            t_ms: scraped.t_ms,
            target: &scraped.target,
            samples: &scraped.samples,
            exemplars: &scraped.exemplars,
            metadata: &scraped.metadata,
        });
        match done {
            Ok(report) => self.queue.settle(|totals| {
                totals.samples += report.added;
                totals.samples_dropped[1] += report.overflowed;
                totals.samples_dropped[2] +=
                    report.duplicates + report.out_of_order + report.out_of_bounds;
                totals.samples_dropped[3] += report.invalid;
            }),
            Err(error) => {
                let at = if error.is_disk_full() { 4 } else { 5 };
                self.queue
                    .settle(|totals| totals.samples_dropped[at] += offered);
                self.series_failed(&error);
            }
        }
    }

    fn apply(&mut self, settings: Settings) {
        if settings.instance != self.settings.instance {
            self.gone(now_unix_ms());
            self.sampler = Sampler::new(&settings.instance);
        }
        self.settings = settings;
        let kept = &self.settings;
        self.logs
            .set_bounds(Some(kept.retention), Some(kept.logs_bytes));
        self.series.set_bounds(kept.retention, kept.series_bytes);
        self.plan_sample();
    }

    /// Our series end here: whoever asks later must not see the last values for minutes.
    fn gone(&mut self, at_unix_ms: u64) {
        self.scrape(&Scraped {
            t_ms: as_ms(at_unix_ms),
            target: self.sampler.target(),
            samples: Vec::new(),
            exemplars: Vec::new(),
            metadata: Vec::new(),
        });
    }

    /// The last values, their end, and everything that was taken.
    fn end(mut self) {
        self.write(true);
        let now_unix_ms = now_unix_ms();
        self.sample(now_unix_ms);
        self.gone(now_unix_ms + 1);
        self.queue.close();
        let report = self.logs.close();
        if let Some(error) = &report.error {
            (self.complain)(&format!("the store could not be closed: {}", Chain(error)));
        }
        // What was written and could not be synced is there as far as the system says.
        let left = self.taken.0.saturating_sub(self.safe.0);
        let (lost, reason) = (report.lost.min(left), self.last_failure);
        self.queue.settle(|totals| {
            totals.dropped[reason as usize] += lost;
            totals.stored += left - lost;
        });
        if let Err(error) = self.series.close() {
            (self.complain)(&format!("the store could not be closed: {}", Chain(&error)));
        }
    }

    fn failed(&mut self, error: &StoreError) {
        self.last_failure = if error.is_disk_full() {
            Dropped::DiskFull
        } else {
            Dropped::IoError
        };
        self.say_failed(error);
    }

    /// What the store did by itself.
    fn happened(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::Sealed { .. } | StoreEvent::Removed { .. } => {}
            StoreEvent::SealFailed { error } | StoreEvent::RemoveFailed { error } => {
                self.say_failed(&error);
            }
            StoreEvent::Damaged(damage) => self.note(EventKind::Note {
                warning: true,
                text: format!("the store is damaged: {damage}").into(),
            }),
        }
    }

    /// Samples have their own counters; the words are the same.
    fn series_failed(&mut self, error: &SeriesError) {
        self.say_failed(error);
    }

    fn say_failed(&mut self, error: &dyn std::error::Error) {
        let said = self.trouble.failed(now_unix_ms(), error);
        self.queue.settle(|totals| totals.failing = true);
        if let Some(kind) = said {
            (self.complain)(&format!(
                "the store cannot write, records are lost: {}",
                Chain(error)
            ));
            self.note(kind);
        }
    }

    fn worked(&mut self) {
        if !self.trouble.is_failing() {
            return;
        }
        let dropped = self.queue.totals().dropped.iter().sum();
        let said = self.trouble.worked(dropped);
        self.queue.settle(|totals| totals.failing = false);
        if let Some(kind) = said {
            (self.complain)("the store can write again");
            self.note(kind);
        }
    }

    /// A record that the store does not take is worth a word where it tells of trouble.
    fn say_refused(&mut self, error: &StoreError) {
        if !matches!(error, StoreError::TooLong { .. } | StoreError::NotOneLine) {
            self.say_failed(error);
        }
    }

    fn note(&self, kind: EventKind) {
        self.shared
            .observe(ph_record::Observation::Event(ServerEvent {
                server: None,
                replica: Replica::None,
                at_unix_ns: now_unix_ms().saturating_mul(1_000_000),
                kind,
            }));
    }
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn as_ms(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}
