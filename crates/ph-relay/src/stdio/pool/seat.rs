//! One seat: keeps one child running until the seat is given up.

use super::{Member, Pool, Seat, State};
use crate::stdio::StdioServer;
use crate::stdio::backoff::{Backoff, Next};
use crate::stdio::link::Link;
use crate::stdio::supervise::OWN_PARAMS;
use ph_policy::pool::{BreakerRules, Standing, Turn};
use ph_record::{EventKind, Replica, RestartReason};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long a child may take to answer `server/discover` before it is taken for one that does not know
/// it.
const DISCOVER_WAIT_MAX: Duration = Duration::from_secs(20);
/// Questions in a row that a child may leave unanswered before another one takes its place.
const UNANSWERED_MAX: u32 = 3;
/// Where nobody is asked.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a new child turned out to be.
enum Started {
    /// It can have calls.
    Ready(Arc<Link>),
    /// It does not.
    Legacy(Arc<Link>),
    /// There is none.
    Not(Arc<str>),
    /// The seat was given up meanwhile.
    Stopped,
}

/// Why a child serves no more.
enum Over {
    /// The seat was given up.
    Stopped,
    /// It ended by itself.
    Ended(Arc<str>),
    /// It answered nothing any more and was ended.
    Hung,
}

impl StdioServer {
    /// Takes a seat with the number `slot`, and keeps a child on it.
    ///
    /// - `is_spare`: it gets no calls until another one is missing.
    pub(super) fn take_seat(self: &Arc<Self>, slot: u16, is_spare: bool) {
        let stop = self.retired.child_token();
        {
            let mut seats = self.pool.seats();
            let seat = Seat {
                state: State::Starting,
                stop: stop.clone(),
                restarts: 0,
                is_spare,
            };
            seats.all.insert(slot, seat);
            self.pool.refresh(&seats);
        }
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            this.tend_seat(slot, &stop).await;
            this.pool.vacate(slot);
        });
    }

    async fn tend_seat(self: &Arc<Self>, slot: u16, stop: &CancellationToken) {
        let mut backoff = Backoff::new(self.plan.restart.clone());
        loop {
            let begun = Instant::now();
            let (why, is_hung) = match self.start_member(slot, stop).await {
                Started::Stopped => return,
                Started::Legacy(link) => {
                    // Its first request was one of ours and did not count: a session can have it.
                    link.become_spare();
                    self.state().spares.push_back(link);
                    return self.pool.is_legacy();
                }
                Started::Not(why) => (why, false),
                Started::Ready(link) => match self.serve(slot, link, stop).await {
                    Over::Stopped => return,
                    Over::Ended(why) => (why, false),
                    Over::Hung => ("the server process answered nothing any more".into(), true),
                },
            };
            let pause = self.down(slot, &mut backoff, begun, why, is_hung);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            // It stays down for everybody until it is known to run.
        }
    }

    /// Starts a child and finds out which era it speaks, as clients do.
    async fn start_member(self: &Arc<Self>, slot: u16, stop: &CancellationToken) -> Started {
        let link = match self.child(Replica::Slot(slot)) {
            Ok(link) => link,
            Err(why) => return Started::Not(why),
        };
        let limit = self.tuning.load().timeouts.initialize;
        let limit = limit.min(DISCOVER_WAIT_MAX);
        if self.plan.isolation.shares_sessions() {
            return match stop.run_until_cancelled(self.greet(&link, limit)).await {
                None => {
                    link.close();
                    Started::Stopped
                }
                Some(Ok(())) => Started::Ready(link),
                Some(Err(_)) if link.gone.is_cancelled() => Started::Not(link.obituary()),
                Some(Err(why)) => {
                    link.close();
                    Started::Not(why)
                }
            };
        }
        let probe = link.ask("server/discover", OWN_PARAMS, limit);
        let Some(answer) = stop.run_until_cancelled(probe).await else {
            link.close();
            return Started::Stopped;
        };
        match answer {
            Ok(m) if m.has_result || matches!(m.error_code, Some(-32022..=-32020)) => {
                Started::Ready(link)
            }
            Ok(_) | Err(None) => Started::Legacy(link),
            Err(Some(_)) => Started::Not(link.obituary()),
        }
    }

    /// Says that the seat's child is down; returns for how long.
    fn down(
        &self,
        slot: u16,
        backoff: &mut Backoff,
        begun: Instant,
        why: Arc<str>,
        is_hung: bool,
    ) -> Duration {
        let now = Instant::now();
        let ms = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let reason = match () {
            () if is_hung => RestartReason::Unhealthy,
            () if why.contains("(signal ") => RestartReason::Signal,
            () => RestartReason::Exit,
        };
        let (wait, kind) = match backoff.ended(now, now.saturating_duration_since(begun)) {
            Next::Restart(wait) => {
                let backoff_ms = ms(wait);
                (wait, EventKind::Restart { reason, backoff_ms })
            }
            Next::CrashLoop(wait) => {
                let (restarts, retry_in_ms) = (backoff.recent(), ms(wait));
                let kind = EventKind::CrashLoop {
                    restarts,
                    retry_in_ms,
                };
                (wait, kind)
            }
        };
        let retry_at = now + wait;
        self.pool.count_restart(slot);
        let down = State::Down { why, retry_at };
        self.pool.put(slot, down);
        // A spare may take its place.
        self.pool.look_again();
        let replica = Replica::Slot(slot);
        self.shared.event(Some(&self.server), replica, kind);
        wait
    }

    /// Gives calls to a child until it is over.
    async fn serve(self: &Arc<Self>, slot: u16, link: Arc<Link>, stop: &CancellationToken) -> Over {
        let member = Member::new(link, slot, self.breaker_rules());
        self.show(&member);
        self.find_ears();
        loop {
            let ask_at = Instant::now() + self.until_asked(&member);
            tokio::select! {
                biased;
                () = member.link.gone.cancelled() => return Over::Ended(member.link.obituary()),
                () = stop.cancelled() => {
                    self.let_go(&member).await;
                    return Over::Stopped;
                }
                () = member.turned.notified() => self.told_out(&member, "its calls failed"),
                () = sleep_until(ask_at.into()) => {
                    // Whatever else happens shows in the next round.
                    let asked = self.ask_member(&member);
                    let _ = stop.run_until_cancelled(asked).await;
                }
            }
            if member.breaker().unanswered() >= UNANSWERED_MAX {
                self.let_go(&member).await;
                return Over::Hung;
            }
        }
    }

    /// When this child is left out.
    fn breaker_rules(&self) -> BreakerRules {
        let tuning = self.tuning.load();
        BreakerRules {
            failures: tuning.eject.failures.unwrap_or(5),
            pause: tuning.eject.pause,
            pause_max: tuning.eject.pause_max,
        }
    }

    /// Shows the child to calls, or hides it, as its breaker says.
    fn show(&self, member: &Arc<Member>) {
        let state = if member.breaker().is_in() {
            State::Ready(Arc::clone(member))
        } else {
            State::Out(Arc::clone(member))
        };
        self.pool.put(member.slot, state);
        self.pool.look.notify_one();
    }

    fn told_out(&self, member: &Arc<Member>, why: &str) {
        self.show(member);
        self.server.live.ejections.fetch_add(1, Relaxed);
        let text = format!("left out: {why}; it is asked again in a while");
        self.note(member.slot, true, text);
    }

    pub(super) fn note(&self, slot: u16, warning: bool, text: String) {
        let text = text.into();
        let kind = EventKind::Note { warning, text };
        self.shared
            .event(Some(&self.server), Replica::Slot(slot), kind);
    }

    /// How long until the child is asked whether it is well.
    fn until_asked(&self, member: &Member) -> Duration {
        match member.breaker().standing() {
            Standing::Out { until } => until.saturating_sub(self.pool.now()),
            Standing::In | Standing::Asked => {
                let tuning = self.tuning.load();
                // One alone is asked by the server's own health check.
                if tuning.health.enabled && tuning.replicas.most() > 1 {
                    tuning.health.interval
                } else {
                    FAR
                }
            }
        }
    }

    /// Asks a child whether it is well; one that does not answer is left out.
    async fn ask_member(&self, member: &Arc<Member>) {
        let was_out = member.breaker().ask(self.pool.now());
        let limit = self.tuning.load().health.timeout;
        let (question, params) = self.health_question();
        let answer = member.link.ask(question, params, limit).await;
        let now = self.pool.now();
        match answer {
            // It is gone, which is seen elsewhere.
            Err(Some(_)) => {}
            Ok(_) if was_out => {
                member.breaker().answered(now, true);
                self.show(member);
                self.note(member.slot, false, "answers again and gets calls".into());
            }
            Ok(_) => {}
            Err(None) if was_out => _ = member.breaker().answered(now, false),
            // The last one stays: it may be busy.
            Err(None) if self.pool.ready.load().len() < 2 => {}
            Err(None) => {
                let turn = member.breaker().suspect(now);
                if let Some(Turn::Out(_)) = turn {
                    let why = format!("no answer to `{question}` within {limit:?}");
                    self.told_out(member, &why);
                }
            }
        }
    }

    /// No more calls; the child ends when it has none, or when `replicas.drain` is over.
    async fn let_go(self: &Arc<Self>, member: &Arc<Member>) {
        member.close();
        let draining = State::Draining(Arc::clone(member));
        self.pool.put(member.slot, draining);
        self.hears_elsewhere(&member.link);
        let drain = self.tuning.load().replicas.drain;
        let over = async {
            tokio::select! {
                () = member.emptied() => {}
                () = member.link.gone.cancelled() => {}
            }
        };
        if timeout(drain, over).await.is_err() {
            let text =
                format!("calls were cut off: they took longer than `replicas.drain`, {drain:?}");
            self.note(member.slot, true, text);
        }
        member.link.close();
        member.link.gone.cancelled().await;
    }
}

impl Pool {
    fn count_restart(&self, slot: u16) {
        if let Some(seat) = self.seats().all.get_mut(&slot) {
            seat.restarts = seat.restarts.saturating_add(1);
        }
    }
}
