//! Opening a session on a shared child.

use crate::call::Call;
use crate::inbound::{Client, tag};
use crate::reply::{OwnError, json_headers};
use crate::stdio::held::Held;
use crate::stdio::legacy::session_id;
use crate::stdio::link::{Crowd, Greeting, Link};
use crate::stdio::pool::{Member, NoPlace};
use crate::stdio::session::{Child, SharedSide, StdioSession};
use crate::stdio::waiter::Restore;
use crate::stdio::{StdioServer, accepts};
use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use ph_base::{Era, Revision};
use ph_mcp::error::code;
use ph_mcp::{AnswerScan, Envelope, headers, session};
use ph_plan::Isolation;
use ph_record::{Ending, RefusedReason, Transport};
use ph_wire::body::Body;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a child is told of its client: the newest version of the era, and nothing that it could ask for.
const OWN_INITIALIZE: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"pilothouse","version":"1"}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What became of an `initialize`.
pub(in crate::stdio) enum Opened {
    Answered(Response<Body>),
    /// This client gets a child of its own.
    NotShared(Call),
}

impl StdioServer {
    /// Makes a new child one that sessions share.
    ///
    /// # Errors
    /// Why it cannot be one.
    pub(in crate::stdio) async fn greet(
        self: &Arc<Self>,
        link: &Link,
        limit: Duration,
    ) -> Result<(), Arc<str>> {
        let answer = link.ask_whole("initialize", OWN_INITIALIZE, limit).await;
        let frame = match answer {
            Ok(frame) => frame,
            Err(Some(why)) => return Err(why),
            Err(None) => {
                let why = format!("it did not answer `initialize` within {limit:?}");
                return Err(why.into());
            }
        };
        let message = &frame.message;
        if !message.has_result {
            let said = message.error_message.as_deref().unwrap_or("no result");
            let why = format!(
                "it refused `initialize` ({said}); `isolation: shared` is for servers with sessions, `auto` for others"
            );
            return Err(why.into());
        }
        let version = message.protocol_version.as_deref().unwrap_or("");
        let revision = Revision::parse(version).filter(|r| r.era() == Era::Legacy);
        let Some(revision) = revision else {
            let why = format!("it answered `initialize` with an unknown version, `{version}`");
            return Err(why.into());
        };
        link.share(Crowd {
            greeting: Greeting {
                bytes: frame.bytes.clone(),
                message: frame.message.clone(),
                revision,
            },
            server: Arc::downgrade(self),
        });
        link.post(INITIALIZED.into());
        if let Some(level) = self.level() {
            link.post(super::calls::set_level("\"pilothouse-level\"", level));
        }
        Ok(())
    }

