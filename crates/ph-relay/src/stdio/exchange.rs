//! One call on a child: from the line that goes in to the record.
//!
//! The answer is JSON, unless a frame precedes it, or it takes long, or the
//! client prefers an event stream. It runs as its own task; see `http::exchange`
//! for what that is good for.

use super::events::Events;
use super::inbox::{Frame, Inbox, Item};
use super::link::{Link, NoWait};
use super::session::StdioSession;
use super::waiter::{Restore, Waiter};
use crate::call::Call;
use crate::cancel::{CancelCause, on_cancel};
use crate::drive::Carried;
use crate::guard::{Lists, unreadable};
use crate::reply::{OwnError, Reply, json_headers};
use crate::shared::Shared;
use crate::tuning::Tuning;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ph_base::{Era, Method};
use ph_mcp::MessageId;
use ph_mcp::error::{code, modern_http_status};
use ph_record::{Ending, RefusedReason, Server};
use ph_wire::body::{Body, Piece};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

/// After this long without an answer an event stream is begun, if the client
/// takes one, so that nothing between us and it gives up.
const JSON_WAIT_MAX: Duration = Duration::from_secs(10);
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a call needs to go through a child.
pub(super) struct Exchange {
    pub shared: Arc<Shared>,
    pub server: Arc<Server>,
    pub link: Arc<Link>,
    pub tuning: Arc<Tuning>,
    pub call: Call,
    /// The line for the child.
    pub line: Bytes,
    /// The id and token as the child knows them, and how they go back.
    pub id: MessageId,
    pub restore: Option<Restore>,
    pub token: Option<MessageId>,
    pub wants_log: bool,
    pub takes_events: bool,
    pub prefers_events: bool,
    /// The legacy session, whose streams can be taken up again.
    pub session: Option<Arc<StdioSession>>,
    /// Headers of the answer (the new session's id).
    pub headers: HeaderMap,
    pub reply: Reply,
}

/// How a call went.
enum Fate {
    Answered(Box<Frame>),
    Ended(Ending, Option<OwnError>),
}

impl Exchange {
    /// The whole call, then `ended` with how it ended; stopping waits for it.
    pub(super) fn carried(self: Box<Self>, ended: impl FnOnce(Ending) + Send + 'static) -> Carried {
        let counted = self.shared.parts.calls.token();
        Box::pin(async move {
            ended(self.run().await);
            drop(counted);
        })
    }

    /// Carries the call to its end. Returns how it ended.
    async fn run(mut self: Box<Self>) -> Ending {
        let inbox = Inbox::new();
        let is_stream = self.call.method.is_stream();
        let started = self.call.started();
        let total = match self.call.method {
            _ if is_stream => FAR,
            Method::Initialize => self.tuning.timeouts.initialize,
            _ => self.tuning.timeouts.total,
        };
        let deadline = started + total;
        let mut stream = Stream {
            id: None,
            begun: false,
        };
        let fate = self
            .converse(&inbox, deadline, is_stream, &mut stream)
            .await;
        let session = self.session.clone();
        let ending = match fate {
            Fate::Answered(frame) => self.answered(*frame, &stream).await,
            Fate::Ended(ending, error) => self.ended(ending, error, &stream).await,
        };
        if let (Some(id), Some(session)) = (stream.id, session) {
            session.events.close(id);
        }
        ending
    }

    async fn converse(
        &mut self,
        inbox: &Arc<Inbox>,
        deadline: Instant,
        is_stream: bool,
        stream: &mut Stream,
    ) -> Fate {
        let permits = Arc::clone(&self.tuning.permits);
        let live = Arc::clone(&self.server);
        let _permit = if is_stream {
            None
        } else {
            tokio::select! {
                permit = permits.take(&live.live) => match permit {
                    Ok(permit) => Some(permit),
                    Err(_) => {
                        let error = OwnError::new(503, code::OVERLOAD, "too many calls wait for this server").retry_after(1);
                        return Fate::Ended(Ending::Overload, Some(error));
                    }
                },
                fate = self.while_queued(deadline) => return fate,
            }
        };
        let _open = is_stream.then(|| OpenStream::new(&self.server));
        if let Err(fate) = self.send(inbox).await {
            return fate;
        }
        let fate = self.listen(inbox, deadline, is_stream, stream).await;
        if self.link.forget(&self.id) && !matches!(fate, Fate::Answered(_)) {
            self.tell_child(&fate).await;
        }
        fate
    }

