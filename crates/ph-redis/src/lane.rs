//! The way of one worker's questions to Redis: a connection, and the task that has it.
//!
//! Questions are sent as they come and answered in their order, so that many are on the way at once. Whoever
//! asks waits for the timeout at most; while an answer is overdue, and while there is no connection, nobody
//! waits at all.

use crate::connection::{CONNECT_MAX, Connection, Fault, Settings};
use crate::resp::{self, Reply, ReplyError};
use crate::script::{Answer, LEASE, Question, RENEW, TAKE};
use crate::stats::Stats;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// One worker's way to Redis.
pub(crate) struct Lane {
    shared: Arc<LaneShared>,
    queue: mpsc::Sender<Asked>,
}

pub(crate) struct LaneShared {
    standing: AtomicU8,
    next_lease: AtomicU64,
    /// Places that calls of this lane hold.
    leases: Mutex<BTreeMap<u64, Vec<Box<str>>>>,
    /// Begins the names of its leases; nobody else's do.
    name: String,
    stats: Arc<Stats>,
    timeout: Duration,
}

/// What is known of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// The first connection is being made: questions wait for it, within their time.
    New,
    /// It answers.
    Up,
    /// An answer is overdue.
    Overdue,
    /// There is no connection.
    Down,
}

/// What the task is asked to send.
enum Asked {
    Take(Take),
    GiveBack(u64, Vec<Box<str>>),
}

/// A question, and who waits for its answer.
struct Take {
    question: Question,
    id: u64,
    done: oneshot::Sender<(Answer, Option<Lease>)>,
}

/// What was sent and is not answered.
struct Sent {
    at: Instant,
    what: What,
}

enum What {
    Take(Take),
    /// The same, with the whole script.
    Again(Take),
    /// Nobody waits for the answer.
    Other,
}

/// Redis could not be asked, or did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis could not be asked, or did not answer in time")]
pub struct Away;

/// Places among the calls at the same time, given back when dropped.
pub(crate) struct Lease {
    id: u64,
    lane: LaneRef,
}

#[derive(Clone)]
struct LaneRef {
    shared: Arc<LaneShared>,
    /// The task does not keep itself alive.
    queue: mpsc::WeakSender<Asked>,
}

/// Questions that may wait to be sent.
const QUEUE_MAX: usize = 1024;
/// Commands that may be on the way.
const PENDING_MAX: usize = 4096;
/// Bytes of commands that may wait for the network.
const OUT_BYTES_MAX: usize = 1 << 20;
/// How long a connection that does not answer is kept.
const STUCK: Duration = Duration::from_secs(2);
/// How often leases are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(LEASE.as_secs() / 3);
/// Leases that one command renews.
const RENEW_MAX: usize = 200;
/// How often a quiet connection is asked whether it is there.
const TICK: Duration = Duration::from_millis(500);
/// Pauses between attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Lane {
    /// Must be called within a runtime: its task lives there, as long as this does.
    ///
    /// - `name`: begins the names of its leases; no other lane of any process has it.
    pub(crate) fn start(settings: &Arc<Settings>, name: String, stats: &Arc<Stats>) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(LaneShared {
            standing: AtomicU8::new(Standing::New as u8),
            next_lease: AtomicU64::new(1),
            leases: Mutex::default(),
            name,
            stats: Arc::clone(stats),
            timeout: settings.timeout,
        });
        let task = Task {
            lane: LaneRef {
                shared: Arc::clone(&shared),
                queue: queue.downgrade(),
            },
            settings: Arc::clone(settings),
            asked,
            pending: VecDeque::new(),
            out: Vec::new(),
            renewed_at: Instant::now(),
        };
        tokio::spawn(task.run());
        Self { shared, queue }
    }

    /// Asks; `make` is given the name of the lease.
    ///
    /// # Errors
    /// [`Away`], within the timeout.
    pub(crate) async fn ask(
        &self,
        make: impl FnOnce(&str) -> Question,
    ) -> Result<(Answer, Option<Lease>), Away> {
        let shared = &*self.shared;
        if matches!(shared.standing(), Standing::Overdue | Standing::Down) {
            shared.stats.away();
            return Err(Away);
        }
        let began = Instant::now();
        let id = shared.next_lease.fetch_add(1, Relaxed);
        let (done, answer) = oneshot::channel();
        let question = make(&shared.lease_name(id));
        let take = Take { question, id, done };
        if self.queue.try_send(Asked::Take(take)).is_err() {
            shared.stats.away();
            return Err(Away);
        }
        match tokio::time::timeout(shared.timeout, answer).await {
            Ok(Ok(answer)) => {
                let is_refused = matches!(answer.0, Answer::Refused { .. });
                shared.stats.answered(is_refused, began.elapsed());
                Ok(answer)
            }
            Ok(Err(_)) => {
                shared.stats.away();
                Err(Away)
            }
            Err(_) => {
                shared.stats.overdue();
                shared.change(Standing::Up, Standing::Overdue);
                Err(Away)
            }
        }
    }

    /// Gives back the places of a lease.
    pub(crate) fn give_back(&self, id: u64) {
        self.shared.give_back(id, &self.queue);
    }
}

