//! What sessions send to children that they share.

use super::opening::own_answer;
use crate::call::Call;
use crate::drive::{Carried, drive};
use crate::inbound::Client;
use crate::reply::{OwnError, Reply};
use crate::stdio::exchange::Exchange;
use crate::stdio::held::Held;
use crate::stdio::legacy::{accepted, gone};
use crate::stdio::link::Link;
use crate::stdio::pool::{Near, Place};
use crate::stdio::session::{NotBegun, OpenCall, SharedSide, StdioSession};
use crate::stdio::waiter::Restore;
use crate::stdio::{StdioServer, accepts};
use bytes::Bytes;
use http::Response;
use http::header::HeaderMap;
use ph_base::Method;
use ph_mcp::error::{code, quote};
use ph_mcp::session::{Level, level_asked};
use ph_mcp::{AnswerScan, Envelope, Kind, MessageId};
use ph_record::{Answer, Ending, RefusedReason};
use ph_wire::body::Body;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::oneshot;

/// A call that is ready to go, and where its answer comes out.
type Ready = (Carried, oneshot::Receiver<Response<Body>>);

/// What a call is to others, beside itself.
enum Effect {
    None,
    Subscribed(Box<str>),
    Level(Level),
}

impl StdioServer {
    /// Carries one message of a session that shares children.
    pub(in crate::stdio) async fn post_shared(
        self: Arc<Self>,
        client: Box<Client>,
        session: Arc<StdioSession>,
        body: Bytes,
        envelope: &Envelope<'_>,
    ) -> Response<Body> {
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(&body).unwrap_or("");
        if envelope.kind != Kind::Request {
            self.hear_shared(&session, text, envelope).await;
            return accepted();
        }
        match self.ready(&client, true, &session, text, envelope).await {
            Ok((carried, response)) => drive(carried, response).await,
            Err(response) => response,
        }
    }

