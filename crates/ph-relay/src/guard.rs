//! What stands between a client and a server: whether a message may go on, and what of an answer may come back.
//!
//! Each message of a body is judged on its own, in the order of [`Guard::judge`]. What decides is pure and in
//! `ph-policy`; here it is asked, and what it needs to remember is kept. Without anything configured there is no
//! guard, and nothing of a message is looked at.

mod access;
mod batch;
mod entry;
mod lists;

pub(crate) use lists::{LIST_BYTES_MAX, Listing, Lists, unreadable};

use crate::inbound::Client;
use crate::limits::{Admitted, Gate, LimitStore};
use crate::reply::OwnError;
use crate::shared::Shared;
use access::AccessGate;
use ph_mcp::{Envelope, Kind};
use ph_plan::Plan;
use ph_record::{Limited, RefusedReason, Server};
use std::sync::Arc;
use std::time::Instant;

/// What one plan has messages judged by. Each part is `None` unless the plan asks for it.
pub(crate) struct Guard {
    access: Option<AccessGate>,
    limits: Option<Gate>,
}

/// What is to be remembered of a request that may go on, until its call is over.
pub(crate) struct Passed {
    /// What limits gave it.
    pub(crate) admitted: Option<Admitted>,
    /// What is to be done with the list that answers it.
    pub(crate) list: Option<Listing>,
}

/// A message that may not go on.
pub(crate) struct Refusal {
    /// What the client is told.
    pub(crate) error: OwnError,
    pub(crate) reason: RefusedReason,
    /// What the record says, where that is more than the client is told.
    pub(crate) why: Option<String>,
    pub(crate) limited: Option<Box<Limited>>,
}

impl Refusal {
    pub(crate) fn new(reason: RefusedReason, error: OwnError) -> Box<Self> {
        Box::new(Self {
            error,
            reason,
            why: None,
            limited: None,
        })
    }
}

impl Guard {
    /// The guard of `plan`; `None` when it has nothing to judge by.
    ///
    /// - `started`: when the clock of the limits began; the same for all plans of a process.
    pub(crate) fn new(
        plan: &Plan,
        shared: &Shared,
        limit_store: &Arc<dyn LimitStore>,
        started: Instant,
    ) -> Option<Arc<Self>> {
        let labels = &shared.parts.table.limits;
        let limits = Gate::new(plan, labels, limit_store, started);
        let access = AccessGate::new(plan);
        let has_any = access.is_some() || limits.is_some();
        has_any.then(|| Arc::new(Self { access, limits }))
    }

    /// Judges one message: of whatever kind, alone or in a batch.
    ///
    /// - `text`: what the ranges of `envelope` are of.
    /// - returns: `None` when nothing is to be remembered of it.
    ///
    /// # Errors
    /// [`Refusal`]: the first that there is. Limits come last: what is refused for another reason costs nothing.
    pub(crate) async fn judge(
        self: &Arc<Self>,
        server: &Arc<Server>,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Result<Option<Passed>, Box<Refusal>> {
        let name = server.name.as_str();
        if let Some(access) = &self.access {
            access.judge(name, client, text, envelope)?;
        }
        if envelope.kind != Kind::Request {
            return Ok(None);
        }
        let list = self.listing(server, client, envelope);
        let admitted = match &self.limits {
            Some(gate) => gate.admit(name, client, envelope).await?,
            None => None,
        };
        let has_any = admitted.is_some() || list.is_some();
        Ok(has_any.then_some(Passed { admitted, list }))
    }

    /// Judges a request without a message: one that opens a stream or ends a session.
    ///
    /// # Errors
    /// [`Refusal`], of which nothing but the error and the reason is of interest.
    pub(crate) fn judge_head(&self, server: &Server, client: &Client) -> Result<(), Box<Refusal>> {
        match &self.access {
            Some(access) => access.judge_head(server.name.as_str(), client),
            None => Ok(()),
        }
    }
}
