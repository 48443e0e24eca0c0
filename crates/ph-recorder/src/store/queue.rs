//! The bounded way to the store's thread, and the books of what went along it.
//!
//! Giving never waits for the disk. What does not fit is counted, and the counts are kept under the
//! same lock as the queue, so that offered = stored + queued + dropped in every read.

use super::batch::Batch;
use super::{Dropped, Scraped, Settings};
use crate::exposition::KeptTotals;
use ph_store::logs::Entry;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What the thread is asked to do, in order.
pub(crate) enum Item {
    /// Keep these records.
    Entries(Batch),
    /// Keep this scrape of another target.
    Scrape(Box<Scraped>),
    /// Work by these settings.
    Apply(Settings),
    /// Say when everything before is settled.
    Flush(oneshot::Sender<()>),
    /// The same, then end.
    Stop(oneshot::Sender<()>),
}

/// Items, their bytes, and the books.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    given: Condvar,
}

struct State {
    items: VecDeque<Item>,
    /// Records of single givers, not yet an item.
    singles: Batch,
    /// Emptied batches, to be filled again.
    spare: Vec<Batch>,
    bytes: usize,
    bytes_max: usize,
    /// An item that must not wait for company.
    urgent: bool,
    closed: bool,
    totals: KeptTotals,
}

/// Most emptied batches that are kept.
const SPARE_MAX: usize = 2;

impl Queue {
    /// - `bytes_max`: most bytes of records and scrapes that wait; a single batch always may.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                items: VecDeque::new(),
                singles: Batch::default(),
                spare: Vec::new(),
                bytes: 0,
                bytes_max,
                urgent: false,
                closed: false,
                totals: KeptTotals::default(),
            }),
            given: Condvar::new(),
        }))
    }

    /// Hands over a batch and leaves an empty one in its place.
    pub(crate) fn offer_batch(&self, batch: &mut Batch) {
        if batch.len() == 0 {
            return;
        }
        let mut state = self.lock();
        let (records, bytes) = (batch.len() as u64, batch.bytes());
        state.totals.offered += records;
        if !state.has_room(bytes) {
            state.totals.dropped[Dropped::Queue as usize] += records;
            batch.clear();
            return;
        }
        state.flush_singles();
        let next = state.spare.pop().unwrap_or_default();
        let full = std::mem::replace(batch, next);
        state.push(Item::Entries(full), bytes);
        drop(state);
        self.0.given.notify_one();
    }

    /// Takes one record; `false` when there is no room, which is counted.
    pub(crate) fn offer(&self, entry: &Entry<'_>) -> bool {
        let mut state = self.lock();
        state.totals.offered += 1;
        if !state.has_room(entry.json.len()) {
            state.totals.dropped[Dropped::Queue as usize] += 1;
            return false;
        }
        let before = state.singles.bytes();
        state.singles.push(entry);
        state.bytes += state.singles.bytes() - before;
        let first = before == 0;
        drop(state);
        if first {
            self.0.given.notify_one();
        }
        true
    }

    /// Takes a scrape; `false` when there is no room, which is counted.
    pub(crate) fn offer_scrape(&self, scrape: Scraped) -> bool {
        let bytes = scrape.bytes();
        let mut state = self.lock();
        if !state.has_room(bytes) {
            state.totals.samples_dropped[0] += scrape.samples.len() as u64;
            return false;
        }
        state.push(Item::Scrape(Box::new(scrape)), bytes);
        drop(state);
        self.0.given.notify_one();
        true
    }

    /// Asks for something that must not wait; `false` when the thread has ended.
    pub(crate) fn command(&self, item: Item) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        if let Item::Apply(settings) = &item {
            state.bytes_max = settings.queue_bytes;
        }
        state.flush_singles();
        state.push(item, 0);
        state.urgent = true;
        drop(state);
        self.0.given.notify_one();
        true
    }

    /// Whether less than half of the room is taken.
    pub(crate) fn is_roomy(&self) -> bool {
        let state = self.lock();
        !state.closed && state.bytes <= state.bytes_max / 2
    }

    /// What waits: taken at once when something is urgent, else not before `not_before`, so that
    /// records come together; nothing at `deadline`.
    pub(crate) fn take(&self, not_before: Instant, deadline: Instant) -> VecDeque<Item> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let waiting = !state.items.is_empty() || state.singles.len() > 0;
            if state.urgent || now >= deadline || (waiting && now >= not_before) {
                state.urgent = false;
                state.flush_singles();
                return std::mem::take(&mut state.items);
            }
            let until = if waiting { not_before } else { deadline };
            let wait = until.min(deadline).saturating_duration_since(now);
            let (next, _timed_out) = self
                .0
                .given
                .wait_timeout(state, wait.max(Duration::from_micros(100)))
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }

    /// An item was worked off: its bytes are free, and its batch can be filled again.
    pub(crate) fn done(&self, bytes: usize, batch: Option<Batch>) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        if let Some(mut batch) = batch
            && state.spare.len() < SPARE_MAX
        {
            batch.clear();
            state.spare.push(batch);
        }
    }

    /// Nothing is taken from now on; what still waits is counted as dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.flush_singles();
        for item in std::mem::take(&mut state.items) {
            match item {
                Item::Entries(batch) => {
                    state.totals.dropped[Dropped::Queue as usize] += batch.len() as u64;
                }
                Item::Scrape(scrape) => {
                    state.totals.samples_dropped[0] += scrape.samples.len() as u64;
                }
                Item::Apply(_) | Item::Flush(_) | Item::Stop(_) => {}
            }
        }
        state.bytes = 0;
    }

    /// Changes the books.
    pub(crate) fn settle(&self, change: impl FnOnce(&mut KeptTotals)) {
        change(&mut self.lock().totals);
    }

    /// The books.
    pub(crate) fn totals(&self) -> KeptTotals {
        let state = self.lock();
        KeptTotals {
            queue_bytes: state.bytes as u64,
            ..state.totals.clone()
        }
    }

    /// A panic elsewhere leaves the state whole: every change is a few additions.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        !self.closed && (self.bytes == 0 || self.bytes + bytes <= self.bytes_max)
    }

    fn push(&mut self, item: Item, bytes: usize) {
        self.bytes += bytes;
        self.items.push_back(item);
    }

    /// Makes an item of the records of single givers, so that the order is kept.
    fn flush_singles(&mut self) {
        if self.singles.len() > 0 {
            let next = self.spare.pop().unwrap_or_default();
            let full = std::mem::replace(&mut self.singles, next);
            self.items.push_back(Item::Entries(full));
        }
    }
}
