//! One sink: reads on, sends, and moves its offset.

use crate::counts::Counts;
use crate::elasticsearch::{Elastic, ElasticSettings};
use crate::feed::{Entry, Feed, FeedError, Page};
use crate::offset::OffsetFile;
use crate::otlp::{Otlp, OtlpSettings};
use crate::overflow::{Place, Waiting, WhenFull, settle};
use crate::pause;
use crate::post::AddressError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What every sink has.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Its name, unique: part of a file name and a label.
    pub name: String,
    /// Where to.
    pub target: Target,
    /// What gives way when too much waits.
    pub when_full: WhenFull,
    /// How much may wait, in bytes of JSON.
    pub lag_bytes_max: u64,
    /// Most entries of one request.
    pub batch_entries_max: usize,
    /// About the most bytes of one request.
    pub batch_bytes_max: usize,
    /// How long an entry waits for others to be sent with it.
    pub batch_delay: Duration,
    /// Kinds of entries that are passed on; none: all.
    pub kinds: Vec<String>,
}

/// Where entries go.
#[derive(Clone, Debug)]
pub enum Target {
    /// Elasticsearch or OpenSearch.
    Elastic(Box<ElasticSettings>),
    /// An OpenTelemetry collector.
    Otlp(Box<OtlpSettings>),
}

/// A sink cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Its address is not usable.
    #[error("sink `{sink}`")]
    Address {
        /// The sink.
        sink: String,
        /// What is wrong.
        source: AddressError,
    },
    /// The collector's address is not usable.
    #[error("sink `{sink}`")]
    Collector {
        /// The sink.
        sink: String,
        /// What is wrong.
        source: io::Error,
    },
    /// Its offset cannot be read or written.
    #[error("the offset of sink `{sink}` cannot be kept")]
    Offset {
        /// The sink.
        sink: String,
        /// What is wrong.
        source: io::Error,
    },
}

/// What the other side said of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has it.
    Delivered,
    /// It will never take it.
    Rejected,
    /// It may take it later.
    Retry,
    /// It is nothing for this sink.
    Skipped,
}

/// What became of one request.
#[derive(Debug)]
pub(crate) struct Sent {
    /// One for each entry, in order.
    pub(crate) verdicts: Vec<Verdict>,
    /// Why not all were delivered.
    pub(crate) failure: Option<String>,
    /// How long the other side asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The request was too large or held something that spoils it: smaller ones may be taken.
    pub(crate) divide: bool,
}

impl Sent {
    /// The same for all.
    pub(crate) fn all(verdict: Verdict, count: usize, failure: String) -> Self {
        Self {
            verdicts: vec![verdict; count],
            failure: Some(failure),
            retry_after: None,
            divide: false,
        }
    }
}

/// The other side.
enum Wire {
    Elastic(Elastic),
    Otlp(Otlp),
}

impl Wire {
    fn new(settings: &SinkSettings, store_id: String) -> Result<Self, SinkError> {
        let sink = || settings.name.clone();
        match &settings.target {
            Target::Elastic(elastic) => {
                Elastic::new(elastic, store_id)
                    .map(Self::Elastic)
                    .map_err(|source| SinkError::Address {
                        sink: sink(),
                        source,
                    })
            }
            Target::Otlp(otlp) => {
                Otlp::new(otlp)
                    .map(Self::Otlp)
                    .map_err(|source| SinkError::Collector {
                        sink: sink(),
                        source,
                    })
            }
        }
    }

    async fn send(&mut self, entries: &[&Entry]) -> Sent {
        match self {
            Self::Elastic(elastic) => elastic.send(entries).await,
            Self::Otlp(otlp) => otlp.send(entries).await,
        }
    }
}

/// A sink's task. Nothing else knows where the sink is.
pub struct Sink {
    settings: SinkSettings,
    feed: Arc<dyn Feed>,
    wire: Wire,
    offset: OffsetFile,
    place: Place,
    counts: Arc<Counts>,
    complain: Complain,
    end: Ending,
}

/// Told once when deliveries begin to fail, and once when they succeed again.
type Complain = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Clone, Default)]
struct Ending {
    /// Send what is there, then end.
    soon: CancellationToken,
    /// End.
    now: CancellationToken,
}

