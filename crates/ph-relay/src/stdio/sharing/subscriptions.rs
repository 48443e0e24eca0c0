//! Which session listens to which resource, and which child was asked to tell of it.
//!
//! A child is asked once for all sessions, and told to stop when the last of them has left. When it goes,
//! another one is asked; since nobody knows what was missed meanwhile, those who listen are told that the
//! resource may have changed.

use super::Sharing;
use crate::stdio::StdioServer;
use crate::stdio::link::Link;
use crate::stdio::pool::Near;
use crate::stdio::session::StdioSession;
use ph_mcp::error::quote;
use ph_record::{EventKind, Replica};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a child may take to say that it tells of a resource.
const ASK_WAIT_MAX: Duration = Duration::from_secs(10);

/// Who listens to what. At most `URIS_MAX` for each session, which are bounded, too.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<HashMap<Box<str>, Heard>>);

/// A resource that sessions listen to.
#[derive(Default)]
struct Heard {
    /// The child that tells of it; none while there is none.
    at: Option<Arc<Link>>,
    sessions: Vec<Arc<StdioSession>>,
}

impl Subscriptions {
    fn all(&self) -> MutexGuard<'_, HashMap<Box<str>, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what listens to `uri` itself.
    fn add_those(&self, uri: &str, to: &mut Vec<Arc<StdioSession>>) {
        if let Some(heard) = self.all().get(uri) {
            for session in &heard.sessions {
                if !to.iter().any(|known| Arc::ptr_eq(known, session)) {
                    to.push(Arc::clone(session));
                }
            }
        }
    }

    /// Whoever listens to `uri`, or to what it is a part of.
    pub(super) fn listeners(&self, uri: &str) -> Vec<Arc<StdioSession>> {
        let mut found = Vec::new();
        self.add_those(uri, &mut found);
        for (at, _) in uri.rmatch_indices('/') {
            self.add_those(&uri[..at], &mut found);
            if at + 1 < uri.len() {
                self.add_those(&uri[..=at], &mut found);
            }
        }
        found
    }

    /// `session` listens to `uri`, which `link` tells of.
    fn add(&self, session: &Arc<StdioSession>, uri: &str, link: &Arc<Link>) {
        let mut all = self.all();
        let heard = all.entry(uri.into()).or_default();
        heard.at = Some(Arc::clone(link));
        if !heard.sessions.iter().any(|s| Arc::ptr_eq(s, session)) {
            heard.sessions.push(Arc::clone(session));
        }
    }

    /// `session` listens no more. The child that nobody needs to hear of `uri` any more.
    fn remove(&self, session: &Arc<StdioSession>, uri: &str) -> Option<Arc<Link>> {
        let mut all = self.all();
        let heard = all.get_mut(uri)?;
        heard.sessions.retain(|s| !Arc::ptr_eq(s, session));
        if !heard.sessions.is_empty() {
            return None;
        }
        all.remove(uri)?.at
    }

    fn at(&self, uri: &str) -> Option<Arc<Link>> {
        self.all().get(uri)?.at.clone()
    }

    /// `link` tells of nothing any more.
    fn orphan(&self, link: &Link) {
        for heard in self.all().values_mut() {
            heard.at.take_if(|at| std::ptr::eq(&**at, link));
        }
    }

    /// A resource of which no child tells; `link` is about to be asked.
    fn adopt(&self, link: &Arc<Link>) -> Option<Box<str>> {
        let mut all = self.all();
        let (uri, heard) = all.iter_mut().find(|(_, heard)| heard.at.is_none())?;
        heard.at = Some(Arc::clone(link));
        Some(uri.clone())
    }
}

impl Sharing {
    pub(super) fn listeners(&self, uri: &str) -> Vec<Arc<StdioSession>> {
        self.subscriptions.listeners(uri)
    }
}

impl StdioServer {
    /// The child that tells of `uri`.
    pub(super) fn heard_at(&self, uri: &str) -> Option<Near> {
        let link = self.sharing.subscriptions.at(uri)?;
        let member = self.pool.member_of(&link)?;
        let is_tied = true;
        Some(Near { member, is_tied })
    }

    /// Whether others than `session` listen to `uri`, of which it hears no more.
    pub(super) fn is_heard_without(&self, session: &Arc<StdioSession>, uri: &str) -> bool {
        let subscriptions = &self.sharing.subscriptions;
        subscriptions.remove(session, uri);
        subscriptions.all().contains_key(uri)
    }

    pub(super) fn listens(&self, session: &Arc<StdioSession>, uri: &str, link: &Arc<Link>) {
        self.sharing.subscriptions.add(session, uri, link);
        // It may have ended since it asked.
        if session.shared_side().is_none_or(|side| side.has_ended()) {
            self.listens_no_more(session, uri);
        }
    }

    pub(super) fn listens_no_more(&self, session: &Arc<StdioSession>, uri: &str) {
        if let Some(side) = session.shared_side() {
            side.leaves(uri);
        }
        if let Some(link) = self.sharing.subscriptions.remove(session, uri) {
            link.post(format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":\"pilothouse-{}\",\"method\":\"resources/unsubscribe\",\"params\":{}}}",
                link.fresh_id(),
                about(uri)
            ));
        }
    }

    /// A session is over.
    pub(in crate::stdio) fn hears_nothing_more(&self, session: &Arc<StdioSession>) {
        let Some(side) = session.shared_side() else {
            return;
        };
        for uri in side.leaves_all() {
            self.listens_no_more(session, &uri);
        }
    }

    /// Another child than `link` is to tell of what that told of.
    pub(in crate::stdio) fn hears_elsewhere(self: &Arc<Self>, link: &Link) {
        self.sharing.subscriptions.orphan(link);
        self.find_ears();
    }

    /// Asks a child to tell of what none tells of.
    pub(in crate::stdio) fn find_ears(self: &Arc<Self>) {
        let orphaned = |heard: &Heard| heard.at.is_none();
        if !self.sharing.subscriptions.all().values().any(orphaned) {
            return;
        }
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let retired = this.retired.clone();
            retired.run_until_cancelled(this.adopt_orphans()).await;
        });
    }

    async fn adopt_orphans(&self) {
        // While there is none, the next one that is ready begins again here.
        while let Some(link) = self.pool.first_link() {
            let Some(uri) = self.sharing.subscriptions.adopt(&link) else {
                return;
            };
            let answer = link
                .ask("resources/subscribe", &about(&uri), ASK_WAIT_MAX)
                .await;
            match answer {
                Ok(message) if message.has_result => self.may_have_changed(&uri),
                Err(Some(_)) => {
                    link.gone.cancelled().await;
                    self.sharing.subscriptions.orphan(&link);
                }
                Ok(_) | Err(None) => self.told_deaf(&uri),
            }
        }
    }

    fn may_have_changed(&self, uri: &str) {
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{}}}",
            about(uri)
        );
        for session in self.sharing.subscriptions.listeners(uri) {
            session.to_standing(text.as_bytes());
        }
    }

    fn told_deaf(&self, uri: &str) {
        let text = format!(
            "sessions that listen to `{}` hear no more of it: the child that took another's place refused `resources/subscribe`",
            self.shared.parts.sink.redact(uri)
        );
        let kind = EventKind::Note {
            warning: true,
            text: text.as_str().into(),
        };
        self.shared.event(Some(&self.server), Replica::None, kind);
    }
}

/// The params of a message about `uri`.
fn about(uri: &str) -> String {
    let mut quoted = String::new();
    quote(uri, &mut quoted);
    format!("{{\"uri\":{quoted}}}")
}
