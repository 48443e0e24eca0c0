//! How many children there are: looks at the load, and takes or gives up seats.

use super::{Member, Near, NoRoom, Place, Pool, Seat, Shared, State};
use crate::stdio::StdioServer;
use ph_plan::Isolation;
use ph_policy::pool::{Load, ScaleRules, Scaler};
use ph_record::{EventKind, Replica};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Time between two looks, where there is something to decide.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Calls that must have ended before their mean time says something.
const ENDED_MIN: u32 = 8;

/// Why a call gets no child.
pub(in crate::stdio) enum NoPlace {
    /// The server speaks the legacy era only.
    Legacy,
    /// None runs; one is started again at this time.
    Down(Arc<str>, Instant),
    /// None has room.
    NoRoom(NoRoom),
}

/// Counts a call that waits for the first child, until dropped.
struct Early<'a>(&'a AtomicUsize);

impl Drop for Early<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl StdioServer {
    /// A place for a call on the least loaded child, once there is one with room.
    ///
    /// - `counted`: false for a stream, which takes no place from calls.
    pub(in crate::stdio) async fn place(&self, counted: bool) -> Result<Place, NoPlace> {
        self.place_near(counted, None).await
    }

    /// As [`StdioServer::place`].
    ///
    /// - `near`: the child that is preferred, as long as it has no more calls than it is to have.
    pub(in crate::stdio) async fn place_near(
        &self,
        counted: bool,
        near: Option<&Near>,
    ) -> Result<Place, NoPlace> {
        if let Some(Near { member, .. }) = near.filter(|near| near.is_tied)
            && !member.link.gone.is_cancelled()
            && member.enter()
        {
            let member = Arc::clone(member);
            return Ok(Place::new(&self.pool, member, true, None));
        }
        loop {
            if !self.pool.is_up() {
                self.until_up().await?;
            }
            let permit = if counted {
                let tuning = self.tuning.load_full();
                let (max, limit) = (tuning.queue_max(), tuning.replicas.queue_time);
                let live = &self.server.live;
                let taken = self.pool.queue.take(live, max, limit).await;
                taken.map_err(NoPlace::NoRoom)?
            } else {
                None
            };
            if let Some(member) = self
                .pool
                .choose(counted, near.map(|near| self.preferred(near)))
            {
                return Ok(Place::new(&self.pool, member, counted, permit));
            }
            // All were closed since the look at the list; it is about to be renewed.
            tokio::task::yield_now().await;
        }
    }

    fn preferred<'n>(&self, near: &'n Near) -> (&'n Arc<Member>, u32) {
        (&near.member, self.tuning.load().replicas.target_in_flight)
    }

    /// Waits until there is a child, and has one started where none is wanted.
    async fn until_up(&self) -> Result<(), NoPlace> {
        self.pool.early.fetch_add(1, Relaxed);
        let _early = Early(&self.pool.early);
        self.pool.look.notify_one();
        let mut watched = self.pool.summary.subscribe();
        let settled = watched.wait_for(|s| !matches!(s, Shared::Starting | Shared::Asleep));
        let limit = self.tuning.load().timeouts.initialize;
        let state = match timeout(limit, settled).await {
            Ok(Ok(state)) => state.clone(),
            _ => {
                let retry_at = Instant::now() + Duration::from_secs(5);
                let why = "the server did not start in time".into();
                return Err(NoPlace::Down(why, retry_at));
            }
        };
        match state {
            Shared::Up(_) | Shared::Starting | Shared::Asleep => Ok(()),
            Shared::No => Err(NoPlace::Legacy),
            Shared::Down { why, retry_at } => Err(NoPlace::Down(why, retry_at)),
        }
    }

    /// Keeps as many shared children as are wanted, if the server can have any.
    pub(in crate::stdio) async fn tend_pool(self: &Arc<Self>) {
        if self.plan.isolation == Isolation::Session {
            return self.pool.is_legacy();
        }
        self.pool.seats().prewarm = self.prewarm();
        // What it speaks shows in the first.
        self.pool.seats().wanted = 1;
        self.take_seat(self.pool.first, false);
        let mut watched = self.pool.summary.subscribe();
        let known = watched.wait_for(|s| matches!(s, Shared::Up(_) | Shared::No));
        if !matches!(known.await.as_deref(), Ok(Shared::Up(_))) {
            return;
        }
        let mut scaler = Scaler::new(self.scale_rules(), 1, self.pool.now());
        loop {
            let rules = self.scale_rules();
            if rules != *scaler.rules() {
                let wanted = self.pool.seats().wanted;
                let wanted = wanted.clamp(rules.min, rules.max);
                scaler = Scaler::new(rules, wanted, self.pool.now());
            }
            let wanted = scaler.look(self.pool.now(), self.pool.load());
            let fixed = self.pool.seats().fixed;
            if !self.want(fixed.unwrap_or(wanted)) {
                return;
            }
            let looked = self.pool.look.notified();
            if fixed.is_none() && rules.max > rules.min.max(1) || wanted > rules.min {
                let _ = timeout(LOOK_EVERY, looked).await;
            } else {
                looked.await;
            }
        }
    }

    /// Children that are kept ready beside those that are wanted.
    fn prewarm(&self) -> u16 {
        let prewarm = self.tuning.load().replicas.prewarm;
        u16::try_from(prewarm).unwrap_or(u16::MAX)
    }

    fn scale_rules(&self) -> ScaleRules {
        let tuning = self.tuning.load();
        let plan = &tuning.replicas;
        let number = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        ScaleRules {
            min: number(plan.min),
            max: number(plan.most()),
            target_in_flight: plan.target_in_flight,
            target_latency: plan.target_latency,
            up_after: plan.scale_up_after,
            down_after: plan.scale_down_after,
        }
    }

    /// Takes or gives up seats until there are as many as are wanted. `false` when there is nothing to
    /// share.
    fn want(self: &Arc<Self>, wanted: u16) -> bool {
        let (fresh, more, changed) = {
            let mut seats = self.pool.seats();
            if seats.is_legacy {
                return false;
            }
            let room = {
                let tuning = self.tuning.load();
                let plan = &tuning.replicas;
                let several = plan.most() > 1;
                let by_target = several.then(|| plan.target_in_flight.saturating_mul(4));
                plan.in_flight_max.or(by_target)
            };
            let was = std::mem::replace(&mut seats.wanted, wanted);
            let changed = (was != wanted).then_some(was);
            let is_other = changed.is_some() || seats.room != room;
            seats.room = room;
            seats.prewarm = self.prewarm();
            let promoted = seats.promote();
            let counted = seats.all.values().filter(|seat| seat.counts()).count();
            let wanted = usize::from(wanted) + usize::from(seats.surplus);
            let more = wanted.saturating_sub(counted);
            if counted > wanted {
                seats.give_up(counted - wanted);
            }
            if wanted == 0 {
                // What one session has for itself alone is not there for others' calls.
                let by_hand = seats.fixed == Some(0);
                let goes = |seat: &&Seat| by_hand || !matches!(seat.state, State::Taken(_));
                let all = seats.all.values().filter(goes);
                all.for_each(|seat| seat.stop.cancel());
            }
            let spares = if wanted == 0 {
                0
            } else {
                seats.spares_wanted()
            };
            let free = self.pool.slots();
            let free = free.filter(|slot| !seats.all.contains_key(slot));
            let fresh: Vec<_> = free.take(more + spares).collect();
            if is_other || counted > wanted || promoted {
                self.pool.refresh(&seats);
            }
            (fresh, more, changed)
        };
        if let Some(was) = changed {
            self.told_scaled(was, wanted);
        }
        for (nth, slot) in fresh.into_iter().enumerate() {
            self.take_seat(slot, nth >= more);
        }
        true
    }

    fn told_scaled(&self, was: u16, wanted: u16) {
        let live = &self.server.live;
        let (counter, word) = if wanted > was {
            (&live.scaled_up, "more")
        } else {
            (&live.scaled_down, "fewer")
        };
        counter.fetch_add(1, Relaxed);
        let text = format!("{word} children: {wanted} instead of {was}").into();
        let kind = EventKind::Note {
            warning: false,
            text,
        };
        self.shared.event(Some(&self.server), Replica::None, kind);
    }
}

