//! The way of a posted body past the limits.

use super::batch::{RefusedMember, merged, refused_only};
use super::{Gate, Refusal};
use crate::call::Call;
use crate::inbound::Client;
use crate::relay::{Relay, Upstream, Way};
use bytes::Bytes;
use http::Response;
use ph_mcp::envelope::{self, Body as RpcBody};
use ph_mcp::{Envelope, Kind};
use ph_record::{Ending, RefusedReason, Transport};
use ph_wire::body::Body;
use std::ops::Range;
use std::sync::Arc;

/// A message of a batch with its place in the body.
type Member<'a> = (Range<usize>, Envelope<'a>);

impl Relay {
    /// Carries a body as far as the limits let its calls pass.
    pub(crate) async fn post_limited(
        &self,
        upstream: &Upstream,
        gate: &Gate,
        mut client: Client,
        body: Bytes,
        read: RpcBody<'_>,
    ) -> Response<Body> {
        // The text was checked to be UTF-8 when it was read; the handle is a cheap one.
        let text = body.clone();
        let text = std::str::from_utf8(&text).unwrap_or("");
        let server = upstream.server.name.as_str();
        match &read {
            RpcBody::One(envelope) if envelope.kind == Kind::Request => {
                match gate.admit(server, &client, envelope).await {
                    Ok(admitted) => {
                        let admitted = admitted.map(Arc::new);
                        let id = envelope.message_id(text);
                        client.admitted.extend(admitted.map(|a| (id, a)));
                    }
                    Err(refusal) => {
                        let id = envelope.id.clone().map(|range| &text[range]);
                        let response = refusal.error.response(id);
                        let status = response.status().as_u16();
                        upstream.refuse_limited(
                            self,
                            &mut client,
                            text,
                            envelope,
                            &refusal,
                            status,
                        );
                        return response;
                    }
                }
            }
            RpcBody::One(_) => {}
            RpcBody::Batch(members) => {
                let refused = admit_each(gate, server, &mut client, text, members).await;
                if !refused.is_empty() {
                    return self
                        .post_rest(upstream, client, text, members, refused)
                        .await;
                }
            }
        }
        upstream.way.post(client, body, read).await
    }

    /// Carries what is left of a batch, and answers the rest.
    async fn post_rest(
        &self,
        upstream: &Upstream,
        mut client: Client,
        text: &str,
        members: &[Member<'_>],
        refused: Vec<(usize, Refusal)>,
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
            upstream.refuse_limited(
                self,
                &mut client,
                &text[range.clone()],
                &alone,
                refusal,
                status,
            );
        }
        let id_of = |nth: usize| {
            let id = members[nth].1.id.clone();
            id.map(|range| Box::from(&text[range]))
        };
        let refused: Vec<RefusedMember> = refused
            .into_iter()
            .map(|(nth, refusal)| (id_of(nth), refusal))
            .collect();
        if kept.is_empty() {
            return refused_only(&refused);
        }
        let parts: Vec<_> = kept
            .iter()
            .map(|nth| &text[members[*nth].0.clone()])
            .collect();
        let body = Bytes::from(format!("[{}]", parts.join(",")));
        let again = body.clone();
        // Parts of a batch that was read are a batch.
        let Ok(read) = envelope::read_body(&again) else {
            return refused_only(&refused);
        };
        let response = upstream.way.post(client, body, read).await;
        if has_calls {
            merged(response, &refused).await
        } else if response.status().is_success() {
            refused_only(&refused)
        } else {
            response
        }
    }
}

/// Takes for each call of a batch on its own; returns those that were refused, by their place.
async fn admit_each(
    gate: &Gate,
    server: &str,
    client: &mut Client,
    text: &str,
    members: &[Member<'_>],
) -> Vec<(usize, Refusal)> {
    let mut refused = Vec::new();
    for (nth, (_, envelope)) in members.iter().enumerate() {
        if envelope.kind != Kind::Request {
            continue;
        }
        match gate.admit(server, client, envelope).await {
            Ok(Some(admitted)) => {
                let id = envelope.message_id(text);
                client.admitted.push((id, Arc::new(admitted)));
            }
            Ok(None) => {}
            Err(refusal) => refused.push((nth, refusal)),
        }
    }
    refused
}

impl Upstream {
    /// Records a call that a limit has refused.
    fn refuse_limited(
        &self,
        relay: &Relay,
        client: &mut Client,
        text: &str,
        envelope: &Envelope<'_>,
        refusal: &Refusal,
        status: u16,
    ) {
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
        call.set_error(&refusal.error.message);
        let record = call.record();
        record.client = record.client.take().or(known);
        record.rpc_code = Some(refusal.error.code);
        record.limited = Some(refusal.limited.clone());
        call.finish(Ending::Refused(RefusedReason::RateLimited), status, true);
    }
}
