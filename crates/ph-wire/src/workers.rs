//! Threads that each run one single-threaded runtime.
//!
//! A connection, the calls on it and their upstream connections stay on one
//! thread, so that a call costs no wake-up of another thread. Measured against
//! a work-stealing runtime: see ARCHITECTURE.md, "Threads".

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

thread_local! {
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The index of the worker this runs on; `None` outside of workers.
pub fn index() -> Option<usize> {
    INDEX.with(Cell::get)
}

struct Worker {
    handle: Handle,
    /// Connections that live there.
    load: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A fixed set of workers.
pub struct Workers {
    all: Vec<Worker>,
    stop: CancellationToken,
}

/// Counts one connection on its worker until dropped.
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts `count` threads (at least one).
    ///
    /// # Errors
    /// The system's error when a thread or its event queue cannot be made.
    pub fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let all = (0..count.max(1))
            .map(|i| Worker::start(i, stop.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self { all, stop })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Runs `make()` on the worker with the fewest connections, and counts it there.
    pub fn place<F>(&self, make: impl FnOnce(Place) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let least = self
            .all
            .iter()
            .min_by_key(|w| w.load.load(Ordering::Relaxed));
        let Some(worker) = least else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        worker.handle.spawn(make(Place(Arc::clone(&worker.load))));
    }

    /// The runtime of worker `i`, modulo their number.
    pub fn handle(&self, i: usize) -> &Handle {
        &self.all[i % self.all.len()].handle
    }

    /// Ends the threads; whatever still runs on them is dropped.
    pub fn stop(&self) {
        self.stop.cancel();
        for worker in &self.all {
            let thread = worker
                .thread
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(thread) = thread {
                // A worker that panicked has already said so on stderr.
                let _ = thread.join();
            }
        }
    }
}

/// How often a worker's clock ticks.
const TICK: Duration = Duration::from_millis(500);

/// Ticks until `stop`.
///
/// A timer that is earlier than every other one of its runtime makes tokio write
/// to the runtime's own wake-up descriptor. The deadline of a call is such a timer
/// when there is no other: a system call per call. With a tick it never is.
async fn tick_until(stop: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
    }
}

impl Worker {
    fn start(i: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{i}"))
            .spawn(move || {
                INDEX.with(|index| index.set(Some(i)));
                runtime.block_on(tick_until(stop));
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            load: Arc::default(),
            thread: Mutex::new(Some(thread)),
        })
    }
}