    /// The session whose call this is, on a child that it shares.
    fn sharer(&self) -> Option<Arc<StdioSession>> {
        let session = self.session.as_ref();
        let sharer = session.filter(|session| session.shared_side().is_some());
        sharer.cloned()
    }

    async fn while_queued(&mut self, deadline: Instant) -> Fate {
        let abort = self.shared.parts.abort.clone();
        tokio::select! {
            () = self.reply.closed() => Fate::Ended(Ending::ClientGone, None),
            () = abort.cancelled() => self.stopping(),
            () = sleep_until(deadline.into()) => self.late(),
        }
    }

    async fn send(&mut self, inbox: &Arc<Inbox>) -> Result<(), Fate> {
        let trace = self.call.trace();
        let waiter = Waiter {
            restore: self.restore.take(),
            token: self.token.take(),
            wants_log: self.wants_log,
            session: self.sharer(),
            trace: Some((trace.trace_id, trace.client_span)),
            waited_ns: Arc::clone(&self.call.waited_ns),
            ..Waiter::new(inbox)
        };
        self.link.wait(&self.id, waiter).map_err(|e| match e {
            NoWait::Gone => self.died(&self.link.obituary()),
            NoWait::Taken => {
                let text = "the child for this call has become another session's";
                let error = OwnError::new(503, code::OVERLOAD, text).retry_after(1);
                Fate::Ended(Ending::Overload, Some(error))
            }
            NoWait::Duplicate => {
                let text = "this request id is in flight already in this session";
                let error = OwnError::new(400, code::INVALID_REQUEST, text);
                Fate::Ended(Ending::Refused(RefusedReason::DuplicateId), Some(error))
            }
        })?;
        self.call.sent();
        let line = std::mem::take(&mut self.line);
        let sent = self.link.send(line).await;
        sent.map_err(|_| {
            self.link.forget(&self.id);
            self.died(&self.link.obituary())
        })
    }

    /// Hears the child until the call is over.
    async fn listen(
        &mut self,
        inbox: &Arc<Inbox>,
        deadline: Instant,
        is_stream: bool,
        stream: &mut Stream,
    ) -> Fate {
        if self.prefers_events {
            self.begin(stream);
        }
        let abort = self.shared.parts.abort.clone();
        let end_streams = self.shared.parts.end_streams.clone();
        let mut quiet_until = Instant::now()
            + if stream.begun {
                Duration::from_secs(1)
            } else {
                JSON_WAIT_MAX
            };
        let mut heard = Instant::now();
        loop {
            let first_or_idle = if stream.begun {
                self.tuning.timeouts.idle
            } else {
                self.tuning.timeouts.first_byte
            };
            let step = if is_stream {
                heard + FAR
            } else {
                heard + first_or_idle
            };
            let late = step.min(deadline);
            let comment = if self.takes_events && !self.reply.gone {
                quiet_until
            } else {
                heard + FAR
            };
            tokio::select! {
                biased;
                item = inbox.next() => match item {
                    Item::Frame(frame) if frame.is_answer => return Fate::Answered(frame),
                    Item::Frame(frame) => {
                        heard = Instant::now();
                        if self.takes_events {
                            self.begin(stream);
                            self.pass(&frame.bytes, stream).await;
                        } else {
                            self.server.live.messages_dropped.fetch_add(1, Relaxed);
                        }
                    }
                    Item::Died(why) => return self.died(&why),
                    Item::Cancelled => return Fate::Ended(Ending::Cancelled, Some(OwnError::new(499, code::REFUSED, "the call was cancelled"))),
                    // Sessions end when Pilothouse does; that is then not the client's doing.
                    Item::SessionEnded if abort.is_cancelled() => return self.stopping(),
                    Item::SessionEnded => return Fate::Ended(Ending::SessionEnded, Some(OwnError::new(404, code::SESSION_NOT_FOUND, "the session has ended"))),
                },
                () = self.reply.closed() => {
                    self.reply.gone = true;
                    // Its connection is cut by us together with the call.
                    if abort.is_cancelled() {
                        return self.stopping();
                    }
                    if let Some(ending) = on_cancel(self.call.era, CancelCause::ClientGone).ending {
                        return Fate::Ended(ending, None);
                    }
                }
                () = abort.cancelled() => return self.stopping(),
                () = end_streams.cancelled(), if is_stream => return self.stopping(),
                () = sleep_until(late.into()) => return self.late(),
                () = sleep_until(comment.into()) => {
                    self.begin(stream);
                    if let Some(room) = self.reply.room_now() {
                        room.send(Piece::Data(Bytes::from_static(ph_wire::sse::KEEP_ALIVE)));
                    }
                    quiet_until = Instant::now() + self.tuning.keep_alive;
                    continue;
                }
            }
            quiet_until = Instant::now() + self.tuning.keep_alive;
        }
    }

