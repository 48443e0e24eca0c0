//! Watches for what is abnormal, behind the record.
//!
//! The thread that observes a call only pushes what detectors need of it onto a bounded queue: no lock, no wait, and
//! nothing at all while nobody watches. A thread of its own has the detectors, since they have state and the
//! recorder's thread is the one that all lines wait for. It looks ten times a second, so that no call wakes it.

use crate::recorder::Shared;
use arc_swap::ArcSwap;
use crossbeam_queue::ArrayQueue;
use ph_plan::{Anomalies, AnomalyName};
use ph_policy::anomaly::{Blocked, Blocks, Detectors, Evidence, Finding, Seen};
use ph_record::catalogue::{self, Metric};
use ph_record::{
    Anomaly, AnomalyKind, EventKind, Observation, Reading, Replica, SampleSource, ServerEvent,
    ServerIdx, ServerTable,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the threads that observe, the one with the detectors, and scrapes share.
#[derive(Debug)]
pub(crate) struct Watch {
    on: AtomicBool,
    stopped: AtomicBool,
    /// Made when somebody watches first.
    queue: OnceLock<ArrayQueue<Seen>>,
    dropped: AtomicU64,
    clients: AtomicU64,
    blocks: Arc<ArcSwap<Blocks>>,
    /// `Some` with each change; `None` once it was taken over.
    next: Mutex<Option<Option<Anomalies>>>,
    counts: Mutex<BTreeMap<Cell, u64>>,
    table: Arc<ServerTable>,
}

type Cell = (AnomalyKind, Option<ServerIdx>);

/// Most that wait: a tenth of a second of 160,000 calls each second, and 2 MiB.
const QUEUE_MAX: usize = 16_384;
const EVERY: Duration = Duration::from_millis(100);
/// Ticks between two looks at tools, blocks and clients that are idle.
const TIDY_TICKS: u32 = 10;

impl Watch {
    pub(crate) fn new(table: Arc<ServerTable>) -> Self {
        Self {
            on: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            queue: OnceLock::new(),
            dropped: AtomicU64::new(0),
            clients: AtomicU64::new(0),
            blocks: Arc::default(),
            next: Mutex::default(),
            counts: Mutex::default(),
            table,
        }
    }

    /// Who is refused.
    pub(crate) fn blocks(&self) -> &Arc<ArcSwap<Blocks>> {
        &self.blocks
    }

    /// Ends the thread at its next look.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Takes note of an observation that has lost its secrets.
    pub(crate) fn see(&self, observation: &Observation) {
        if !self.on.load(Relaxed) {
            return;
        }
        let Observation::Call(record) = observation else {
            return;
        };
        let seen = Seen::of_call(record);
        if let (Some(seen), Some(queue)) = (seen, self.queue.get())
            && queue.push(seen).is_err()
        {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    fn next(&self) -> Option<Option<Anomalies>> {
        lock(&self.next).take()
    }
}

/// Watches by `settings` from now on; `None`: no longer.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn apply(shared: &Arc<Shared>, settings: Option<Anomalies>) -> io::Result<()> {
    let watch = &shared.watch;
    let is_on = settings.is_some();
    if !is_on && watch.queue.get().is_none() {
        return Ok(());
    }
    *lock(&watch.next) = Some(settings);
    let mut is_first = false;
    watch.queue.get_or_init(|| {
        is_first = true;
        ArrayQueue::new(QUEUE_MAX)
    });
    if is_first {
        let shared = Arc::clone(shared);
        let thread = thread::Builder::new().name("anomalies".to_owned());
        thread.spawn(move || run(&shared))?;
    }
    watch.on.store(is_on, Relaxed);
    Ok(())
}

fn run(shared: &Shared) {
    let watch = &shared.watch;
    let mut watcher: Option<Watcher<'_>> = None;
    let mut found = Vec::new();
    let mut tick = 0_u32;
    while !watch.stopped.load(Relaxed) {
        match watch.next() {
            Some(Some(settings)) => match &mut watcher {
                Some(watcher) => watcher.apply(settings),
                None => watcher = Some(Watcher::new(shared, settings)),
            },
            Some(None) => {
                watcher = None;
                watch.blocks.store(Arc::default());
                watch.clients.store(0, Relaxed);
            }
            None => {}
        }
        if let Some(watcher) = &mut watcher {
            if tick.is_multiple_of(TIDY_TICKS) {
                watcher.tidy();
            }
            // What comes while it looks is for the next look, so that this ends.
            let queue = watch.queue.get();
            for _ in 0..queue.map_or(0, ArrayQueue::len) {
                let Some(seen) = queue.and_then(ArrayQueue::pop) else {
                    break;
                };
                watcher.detectors.see(&seen, &mut found);
                found.drain(..).for_each(|finding| watcher.tell(finding));
            }
        }
        tick = tick.wrapping_add(1);
        thread::park_timeout(EVERY);
    }
}

/// The detectors, and what follows from what they find.
struct Watcher<'a> {
    shared: &'a Shared,
    settings: Anomalies,
    detectors: Detectors,
}

impl<'a> Watcher<'a> {
    fn new(shared: &'a Shared, settings: Anomalies) -> Self {
        Self {
            shared,
            detectors: Detectors::new(settings.clone()),
            settings,
        }
    }

    fn apply(&mut self, settings: Anomalies) {
        if settings.block != self.settings.block || settings.exempt != self.settings.exempt {
            // Whoever would not be refused any more is not.
            self.shared.watch.blocks.store(Arc::default());
        }
        self.detectors.apply(settings.clone());
        self.settings = settings;
    }

    fn tidy(&mut self) {
        let watch = &self.shared.watch;
        let now_ms = unix_ms();
        for server in watch.table.all().iter() {
            self.detectors.tools(server.idx, server.tools.len(), now_ms);
        }
        self.detectors.forget(now_ms);
        watch
            .clients
            .store(self.detectors.clients() as u64, Relaxed);
        let mut blocks = Blocks::clone(&watch.blocks.load());
        if blocks.end(now_ms) {
            change(&watch.blocks, |blocks| {
                blocks.end(now_ms);
            });
        }
    }

    fn tell(&mut self, finding: Finding) {
        let Finding {
            kind,
            caller,
            server,
            tool,
            evidence,
        } = finding;
        let watch = &self.shared.watch;
        *lock(&watch.counts).entry((kind, server)).or_default() += 1;
        let Some(evidence) = evidence else { return };
        let block_for = self.block_for(kind).filter(|_| caller.is_some());
        if let (Some(time), Some(caller)) = (block_for, &caller) {
            let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let until_ms = unix_ms().saturating_add(time_ms);
            change(&watch.blocks, |blocks| {
                blocks.add(caller.clone(), Blocked { kind, until_ms });
            });
        }
        let Evidence {
            usual,
            seen,
            over,
            untold,
        } = evidence;
        let anomaly = Anomaly {
            kind,
            caller,
            tool,
            usual: usual.into(),
            seen: seen.into(),
            over: over.into(),
            untold: untold.into(),
            blocked_s: block_for.map(|time| time.as_secs()),
        };
        self.shared.observe(Observation::Event(ServerEvent {
            server,
            replica: Replica::None,
            at_unix_ns: unix_ms().saturating_mul(1_000_000),
            kind: EventKind::Anomaly(Box::new(anomaly)),
        }));
    }

    /// What is seen in arguments refuses that call, and was judged before it went on.
    fn block_for(&self, kind: AnomalyKind) -> Option<Duration> {
        let name = AnomalyName::parse(kind.as_label())?;
        let block = self.settings.block.as_ref()?;
        (!kind.is_of_arguments() && block.kinds.contains(&name)).then_some(block.block_for)
    }
}

impl SampleSource for Watch {
    /// From 0 on for each server, so that the first one is an increase.
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        if self.queue.get().is_none() {
            return;
        }
        let mut one = |metric, value: u64| out(metric, &[], Reading::Value(value as f64));
        one(&catalogue::ANOMALY_CLIENTS, self.clients.load(Relaxed));
        let blocked = self.blocks.load().len() as u64;
        one(&catalogue::ANOMALY_BLOCKED, blocked);
        one(&catalogue::ANOMALY_DROPPED, self.dropped.load(Relaxed));
        let counts = lock(&self.counts);
        let servers = self.table.all();
        let known = servers.iter().map(|s| (Some(s.idx), s.name.as_str()));
        for (idx, name) in known.chain([(None, "")]) {
            for kind in AnomalyKind::ALL {
                let count = counts.get(&(kind, idx)).copied();
                // Of no server there is nothing but who could not get in.
                let is_shown = idx.is_some() || kind == AnomalyKind::AuthFailures;
                if count.is_some() || is_shown {
                    let value = Reading::Value(count.unwrap_or(0) as f64);
                    out(&catalogue::ANOMALIES, &[name, kind.as_label()], value);
                }
            }
        }
    }
}

/// Others change them, too: an operator lifts them.
fn change(blocks: &ArcSwap<Blocks>, by: impl Fn(&mut Blocks)) {
    blocks.rcu(|now| {
        let mut next = Blocks::clone(now);
        by(&mut next);
        next
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held; what is there is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
