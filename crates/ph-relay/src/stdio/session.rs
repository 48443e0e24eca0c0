//! A legacy session, on a child of its own or on one that it shares.

mod shared;

use super::events::{Events, Reading, STANDING};
use super::inbox::Item;
use super::link::Link;
use crate::call::Call;
use crate::crowd::Place;
use crate::inbound::tag;
use crate::shared::{SessionSlot, Shared};
use bytes::Bytes;
use ph_base::Revision;
use ph_mcp::{MessageId, ServerMessage};
use ph_policy::Principal;
use ph_record::{CallTrace, Ending, Server};
pub(crate) use shared::{NotBegun, OpenCall, SharedSide};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Most questions of a server that may be open in one session.
const QUESTIONS_MAX: usize = 256;

/// Where the calls of a session go.
pub(crate) enum Child {
    /// To this child, which has no others.
    Own(Arc<Link>),
    /// To children that other sessions have, too.
    Shared(SharedSide),
}

/// A legacy session.
pub(crate) struct StdioSession {
    shared: Arc<Shared>,
    server: Arc<Server>,
    pub id: Box<str>,
    /// The name of the principal that opened it; none: nobody in particular.
    pub owner: Option<Arc<str>>,
    pub child: Child,
    pub events: Events,
    pub client: OnceLock<Arc<str>>,
    pub revision: OnceLock<Revision>,
    born: Instant,
    used_ns: AtomicU64,
    /// A client listens on the standing stream.
    standing: AtomicBool,
    open: Mutex<Open>,
    _slot: SessionSlot,
    /// Of its client.
    _place: Option<Place>,
}

#[derive(Default)]
struct Open {
    questions: HashMap<MessageId, Question>,
    ended: bool,
}

/// A request of the child that the client has not answered yet.
struct Question {
    call: Call,
    asked: Instant,
    /// Of the call that it most likely belongs to.
    waited_ns: Option<Arc<AtomicU64>>,
}

/// The standing stream, taken by one client until dropped.
pub(crate) struct Standing(Arc<StdioSession>);

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.standing.store(false, Relaxed);
        self.0.server.live.active_connections.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}

/// A client that reads a stream of the session, until dropped.
pub(crate) struct Reader {
    session: Arc<StdioSession>,
    stream: u64,
}

impl Reader {
    /// What the stream has from `from` on; see [`Events::read`].
    pub(crate) async fn read(&self, from: u64) -> Reading {
        self.session.events.read(self.stream, from).await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.session.events.let_go(self.stream);
    }
}

