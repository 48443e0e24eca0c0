//! The addresses of one server. Each is a replica: a call goes to the one with the fewest, and one that
//! fails is left out until it has answered a question of ours.

use super::forward::{self, Target};
use super::{HttpServer, probe};
use crate::control::ReplicaStatus;
use crate::health::Finding;
use crate::reply::OwnError;
use crate::shown::Shown;
use crate::tuning::Tuning;
use ph_mcp::error::code;
use ph_plan::Endpoint;
use ph_policy::pool::{Breaker, BreakerRules, Standing, Turn, least_loaded};
use ph_record::{EventKind, HealthResult, Replica as Label, Server};
use ph_wire::tls::TlsError;
use ph_wire::upstream::{AnswerBody, Upstream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Where nobody is asked.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// One address of a server.
pub(crate) struct Replica {
    pub(super) slot: u16,
    pub(super) upstream: Upstream,
    pub(super) target: Target,
    pub(super) manner: Mutex<probe::Manner>,
    /// For operators: without a path, which may hold a secret.
    address: String,
    calls: AtomicU32,
    is_out: AtomicBool,
    breaker: Mutex<Breaker>,
}

/// All addresses of a server.
pub(crate) struct Replicas {
    all: Box<[Arc<Replica>]>,
    /// The number of the first: those of two versions of a server differ.
    first: u16,
    shown: Shown,
    turn: AtomicUsize,
    /// One that fails is left out.
    is_guarded: AtomicBool,
    /// One has been left out.
    turned: Notify,
    began: Instant,
}

/// A call's place on a replica, until dropped.
pub(crate) struct Place {
    pub(super) replica: Arc<Replica>,
    is_counted: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_counted {
            self.replica.calls.fetch_sub(1, Relaxed);
        }
    }
}

impl Place {
    /// The connection of an answer that was read to its end is of further use.
    pub(super) fn keep(&self, body: AnswerBody) {
        self.replica.upstream.keep(body);
    }
}

impl Replica {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_out(&self) -> bool {
        self.is_out.load(Relaxed)
    }
}

impl Replicas {
    pub(super) fn new(
        http: &ph_plan::HttpUpstream,
        workers: usize,
        tuning: &Tuning,
        server: Arc<Server>,
        first: u16,
    ) -> Result<Self, TlsError> {
        let urls = std::iter::once(&http.url).chain(&http.others);
        let replica = |(slot, url): (usize, &Endpoint)| {
            let address = forward::address(http, url)?;
            Ok(Arc::new(Replica {
                slot: u16::try_from(slot).map_or(u16::MAX, |slot| first.saturating_add(slot)),
                address: format!("{}:{}", url.host(), url.port()),
                upstream: Upstream::new(address, workers),
                target: Target::new(http, url),
                manner: Mutex::default(),
                calls: AtomicU32::new(0),
                is_out: AtomicBool::new(false),
                breaker: Mutex::new(Breaker::new(rules(tuning))),
            }))
        };
        let all = urls
            .enumerate()
            .map(replica)
            .collect::<Result<Box<[_]>, _>>()?;
        let this = Self {
            all,
            first,
            shown: Shown::new(server),
            turn: AtomicUsize::new(0),
            is_guarded: AtomicBool::new(false),
            turned: Notify::new(),
            began: Instant::now(),
        };
        this.obey(tuning);
        Ok(this)
    }

    /// Whether there is more than one.
    pub(super) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// The first that is not left out, else the first.
    pub(super) fn one(&self) -> &Replica {
        let well = self.all.iter().find(|replica| !replica.is_out());
        well.unwrap_or(&self.all[0])
    }

    /// Goes by other rules from now on.
    pub(super) fn obey(&self, tuning: &Tuning) {
        let is_guarded = self.are_several() || tuning.eject.failures.is_some();
        self.is_guarded.store(is_guarded, Relaxed);
        for replica in &self.all {
            let rules = rules(tuning);
            let mut breaker = replica.breaker();
            if !is_guarded || breaker.rules() != &rules {
                *breaker = Breaker::new(rules);
                replica.is_out.store(false, Relaxed);
            }
        }
    }

    pub(super) fn sweep(&self) {
        self.all.iter().for_each(|replica| replica.upstream.sweep());
    }

