//! The bodies of the fake upstream: whole, streamed, hanging, or broken on purpose.

use super::Shared;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

type Later = Pin<Box<dyn Future<Output = Value> + Send>>;

/// One part of a body.
pub(super) enum Part {
    /// Bytes that are there.
    Bytes(Bytes),
    /// An event that comes when the future is ready.
    Later(Later),
    /// Events as somebody sends them, until the sender is gone.
    Stream(mpsc::Receiver<Bytes>),
    /// Nothing, for ever.
    Hang,
    /// What was sent reaches the client, then the body breaks.
    Break(io::Error),
    /// As `Break`, once the bytes before it have been handed to the kernel.
    BreakNow(io::Error),
}

/// Parts one after the other. Counts itself as open, and as abandoned when dropped before its end.
pub(super) struct Script {
    parts: VecDeque<Part>,
    shared: Arc<Shared>,
    is_ended: bool,
    is_stream: bool,
}

impl Script {
    pub(super) fn new(shared: &Arc<Shared>, parts: impl IntoIterator<Item = Part>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self {
            parts: parts.into_iter().collect(),
            shared: Arc::clone(shared),
            is_ended: false,
            is_stream: false,
        }
    }

    /// Makes it a body of unknown length.
    pub(super) fn into_stream(self) -> Self {
        let mut stream = self;
        stream.is_stream = true;
        stream
    }

    /// Ends it as if all of it had been given.
    pub(super) fn finish(mut self) {
        self.is_ended = true;
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !self.is_ended && !self.parts.is_empty() {
            self.shared.abandoned.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            let Some(part) = self.parts.front_mut() else {
                self.is_ended = true;
                return Poll::Ready(None);
            };
            let bytes = match part {
                Part::Bytes(bytes) => Some(std::mem::take(bytes)),
                Part::Later(later) => {
                    let Poll::Ready(message) = later.as_mut().poll(context) else {
                        return Poll::Pending;
                    };
                    Some(event(None, &message).into())
                }
                Part::Stream(stream) => {
                    let Poll::Ready(next) = stream.poll_recv(context) else {
                        return Poll::Pending;
                    };
                    match next {
                        Some(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                        None => None,
                    }
                }
                Part::Hang => return Poll::Pending,
                Part::Break(error) => {
                    // One turn, in which the connection writes what it has.
                    *part = Part::BreakNow(io::Error::from(error.kind()));
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Part::BreakNow(error) => {
                    let error = io::Error::from(error.kind());
                    self.is_ended = true;
                    self.parts.clear();
                    return Poll::Ready(Some(Err(error)));
                }
            };
            self.parts.pop_front();
            if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let whole = self.parts.iter().try_fold(0, |sum, part| match part {
            Part::Bytes(bytes) => Some(sum + bytes.len() as u64),
            _ => None,
        });
        // An event stream has no length even when all of it is known.
        whole
            .filter(|_| !self.is_stream)
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A message as an event.
pub(super) fn event(id: Option<&str>, message: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: message\n{id}data: {message}\n\n")
}
