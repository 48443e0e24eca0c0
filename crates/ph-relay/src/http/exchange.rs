//! One POST with calls in it: to the upstream and back, and the end of every call.
//!
//! Its client's leaving does not end it (`drive`). Whatever happens, each of its calls ends in exactly
//! one record, and none before its fate is known:
//! - the answer is recorded just before its last byte is handed on, so that
//!   whoever has seen an answer finds it counted;
//! - in the legacy era a client's leaving ends nothing, and an answer may come on
//!   another stream of the session (`Last-Event-ID`).

use super::HttpServer;
use super::forward::{chain, end_to_end, upstream_failure};
use crate::call::{Call, Context};
use crate::cancel::{CancelCause, on_cancel};
use crate::heard::{Heard, Tee};
use crate::inbound::{Client, tag};
use crate::reply::{OwnError, Reply};
use crate::signal::{Mailbox, Signal};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ph_base::{Era, Method};
use ph_mcp::error::code;
use ph_mcp::{AnswerScan, Kind, MessageId, ServerMessage};
use ph_record::{Answer, Ending};
use ph_wire::body::{Body, Piece};
use ph_wire::upstream::{self, SendError};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep_until};

/// Largest answer that is held until it is complete; longer ones go on as they come.
const WHOLE_BYTES_MAX: usize = 256 << 10;
/// First quiet time of an event stream after which a comment is sent, so that
/// whatever lies between passes the head on.
const FIRST_QUIET: Duration = Duration::from_secs(1);
/// A deadline for what has none.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) struct Exchange {
    server: Arc<HttpServer>,
    client: Client,
    /// As the client named it.
    session_id: Option<HeaderValue>,
    body: Bytes,
    calls: Vec<Call>,
    reply: Reply,
    era: Era,
    is_stream: bool,
    /// The answer is an event stream whose head has been sent.
    in_events: bool,
    mailbox: Arc<Mailbox>,
    /// When the whole exchange is given up.
    deadline: Instant,
    /// When the current step is given up.
    step: Instant,
}

/// Why waiting ended.
enum Wake<T> {
    Done(T),
    ClientGone,
    Word,
    Late,
    Stopping,
}

/// The exchange is over: all calls have ended, or nothing more can come.
struct Over;

impl Exchange {
    pub(super) fn new(
        server: Arc<HttpServer>,
        client: Client,
        body: Bytes,
        calls: Vec<Call>,
        reply: Reply,
    ) -> Self {
        let first = calls.first();
        let era = first.map_or(Era::Legacy, |c| c.era);
        let started = first.map_or_else(Instant::now, Call::started);
        let is_stream = calls.iter().any(|c| c.method.is_stream());
        let is_initialize = calls.iter().any(|c| c.method == Method::Initialize);
        let t = &server.timeouts;
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
        let session_id = client.headers.get(ph_mcp::headers::SESSION_ID).cloned();
        Self {
            server,
            client,
            session_id,
            body,
            calls,
            reply,
            era,
            is_stream,
            in_events: false,
            mailbox: Mailbox::new(),
            deadline,
            step,
        }
    }

    pub(super) async fn run(mut self) {
        if let Some(session) = &self.client.session {
            for id in self.calls.iter().filter_map(|c| c.id.as_ref()) {
                session.register(id, &self.mailbox);
            }
        }
        let session = self.client.session.clone();
        let ids: Vec<MessageId> = match &session {
            Some(_) => self.calls.iter().filter_map(|c| c.id.clone()).collect(),
            None => Vec::new(),
        };
        let _ = self.converse().await;
        self.reply.cut();
        // Every way out has ended its calls; one that has not is ended here rather than lost.
        self.end_all(Ending::ServerDied);
        if let Some(session) = &self.client.session {
            for id in &ids {
                session.forget(id, &self.mailbox);
            }
        }
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
        server.mind_status(self.session_id.as_ref(), self.era, answer.head.status);
        if is_event_stream(&answer.head.headers) {
            self.events(&server, answer).await
        } else {
            self.whole(&server, answer).await
        }
    }