impl LaneShared {
    fn standing(&self) -> Standing {
        match self.standing.load(Relaxed) {
            0 => Standing::New,
            1 => Standing::Up,
            2 => Standing::Overdue,
            _ => Standing::Down,
        }
    }

    fn change(&self, from: Standing, to: Standing) {
        // Somebody else has changed it: then it is right already.
        let _ = self
            .standing
            .compare_exchange(from as u8, to as u8, Relaxed, Relaxed);
    }

    fn set(&self, to: Standing) {
        self.standing.store(to as u8, Relaxed);
    }

    fn lease_name(&self, id: u64) -> String {
        format!("{}.{id:x}", self.name)
    }

    fn give_back(&self, id: u64, queue: &mpsc::Sender<Asked>) {
        if let Some(keys) = self.leases().remove(&id) {
            // Without room, and without a connection, it is over when nobody renews it.
            let _ = queue.try_send(Asked::GiveBack(id, keys));
        }
    }

    /// Nothing panics while they are locked.
    fn leases(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Box<str>>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The number by which [`Lane::give_back`] knows it, for whoever gives it back himself.
    pub(crate) fn into_id(mut self) -> u64 {
        std::mem::take(&mut self.id)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(queue) = self.lane.queue.upgrade().filter(|_| self.id != 0) {
            self.lane.shared.give_back(self.id, &queue);
        }
    }
}

/// Whoever has the connection.
struct Task {
    lane: LaneRef,
    settings: Arc<Settings>,
    asked: mpsc::Receiver<Asked>,
    /// In the order in which they were sent, which is the order of the answers.
    pending: VecDeque<Sent>,
    out: Vec<u8>,
    renewed_at: Instant,
}

/// The lane is gone.
struct Over;

impl Task {
    async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            let began = Instant::now();
            let fault = match Connection::open(&self.settings).await {
                Ok(connection) => match self.serve(connection).await {
                    Ok(Over) => break,
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            if began.elapsed() > PAUSE_MAX + CONNECT_MAX {
                pause = PAUSE_MIN;
            }
            self.fall(&fault);
            if let Some(Over) = self.rest(pause).await {
                break;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        if self.shared().standing() == Standing::Down {
            self.shared().stats.lane_up();
        }
    }

    fn shared(&self) -> &LaneShared {
        &self.lane.shared
    }

    /// Nobody waits any more.
    fn fall(&mut self, fault: &Fault) {
        if self.shared().standing() != Standing::Down {
            self.shared().set(Standing::Down);
            self.shared().stats.lane_down(&self.settings, fault);
        }
        self.pending.clear();
        self.out.clear();
    }

    /// Waits, and answers nobody.
    async fn rest(&mut self, pause: Duration) -> Option<Over> {
        let pause = tokio::time::sleep(pause);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return None,
                asked = self.asked.recv() => if asked.is_none() {
                    return Some(Over);
                }
            }
        }
    }

    async fn serve(&mut self, mut connection: Connection) -> Result<Over, Fault> {
        // What Redis has forgotten, it is told again before anybody asks.
        self.renew();
        if self.shared().standing() == Standing::Down {
            self.shared().stats.lane_up();
        }
        self.shared().set(Standing::Up);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            while let Some(reply) = connection.next_reply()? {
                self.deliver(&reply)?;
            }
            let has_room = self.pending.len() < PENDING_MAX && self.out.len() < OUT_BYTES_MAX;
            tokio::select! {
                done = connection.read_or_write(&mut self.out) => done?,
                asked = self.asked.recv(), if has_room => {
                    let Some(asked) = asked else {
                        return Ok(Over);
                    };
                    self.send(asked, &connection);
                    while let Ok(asked) = self.asked.try_recv() {
                        self.send(asked, &connection);
                    }
                }
                _ = tick.tick() => self.look()?,
            }
        }
    }

