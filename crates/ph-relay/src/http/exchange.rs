//! One POST with calls in it: to the upstream and back, and the end of every call.
//!
//! Its client's leaving does not end it (`drive`). Whatever happens, each of its calls ends in exactly
//! one record, and none before its fate is known:
//! - the answer is recorded just before its last byte is handed on, so that
//!   whoever has seen an answer finds it counted;
//! - in the legacy era a client's leaving ends nothing, and an answer may come on
//!   another stream of the session (`Last-Event-ID`).

mod heard;
pub(super) mod lists;
mod wait;

use super::HttpServer;
use super::forward::upstream_failure;
use super::replica::Place;
use super::stream::is_failure;
use crate::call::{Call, Context};
use crate::drive::Carried;
use crate::guard::Lists;
use crate::heard::{Heard, Tee};
use crate::inbound::Client;
use crate::reply::{OwnError, Reply};
use crate::session::Session;
use crate::signal::Mailbox;
use crate::tuning::Tuning;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod};
use lists::HeldEvents;
use ph_base::{Chain, Era, Method};
use ph_mcp::error::code;
use ph_mcp::{AnswerScan, Kind, MessageId};
use ph_record::{Ending, RefusedReason, Replica};
use ph_wire::body::{Body, Piece};
use ph_wire::upstream::{self, SendError};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::time::sleep_until;
use wait::Wake;

/// Largest answer that is held until it is complete; longer ones go on as they come.
const WHOLE_BYTES_MAX: usize = 256 << 10;
/// First quiet time of an event stream after which a comment is sent, so that
/// whatever lies between passes the head on.
const FIRST_QUIET: Duration = Duration::from_secs(1);
/// A deadline for what has none.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) struct Exchange {
    server: Arc<HttpServer>,
    tuning: Arc<Tuning>,
    client: Box<Client>,
    body: Bytes,
    calls: Vec<Call>,
    reply: Reply,
    era: Era,
    is_stream: bool,
    /// The answer is an event stream whose head has been sent.
    in_events: bool,
    mailbox: Arc<Mailbox>,
    /// On the replica that the calls went to.
    pub(super) place: Option<Place>,
    /// Whether that replica has failed; `None` while nothing speaks for it or against it.
    has_failed: Option<bool>,
    /// When the whole exchange is given up.
    deadline: Instant,
    /// When the current step is given up.
    step: Instant,
}

/// The exchange is over: all calls have ended, or nothing more can come.
struct Over;

impl Exchange {
    pub(super) fn new(
        server: Arc<HttpServer>,
        client: Box<Client>,
        body: Bytes,
        calls: Vec<Call>,
        reply: Reply,
    ) -> Self {
        let first = calls.first();
        let era = first.map_or(Era::Legacy, |c| c.era);
        let started = first.map_or_else(Instant::now, Call::started);
        let is_stream = calls.iter().any(|c| c.method.is_stream());
        let is_initialize = calls.iter().any(|c| c.method == Method::Initialize);
        let tuning = server.tuning.load_full();
        let t = &tuning.timeouts;
        let total = if is_stream {
            FAR
        } else if is_initialize {
            t.initialize
        } else {
            t.total
        };
        let first_byte = if is_stream {
            FAR
        } else if is_initialize {
            t.initialize
        } else {
            t.first_byte
        };
        let deadline = started + total;
        let step = (started + first_byte).min(deadline);
        Self {
            server,
            tuning,
            client,
            body,
            calls,
            reply,
            era,
            is_stream,
            in_events: false,
            mailbox: Mailbox::new(),
            place: None,
            has_failed: None,
            deadline,
            step,
        }
    }

    /// The whole exchange; stopping waits for it.
    pub(super) fn carried(mut self: Box<Self>) -> Carried {
        let counted = self.server.shared.parts.calls.token();
        Box::pin(async move {
            self.run().await;
            drop(counted);
        })
    }