/// Holds a running sink.
pub struct Handle {
    counts: Arc<Counts>,
    end: Ending,
    task: JoinHandle<()>,
}

impl Sink {
    /// Starts a sink on `runtime`. One that has never run begins with the oldest entry that is kept.
    ///
    /// - `dir`: where offsets are kept.
    /// - `complain`: told what an operator should know.
    ///
    /// # Errors
    /// [`SinkError`]. The other side being away is none.
    pub fn start(
        settings: SinkSettings,
        feed: Arc<dyn Feed>,
        dir: &Path,
        complain: Complain,
        runtime: &Runtime,
    ) -> Result<Handle, SinkError> {
        let wire = Wire::new(&settings, feed.store_id())?;
        let offset = OffsetFile::new(dir, &settings.name, feed.store_id());
        let failed = |source| SinkError::Offset {
            sink: settings.name.clone(),
            source,
        };
        let place = match offset.load().map_err(failed)? {
            // A store that was restored from a copy may end before it: what comes is new.
            Some(place) if place.next <= feed.head() => place,
            _ => {
                offset.save(Place::default()).map_err(failed)?;
                Place::default()
            }
        };
        let (counts, end) = (Arc::new(Counts::default()), Ending::default());
        let sink = Self {
            settings,
            feed,
            wire,
            offset,
            place,
            counts: Arc::clone(&counts),
            complain,
            end: end.clone(),
        };
        let task = runtime.spawn(sink.run());
        Ok(Handle { counts, end, task })
    }

    async fn run(mut self) {
        self.hold();
        let mut failures = 0;
        while !self.end.now.is_cancelled() {
            let wait = match self.turn().await {
                Ok(true) => {
                    failures = 0;
                    continue;
                }
                // Everything is sent: the end, if it is near.
                Ok(false) if self.end.soon.is_cancelled() => break,
                Ok(false) => self.settings.batch_delay,
                Err(problem) => {
                    failures += 1;
                    self.failed(failures == 1, problem.to_string());
                    pause::after(failures, None, random())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.end.now.cancelled() => {}
                () = self.end.soon.cancelled(), if failures == 0 => {}
            }
        }
        self.feed.hold(&self.settings.name, None);
    }

    /// Sends one page; `false` when there is nothing to send.
    async fn turn(&mut self) -> Result<bool, TurnError> {
        self.settle()?;
        let from = self.place.next;
        let page = self.read(from).await?;
        self.counts
            .lag_entries
            .store(self.feed.head().saturating_sub(from), Relaxed);
        let oldest = page.entries.first().map_or(0, |entry| entry.time_unix_ns);
        self.counts.oldest_unix_ns.store(oldest, Relaxed);
        if page.entries.is_empty() && page.next == from {
            return Ok(false);
        }
        if !self.deliver(page.entries).await {
            return Ok(true);
        }
        self.counts.dropped_retention.fetch_add(page.lost, Relaxed);
        self.move_to(Place {
            next: page.next,
            ..self.place
        })?;
        Ok(true)
    }

    /// Applies the bound on what waits.
    fn settle(&mut self) -> Result<(), TurnError> {
        let waiting = Waiting {
            head: self.feed.head(),
            lag_bytes: self.feed.bytes_from(self.place.next),
            within: self.feed.seq_within(self.settings.lag_bytes_max),
        };
        let (place, dropped) = settle(
            self.settings.when_full,
            self.settings.lag_bytes_max,
            self.place,
            waiting,
        );
        self.counts.dropped_lag.fetch_add(dropped, Relaxed);
        if place == self.place {
            Ok(())
        } else {
            self.move_to(place)
        }
    }

    async fn read(&self, from: u64) -> Result<Page, TurnError> {
        let feed = Arc::clone(&self.feed);
        let bytes_max = self.settings.batch_bytes_max;
        // Not beyond the place where newer ones are dropped.
        let open = self
            .place
            .closed_at
            .map_or(u64::MAX, |closed| closed.saturating_sub(from));
        let entries_max = self
            .settings
            .batch_entries_max
            .min(usize::try_from(open).unwrap_or(usize::MAX))
            .max(1);
        let read = tokio::task::spawn_blocking(move || feed.read(from, entries_max, bytes_max));
        Ok(read.await.map_err(|e| FeedError(e.to_string()))??)
    }

    fn move_to(&mut self, place: Place) -> Result<(), TurnError> {
        self.offset.save(place)?;
        self.place = place;
        self.hold();
        Ok(())
    }

    fn hold(&self) {
        let from = (self.settings.when_full == WhenFull::Block).then_some(self.place.next);
        self.feed.hold(&self.settings.name, from);
    }

    /// Sends until every entry has its verdict; `false` when it was told to end before, or when what
    /// waits has grown so much that it must be looked at.
    async fn deliver(&mut self, entries: Vec<Entry>) -> bool {
        let wanted = |entry: &&Entry| {
            let kinds = &self.settings.kinds;
            kinds.is_empty() || kinds.iter().any(|kind| kind == entry.kind)
        };
        let mut waiting: Vec<&Entry> = entries.iter().filter(wanted).collect();
        let mut most = waiting.len();
        let (mut failures, mut tries) = (0, 0);
        while !waiting.is_empty() {
            if tries > 0 {
                self.counts.retries.fetch_add(1, Relaxed);
            }
            tries += 1;
            let now = most.clamp(1, waiting.len());
            let sent = self.wire.send(&waiting[..now]).await;
            if sent.divide && now > 1 {
                most = now / 2;
                continue;
            }
            let left = self.count(&waiting[..now], &sent.verdicts);
            let all = left.is_empty();
            waiting.splice(..now, left);
            if all {
                failures = 0;
                most = most.saturating_mul(2).min(entries.len());
                self.succeeded(sent.failure);
                continue;
            }
            failures += 1;
            self.failed(failures == 1, sent.failure.unwrap_or_default());
            let wait = pause::after(failures, sent.retry_after, random());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.end.now.cancelled() => return false,
            }
            if self.end.soon.is_cancelled() && failures > LAST_TRIES {
                self.end.now.cancel();
                return false;
            }
            if self.overtaken() {
                return false;
            }
        }
        true
    }

