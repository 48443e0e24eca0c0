//! Starts children, and keeps spares for legacy sessions; shared children: `pool`.

use super::StdioServer;
use super::backoff::{Backoff, Next};
use super::link::{Link, Role};
use super::pool::Shared;
use crate::shared::Shared as Common;
use ph_base::Chain;
use ph_record::{EventKind, Replica, Server};
use ph_wire::cgroup::Cgroups;
use ph_wire::child::ChildSpec;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Params of a stateless request of our own.
pub(super) const OWN_PARAMS: &str = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"pilothouse","version":"1"}}}"#;

/// How children of a server are started.
pub(super) fn spec(
    shared: &Common,
    server: &Server,
    plan: &ph_plan::Server,
    stdio: &ph_plan::Stdio,
) -> ChildSpec {
    let mut spec = ChildSpec::new(
        stdio.command.as_str(),
        stdio.args.iter().map(|a| a.as_str()),
    );
    if stdio.otel {
        spec.env.extend(shared.parts.otel_env.iter().cloned());
        spec.env
            .push(("OTEL_SERVICE_NAME".into(), server.name.to_string()));
    }
    spec.env.extend(
        stdio
            .env
            .iter()
            .map(|(k, v)| (k.as_str().to_owned(), v.expose().to_owned())),
    );
    spec.cwd = stdio.cwd.as_ref().map(|d| d.as_path().to_owned());
    spec.memory_bytes_max = stdio.resources.memory_max.map(ph_plan::ByteSize::bytes);
    spec.cpus_max = stdio.resources.cpu_max;
    spec.cgroups = Some(Arc::clone(&shared.parts.cgroups));
    spec.open_files_max = stdio.resources.open_files_max;
    spec.line_bytes_max = plan.limits.line_bytes_max.as_usize();
    spec
}

/// What of the bounds that are wished cannot be enforced here as it is meant, and why.
pub(crate) fn not_enforced(wanted: &ph_plan::Resources, cgroups: &Cgroups) -> Option<String> {
    if wanted.memory_max.is_none() && wanted.cpu_max.is_none() {
        return None;
    }
    let why = cgroups.usable().err()?;
    let memory = wanted.memory_max.map(|_| {
        "`resources.memory_max` is kept by looking at its processes every second, and per process"
    });
    let cpu = wanted
        .cpu_max
        .map(|_| "`resources.cpu_max` is not enforced");
    let said: Vec<&str> = memory.into_iter().chain(cpu).collect();
    Some(format!("{}: {why}", said.join("; ")))
}

