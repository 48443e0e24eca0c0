//! `logs/follow`: records as they come, as an event stream.

use super::request::{self, QUERY};
use crate::endpoint::Param;
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use ph_store::Filter;
use ph_store::logs::{Batch, LogReader, Seq};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

pub(crate) const FOLLOW: &[Param] = &[
    QUERY,
    Param::text(
        "after",
        "The number of the last record that is known; without it, records from now on. \
         The header Last-Event-ID says the same.",
    ),
];

/// Records and bytes that are read at once.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;
/// Batches that wait for a slow client; then reading waits, and nothing is lost but time.
const BATCHES_MAX: usize = 2;
/// How often it is looked for new records.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a stream is quiet at most: what lies between closes silent connections.
pub(super) const QUIET_MAX: Duration = Duration::from_secs(10);

/// `GET /api/pilothouse/logs/follow`
pub(crate) async fn follow(
    State(shared): State<Shared>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, FOLLOW)?;
    let filter = request::filter(params.get("query").unwrap_or_default())?;
    let reader = request::logs(&shared)?;
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let from = match resumed.or(params.get("after")) {
        Some(text) => {
            let last: u64 = text.parse().map_err(|_| {
                ApiError::bad_request("`after` is no number of a record")
                    .hint("it is the `id` of an event")
            })?;
            Seq(last.saturating_add(1))
        }
        None => request::search(&shared, |reader, _| reader.stats())
            .await?
            .seqs
            .map_or(Seq(0), |(_, last)| last.next()),
    };
    let permit = place(&shared)?;
    let (events, body) = mpsc::channel(BATCHES_MAX);
    let follower = Follower {
        reader,
        filter: Arc::new(filter),
        events,
        end: shared.sources.end.clone(),
    };
    tokio::spawn(async move {
        let _permit = permit;
        follower.run(from).await;
    });
    let body = Body::new(Events(body));
    Ok(reply::typed(StatusCode::OK, "text/event-stream", body))
}

/// One of the places for clients that follow.
pub(super) fn place(shared: &Shared) -> Result<OwnedSemaphorePermit, ApiError> {
    let free = Arc::clone(&shared.followers).try_acquire_owned();
    free.map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many clients follow already",
        )
        .hint("close one of them, or ask for pages")
    })
}

struct Follower {
    reader: LogReader,
    filter: Arc<Filter>,
    events: mpsc::Sender<Bytes>,
    end: CancellationToken,
}

impl Follower {
    /// Until the client leaves, or Pilothouse stops.
    async fn run(self, mut from: Seq) {
        let mut quiet = Duration::ZERO;
        // The head goes out at once, so that a client knows that it is heard.
        let mut next = Bytes::from_static(b": following\n\n");
        loop {
            if !next.is_empty() {
                quiet = Duration::ZERO;
                let sent = tokio::select! {
                    sent = self.events.send(next) => sent.is_ok(),
                    () = self.end.cancelled() => false,
                };
                if !sent {
                    return;
                }
            }
            let batch = match self.batch(from).await {
                Some(batch) => batch,
                // The file system failed; the client may come again with the last id.
                None => return,
            };
            from = batch.next;
            next = write(&batch);
            if next.is_empty() {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => quiet += LOOK_EVERY,
                    () = self.events.closed() => return,
                    () = self.end.cancelled() => return,
                }
                if quiet >= QUIET_MAX {
                    next = Bytes::from_static(b":\n\n");
                }
            }
        }
    }

    async fn batch(&self, from: Seq) -> Option<Batch> {
        let (reader, filter) = (self.reader.clone(), Arc::clone(&self.filter));
        let read = move || reader.follow(from, &filter, BATCH_RECORDS, BATCH_BYTES);
        tokio::task::spawn_blocking(read).await.ok()?.ok()
    }
}

/// A batch as events; a record is one line, and so is its event's data.
fn write(batch: &Batch) -> Bytes {
    let mut out = Vec::new();
    if batch.missed > 0 {
        let missed = format!("event: missed\ndata: {{\"missed\":{}}}\n\n", batch.missed);
        out.extend_from_slice(missed.as_bytes());
    }
    for hit in &batch.entries {
        out.extend_from_slice(format!("id: {}\ndata: ", hit.seq).as_bytes());
        out.extend_from_slice(&hit.json);
        out.extend_from_slice(b"\n\n");
    }
    out.into()
}

/// What comes through a channel as a body; its drop tells the sender that the client has left.
pub(super) struct Events(pub(super) mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(context);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