impl StdioSession {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        server: &Arc<Server>,
        id: Box<str>,
        owner: Option<Arc<str>>,
        child: Child,
        slot: SessionSlot,
        place: Option<Place>,
    ) -> Arc<Self> {
        server.live.active_connections.fetch_add(1, Relaxed);
        let session = Arc::new(Self {
            shared: Arc::clone(shared),
            server: Arc::clone(server),
            id,
            owner,
            child,
            events: Events::default(),
            client: OnceLock::new(),
            revision: OnceLock::new(),
            born: Instant::now(),
            used_ns: AtomicU64::new(0),
            standing: AtomicBool::new(false),
            open: Mutex::default(),
            _slot: slot,
            _place: place,
        });
        if let Child::Own(link) = &session.child {
            link.belong_to(&session);
        }
        session
    }

    /// Whether `principal` has opened it.
    pub(crate) fn is_of(&self, principal: Option<&Principal>) -> bool {
        self.owner.as_deref() == principal.map(|p| &*p.name)
    }

    /// The child that is this session's alone.
    pub(crate) fn own_link(&self) -> Option<&Arc<Link>> {
        match &self.child {
            Child::Own(link) => Some(link),
            Child::Shared(_) => None,
        }
    }

    /// What it has on shared children.
    pub(crate) fn shared_side(&self) -> Option<&SharedSide> {
        match &self.child {
            Child::Own(_) => None,
            Child::Shared(side) => Some(side),
        }
    }

    /// Whether calls of it are in flight.
    pub(crate) fn has_calls(&self) -> bool {
        match &self.child {
            Child::Own(link) => link.has_calls(),
            Child::Shared(side) => side.has_calls(),
        }
    }

    /// Whether a client listens on the standing stream.
    pub(crate) fn has_standing(&self) -> bool {
        self.standing.load(Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn touch(&self) {
        self.used_ns.store(
            u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Relaxed,
        );
    }

    pub(crate) fn is_idle(&self, limit: Duration) -> bool {
        let quiet = self
            .born
            .elapsed()
            .saturating_sub(Duration::from_nanos(self.used_ns.load(Relaxed)));
        quiet > limit && !self.standing.load(Relaxed) && !self.has_calls()
    }

    /// The server's answer to `initialize` named this version.
    pub(crate) fn negotiated(&self, version: Option<&str>) {
        if let Some(revision) = version.and_then(Revision::parse) {
            let _ = self.revision.set(revision);
        }
    }

    /// A client begins to read `stream`.
    pub(crate) fn reader(self: &Arc<Self>, stream: u64) -> Reader {
        self.events.taken_up(stream);
        Reader {
            session: Arc::clone(self),
            stream,
        }
    }

    /// Takes the standing stream; `None` when a client has it.
    pub(crate) fn listen(self: &Arc<Self>) -> Option<Standing> {
        if self.standing.swap(true, Relaxed) {
            return None;
        }
        self.server.live.active_connections.fetch_add(1, Relaxed);
        Some(Standing(Arc::clone(self)))
    }

    /// A notification of the child: to the call it names, else to a call if it is
    /// about one, else to the standing stream.
    pub(crate) fn notified(&self, link: &Link, bytes: &Bytes, message: ServerMessage) {
        let about_a_call = matches!(
            message.method.as_deref(),
            Some("notifications/message" | "notifications/progress" | "notifications/cancelled")
        );
        let any = about_a_call || !self.standing.load(Relaxed);
        if !link.give_to_call(bytes, message, any) {
            self.to_standing(bytes);
        }
    }

    /// A request of the child to the client: a call of its own.
    pub(crate) fn asked(&self, link: &Link, bytes: &Bytes, message: ServerMessage) {
        let (trace, waited_ns) = link.latest().unzip();
        let parent = trace.map(|(trace_id, client_span)| CallTrace {
            trace_id,
            client_span,
            server_span: client_span,
            parent: None,
            link: None,
            flags: u8::from(self.shared.is_traced()),
        });
        let mut call = Call::of_server(
            &self.shared,
            &self.server,
            &message,
            bytes.len() as u64,
            parent,
        );
        let record = call.record();
        record.session = Some(tag(&self.id));
        record.client = self.client.get().cloned();
        record.replica = link.replica();
        record.transport = ph_record::Transport::Stdio;
        record.revision = self.revision.get().copied();
        call.sent();
        self.question(call, waited_ns);
        if !link.give_to_call(bytes, message, true) {
            self.to_standing(bytes);
        }
    }

    fn question(&self, call: Call, waited_ns: Option<Arc<AtomicU64>>) {
        let Some(id) = call.id.clone() else {
            return call.finish(Ending::BadAnswer, 0, false);
        };
        let mut open = self.open();
        if open.ended || open.questions.len() >= QUESTIONS_MAX {
            drop(open);
            return call.finish(Ending::SessionEnded, 0, false);
        }
        let question = Question {
            call,
            asked: Instant::now(),
            waited_ns,
        };
        let old = open.questions.insert(id, question);
        drop(open);
        if let Some(old) = old {
            old.call.finish(Ending::SessionEnded, 0, true);
        }
    }

    /// The client answered a question of the child. `false` when nothing of that kind is open.
    pub(crate) fn replied(&self, message: &ServerMessage, bytes: u64) -> bool {
        let question = message
            .message_id()
            .and_then(|id| self.open().questions.remove(&id));
        let Some(Question {
            mut call,
            asked,
            waited_ns,
        }) = question
        else {
            return false;
        };
        let waited = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(total) = waited_ns {
            total.fetch_add(waited, Relaxed);
        }
        call.waited_ns.store(waited, Relaxed);
        let ending = call.answer(message, bytes);
        call.finish(ending, 202, true);
        true
    }

    /// The client takes the call `id` back. Says what the shared child that has it is to be told.
    pub(crate) fn cancelled(&self, id: &MessageId) -> Option<(Arc<Link>, MessageId)> {
        match &self.child {
            Child::Own(link) => {
                link.tell(id, Item::Cancelled);
                None
            }
            Child::Shared(side) => side.cancelled(id),
        }
    }

    /// Keeps a message for whoever reads the standing stream.
    pub(super) fn to_standing(&self, bytes: &[u8]) {
        self.events.add(STANDING, bytes);
        let dropped = self.events.take_dropped();
        if dropped > 0 {
            self.server
                .live
                .messages_dropped
                .fetch_add(dropped, Relaxed);
        }
    }

    /// Ends the session and its child. Without effect the second time.
    pub(crate) fn end(&self) {
        let mut open = self.open();
        if std::mem::replace(&mut open.ended, true) {
            return;
        }
        let questions = std::mem::take(&mut open.questions);
        drop(open);
        self.server.live.active_connections.fetch_sub(1, Relaxed);
        for question in questions.into_values() {
            question.call.finish(Ending::SessionEnded, 0, true);
        }
        match &self.child {
            Child::Own(link) => {
                link.tell_all_ended();
                self.events.end();
                link.close();
            }
            Child::Shared(side) => {
                side.end();
                self.events.end();
            }
        }
    }
}
