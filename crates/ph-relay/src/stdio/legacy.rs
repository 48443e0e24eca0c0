//! Legacy sessions over HTTP, each on a child of its own; those that share children: `sharing`.

use super::exchange::Exchange;
use super::link::Link;
use super::session::{Child, StdioSession};
use super::sharing::Opened;
use super::{StdioServer, accepts};
use crate::call::{Call, Context};
use crate::drive::drive;
use crate::inbound::{Client, tag};
use crate::reply::{OwnError, Reply};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use ph_base::{Method, Revision};
use ph_mcp::envelope::Body as RpcBody;
use ph_mcp::error::code;
use ph_mcp::splice::{self, Edit};
use ph_mcp::{AnswerScan, Envelope, Kind, MessageId, headers};
use ph_record::{Answer, Ending, RefusedReason, Transport};
use ph_wire::body::Body;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::oneshot;

impl StdioServer {
    pub(super) async fn post_legacy(
        self: Arc<Self>,
        client: Box<Client>,
        body: Bytes,
        envelope: &Envelope<'_>,
    ) -> Response<Body> {
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(&body).unwrap_or("");
        let is_request = envelope.kind == Kind::Request;
        if is_request && envelope.method == Method::Initialize && client.session_id().is_none() {
            return self.initialize(client, text, envelope).await;
        }
        let session = match self.session_of(&client) {
            Ok(session) => session,
            Err((reason, error)) if is_request => {
                let call = Call::of_client(&self.shared, &self.server, &client, text, envelope);
                return self.refuse(call, reason, &error);
            }
            Err((reason, error)) => {
                self.shared.refused(&self.server, reason, client.peer);
                return error.response(None);
            }
        };
        session.touch();
        if session.shared_side().is_some() {
            // Boxed: few need it, and it would make the future of every call as large as its own.
            return Box::pin(self.post_shared(client, session, body, envelope)).await;
        }
        if is_request {
            let Some(link) = session.own_link() else {
                return gone().response(None);
            };
            let call = self.call_in(&session, &client, text, envelope);
            let none = HeaderMap::new();
            return self
                .exchange(&client, &session, link, call, text, envelope, none)
                .await;
        }
        self.hear(&session, text, envelope, body.len());
        let sent = match session.own_link() {
            Some(link) => link.send(body.clone()).await.is_ok(),
            None => false,
        };
        if sent {
            accepted()
        } else {
            gone().response(None)
        }
    }

