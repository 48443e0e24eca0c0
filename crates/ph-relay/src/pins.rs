//! What servers' tools are, and whether they are still what was accepted.
//!
//! A board is the book of one server, and outlives its plan. It learns from the lists that pass and from lists that
//! we ask for ourselves; what a call needs of it is a snapshot that is read without a lock.

mod ask;
mod board;

pub(crate) use ask::{PAGE_WAIT_MAX, watches};
pub(crate) use board::{Board, PAGE_BYTES_MAX};
use tokio_util::sync::DropGuard;

use crate::shared::Shared;
use ph_base::ServerName;
use ph_plan::{PinMode, Plan, Upstream};
use ph_policy::pins::{Book, Hash, NotApproved, Unreadable};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Longest text for what a server runs.
const ARTEFACT_CHARS_MAX: usize = 256;

/// Where books are kept.
pub trait PinKeep: Send + Sync + 'static {
    /// What was kept of a server. May block.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn load(&self, server: &str) -> Result<Option<String>, String>;

    /// Keeps a book soon; never blocks and never fails.
    fn save(&self, server: &str, text: String);

    /// Keeps a book, and returns when it is safe.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn save_now(&self, server: &str, text: String) -> Result<(), String>;
}

/// Why tools cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The file cannot be read.
    #[error("what is known of its tools cannot be read: {0}")]
    Keep(String),
    /// What is in the file is no book. Taking it for an empty one would trust whatever is listed next.
    #[error("what is known of its tools is damaged: {0}")]
    Damaged(#[from] Unreadable),
}

/// Why an approval did nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// The server's tools are not pinned.
    #[error("no tools are pinned for a server of this name")]
    NoServer,
    /// The tool is not to be approved, or not so.
    #[error(transparent)]
    Not(#[from] NotApproved),
    /// It could not be kept, and so it is not approved.
    #[error("it cannot be kept: {0}")]
    Keep(String),
}

/// A server whose tools are pinned, as it is now.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The server.
    pub server: ServerName,
    /// What is done about its tools.
    pub mode: PinMode,
    /// What it runs now: its command, or its address, without secrets.
    pub artefact: Box<str>,
    /// Its tools.
    pub book: Book,
}

/// What an operator approves.
#[derive(Clone, Debug)]
pub struct Approval<'a> {
    /// The server.
    pub server: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// The definition that was looked at; none: whatever it is.
    pub hash: Option<Hash>,
    /// What was accepted before stays accepted.
    pub also: bool,
    /// Who approves, or empty.
    pub by: &'a str,
}

/// The boards of all servers whose tools are pinned.
#[derive(Default)]
pub struct Pins {
    keep: OnceLock<Arc<dyn PinKeep>>,
    boards: Mutex<BTreeMap<ServerName, Arc<Board>>>,
}

impl Pins {
    /// Books are kept there from now on; said once, before the first plan.
    pub fn keep_in(&self, keep: Arc<dyn PinKeep>) {
        // A second one is not taken: books would be in two places.
        let _ = self.keep.set(keep);
    }

    /// The boards that `plan` wants, by name. Boards of servers that it does not want are put away.
    pub(crate) fn of_plan(
        &self,
        plan: &Plan,
        servers: &BTreeMap<ServerName, Arc<crate::upstream::Upstream>>,
        shared: &Arc<Shared>,
    ) -> Result<BTreeMap<ServerName, Arc<Board>>, (ServerName, PinError)> {
        let mut wanted = BTreeMap::new();
        for (name, server) in &plan.servers {
            let mode = plan.pin_mode(server);
            // Its place in the table was given when the plan's servers were made.
            let Some(entry) = shared
                .parts
                .table
                .intern(name)
                .filter(|_| mode != PinMode::Off)
            else {
                continue;
            };
            let known = self.boards().get(name).cloned();
            let board = match known {
                Some(board) => board,
                None => {
                    let keep = self.keep.get().cloned();
                    let made = Board::open(Arc::clone(shared), entry, keep);
                    Arc::new(made.map_err(|error| (name.clone(), error))?)
                }
            };
            // What runs need not be what is configured.
            let runs = servers
                .get(name)
                .map_or(&server.upstream, |u| &u.plan.upstream);
            let artefact = artefact(runs);
            let artefact = shared.parts.sink.redact(&artefact);
            board.set(mode, &plan.pins, &artefact);
            wanted.insert(name.clone(), board);
        }
        Ok(wanted)
    }

    /// Looks at the tools of a version before it gets calls, where they are pinned and it can be asked.
    pub(crate) async fn look_at(&self, upstream: &crate::upstream::Upstream) {
        let board = self.boards().get(&upstream.server.name).cloned();
        if let Some(board) = board {
            ask::ask(upstream, &board).await;
        }
    }

    /// Another version runs in a server's place: its tools are those of the server from now on. Returns who asks
    /// for them, until dropped.
    pub(crate) fn is_now(
        &self,
        upstream: &Arc<crate::upstream::Upstream>,
        plan: &Plan,
        shared: &Shared,
    ) -> Option<Arc<DropGuard>> {
        let board = self.boards().get(&upstream.server.name).cloned()?;
        let artefact = shared
            .parts
            .sink
            .redact(&artefact(&upstream.plan.upstream))
            .into_owned();
        board.set(plan.pin_mode(&upstream.plan), &plan.pins, &artefact);
        Some(ask::begin(upstream, &board))
    }

    /// These boards are in use from now on.
    pub(crate) fn swap(&self, wanted: &BTreeMap<ServerName, Arc<Board>>, shared: &Shared) {
        let before = std::mem::replace(&mut *self.boards(), wanted.clone());
        for (name, board) in before {
            if !wanted.contains_key(&name) {
                board.put_away();
            }
        }
        wanted.values().for_each(|board| board.show());
        let watchers = wanted.iter().filter_map(|(name, board)| {
            Some((shared.parts.table.intern(name)?.idx, Arc::clone(board)))
        });
        shared.watch_tools(watchers.collect());
    }

    /// The servers whose tools are pinned, by name, as they are now.
    pub fn all(&self) -> Vec<Pinned> {
        let boards = self.boards().clone();
        boards
            .into_iter()
            .map(|(server, board)| board.pinned(server))
            .collect()
    }

    /// Approves what a tool is now. Returns when that is kept. May block.
    ///
    /// # Errors
    /// [`ApproveError`]; nothing has changed then.
    pub fn approve(&self, approval: &Approval<'_>) -> Result<(), ApproveError> {
        let boards = self.boards();
        let mut boards_iter = boards.iter();
        let found = boards_iter.find(|(name, _)| name.as_str() == approval.server);
        let board = found.map(|(_, board)| Arc::clone(board));
        drop(boards);
        board.ok_or(ApproveError::NoServer)?.approve(approval)
    }

    fn boards(&self) -> MutexGuard<'_, BTreeMap<ServerName, Arc<Board>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server runs, in words.
fn artefact(upstream: &Upstream) -> String {
    let text = match upstream {
        Upstream::Stdio(stdio) => {
            let args = stdio.args.iter().map(|arg| arg.as_str());
            let words: Vec<_> = std::iter::once(stdio.command.as_str())
                .chain(args)
                .collect();
            words.join(" ")
        }
        Upstream::Http(http) => {
            let url = http.url.to_string();
            // What follows can be a secret, and says nothing of what runs there.
            url.split(['?', '#']).next().unwrap_or_default().to_owned()
        }
    };
    text.chars().take(ARTEFACT_CHARS_MAX).collect()
}
