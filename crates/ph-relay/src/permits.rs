//! How many calls a server is given at once, and how many may wait.

use ph_record::Live;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// The permits of one server.
pub(crate) struct Permits {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue_max: usize,
}

/// Too many calls are waiting already.
#[derive(Debug)]
pub(crate) struct QueueFull;

/// Counts one waiting call until dropped, also when its task is cancelled.
struct Waiting<'a>(&'a Permits, &'a Live);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
        self.1.queue_depth.fetch_sub(1, Relaxed);
    }
}

impl Permits {
    pub(crate) fn new(in_flight_max: u32, queue_max: u32) -> Self {
        let free = Arc::new(Semaphore::new(
            (in_flight_max as usize).min(Semaphore::MAX_PERMITS),
        ));
        Self {
            free,
            waiting: AtomicUsize::new(0),
            queue_max: queue_max as usize,
        }
    }

    /// A permit at once, or after waiting in the bounded queue.
    pub(crate) async fn take(&self, live: &Live) -> Result<OwnedSemaphorePermit, QueueFull> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(QueueFull),
            Err(TryAcquireError::NoPermits) => {}
        }
        if self.waiting.fetch_add(1, Relaxed) >= self.queue_max {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(QueueFull);
        }
        live.queue_depth.fetch_add(1, Relaxed);
        let _counted = Waiting(self, live);
        Arc::clone(&self.free)
            .acquire_owned()
            .await
            .map_err(|_| QueueFull)
    }
}
