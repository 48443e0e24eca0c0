//! The events of a legacy session's streams, kept for a while, so that a client
//! that lost a stream can take it up again (`Last-Event-ID`).
//!
//! Stream 0 is the standing GET stream; every POST answered by an event stream
//! has one of its own. A GET reads from here only, so that taking up and
//! listening on are one thing.

use bytes::Bytes;
use ph_wire::sse;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Events that are kept per session.
const EVENTS_MAX: usize = 512;
/// Their bytes.
const BYTES_MAX: usize = 1 << 20;
/// The standing stream.
pub(crate) const STANDING: u64 = 0;
/// How long a client waits before it takes a stream up again, in milliseconds.
const RETRY_MS: u64 = 1000;

#[derive(Default)]
struct Stream {
    events: VecDeque<(u64, Bytes)>,
    next: u64,
    /// Events before this one have been handed to a client.
    handed: u64,
    closed: bool,
    /// Clients that have taken it up.
    readers: usize,
}

#[derive(Default)]
struct Inner {
    streams: HashMap<u64, Stream>,
    next_stream: u64,
    /// Which stream the oldest event is of, and so on.
    order: VecDeque<u64>,
    bytes: usize,
    /// Events that nobody had been handed when they had to go.
    dropped: u64,
    ended: bool,
}

/// The events of one session.
#[derive(Default)]
pub(crate) struct Events {
    inner: Mutex<Inner>,
    changed: Notify,
}

/// What there is to read of a stream.
pub(crate) struct Reading {
    pub events: Vec<Bytes>,
    /// Where to read on.
    pub next: u64,
    /// Nothing more will come.
    pub over: bool,
}

impl Events {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a stream of a POST; its first event carries an id and a retry time and no data.
    pub(crate) fn open(&self) -> (u64, Bytes) {
        let mut inner = self.inner();
        inner.next_stream += 1;
        let stream = inner.next_stream;
        inner.streams.insert(
            stream,
            Stream {
                next: 1,
                ..Stream::default()
            },
        );
        // One event: a block of its own for `retry` would be taken for another message by some clients.
        (
            stream,
            format!("id: {stream}-0\nretry: {RETRY_MS}\ndata: \n\n").into(),
        )
    }

    /// Adds a message; returns its event as it goes on the wire.
    pub(crate) fn add(&self, stream: u64, message: &[u8]) -> Bytes {
        let mut inner = self.inner();
        let entry = inner.streams.entry(stream).or_default();
        if entry.next == 0 {
            entry.next = 1;
        }
        let at = entry.next;
        entry.next += 1;
        let mut event = Vec::with_capacity(message.len() + 40);
        sse::write_event(&mut event, Some(&format!("{stream}-{at}")), message);
        let event = Bytes::from(event);
        entry.events.push_back((at, event.clone()));
        inner.order.push_back(stream);
        inner.bytes += event.len();
        while inner.order.len() > EVENTS_MAX || inner.bytes > BYTES_MAX {
            if !inner.forget_oldest() {
                break;
            }
        }
        drop(inner);
        self.changed.notify_waiters();
        event
    }

    /// A client begins to read `stream`.
    pub(crate) fn taken_up(&self, stream: u64) {
        self.inner().streams.entry(stream).or_default().readers += 1;
    }

    /// A client that read `stream` has left.
    pub(crate) fn let_go(&self, stream: u64) {
        if let Some(entry) = self.inner().streams.get_mut(&stream) {
            entry.readers = entry.readers.saturating_sub(1);
        }
    }

    /// Whether what is added to `stream` goes to a client at once.
    pub(crate) fn is_read(&self, stream: u64) -> bool {
        let inner = self.inner();
        inner.streams.get(&stream).is_some_and(|s| s.readers > 0)
    }

    /// Nothing more comes on `stream`.
    pub(crate) fn close(&self, stream: u64) {
        if let Some(entry) = self.inner().streams.get_mut(&stream) {
            entry.closed = true;
        }
        self.changed.notify_waiters();
    }

