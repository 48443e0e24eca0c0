//! Who a notification of a shared child is for.
//!
//! A list that has changed has for every session whose calls go to that child; a resource that was updated,
//! for those who listen to it. Everything else says something of what a session does, and goes to the one
//! whose it can only be: the only one with calls on that child, or the only one at all. What could be
//! several sessions' goes to none.

use crate::stdio::StdioServer;
use crate::stdio::link::{Callers, Link};
use crate::stdio::session::StdioSession;
use bytes::Bytes;
use ph_mcp::ServerMessage;
use ph_mcp::session::{Level, level_of, uri_of};
use std::sync::Arc;

impl StdioServer {
    /// Hands a notification of a shared child to whom it is for. `false` when that is nobody.
    pub(in crate::stdio) fn told_by_shared(
        &self,
        link: &Link,
        bytes: &Bytes,
        message: &ServerMessage,
    ) -> bool {
        match message.method.as_deref().unwrap_or("") {
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed" => {
                for session in self.residents(link) {
                    tell(link, &session, bytes, message, false);
                }
                true
            }
            "notifications/resources/updated" => {
                let uri = uri_of(bytes);
                let listeners = uri.map(|uri| self.sharing.listeners(&uri));
                let listeners = listeners.unwrap_or_default();
                for session in &listeners {
                    tell(link, session, bytes, message, false);
                }
                !listeners.is_empty()
            }
            "notifications/message" => {
                let Some(session) = self.whose(link) else {
                    return false;
                };
                // What a session did not ask for is not lost for it.
                if !self.wants(&session, level_of(bytes)) {
                    return true;
                }
                tell(link, &session, bytes, message, true);
                true
            }
            _ => {
                let session = self.whose(link);
                let about_a_call = message.method.as_deref() == Some("notifications/cancelled");
                session.is_some_and(|session| {
                    tell(link, &session, bytes, message, about_a_call);
                    true
                })
            }
        }
    }

    /// The session whose doing anything that `link` says can only be.
    pub(super) fn whose(&self, link: &Link) -> Option<Arc<StdioSession>> {
        if let Some(owner) = link.taken_by() {
            return owner.upgrade();
        }
        match link.callers() {
            Callers::One(session) => Some(session),
            Callers::Several => None,
            Callers::None => match self.residents(link).as_slice() {
                [only] => Some(Arc::clone(only)),
                _ => None,
            },
        }
    }

    /// Whether a session asked for log messages of this level. One that never said which is not to have more for
    /// what another one asked for.
    fn wants(&self, session: &StdioSession, level: Option<Level>) -> bool {
        let own = session.shared_side().and_then(|side| side.level());
        let least = own.or_else(|| self.level().map(|_| Level::Info));
        match (level, least) {
            (Some(level), Some(least)) => level >= least,
            _ => true,
        }
    }
}

/// Hands a message to a session: on its standing stream, or with a call of it.
///
/// - `about_a_call`: rather with a call.
fn tell(
    link: &Link,
    session: &Arc<StdioSession>,
    bytes: &Bytes,
    message: &ServerMessage,
    about_a_call: bool,
) {
    let with_call = about_a_call || !session.has_standing();
    if !(with_call && link.give_to(session, bytes, message)) {
        session.to_standing(bytes);
    }
}
