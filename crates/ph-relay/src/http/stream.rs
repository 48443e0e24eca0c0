//! A GET: the standing event stream of a legacy session, or whatever the upstream makes of it.

use super::HttpServer;
use super::exchange::lists::{is_encoded, seen};
use super::forward::upstream_failure;
use super::replica::Place;
use crate::call::Call;
use crate::guard::{LIST_BYTES_MAX, Listing, unreadable};
use crate::heard::{Heard, Tee};
use crate::inbound::Client;
use crate::reply::{OwnError, Reply};
use bytes::Bytes;
use http::{Method as HttpMethod, Response, StatusCode};
use ph_base::Chain;
use ph_mcp::Kind;
use ph_mcp::error::code;
use ph_mcp::lists::ListFault;
use ph_record::{EventKind, Replica};
use ph_wire::body::{Body, Piece};
use ph_wire::sse::EventHold;
use ph_wire::upstream::Answer;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::time::timeout;

impl HttpServer {
    /// Opens a stream to the upstream and carries it until one side ends it.
    pub(crate) async fn get(self: Arc<Self>, mut client: Box<Client>) -> Response<Body> {
        client.session = client.session_id().and_then(|id| self.sessions.find(id));
        let (answer, place) = match self.ask(&HttpMethod::GET, &client, Bytes::new()).await {
            Ok(asked) => asked,
            Err(error) => return error.response(None),
        };
        self.mind_status(client.session_id(), client.era_of_head(), answer.status);
        // An answer may come on it a second time, and with it a list.
        let listing = client.listing.take();
        let listing = listing.filter(|_| answer.status.is_success());
        if listing.is_some() && is_encoded(&answer.headers) {
            let fault = ListFault::Odd("it is compressed");
            return unreadable(self.server.name.as_str(), fault).response(None);
        }
        let (mut reply, response) = Reply::new();
        reply.begin(answer.status, answer.headers.clone(), None);
        let tracker = self.shared.parts.calls.clone();
        let abort = self.shared.parts.abort.clone();
        let accept = self.shared.parts.end_streams.clone();
        // A stream is no call: stopping ends it at once instead of waiting for it.
        tracker.spawn(async move {
            let mut stream = Stream {
                server: self,
                client,
                place,
                reply,
                tee: Tee::new(),
                held: listing.map(|l| (l, EventHold::new(LIST_BYTES_MAX))),
                messages: 0,
            };
            let begun = Instant::now();
            tokio::select! {
                () = stream.carry(answer) => {}
                () = accept.cancelled() => stream.reply.last_words(Bytes::new()),
                () = abort.cancelled() => {}
            }
            let text = format!(
                "GET stream closed after {:.3} s, {} messages",
                begun.elapsed().as_secs_f64(),
                stream.messages
            );
            let server = &stream.server;
            server.shared.event(
                Some(&server.server),
                Replica::None,
                EventKind::Note {
                    warning: false,
                    text: text.into(),
                },
            );
        });
        response.await.unwrap_or_else(|_| {
            OwnError::new(500, code::UNAVAILABLE, "the stream ended before it began").response(None)
        })
    }

    /// Sends a request without calls and waits for the answer's head.
    pub(super) async fn ask(
        &self,
        method: &HttpMethod,
        client: &Client,
        body: Bytes,
    ) -> Result<(Answer, Place), OwnError> {
        let pinned = client.session.as_ref().map(|session| session.slot);
        let place = self.place(pinned, &[], false)?;
        let replica = &place.replica;
        let request = replica.target.request(method, &client.headers, body, None);
        let tuning = self.tuning.load_full();
        let t = &tuning.timeouts;
        match timeout(t.first_byte, replica.upstream.send(request, t.connect)).await {
            Ok(Ok(answer)) => {
                self.judge(replica, Some(is_failure(answer.status)));
                Ok((answer, place))
            }
            Ok(Err(e)) => {
                self.judge(replica, Some(true));
                let text = format!("no answer to a request without calls: {}", Chain(&e));
                self.shared.event(
                    Some(&self.server),
                    Replica::None,
                    EventKind::Note {
                        warning: true,
                        text: text.into(),
                    },
                );
                Err(upstream_failure(self.server.name.as_str(), &e))
            }
            Err(_) => {
                self.judge(replica, Some(true));
                let text = "the server did not answer in time";
                Err(OwnError::new(504, code::TIMEOUT, text))
            }
        }
    }
}

