//! Tools that are no longer what was accepted: whether they may be called, and what of lists is learned.
//!
//! Where tools are blocked, lists are held and looked at before they pass. Else lists pass untouched: those of children
//! are read on the side, and servers behind URLs are asked by ourselves.

use super::Refusal;
use crate::inbound::Client;
use crate::pins::Board;
use crate::shared::Shared;
use ph_base::{Method, ServerName};
use ph_mcp::Envelope;
use ph_mcp::lists::{self, List, ListAnswer};
use ph_policy::pins::{Page, Whose};
use ph_record::{RefusedReason, Server, ServerIdx};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// The boards of a plan.
pub(super) struct ToolGate(HashMap<ServerIdx, Arc<Board>>);

/// Whose page of which list an answer is.
pub(crate) struct ToolNote {
    board: Arc<Board>,
    whose: Whose,
    /// JSON text of the cursor that was asked with; empty: not known.
    cursor: Option<Box<str>>,
}

impl ToolGate {
    /// `None` when no tools are pinned.
    pub(super) fn new(boards: &BTreeMap<ServerName, Arc<Board>>, shared: &Shared) -> Option<Self> {
        let boards = boards.iter().filter_map(|(name, board)| {
            let server = shared.parts.table.intern(name)?;
            Some((server.idx, Arc::clone(board)))
        });
        let boards: HashMap<_, _> = boards.collect();
        (!boards.is_empty()).then_some(Self(boards))
    }

    /// Refuses the call of a tool that is no longer what was approved.
    pub(super) fn judge(
        &self,
        server: &Server,
        envelope: &Envelope<'_>,
    ) -> Result<(), Box<Refusal>> {
        if envelope.method != Method::ToolsCall {
            return Ok(());
        }
        let board = self.0.get(&server.idx).zip(envelope.target.as_ref());
        match board.and_then(|(board, tool)| board.objection(tool)) {
            Some(error) => Err(Refusal::new(RefusedReason::ToolChanged, error)),
            None => Ok(()),
        }
    }

    /// Whether lists of some server are held.
    pub(super) fn holds_lists(&self) -> bool {
        self.0.values().any(|board| board.blocks())
    }

    /// Who looks at the list that answers `envelope` before it passes.
    pub(super) fn held(
        &self,
        server: &Server,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Option<ToolNote> {
        self.note(server, client, text, envelope)
            .filter(|note| note.board.blocks())
    }

    /// The same for a stream on which an answer may come a second time.
    pub(super) fn held_on_stream(&self, server: &Server, client: &Client) -> Option<ToolNote> {
        let board = self.0.get(&server.idx).filter(|board| board.blocks())?;
        Some(ToolNote {
            board: Arc::clone(board),
            whose: whose(client),
            cursor: Some("".into()),
        })
    }

    /// Who learns from the list that answers `envelope`.
    pub(super) fn note(
        &self,
        server: &Server,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Option<ToolNote> {
        if envelope.method != Method::ToolsList {
            return None;
        }
        let board = self.0.get(&server.idx)?;
        let params = envelope.params.clone().map(|params| &text[params]);
        Some(ToolNote {
            board: Arc::clone(board),
            whose: whose(client),
            cursor: params.and_then(lists::cursor).map(Into::into),
        })
    }
}

impl ToolNote {
    /// Learns from a whole answer that passes as it is.
    pub(crate) fn passes(&self, answer: &[u8]) {
        self.board
            .listed(answer, self.whose, self.cursor.as_deref());
    }

    /// Learns from a list that is held.
    pub(super) fn holds(&self, text: &str, answer: &ListAnswer<'_>, list: &List<'_>) {
        let tools = list.entries.iter().map(|entry| &text[entry.range.clone()]);
        let page = Page::of(tools, answer.next_cursor);
        self.board
            .take_in(&page, self.whose, self.cursor.as_deref());
    }

    /// Whether a tool stays in a list that is held.
    pub(super) fn shows(&self, tool: &str) -> bool {
        !self.board.hides(tool)
    }
}

/// A number for who asks, so that pages of several clients are not taken for one list. Two clients with one number
/// would at worst have a tool told as gone that is not.
fn whose(client: &Client) -> Whose {
    let mut hasher = DefaultHasher::new();
    client
        .principal
        .as_ref()
        .map(|p| &*p.name)
        .hash(&mut hasher);
    client.session_id().hash(&mut hasher);
    client.peer.ip().hash(&mut hasher);
    // Zero is ourselves.
    Whose(hasher.finish() | 1)
}
