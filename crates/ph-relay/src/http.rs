//! A server behind Streamable HTTP: its answers pass as they are, and are watched.

mod exchange;
mod forward;
mod probe;
mod replica;
mod stream;
mod tools;

use crate::call::Call;
use crate::crowd;
use crate::drive::drive;
use crate::inbound::Client;
use crate::reply::{OwnError, Reply};
use crate::session::Sessions;
use crate::shared::Shared;
use crate::tuning::Tuning;
use arc_swap::ArcSwap;
use bytes::Bytes;
use exchange::Exchange;
use http::{Method as HttpMethod, Response, StatusCode};
use ph_base::Era;
use ph_mcp::envelope::Body as RpcBody;
use ph_mcp::error::code;
use ph_mcp::splice::{self, Edit};
use ph_mcp::{AnswerScan, Envelope, Kind, headers};
use ph_policy::Principal;
use ph_record::Server;
use ph_wire::body::Body;
use ph_wire::tls::TlsError;
use ph_wire::upstream::{Answer, AnswerError};
use replica::{Place, Replicas};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Largest answer to a notification that is passed on.
const SHORT_ANSWER_BYTES_MAX: usize = 1 << 20;

/// A server behind Streamable HTTP.
pub(crate) struct HttpServer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: Arc<Server>,
    pub(crate) replicas: Replicas,
    pub(crate) tuning: ArcSwap<Tuning>,
    pub(crate) sessions: Sessions,
}

impl HttpServer {
    /// Prepares the connection to `plan`'s URL; nothing is connected yet.
    ///
    /// - `first_slot`: the number of its first address.
    pub(crate) fn new(
        shared: Arc<Shared>,
        server: Arc<Server>,
        plan: &ph_plan::Server,
        http: &ph_plan::HttpUpstream,
        whole: &ph_plan::Plan,
        first_slot: u16,
    ) -> Result<Self, TlsError> {
        let tuning = Tuning::new(plan, whole, None);
        let this = Self {
            replicas: Replicas::new(
                http,
                shared.parts.workers.count(),
                &tuning,
                Arc::clone(&server),
                first_slot,
            )?,
            tuning: ArcSwap::new(tuning),
            sessions: Sessions::new(Arc::clone(&server), whole.sessions.max),
            shared,
            server,
        };
        this.show();
        Ok(this)
    }

    /// Carries one body that a client posted.
    pub(crate) async fn post(
        self: Arc<Self>,
        mut client: Box<Client>,
        body: Bytes,
        read: &RpcBody<'_>,
    ) -> Response<Body> {
        client.session = client.session_id().and_then(|id| self.sessions.find(id));
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(&body).unwrap_or("");
        match read {
            RpcBody::One(envelope) if envelope.kind == Kind::Request => {
                let mut call = Call::of_client(&self.shared, &self.server, &client, text, envelope);
                let body = self.traced(&mut call, text, envelope, &body);
                self.exchange(client, body, vec![call]).await
            }
            RpcBody::One(envelope) => self.short(client, &body, &[envelope]).await,
            RpcBody::Batch(messages) => {
                let requests = messages.iter().filter(|(_, e)| e.kind == Kind::Request);
                let calls: Vec<_> = requests
                    .map(|(_, e)| Call::of_client(&self.shared, &self.server, &client, text, e))
                    .collect();
                let others: Vec<_> = messages
                    .iter()
                    .map(|(_, e)| e)
                    .filter(|e| e.kind != Kind::Request)
                    .collect();
                if calls.is_empty() {
                    return self.short(client, &body, &others).await;
                }
                self.hear_client(&client, text, &others, 200);
                self.exchange(client, body.clone(), calls).await
            }
        }
    }

    /// `body` with our CLIENT span as the parent of what the server does, if spans are recorded.
    fn traced(&self, call: &mut Call, text: &str, envelope: &Envelope<'_>, body: &Bytes) -> Bytes {
        if !self.shared.is_traced() {
            return body.clone();
        }
        let t = call.trace();
        let parent = crate::call::Context::outgoing(t.trace_id, t.client_span, t.flags);
        match splice::traceparent(text, envelope, &parent) {
            Some(edit) => splice::apply(body, &mut [edit] as &mut [Edit]).into(),
            None => body.clone(),
        }
    }

    /// Runs the exchange to its end, also when the client leaves.
    async fn exchange(
        self: Arc<Self>,
        client: Box<Client>,
        body: Bytes,
        calls: Vec<Call>,
    ) -> Response<Body> {
        let (reply, response) = Reply::new();
        let exchange = Box::new(Exchange::new(self, client, body, calls, reply));
        drive(exchange.carried(), response).await
    }