/// Whether a status says that nobody was there to answer.
pub(super) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

struct Stream {
    server: Arc<HttpServer>,
    client: Box<Client>,
    place: Place,
    reply: Reply,
    tee: Tee,
    /// What sees each event before it goes on.
    held: Option<(Listing, EventHold)>,
    messages: u64,
}

impl Stream {
    async fn carry(&mut self, answer: Answer) {
        let Answer {
            status, mut body, ..
        } = answer;
        let _counted = self
            .client
            .session
            .as_ref()
            .filter(|_| status.is_success())
            .map(|s| s.stream());
        let mut quiet = Duration::from_secs(1);
        loop {
            let next = tokio::select! {
                piece = timeout(quiet, body.piece()) => piece,
                () = self.reply.closed() => return,
            };
            match next {
                Err(_)
                    if self.held.is_none() && self.tee.is_inside_event()
                        || !status.is_success() => {}
                Err(_) => {
                    if let Some(room) = self.reply.room_now() {
                        room.send(Piece::Data(Bytes::from_static(ph_wire::sse::KEEP_ALIVE)));
                    }
                }
                Ok(Ok(None)) => {
                    self.place.keep(body);
                    return self.reply.end().await;
                }
                Ok(Err(_)) => return self.reply.cut(),
                Ok(Ok(Some(data))) if self.held.is_some() => {
                    if !self.carry_held(&data).await {
                        return self.reply.cut();
                    }
                }
                Ok(Ok(Some(data))) => {
                    for heard in self.tee.push(&data) {
                        self.hear(&heard);
                    }
                    if !self.reply.piece(data).await {
                        return;
                    }
                }
            }
            quiet = self.server.tuning.load().keep_alive;
        }
    }

    /// Hands on the events that are whole with `data`. `false` when the stream is over: the client has left, or an
    /// event could be a list and cannot be read.
    async fn carry_held(&mut self, data: &[u8]) -> bool {
        let Some((listing, mut hold)) = self.held.take() else {
            return false;
        };
        hold.push(data);
        let goes_on = loop {
            let event = match hold.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => break true,
                Err(_) => {
                    self.note_unreadable(ListFault::TooLong);
                    break false;
                }
            };
            let shown = match seen(&event, |data| listing.pass(data)) {
                Ok(shown) => shown,
                Err(fault) => {
                    self.note_unreadable(fault);
                    break false;
                }
            };
            for heard in self.tee.push(&event) {
                self.hear(&heard);
            }
            let event = shown.unwrap_or_else(|| event.into());
            if !self.reply.piece(event).await {
                break false;
            }
        };
        self.held = Some((listing, hold));
        goes_on
    }

    fn note_unreadable(&self, fault: ListFault) {
        let server = &self.server;
        let text = format!("GET stream cut, since an event of it cannot be shown: {fault}").into();
        let warning = true;
        let note = EventKind::Note { warning, text };
        server
            .shared
            .event(Some(&server.server), Replica::None, note);
    }

    fn hear(&mut self, Heard { message, bytes }: &Heard) {
        self.messages += 1;
        match message.kind() {
            Some(Kind::Notification) => {
                self.server.shared.notified(&self.server.server, message);
                _ = self
                    .server
                    .server
                    .live
                    .notifications_to_client
                    .fetch_add(1, Relaxed);
            }
            Some(Kind::Response) => {
                if let Some(session) = &self.client.session {
                    session.answered(message, *bytes, !self.reply.gone);
                }
            }
            Some(Kind::Request) => {
                let Some(session) = &self.client.session else {
                    return;
                };
                let mut call = Call::of_server(
                    &self.server.shared,
                    &self.server.server,
                    message,
                    *bytes,
                    None,
                );
                call.record().session = self.client.session_tag();
                call.record().client = session.client();
                call.sent();
                session.asked(call, None);
            }
            None => {}
        }
    }
}