impl super::Seats {
    /// Spares take the places of children that are missing. Returns whether any did.
    fn promote(&mut self) -> bool {
        let wanted = usize::from(self.wanted) + usize::from(self.surplus);
        let mut any = false;
        let is_ready = |seat: &Seat| matches!(seat.state, State::Ready(_));
        loop {
            let counted = self.all.values().filter(|seat| seat.counts()).count();
            let mut spares = self.all.values().filter(|seat| seat.is_kept_spare());
            if !spares.any(is_ready) {
                return any;
            }
            // One that is down or starts is a spare from then on.
            let missing = self.all.iter().find(|(_, seat)| {
                seat.counts() && matches!(seat.state, State::Down { .. } | State::Starting)
            });
            match missing.map(|(slot, _)| *slot) {
                _ if counted < wanted => {}
                Some(slot) => _ = self.all.get_mut(&slot).map(|seat| seat.is_spare = true),
                None => return any,
            }
            let mut seats = self.all.values_mut();
            let ready = seats.find(|seat| seat.is_kept_spare() && is_ready(seat));
            if let Some(seat) = ready {
                seat.is_spare = false;
                any = true;
            }
        }
    }

    /// How many spares are to be started; those that are too many are given up.
    fn spares_wanted(&mut self) -> usize {
        let wanted = usize::from(self.prewarm);
        let spares = self.all.values().filter(|seat| seat.is_kept_spare());
        let there = spares.count();
        let too_many = there.saturating_sub(wanted);
        let spares = self.all.values().filter(|seat| seat.is_kept_spare());
        spares.take(too_many).for_each(|seat| seat.stop.cancel());
        wanted.saturating_sub(there)
    }

    /// Gives up `count` seats: first those without a child, then those with the fewest calls.
    fn give_up(&mut self, count: usize) {
        let mut seats: Vec<_> = self.all.iter().filter(|(_, seat)| seat.counts()).collect();
        seats.sort_by_key(|(slot, seat)| {
            let calls = match &seat.state {
                State::Ready(member) => member.load() + 1,
                _ => 0,
            };
            (calls, std::cmp::Reverse(**slot))
        });
        for (_, seat) in seats.into_iter().take(count) {
            seat.stop.cancel();
        }
    }
}

impl Pool {
    /// What there is to do now.
    fn load(&self) -> Load {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let in_flight = self
            .ready
            .load()
            .iter()
            .map(|m: &Arc<Member>| m.load())
            .sum();
        let ended = self.ended.load(Relaxed);
        let mean = || self.ended_ns.load(Relaxed) / u64::from(ended.max(1));
        Load {
            in_flight,
            waiting: number(self.queue.waiting() + self.early.load(Relaxed)),
            latency: (ended >= ENDED_MIN).then(|| Duration::from_nanos(mean())),
        }
    }
}