    /// Begins an event stream, if it has not begun.
    fn begin(&mut self, stream: &mut Stream) {
        if std::mem::replace(&mut stream.begun, true) {
            return;
        }
        let mut headers = std::mem::take(&mut self.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        );
        headers.insert(
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        );
        self.reply.begin(StatusCode::OK, headers, None);
        if let Some(session) = &self.session {
            let (id, priming) = session.events.open();
            stream.id = Some(id);
            let primes = session
                .revision
                .get()
                .is_none_or(|r| *r >= ph_base::Revision::V2025_11_25);
            if let (true, Some(room)) = (primes, self.reply.room_now()) {
                room.send(Piece::Data(priming));
            }
        }
    }

    fn event(&self, message: &[u8], stream: &Stream) -> Bytes {
        event(self.session.as_ref().map(|s| &s.events), stream.id, message)
    }

    /// Hands a message on at the client's pace, but not beyond its leaving or our stopping.
    async fn pass(&mut self, message: &[u8], stream: &Stream) {
        let bytes = self.event(message, stream);
        let asked = Instant::now();
        let abort = self.shared.parts.abort.clone();
        let taken = tokio::select! {
            taken = self.reply.piece(bytes) => taken,
            () = abort.cancelled() => false,
        };
        if let (true, Some(id), Some(session)) = (taken, stream.id, &self.session) {
            session.events.handed(id);
        }
        let waited = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.call.waited_ns.fetch_add(waited, Relaxed);
    }

    /// The answer is there: the record is made before the client can have read it.
    async fn answered(mut self: Box<Self>, frame: Frame, stream: &Stream) -> Ending {
        let Frame { bytes, message, .. } = frame;
        if self.call.method == Method::ToolsList {
            self.server.learn(&message.tools);
            if self.call.era == Era::Modern {
                self.link.tools.learn(&bytes);
            }
        }
        if let Some(note) = self.call.tool_note() {
            note.passes(&bytes);
        }
        let bytes = match Lists::of(std::slice::from_ref(&self.call)) {
            None => bytes,
            Some(lists) => match lists.pass(bytes) {
                Ok(shown) => shown,
                Err(fault) => {
                    let error = unreadable(self.server.name.as_str(), fault);
                    self.call.answered();
                    return self.ended(Ending::BadAnswer, Some(error), stream).await;
                }
            },
        };
        if let (Method::Initialize, Some(session)) = (self.call.method, &self.session) {
            session.negotiated(message.protocol_version.as_deref());
        }
        let ending = self.call.answer(&message, bytes.len() as u64);
        if !stream.begun {
            let status = match (self.call.era, message.error_code) {
                (Era::Modern, Some(c)) if message.has_error => modern_http_status(c),
                _ => 200,
            };
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let mut headers = std::mem::take(&mut self.headers);
            headers.extend(json_headers());
            let told = if self.reply.gone { 0 } else { status.as_u16() };
            self.call.finish(ending, told, !self.reply.gone);
            self.reply.whole(status, headers, Body::Full(bytes));
            return ending;
        }
        let abort = self.shared.parts.abort.clone();
        let room = match self.reply.room_now() {
            Some(room) => Some(room),
            None => tokio::select! {
                room = self.reply.room() => room,
                () = abort.cancelled() => None,
            },
        };
        let events = self.session.as_ref().map(|s| &s.events);
        // A client that lost this stream may have taken it up elsewhere.
        let is_read = matches!((events, stream.id), (Some(e), Some(id)) if e.is_read(id));
        self.call.finish(ending, 200, room.is_some() || is_read);
        let event = event(events, stream.id, &bytes);
        if let Some(room) = room {
            room.send(Piece::Data(event));
            if let (Some(id), Some(session)) = (stream.id, &self.session) {
                session.events.handed(id);
            }
            self.reply.end().await;
        }
        ending
    }

