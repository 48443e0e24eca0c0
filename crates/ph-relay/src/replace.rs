//! Another version of a server beside the one that runs: it gets a share of what begins, and in the end its
//! place.
//!
//! When there is which share is decided in `ph_policy::replace`. What has begun stays where it began: a session
//! with the version that opened it, a call with the one that took it.

use crate::control::ControlError;
use crate::relay::Relay;
use crate::shared::Shared;
use crate::upstream::Upstream;
use ph_base::ServerName;
use ph_plan::{AdminAuth, Plan, Version};
use ph_policy::replace::{Phase, Replacement, Steps, goes_to_new};
use ph_record::{EventKind, Replica};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Time between two looks at a replacement.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Time for requests that were on their way to a version when it was decided that it gets no more.
const LAST_ONES: Duration = Duration::from_secs(1);
/// Longest text for what a version runs.
const SHOWN_CHARS_MAX: usize = 256;

/// What is to take a server's place.
pub(crate) struct Next {
    pub(crate) upstream: Arc<Upstream>,
    /// What it runs, without secrets.
    shown: Box<str>,
    state: Mutex<Replacement>,
    /// The share of what begins that it gets, in percent.
    weight: AtomicU8,
    /// What has begun since.
    turn: AtomicU64,
    /// What its tools are has been looked at.
    is_known: AtomicBool,
    /// Somebody has said something.
    told: Notify,
    undone: CancellationToken,
    began: Instant,
}

/// A replacement, as an operator sees it.
#[derive(Clone, Debug)]
pub struct ReplacementStatus {
    /// What takes the place, without secrets.
    pub to: String,
    /// `going`, `paused`, `draining` (the old version) or `undoing`.
    pub state: &'static str,
    /// The share of new calls and sessions that it gets, in percent.
    pub weight: u8,
    /// The step, from 1 on.
    pub step: usize,
    /// The shares of all steps, in percent.
    pub steps: Vec<u8>,
    /// How long a step lasts; none: until somebody resumes.
    pub every: Option<Duration>,
    /// It answers. While it does not, the old version gets everything.
    pub up: bool,
}

impl Next {
    /// Whether the next one that begins goes here.
    pub(crate) fn takes_one(&self) -> bool {
        let turn = self.turn.fetch_add(1, Relaxed);
        goes_to_new(turn, self.weight.load(Relaxed)) && self.is_well()
    }

    /// Whether it can be given calls.
    fn is_well(&self) -> bool {
        self.is_known.load(Relaxed) && self.upstream.is_well()
    }

