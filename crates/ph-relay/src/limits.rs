//! Limits on calls: what is to be taken is `ph-policy`'s word, here it is taken, before a server hears of
//! the call.

mod batch;
mod entry;
mod local;
mod store;
mod table;

pub use local::LocalStore;
pub use store::{Held, LimitStore, Taking, Verdict};

use crate::inbound::Client;
use crate::reply::OwnError;
use ph_base::Method;
use ph_mcp::Envelope;
use ph_mcp::error::{code, quote};
use ph_plan::Plan;
use ph_policy::{Asked, Charge, Limits, Now, Told, told};
use ph_record::{LimitLabel, LimitTable, Limited};
use std::sync::Arc;
use std::time::Instant;

/// The limits of one plan, and where is remembered what was taken of them.
pub(crate) struct Gate {
    limits: Limits,
    labels: Vec<LimitLabel>,
    store: Arc<dyn LimitStore>,
    /// When the clock of the limits began; the same for all plans of a process.
    started: Instant,
}

/// A call that may go on, with what is to be remembered of it.
pub(crate) struct Admitted {
    /// What limits on trial had to say.
    pub(crate) limited: Option<Box<Limited>>,
    /// Given back when nobody has it any more.
    _slots: Option<Slots>,
}

/// Places among the calls at the same time, until dropped.
struct Slots {
    store: Arc<dyn LimitStore>,
    held: Held,
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.store.give_back(&self.held);
    }
}

/// A call that a limit has refused.
pub(crate) struct Refusal {
    pub(crate) error: OwnError,
    pub(crate) limited: Box<Limited>,
}

impl Gate {
    /// The limits of `plan`; `None` when there are none.
    pub(crate) fn new(
        plan: &Plan,
        table: &LimitTable,
        store: &Arc<dyn LimitStore>,
        started: Instant,
    ) -> Option<Self> {
        let limits = Limits::new(plan);
        let labels = limits.names().map(|name| table.intern(name)).collect();
        (!limits.is_empty()).then(|| Self {
            limits,
            labels,
            store: Arc::clone(store),
            started,
        })
    }

    /// Takes what a call costs.
    ///
    /// - returns: `None` when nothing is to be remembered of it.
    pub(crate) async fn admit(
        &self,
        server: &str,
        client: &Client,
        envelope: &Envelope<'_>,
    ) -> Result<Option<Admitted>, Refusal> {
        let header = |name: &str| {
            let values = client.headers.get_all(name).iter();
            values.filter_map(|value| value.to_str().ok())
        };
        let is_call_of_tool = envelope.method == Method::ToolsCall;
        let asked = Asked {
            client: self.limits.clients().identify(client.peer, header),
            server,
            method: &envelope.method_text,
            // A call without a name is one of a tool, too.
            tool: is_call_of_tool.then(|| envelope.target.as_deref().unwrap_or("")),
            is_stream: envelope.method.is_stream(),
        };
        let now = self.now(client);
        let charges = self.limits.decide(&asked);
        let mut held = Held::default();
        if !charges.enforced.is_empty() {
            match self.store.take(&charges.enforced, now).verdict().await {
                Verdict::Taken(taken) => held = taken,
                Verdict::Refused { charge, wait } => {
                    let charge = &charges.enforced[charge];
                    return Err(self.refusal(charge, &told(charge, &asked, wait)));
                }
            }
        }
        let dry_run = self.try_out(&charges.dry, now, &mut held).await;
        let limited = (!dry_run.is_empty()).then(|| Box::new(Limited { by: None, dry_run }));
        let slots = (!held.0.is_empty()).then(|| Slots {
            store: Arc::clone(&self.store),
            held,
        });
        Ok((limited.is_some() || slots.is_some()).then_some(Admitted {
            limited,
            _slots: slots,
        }))
    }

    /// Takes from each limit on trial what it would have; returns those that would have refused.
    async fn try_out(&self, charges: &[Charge<'_>], now: Now, held: &mut Held) -> Vec<LimitLabel> {
        let mut would_refuse = Vec::new();
        for of_one in charges.chunk_by(|a, b| a.limit.name == b.limit.name) {
            match self.store.take(of_one, now).verdict().await {
                Verdict::Taken(taken) => held.0.extend(taken.0),
                Verdict::Refused { .. } => would_refuse.extend(self.label(&of_one[0])),
            }
        }
        would_refuse
    }

    fn refusal(&self, charge: &Charge<'_>, told: &Told) -> Refusal {
        let mut data = String::from("{\"limit\":");
        quote(&told.limit, &mut data);
        data.push_str(&format!(",\"retryAfter\":{}}}", told.retry_after_s));
        let error = OwnError {
            data: Some(data),
            limit: Some(Box::new((told.policy.clone(), told.state.clone()))),
            ..OwnError::new(told.status, code::LIMITED, told.message.clone())
                .retry_after(told.retry_after_s)
        };
        let by = self.label(charge);
        let dry_run = Vec::new();
        Refusal {
            error,
            limited: Box::new(Limited { by, dry_run }),
        }
    }

    fn label(&self, charge: &Charge<'_>) -> Option<LimitLabel> {
        let mut labels = self.labels.iter();
        labels.find(|l| *l.name == charge.limit.name).cloned()
    }

    /// Now, which is when the body has been read: whoever sends heads early gains nothing.
    fn now(&self, client: &Client) -> Now {
        let to_head = client.received.saturating_duration_since(self.started);
        let to_head = u64::try_from(to_head.as_nanos()).unwrap_or(u64::MAX);
        let unix_ns = client.received_unix_ns.saturating_add(client.waited_ns);
        Now {
            ns: to_head.saturating_add(client.waited_ns),
            unix_s: unix_ns / 1_000_000_000,
        }
    }
}