    async fn run(&mut self) {
        let session = self.client.session.clone();
        let is_clear = session
            .as_ref()
            .is_none_or(|session| self.register(session));
        let ids: Vec<MessageId> = match &session {
            Some(_) => self.calls.iter().filter_map(|c| c.id.clone()).collect(),
            None => Vec::new(),
        };
        if is_clear {
            let _ = self.converse().await;
            if let Some(place) = self.place.take() {
                self.server.judge(&place.replica, self.has_failed);
            }
        } else {
            let text = "this request id is in flight already in this session";
            let error = OwnError::new(400, code::INVALID_REQUEST, text);
            let _ = self.refuse(&error, Ending::Refused(RefusedReason::DuplicateId));
        }
        self.reply.cut();
        // Every way out has ended its calls; one that has not is ended here rather than lost.
        self.end_all(Ending::ServerDied);
        if let Some(session) = &self.client.session {
            for id in &ids {
                session.forget(id, &self.mailbox);
            }
        }
    }

    /// `false` when an id is in flight that must not be so twice.
    fn register(&self, session: &Session) -> bool {
        let mut calls = self.calls.iter();
        calls.all(|call| {
            let lists = call.listing().is_some();
            let id = call.id.as_ref();
            id.is_none_or(|id| session.register(id, &self.mailbox, lists))
        })
    }

    async fn converse(&mut self) -> Result<(), Over> {
        let server = Arc::clone(&self.server);
        let _permit = if self.is_stream {
            None
        } else {
            Some(self.permit(&server).await?)
        };
        let _open = self.is_stream.then(|| Open::new(&server));
        let answer = self.send(&server).await?;
        server.mind_status(self.client.session_id(), self.era, answer.status);
        if let Some(lists) = Lists::of(&self.calls) {
            self.listed(answer, &lists).await
        } else if is_event_stream(&answer.headers) {
            self.events(answer, &mut None).await
        } else {
            self.whole(answer).await
        }
    }

