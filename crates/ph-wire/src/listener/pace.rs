//! How a connection goes on: whether requests come, and whether their answers are taken.
//!
//! On a connection of HTTP/1 the socket says so, and hyper's own clock. On one of HTTP/2 a client can answer to
//! everything and still take nothing: the windows are its to open. There each answer is watched.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What is known of a connection.
#[derive(Default)]
pub(super) struct Pace {
    /// Requests that came.
    requests: AtomicU64,
    /// It speaks HTTP/2.
    is_h2: AtomicBool,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    /// Requests of HTTP/2 that are not over; since when their client is to take what there is, if it is.
    streams: HashMap<u64, Option<Instant>>,
}

/// How a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// Not one request came.
    Silent,
    /// Somebody else looks after it.
    Http1,
    /// Requests came, or are open.
    Busy,
    /// None came since the last look, and none is open.
    Idle,
    /// An answer is not taken.
    Stalled,
}

impl Pace {
    /// A request came; what it says is kept until its answer is over.
    pub(super) fn request(self: &Arc<Self>, is_h2: bool) -> Option<Stream> {
        self.requests.fetch_add(1, Relaxed);
        if !is_h2 {
            return None;
        }
        self.is_h2.store(true, Relaxed);
        let mut open = self.open();
        let id = open.next;
        open.next += 1;
        open.streams.insert(id, None);
        drop(open);
        Some(Stream {
            pace: Arc::clone(self),
            id,
        })
    }

    /// Whether any request came.
    pub(super) fn has_asked(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// - `seen`: requests at the last look; those of now afterwards.
    /// - `limit`: for a client to take what there is.
    pub(super) fn look(&self, seen: &mut u64, limit: Duration) -> Going {
        let requests = self.requests.load(Relaxed);
        let before = std::mem::replace(seen, requests);
        if requests == 0 {
            return Going::Silent;
        }
        if !self.is_h2.load(Relaxed) {
            return Going::Http1;
        }
        let open = self.open();
        let mut since = open.streams.values().flatten();
        if since.any(|since| since.elapsed() > limit) {
            Going::Stalled
        } else if open.streams.is_empty() && before == requests {
            Going::Idle
        } else {
            Going::Busy
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request of HTTP/2 that is not over.
pub(super) struct Stream {
    pace: Arc<Pace>,
    id: u64,
}

impl Stream {
    /// Whose turn it is: the client's, to take what there is, or ours.
    fn wait(&self, for_client: bool) {
        let since = for_client.then(Instant::now);
        self.pace.open().streams.insert(self.id, since);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.pace.open().streams.remove(&self.id);
    }
}

/// The body of an answer, which says whether it is taken.
pub(super) struct Paced<B> {
    body: B,
    stream: Option<Stream>,
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, stream: Option<Stream>) -> Self {
        // It is asked for its first piece as soon as the client's window is open.
        if let Some(stream) = &stream {
            stream.wait(true);
        }
        Self { body, stream }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(stream) = &self.stream {
            stream.wait(frame.is_ready());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[test]
    fn a_connection_is_silent_then_busy_then_idle() {
        let (pace, mut seen) = (Arc::new(Pace::default()), 0);
        let limit = Duration::from_secs(60);
        assert_eq!(pace.look(&mut seen, limit), Going::Silent);
        let stream = pace.request(true);
        assert_eq!(pace.look(&mut seen, limit), Going::Busy);
        drop(stream);
        assert_eq!(pace.look(&mut seen, limit), Going::Idle);
        drop(pace.request(true));
        assert_eq!(pace.look(&mut seen, limit), Going::Busy);
        assert_eq!(pace.look(&mut seen, limit), Going::Idle);
    }

    #[test]
    fn http_1_is_left_alone() {
        let (pace, mut seen) = (Arc::new(Pace::default()), 0);
        assert!(pace.request(false).is_none());
        assert_eq!(pace.look(&mut seen, Duration::ZERO), Going::Http1);
    }

    #[test]
    fn an_answer_that_nobody_asks_on_for_has_stalled() {
        let (pace, mut seen) = (Arc::new(Pace::default()), 0);
        let stream = pace.request(true);
        // The call runs: that is nobody's fault.
        assert_eq!(pace.look(&mut seen, Duration::ZERO), Going::Busy);
        let body = Paced::new(Full::new(Bytes::from_static(b"x")), stream);
        assert_eq!(pace.look(&mut seen, Duration::ZERO), Going::Stalled);
        assert_eq!(pace.look(&mut seen, Duration::from_secs(60)), Going::Busy);
        drop(body);
        assert_eq!(pace.look(&mut seen, Duration::ZERO), Going::Idle);
    }
}
