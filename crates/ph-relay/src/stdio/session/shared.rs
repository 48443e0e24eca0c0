//! What a session has on children that it shares with others: its calls by the ids of its client, the child
//! that it prefers, and what it listens to.

use super::StdioSession;
use crate::stdio::inbox::Item;
use crate::stdio::link::Link;
use crate::stdio::pool::Member;
use ph_mcp::MessageId;
use ph_mcp::session::Level;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Most resources that one session listens to.
pub(crate) const URIS_MAX: usize = 256;

/// A session's side of children that it shares.
pub(crate) struct SharedSide {
    home: Mutex<Home>,
    calls: Mutex<Calls>,
    listens: Mutex<Listens>,
}

struct Home {
    /// Where its last call went.
    member: Arc<Member>,
    /// Its next ones go there, too, as long as that child runs: it has something of this session's.
    is_tied: bool,
}

#[derive(Default)]
struct Calls {
    /// By the client's id.
    all: HashMap<MessageId, Begun>,
    ended: bool,
}

enum Begun {
    /// No child has it yet; cancelled when it is taken back.
    Waiting(CancellationToken),
    /// This child has it, under this id.
    On(Arc<Link>, MessageId),
}

#[derive(Default)]
struct Listens {
    level: Option<Level>,
    uris: HashSet<Box<str>>,
}

/// Why a call is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// Its id is in flight in this session.
    Duplicate,
    /// The session is over.
    Ended,
}

/// A call of a session that is not over, until dropped.
pub(crate) struct OpenCall {
    session: Arc<StdioSession>,
    id: MessageId,
    /// Cancelled when it is taken back, or the session ends, before a child has it.
    pub(crate) taken_back: CancellationToken,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if let Some(side) = self.session.shared_side() {
            side.calls().all.remove(&self.id);
        }
    }
}

impl OpenCall {
    /// Begins the call `id` of a session that shares children.
    pub(crate) fn begin(session: &Arc<StdioSession>, id: MessageId) -> Result<Self, NotBegun> {
        let taken_back = CancellationToken::new();
        if let Some(side) = session.shared_side() {
            let mut calls = side.calls();
            if calls.ended {
                return Err(NotBegun::Ended);
            }
            if calls.all.contains_key(&id) {
                return Err(NotBegun::Duplicate);
            }
            let begun = Begun::Waiting(taken_back.clone());
            calls.all.insert(id.clone(), begun);
        }
        Ok(Self {
            session: Arc::clone(session),
            id,
            taken_back,
        })
    }

    /// A child gets it, under the id `own`. `false` when it was taken back meanwhile.
    pub(crate) fn goes_to(&self, link: &Arc<Link>, own: MessageId) -> bool {
        if let Some(side) = self.session.shared_side() {
            let mut calls = side.calls();
            if self.taken_back.is_cancelled() {
                return false;
            }
            let on = Begun::On(Arc::clone(link), own);
            calls.all.insert(self.id.clone(), on);
        }
        true
    }
}

impl SharedSide {
    pub(crate) fn new(home: Arc<Member>) -> Self {
        Self {
            home: Mutex::new(Home {
                member: home,
                is_tied: false,
            }),
            calls: Mutex::default(),
            listens: Mutex::default(),
        }
    }

    fn home(&self) -> MutexGuard<'_, Home> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listens(&self) -> MutexGuard<'_, Listens> {
        self.listens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its last call went, and whether the next one has to go there.
    pub(crate) fn near(&self) -> (Arc<Member>, bool) {
        let home = self.home();
        (Arc::clone(&home.member), home.is_tied)
    }

    /// A call goes to `member`; the next one may, too.
    pub(crate) fn moves_to(&self, member: &Arc<Member>) {
        let mut home = self.home();
        if !Arc::ptr_eq(&home.member, member) {
            *home = Home {
                member: Arc::clone(member),
                is_tied: false,
            };
        }
    }

    /// All its calls go to `member` from now on, as long as that runs.
    pub(crate) fn tie(&self, member: &Arc<Member>) {
        *self.home() = Home {
            member: Arc::clone(member),
            is_tied: true,
        };
    }

    /// Whether its last call went to `link`.
    pub(crate) fn is_at(&self, link: &Link) -> bool {
        std::ptr::eq(&*self.home().member.link, link)
    }

    pub(crate) fn has_calls(&self) -> bool {
        !self.calls().all.is_empty()
    }

    /// The client takes the call `id` back. Says what the child that has it is to be told.
    pub(super) fn cancelled(&self, id: &MessageId) -> Option<(Arc<Link>, MessageId)> {
        match self.calls().all.get(id)? {
            Begun::Waiting(taken_back) => {
                taken_back.cancel();
                None
            }
            Begun::On(link, own) => {
                link.tell(own, Item::Cancelled);
                Some((Arc::clone(link), own.clone()))
            }
        }
    }

    /// No more calls; those that are open learn that.
    pub(super) fn end(&self) {
        let mut calls = self.calls();
        calls.ended = true;
        for begun in calls.all.values() {
            match begun {
                Begun::Waiting(taken_back) => taken_back.cancel(),
                Begun::On(link, own) => link.tell(own, Item::SessionEnded),
            }
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.calls().ended
    }

    pub(crate) fn level(&self) -> Option<Level> {
        self.listens().level
    }

    pub(crate) fn set_level(&self, level: Level) {
        self.listens().level = Some(level);
    }

    /// It listens to `uri` from now on. `None` when it listens to too many, else whether that is new.
    pub(crate) fn listens_to(&self, uri: &str) -> Option<bool> {
        let mut listens = self.listens();
        if listens.uris.contains(uri) {
            return Some(false);
        }
        if listens.uris.len() >= URIS_MAX {
            return None;
        }
        listens.uris.insert(uri.into());
        Some(true)
    }

    /// It listens to `uri` no more. `false` when it did not.
    pub(crate) fn leaves(&self, uri: &str) -> bool {
        self.listens().uris.remove(uri)
    }

    /// Everything that it listens to, which it does no more.
    pub(crate) fn leaves_all(&self) -> Vec<Box<str>> {
        std::mem::take(&mut self.listens().uris)
            .into_iter()
            .collect()
    }
}