    /// Begins one call of a batch; its answer comes out at the other end.
    pub(in crate::stdio) async fn begin_shared(
        self: &Arc<Self>,
        session: &Arc<StdioSession>,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> oneshot::Receiver<Response<Body>> {
        match self.ready(client, false, session, text, envelope).await {
            Ok((carried, response)) => {
                tokio::spawn(carried);
                response
            }
            Err(answered) => {
                let (tell, response) = oneshot::channel();
                let _ = tell.send(answered);
                response
            }
        }
    }

    /// Prepares a request of a session. `Err`: it is answered already.
    ///
    /// - `is_alone`: it is no part of a batch, which is answered by JSON alone.
    async fn ready(
        self: &Arc<Self>,
        client: &Client,
        is_alone: bool,
        session: &Arc<StdioSession>,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Result<Ready, Response<Body>> {
        let call = self.call_in(session, client, text, envelope);
        let (json, takes_events, prefers_events) = accepts(client);
        if !json && !takes_events {
            let error = OwnError::new(
                406,
                code::REFUSED,
                "`Accept` must allow application/json or text/event-stream",
            );
            return Err(self.refuse(call, RefusedReason::NotAcceptable, &error));
        }
        // Sessions that share no child never come here.
        let Some(side) = session.shared_side() else {
            return Err(gone().response(None));
        };
        let sorted = self.alone(client, session, side, call, text, envelope);
        let (call, effect, at) = sorted.map_err(|answered| *answered)?;
        let id = call.id.clone();
        let id = id.unwrap_or_else(|| MessageId::canonical("null"));
        let open = match OpenCall::begin(session, id) {
            Ok(open) => open,
            Err(NotBegun::Duplicate) => {
                let text = "this request id is in flight already in this session";
                let error = OwnError::new(400, code::INVALID_REQUEST, text);
                return Err(self.refuse(call, RefusedReason::DuplicateId, &error));
            }
            Err(NotBegun::Ended) => {
                return Err(self.refuse(call, RefusedReason::SessionUnknown, &gone()));
            }
        };
        let near = at.unwrap_or_else(|| {
            let (member, is_tied) = side.near();
            Near { member, is_tied }
        });
        let held = Held::new(call, &self.shared);
        let place = tokio::select! {
            place = self.place_near(true, Some(&near)) => Some(place),
            () = open.taken_back.cancelled() => None,
        };
        let mut call = held.release();
        let place = match place {
            None => return Err(self.taken_back(call, session)),
            Some(Err(why)) => return Err(self.no_place(call, why)),
            Some(Ok(place)) => place,
        };
        let link = Arc::clone(&place.member.link);
        let revision = link.greeting().map(|greeting| greeting.revision);
        if revision != session.revision.get().copied() {
            // The server has become another one, which does not speak what this session speaks.
            self.end_session(&session.id);
            return Err(self.refuse(call, RefusedReason::SessionUnknown, &gone()));
        }
        let own = link.fresh_id();
        let own_id = MessageId::canonical(&own.to_string());
        if !open.goes_to(&link, own_id.clone()) {
            return Err(self.taken_back(call, session));
        }
        let line = match &effect {
            Effect::Level(level) => {
                side.set_level(*level);
                let level = self.level().unwrap_or(*level);
                set_level(&own.to_string(), level).into()
            }
            Effect::None | Effect::Subscribed(_) => {
                self.line_for_child(&mut call, text, envelope, own)
            }
        };
        if let Effect::Subscribed(uri) = &effect {
            self.listens(session, uri, &link);
        } else {
            side.moves_to(&place.member);
        }
        let (reply, response) = Reply::new();
        call.record().replica = link.replica();
        let exchange = Exchange {
            shared: Arc::clone(&self.shared),
            server: Arc::clone(&self.server),
            tuning: self.tuning.load_full(),
            restore: Some(Restore {
                id: call.id_raw.clone().unwrap_or_else(|| "null".into()),
                token: envelope.progress_token.clone().map(|r| text[r].into()),
            }),
            token: Some(own_id.clone()),
            id: own_id,
            wants_log: true,
            takes_events: takes_events && is_alone,
            prefers_events: prefers_events && is_alone,
            session: Some(Arc::clone(session)),
            headers: HeaderMap::new(),
            link,
            line,
            call,
            reply,
        };
        let (this, session) = (Arc::clone(self), Arc::clone(session));
        let ended = move |ending| this.ended_shared(&session, open, effect, place, ending);
        Ok((Box::new(exchange).carried(ended), response))
    }

    /// What concerns this session alone, or none: answered at once. Else the call, what it means to others, and
    /// the child that it has to go to.
    fn alone(
        &self,
        client: &Client,
        session: &Arc<StdioSession>,
        side: &SharedSide,
        call: Call,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Result<(Call, Effect, Option<Near>), Box<Response<Body>>> {
        match envelope.method {
            Method::Initialize => {
                let text = "this session is initialized already";
                let error = OwnError::new(400, code::INVALID_REQUEST, text);
                Err(Box::new(self.refuse(
                    call,
                    RefusedReason::Malformed,
                    &error,
                )))
            }
            Method::TasksList => {
                let text = "the tasks of a server process that sessions share cannot be listed: they are not told apart by session";
                let error = OwnError::new(403, code::REFUSED, text);
                Err(Box::new(self.refuse(
                    call,
                    RefusedReason::Unattributed,
                    &error,
                )))
            }
            Method::LoggingSetLevel => Ok(match level_asked(text, envelope) {
                Some(level) => (call, Effect::Level(level), None),
                // The server says what is wrong with it.
                None => (call, Effect::None, None),
            }),
            Method::ResourcesSubscribe => {
                let uri = envelope.target.as_deref().unwrap_or("");
                match side.listens_to(uri) {
                    None => {
                        let text = "this session listens to too many resources already";
                        let error = OwnError::new(400, code::INVALID_REQUEST, text);
                        Err(Box::new(self.refuse(
                            call,
                            RefusedReason::Malformed,
                            &error,
                        )))
                    }
                    Some(true) => Ok((call, Effect::Subscribed(uri.into()), self.heard_at(uri))),
                    // Once more, which changes nothing for anybody.
                    Some(false) => Ok((call, Effect::None, self.heard_at(uri))),
                }
            }
            Method::ResourcesUnsubscribe => {
                let uri = envelope.target.as_deref().unwrap_or("");
                let at = self.heard_at(uri);
                side.leaves(uri);
                if self.is_heard_without(session, uri) {
                    let id = call.id_raw.clone();
                    let id = id.as_deref().unwrap_or("null");
                    let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}");
                    return Err(Box::new(own_answer(client, call, body.into())));
                }
                Ok((call, Effect::None, at))
            }
            _ => Ok((call, Effect::None, None)),
        }
    }

    fn taken_back(&self, call: Call, session: &StdioSession) -> Response<Body> {
        let has_ended = session.shared_side().is_none_or(SharedSide::has_ended);
        let (ending, error) = if has_ended {
            (Ending::SessionEnded, gone())
        } else {
            let error = OwnError::new(499, code::REFUSED, "the call was cancelled");
            (Ending::Cancelled, error)
        };
        self.unavailable(call, ending, &error)
    }

    fn ended_shared(
        self: &Arc<Self>,
        session: &Arc<StdioSession>,
        open: OpenCall,
        effect: Effect,
        place: Place,
        ending: Ending,
    ) {
        let side = session.shared_side();
        let is_answered = matches!(ending, Ending::Answered(Answer::Complete));
        match effect {
            Effect::Subscribed(uri) if !is_answered => {
                self.listens_no_more(session, &uri);
            }
            Effect::Level(level) if is_answered => self.others_get(level, &place),
            Effect::None | Effect::Subscribed(_) | Effect::Level(_) => {}
        }
        if let (Some(side), Ending::Answered(Answer::Task)) = (side, ending) {
            // That child alone knows the task.
            side.tie(&place.member);
        }
        place.ended(ending);
        drop(open);
        session.touch();
    }

    /// The other children are as talkative.
    fn others_get(&self, level: Level, place: &Place) {
        let level = self.level().unwrap_or(level);
        for link in self.pool.links() {
            if !Arc::ptr_eq(&link, &place.member.link) {
                link.post(set_level("\"pilothouse-level\"", level));
            }
        }
    }

    /// Takes note of a notification or an answer of a session's client, and tells the child what it has to know.
    pub(in crate::stdio) async fn hear_shared(
        &self,
        session: &Arc<StdioSession>,
        text: &str,
        envelope: &Envelope<'_>,
    ) {
        session.touch();
        let Some(side) = session.shared_side() else {
            return;
        };
        let (member, _) = side.near();
        // A child that asked this session something is its alone.
        let owner = member.link.taken_by();
        let is_its_own = owner.is_some_and(|o| std::ptr::eq(o.as_ptr(), Arc::as_ptr(session)));
        if envelope.kind == Kind::Response {
            let messages = AnswerScan::read(text.as_bytes());
            let bytes = text.len() as u64;
            let is_open = messages.iter().any(|m| session.replied(m, bytes));
            if is_open && is_its_own {
                send(&member.link, text.to_owned()).await;
            }
            return;
        }
        let live = &self.server.live;
        live.notifications_to_server.fetch_add(1, Relaxed);
        match &*envelope.method_text {
            // It was told so by us.
            "notifications/initialized" => {}
            "notifications/cancelled" => {
                let id = envelope.cancelled_id.clone();
                let id = id.map(|id| MessageId::canonical(&text[id]));
                if let Some((link, own)) = id.and_then(|id| session.cancelled(&id)) {
                    send(&link, cancellation(&own, "cancelled by the client")).await;
                }
            }
            // What a client can do, and how far it is with an answer, concerns a child that may ask it.
            "notifications/roots/list_changed" | "notifications/progress" if !is_its_own => {}
            _ => send(&member.link, text.to_owned()).await,
        }
    }
}

async fn send(link: &Link, text: String) {
    // A child that takes no more messages is about to be replaced; a notification has no answer.
    let _ = link.send(text.into()).await;
}

/// `logging/setLevel` with this id.
pub(super) fn set_level(id: &str, level: Level) -> String {
    let level = level.as_str();
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"logging/setLevel\",\"params\":{{\"level\":\"{level}\"}}}}"
    )
}

fn cancellation(own: &MessageId, reason: &str) -> String {
    let (own, mut quoted) = (own.as_str(), String::new());
    quote(reason, &mut quoted);
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{own},\"reason\":{quoted}}}}}"
    )
}