    pub(crate) fn status(&self) -> ReplacementStatus {
        let state = self.state();
        let (step, steps) = state.step_of();
        ReplacementStatus {
            to: self.shown.to_string(),
            state: match state.phase() {
                Phase::Going => "going",
                Phase::Paused => "paused",
                Phase::Draining => "draining",
                Phase::Undoing => "undoing",
            },
            weight: state.weight(),
            step,
            steps: steps.percents().to_vec(),
            every: state.every(),
            up: self.is_well(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Replacement> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to it, and to what calls see of it.
    fn change<T>(&self, act: impl FnOnce(&mut Replacement) -> T) -> T {
        let mut state = self.state();
        let done = act(&mut state);
        self.weight.store(state.weight(), Relaxed);
        done
    }

    fn note(&self, shared: &Shared, warning: bool, text: String) {
        let text = text.into();
        let kind = EventKind::Note { warning, text };
        shared.event(Some(&self.upstream.server), Replica::None, kind);
    }

    /// Looks until the new version has everything (`true`), or it is undone.
    async fn has_everything(&self, shared: &Shared) -> bool {
        while !self.undone.is_cancelled() {
            let is_well = self.is_well();
            let (before, after, phase) = self.change(|state| {
                let before = (state.weight(), state.phase());
                state.look(self.began.elapsed(), is_well);
                (before, (state.weight(), state.phase()), state.phase())
            });
            if before != after {
                let text = format!("{} % of what begins goes to {}", after.0, self.shown);
                self.note(shared, false, text);
            }
            if phase == Phase::Draining {
                return true;
            }
            let _ = timeout(LOOK_EVERY, self.told.notified()).await;
        }
        false
    }
}

impl Relay {
    /// Lets another version of a server take its place, step by step. Returns at once; what becomes of it shows in
    /// [`Relay::servers`], and holds until the configuration says something else of the server or Pilothouse ends.
    ///
    /// - `every`: how long a step lasts; none: until somebody resumes.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn replace(
        self: &Arc<Self>,
        name: &str,
        to: &Version,
        steps: Steps,
        every: Option<Duration>,
    ) -> Result<(), ControlError> {
        let _one = self.changing();
        let old = self.upstream_of(name)?;
        let Some(whole) = self.running.load().whole.clone() else {
            return Err(ControlError::Unknown(name.to_owned()));
        };
        // Whoever reaches the listener could otherwise run anything with our rights.
        if to.is_foreign() && whole.admin.auth != AdminAuth::Keys {
            return Err(ControlError::OnlyWithKeys);
        }
        let of_version = |error| ControlError::NoVersion(name.to_owned(), error);
        let upstream = to.of(&old.plan.upstream).map_err(of_version)?;
        self.begin(&old, upstream, &whole, Replacement::new(steps, every))
    }

    /// A replacement stays where it is.
    ///
    /// # Errors
    /// [`ControlError::NotReplaced`] when there is nothing to pause.
    pub fn pause_replacement(&self, name: &str) -> Result<(), ControlError> {
        self.tell_next(name, Replacement::pause)
    }

    /// A replacement goes on; where steps are taken by hand, with the next one.
    ///
    /// # Errors
    /// [`ControlError::NotReplaced`] when none is paused.
    pub fn resume_replacement(&self, name: &str) -> Result<(), ControlError> {
        self.tell_next(name, Replacement::resume)
    }

    /// What ran before gets everything again: at once while it still runs, else as soon as it does.
    ///
    /// # Errors
    /// [`ControlError::NotReplaced`] when nothing was replaced.
    pub fn undo_replacement(self: &Arc<Self>, name: &str) -> Result<(), ControlError> {
        let _one = self.changing();
        let upstream = self.upstream_of(name)?;
        if let Some(next) = &upstream.next {
            next.change(Replacement::undo);
            next.undone.cancel();
            next.told.notify_one();
            return Ok(());
        }
        let not_replaced = || ControlError::NotReplaced(name.to_owned());
        let before = upstream.before.clone().ok_or_else(not_replaced)?;
        let whole = self.running.load().whole.clone();
        let whole = whole.ok_or_else(not_replaced)?;
        let all = Steps::new(&[100]).map_err(|_| not_replaced())?;
        let at_once = Replacement::new(all, None);
        self.begin(&upstream, (*before).clone(), &whole, at_once)
    }

    fn tell_next(
        &self,
        name: &str,
        act: impl FnOnce(&mut Replacement) -> bool,
    ) -> Result<(), ControlError> {
        let upstream = self.upstream_of(name)?;
        let not_replaced = || ControlError::NotReplaced(name.to_owned());
        let next = upstream.next.as_ref().ok_or_else(not_replaced)?;
        if !next.change(act) {
            return Err(not_replaced());
        }
        next.told.notify_one();
        Ok(())
    }

    /// Runs `upstream` beside `old`.
    fn begin(
        self: &Arc<Self>,
        old: &Arc<Upstream>,
        upstream: ph_plan::Upstream,
        whole: &Plan,
        state: Replacement,
    ) -> Result<(), ControlError> {
        let name = &old.server.name;
        if old.next.is_some() {
            return Err(ControlError::Replacing(name.to_string()));
        }
        if upstream == old.plan.upstream {
            return Err(ControlError::SameVersion(name.to_string()));
        }
        let text = text_of(&upstream);
        let plan = ph_plan::Server {
            upstream,
            ..old.plan.clone()
        };
        let server = Arc::clone(&old.server);
        let made = Upstream::new(&self.shared, server, &plan, whole, Some(old));
        let made = Arc::new(made.map_err(|error| ControlError::NotMade(error.to_string()))?);
        made.follow(old, whole);
        made.start(&self.shared);
        let next = Arc::new(Next {
            upstream: made,
            shown: self.shared.parts.sink.redact(&text).into(),
            weight: AtomicU8::new(state.weight()),
            state: Mutex::new(state),
            turn: AtomicU64::new(0),
            is_known: AtomicBool::new(false),
            told: Notify::new(),
            undone: CancellationToken::new(),
            began: Instant::now(),
        });
        let text = format!("{} is to take its place, by and by", next.shown);
        next.note(&self.shared, false, text);
        self.put(name, old.with_next(Some(Arc::clone(&next))));
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let over = next.upstream.retired.clone();
            over.run_until_cancelled(Box::pin(this.carry(&next))).await;
        });
        Ok(())
    }

