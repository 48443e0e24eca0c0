//! What an operator asks of a server's children.

use super::{Seat, State};
use crate::control::ReplicaStatus;
use crate::stdio::StdioServer;
use crate::stdio::session::StdioSession;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

impl StdioServer {
    /// How the shared children are, by seat.
    pub(crate) fn replicas(&self) -> Vec<ReplicaStatus> {
        let seats = self.pool.seats();
        let status = |(slot, seat): (&u16, &Seat)| {
            let member = seat.state.member();
            ReplicaStatus {
                slot: *slot,
                state: match &seat.state {
                    State::Draining(_) => "draining",
                    _ if seat.stop.is_cancelled() => "draining",
                    State::Taken(_) => "session",
                    State::Ready(_) if seat.is_spare => "spare",
                    State::Starting => "starting",
                    State::Ready(_) => "ready",
                    State::Out(_) => "out",
                    State::Down { .. } => "down",
                },
                pid: member.and_then(|m| m.link.pid.get().copied()),
                age: member.map(|m| m.since.elapsed()),
                in_flight: member.map_or(0, |m| m.load()),
                restarts: seat.restarts,
                why: match &seat.state {
                    State::Down { why, .. } => Some(why.to_string()),
                    _ => None,
                },
                address: None,
            }
        };
        seats.all.iter().map(status).collect()
    }

    /// How many shared children are wanted, and whether an operator said so. `None` for a server of
    /// the legacy era.
    pub(crate) fn wanted(&self) -> Option<(u16, bool)> {
        let seats = self.pool.seats();
        (!seats.is_legacy).then(|| (seats.fixed.unwrap_or(seats.wanted), seats.fixed.is_some()))
    }

    /// As many shared children as an operator says, or as many as the rules want.
    pub(crate) fn scale(&self, number: Option<u16>) {
        self.pool.seats().fixed = number;
        self.is_off.store(number == Some(0), Relaxed);
        self.pool.look.notify_one();
    }

    /// Puts a new child in the place of each that runs, one after the other: the old one serves until the
    /// new one does, and goes when its calls have ended. Sessions end with their next quiet moment.
    pub(crate) fn restart(self: &Arc<Self>) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let retired = this.retired.clone();
            retired.run_until_cancelled(this.renew()).await;
        });
    }

    async fn renew(self: &Arc<Self>) {
        let _one = self.renewing.lock().await;
        self.state()
            .spares
            .drain(..)
            .for_each(|spare| spare.close());
        let old: Vec<_> = {
            let seats = self.pool.seats();
            // Nobody loses a call with these: they have none, or end when they have none.
            let is_aside = |seat: &Seat| seat.is_spare || matches!(seat.state, State::Taken(_));
            let aside = seats.all.values().filter(|seat| is_aside(seat));
            aside.for_each(|seat| seat.stop.cancel());
            let seats = seats
                .all
                .iter()
                .filter(|(_, seat)| !seat.stop.is_cancelled());
            seats
                .map(|(slot, seat)| (*slot, seat.stop.clone()))
                .collect()
        };
        for (slot, stop) in old {
            self.pool.seats().surplus = 1;
            let fresh = self.renew_one(slot, &stop).await;
            {
                // In one step, so that nobody sees one too few or too many.
                let mut seats = self.pool.seats();
                seats.surplus = 0;
                if fresh {
                    stop.cancel();
                }
                self.pool.refresh(&seats);
            }
            self.pool.look.notify_one();
            if !fresh {
                return;
            }
        }
        // Those that share children have new ones now.
        self.end_in_turn(|session| session.own_link().is_some())
            .await;
    }

    /// Starts a child beside that on `slot`. `false` when it does not run: then the rest stays as it is.
    async fn renew_one(
        self: &Arc<Self>,
        slot: u16,
        old: &tokio_util::sync::CancellationToken,
    ) -> bool {
        let free = {
            let seats = self.pool.seats();
            self.pool.slots().find(|free| !seats.all.contains_key(free))
        };
        let Some(free) = free else { return false };
        self.take_seat(free, false);
        let mut watched = self.pool.summary.subscribe();
        loop {
            // Marked before the look, so that no change is missed.
            watched.mark_unchanged();
            let state = self
                .pool
                .seats()
                .all
                .get(&free)
                .map(|seat| seat.state.clone());
            match state {
                Some(State::Ready(_)) => return true,
                Some(State::Starting) => {}
                // Nothing runs in the old one's place either: there is nothing to lose.
                Some(State::Down { .. } | State::Out(_) | State::Draining(_) | State::Taken(_))
                | None => {
                    if let Some(seat) = self.pool.seats().all.get(&free) {
                        seat.stop.cancel();
                    }
                    let text =
                        format!("restart of replica {slot} given up: the new child does not run");
                    self.note(free, true, text);
                    return false;
                }
            }
            if old.is_cancelled() || watched.changed().await.is_err() {
                return true;
            }
        }
    }

    /// Ends each session that is there now in a moment without calls, and after `replicas.drain` anyway.
    pub(crate) async fn end_sessions_in_turn(&self) {
        self.end_in_turn(|_| true).await;
    }

    async fn end_in_turn(&self, which: fn(&StdioSession) -> bool) {
        let until = Instant::now() + self.tuning.load().replicas.drain;
        let mut left: Vec<_> = {
            let state = self.state();
            let sessions = state.sessions.values().filter(|s| which(s));
            sessions.cloned().collect()
        };
        while !left.is_empty() {
            let is_late = Instant::now() >= until;
            left.retain(|session| {
                let stays = session.has_calls() && !is_late;
                if !stays {
                    self.end_session(&session.id);
                }
                stays
            });
            if !left.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