    /// Carries what is no call: notifications and answers of the client.
    async fn short(
        &self,
        client: Box<Client>,
        body: &Bytes,
        messages: &[&Envelope<'_>],
    ) -> Response<Body> {
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(body).unwrap_or("");
        if let Some(session) = &client.session {
            let answers = messages.iter().filter(|e| e.kind == Kind::Response);
            for id in answers.filter_map(|e| e.message_id(text)) {
                session.replying(&id);
            }
        }
        let (answer, place) = match self.ask(&HttpMethod::POST, &client, body.clone()).await {
            Ok(asked) => asked,
            Err(error) => return error.response(None),
        };
        self.hear_client(&client, text, messages, answer.status.as_u16());
        self.mind_status(client.session_id(), client.era_of_head(), answer.status);
        self.pass_short(answer, &place).await
    }

    /// A short answer, whole.
    async fn pass_short(&self, answer: Answer, place: &Place) -> Response<Body> {
        let Answer {
            status,
            headers,
            mut body,
            ..
        } = answer;
        let mut text = Vec::new();
        let read = async {
            while text.len() <= SHORT_ANSWER_BYTES_MAX {
                if body.append(&mut text).await? == 0 {
                    return Ok::<_, AnswerError>(true);
                }
            }
            Ok(false)
        };
        let read = tokio::time::timeout(self.tuning.load().timeouts.idle, read).await;
        match read {
            Ok(Ok(true)) => {
                place.keep(body);
                let mut response = Response::new(Body::Full(text.into()));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                response
            }
            _ => OwnError::new(502, code::UNAVAILABLE, "the server's answer broke off")
                .response(None),
        }
    }

    /// Takes note of a client's notifications and answers.
    fn hear_client(&self, client: &Client, text: &str, messages: &[&Envelope<'_>], status: u16) {
        for envelope in messages {
            if envelope.kind == Kind::Notification {
                self.server
                    .live
                    .notifications_to_server
                    .fetch_add(1, Relaxed);
            }
            let Some(session) = &client.session else {
                continue;
            };
            match envelope.kind {
                Kind::Notification => {
                    if let Some(id) = envelope.cancelled_id.clone() {
                        session.cancelled(&ph_mcp::MessageId::canonical(&text[id]));
                    }
                }
                Kind::Response => {
                    for message in AnswerScan::read(text.as_bytes()) {
                        if message.message_id() == envelope.message_id(text) {
                            session.replied(&message, text.len() as u64, status);
                        }
                    }
                }
                Kind::Request => {}
            }
        }
    }

    /// A session that the upstream does not know (any more) is over.
    fn mind_status(&self, session_id: Option<&str>, era: Era, status: StatusCode) {
        if let (StatusCode::NOT_FOUND, Era::Legacy, Some(id)) = (status, era, session_id) {
            self.sessions.end(id);
        }
    }

    /// Ends a session.
    pub(crate) async fn delete(self: Arc<Self>, client: Box<Client>) -> Response<Body> {
        let (answer, place) = match self.ask(&HttpMethod::DELETE, &client, Bytes::new()).await {
            Ok(asked) => asked,
            Err(error) => return error.response(None),
        };
        self.mind_status(client.session_id(), client.era_of_head(), answer.status);
        if let Some(id) = client.session_id().filter(|_| answer.status.is_success()) {
            self.sessions.end(id);
        }
        self.pass_short(answer, &place).await
    }

    /// Watches the session that an initialize answer of `slot` has opened.
    fn watch(
        &self,
        headers: &http::HeaderMap,
        client_name: Option<Arc<str>>,
        owner: Option<&Principal>,
        slot: u16,
        place: Option<crowd::Place>,
    ) {
        let id = headers
            .get(headers::SESSION_ID)
            .and_then(|v| v.to_str().ok());
        if let Some(session) = id.and_then(|id| self.sessions.watch(id, owner, slot, place)) {
            session.set_client(client_name);
        }
    }
}

impl HttpServer {
    /// Forgets sessions that were quiet for longer than `idle`, and closes connections of no more use.
    pub(crate) fn sweep(&self, idle: Duration) {
        self.sessions.sweep(idle);
        self.replicas.sweep();
    }

    /// Takes over what a reload can change; calls in flight keep what they have.
    pub(crate) fn tune(&self, plan: &ph_plan::Server, whole: &ph_plan::Plan) {
        self.tuning
            .store(Tuning::new(plan, whole, Some(&self.tuning.load())));
        self.replicas.obey(&self.tuning.load());
        self.show();
    }
}
