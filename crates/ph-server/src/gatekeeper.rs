//! Who may use the admin listener, and what was changed by whom.

use crate::audit::{AuditLog, Entry};
use arc_swap::ArcSwap;
use http::HeaderMap;
use ph_api::{Admission, Attempt, Caller, NotAdmitted, Step};
use ph_auth::{Auth, unix_s};
use ph_plan::{AdminAuth, Plan};
use ph_policy::{HeadRules, Role};
use ph_record::{
    EventKind, Observation, Reading, RecordSink, Replica, SampleSource, ServerEvent, catalogue,
};
use ph_recorder::Recorder;
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who may use the admin listener.
pub(crate) struct Gatekeeper {
    auth: Arc<Auth>,
    recorder: Recorder,
    audit: Arc<AuditLog>,
    asks: ArcSwap<Asks>,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
    refused: [AtomicU64; NotAdmitted::ALL.len()],
}

/// What a plan asks for.
struct Asks {
    for_keys: bool,
    rules: Arc<HeadRules>,
}

impl Asks {
    fn of(plan: &Plan) -> Self {
        Self {
            for_keys: plan.admin.auth == AdminAuth::Keys,
            rules: Arc::new(HeadRules::of_admin(plan)),
        }
    }
}

impl Gatekeeper {
    pub(crate) fn new(
        plan: &Plan,
        auth: &Arc<Auth>,
        recorder: &Recorder,
        audit: Arc<AuditLog>,
        complain: &Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            auth: Arc::clone(auth),
            recorder: recorder.clone(),
            audit,
            asks: ArcSwap::from_pointee(Asks::of(plan)),
            complain: Arc::clone(complain),
            refused: Default::default(),
        });
        recorder.add_source(Arc::<Self>::clone(&this));
        this.warn(plan);
        this
    }

    /// Does as `plan` says from now on.
    pub(crate) fn apply(&self, plan: &Plan) {
        self.asks.store(Arc::new(Asks::of(plan)));
        self.warn(plan);
    }

    /// A listener that nobody can use is locked from outside.
    fn warn(&self, plan: &Plan) {
        let is_locked = plan.admin.auth == AdminAuth::Keys
            && plan.admin_address().is_some()
            && !self.auth.keyring().has_admin(unix_s());
        if is_locked {
            (self.complain)(
                "`admin.auth: keys`, and there is no key with the role admin yet: stop, and make one with `pilothouse keys create NAME --role admin`",
            );
        }
    }

    /// Writes down that the configuration changes.
    ///
    /// - `more`: of the line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn note(
        &self,
        action: &str,
        step: &'static str,
        more: Vec<(&'static str, serde_json::Value)>,
    ) -> io::Result<()> {
        self.audit.write(&Entry {
            id: 0,
            step,
            actor: "process",
            action,
            more,
        })
    }

    fn say(&self, attempt: &Attempt, step: &str) {
        let at_unix_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        let text = format!(
            "audit: {} by {}: {step} ({})",
            attempt.action, attempt.caller.name, attempt.target
        );
        self.recorder.observe(Observation::Event(ServerEvent {
            server: None,
            replica: Replica::None,
            at_unix_ns,
            kind: EventKind::Note {
                warning: attempt.step == Step::Refused,
                text: text.into(),
            },
        }));
    }
}

impl Admission for Gatekeeper {
    fn head_rules(&self) -> Arc<HeadRules> {
        Arc::clone(&self.asks.load().rules)
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, &'static str> {
        match self.auth.of_admin(headers, unix_s()) {
            Ok(Some(principal)) => Ok(Caller {
                name: format!("key:{}", principal.name).into(),
                role: principal.role,
            }),
            Ok(None) if !self.asks.load().for_keys => Ok(Caller {
                name: "anonymous".into(),
                role: Some(Role::Admin),
            }),
            Ok(None) => Err("the admin API asks for a key"),
            Err(_) => Err("this key is not good here"),
        }
    }

    fn refused(&self, why: NotAdmitted) {
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    fn write(&self, attempt: &Attempt) -> io::Result<()> {
        let (step, state, status) = match attempt.step {
            Step::Begun => ("begun", "before", None),
            Step::Refused => ("refused", "before", None),
            Step::Ended(status @ 0..400) => ("done", "after", Some(status)),
            Step::Ended(status) => ("failed", "after", Some(status)),
        };
        let written = self.audit.write(&Entry {
            id: attempt.id,
            step,
            actor: &attempt.caller.name,
            action: attempt.action,
            more: vec![
                ("role", json!(attempt.caller.role.map(Role::as_str))),
                ("peer", json!(attempt.peer.map(|peer| peer.to_string()))),
                ("target", json!(attempt.target)),
                ("status", json!(status)),
                ("sent", json!(attempt.sent)),
                (state, json!(attempt.state)),
            ],
        });
        if attempt.step != Step::Begun {
            self.say(attempt, step);
        }
        if let Err(error) = &written {
            (self.complain)(&format!("the audit log cannot be written: {error}"));
        }
        written
    }
}

impl SampleSource for Gatekeeper {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        for why in NotAdmitted::ALL {
            let count = self.refused[why as usize].load(Relaxed) as f64;
            out(
                &catalogue::ADMIN_REFUSED,
                &[why.as_label()],
                Reading::Value(count),
            );
        }
    }
}
