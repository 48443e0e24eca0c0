//! What a child says to one call, until the call's task takes it.

use bytes::Bytes;
use ph_mcp::ServerMessage;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Frames that may wait for a client that reads slowly; further ones are dropped and counted.
const FRAMES_MAX: usize = 1024;
/// Their bytes.
const BYTES_MAX: usize = 16 << 20;

/// One thing that happened to a call.
#[derive(Debug)]
pub(crate) enum Item {
    /// A message of the child, as it is to go to the client.
    Frame(Box<Frame>),
    /// The child is gone, and why.
    Died(Arc<str>),
    /// The client took the call back.
    Cancelled,
    /// The session is over.
    SessionEnded,
}

/// A message of the child.
#[derive(Debug)]
pub(crate) struct Frame {
    pub bytes: Bytes,
    pub message: ServerMessage,
    /// It answers the call.
    pub is_answer: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
}

/// One call's box.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    notify: Notify,
}

impl Inbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Puts `item` in. `false` when there was no room; an answer or an end always has.
    pub(crate) fn put(&self, item: Item) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Item::Frame(frame) = &item {
            let full =
                waiting.items.len() >= FRAMES_MAX || waiting.bytes + frame.bytes.len() > BYTES_MAX;
            if full && !frame.is_answer {
                return false;
            }
            waiting.bytes += frame.bytes.len();
        }
        waiting.items.push_back(item);
        drop(waiting);
        self.notify.notify_one();
        true
    }

    pub(crate) fn take(&self) -> Option<Item> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let item = waiting.items.pop_front()?;
        if let Item::Frame(frame) = &item {
            waiting.bytes -= frame.bytes.len();
        }
        Some(item)
    }

    /// The next item. Cancel safe.
    pub(crate) async fn next(&self) -> Item {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            self.notify.notified().await;
        }
    }
}
