//! The event streams that clients of legacy sessions open by GET: the standing one, or one that was lost.

use super::events::STANDING;
use super::legacy::gone;
use super::session::{Reader, Standing};
use super::{StdioServer, accepts};
use crate::inbound::Client;
use crate::reply::{OwnError, Reply};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use ph_mcp::error::code;
use ph_mcp::headers;
use ph_record::RefusedReason;
use ph_wire::body::{Body, Piece};
use std::sync::Arc;
use std::time::Duration;

impl StdioServer {
    pub(super) fn get_legacy(self: Arc<Self>, client: &Client) -> Response<Body> {
        let refused = |reason, error: OwnError| {
            self.shared.refused(&self.server, reason, client.peer);
            error.response(None)
        };
        let session = match self.session_of(client) {
            Ok(session) => session,
            Err((reason, error)) => return refused(reason, error),
        };
        if !accepts(client).1 {
            return refused(
                RefusedReason::NotAcceptable,
                OwnError::new(406, code::REFUSED, "`Accept` must allow text/event-stream"),
            );
        }
        session.touch();
        let place = match client.header(headers::LAST_EVENT_ID) {
            Some(last) => match session.events.place(last) {
                Some(place) => Some(place),
                None => {
                    return refused(
                        RefusedReason::Head,
                        OwnError::new(
                            400,
                            code::BAD_REQUEST,
                            "Bad Request: this `Last-Event-ID` is not known here",
                        ),
                    );
                }
            },
            None => None,
        };
        let stream = place.map_or(STANDING, |(stream, _)| stream);
        let standing = if stream == STANDING {
            session.listen()
        } else {
            None
        };
        if stream == STANDING && standing.is_none() {
            return refused(
                RefusedReason::DuplicateId,
                OwnError::new(
                    409,
                    code::BAD_REQUEST,
                    "Conflict: this session has a standing stream already",
                ),
            );
        }
        let from = place.map_or_else(|| session.events.standing_place(), |(_, from)| from);
        // Whoever sees the head can rely on being sent what is said from now on.
        let reader = session.reader(stream);
        let (mut reply, mut response) = Reply::new();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        );
        headers.insert(
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        );
        reply.begin(StatusCode::OK, headers, None);
        let tracker = self.shared.parts.calls.clone();
        tracker.spawn(self.listen(reader, from, standing, reply));
        response
            .try_recv()
            .unwrap_or_else(|_| gone().response(None))
    }

    /// Hands the events of one stream to a client until one of them is over.
    async fn listen(
        self: Arc<Self>,
        reader: Reader,
        mut from: u64,
        _standing: Option<Standing>,
        mut reply: Reply,
    ) {
        let end = self.shared.parts.end_streams.clone();
        let abort = self.shared.parts.abort.clone();
        let mut quiet = Duration::from_secs(1);
        loop {
            let reading = tokio::select! {
                reading = reader.read(from) => reading,
                () = reply.closed() => return,
                () = end.cancelled() => return reply.last_words(Bytes::new()),
                () = abort.cancelled() => return,
                () = tokio::time::sleep(quiet) => {
                    if let Some(room) = reply.room_now() {
                        room.send(Piece::Data(Bytes::from_static(ph_wire::sse::KEEP_ALIVE)));
                    }
                    quiet = self.tuning.load().keep_alive;
                    continue;
                }
            };
            for event in reading.events {
                if !reply.piece(event).await {
                    return;
                }
            }
            from = reading.next;
            if reading.over {
                return reply.end().await;
            }
            quiet = self.tuning.load().keep_alive;
        }
    }
}
