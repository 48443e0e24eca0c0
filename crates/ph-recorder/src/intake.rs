//! The bounded way from a call's thread to the recorder's.
//!
//! Giving never waits: what does not fit is counted. The recorder's thread is woken by the first
//! observation after a quiet time only, and then works in batches until it is quiet again, so that
//! a busy gateway makes no system call per record.

use crate::exposition::RecordTotals;
use crate::registry::Sharded;
use crossbeam_queue::ArrayQueue;
use ph_record::{CallRecord, Observation};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, fence};
use std::thread::Thread;

/// Queue, counters and wake-up flag.
pub(crate) struct Intake {
    queue: ArrayQueue<Slot>,
    /// No more is taken; set once, when stopping.
    closed: AtomicBool,
    /// The recorder's thread sleeps until it is woken.
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
    offered: Sharded<AtomicU64>,
    dropped_queue: Sharded<AtomicU64>,
    written: AtomicU64,
    dropped_disk: AtomicU64,
    dropped_stdout: AtomicU64,
}

/// What a slot of the queue holds: a pointer, so that the many slots are small.
enum Slot {
    Call(Box<CallRecord>),
    Other(Box<Observation>),
}

impl From<Observation> for Slot {
    fn from(observation: Observation) -> Self {
        match observation {
            Observation::Call(record) => Self::Call(record),
            other => Self::Other(Box::new(other)),
        }
    }
}

impl From<Slot> for Observation {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Call(record) => Self::Call(record),
            Slot::Other(other) => *other,
        }
    }
}

impl Intake {
    /// - `records_max`: most observations waiting.
    pub(crate) fn new(records_max: usize) -> Self {
        Self {
            queue: ArrayQueue::new(records_max.max(1)),
            closed: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
            offered: Sharded::default(),
            dropped_queue: Sharded::default(),
            written: AtomicU64::new(0),
            dropped_disk: AtomicU64::new(0),
            dropped_stdout: AtomicU64::new(0),
        }
    }

    /// Queues an observation, or counts it as dropped.
    pub(crate) fn offer(&self, observation: Observation) {
        self.offered.mine().fetch_add(1, Relaxed);
        if self.closed.load(Relaxed) || self.queue.push(observation.into()).is_err() {
            self.dropped_queue.mine().fetch_add(1, Relaxed);
            return;
        }
        // Pairs with the fence of `fall_asleep`: either that sees this observation, or this sees
        // that the thread sleeps.
        fence(SeqCst);
        if self.asleep.load(Relaxed) {
            self.wake();
        }
    }

    /// Takes the oldest observation.
    pub(crate) fn take(&self) -> Option<Observation> {
        self.queue.pop().map(Observation::from)
    }

    /// Wakes the recorder's thread, if it sleeps.
    pub(crate) fn wake(&self) {
        if let (true, Some(thread)) = (self.asleep.swap(false, SeqCst), self.thread.get()) {
            thread.unpark();
        }
    }

    /// Names the thread that takes.
    pub(crate) fn set_thread(&self, thread: Thread) {
        // Called once, by that thread.
        let _first = self.thread.set(thread);
    }

    /// Announces sleep; `false` when there is something to do instead. The thread parks next.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Relaxed);
        fence(SeqCst);
        if self.queue.is_empty() {
            return true;
        }
        self.wake_up();
        false
    }

    /// Takes back the announcement.
    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Relaxed);
    }

    /// Takes no more from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Counts observations that left the queue.
    pub(crate) fn settle(&self, settled: Settled) {
        self.written.fetch_add(settled.written, Relaxed);
        self.dropped_disk.fetch_add(settled.dropped_disk, Relaxed);
        self.dropped_stdout
            .fetch_add(settled.dropped_stdout, Relaxed);
    }

    /// Counts what is left in the queue as dropped, once nobody takes any more.
    pub(crate) fn abandon(&self) {
        while self.queue.pop().is_some() {
            self.dropped_queue.mine().fetch_add(1, Relaxed);
        }
    }

    /// `offered = written + dropped + queued`, as soon as no batch is on its way.
    pub(crate) fn totals(&self) -> RecordTotals {
        let sum = |counter: &Sharded<AtomicU64>| counter.all().map(|c| c.load(Relaxed)).sum();
        RecordTotals {
            offered: sum(&self.offered),
            written: self.written.load(Relaxed),
            dropped_queue: sum(&self.dropped_queue),
            dropped_disk: self.dropped_disk.load(Relaxed),
            dropped_stdout: self.dropped_stdout.load(Relaxed),
            queued: self.queue.len() as u64,
        }
    }
}

/// What became of a batch, in observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) written: u64,
    pub(crate) dropped_disk: u64,
    pub(crate) dropped_stdout: u64,
}
