//! Word from elsewhere to the task that owns a call: it was cancelled, or its
//! answer came on another stream of the session.

use ph_mcp::{MessageId, ServerMessage};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

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
    waiting: Mutex<Vec<Signal>>,
    notify: Notify,
}

impl Mailbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn put(&self, signal: Signal) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(signal);
        self.notify.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<Signal> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when something may be in the box.
    pub(crate) async fn filled(&self) {
        self.notify.notified().await;
    }
}
