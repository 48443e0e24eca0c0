//! Who is refused for what was abnormal, and what arguments look like.

use super::Refusal;
use crate::inbound::Client;
use crate::reply::OwnError;
use crate::shared::{Shared, unix_ns};
use arc_swap::ArcSwap;
use ph_mcp::Envelope;
use ph_mcp::error::code;
use ph_plan::Plan;
use ph_policy::ClientRules;
use ph_policy::anomaly::{ArgumentRules, Blocked, Blocks};
use ph_record::{AnomalyKind, Caller, RefusedReason, Shape};
use std::sync::Arc;

/// What one plan says of abnormal access.
pub(crate) struct Watched {
    clients: ClientRules,
    arguments: Option<ArgumentRules>,
    /// Written by whoever has the detectors.
    blocks: Arc<ArcSwap<Blocks>>,
}

impl Watched {
    /// `None`: nobody watches.
    pub(crate) fn new(plan: &Plan, shared: &Shared) -> Option<Self> {
        let anomalies = plan.anomalies.as_ref()?;
        Some(Self {
            clients: ClientRules::new(plan),
            arguments: ArgumentRules::new(anomalies),
            blocks: Arc::clone(&shared.parts.blocks),
        })
    }

    /// Who a request is from, for its record.
    pub(crate) fn caller(&self, client: &Client) -> Caller {
        let header = |name: &str| {
            let values = client.headers.get_all(name).iter();
            values.filter_map(|value| value.to_str().ok())
        };
        let rules = &self.clients;
        rules.caller(client.principal.as_ref(), client.peer, header)
    }

    /// Whether anybody is refused.
    pub(crate) fn blocks_any(&self) -> bool {
        !self.blocks.load().is_empty()
    }

    /// Why a caller is refused now, if it is.
    pub(crate) fn blocked(&self, client: &Client) -> Option<Blocked> {
        let blocks = self.blocks.load();
        if blocks.is_empty() {
            return None;
        }
        blocks.of(client.caller.as_ref()?, unix_ns() / 1_000_000)
    }

    /// What the arguments of a request look like, if that is abnormal.
    ///
    /// # Errors
    /// It is what the plan refuses.
    pub(crate) fn look(
        &self,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Result<Option<Box<Shape>>, Box<Refusal>> {
        let (Some(rules), Some(caller)) = (&self.arguments, &client.caller) else {
            return Ok(None);
        };
        let arguments = envelope.arguments.clone().map(|range| &text[range]);
        let target = envelope.target.as_deref();
        let Some(shape) = rules.look(envelope.method, target, arguments) else {
            return Ok(None);
        };
        if rules.is_exempt(caller) {
            return Ok(None);
        }
        let shape = Box::new(shape);
        if !rules.refuses(shape.kind, caller) {
            return Ok(Some(shape));
        }
        let error = OwnError::new(403, code::FORBIDDEN, refused(&shape));
        Err(Box::new(Refusal {
            shape: Some(shape),
            ..*Refusal::new(RefusedReason::Blocked, error)
        }))
    }
}

/// Not what stands there, which whoever sent it knows, and a log of the client need not have.
fn refused(shape: &Shape) -> String {
    let what = match shape.kind {
        AnomalyKind::PathTraversal => {
            "a path that leads out of where it may lead, or to where secrets are"
        }
        AnomalyKind::SqlInjection => "SQL that breaks out of a value",
        AnomalyKind::CommandInjection => "a command of a shell behind a value",
        AnomalyKind::TemplateInjection => "an expression of a template engine",
        AnomalyKind::Ssrf => "an address that is not to be asked from here",
        _ => return "this call is refused: its arguments are too large".to_owned(),
    };
    format!(
        "this call is refused: its argument `{}` looks like {what}",
        shape.argument
    )
}

/// The refusal of a caller that is blocked.
pub(crate) fn refusal(blocked: Blocked) -> Box<Refusal> {
    let left_ms = blocked.until_ms.saturating_sub(unix_ns() / 1_000_000);
    let left_s = left_ms.div_ceil(1_000).max(1);
    let message = format!(
        "refused for a time because of abnormal access ({}); retry after {left_s} s",
        blocked.kind.as_label()
    );
    let error = OwnError::new(403, code::FORBIDDEN, message).retry_after(left_s);
    Refusal::new(RefusedReason::Blocked, error)
}
