//! The children that stateless clients share: each has a seat, and a call goes to the one with the
//! fewest calls.
//!
//! What there should be is decided in `ph_policy::pool`; `scaling` looks and carries it out, `seat`
//! keeps one child running, `queue` holds the calls for which no child has room.

mod control;
mod member;
mod queue;
mod scaling;
mod seat;

use super::link::Link;
use super::session::StdioSession;
use super::tool_headers::ToolHeaders;
use crate::shown::Shown;
use arc_swap::ArcSwap;
pub(super) use member::{Member, Place};
use ph_policy::pool::least_loaded;
use ph_record::Server;
pub(super) use queue::NoRoom;
use queue::Queue;
pub(super) use scaling::NoPlace;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// What became of the shared children.
#[derive(Clone)]
pub(crate) enum Shared {
    /// Not known yet.
    Starting,
    /// At least one runs: this one.
    Up(Arc<Link>),
    /// The server speaks the legacy era only.
    No,
    /// None is wanted until a call comes.
    Asleep,
    /// None runs; one is started again at `retry_at`.
    Down { why: Arc<str>, retry_at: Instant },
}

/// The children that stateless clients share.
pub(super) struct Pool {
    seats: Mutex<Seats>,
    /// The number of its first seat: those of two versions of a server differ.
    first: u16,
    shown: Shown,
    /// All of it in one word, for whoever waits.
    pub(super) summary: watch::Sender<Shared>,
    /// Who gets calls.
    ready: ArcSwap<Vec<Arc<Member>>>,
    turn: AtomicUsize,
    queue: Arc<Queue>,
    /// Calls that wait until there is a child at all.
    early: AtomicUsize,
    /// There is something for `scaling` to look at.
    look: Notify,
    /// Calls that ended since the number of children changed, and their time.
    ended: AtomicU32,
    ended_ns: AtomicU64,
    /// What the tools of these children want repeated in headers: they are all alike.
    pub(super) tools: Arc<ToolHeaders>,
    began: Instant,
}

#[derive(Default)]
struct Seats {
    /// By slot number.
    all: BTreeMap<u16, Seat>,
    is_legacy: bool,
    /// As many as an operator said.
    fixed: Option<u16>,
    /// What was wanted at the last look.
    wanted: u16,
    /// Children that may be there beside those that are wanted, while they take others' places.
    surplus: u16,
    /// Calls that one child is given; `None`: any number.
    room: Option<u32>,
    /// Children that run beside those that are wanted, and get no calls.
    prewarm: u16,
}

/// The child that a call is rather to go to.
pub(super) struct Near {
    pub(super) member: Arc<Member>,
    /// It has to, as long as that child runs.
    pub(super) is_tied: bool,
}

/// The place of one child.
struct Seat {
    state: State,
    /// Cancelled when the child is to go.
    stop: CancellationToken,
    /// Children that came in another's place here.
    restarts: u32,
    /// Its child gets no calls until another one is missing.
    is_spare: bool,
}

#[derive(Clone)]
enum State {
    Starting,
    Ready(Arc<Member>),
    /// It gets no calls until it has answered.
    Out(Arc<Member>),
    /// It gets no calls, and ends when it has none.
    Draining(Arc<Member>),
    /// It is one session's alone, until that ends.
    Taken(Arc<Member>),
    Down {
        why: Arc<str>,
        retry_at: Instant,
    },
}

/// Most seats: those of `replicas.max`, and as many that are being emptied.
pub(crate) const SEATS_MAX: u16 = 128;

impl Seat {
    /// It counts as one of those that are wanted.
    fn counts(&self) -> bool {
        let is_other = matches!(
            self.state,
            State::Out(_) | State::Draining(_) | State::Taken(_)
        );
        !self.stop.is_cancelled() && !self.is_spare && !is_other
    }

    /// It is a spare, and stays one until it is needed.
    fn is_kept_spare(&self) -> bool {
        self.is_spare && !self.stop.is_cancelled()
    }
}

impl Pool {
    /// - `first`: the number of its first seat.
    pub(super) fn new(server: Arc<Server>, first: u16) -> Arc<Self> {
        Arc::new(Self {
            seats: Mutex::default(),
            first,
            shown: Shown::new(server),
            summary: watch::Sender::new(Shared::Starting),
            ready: ArcSwap::default(),
            turn: AtomicUsize::new(0),
            queue: Queue::new(),
            early: AtomicUsize::new(0),
            look: Notify::new(),
            ended: AtomicU32::new(0),
            ended_ns: AtomicU64::new(0),
            tools: Arc::default(),
            began: Instant::now(),
        })
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers that seats can have.
    fn slots(&self) -> Range<u16> {
        self.first..self.first.saturating_add(SEATS_MAX)
    }

    /// The metrics show none of these children any more.
    pub(super) fn hide(&self) {
        self.shown.end();
    }

    /// Time as the policy counts it.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Something has changed that decides how many children there are.
    pub(super) fn look_again(&self) {
        self.look.notify_one();
    }

    /// Whether a call can go to a child at once.
    pub(super) fn is_up(&self) -> bool {
        !self.ready.load().is_empty()
    }

    /// The least loaded child.
    ///
    /// - `counted`: the call counts as one of its calls; else (a stream) it does not.
    /// - `near`: one that is preferred, if it is ready and has fewer calls than this.
    fn choose(&self, counted: bool, near: Option<(&Arc<Member>, u32)>) -> Option<Arc<Member>> {
        let ready = self.ready.load();
        if let Some((near, calls)) = near
            && ready.iter().any(|member| Arc::ptr_eq(member, near))
            && near.load_or_closed() < calls
            && near.enter()
        {
            return Some(Arc::clone(near));
        }
        // A child that was closed since the list was made is found out by trying.
        for _ in 0..=ready.len() {
            let turn = self.turn.fetch_add(1, Relaxed);
            let at = match ready.len() {
                0 => return None,
                1 => 0,
                _ => least_loaded(ready.iter().map(|m| m.load_or_closed()), turn)?,
            };
            let member = &ready[at];
            if if counted {
                member.enter()
            } else {
                member.is_open()
            } {
                return Some(Arc::clone(member));
            }
        }
        None
    }

    /// The seat where `link` is.
    fn seat_of(seats: &Seats, link: &Link) -> Option<(u16, Arc<Member>)> {
        let mut all = seats.all.iter();
        all.find_map(|(slot, seat)| {
            let member = seat.state.member()?;
            std::ptr::eq(&*member.link, link).then(|| (*slot, Arc::clone(member)))
        })
    }

    pub(super) fn member_of(&self, link: &Link) -> Option<Arc<Member>> {
        Self::seat_of(&self.seats(), link).map(|(_, member)| member)
    }

    /// Those that get calls.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        let ready = self.ready.load();
        ready
            .iter()
            .map(|member| Arc::clone(&member.link))
            .collect()
    }