    async fn permit(
        &mut self,
        server: &HttpServer,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, Over> {
        let tuning = Arc::clone(&self.tuning);
        let mut take = pin!(tuning.permits.take(&server.server.live));
        loop {
            match self.wait(take.as_mut()).await {
                Wake::Done(Ok(permit)) => return Ok(permit),
                Wake::Done(Err(_)) => {
                    let error =
                        OwnError::new(503, code::OVERLOAD, "too many calls wait for this server")
                            .retry_after(1);
                    return Err(self.refuse(&error, Ending::Overload));
                }
                other => self.minded(&other)?,
            }
        }
    }

    async fn send(&mut self, server: &HttpServer) -> Result<upstream::Answer, Over> {
        let traceparent = match (server.shared.is_traced(), self.calls.first_mut()) {
            (true, Some(call)) => {
                let t = call.trace();
                Some(Context::outgoing(t.trace_id, t.client_span, t.flags))
            }
            _ => None,
        };
        let pinned = self.client.session.as_ref().map(|session| session.slot);
        let several = server.replicas.are_several();
        let mut tried = Vec::new();
        loop {
            let place = match server.place(pinned, &tried, !self.is_stream) {
                Ok(place) => place,
                Err(error) => return Err(self.refuse(&error, Ending::Overload)),
            };
            let replica = Arc::clone(&place.replica);
            self.place = Some(place);
            // Another replica may need them, if this one cannot be reached.
            let (body, headers) = if several {
                let slot = Replica::Slot(replica.slot);
                self.calls
                    .iter_mut()
                    .for_each(|c| c.record().replica = slot);
                (self.body.clone(), self.client.headers.clone())
            } else {
                let headers = std::mem::take(&mut self.client.headers);
                (std::mem::take(&mut self.body), headers)
            };
            let target = &replica.target;
            let request = target.request(&HttpMethod::POST, &headers, body, traceparent.as_deref());
            drop(headers);
            self.calls.iter_mut().for_each(Call::sent);
            let mut send = pin!(replica.upstream.send(request, self.tuning.timeouts.connect));
            let error = loop {
                match self.wait(send.as_mut()).await {
                    Wake::Done(Ok(answer)) => {
                        self.has_failed = Some(is_failure(answer.status));
                        return Ok(answer);
                    }
                    Wake::Done(Err(error)) => break error,
                    other => self.minded(&other)?,
                }
            };
            self.has_failed = Some(true);
            tried.push(replica.slot);
            // Not a byte has reached it: another one can have the call.
            let is_lost = !error.is_unsent() || pinned.is_some() || !several;
            if is_lost || server.place(None, &tried, false).is_err() {
                return Err(self.unanswered(&error));
            }
            server.judge(&replica, self.has_failed.take());
        }
    }

    /// The connection of an answer that was read to its end is of further use.
    fn keep(&self, body: upstream::AnswerBody) {
        if let Some(place) = &self.place {
            place.keep(body);
        }
    }

    fn unanswered(&mut self, error: &SendError) -> Over {
        let told = upstream_failure(self.server.server.name.as_str(), error);
        let ending = match error {
            SendError::ConnectTimeout { .. } => Ending::Deadline,
            SendError::NotHttp(_) => Ending::BadAnswer,
            _ if error.is_unsent() => Ending::Unreachable,
            _ => Ending::ServerDied,
        };
        let text = Chain(error).to_string();
        self.calls.iter_mut().for_each(|c| c.set_error(&text));
        self.refuse(&told, ending)
    }

    /// An answer that is no event stream: JSON, or whatever else, and it passes as it is.
    async fn whole(&mut self, answer: upstream::Answer) -> Result<(), Over> {
        let upstream::Answer {
            status,
            headers,
            length,
            mut body,
        } = answer;
        self.opened(status, &headers);
        self.step_within(self.tuning.timeouts.idle);
        let mut scan = AnswerScan::default();
        let first = match self.piece(&mut body).await? {
            Ok(first) => first.unwrap_or_default(),
            Err(error) => return Err(self.broke_off(&error)),
        };
        scan.push(&first);
        if body.is_complete() {
            self.keep(body);
            self.heard_all(status, scan.finish(), first.len() as u64);
            self.reply.whole(status, headers, Body::Full(first));
            return Err(Over);
        }
        let mut held = Vec::with_capacity(room_for(length));
        held.extend_from_slice(&first);
        while held.len() <= WHOLE_BYTES_MAX {
            self.step_within(self.tuning.timeouts.idle);
            match self.append(&mut body, &mut held).await? {
                Ok(0) => {
                    self.keep(body);
                    self.heard_all(status, scan.finish(), held.len() as u64);
                    self.reply.whole(status, headers, Body::Full(held.into()));
                    return Err(Over);
                }
                Ok(count) => scan.push(&held[held.len() - count..]),
                Err(error) => return Err(self.broke_off(&error)),
            }
        }
        self.reply.begin(status, headers, length);
        let mut count = held.len() as u64;
        self.pass(held.into()).await?;
        loop {
            self.step_within(self.tuning.timeouts.idle);
            match self.piece(&mut body).await? {
                Ok(Some(piece)) => {
                    scan.push(&piece);
                    count += piece.len() as u64;
                    self.pass(piece).await?;
                }
                Ok(None) => {
                    self.keep(body);
                    self.heard_all(status, scan.finish(), count);
                    self.reply.end().await;
                    return Err(Over);
                }
                Err(error) => return Err(self.broke_off(&error)),
            }
        }
    }

    /// An event stream: passed on piece by piece, read on the side.
    ///
    /// - `held`: what is to see each event before it goes on.
    async fn events(
        &mut self,
        answer: upstream::Answer,
        held: &mut Option<HeldEvents<'_>>,
    ) -> Result<(), Over> {
        let upstream::Answer {
            status,
            mut headers,
            mut body,
            ..
        } = answer;
        let mut tee = Tee::new();
        self.opened(status, &headers);
        headers
            .entry(HeaderName::from_static("x-accel-buffering"))
            .or_insert(HeaderValue::from_static("no"));
        self.reply.begin(status, headers, None);
        self.in_events = true;
        let mut quiet = FIRST_QUIET;
        let mut last = Instant::now();
        loop {
            self.step = (last
                + if self.is_stream {
                    FAR
                } else {
                    self.tuning.timeouts.idle
                })
            .min(self.deadline);
            let comment_at = Instant::now() + quiet;
            // What is held goes on in whole events.
            let is_inside = held.is_none() && tee.is_inside_event();
            let frame = if is_inside || self.reply.gone {
                Some(self.piece(&mut body).await?)
            } else {
                self.piece_or(&mut body, comment_at).await?
            };
            match frame {
                None => {
                    if let Some(room) = self.reply.room_now() {
                        room.send(Piece::Data(Bytes::from_static(ph_wire::sse::KEEP_ALIVE)));
                    }
                    quiet = self.tuning.keep_alive;
                }
                Some(Ok(Some(piece))) => {
                    quiet = self.tuning.keep_alive;
                    last = Instant::now();
                    if let Some(held) = held {
                        self.pass_held(held, &mut tee, &piece).await?;
                        continue;
                    }
                    let heard = tee.push(&piece);
                    self.pass_heard(piece, heard).await?;
                }
                Some(Ok(None)) => {
                    self.keep(body);
                    self.reply.end().await;
                    return self
                        .ended_early(&tee, "the event stream ended without an answer")
                        .await;
                }
                Some(Err(error)) => {
                    self.reply.cut();
                    let text = Chain(&error).to_string();
                    return self.ended_early(&tee, &text).await;
                }
            }
        }
    }

    /// The stream is over. What has no answer yet waits for it on another stream, if there can be one.
    async fn ended_early(&mut self, tee: &Tee, why: &str) -> Result<(), Over> {
        if self.calls.is_empty() {
            return Err(Over);
        }
        let resumable = self.era == Era::Legacy && self.client.session.is_some() && tee.saw_id;
        if !resumable {
            self.calls.iter_mut().for_each(|c| c.set_error(why));
            self.end_all(Ending::ServerDied);
            return Err(Over);
        }
        self.step = self.deadline;
        while !self.calls.is_empty() {
            let other = self.wait(pin!(std::future::pending::<()>())).await;
            self.minded(&other)?;
        }
        Err(Over)
    }

    /// Hands a piece on. When it holds an answer, the call is recorded as soon as
    /// the client has room for it, and before it can have read it.
    async fn pass_heard(&mut self, piece: Bytes, heard: Vec<Heard>) -> Result<(), Over> {
        let is_answer = heard
            .iter()
            .any(|h| h.message.kind() == Some(Kind::Response));
        if !is_answer {
            self.hear(heard);
            return self.pass(piece).await;
        }
        let room = self.room().await?;
        self.hear(heard);
        if let Some(room) = room {
            room.send(Piece::Data(piece));
        }
        // A stream may go on after the answer (it should not); nobody is owed that when the client left.
        if self.calls.is_empty() && self.reply.gone {
            Err(Over)
        } else {
            Ok(())
        }
    }

    async fn pass(&mut self, piece: Bytes) -> Result<(), Over> {
        if let Some(room) = self.room().await? {
            room.send(Piece::Data(piece));
        }
        Ok(())
    }

    /// Room for one piece at the client's pace; `None` when it is gone and that ends nothing.
    async fn room(&mut self) -> Result<Option<tokio::sync::mpsc::OwnedPermit<Piece>>, Over> {
        if let Some(room) = self.reply.room_now() {
            return Ok(Some(room));
        }
        if self.reply.gone {
            return Ok(None);
        }
        let asked = Instant::now();
        let step = std::mem::replace(&mut self.step, self.deadline);
        let abort = self.server.shared.parts.abort.clone();
        let room = tokio::select! {
            room = self.reply.room() => Wake::Done(room),
            () = abort.cancelled() => Wake::Stopping,
            () = sleep_until(self.deadline.into()) => Wake::Late,
        };
        self.step = step;
        let waited = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.calls
            .iter()
            .for_each(|c| _ = c.waited_ns.fetch_add(waited, Relaxed));
        match room {
            Wake::Done(None) => self.minded::<()>(&Wake::ClientGone).map(|()| None),
            Wake::Done(room) => Ok(room),
            Wake::Stopping => self.minded::<()>(&Wake::Stopping).map(|()| None),
            _ => self.minded::<()>(&Wake::Late).map(|()| None),
        }
    }
}

/// Counts an open stream while it lives.
struct Open(Arc<HttpServer>);

impl Open {
    fn new(server: &Arc<HttpServer>) -> Self {
        server.server.live.active_connections.fetch_add(1, Relaxed);
        Self(Arc::clone(server))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.server.live.active_connections.fetch_sub(1, Relaxed);
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    kind.trim_start()
        .get(..17)
        .is_some_and(|k| k.eq_ignore_ascii_case("text/event-stream"))
}

/// Room for a body of this length, with a byte to spare; none is made for what will be streamed.
fn room_for(length: Option<u64>) -> usize {
    let length = length.and_then(|l| usize::try_from(l).ok());
    length.filter(|l| *l <= WHOLE_BYTES_MAX).unwrap_or(0) + 1
}
