//! A child that sessions share: what it said to our `initialize`, whose calls it has, and to whom it
//! belongs once it asks something.

use super::{Link, Table};
use crate::stdio::StdioServer;
use crate::stdio::session::StdioSession;
use bytes::Bytes;
use ph_base::Revision;
use ph_mcp::{MessageId, ServerMessage};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

/// What a child said to our `initialize`; every session that shares it is told the same.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// The whole answer.
    pub bytes: Bytes,
    pub message: ServerMessage,
    pub revision: Revision,
}

/// What a child that sessions share has beside others.
pub(crate) struct Crowd {
    pub greeting: Greeting,
    /// Who knows the sessions.
    pub server: Weak<StdioServer>,
}

/// The sessions that have calls on a child.
pub(in crate::stdio) enum Callers {
    None,
    One(Arc<StdioSession>),
    Several,
}

impl Link {
    /// From now on sessions share this child.
    pub(in crate::stdio) fn share(&self, crowd: Crowd) {
        let _ = self.crowd.set(crowd);
    }

    /// What it said to our `initialize`, if sessions share it.
    pub(in crate::stdio) fn greeting(&self) -> Option<&Greeting> {
        self.crowd.get().map(|crowd| &crowd.greeting)
    }

    pub(in crate::stdio) fn callers(&self) -> Callers {
        self.table().callers()
    }

    /// The only session that it may have calls of, if it has become the child of one.
    pub(in crate::stdio) fn taken_by(&self) -> Option<Weak<StdioSession>> {
        self.table().taken_by.clone()
    }

    /// From now on it has calls of `session` only. `false` when it has others' or is another's.
    pub(in crate::stdio) fn take_for(&self, session: &Arc<StdioSession>) -> bool {
        let mut table = self.table();
        if !table.admits(Some(session)) {
            return false;
        }
        let is_free = match table.callers() {
            Callers::None => true,
            Callers::One(caller) => Arc::ptr_eq(&caller, session),
            Callers::Several => false,
        };
        if is_free {
            table.taken_by = Some(Arc::downgrade(session));
        }
        is_free
    }

    /// Gives a message to the latest call that `session` has here. `false` when there is none.
    pub(in crate::stdio) fn give_to(
        &self,
        session: &Arc<StdioSession>,
        bytes: &Bytes,
        message: &ServerMessage,
    ) -> bool {
        let table = self.table();
        let theirs = table.calls.values().filter(|w| w.is_of(session));
        let Some(waiter) = theirs.max_by_key(|w| w.order) else {
            return false;
        };
        if !waiter.give(bytes, message.clone(), false) {
            self.server.live.messages_dropped.fetch_add(1, Relaxed);
        }
        true
    }

    /// Gives a report of progress to the call that it names.
    fn give_progress(&self, bytes: &Bytes, message: ServerMessage) -> bool {
        let table = self.table();
        let token = message.progress_token.as_ref();
        let waiter = token.and_then(|token| table.calls.get(&MessageId::canonical(&token.raw)));
        waiter.is_some_and(|waiter| waiter.give(bytes, message, false))
    }

    /// Writes a message that nobody waits for, unless the child is far behind with reading.
    pub(in crate::stdio) fn post(&self, text: String) {
        let writer = self.writer.get();
        if !writer.is_some_and(|writer| writer.send_now(text.into())) {
            self.server.live.messages_dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn tells_the_crowd(&self, bytes: &Bytes, message: ServerMessage) {
        let is_progress = message.method.as_deref() == Some("notifications/progress");
        let taken = if is_progress {
            self.give_progress(bytes, message)
        } else {
            let server = self.crowd.get().and_then(|crowd| crowd.server.upgrade());
            server.is_some_and(|server| server.told_by_shared(self, bytes, &message))
        };
        if !taken {
            self.server.live.messages_dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn asks_the_crowd(&self, bytes: &Bytes, message: ServerMessage) {
        let server = self.crowd.get().and_then(|crowd| crowd.server.upgrade());
        if let Some(server) = server {
            server.asked_by_shared(self, bytes, message);
        }
    }
}

impl Table {
    /// Whether a call of `session` may be here; one of ours is of none.
    pub(super) fn admits(&self, session: Option<&Arc<StdioSession>>) -> bool {
        match (&self.taken_by, session) {
            (None, _) | (_, None) => true,
            (Some(owner), Some(session)) => std::ptr::eq(owner.as_ptr(), Arc::as_ptr(session)),
        }
    }

    fn callers(&self) -> Callers {
        let mut callers = Callers::None;
        for session in self.calls.values().filter_map(|w| w.session.as_ref()) {
            match &callers {
                Callers::None => callers = Callers::One(Arc::clone(session)),
                Callers::One(caller) if Arc::ptr_eq(caller, session) => {}
                Callers::One(_) | Callers::Several => return Callers::Several,
            }
        }
        callers
    }
}