    /// What waits has grown beyond the bound: what is being sent is among what gives way.
    fn overtaken(&self) -> bool {
        self.settings.when_full == WhenFull::DropOldest
            && self.feed.bytes_from(self.place.next) > self.settings.lag_bytes_max
    }

    /// Counts what is settled and returns what is to be sent again.
    fn count<'a>(&self, entries: &[&'a Entry], verdicts: &[Verdict]) -> Vec<&'a Entry> {
        let mut left = Vec::new();
        let (mut delivered, mut rejected) = (0, 0);
        for (entry, verdict) in entries.iter().zip(verdicts) {
            match verdict {
                Verdict::Delivered => delivered += 1,
                Verdict::Rejected => rejected += 1,
                Verdict::Retry => left.push(*entry),
                Verdict::Skipped => {}
            }
        }
        self.counts.delivered.fetch_add(delivered, Relaxed);
        self.counts.rejected.fetch_add(rejected, Relaxed);
        left
    }

    fn succeeded(&self, failure: Option<String>) {
        if let Some(text) = &failure {
            (self.complain)(&format!("sink `{}`: {text}", self.settings.name));
        } else if self.counts.failure().is_some() {
            (self.complain)(&format!(
                "sink `{}`: entries are taken again",
                self.settings.name
            ));
        }
        self.counts.up.store(true, Relaxed);
        self.counts.set_failure(failure);
    }

    fn failed(&self, first: bool, text: String) {
        if first {
            (self.complain)(&format!("sink `{}`: {text}", self.settings.name));
        }
        self.counts.up.store(false, Relaxed);
        self.counts.set_failure(Some(text));
    }
}

/// Tries of one request after which a sink that is to end gives up; its offset stays where it was.
const LAST_TRIES: u32 = 2;

#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("its offset cannot be written: {0}")]
    Offset(#[from] io::Error),
}

impl Handle {
    /// What became of the entries so far.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Sends what is there for at most `limit`, then ends; what is left is sent by the next start.
    pub async fn stop(self, limit: Duration) {
        self.end.soon.cancel();
        let mut task = self.task;
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            self.end.now.cancel();
            // A request that is on its way is given up: it is sent again by the next start.
            task.abort();
            let _aborted = task.await;
        }
    }
}

/// Pauses of several sinks and processes should not fall together; nothing depends on it.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
