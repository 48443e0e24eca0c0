//! Limits on calls: what is to be taken is `ph-policy`'s word, here it is taken, before a server hears of
//! the call.

mod local;
mod store;
mod table;

pub use local::LocalStore;
pub use store::{Held, Lacking, LimitStore, Taking, Verdict};

use crate::guard::Refusal;
use crate::inbound::Client;
use crate::reply::OwnError;
use ph_base::Method;
use ph_mcp::Envelope;
use ph_mcp::error::{code, quote};
use ph_plan::Plan;
use ph_policy::{Asked, Charge, Limits, Now, Told, told};
use ph_record::{LimitLabel, LimitTable, Limited, RefusedReason};
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
    ) -> Result<Option<Admitted>, Box<Refusal>> {
        let header = |name: &str| {
            let values = client.headers.get_all(name).iter();
            values.filter_map(|value| value.to_str().ok())
        };
        let is_call_of_tool = envelope.method == Method::ToolsCall;
        let asked = Asked {
            client: self.limits.clients().identify(
                client.principal.as_deref(),
                client.peer,
                header,
            ),
            server,
            method: &envelope.method_text,
            // A call without a name is one of a tool, too.
            tool: is_call_of_tool.then(|| envelope.target.as_deref().unwrap_or("")),
            is_stream: envelope.method.is_stream(),
        };
        let now = self.now(client);
        let charges = self.limits.decide(&asked);
        let (held, would_refuse) = match self.store.take(&charges, now).verdict().await {
            Verdict::Taken { held, would_refuse } => (held, would_refuse),
            Verdict::Refused(Lacking { charge, wait }) => {
                let charge = &charges.enforced[charge];
                return Err(self.refusal(charge, &told(charge, &asked, wait)));
            }
            Verdict::Unchecked => return Ok(None),
            Verdict::Unavailable if charges.enforced.is_empty() => return Ok(None),
            Verdict::Unavailable => return Err(unmeasured()),
        };
        let dry_run: Vec<_> = would_refuse
            .iter()
            .filter_map(|nth| self.label(&charges.dry[*nth]))
            .collect();
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

    fn refusal(&self, charge: &Charge<'_>, told: &Told) -> Box<Refusal> {
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
        Box::new(Refusal {
            limited: Some(Box::new(Limited { by, dry_run })),
            ..*Refusal::new(RefusedReason::RateLimited, error)
        })
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

/// What a call gets that nobody could measure.
fn unmeasured() -> Box<Refusal> {
    let text = "the limits on calls cannot be checked at the moment; try again in a second";
    let error = OwnError::new(503, code::OVERLOAD, text).retry_after(1);
    Refusal::new(RefusedReason::LimitsUnavailable, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use ph_plan::NoSecrets;
    use ph_policy::Charges;
    use ph_record::ServerTable;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    /// A store that has to be waited for, as one in another process is.
    struct Slow {
        inner: LocalStore,
        asked: AtomicUsize,
    }

    impl LimitStore for Slow {
        fn take<'a>(&'a self, charges: &'a Charges<'a>, now: Now) -> Taking<'a> {
            Taking::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                self.asked.fetch_add(1, Relaxed);
                self.inner.take(charges, now).verdict().await
            }))
        }

        fn give_back(&self, held: &Held) {
            self.inner.give_back(held);
        }
    }

    const CALL: &str =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"}}"#;

    #[test]
    fn a_store_may_take_its_time_and_each_trial_is_one_of_its_own() {
        let text = "limits:\n  a: {concurrency: 2}\n  b: {daily: 9}\n  t1: {daily: 1, concurrency: 9, dry_run: true}\n  t2: {daily: 2, dry_run: true}\nservers: {s: {command: x}}\n";
        let (plan, _) = Plan::from_yaml(text, &NoSecrets).unwrap();
        let counts = Arc::new(ServerTable::default());
        let slow = Arc::new(Slow {
            inner: LocalStore::new(1, Arc::clone(&counts)),
            asked: AtomicUsize::new(0),
        });
        let store: Arc<dyn LimitStore> = slow.clone();
        let started = Instant::now();
        let gate = Gate::new(&plan, &counts.limits, &store, started).unwrap();
        let client = Client::new("192.0.2.1:1".parse().unwrap(), HeaderMap::new());
        let envelope = Envelope::read(CALL).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let admit = || runtime.block_on(gate.admit("s", &client, &envelope));

        let first = admit().ok().flatten().unwrap();
        assert_eq!(first.limited, None);
        // One question for all that is enforced and for all on trial.
        assert_eq!(slow.asked.load(Relaxed), 1);
        let second = admit().ok().flatten().unwrap();
        let names = |admitted: &Admitted| {
            let limited = admitted.limited.clone().unwrap();
            let names = limited.dry_run.iter().map(|l| l.name.to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&second), ["t1"]);
        let refusal = admit().err().unwrap();
        assert_eq!(refusal.limited.unwrap().by.unwrap().name.as_ref(), "a");
        assert_eq!(refusal.error.retry_after_s, Some(1));
        drop(first);
        let third = admit().ok().flatten().unwrap();
        assert_eq!(names(&third), ["t1", "t2"]);
    }

    #[test]
    fn without_limits_there_is_no_gate() {
        let (plan, _) = Plan::from_yaml("servers: {s: {command: x}}\n", &NoSecrets).unwrap();
        let counts = Arc::new(ServerTable::default());
        let store: Arc<dyn LimitStore> = Arc::new(LocalStore::new(1, Arc::clone(&counts)));
        assert!(Gate::new(&plan, &counts.limits, &store, Instant::now()).is_none());
    }

    /// Heads that were sent early and bodies that come late are calls of the moment at which they are whole.
    #[test]
    fn a_call_is_measured_when_its_body_has_come() {
        let text = "limits: {a: {rate: 1/s}}\nservers: {s: {command: x}}\n";
        let (plan, _) = Plan::from_yaml(text, &NoSecrets).unwrap();
        let counts = Arc::new(ServerTable::default());
        let store: Arc<dyn LimitStore> = Arc::new(LocalStore::new(1, Arc::clone(&counts)));
        let started = Instant::now();
        let gate = Gate::new(&plan, &counts.limits, &store, started).unwrap();
        let mut client = Client::new("192.0.2.1:1".parse().unwrap(), HeaderMap::new());
        client.received = started + Duration::from_secs(5);
        client.received_unix_ns = 7_500_000_000;
        client.waited_ns = 600_000_000;
        let now = gate.now(&client);
        assert_eq!((now.ns, now.unix_s), (5_600_000_000, 8));
    }
}