    /// Carries a replacement to its end, whichever that is.
    async fn carry(&self, next: &Arc<Next>) {
        let name = &next.upstream.server.name;
        let looked = self.look_at_tools(next);
        next.undone.run_until_cancelled(looked).await;
        if next.has_everything(&self.shared).await {
            let Some(old) = self.beside(name, next) else {
                return;
            };
            let ended = ended(&old);
            if next.undone.run_until_cancelled(ended).await.is_some() && self.settle(name, next) {
                let text = format!("{} has taken its place", next.shown);
                return next.note(&self.shared, false, text);
            }
        }
        ended(&next.upstream).await;
        let text = format!("{} is not to take its place any more", next.shown);
        next.note(&self.shared, true, text);
        let _one = self.changing();
        if let Some(old) = self.beside(name, next) {
            self.put(name, old.with_next(None));
            next.upstream.retire(old.tuning().replicas.drain);
        }
    }

    /// Whoever calls a tool of the new version is to get what was accepted, from the first call on.
    async fn look_at_tools(&self, next: &Next) {
        while !next.upstream.is_well() {
            tokio::time::sleep(LOOK_EVERY / 5).await;
        }
        self.pins().look_at(&next.upstream).await;
        next.is_known.store(true, Relaxed);
    }

    /// Puts a new version in the place of the old one. `false` when it was undone meanwhile.
    fn settle(&self, name: &ServerName, next: &Arc<Next>) -> bool {
        let _one = self.changing();
        let (Some(old), false) = (self.beside(name, next), next.undone.is_cancelled()) else {
            return false;
        };
        let new = next.upstream.in_place_of(&old);
        self.put(name, new);
        old.retire(old.tuning().replicas.drain);
        true
    }

    /// The server that `next` runs beside.
    fn beside(&self, name: &ServerName, next: &Arc<Next>) -> Option<Arc<Upstream>> {
        let old = self.running.load().servers.get(name).cloned()?;
        let is_it = old.next.as_ref().is_some_and(|n| Arc::ptr_eq(n, next));
        is_it.then_some(old)
    }

    /// Requests from now on find `upstream`. Only while nobody else changes anything.
    fn put(&self, name: &ServerName, upstream: Upstream) {
        let running = self.running.load_full();
        let upstream = Arc::new(upstream);
        let old = running.servers.get(name);
        let is_other = old.is_some_and(|old| !old.way.is(&upstream.way));
        let asks = match (is_other, &running.whole) {
            (true, Some(whole)) => self.pins().is_now(&upstream, whole, &self.shared),
            _ => None,
        };
        self.running
            .store(Arc::new(running.with(name, upstream, asks)));
    }
}

/// Returns when a version that gets nothing new has no sessions any more.
async fn ended(version: &Upstream) {
    tokio::time::sleep(LAST_ONES).await;
    version.sessions_ended().await;
}

/// What runs, as it may be shown: references as they are written, an address without its path.
fn text_of(upstream: &ph_plan::Upstream) -> String {
    let text = match upstream {
        ph_plan::Upstream::Stdio(stdio) => {
            let args = stdio.args.iter().map(ph_plan::Text::written);
            let words = std::iter::once(stdio.command.written()).chain(args);
            words.collect::<Vec<_>>().join(" ")
        }
        ph_plan::Upstream::Http(http) => format!("{}:{}", http.url.host(), http.url.port()),
    };
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