    /// A batch of 2025-03-26: each message on its own, the answers together.
    pub(super) async fn post_batch(
        self: Arc<Self>,
        client: Box<Client>,
        body: Bytes,
        messages: &[(Range<usize>, Envelope<'_>)],
    ) -> Response<Body> {
        let text = std::str::from_utf8(&body).unwrap_or("");
        let (reason, error) = match self.session_of(&client) {
            Ok(session) if session.revision.get() == Some(&Revision::V2025_03_26) => {
                session.touch();
                return self.batch_in(&session, &client, text, messages).await;
            }
            Ok(_) => {
                let text = "batches exist in protocol version 2025-03-26 only";
                (
                    RefusedReason::Era,
                    OwnError::new(400, code::INVALID_REQUEST, text),
                )
            }
            Err(refused) => refused,
        };
        self.refuse_all(
            &client,
            &body,
            &RpcBody::Batch(messages.to_vec()),
            reason,
            &error,
        )
    }

    async fn batch_in(
        self: &Arc<Self>,
        session: &Arc<StdioSession>,
        client: &Client,
        text: &str,
        messages: &[(Range<usize>, Envelope<'_>)],
    ) -> Response<Body> {
        // All at once: at most `BATCH_MAX`, and `in_flight_max` holds for them as for others.
        let mut asked = Vec::new();
        for (range, envelope) in messages {
            let part = &text[range.clone()];
            // The ranges of the envelope are those of the whole body: read the part again on its own.
            let Ok(alone) = Envelope::read(part) else {
                continue;
            };
            let is_request = envelope.kind == Kind::Request;
            let Some(link) = session.own_link() else {
                if is_request {
                    asked.push(self.begin_shared(session, client, part, &alone).await);
                } else {
                    self.hear_shared(session, part, &alone).await;
                }
                continue;
            };
            if is_request {
                let call = self.call_in(session, client, part, &alone);
                asked.push(self.begin(session, link, call, part, &alone));
            } else {
                self.hear(session, part, &alone, part.len());
                if link
                    .send(Bytes::copy_from_slice(part.as_bytes()))
                    .await
                    .is_err()
                {
                    return gone().response(None);
                }
            }
        }
        if asked.is_empty() {
            return accepted();
        }
        let mut whole = vec![b'['];
        for (i, answer) in asked.into_iter().enumerate() {
            if i > 0 {
                whole.push(b',');
            }
            whole.extend_from_slice(&text_of(answer).await);
        }
        whole.push(b']');
        let mut response = Response::new(Body::Full(whole.into()));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// Begins one call of a batch; its answer comes out at the other end.
    fn begin(
        self: &Arc<Self>,
        session: &Arc<StdioSession>,
        link: &Arc<Link>,
        mut call: Call,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> oneshot::Receiver<Response<Body>> {
        let (reply, response) = Reply::new();
        let line = self.line_in(&mut call, text, envelope);
        let exchange = Exchange {
            takes_events: false,
            prefers_events: false,
            ..self.prepared(
                session,
                link,
                call,
                envelope,
                text,
                line,
                HeaderMap::new(),
                reply,
            )
        };
        tokio::spawn(Box::new(exchange).carried(|_| {}));
        response
    }

    /// Opens a session: a child, an id, and the client's own `initialize` on it.
    async fn initialize(
        self: Arc<Self>,
        mut client: Box<Client>,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Response<Body> {
        let mut call = Call::of_client(&self.shared, &self.server, &client, text, envelope);
        call.set_transport(Transport::Stdio);
        if self.plan.isolation.shares_sessions() {
            let opened = Box::pin(self.open_shared(&mut client, call, text, envelope)).await;
            match opened {
                Opened::Answered(response) => return response,
                Opened::NotShared(theirs) => call = theirs,
            }
        }
        let Some(slot) = self.shared.session_slot() else {
            let error = OwnError::new(
                503,
                code::OVERLOAD,
                "there are `sessions.max` sessions already",
            )
            .retry_after(30);
            return self.unavailable(call, Ending::Overload, &error);
        };
        // While the server crashes at every start, no client is to start one more.
        if let super::SharedChild::Down { why, retry_at } = &*self.pool.summary.borrow() {
            let seconds = retry_at
                .saturating_duration_since(std::time::Instant::now())
                .as_secs()
                + 1;
            let error = OwnError::new(
                502,
                code::UNAVAILABLE,
                format!("server `{}`: {why}", self.server.name),
            )
            .retry_after(seconds);
            return self.unavailable(call, Ending::Unreachable, &error);
        }
        let link = match self.child_for_session() {
            Ok(link) => link,
            Err(why) if self.shared.child_slot().is_none() => {
                let error = OwnError::new(503, code::OVERLOAD, why.to_string()).retry_after(30);
                return self.unavailable(call, Ending::Overload, &error);
            }
            Err(why) => {
                let error = OwnError::new(
                    502,
                    code::UNAVAILABLE,
                    format!("server `{}`: {why}", self.server.name),
                )
                .retry_after(5);
                return self.unavailable(call, Ending::Unreachable, &error);
            }
        };
        let Some(id) = session_id() else {
            link.close();
            let error = OwnError::new(
                503,
                code::UNAVAILABLE,
                "the system gives no randomness for a session id",
            );
            return self.unavailable(call, Ending::Unreachable, &error);
        };
        let owner = client.principal.as_ref().map(|p| Arc::clone(&p.name));
        let child = Child::Own(Arc::clone(&link));
        let place = client.place.take();
        let session = StdioSession::new(&self.shared, &self.server, id, owner, child, slot, place);
        if let Some(name) = call.record().client.clone() {
            let _ = session.client.set(name);
        }
        call.record().session = Some(tag(&session.id));
        self.state()
            .sessions
            .insert(session.id.clone(), Arc::clone(&session));
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&session.id) {
            headers.insert(headers::SESSION_ID, value);
        }
        self.exchange(&client, &session, &link, call, text, envelope, headers)
            .await
    }

    pub(super) fn call_in(
        &self,
        session: &StdioSession,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Call {
        let mut call = Call::of_client(&self.shared, &self.server, client, text, envelope);
        call.set_transport(Transport::Stdio);
        let record = call.record();
        record.client = record
            .client
            .take()
            .or_else(|| session.client.get().cloned());
        record.revision = record.revision.or_else(|| session.revision.get().copied());
        call
    }

    /// The message for the child: as it came, but for our trace context.
    fn line_in(&self, call: &mut Call, text: &str, envelope: &Envelope<'_>) -> Bytes {
        let t = call.trace();
        let edit = self.shared.is_traced().then(|| {
            splice::traceparent(
                text,
                envelope,
                &Context::outgoing(t.trace_id, t.client_span, t.flags),
            )
        });
        match edit.flatten() {
            Some(edit) => splice::apply(text.as_bytes(), &mut [edit] as &mut [Edit]).into(),
            None => Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a call is made of, gathered in one place"
    )]
    fn prepared(
        &self,
        session: &Arc<StdioSession>,
        link: &Arc<Link>,
        mut call: Call,
        envelope: &Envelope<'_>,
        text: &str,
        line: Bytes,
        headers: HeaderMap,
        reply: Reply,
    ) -> Exchange {
        call.record().replica = link.replica();
        Exchange {
            shared: Arc::clone(&self.shared),
            server: Arc::clone(&self.server),
            link: Arc::clone(link),
            tuning: self.tuning.load_full(),
            line,
            id: call
                .id
                .clone()
                .unwrap_or_else(|| MessageId::canonical("null")),
            restore: None,
            token: envelope
                .progress_token
                .clone()
                .map(|r| MessageId::canonical(&text[r])),
            wants_log: true,
            takes_events: true,
            prefers_events: false,
            session: Some(Arc::clone(session)),
            headers,
            call,
            reply,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a call is made of, gathered in one place"
    )]
    async fn exchange(
        self: &Arc<Self>,
        client: &Client,
        session: &Arc<StdioSession>,
        link: &Arc<Link>,
        mut call: Call,
        text: &str,
        envelope: &Envelope<'_>,
        headers: HeaderMap,
    ) -> Response<Body> {
        let (json, takes_events, prefers_events) = accepts(client);
        if !json && !takes_events {
            let error = OwnError::new(
                406,
                code::REFUSED,
                "`Accept` must allow application/json or text/event-stream",
            );
            return self.refuse(call, RefusedReason::NotAcceptable, &error);
        }
        let (reply, response) = Reply::new();
        let line = self.line_in(&mut call, text, envelope);
        let is_initialize = envelope.method == Method::Initialize && !headers.is_empty();
        let exchange = Exchange {
            takes_events,
            prefers_events,
            ..self.prepared(session, link, call, envelope, text, line, headers, reply)
        };
        let (this, session) = (Arc::clone(self), Arc::clone(session));
        let ended = move |ending| {
            let is_answered =
                matches!(ending, Ending::Answered(a) if !matches!(a, Answer::Error(_)));
            if is_initialize && !is_answered {
                this.end_session(&session.id);
            }
            session.touch();
        };
        drive(Box::new(exchange).carried(ended), response).await
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<StdioSession>> {
        self.state().sessions.get(id).cloned()
    }

    /// The session that a request names.
    pub(super) fn session_of(
        &self,
        client: &Client,
    ) -> Result<Arc<StdioSession>, (RefusedReason, OwnError)> {
        let Some(id) = client.session_id() else {
            let error = OwnError::new(
                400,
                code::BAD_REQUEST,
                "Bad Request: header `Mcp-Session-Id` is missing",
            );
            return Err((RefusedReason::SessionMissing, error));
        };
        let session = self.session(id);
        let Some(session) = session else {
            return Err((RefusedReason::SessionUnknown, gone()));
        };
        match client.version() {
            Some(version) if Revision::parse(version).is_none() => {
                let error = OwnError::new(
                    400,
                    code::BAD_REQUEST,
                    format!(
                        "Bad Request: unsupported protocol version; this session speaks {}",
                        spoken(&session)
                    ),
                );
                Err((RefusedReason::Era, error))
            }
            _ => Ok(session),
        }
    }

    /// Takes note of a notification or an answer of the client.
    fn hear(&self, session: &StdioSession, text: &str, envelope: &Envelope<'_>, bytes: usize) {
        match envelope.kind {
            Kind::Notification => {
                self.server
                    .live
                    .notifications_to_server
                    .fetch_add(1, Relaxed);
                if let Some(id) = envelope.cancelled_id.clone() {
                    _ = session.cancelled(&MessageId::canonical(&text[id]));
                }
            }
            Kind::Response => {
                for message in AnswerScan::read(text.as_bytes()) {
                    _ = session.replied(&message, bytes as u64);
                }
            }
            Kind::Request => {}
        }
    }

    pub(super) fn delete_legacy(&self, client: &Client) -> Response<Body> {
        match self.session_of(client) {
            Ok(session) => {
                self.end_session(&session.id);
                Response::new(Body::Empty)
            }
            Err((reason, error)) => {
                self.shared.refused(&self.server, reason, client.peer);
                error.response(None)
            }
        }
    }
}

/// The answer of one call of a batch.
async fn text_of(answer: oneshot::Receiver<Response<Body>>) -> Bytes {
    use http_body_util::BodyExt;
    match answer.await {
        Ok(response) => response
            .into_body()
            .collect()
            .await
            .map(|b| b.to_bytes())
            .unwrap_or_default(),
        Err(_) => Bytes::new(),
    }
}

pub(super) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

pub(super) fn gone() -> OwnError {
    OwnError::new(404, code::SESSION_NOT_FOUND, "Session not found")
}

fn spoken(session: &StdioSession) -> &'static str {
    session
        .revision
        .get()
        .map_or("a legacy version", |r| r.as_str())
}

/// 128 bits that nobody can guess, as hex.
pub(super) fn session_id() -> Option<Box<str>> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(
        bytes
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
            .into(),
    )
}
