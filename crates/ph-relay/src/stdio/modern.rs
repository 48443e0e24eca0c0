//! Stateless clients on the shared child: ids are replaced on the way in and put
//! back on the way out, since clients choose them without knowing of each other.

use super::exchange::Exchange;
use super::held::Held;
use super::link::Link;
use super::pool::{NoPlace, Place};
use super::waiter::Restore;
use super::{StdioServer, accepts};
use crate::call::{Call, Context};
use crate::drive::drive;
use crate::inbound::Client;
use crate::reply::{OwnError, Reply};
use bytes::Bytes;
use http::header::HeaderMap;
use http::{Response, StatusCode};
use ph_base::Method;
use ph_mcp::error::code;
use ph_mcp::headers::{ModernFault, check_modern};
use ph_mcp::splice::{self, Edit};
use ph_mcp::{Envelope, Kind, MessageId};
use ph_record::RefusedReason;
use ph_wire::body::Body;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl StdioServer {
    pub(super) async fn post_modern(
        self: Arc<Self>,
        client: Box<Client>,
        body: Bytes,
        envelope: &Envelope<'_>,
    ) -> Response<Body> {
        match envelope.kind {
            Kind::Request => self.call_modern(client, body, envelope).await,
            Kind::Notification => self.notify_modern(&client, body, envelope).await,
            Kind::Response => {
                self.shared
                    .refused(&self.server, RefusedReason::Malformed, client.peer);
                OwnError::new(
                    400,
                    code::INVALID_REQUEST,
                    "a stateless client posts no answers",
                )
                .response(None)
            }
        }
    }

    async fn call_modern(
        self: Arc<Self>,
        client: Box<Client>,
        body: Bytes,
        envelope: &Envelope<'_>,
    ) -> Response<Body> {
        // The text was checked to be UTF-8 when it was read.
        let text = std::str::from_utf8(&body).unwrap_or("");
        let call = Call::of_client(&self.shared, &self.server, &client, text, envelope);
        let held = Held::new(call, &self.shared);
        let found = match self.place_stateless(!envelope.method.is_stream()).await {
            Ok(place) => {
                let fault = match refusal(&client, envelope) {
                    None => repeats_params(&place.member.link, &client, text, envelope).await,
                    fault => fault,
                };
                Ok((place, fault))
            }
            Err(why) => Err(why),
        };
        let mut call = held.release();
        let place = match found {
            Ok((place, None)) => place,
            Ok((_, Some((reason, error)))) => return self.refuse(call, reason, &error),
            Err(why) => return self.no_place(call, why),
        };
        let link = Arc::clone(&place.member.link);
        let (_, takes_events, prefers_events) = accepts(&client);
        let own = link.fresh_id();
        let line = self.line_for_child(&mut call, text, envelope, own);
        let (reply, response) = Reply::new();
        call.record().replica = link.replica();
        let exchange = Exchange {
            shared: Arc::clone(&self.shared),
            server: Arc::clone(&self.server),
            tuning: self.tuning.load_full(),
            id: MessageId::canonical(&own.to_string()),
            restore: Some(Restore {
                id: call.id_raw.clone().unwrap_or_else(|| "null".into()),
                token: envelope.progress_token.clone().map(|r| text[r].into()),
            }),
            token: Some(MessageId::canonical(&own.to_string())),
            wants_log: envelope.has_log_level,
            takes_events,
            // JSON unless a frame precedes: only who takes nothing else gets events at once.
            prefers_events: prefers_events && !accepts(&client).0,
            session: None,
            headers: HeaderMap::new(),
            link,
            line,
            call,
            reply,
        };
        drive(
            Box::new(exchange).carried(|ending| place.ended(ending)),
            response,
        )
        .await
    }

    /// A place for a call of a stateless client.
    async fn place_stateless(&self, counted: bool) -> Result<Place, NoPlace> {
        if self.plan.isolation.shares_sessions() {
            // Its children are initialized.
            return Err(NoPlace::Legacy);
        }
        self.place(counted).await
    }

    /// The message with ids that are unique on the child, and our trace context.
    pub(super) fn line_for_child(
        &self,
        call: &mut Call,
        text: &str,
        envelope: &Envelope<'_>,
        own: u64,
    ) -> Bytes {
        let mut edits = Vec::with_capacity(3);
        if let Some(range) = envelope.id.clone() {
            edits.push(Edit {
                range,
                text: own.to_string(),
            });
        }
        if let Some(range) = envelope.progress_token.clone() {
            edits.push(Edit {
                range,
                text: own.to_string(),
            });
        }
        if self.shared.is_traced() {
            let t = call.trace();
            let parent = Context::outgoing(t.trace_id, t.client_span, t.flags);
            edits.extend(splice::traceparent(text, envelope, &parent));
        }
        splice::apply(text.as_bytes(), &mut edits).into()
    }

    /// A stateless client's notification: a cancellation names an id of its own
    /// that means nothing here (closing the stream is the way); the rest goes on.
    async fn notify_modern(
        &self,
        client: &Client,
        body: Bytes,
        envelope: &Envelope<'_>,
    ) -> Response<Body> {
        if let Err(fault) = check_modern(envelope, |name| client.header(name)) {
            self.shared
                .refused(&self.server, RefusedReason::HeaderMismatch, client.peer);
            return mismatch(&fault).1.response(None);
        }
        self.server
            .live
            .notifications_to_server
            .fetch_add(1, Relaxed);
        if envelope.method_text != "notifications/cancelled"
            && let Ok(place) = self.place_stateless(false).await
        {
            forward(&place.member.link, body).await;
        }
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }
}

async fn forward(link: &Link, body: Bytes) {
    // A child that takes no more messages is about to be replaced; a notification has no answer.
    let _ = link.send(body).await;
}

type Refusal = (RefusedReason, OwnError);

fn mismatch(fault: &ModernFault) -> Refusal {
    let mut error = OwnError::new(400, fault.code(), fault.to_string());
    error.data = fault.data();
    (RefusedReason::HeaderMismatch, error)
}

/// Whether the headers repeat the arguments that the tool wants repeated.
async fn repeats_params(
    link: &Link,
    client: &Client,
    text: &str,
    envelope: &Envelope<'_>,
) -> Option<Refusal> {
    let (Method::ToolsCall, Some(tool)) = (envelope.method, &envelope.target) else {
        return None;
    };
    let arguments = envelope.arguments.clone().map(|range| &text[range]);
    let checked = link
        .tools
        .check(link, tool, arguments, |name| client.field(name));
    checked.await.err().map(|fault| mismatch(&fault))
}

/// What a server that reads the body must refuse.
fn refusal(client: &Client, envelope: &Envelope<'_>) -> Option<Refusal> {
    if let Err(fault) = check_modern(envelope, |name| client.header(name)) {
        return Some(mismatch(&fault));
    }
    // A child that was asked as a stateless one may answer this in other ways than a server over HTTP.
    if envelope.method == Method::Initialize {
        return Some((
            RefusedReason::Era,
            OwnError::new(404, -32601, "Method not found: initialize"),
        ));
    }
    let (json, events, _) = accepts(client);
    if !json && !events {
        let error = OwnError::new(
            406,
            code::REFUSED,
            "`Accept` must allow application/json or text/event-stream",
        );
        return Some((RefusedReason::NotAcceptable, error));
    }
    None
}
