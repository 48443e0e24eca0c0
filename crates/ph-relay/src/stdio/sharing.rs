//! Legacy sessions on children that they share (`isolation: shared`, `shared_by_all`).
//!
//! Pilothouse is the one client that such a child knows: it has said `initialize` itself, as a client that can
//! do nothing, so that the child has no reason to ask anybody anything. Every session is told what the child
//! answered. `opening` opens sessions, `calls` carries calls with ids of our own, `notices` finds who a
//! notification is for, `questions` what becomes of a child that asks all the same, `subscriptions` remembers
//! who listens to what.

mod calls;
mod notices;
mod opening;
mod questions;
mod subscriptions;

use super::StdioServer;
use super::link::Link;
use super::session::StdioSession;
pub(super) use opening::Opened;
use ph_mcp::session::Level;
use std::sync::Arc;
use subscriptions::Subscriptions;

/// What the sessions of one server have in common.
#[derive(Default)]
pub(super) struct Sharing {
    subscriptions: Subscriptions,
}

impl StdioServer {
    /// The sessions that share children and whose last call went to `link`.
    fn residents(&self, link: &Link) -> Vec<Arc<StdioSession>> {
        let state = self.state();
        let sessions = state.sessions.values();
        let is_at = |session: &&Arc<StdioSession>| {
            let side = session.shared_side();
            side.is_some_and(|side| side.is_at(link))
        };
        sessions.filter(is_at).cloned().collect()
    }

    /// The most talkative level that a session has asked for.
    fn level(&self) -> Option<Level> {
        let state = self.state();
        let sides = state.sessions.values().filter_map(|s| s.shared_side());
        sides.filter_map(|side| side.level()).min()
    }
}
