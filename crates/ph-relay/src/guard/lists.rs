//! Answers that list what a server has, as their client may see them.
//!
//! The one place that every such answer passes, whatever it comes by: a whole body, an event of a stream, a line of a
//! child, alone or in a batch. It is held until it is whole; one that cannot be read for sure is an error of ours and
//! never a list. What stays keeps its bytes, and without a reason to look an answer is not looked at.

use super::access::Asker;
use super::tools::{ToolGate, ToolNote};
use super::{Guard, Passed};
use crate::call::Call;
use crate::inbound::Client;
use crate::reply::OwnError;
use bytes::Bytes;
use ph_mcp::error::code;
use ph_mcp::lists::{self, Cuts, ListAnswer, ListFault, ListKind};
use ph_mcp::{Envelope, MessageId};
use ph_record::Server;
use std::sync::Arc;

/// Largest answer that is held to be looked at.
pub(crate) const LIST_BYTES_MAX: usize = 4 << 20;

/// What is to be done with the lists of one call, or of a stream.
pub(crate) struct Listing {
    guard: Arc<Guard>,
    server: Arc<Server>,
    /// Who sees it, where that makes a difference.
    asker: Option<Asker>,
    /// Who looks at tools.
    tools: Option<ToolNote>,
}

impl Guard {
    /// What is to be done with the answer to `envelope`; `None` when it passes as it is.
    pub(super) fn listing(
        self: &Arc<Self>,
        server: &Arc<Server>,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Option<Listing> {
        let kind = ListKind::of(envelope.method)?;
        let pins = self.pins.as_ref();
        let tools = pins.and_then(|pins| pins.held(server, client, text, envelope));
        self.listing_of(server, client, &[kind], tools)
    }

    /// Whether the answer to `envelope` may be one to look at.
    pub(super) fn looks_at(&self, envelope: &Envelope<'_>) -> bool {
        let holds = || self.pins.as_ref().is_some_and(ToolGate::holds_lists);
        ListKind::of(envelope.method).is_some() && (self.access.is_some() || holds())
    }

    /// The same for a stream on which an answer may come a second time.
    pub(crate) fn stream_listing(
        self: &Arc<Self>,
        server: &Arc<Server>,
        client: &Client,
    ) -> Option<Listing> {
        let pins = self.pins.as_ref();
        let tools = pins.and_then(|pins| pins.held_on_stream(server, client));
        self.listing_of(server, client, &ListKind::ALL, tools)
    }

    fn listing_of(
        self: &Arc<Self>,
        server: &Arc<Server>,
        client: &Client,
        kinds: &[ListKind],
        tools: Option<ToolNote>,
    ) -> Option<Listing> {
        let asker = self.access.as_ref().and_then(|access| {
            let asker = access.asker(client);
            let name = server.name.as_str();
            let shows_all = kinds.iter().all(|k| access.shows_all(name, &asker, *k));
            (!shows_all).then_some(asker)
        });
        let has_any = asker.is_some() || tools.is_some();
        has_any.then(|| Listing {
            guard: Arc::clone(self),
            server: Arc::clone(server),
            asker,
            tools,
        })
    }
}

impl Listing {
    /// Leaves out of `answer` what its client may not see.
    fn cut(&self, text: &str, answer: &ListAnswer<'_>, cuts: &mut Cuts) {
        let access = self.guard.access.as_ref().zip(self.asker.as_ref());
        for list in &answer.lists {
            let tools = self.tools.as_ref().filter(|_| list.kind == ListKind::Tools);
            // What is learned is what the server said, whatever this client may see of it.
            if let Some(tools) = tools {
                tools.holds(text, answer, list);
            }
            cuts.leave_out(list, |entry| {
                let is_good = tools.is_none_or(|tools| tools.shows(&entry.name));
                is_good
                    && access.is_none_or(|(access, asker)| {
                        access.shows(self.server.name.as_str(), asker, list.kind, &entry.name)
                    })
            });
        }
        // What depends on who asks is not for a cache that others share.
        if self.asker.is_some() && !answer.lists.is_empty() {
            cuts.make_private(answer);
        }
    }

    /// A message of a stream as its client may see it.
    ///
    /// # Errors
    /// [`ListFault`], when it could be a list and cannot be read for sure.
    pub(crate) fn pass(&self, bytes: Bytes) -> Result<Bytes, ListFault> {
        let mut cuts = Cuts::default();
        let text = std::str::from_utf8(&bytes).map_err(|_| ListFault::NotUtf8)?;
        for answer in lists::read(&bytes)? {
            self.cut(text, &answer, &mut cuts);
        }
        Ok(cuts.apply(&bytes).map_or(bytes, Bytes::from))
    }
}

/// What is to be done with the answers to the calls of one exchange.
pub(crate) struct Lists(Vec<(Option<MessageId>, Option<Arc<Passed>>)>);

impl Lists {
    /// `None` when no call of `calls` lists anything that is to be looked at.
    pub(crate) fn of(calls: &[Call]) -> Option<Self> {
        calls.iter().any(|call| call.listing().is_some()).then(|| {
            let calls = calls.iter();
            Self(calls.map(|c| (c.id.clone(), c.passed())).collect())
        })
    }

    /// An answer, whole, as its client may see it.
    ///
    /// # Errors
    /// [`ListFault`], when it could be a list and cannot be read for sure.
    pub(crate) fn pass(&self, bytes: Bytes) -> Result<Bytes, ListFault> {
        if bytes.len() > LIST_BYTES_MAX {
            return Err(ListFault::TooLong);
        }
        let mut cuts = Cuts::default();
        let text = std::str::from_utf8(&bytes).map_err(|_| ListFault::NotUtf8)?;
        for answer in lists::read(&bytes)? {
            if let Some(listing) = self.listing_of(answer.id.as_ref()) {
                listing.cut(text, &answer, &mut cuts);
            }
        }
        Ok(cuts.apply(&bytes).map_or(bytes, Bytes::from))
    }

    /// By the call that is answered; what answers none is taken for an answer to any.
    fn listing_of(&self, id: Option<&MessageId>) -> Option<&Listing> {
        let answered = id.and_then(|id| self.0.iter().find(|(of, _)| of.as_ref() == Some(id)));
        match answered {
            Some((_, passed)) => passed.as_ref().and_then(|p| p.list.as_ref()),
            None => self.0.iter().find_map(|(_, p)| p.as_ref()?.list.as_ref()),
        }
    }
}

/// What a client is told of a list that cannot be shown.
pub(crate) fn unreadable(server: &str, fault: ListFault) -> OwnError {
    let text = format!("the answer of server `{server}` cannot be shown: {fault}");
    OwnError::new(502, code::UNAVAILABLE, text)
}
