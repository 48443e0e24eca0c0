//! The record that is kept: lines and samples on their way to `ph-store`.
//!
//! The recorder's thread copies each line with its columns into a batch and hands that over some 50
//! times a second; whatever else is to be kept (spans and log records that servers send in, lines of
//! log files, scrapes) takes the same way. The store's thread does all that can wait for a disk.

mod batch;
mod columns;
mod keeper;
mod queue;
mod samples;
mod trouble;

pub(crate) use batch::Batch;
pub(crate) use columns::{push, stored};
pub(crate) use keeper::Thread;
pub(crate) use queue::{Item, Queue};

use crate::line::Level;
use ph_store::logs::{Entry, LogStore};
use ph_store::series::{NewExemplar, NewMetadata, NewSample, SeriesStore};
use std::time::Duration;

/// The stores to keep in, and how.
pub struct Keep {
    /// Lines and spans.
    pub logs: LogStore,
    /// Samples.
    pub series: SeriesStore,
    /// What a reload may change.
    pub settings: Settings,
}

/// How the record is kept; a reload can change all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Least level of the lines that are kept.
    pub level: Level,
    /// When what was written counts as safe.
    pub fsync: Fsync,
    /// Most bytes that wait for the disk.
    pub queue_bytes: usize,
    /// Time between two samples of our own numbers.
    pub sample_interval: Duration,
    /// The label `instance` of our own numbers: where the data listener is.
    pub instance: String,
    /// Age after which what is kept is removed.
    pub retention: Duration,
    /// Bytes of lines and spans that are kept.
    pub logs_bytes: u64,
    /// Bytes of samples that are kept.
    pub series_bytes: u64,
}

/// When what was written counts as safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Once a second.
    Interval,
    /// With each batch.
    Always,
    /// When the operating system has it.
    Os,
}

/// Why the store does not have a record; the index of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    Queue,
    DiskFull,
    IoError,
    Refused,
}

/// A scrape of another target, ready to be kept.
#[derive(Clone, Debug)]
pub struct Scraped {
    /// When, in milliseconds of Unix time.
    pub t_ms: i64,
    /// The target, the same text each time: series of it that are gone become stale.
    pub target: String,
    /// Its samples, `job` and `instance` among the labels; none when the target is gone.
    pub samples: Vec<NewSample>,
    /// Traces that its samples point to.
    pub exemplars: Vec<NewExemplar>,
    /// What its families are.
    pub metadata: Vec<NewMetadata>,
}

impl Scraped {
    /// Memory that it holds, about, in bytes.
    fn bytes(&self) -> usize {
        // Labels are shared from scrape to scrape as a rule.
        64 + 64 * (self.samples.len() + self.exemplars.len() + self.metadata.len())
    }
}

/// Takes what others than the relay want to be kept. Cheap to clone; never waits.
#[derive(Clone)]
pub struct Keeper(pub(crate) Queue);

impl Keeper {
    /// Takes a record; `false` when there is no room, which is counted.
    pub fn offer(&self, entry: &Entry<'_>) -> bool {
        self.0.offer(entry)
    }

    /// Whether a giver that can wait should go on.
    pub fn is_roomy(&self) -> bool {
        self.0.is_roomy()
    }

    /// Takes a scrape; `false` when there is no room, which is counted.
    pub fn offer_scrape(&self, scrape: Scraped) -> bool {
        self.0.offer_scrape(scrape)
    }
}