    /// The session is over: every stream ends.
    pub(crate) fn end(&self) {
        self.inner().ended = true;
        self.changed.notify_waiters();
    }

    /// Where a client that names `last_event_id` goes on; `None` when the id is not ours.
    pub(crate) fn place(&self, last_event_id: &str) -> Option<(u64, u64)> {
        let (stream, at) = last_event_id.split_once('-')?;
        let (stream, at): (u64, u64) = (stream.parse().ok()?, at.parse().ok()?);
        let inner = self.inner();
        let known = stream == STANDING || inner.streams.contains_key(&stream);
        known.then_some((stream, at + 1))
    }

    /// Where the standing stream has not been handed out yet.
    pub(crate) fn standing_place(&self) -> u64 {
        self.inner()
            .streams
            .get(&STANDING)
            .map_or(1, |s| s.handed.max(1))
    }

    /// What `stream` has from `from` on; waits until there is something, or it is over. Cancel safe.
    pub(crate) async fn read(&self, stream: u64, from: u64) -> Reading {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(reading) = self.read_now(stream, from) {
                return reading;
            }
            changed.await;
        }
    }

    fn read_now(&self, stream: u64, from: u64) -> Option<Reading> {
        let mut inner = self.inner();
        let ended = inner.ended;
        let entry = inner.streams.entry(stream).or_default();
        let events: Vec<_> = entry
            .events
            .iter()
            .filter(|(at, _)| *at >= from)
            .map(|(_, e)| e.clone())
            .collect();
        let next = entry.next.max(from);
        let over = entry.closed || ended;
        if events.is_empty() && !over {
            return None;
        }
        entry.handed = entry.handed.max(next);
        Some(Reading { events, next, over })
    }

    /// Events dropped since the last call that nobody had been handed.
    pub(crate) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.inner().dropped)
    }

    /// Everything added to `stream` so far has been handed to its own client.
    pub(crate) fn handed(&self, stream: u64) {
        if let Some(entry) = self.inner().streams.get_mut(&stream) {
            entry.handed = entry.next;
        }
    }
}

impl Inner {
    fn forget_oldest(&mut self) -> bool {
        let Some(stream) = self.order.pop_front() else {
            return false;
        };
        let Some(entry) = self.streams.get_mut(&stream) else {
            return true;
        };
        if let Some((at, event)) = entry.events.pop_front() {
            self.bytes -= event.len();
            self.dropped += u64::from(at >= entry.handed);
        }
        if entry.closed && entry.events.is_empty() {
            self.streams.remove(&stream);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_taken_up_where_it_was_left() {
        let events = Events::default();
        let (stream, priming) = events.open();
        assert_eq!(&priming[..], b"id: 1-0\nretry: 1000\ndata: \n\n");
        let first = events.add(stream, b"{\"a\":1}");
        assert_eq!(&first[..], b"id: 1-1\ndata: {\"a\":1}\n\n");
        events.add(stream, b"{\"a\":2}");
        let (stream, from) = events.place("1-1").unwrap();
        let reading = events.read(stream, from).await;
        assert_eq!((reading.events.len(), reading.over), (1, false));
        events.close(stream);
        let reading = events.read(stream, reading.next).await;
        assert!(reading.events.is_empty() && reading.over);
        assert!(!events.is_read(stream));
        events.taken_up(stream);
        assert!(events.is_read(stream));
        events.let_go(stream);
        assert!(!events.is_read(stream));
        assert_eq!(events.place("9-1"), None);
        assert_eq!(events.place("nonsense"), None);
    }

    #[test]
    fn old_events_are_forgotten_and_counted_when_nobody_had_them() {
        let events = Events::default();
        for _ in 0..EVENTS_MAX + 10 {
            events.add(STANDING, b"{}");
        }
        assert_eq!(events.take_dropped(), 10);
        events.handed(STANDING);
        events.add(STANDING, b"{}");
        assert_eq!(events.take_dropped(), 0);
    }
}
