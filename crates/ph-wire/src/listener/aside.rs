//! A future beside another one in one task, which is polled when something wakes itself, and not with each wake of its
//! task. A connection is woken twice a call, and what watches over it once in a while.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// See the module.
pub(super) struct Aside<F> {
    future: F,
    bell: Arc<Bell>,
    waker: Waker,
    /// Of the task that it is in, as the bell knows it.
    task: Option<Waker>,
}

/// Woken in the place of the task.
#[derive(Default)]
struct Bell {
    has_rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = &*task {
            task.wake_by_ref();
        }
    }
}

impl<F: Future + Unpin> Aside<F> {
    pub(super) fn new(future: F) -> Self {
        let bell = Arc::new(Bell::default());
        Self {
            future,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            task: None,
        }
    }

    /// Looks whether it is done, if there is anything new.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<F::Output> {
        let is_known = self.task.as_ref().is_some_and(|t| t.will_wake(cx.waker()));
        if !is_known {
            let task = Some(cx.waker().clone());
            self.task.clone_from(&task);
            let mut known = self.bell.task.lock();
            **known.as_mut().unwrap_or_else(|e| e.get_mut()) = task;
        } else if !self.bell.has_rung.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        // Before it is polled: what rings meanwhile is for the next time.
        self.bell.has_rung.swap(false, Ordering::AcqRel);
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&self.waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_when_it_was_woken_and_wakes_the_task_that_it_is_in() {
        let (polls, inner) = (Cell::new(0), Cell::new(None));
        let mut aside = Aside::new(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            inner.set(Some(cx.waker().clone()));
            if polls.get() < 4 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        }));
        let ring = || inner.take().unwrap().wake();
        let (one, two) = (Arc::new(Task::default()), Arc::new(Task::default()));
        let wakers = (Waker::from(one.clone()), Waker::from(two.clone()));
        let mut poll = |waker: &Waker| aside.poll(&Context::from_waker(waker)).is_ready();
        for _ in 0..3 {
            assert!(!poll(&wakers.0));
        }
        assert_eq!(polls.get(), 1);
        ring();
        assert_eq!(one.0.load(Ordering::Relaxed), 1);
        assert!(!poll(&wakers.0) && !poll(&wakers.0));
        assert_eq!(polls.get(), 2);
        // In another task it is that which is woken.
        assert!(!poll(&wakers.1));
        assert_eq!(polls.get(), 3);
        ring();
        assert_eq!(two.0.load(Ordering::Relaxed), 1);
        assert_eq!(one.0.load(Ordering::Relaxed), 1);
        assert!(poll(&wakers.1));
    }
}
