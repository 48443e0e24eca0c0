//! What stands between a client and a server: whether a message may go on, and what of an answer may come back.
//!
//! Each message of a body is judged on its own, in the order of [`Guard::judge`]. What decides is pure and in
//! `ph-policy`; here it is asked, and what it needs to remember is kept. Without anything configured there is no
//! guard, and nothing of a message is looked at.

mod access;
mod anomalies;
mod batch;
mod entry;
mod lists;
mod tools;

pub(crate) use lists::{LIST_BYTES_MAX, Listing, Lists, unreadable};
pub(crate) use tools::ToolNote;

use crate::inbound::Client;
use crate::limits::{Admitted, Gate, LimitStore};
use crate::pins::Board;
use crate::reply::OwnError;
use crate::shared::Shared;
use access::AccessGate;
use anomalies::Watched;
pub(crate) use anomalies::refusal as blocked;
use ph_base::ServerName;
use ph_mcp::{Envelope, Kind};
use ph_plan::Plan;
use ph_record::{Limited, RefusedReason, Server, Shape};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tools::ToolGate;

/// What one plan has messages judged by. Each part is `None` unless the plan asks for it.
pub(crate) struct Guard {
    pub(crate) anomalies: Option<Watched>,
    access: Option<AccessGate>,
    pins: Option<ToolGate>,
    limits: Option<Gate>,
}

/// What is to be remembered of a request that may go on, until its call is over.
pub(crate) struct Passed {
    /// What limits gave it.
    pub(crate) admitted: Option<Admitted>,
    /// What is to be done with the list that answers it.
    pub(crate) list: Option<Listing>,
    /// What its arguments look like, where that is abnormal.
    pub(crate) shape: Option<Box<Shape>>,
    /// Who learns from the list that answers it, and lets it pass.
    pub(crate) note: Option<ToolNote>,
}

/// A message that may not go on.
pub(crate) struct Refusal {
    /// What the client is told.
    pub(crate) error: OwnError,
    pub(crate) reason: RefusedReason,
    /// What the record says, where that is more than the client is told.
    pub(crate) why: Option<String>,
    pub(crate) limited: Option<Box<Limited>>,
    /// What its arguments look like, where that is why.
    pub(crate) shape: Option<Box<Shape>>,
}

impl Refusal {
    pub(crate) fn new(reason: RefusedReason, error: OwnError) -> Box<Self> {
        Box::new(Self {
            error,
            reason,
            why: None,
            limited: None,
            shape: None,
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
        boards: &BTreeMap<ServerName, Arc<Board>>,
        started: Instant,
    ) -> Option<Arc<Self>> {
        let labels = &shared.parts.table.limits;
        let limits = Gate::new(plan, labels, limit_store, started);
        let anomalies = Watched::new(plan, shared);
        let access = AccessGate::new(plan);
        let pins = ToolGate::new(boards, shared);
        let has_any = anomalies.is_some() || access.is_some() || pins.is_some() || limits.is_some();
        has_any.then(|| {
            Arc::new(Self {
                anomalies,
                access,
                pins,
                limits,
            })
        })
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
        self.judge_blocked(client)?;
        if let Some(access) = &self.access {
            access.judge(name, client, text, envelope)?;
        }
        if envelope.kind != Kind::Request {
            return Ok(None);
        }
        if let Some(pins) = &self.pins {
            pins.judge(server, envelope)?;
        }
        let list = self.listing(server, client, text, envelope);
        let note = match (&self.pins, &list) {
            (Some(pins), None) => pins.note(server, client, text, envelope),
            _ => None,
        };
        let shape = match &self.anomalies {
            Some(watched) => watched.look(client, text, envelope)?,
            None => None,
        };
        let admitted = match &self.limits {
            Some(gate) => match gate.admit(name, client, envelope).await {
                Ok(admitted) => admitted,
                Err(refusal) => return Err(Box::new(Refusal { shape, ..*refusal })),
            },
            None => None,
        };
        let has_any = admitted.is_some() || list.is_some() || shape.is_some() || note.is_some();
        Ok(has_any.then_some(Passed {
            admitted,
            list,
            shape,
            note,
        }))
    }

    /// Judges a request without a message: one that opens a stream or ends a session.
    ///
    /// # Errors
    /// [`Refusal`], of which nothing but the error and the reason is of interest.
    pub(crate) fn judge_head(&self, server: &Server, client: &Client) -> Result<(), Box<Refusal>> {
        self.judge_blocked(client)?;
        match &self.access {
            Some(access) => access.judge_head(server.name.as_str(), client),
            None => Ok(()),
        }
    }

    /// Refuses whoever is refused for a time.
    fn judge_blocked(&self, client: &Client) -> Result<(), Box<Refusal>> {
        let watched = self.anomalies.as_ref();
        match watched.and_then(|watched| watched.blocked(client)) {
            Some(blocked) => Err(anomalies::refusal(blocked)),
            None => Ok(()),
        }
    }
}