    /// There is no answer; the client is told, as far as it can be.
    async fn ended(
        mut self: Box<Self>,
        ending: Ending,
        error: Option<OwnError>,
        stream: &Stream,
    ) -> Ending {
        let Some(error) = error else {
            self.call.finish(ending, self.reply.status, false);
            return ending;
        };
        self.call.set_error(&error.message);
        let id = self.call.id_raw.clone();
        let body = error.body(id.as_deref());
        if !stream.begun {
            let mut headers = error.headers();
            headers.extend(std::mem::take(&mut self.headers));
            self.call.finish(
                ending,
                if self.reply.gone { 0 } else { error.status },
                !self.reply.gone,
            );
            self.reply
                .whole(error.status_code(), headers, Body::from(body));
            return ending;
        }
        let event = self.event(body.as_bytes(), stream);
        self.call.finish(ending, self.reply.status, false);
        self.reply.last_words(event);
        ending
    }

    /// A child that still works on a call that was given up is told so.
    async fn tell_child(&self, fate: &Fate) {
        let cause = match fate {
            Fate::Ended(Ending::ClientGone, _) => CancelCause::ClientGone,
            Fate::Ended(Ending::Deadline, _) => CancelCause::Deadline,
            // Its child goes on with others.
            Fate::Ended(Ending::SessionEnded, _) if self.sharer().is_some() => {
                CancelCause::SessionEnded
            }
            _ => return,
        };
        // `initialize` must not be cancelled.
        let goes_on = cause == CancelCause::SessionEnded;
        if !(goes_on || on_cancel(self.call.era, cause).notify)
            || self.call.method == Method::Initialize
        {
            return;
        }
        let id = self.id.as_str();
        let id = match id.strip_prefix('"') {
            None => id.to_owned(),
            Some(text) => {
                let mut quoted = String::new();
                ph_mcp::error::quote(text, &mut quoted);
                quoted
            }
        };
        let reason = match cause {
            CancelCause::Deadline => "deadline",
            CancelCause::SessionEnded => "session ended",
            _ => "client disconnected",
        };
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id},\"reason\":\"{reason}\"}}}}"
        );
        // A child that takes no more messages needs no cancellation.
        let _ = self.link.send(text.into()).await;
    }

    fn died(&self, why: &str) -> Fate {
        let text = format!("server `{}`: {why}", self.server.name);
        Fate::Ended(
            Ending::ServerDied,
            Some(OwnError::new(502, code::UNAVAILABLE, text)),
        )
    }

    fn late(&self) -> Fate {
        let text = format!("server `{}` did not answer in time", self.server.name);
        Fate::Ended(
            Ending::Deadline,
            Some(OwnError::new(504, code::TIMEOUT, text)),
        )
    }

    fn stopping(&self) -> Fate {
        Fate::Ended(
            Ending::Stopping,
            Some(OwnError::new(
                503,
                code::UNAVAILABLE,
                "Pilothouse is stopping",
            )),
        )
    }
}

/// The event stream of an answer.
struct Stream {
    /// Its number among the session's, when it can be taken up again.
    id: Option<u64>,
    begun: bool,
}

/// A message as an event; kept, where it can be asked for again.
fn event(events: Option<&Events>, stream: Option<u64>, message: &[u8]) -> Bytes {
    match (events, stream) {
        (Some(events), Some(stream)) => events.add(stream, message),
        _ => {
            let mut event = Vec::with_capacity(message.len() + 16);
            ph_wire::sse::write_event(&mut event, None, message);
            event.into()
        }
    }
}

/// Counts an open stream while it lives.
struct OpenStream(Arc<Server>);

impl OpenStream {
    fn new(server: &Arc<Server>) -> Self {
        server.live.active_connections.fetch_add(1, Relaxed);
        Self(Arc::clone(server))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.live.active_connections.fetch_sub(1, Relaxed);
    }
}