    fn send(&mut self, asked: Asked, connection: &Connection) {
        match asked {
            // Whoever asked has left already.
            Asked::Take(take) if take.done.is_closed() => {}
            Asked::Take(take) => {
                let digest = &connection.digest;
                take.question.write("EVALSHA", digest, &mut self.out);
                self.sent(What::Take(take));
            }
            Asked::GiveBack(id, keys) => self.give_back(id, &keys),
        }
    }

    fn sent(&mut self, what: What) {
        let at = Instant::now();
        self.pending.push_back(Sent { at, what });
    }

    fn give_back(&mut self, id: u64, keys: &[Box<str>]) {
        let name = self.shared().lease_name(id);
        for key in keys {
            resp::command(&["ZREM", key, &name], &mut self.out);
            self.sent(What::Other);
        }
    }

    /// Hands an answer to whoever waits for it.
    fn deliver(&mut self, reply: &Reply) -> Result<(), Fault> {
        let sent = self.pending.pop_front().ok_or(ReplyError)?;
        match (sent.what, reply) {
            (What::Other, _) => {}
            (What::Take(take), Reply::Error(text)) if text.starts_with("NOSCRIPT") => {
                take.question.write("EVAL", TAKE, &mut self.out);
                self.sent(What::Again(take));
            }
            (_, Reply::Error(text)) => return Err(Fault::Said(text.clone())),
            (What::Take(take) | What::Again(take), reply) => {
                let answer = take.question.answer(reply).ok_or(ReplyError)?;
                self.answer(take, answer);
            }
        }
        let is_overdue = |sent: &Sent| sent.at.elapsed() > self.settings.timeout;
        if !self.pending.front().is_some_and(is_overdue) {
            self.shared().change(Standing::Overdue, Standing::Up);
        }
        Ok(())
    }

    fn answer(&mut self, take: Take, mut answer: Answer) {
        let mut lease = None;
        if let Answer::Taken { leases, .. } = &mut answer
            && !leases.is_empty()
        {
            let keys = std::mem::take(leases);
            self.shared().leases().insert(take.id, keys);
            lease = Some(Lease {
                id: take.id,
                lane: self.lane.clone(),
            });
        }
        // Whoever does not wait any more gives back by that.
        let _ = take.done.send((answer, lease));
    }

    /// Looks whether it still answers, and whether leases are to be renewed.
    fn look(&mut self) -> Result<(), Fault> {
        match self.pending.front().map(|sent| sent.at.elapsed()) {
            Some(waited) if waited > STUCK => return Err(Fault::Slow(STUCK)),
            Some(waited) if waited > self.settings.timeout => {
                self.shared().change(Standing::Up, Standing::Overdue);
            }
            Some(_) => {}
            None => {
                resp::command(&["PING"], &mut self.out);
                self.sent(What::Other);
            }
        }
        if self.renewed_at.elapsed() >= RENEW_EVERY {
            self.renew();
        }
        Ok(())
    }

    fn renew(&mut self) {
        self.renewed_at = Instant::now();
        let leases: Vec<(String, Box<str>)> = {
            let leases = self.shared().leases();
            let one = |(id, keys): (&u64, &Vec<Box<str>>)| {
                let name = self.shared().lease_name(*id);
                let keys = keys.clone().into_iter();
                keys.map(move |key| (name.clone(), key)).collect::<Vec<_>>()
            };
            leases.iter().flat_map(one).collect()
        };
        for some in leases.chunks(RENEW_MAX) {
            resp::begin(4 + 2 * some.len(), &mut self.out);
            resp::part("EVAL", &mut self.out);
            resp::part(RENEW, &mut self.out);
            resp::part(some.len().to_string(), &mut self.out);
            for (_, key) in some {
                resp::part(&**key, &mut self.out);
            }
            resp::part(LEASE.as_micros().to_string(), &mut self.out);
            for (name, _) in some {
                resp::part(name, &mut self.out);
            }
            self.sent(What::Other);
        }
    }
}
