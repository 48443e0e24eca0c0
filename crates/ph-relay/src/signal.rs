//! Word from elsewhere to the task that owns a call: it was cancelled, or its
//! answer came on another stream of the session.

use ph_mcp::{MessageId, ServerMessage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What is said.
#[derive(Debug)]
pub(crate) enum Signal {
    /// The client sent `notifications/cancelled`.
    Cancelled(MessageId),
    /// The answer passed on another stream: its length, and whether that stream has a client.
    Answered(MessageId, Box<ServerMessage>, u64, bool),
    /// The session is over.
    SessionEnded,
}

/// One task's box. At most one answer and one cancellation per call of the task
/// are put in, plus one end of session.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Vec<Signal>,
    /// Of the task that owns the box.
    owner: Option<Waker>,
}

impl Mailbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn put(&self, signal: Signal) {
        let mut inner = self.inner();
        inner.waiting.push(signal);
        let owner = inner.owner.take();
        drop(inner);
        if let Some(owner) = owner {
            owner.wake();
        }
    }

    pub(crate) fn take(&self) -> Vec<Signal> {
        std::mem::take(&mut self.inner().waiting)
    }

    /// Ready when something is in the box; only its owner asks.
    pub(crate) fn poll_filled(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.inner();
        if !inner.waiting.is_empty() {
            return Poll::Ready(());
        }
        match &mut inner.owner {
            Some(owner) => owner.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
