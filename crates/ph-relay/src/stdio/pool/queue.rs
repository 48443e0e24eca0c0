//! Calls for which no child has room.

use ph_record::Live;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// As many permits as nobody uses up: calls are bounded elsewhere.
const UNBOUNDED: usize = 1 << 24;

/// Room on all children together; calls get it in the order in which they came.
pub(crate) struct Queue {
    free: Arc<Semaphore>,
    is_bounded: AtomicBool,
    /// Permits there are, taken or not. Changed under the lock of the seats.
    size: AtomicUsize,
    /// Permits that are to go when they come back.
    debt: AtomicUsize,
    waiting: AtomicUsize,
}

/// Why a call has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// Too many calls wait already.
    Full,
    /// Nothing became free in time.
    Late,
}

impl NoRoom {
    /// For whoever made the call.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "too many calls wait for this server",
            Self::Late => "no replica of this server had room within `replicas.queue_time`",
        }
    }
}

/// Room for one call, until dropped.
pub(crate) struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    queue: Arc<Queue>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let owed = self
            .queue
            .debt
            .fetch_update(Relaxed, Relaxed, |debt| debt.checked_sub(1));
        if let (Ok(_), Some(permit)) = (owed, self.permit.take()) {
            permit.forget();
        }
    }
}

/// Counts one waiting call until dropped, also when its task is cancelled.
struct Waiting<'a>(&'a Queue, &'a Live);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
        self.1.queue_depth.fetch_sub(1, Relaxed);
    }
}

impl Queue {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(UNBOUNDED)),
            is_bounded: AtomicBool::new(false),
            size: AtomicUsize::new(UNBOUNDED),
            debt: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Calls that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Room for `size` calls from now on; calls that have more keep it until they end.
    pub(super) fn resize(&self, size: Option<usize>) {
        self.is_bounded.store(size.is_some(), Relaxed);
        let size = size.unwrap_or(UNBOUNDED).min(UNBOUNDED);
        let old = self.size.swap(size, Relaxed);
        if size >= old {
            let mut more = size - old;
            let paid = |debt: usize| Some(debt - debt.min(more));
            if let Ok(debt) = self.debt.fetch_update(Relaxed, Relaxed, paid) {
                more -= debt.min(more);
            }
            self.free.add_permits(more);
        } else {
            let gone = self.free.forget_permits(old - size);
            self.debt.fetch_add(old - size - gone, Relaxed);
        }
    }

    /// Room at once, or after a wait. `None`: there is no bound.
    pub(super) async fn take(
        self: &Arc<Self>,
        live: &Live,
        queue_max: usize,
        limit: Duration,
    ) -> Result<Option<Permit>, NoRoom> {
        if !self.is_bounded.load(Relaxed) {
            return Ok(None);
        }
        let taken = |permit| {
            Some(Permit {
                permit: Some(permit),
                queue: Arc::clone(self),
            })
        };
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(taken(permit));
        }
        if self.waiting.fetch_add(1, Relaxed) >= queue_max {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(NoRoom::Full);
        }
        live.queue_depth.fetch_add(1, Relaxed);
        let _counted = Waiting(self, live);
        let permit = tokio::time::timeout(limit, Arc::clone(&self.free).acquire_owned()).await;
        match permit {
            Ok(Ok(permit)) => Ok(taken(permit)),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(NoRoom::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap()
    }

    #[test]
    fn what_is_taken_away_comes_back_no_more() {
        runtime().block_on(async {
            let (queue, live) = (Queue::new(), Live::default());
            let take = || queue.take(&live, 1, Duration::from_millis(10));
            assert!(
                take().await.unwrap().is_none(),
                "without a bound there is no permit"
            );
            queue.resize(Some(3));
            let three = [take().await, take().await, take().await];
            queue.resize(Some(1));
            assert_eq!(take().await.err(), Some(NoRoom::Late));
            let [a, b, c] = three;
            drop((a, b));
            assert_eq!(take().await.err(), Some(NoRoom::Late), "two were owed");
            drop(c);
            let one = take().await;
            assert!(one.is_ok());
            queue.resize(Some(2));
            let two = take().await;
            assert!(two.is_ok());
            let (late, full) = tokio::join!(take(), take());
            assert_eq!(late.err(), Some(NoRoom::Late));
            assert_eq!(full.err(), Some(NoRoom::Full));
            assert_eq!(live.queue_depth.load(Relaxed), 0);
        });
    }

    #[test]
    fn who_waits_goes_on_when_there_is_more_room() {
        runtime().block_on(async {
            let (queue, live) = (Queue::new(), Live::default());
            queue.resize(Some(1));
            let held = queue.take(&live, 9, Duration::from_secs(9)).await;
            let more = async { queue.resize(Some(2)) };
            let (taken, ()) = tokio::join!(queue.take(&live, 9, Duration::from_secs(9)), more);
            assert!(held.is_ok() && taken.is_ok());
        });
    }
}