impl StdioServer {
    /// Starts supervision.
    pub(crate) fn start(self: &Arc<Self>) {
        self.say_what_is_not_enforced();
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let retired = this.retired.clone();
            retired.run_until_cancelled(this.tend_pool()).await;
        });
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let retired = this.retired.clone();
            retired.run_until_cancelled(this.tend_spares()).await;
        });
    }

    /// An operator who relies on a bound must know where there is none.
    fn say_what_is_not_enforced(&self) {
        let Some(text) = not_enforced(&self.plan.resources, &self.shared.parts.cgroups) else {
            return;
        };
        let (warning, text) = (true, text.into());
        let kind = EventKind::Note { warning, text };
        self.shared.event(Some(&self.server), Replica::None, kind);
    }

    /// Starts one child.
    ///
    /// # Errors
    /// Why there is none, for the client and the log.
    pub(super) fn child(self: &Arc<Self>, replica: Replica) -> Result<Arc<Link>, Arc<str>> {
        let Some(slot) = self.shared.child_slot() else {
            return Err("there are `children.max` child processes already".into());
        };
        let gate = self.shared.gate.get();
        if let Some(why) = gate.and_then(|gate| gate.refusal(self.server.name.as_str(), &self.plan))
        {
            self.say_not_started(replica, &why);
            return Err(why.into());
        }
        let role = Role {
            replica,
            ladder: self.ladder,
            tools: match replica {
                Replica::Slot(_) => Arc::clone(&self.pool.tools),
                Replica::Session | Replica::None => Arc::default(),
            },
        };
        let this = Arc::clone(self);
        // Supervision waits for every child before it is stopped.
        let token = self.tasks.token();
        let started = Link::start(
            &self.shared,
            &self.server,
            &self.spec,
            role,
            slot,
            move |link, expected| {
                this.ended(link, expected);
                drop(token);
            },
        );
        if let Ok(link) = &started {
            self.state().links.push(Arc::clone(link));
            // It may have been asked to go, or be gone, before it was known.
            if self.retired.is_cancelled() {
                link.close();
            }
            if link.gone.is_cancelled() {
                self.state().links.retain(|known| !Arc::ptr_eq(known, link));
            }
        }
        started.map_err(|e| {
            let hint = e
                .hint()
                .map(|h| format!(" (hint: {h})"))
                .unwrap_or_default();
            let text = format!("{}{hint}", Chain(&e));
            self.say_not_started(replica, &text);
            text.into()
        })
    }

    fn say_not_started(&self, replica: Replica, why: &str) {
        let (warning, text) = (true, why.into());
        let kind = EventKind::Note { warning, text };
        self.shared.event(Some(&self.server), replica, kind);
    }

    /// A child is gone: its session with it, and a spare is replaced.
    fn ended(self: &Arc<Self>, link: &Arc<Link>, expected: bool) {
        if !expected {
            self.alarm.notify_one();
        }
        let mut state = self.state();
        state.spares.retain(|spare| !Arc::ptr_eq(spare, link));
        state.links.retain(|known| !Arc::ptr_eq(known, link));
        let session = state
            .sessions
            .values()
            .find(|s| s.own_link().is_some_and(|own| Arc::ptr_eq(own, link)))
            .map(|s| s.id.clone());
        drop(state);
        if let Some(id) = session {
            self.end_session(&id);
        }
        self.hears_elsewhere(link);
        self.spare_wanted.notify_one();
    }

    /// Keeps `prewarm` children ready for legacy sessions.
    async fn tend_spares(self: &Arc<Self>) {
        if self.plan.isolation.shares_sessions() {
            // Few sessions have a child of their own there.
            return;
        }
        let mut backoff = Backoff::new(self.plan.restart.clone());
        let mut watched = self.pool.summary.subscribe();
        // One start at a time: whether it starts at all shows in the first.
        if watched
            .wait_for(|s| matches!(s, Shared::Up(_) | Shared::No))
            .await
            .is_err()
        {
            return;
        }
        loop {
            while self.state().spares.len() < self.plan.prewarm as usize {
                let begun = Instant::now();
                let Ok(link) = self.child(Replica::Session) else {
                    break;
                };
                self.state().spares.push_back(Arc::clone(&link));
                // A child that cannot live ends soon; the next is not started before that shows.
                let settled =
                    tokio::time::timeout(Duration::from_millis(200), link.gone.cancelled()).await;
                if settled.is_ok() {
                    let now = Instant::now();
                    let (Next::Restart(wait) | Next::CrashLoop(wait)) =
                        backoff.ended(now, now.saturating_duration_since(begun));
                    tokio::time::sleep(wait).await;
                }
            }
            self.spare_wanted.notified().await;
            // A child that lives only a little longer than that must not make this a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A spare that lives, or a new child.
    pub(super) fn child_for_session(self: &Arc<Self>) -> Result<Arc<Link>, Arc<str>> {
        let spare = loop {
            match self.state().spares.pop_front() {
                Some(link) if link.gone.is_cancelled() => {}
                other => break other,
            }
        };
        match spare {
            Some(link) => {
                self.spare_wanted.notify_one();
                Ok(link)
            }
            None => self.child(Replica::Session),
        }
    }

    /// Ends the session `id`.
    pub(super) fn end_session(&self, id: &str) {
        let session = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sessions
            .remove(id);
        if let Some(session) = session {
            session.end();
            self.hears_nothing_more(&session);
            self.pool.give_back(&session);
        }
    }
}
