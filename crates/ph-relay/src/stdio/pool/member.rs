//! One child of the pool, and a call's place on it.

use super::Pool;
use super::queue::Permit;
use crate::stdio::link::Link;
use ph_policy::pool::{Breaker, BreakerRules, Turn};
use ph_record::Ending;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// It takes no more calls; the rest of the number counts those that it has.
const CLOSED: u32 = 1 << 31;

/// One child that serves stateless calls.
pub(crate) struct Member {
    pub(crate) link: Arc<Link>,
    pub(super) slot: u16,
    pub(super) since: Instant,
    calls: AtomicU32,
    /// It is closed, and its last call has ended.
    empty: Notify,
    breaker: Mutex<Breaker>,
    /// Calls have put it out.
    pub(super) turned: Notify,
}

impl Member {
    pub(super) fn new(link: Arc<Link>, slot: u16, rules: BreakerRules) -> Arc<Self> {
        Arc::new(Self {
            link,
            slot,
            since: Instant::now(),
            calls: AtomicU32::new(0),
            empty: Notify::new(),
            breaker: Mutex::new(Breaker::new(rules)),
            turned: Notify::new(),
        })
    }

    /// Calls that it has.
    pub(super) fn load(&self) -> u32 {
        self.calls.load(Relaxed) & !CLOSED
    }

    /// The same, and more than anything when it takes none.
    pub(super) fn load_or_closed(&self) -> u32 {
        self.calls.load(Relaxed)
    }

    pub(super) fn is_open(&self) -> bool {
        self.calls.load(Relaxed) & CLOSED == 0
    }

    /// Counts one more call, unless it takes none.
    pub(super) fn enter(&self) -> bool {
        let more = |calls: u32| (calls & CLOSED == 0).then_some(calls + 1);
        self.calls.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    fn leave(&self) {
        if self.calls.fetch_sub(1, Relaxed) == CLOSED + 1 {
            self.empty.notify_one();
        }
    }

    /// No more calls from now on.
    pub(super) fn close(&self) {
        self.calls.fetch_or(CLOSED, Relaxed);
    }

    /// Returns when a closed member has no calls.
    pub(super) async fn emptied(&self) {
        while self.load() > 0 {
            self.empty.notified().await;
        }
    }

    pub(super) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call's place on a child, until dropped.
pub(crate) struct Place {
    pub(crate) member: Arc<Member>,
    pool: Arc<Pool>,
    /// `None` for a stream, which takes no place from calls.
    begun: Option<Instant>,
    _permit: Option<Permit>,
}

impl Place {
    /// On a child that was entered, if `counted`.
    pub(super) fn new(
        pool: &Arc<Pool>,
        member: Arc<Member>,
        counted: bool,
        permit: Option<Permit>,
    ) -> Self {
        Self {
            member,
            pool: Arc::clone(pool),
            begun: counted.then(Instant::now),
            _permit: permit,
        }
    }

    /// How the call ended.
    pub(crate) fn ended(self, ending: Ending) {
        let Some(begun) = self.begun else {
            return;
        };
        let failed = match ending {
            Ending::Answered(_) => false,
            Ending::Deadline | Ending::BadAnswer | Ending::ServerDied => true,
            _ => return,
        };
        if !failed {
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.pool.ended.fetch_add(1, Relaxed);
            self.pool.ended_ns.fetch_add(took, Relaxed);
        }
        // The last one stays: a child that may be busy is better than none.
        if self.pool.ready.load().len() > 1 {
            let now: Duration = self.pool.now();
            if let Some(Turn::Out(_)) = self.member.breaker().ended(now, failed) {
                self.member.turned.notify_one();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.begun.is_some() {
            self.member.leave();
        }
    }
}
