//! Tools of servers as they are pinned, and their approval.

use ph_policy::pins::{Book, Hash};

/// Whoever knows what servers' tools are. Its calls may block: they are made on threads for that.
pub trait ToolBooks: Send + Sync {
    /// The servers whose tools are pinned, by name.
    fn all(&self) -> Vec<PinnedServer>;

    /// Approves what a tool is now. When it returns that is kept.
    ///
    /// - `hash`: the definition that was looked at; none: whatever it is.
    /// - `also`: what was accepted before stays accepted.
    /// - `by`: who approves, or empty.
    ///
    /// # Errors
    /// [`NotApproved`].
    fn approve(
        &self,
        server: &str,
        tool: &str,
        hash: Option<Hash>,
        also: bool,
        by: &str,
    ) -> Result<(), NotApproved>;
}

/// A server whose tools are pinned.
#[derive(Clone, Debug)]
pub struct PinnedServer {
    /// Its name.
    pub server: String,
    /// Tools that are no longer what was accepted cannot be called.
    pub blocks: bool,
    /// What it runs now: its command, or its address, without secrets.
    pub artefact: String,
    /// Its tools.
    pub book: Book,
}

/// Why a tool was not approved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// There is no such server, or no such tool.
    #[error("{0}")]
    Unknown(String),
    /// It is not what was looked at, or there is nothing to approve.
    #[error("{0}")]
    Conflict(String),
    /// It cannot be kept.
    #[error("{0}")]
    Unavailable(String),
}