    /// One that gets calls, and is not known to be gone.
    pub(super) fn first_link(&self) -> Option<Arc<Link>> {
        let mut links = self.links().into_iter();
        links.find(|link| !link.gone.is_cancelled())
    }

    /// `link` is one session's alone from now on: others have another child instead.
    pub(super) fn give_away(&self, link: &Link) -> Option<Arc<Member>> {
        let mut seats = self.seats();
        let (slot, member) = Self::seat_of(&seats, link)?;
        if let Some(seat) = seats.all.get_mut(&slot)
            && matches!(seat.state, State::Ready(_) | State::Out(_))
        {
            seat.state = State::Taken(Arc::clone(&member));
            self.refresh(&seats);
            drop(seats);
            self.look.notify_one();
        }
        Some(member)
    }

    /// A session is over, and with it the child that was its alone.
    pub(super) fn give_back(&self, session: &StdioSession) {
        let seats = self.seats();
        for seat in seats.all.values() {
            if let State::Taken(member) = &seat.state
                && let Some(owner) = member.link.taken_by()
                && std::ptr::eq(owner.as_ptr(), session)
            {
                seat.stop.cancel();
            }
        }
    }

    /// Changes the state of a seat, if it is still there.
    fn put(&self, slot: u16, state: State) {
        let mut seats = self.seats();
        if let Some(seat) = seats.all.get_mut(&slot) {
            let is_taken = matches!(seat.state, State::Taken(_));
            // One that was given away gets no calls again.
            if !(is_taken && matches!(state, State::Ready(_) | State::Out(_))) {
                seat.state = state;
            }
        }
        self.refresh(&seats);
        // Calls of before say nothing about what is now.
        self.ended.store(0, Relaxed);
        self.ended_ns.store(0, Relaxed);
    }

    /// The seat is free again.
    fn vacate(&self, slot: u16) {
        let mut seats = self.seats();
        seats.all.remove(&slot);
        self.refresh(&seats);
        drop(seats);
        self.look.notify_one();
    }

    /// The server speaks the legacy era only: there is nothing to share.
    fn is_legacy(&self) {
        let mut seats = self.seats();
        seats.is_legacy = true;
        seats.all.values().for_each(|seat| seat.stop.cancel());
        self.refresh(&seats);
        drop(seats);
        self.look.notify_one();
    }

    /// Tells everybody what the seats say now.
    fn refresh(&self, seats: &Seats) {
        let mut ready = seats.members(|s| matches!(s, State::Ready(_)));
        let healthy = ready.len();
        let out = seats.members(|s| matches!(s, State::Out(_)));
        let count_out = out.len();
        if ready.is_empty() {
            // A child that may be busy is better than none.
            ready = out;
        }
        let summary = seats.summary(&ready);
        if !ready.is_empty() {
            self.queue
                .resize(seats.room.map(|room| room as usize * ready.len()));
        }
        self.ready.store(Arc::new(ready));
        self.shown
            .set(usize::from(seats.wanted), healthy, count_out);
        self.summary.send_replace(summary);
    }
}

impl Seats {
    fn members(&self, which: fn(&State) -> bool) -> Vec<Arc<Member>> {
        let seats = self.all.values();
        let seats = seats.filter(|seat| !seat.stop.is_cancelled() && !seat.is_spare);
        seats
            .filter(|seat| which(&seat.state))
            .filter_map(|seat| seat.state.member().cloned())
            .collect()
    }

    fn summary(&self, ready: &[Arc<Member>]) -> Shared {
        if self.is_legacy {
            return Shared::No;
        }
        if let Some(first) = ready.first() {
            return Shared::Up(Arc::clone(&first.link));
        }
        let mut soonest: Option<(&Arc<str>, Instant)> = None;
        let seats = self.all.values();
        for seat in seats.filter(|seat| !seat.stop.is_cancelled() && !seat.is_spare) {
            match &seat.state {
                State::Starting => return Shared::Starting,
                State::Down { why, retry_at } if soonest.is_none_or(|(_, at)| *retry_at < at) => {
                    soonest = Some((why, *retry_at));
                }
                _ => {}
            }
        }
        match soonest {
            Some((why, retry_at)) => Shared::Down {
                why: Arc::clone(why),
                retry_at,
            },
            None if self.wanted > 0 => Shared::Starting,
            None => Shared::Asleep,
        }
    }
}

impl State {
    fn member(&self) -> Option<&Arc<Member>> {
        match self {
            Self::Ready(member)
            | Self::Out(member)
            | Self::Draining(member)
            | Self::Taken(member) => Some(member),
            Self::Starting | Self::Down { .. } => None,
        }
    }
}