    async fn permit(
        &mut self,
        server: &HttpServer,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, Over> {
        let mut take = pin!(server.permits.take(&server.server.live));
        loop {
            match self.wait(take.as_mut()).await {
                Wake::Done(Ok(permit)) => return Ok(permit),
                Wake::Done(Err(_)) => {
                    let error =
                        OwnError::new(503, code::OVERLOAD, "too many calls wait for this server")
                            .retry_after(1);
                    return Err(self.refuse(&error, Ending::Overload));
                }
                other => self.minded(other)?,
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
        let body = std::mem::take(&mut self.body);
        let headers = std::mem::take(&mut self.client.headers);
        let request =
            server
                .target
                .request(HttpMethod::POST, headers, body, traceparent.as_deref());
        self.calls.iter_mut().for_each(Call::sent);
        let mut send = pin!(server.upstream.send(request));
        loop {
            match self.wait(send.as_mut()).await {
                Wake::Done(Ok(answer)) => return Ok(answer),
                Wake::Done(Err(error)) => return Err(self.unanswered(&error)),
                other => self.minded(other)?,
            }
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
        let text = chain(error);
        self.calls.iter_mut().for_each(|c| c.set_error(&text));
        self.refuse(&told, ending)
    }

    /// An answer that is no event stream: JSON, or whatever else, and it passes as it is.
    async fn whole(&mut self, server: &HttpServer, answer: upstream::Answer) -> Result<(), Over> {
        let upstream::Answer {
            mut head,
            mut body,
            connection,
        } = answer;
        let mut scan = AnswerScan::default();
        let (mut held, mut length) = (Vec::new(), 0);
        let status = head.status;
        let known_length = head
            .headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok()?.parse().ok());
        self.opened(&head);
        let headers = end_to_end(std::mem::take(&mut head.headers));
        loop {
            self.step_within(server.timeouts.idle);
            match self.frame(&mut body).await? {
                Ok(Some(piece)) => {
                    scan.push(&piece);
                    length += piece.len();
                    held.push(piece);
                    if length > WHOLE_BYTES_MAX {
                        break;
                    }
                }
                Ok(None) => {
                    server.upstream.keep(connection);
                    self.heard_all(status, scan.finish(), length as u64);
                    self.reply.whole(status, headers, Body::Full(joined(held)));
                    return Err(Over);
                }
                Err(error) => return Err(self.broke_off(&error)),
            }
        }
        self.reply.begin(status, headers, known_length);
        loop {
            for piece in held.drain(..) {
                self.pass(piece).await?;
            }
            self.step_within(server.timeouts.idle);
            match self.frame(&mut body).await? {
                Ok(Some(piece)) => {
                    scan.push(&piece);
                    length += piece.len();
                    held.push(piece);
                }
                Ok(None) => {
                    server.upstream.keep(connection);
                    self.heard_all(status, scan.finish(), length as u64);
                    self.reply.end().await;
                    return Err(Over);
                }
                Err(error) => return Err(self.broke_off(&error)),
            }
        }
    }

    /// An event stream: passed on piece by piece, read on the side.
    async fn events(&mut self, server: &HttpServer, answer: upstream::Answer) -> Result<(), Over> {
        let upstream::Answer {
            mut head, mut body, ..
        } = answer;
        let mut tee = Tee::new();
        self.opened(&head);
        let mut headers = end_to_end(std::mem::take(&mut head.headers));
        headers
            .entry(HeaderName::from_static("x-accel-buffering"))
            .or_insert(HeaderValue::from_static("no"));
        self.reply.begin(head.status, headers, None);
        self.in_events = true;
        let mut quiet = FIRST_QUIET;
        let mut last = Instant::now();
        loop {
            self.step = (last
                + if self.is_stream {
                    FAR
                } else {
                    server.timeouts.idle
                })
            .min(self.deadline);
            let comment_at = Instant::now() + quiet;
            let frame = if tee.is_inside_event() || self.reply.gone {
                Some(self.frame(&mut body).await?)
            } else {
                self.frame_or(&mut body, comment_at).await?
            };
            match frame {
                None => {
                    if let Some(room) = self.reply.room_now() {
                        room.send(Piece::Data(Bytes::from_static(ph_wire::sse::KEEP_ALIVE)));
                    }
                    quiet = server.keep_alive;
                }
                Some(Ok(Some(piece))) => {
                    quiet = server.keep_alive;
                    last = Instant::now();
                    let heard = tee.push(&piece);
                    self.pass_heard(piece, heard).await?;
                }
                Some(Ok(None)) => {
                    self.reply.end().await;
                    return self
                        .ended_early(&tee, "the event stream ended without an answer")
                        .await;
                }
                Some(Err(error)) => {
                    self.reply.cut();
                    let text = chain(&error);
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
            self.minded(other)?;
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
            Wake::Done(None) => self.minded::<()>(Wake::ClientGone).map(|()| None),
            Wake::Done(room) => Ok(room),
            Wake::Stopping => self.minded::<()>(Wake::Stopping).map(|()| None),
            _ => self.minded::<()>(Wake::Late).map(|()| None),
        }
    }

    /// Takes note of what passed.
    fn hear(&mut self, heard: Vec<Heard>) {
        for Heard { message, bytes } in heard {
            match message.kind() {
                Some(Kind::Response) => self.heard_answer(&message, bytes),
                Some(Kind::Notification) => {
                    self.server
                        .server
                        .live
                        .notifications_to_client
                        .fetch_add(1, Relaxed);
                }
                Some(Kind::Request) => self.heard_question(&message, bytes),
                None => {}
            }
        }
    }

    fn heard_answer(&mut self, message: &ServerMessage, bytes: u64) {
        let Some(id) = message.message_id() else {
            return;
        };
        match self.calls.iter().position(|c| c.id.as_ref() == Some(&id)) {
            Some(i) => {
                let mut call = self.calls.swap_remove(i);
                if call.method == Method::ToolsList {
                    self.server.server.learn(&message.tools);
                }
                let ending = call.answer(message, bytes);
                call.finish(ending, self.reply.status, !self.reply.gone);
            }
            None => {
                if let Some(session) = &self.client.session {
                    session.answered(message, bytes);
                }
            }
        }
    }

    /// A question of the server on a call's stream: a call of its own, when its answer can be told apart.
    fn heard_question(&mut self, message: &ServerMessage, bytes: u64) {
        let Some(session) = self.client.session.clone() else {
            return;
        };
        let parent = self
            .calls
            .first_mut()
            .map(|c| (c.trace(), Arc::clone(&c.waited_ns)));
        let (trace, waited) = parent.unzip();
        let mut call = Call::of_server(
            &self.server.shared,
            &self.server.server,
            message,
            bytes,
            trace,
        );
        call.record().session = self
            .session_id
            .as_ref()
            .and_then(|id| id.to_str().ok())
            .map(tag);
        call.record().client = session.client();
        call.sent();
        session.asked(call, waited);
    }

    /// Takes note of a whole answer.
    fn heard_all(&mut self, status: StatusCode, messages: Vec<ServerMessage>, bytes: u64) {
        let status = status.as_u16();
        if !self.reply.has_head() {
            self.reply.status = if self.reply.gone { 0 } else { status };
        }
        let mut unmatched = None;
        for message in messages {
            let id = message.message_id();
            let is_ours = id.is_some() && self.calls.iter().any(|c| c.id == id);
            match message.kind() {
                Some(Kind::Response) if is_ours => self.finish_answered(&message, bytes, status),
                Some(Kind::Response) => unmatched = Some(message),
                _ => {}
            }
        }
        // What is left got no answer of its own; an error without id, or a bare status, is the answer.
        let ending = match &unmatched {
            _ if status >= 400 => Ending::HttpError(status),
            _ => Ending::BadAnswer,
        };
        if let Some(text) = unmatched.as_ref().and_then(|m| m.error_message.as_deref()) {
            self.calls.iter_mut().for_each(|c| c.set_error(text));
        }
        for mut call in std::mem::take(&mut self.calls) {
            call.answered();
            call.record().response_bytes = bytes;
            call.record().rpc_code = unmatched.as_ref().and_then(|m| m.error_code);
            call.finish(ending, self.reply.status, !self.reply.gone);
        }
    }

    fn finish_answered(&mut self, message: &ServerMessage, bytes: u64, status: u16) {
        let id = message.message_id();
        let Some(i) = self.calls.iter().position(|c| c.id == id) else {
            return;
        };
        let mut call = self.calls.swap_remove(i);
        if call.method == Method::ToolsList {
            self.server.server.learn(&message.tools);
        }
        let ending = match call.answer(message, bytes) {
            // A code without a meaning of its own: the HTTP status knows better than "500".
            Ending::Answered(Answer::Error(c)) if status >= 400 && !has_meaning(c) => {
                Ending::HttpError(status)
            }
            ending => ending,
        };
        call.finish(ending, self.reply.status, !self.reply.gone);
    }

    /// An answer's head is there: an initialize may have opened a session.
    fn opened(&mut self, head: &http::response::Parts) {
        if head.status.is_success() && self.calls.iter().any(|c| c.method == Method::Initialize) {
            let name = self
                .calls
                .first_mut()
                .and_then(|c| c.record().client.clone());
            self.server.watch(&head.headers, name);
        }
    }

    fn broke_off(&mut self, error: &hyper::Error) -> Over {
        let text = chain(error);
        self.calls.iter_mut().for_each(|c| c.set_error(&text));
        if self.reply.has_head() {
            self.reply.cut();
            self.end_all(Ending::ServerDied);
            return Over;
        }
        let name = &self.server.server.name;
        let told = OwnError::new(
            502,
            code::UNAVAILABLE,
            format!("the answer of server `{name}` broke off"),
        );
        self.refuse(&told, Ending::ServerDied)
    }

    /// Tells the client an error of ours and ends every call with `ending`.
    fn refuse(&mut self, error: &OwnError, ending: Ending) -> Over {
        let id = self.calls.first().and_then(|c| c.id_raw.clone());
        let body = Body::from(error.body(id.as_deref()));
        let status = error.status_code();
        let is_heard = !self.reply.gone;
        self.reply.status = if is_heard { status.as_u16() } else { 0 };
        for call in &mut self.calls {
            if call.record().error.is_none() {
                call.set_error(&error.message);
            }
        }
        self.end_each(ending, is_heard);
        self.reply.whole(status, error.headers(), body);
        Over
    }

    fn end_all(&mut self, ending: Ending) {
        self.end_each(ending, false);
    }

    fn end_each(&mut self, ending: Ending, delivered: bool) {
        let status = self.reply.status;
        for call in self.calls.drain(..) {
            call.finish(ending, status, delivered);
        }
    }

    fn step_within(&mut self, limit: Duration) {
        self.step = if self.is_stream {
            self.deadline
        } else {
            (Instant::now() + limit).min(self.deadline)
        };
    }

    /// The next frame of the body, minding whatever else happens.
    async fn frame(
        &mut self,
        body: &mut Incoming,
    ) -> Result<Result<Option<Bytes>, hyper::Error>, Over> {
        loop {
            let mut next = pin!(next_data(body));
            match self.wait(next.as_mut()).await {
                Wake::Done(frame) => return Ok(frame),
                other => self.minded(other)?,
            }
        }
    }

    /// The same, or `None` at `until`.
    async fn frame_or(
        &mut self,
        body: &mut Incoming,
        until: Instant,
    ) -> Result<Option<Result<Option<Bytes>, hyper::Error>>, Over> {
        loop {
            let either = async {
                tokio::select! {
                    biased;
                    frame = next_data(body) => Some(frame),
                    () = sleep_until(until.into()) => None,
                }
            };
            match self.wait(pin!(either)).await {
                Wake::Done(frame) => return Ok(frame),
                other => self.minded(other)?,
            }
        }
    }

    /// Waits for `work`, or for anything else that concerns the exchange.
    async fn wait<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> Wake<T> {
        let late: Sleep = sleep_until(self.step.into());
        let abort = &self.server.shared.parts.abort;
        tokio::select! {
            biased;
            done = &mut work => Wake::Done(done),
            () = self.mailbox.filled() => Wake::Word,
            () = self.reply.closed() => Wake::ClientGone,
            () = abort.cancelled() => Wake::Stopping,
            () = late => Wake::Late,
        }
    }

    /// Does what follows from a wake-up that was not the work's end.
    fn minded<T>(&mut self, wake: Wake<T>) -> Result<(), Over> {
        match wake {
            Wake::Done(_) => Ok(()),
            Wake::ClientGone => {
                self.reply.gone = true;
                match on_cancel(self.era, CancelCause::ClientGone).ending {
                    Some(ending) => {
                        self.end_all(ending);
                        Err(Over)
                    }
                    None => Ok(()),
                }
            }
            Wake::Word => self.words(),
            Wake::Stopping => Err(self.given_up(
                CancelCause::Stopping,
                503,
                code::UNAVAILABLE,
                "Pilothouse is stopping",
            )),
            Wake::Late => {
                let text = format!(
                    "server `{}` did not answer in time",
                    self.server.server.name
                );
                Err(self.given_up(CancelCause::Deadline, 504, code::TIMEOUT, &text))
            }
        }
    }

    fn words(&mut self) -> Result<(), Over> {
        for word in self.mailbox.take() {
            match word {
                Signal::Cancelled(id) => self.finish_one(&id, |call| {
                    call.answered();
                    on_cancel(call.era, CancelCause::Cancelled)
                        .ending
                        .unwrap_or(Ending::Cancelled)
                }),
                Signal::Answered(id, message, bytes) => {
                    self.finish_one(&id, |call| call.answer(&message, bytes))
                }
                Signal::SessionEnded => {
                    let ended = on_cancel(self.era, CancelCause::SessionEnded);
                    self.end_all(ended.ending.unwrap_or(Ending::SessionEnded));
                }
            }
        }
        // The stream of a cancelled call stays open as the server leaves it.
        let over = self.calls.is_empty()
            && (self.reply.gone
                || !self.reply.has_head()
                    && self.reply.status == 0
                    && self.client.session.is_none());
        if over { Err(Over) } else { Ok(()) }
    }

    fn finish_one(&mut self, id: &MessageId, how: impl FnOnce(&mut Call) -> Ending) {
        if let Some(i) = self.calls.iter().position(|c| c.id.as_ref() == Some(id)) {
            let mut call = self.calls.swap_remove(i);
            let ending = how(&mut call);
            call.finish(ending, self.reply.status, false);
        }
    }

    /// Gives up on the server and tells the client, as far as it can still be told.
    fn given_up(&mut self, cause: CancelCause, status: u16, code: i64, text: &str) -> Over {
        let ending = on_cancel(self.era, cause)
            .ending
            .unwrap_or(Ending::ServerDied);
        let error = OwnError::new(status, code, text);
        if !self.reply.has_head() {
            return self.refuse(&error, ending);
        }
        // A blank line ends whatever event the server was in the middle of.
        let mut events = b"\n\n".to_vec();
        for call in &mut self.calls {
            call.set_error(text);
            ph_wire::sse::write_event(
                &mut events,
                None,
                error.body(call.id_raw.as_deref()).as_bytes(),
            );
        }
        self.end_all(ending);
        if self.in_events {
            self.reply.last_words(events.into());
        }
        Over
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

/// JSON-RPC codes that the status table knows.
fn has_meaning(code: i64) -> bool {
    matches!(code, -32700 | -32603..=-32600 | -32002 | -32022..=-32020)
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

async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, hyper::Error> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(e)) => return Err(e),
        }
    }
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.swap_remove(0),
        _ => pieces.concat().into(),
    }
}
