//! The way of a posted body past the guard.

use super::batch::{RefusedMember, merged, refused_only};
use super::{Guard, Refusal};
use crate::call::Call;
use crate::inbound::Client;
use crate::relay::Relay;
use crate::reply::OwnError;
use crate::upstream::{Upstream, Way};
use bytes::Bytes;
use http::Response;
use ph_mcp::envelope::{self, Body as RpcBody};
use ph_mcp::error::code;
use ph_mcp::{Envelope, Kind};
use ph_record::{Ending, RefusedReason, Transport};
use ph_wire::body::Body;
use std::ops::Range;
use std::sync::Arc;

/// A message of a batch with its place in the body.
type Member<'a> = (Range<usize>, Envelope<'a>);

impl Relay {
    /// Judges a message that is a body of its own.
    ///
    /// - returns: the answer, when it may not go on.
    pub(crate) async fn judge_one(
        &self,
        upstream: &Upstream,
        guard: &Arc<Guard>,
        client: &mut Client,
        body: &[u8],
        envelope: &Envelope<'_>,
    ) -> Option<Response<Body>> {
        let text = read_text(body);
        match guard.judge(&upstream.server, client, text, envelope).await {
            Ok(None) => None,
            Ok(Some(passed)) => {
                let id = envelope.message_id(text);
                client.passed.push((id, Arc::new(passed)));
                None
            }
            Err(refusal) => {
                let id = envelope.id.clone().map(|range| &text[range]);
                let id = id.filter(|_| envelope.kind == Kind::Request);
                let response = refusal.error.response(id);
                let status = response.status().as_u16();
                upstream.refuse(self, client, text, envelope, &refusal, status);
                Some(response)
            }
        }
    }

    /// Carries a batch as far as the guard lets its messages pass.
    pub(crate) async fn post_batch(
        &self,
        upstream: &Upstream,
        guard: &Arc<Guard>,
        mut client: Box<Client>,
        body: Bytes,
        read: &RpcBody<'_>,
    ) -> Response<Body> {
        if let RpcBody::Batch(members) = read {
            let text = body.clone();
            let text = read_text(&text);
            let refused = guard.judge_each(upstream, &mut client, text, members).await;
            if !refused.is_empty() {
                return self
                    .post_rest(upstream, client, text, members, refused)
                    .await;
            }
        }
        upstream.way.post(client, body, read).await
    }

    /// Carries what is left of a batch, and answers the rest.
    async fn post_rest(
        &self,
        upstream: &Upstream,
        mut client: Box<Client>,
        text: &str,
        members: &[Member<'_>],
        refused: Vec<(usize, Box<Refusal>)>,
    ) -> Response<Body> {
        let is_kept = |nth: &usize| refused.iter().all(|(at, _)| at != nth);
        let kept: Vec<_> = (0..members.len()).filter(is_kept).collect();
        let has_calls = kept.iter().any(|nth| members[*nth].1.kind == Kind::Request);
        for (nth, refusal) in &refused {
            let (range, _) = &members[*nth];
            let status = if has_calls { 200 } else { refusal.error.status };
            // Its places are those of the whole body; what is recorded is the message alone.
            let Ok(alone) = Envelope::read(&text[range.clone()]) else {
                continue;
            };
            let text = &text[range.clone()];
            upstream.refuse(self, &mut client, text, &alone, refusal, status);
        }
        let refused = Refused::of(text, members, refused);
        if kept.is_empty() {
            return refused.alone();
        }
        let parts: Vec<_> = kept
            .iter()
            .map(|nth| &text[members[*nth].0.clone()])
            .collect();
        let body = Bytes::from(format!("[{}]", parts.join(",")));
        let again = body.clone();
        // Parts of a batch that was read are a batch.
        let Ok(read) = envelope::read_body(&again) else {
            return refused.alone();
        };
        let response = upstream.way.post(client, body, &read).await;
        if has_calls {
            merged(response, &refused.calls).await
        } else if response.status().is_success() && !refused.calls.is_empty() {
            refused.alone()
        } else {
            response
        }
    }
}

/// A body that was read: it was checked then to be UTF-8.
fn read_text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap_or("")
}

