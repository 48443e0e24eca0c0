//! Legacy sessions with an HTTP upstream: the upstream's own, watched as they pass.
//!
//! The id is the upstream's and goes through as it is. What is kept here is what
//! the record needs: which calls are open (so that a cancellation or an answer on
//! another stream finds them), which questions of the server are, and who asks.

use crate::call::Call;
use crate::crowd::Place;
use crate::signal::{Mailbox, Signal};
use ph_mcp::{MessageId, ServerMessage};
use ph_policy::Principal;
use ph_record::{Ending, Server};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most questions of a server that may be open in one session.
const QUESTIONS_MAX: usize = 256;

/// One session.
pub(crate) struct Session {
    server: Arc<Server>,
    /// The name of the principal that opened it; none: nobody in particular.
    owner: Option<Arc<str>>,
    /// The replica where it lives.
    pub(crate) slot: u16,
    /// Nanoseconds between `born` and the last use.
    used_ns: AtomicU64,
    born: Instant,
    inner: Mutex<Inner>,
    /// Of its client; none for one that began before us.
    _place: Option<Place>,
}

#[derive(Default)]
struct Inner {
    client: Option<Arc<str>>,
    calls: HashMap<MessageId, Open>,
    questions: HashMap<MessageId, Question>,
    streams: usize,
    ended: bool,
}

/// A call whose answer is awaited.
struct Open {
    mailbox: Arc<Mailbox>,
    /// Its answer is looked at: no other call may be taken for it.
    lists: bool,
}

/// A request of the server that the client has not answered yet.
struct Question {
    call: Call,
    asked: Instant,
    /// Of the call on whose stream it was asked; none once the client's time is counted there.
    waited_ns: Option<Arc<AtomicU64>>,
}

impl Question {
    /// The client's answer is here: its time is over, and the call's answer may come at any moment.
    fn client_is_done(&mut self) {
        if self.call.waited_ns.load(Relaxed) > 0 {
            return;
        }
        let waited = u64::try_from(self.asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(total) = self.waited_ns.take() {
            total.fetch_add(waited, Relaxed);
        }
        self.call.waited_ns.store(waited, Relaxed);
    }
}

impl Session {
    fn new(
        server: Arc<Server>,
        owner: Option<Arc<str>>,
        slot: u16,
        place: Option<Place>,
    ) -> Arc<Self> {
        server.live.active_connections.fetch_add(1, Relaxed);
        Arc::new(Self {
            server,
            owner,
            slot,
            used_ns: AtomicU64::new(0),
            born: Instant::now(),
            inner: Mutex::default(),
            _place: place,
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        let age = u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.used_ns.store(age, Relaxed);
    }

    fn is_idle(&self, limit: Duration) -> bool {
        let quiet = self
            .born
            .elapsed()
            .saturating_sub(Duration::from_nanos(self.used_ns.load(Relaxed)));
        let inner = self.inner();
        quiet > limit && inner.calls.is_empty() && inner.streams == 0
    }

    /// Whether `principal` has opened it.
    pub(crate) fn is_of(&self, principal: Option<&Principal>) -> bool {
        self.owner.as_deref() == principal.map(|p| &*p.name)
    }

    pub(crate) fn client(&self) -> Option<Arc<str>> {
        self.inner().client.clone()
    }

    pub(crate) fn set_client(&self, name: Option<Arc<str>>) {
        self.inner().client = name;
    }

    /// From now on, word for the call `id` goes to `mailbox`. `false` when the id is in flight, and the answer of one of
    /// the two is to be looked at: a server that answers by the id alone could then answer one on the other's stream.
    ///
    /// - `lists`: that of this one is.
    pub(crate) fn register(&self, id: &MessageId, mailbox: &Arc<Mailbox>, lists: bool) -> bool {
        let mut inner = self.inner();
        if inner.calls.get(id).is_some_and(|open| lists || open.lists) {
            return false;
        }
        if inner.ended {
            mailbox.put(Signal::SessionEnded);
        }
        let mailbox = Arc::clone(mailbox);
        inner.calls.insert(id.clone(), Open { mailbox, lists });
        true
    }

    /// The call `id` of `mailbox` is over.
    pub(crate) fn forget(&self, id: &MessageId, mailbox: &Arc<Mailbox>) {
        let mut inner = self.inner();
        // An id that was used twice belongs to the later call.
        if let Some(other) = inner.calls.remove(id)
            && !Arc::ptr_eq(&other.mailbox, mailbox)
        {
            inner.calls.insert(id.clone(), other);
        }
    }

    /// The client takes the call `id` back.
    pub(crate) fn cancelled(&self, id: &MessageId) {
        if let Some(Open { mailbox, .. }) = self.inner().calls.get(id) {
            mailbox.put(Signal::Cancelled(id.clone()));
        }
    }

    /// The answer of a call passed on a stream that is not the call's own; `delivered`: and that
    /// stream has a client.
    pub(crate) fn answered(&self, message: &ServerMessage, bytes: u64, delivered: bool) {
        let Some(id) = message.message_id() else {
            return;
        };
        if let Some(Open { mailbox, .. }) = self.inner().calls.get(&id) {
            mailbox.put(Signal::Answered(
                id,
                Box::new(message.clone()),
                bytes,
                delivered,
            ));
        }
    }

    /// The server asked the client something.
    pub(crate) fn asked(&self, call: Call, waited_ns: Option<Arc<AtomicU64>>) {
        let Some(id) = call.id.clone() else {
            return call.finish(Ending::BadAnswer, 0, false);
        };
        let mut inner = self.inner();
        if inner.ended || inner.questions.len() >= QUESTIONS_MAX {
            drop(inner);
            return call.finish(Ending::SessionEnded, 0, true);
        }
        let old = inner.questions.insert(
            id,
            Question {
                call,
                asked: Instant::now(),
                waited_ns,
            },
        );
        drop(inner);
        if let Some(old) = old {
            old.call.finish(Ending::SessionEnded, 0, true);
        }
    }

    /// The client's answer to the question `id` goes to the upstream now.
    pub(crate) fn replying(&self, id: &MessageId) {
        if let Some(question) = self.inner().questions.get_mut(id) {
            question.client_is_done();
        }
    }

    /// The client answered; `status` is what the upstream said to that.
    pub(crate) fn replied(&self, message: &ServerMessage, bytes: u64, status: u16) {
        let question = message
            .message_id()
            .and_then(|id| self.inner().questions.remove(&id));
        let Some(mut question) = question else { return };
        question.client_is_done();
        let ending = question.call.answer(message, bytes);
        question.call.finish(ending, status, status < 400);
    }

    /// One more open GET stream, until the guard is dropped.
    pub(crate) fn stream(self: &Arc<Self>) -> OpenStream {
        self.inner().streams += 1;
        self.server.live.active_connections.fetch_add(1, Relaxed);
        OpenStream(Arc::clone(self))
    }

    fn end(&self) {
        let mut inner = self.inner();
        if std::mem::replace(&mut inner.ended, true) {
            return;
        }
        let calls = std::mem::take(&mut inner.calls);
        let questions = std::mem::take(&mut inner.questions);
        drop(inner);
        for Open { mailbox, .. } in calls.into_values() {
            mailbox.put(Signal::SessionEnded);
        }
        for question in questions.into_values() {
            question.call.finish(Ending::SessionEnded, 0, true);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.live.active_connections.fetch_sub(1, Relaxed);
    }
}

/// A GET stream of a session.
pub(crate) struct OpenStream(Arc<Session>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.inner().streams -= 1;
        self.0.server.live.active_connections.fetch_sub(1, Relaxed);
    }
}

const SHARDS: usize = 16;

/// The sessions of one server, by the upstream's id.
pub(crate) struct Sessions {
    server: Arc<Server>,
    hasher: RandomState,
    shards: [Mutex<HashMap<Box<str>, Arc<Session>>>; SHARDS],
    /// Watched at once, at most; further ones pass unwatched (they are the upstream's).
    max_per_shard: usize,
}

impl Sessions {
    pub(crate) fn new(server: Arc<Server>, max: u32) -> Self {
        Self {
            server,
            hasher: RandomState::new(),
            shards: Default::default(),
            max_per_shard: (max as usize).div_ceil(SHARDS) * 2,
        }
    }

    fn shard(&self, id: &str) -> MutexGuard<'_, HashMap<Box<str>, Arc<Session>>> {
        let i = usize::try_from(self.hasher.hash_one(id) % SHARDS as u64).unwrap_or(0);
        self.shards[i]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The session `id`, if it is watched.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.shard(id).get(id).cloned()?;
        session.touch();
        Some(session)
    }

    /// Whether none is watched.
    pub(crate) fn are_none(&self) -> bool {
        let is_empty = |shard: &Mutex<HashMap<_, _>>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.is_empty()
        };
        self.shards.iter().all(is_empty)
    }