    /// A place on the least loaded replica that is not left out.
    ///
    /// - `pinned`: the only one that will do.
    /// - `tried`: those that will not.
    fn take(&self, pinned: Option<u16>, tried: &[u16], counted: bool) -> Option<Place> {
        let will_do = |replica: &Arc<Replica>| !replica.is_out() && !tried.contains(&replica.slot);
        let at = match (pinned, self.all.len()) {
            (_, 1) => 0,
            (Some(slot), _) => usize::from(slot.checked_sub(self.first)?),
            (None, _) => {
                let turn = self.turn.fetch_add(1, Relaxed);
                let load = |replica: &Arc<Replica>| match will_do(replica) {
                    true => replica.calls.load(Relaxed),
                    false => u32::MAX,
                };
                least_loaded(self.all.iter().map(load), turn)?
            }
        };
        let replica = self.all.get(at).filter(|replica| will_do(replica))?;
        let is_counted = counted && self.are_several();
        if is_counted {
            replica.calls.fetch_add(1, Relaxed);
        }
        Some(Place {
            replica: Arc::clone(replica),
            is_counted,
        })
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// When the next one that is out is asked, as a span from now.
    fn until_asked(&self) -> Duration {
        let now = self.now();
        let due = self
            .all
            .iter()
            .filter_map(|replica| match replica.breaker().standing() {
                Standing::Out { until } => Some(until.saturating_sub(now)),
                Standing::In | Standing::Asked => None,
            });
        due.min().unwrap_or(FAR)
    }

    /// How they are.
    pub(crate) fn status(&self) -> Vec<ReplicaStatus> {
        let status = |replica: &Arc<Replica>| ReplicaStatus {
            slot: replica.slot,
            state: if replica.is_out() { "out" } else { "ready" },
            pid: None,
            address: Some(replica.address.clone()),
            age: None,
            in_flight: replica.calls.load(Relaxed),
            restarts: 0,
            why: None,
        };
        self.all.iter().map(status).collect()
    }
}

fn rules(tuning: &Tuning) -> BreakerRules {
    BreakerRules {
        failures: tuning.eject.failures.unwrap_or(5),
        pause: tuning.eject.pause,
        pause_max: tuning.eject.pause_max,
    }
}

impl HttpServer {
    /// A place for what a client sends; see [`Replicas::take`].
    ///
    /// # Errors
    /// 503, with when to come again: all that will do are left out.
    pub(super) fn place(
        &self,
        pinned: Option<u16>,
        tried: &[u16],
        counted: bool,
    ) -> Result<Place, OwnError> {
        self.replicas.take(pinned, tried, counted).ok_or_else(|| {
            let seconds = self
                .replicas
                .until_asked()
                .min(Duration::from_secs(300))
                .as_secs()
                + 1;
            let text = format!(
                "server `{}` is left alone for a while, since its last calls failed",
                self.server.name
            );
            OwnError::new(503, code::UNAVAILABLE, text).retry_after(seconds)
        })
    }

    /// What came of sending something to a replica; `None` says nothing of it.
    pub(super) fn judge(&self, replica: &Replica, failed: Option<bool>) {
        let Some(failed) = failed else { return };
        if self.replicas.is_guarded.load(Relaxed)
            && let Some(Turn::Out(pause)) = replica.breaker().ended(self.replicas.now(), failed)
        {
            self.leave_out(replica, "its calls failed", pause);
        }
    }

    fn leave_out(&self, replica: &Replica, why: &str, pause: Duration) {
        replica.is_out.store(true, Relaxed);
        self.server.live.ejections.fetch_add(1, Relaxed);
        self.show();
        self.replicas.turned.notify_one();
        let text = format!(
            "{} gets no calls: {why}; it is asked again in {pause:?}",
            replica.address
        );
        self.note(replica, true, text);
    }

    fn note(&self, replica: &Replica, warning: bool, text: String) {
        let text = text.into();
        let kind = EventKind::Note { warning, text };
        let label = Label::Slot(replica.slot);
        self.shared.event(Some(&self.server), label, kind);
    }

    /// Tells the metrics how many there are.
    pub(super) fn show(&self) {
        if !self.replicas.is_guarded.load(Relaxed) {
            return;
        }
        let all = self.replicas.all.len();
        let out = self.replicas.all.iter().filter(|r| r.is_out()).count();
        self.replicas.shown.set(all, all - out, out);
    }

    /// The metrics show none of its addresses any more.
    pub(crate) fn hide(&self) {
        self.replicas.shown.end();
    }

    /// Asks replicas that are left out whether they are well, each when its pause is over.
    pub(crate) async fn tend_replicas(&self) {
        loop {
            let pause = self.replicas.until_asked();
            let _ = timeout(pause, self.replicas.turned.notified()).await;
            for replica in &self.replicas.all {
                if !replica.breaker().ask(self.replicas.now()) {
                    continue;
                }
                let limit = self.tuning.load().health.timeout;
                let is_well = self.check_one(replica, limit).await.0 == HealthResult::Ok;
                let turn = replica.breaker().answered(self.replicas.now(), is_well);
                if turn == Some(Turn::In) {
                    replica.is_out.store(false, Relaxed);
                    self.show();
                    let text = format!("{} answers again and gets calls", replica.address);
                    self.note(replica, false, text);
                }
            }
        }
    }

    /// One health check of all replicas, each bounded by `limit`: the server is well when one of them is.
    pub(crate) async fn check(&self, limit: Duration) -> Finding {
        let mut found = (HealthResult::Ok, None);
        let mut is_well = false;
        for replica in &self.replicas.all {
            let finding = self.check_one(replica, limit).await;
            if finding.0 == HealthResult::Ok {
                is_well = true;
                continue;
            }
            if self.replicas.are_several()
                && let Some(Turn::Out(pause)) = replica.breaker().suspect(self.replicas.now())
            {
                let why = finding
                    .1
                    .as_deref()
                    .unwrap_or("no answer to a health check");
                self.leave_out(replica, why, pause);
            }
            found = finding;
        }
        if is_well {
            (HealthResult::Ok, None)
        } else {
            found
        }
    }
}