/// What was refused of a batch.
struct Refused {
    calls: Vec<RefusedMember>,
    /// The first of what nobody waits for an answer to.
    other: Option<Box<Refusal>>,
}

impl Refused {
    fn of(text: &str, members: &[Member<'_>], refused: Vec<(usize, Box<Refusal>)>) -> Self {
        let mut all = Self {
            calls: Vec::new(),
            other: None,
        };
        for (nth, refusal) in refused {
            let envelope = &members[nth].1;
            if envelope.kind == Kind::Request {
                let id = envelope.id.clone().map(|range| Box::from(&text[range]));
                all.calls.push((id, refusal));
            } else {
                all.other.get_or_insert(refusal);
            }
        }
        all
    }

    /// The answer when there is no other.
    fn alone(&self) -> Response<Body> {
        match &self.other {
            Some(refusal) if self.calls.is_empty() => refusal.error.response(None),
            _ => refused_only(&self.calls),
        }
    }
}

impl Guard {
    /// Judges each message of a batch on its own; returns those that were refused, by their place.
    async fn judge_each(
        self: &Arc<Self>,
        upstream: &Upstream,
        client: &mut Client,
        text: &str,
        members: &[Member<'_>],
    ) -> Vec<(usize, Box<Refusal>)> {
        let mut refused = Vec::new();
        for (nth, (_, envelope)) in members.iter().enumerate() {
            if self.is_unclear(text, members, nth) {
                let why = "this request id stands in the batch twice";
                let error = OwnError::new(400, code::INVALID_REQUEST, why);
                refused.push((nth, Refusal::new(RefusedReason::DuplicateId, error)));
                continue;
            }
            match self.judge(&upstream.server, client, text, envelope).await {
                Ok(Some(passed)) => {
                    let id = envelope.message_id(text);
                    client.passed.push((id, Arc::new(passed)));
                }
                Ok(None) => {}
                Err(refusal) => refused.push((nth, refusal)),
            }
        }
        refused
    }
}

impl Guard {
    /// Whether an answer to this member could be taken for one to an earlier member, and lists of one are looked at.
    fn is_unclear(&self, text: &str, members: &[Member<'_>], nth: usize) -> bool {
        let requests = |(_, e): &&Member<'_>| e.kind == Kind::Request;
        let lists = members.iter().filter(requests);
        if !lists.clone().any(|(_, e)| self.looks_at(e)) {
            return false;
        }
        let id = members[nth].1.message_id(text);
        let mut before = members[..nth].iter().filter(requests);
        let is_request = members[nth].1.kind == Kind::Request;
        is_request && before.any(|(_, e)| e.message_id(text) == id)
    }
}

impl Upstream {
    /// Records a message that the guard has refused: a request as a call, anything else as a number.
    pub(crate) fn refuse(
        &self,
        relay: &Relay,
        client: &mut Client,
        text: &str,
        envelope: &Envelope<'_>,
        refusal: &Refusal,
        status: u16,
    ) {
        if envelope.kind != Kind::Request {
            relay
                .shared
                .refused(&self.server, refusal.reason, client.peer);
            return;
        }
        let mut transport = Transport::Http;
        let mut known = None;
        match &self.way {
            Way::Http(http) if client.session.is_none() => {
                client.session = client.session_id().and_then(|id| http.sessions.find(id));
            }
            Way::Http(_) => {}
            Way::Stdio(stdio) => {
                transport = Transport::Stdio;
                known = client.session_id().and_then(|id| stdio.client_of(id));
            }
        }
        let mut call = Call::of_client(&relay.shared, &self.server, client, text, envelope);
        call.set_transport(transport);
        call.set_error(refusal.why.as_ref().unwrap_or(&refusal.error.message));
        let record = call.record();
        record.client = record.client.take().or(known);
        record.rpc_code = Some(refusal.error.code);
        record.shape.clone_from(&refusal.shape);
        if refusal.limited.is_some() {
            record.limited.clone_from(&refusal.limited);
        }
        call.finish(Ending::Refused(refusal.reason), status, true);
    }
}