    /// Opens a session on a shared child, if this client can have one.
    ///
    /// - `call`: its `initialize`.
    pub(in crate::stdio) async fn open_shared(
        self: &Arc<Self>,
        client: &mut Client,
        call: Call,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Opened {
        let is_for_all = self.plan.isolation == Isolation::SharedByAll;
        if !is_for_all && session::declares(text, envelope) {
            return Opened::NotShared(call);
        }
        let Some(slot) = self.shared.session_slot() else {
            return Opened::NotShared(call);
        };
        let held = Held::new(call, &self.shared);
        let place = self.place(false).await;
        let mut call = held.release();
        let member = match place {
            Ok(place) => Arc::clone(&place.member),
            Err(why) => return Opened::Answered(self.no_place(call, why)),
        };
        let Some(greeting) = member.link.greeting() else {
            return Opened::NotShared(call);
        };
        // One that speaks nothing so new would have been answered with an older version.
        let asked = envelope.initialize_version.as_deref();
        let is_older = asked.and_then(Revision::parse);
        if is_older.is_some_and(|asked| asked < greeting.revision) {
            return Opened::NotShared(call);
        }
        let (json, events, _) = accepts(client);
        if !json && !events {
            let error = OwnError::new(
                406,
                code::REFUSED,
                "`Accept` must allow application/json or text/event-stream",
            );
            let response = self.refuse(call, RefusedReason::NotAcceptable, &error);
            return Opened::Answered(response);
        }
        let Some(id) = session_id() else {
            let text = "the system gives no randomness for a session id";
            let error = OwnError::new(503, code::UNAVAILABLE, text);
            return Opened::Answered(self.unavailable(call, Ending::Unreachable, &error));
        };
        let owner = client.principal.as_ref().map(|p| Arc::clone(&p.name));
        let child = Child::Shared(SharedSide::new(Arc::clone(&member)));
        let of_client = client.place.take();
        let session = StdioSession::new(
            &self.shared,
            &self.server,
            id,
            owner,
            child,
            slot,
            of_client,
        );
        if let Some(name) = call.record().client.clone() {
            let _ = session.client.set(name);
        }
        let _ = session.revision.set(greeting.revision);
        call.record().session = Some(tag(&session.id));
        let mut sessions = self.state();
        let known = &mut sessions.sessions;
        known.insert(session.id.clone(), Arc::clone(&session));
        drop(sessions);
        // A server that is retired meanwhile has forgotten its sessions already.
        if self.retired.is_cancelled() {
            self.end_session(&session.id);
        }
        let mut response = self.answered_for(client, call, greeting, &member);
        if let Ok(value) = HeaderValue::from_str(&session.id) {
            response.headers_mut().insert(headers::SESSION_ID, value);
        }
        Opened::Answered(response)
    }

    fn answered_for(
        &self,
        client: &Client,
        mut call: Call,
        greeting: &Greeting,
        member: &Member,
    ) -> Response<Body> {
        call.record().replica = member.link.replica();
        let restore = Restore {
            id: call.id_raw.clone().unwrap_or_else(|| "null".into()),
            token: None,
        };
        let body = restore.apply(&greeting.bytes, &greeting.message, true);
        own_answer(client, call, body)
    }

    /// There is no shared child for a call.
    pub(in crate::stdio) fn no_place(&self, call: Call, why: NoPlace) -> Response<Body> {
        match why {
            NoPlace::Legacy => {
                // As legacy HTTP servers answer, so that clients fall back to `initialize`.
                let error = OwnError::new(
                    400,
                    code::BAD_REQUEST,
                    "Bad Request: this server needs `initialize` first",
                );
                self.refuse(call, RefusedReason::Era, &error)
            }
            NoPlace::NoRoom(why) => {
                let error = OwnError::new(503, code::OVERLOAD, why.as_str()).retry_after(1);
                self.unavailable(call, Ending::Overload, &error)
            }
            NoPlace::Down(why, retry_at) => {
                let seconds = retry_at.saturating_duration_since(Instant::now()).as_secs() + 1;
                let text = format!("server `{}`: {why}", self.server.name);
                let error = OwnError::new(502, code::UNAVAILABLE, text).retry_after(seconds);
                self.unavailable(call, Ending::Unreachable, &error)
            }
        }
    }
}

/// Answers a call in the place of the child, which has said the same already or need not know.
pub(super) fn own_answer(client: &Client, mut call: Call, body: Bytes) -> Response<Body> {
    call.set_transport(Transport::Stdio);
    let length = body.len() as u64;
    let messages = AnswerScan::read(&body);
    let ending = match messages.first() {
        Some(message) => call.answer(message, length),
        None => Ending::BadAnswer,
    };
    call.finish(ending, 200, true);
    if accepts(client).0 {
        let mut response = Response::new(Body::Full(body));
        *response.headers_mut() = json_headers();
        return response;
    }
    let mut event = Vec::with_capacity(body.len() + 16);
    ph_wire::sse::write_event(&mut event, None, &body);
    let mut response = Response::new(Body::Full(event.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-transform"),
    );
    response
}