    /// Watches the session `id` of `owner`, which the replica `slot` has just vouched for.
    pub(crate) fn watch(
        &self,
        id: &str,
        owner: Option<&Principal>,
        slot: u16,
        place: Option<Place>,
    ) -> Option<Arc<Session>> {
        let mut shard = self.shard(id);
        if let Some(session) = shard.get(id) {
            return Some(Arc::clone(session));
        }
        if shard.len() >= self.max_per_shard {
            return None;
        }
        let owner = owner.map(|p| Arc::clone(&p.name));
        let session = Session::new(Arc::clone(&self.server), owner, slot, place);
        shard.insert(id.into(), Arc::clone(&session));
        Some(session)
    }

    /// The session `id` is over.
    pub(crate) fn end(&self, id: &str) {
        let session = self.shard(id).remove(id);
        if let Some(session) = session {
            session.end();
        }
    }

    /// Stops watching sessions that were quiet for longer than `idle`.
    pub(crate) fn sweep(&self, idle: Duration) {
        let mut gone = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, session| {
                let keep = !session.is_idle(idle);
                if !keep {
                    gone.push(Arc::clone(session));
                }
                keep
            });
        }
        gone.iter().for_each(|s| s.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_base::ServerName;
    use ph_record::ServerTable;

    /// Servers find the stream of an answer by its id: two calls with one id must not have their answers mixed up when
    /// one of these is looked at.
    #[test]
    fn an_id_is_in_flight_once_where_an_answer_is_looked_at() {
        let table = ServerTable::default();
        let server = table.intern(&ServerName::parse("s").unwrap()).unwrap();
        let session = Session::new(server, None, 0, None);
        let (one, two) = (MessageId::canonical("1"), MessageId::canonical("2"));
        let (first, second) = (Mailbox::new(), Mailbox::new());
        // Without anything to look at the later one has the id, as before.
        assert!(session.register(&one, &first, false));
        assert!(session.register(&one, &second, false));
        assert!(!session.register(&one, &first, true));
        session.forget(&one, &first);
        assert!(!session.register(&one, &first, true));
        session.forget(&one, &second);
        assert!(session.register(&one, &first, true));
        assert!(!session.register(&one, &second, false));
        assert!(session.register(&two, &second, false));
    }
}
