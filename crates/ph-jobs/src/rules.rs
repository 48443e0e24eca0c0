//! Rules on a clock: each group at its own times, over the own store.

mod counts;
mod group;
mod lingering;
mod local;
mod overlay;
mod schedule;
mod ticker;

use counts::Counts;
use group::{Common, GroupJob, Shown};
use overlay::Overlay;
use ph_promql::{Labels, SeriesSource};
use ph_record::catalogue::Metric;
use ph_record::{Reading, SampleSource};
use ph_rules::{Alert, Group, GroupRun, GroupStatus, RuleKind, Settings};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use ticker::{Ticker, unix_ms};

/// Where results of rules go. Called from the threads of rules; nothing of it may wait.
pub trait Outlet: Send + Sync {
    /// Takes what a group wrote at one time, markers of staleness among it; `false` when there is no room.
    fn samples(&self, group: &str, at_ms: i64, samples: Vec<(Labels, f64)>) -> bool;

    /// Takes alerts that fire or were resolved, for whoever notifies.
    fn alerts(&self, alerts: Vec<Alert>);

    /// An alert began to fire, or was resolved; told once each time.
    fn changed(&self, alert: &Alert);

    /// A group was evaluated.
    fn evaluated(&self);
}

/// A group that is to be evaluated.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// The file that it is in.
    pub file: String,
    /// What it holds.
    pub group: Group,
}

/// Groups are evaluated by so many threads: a slow one holds up no other, and the rest of the machine is for calls.
const THREADS: usize = 2;

/// Evaluates groups of rules until it is stopped.
pub struct Rules {
    common: Arc<Common>,
    ticker: Ticker<GroupJob>,
    shown: Mutex<Vec<Arc<Shown>>>,
    /// Nothing was evaluated before: what fired when the last process ended is in the store.
    is_first: AtomicBool,
}

impl Rules {
    /// Without a group: [`Rules::replace`] says which.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn start(
        store: Arc<dyn SeriesSource + Send + Sync>,
        outlet: Arc<dyn Outlet>,
    ) -> io::Result<Self> {
        let common = Common {
            store,
            outlet,
            overlay: Overlay::default(),
            counts: Counts::default(),
            is_over: AtomicBool::new(false),
        };
        Ok(Self {
            common: Arc::new(common),
            ticker: Ticker::start(THREADS)?,
            shown: Mutex::default(),
            is_first: AtomicBool::new(true),
        })
    }

    /// Evaluates these from now on. A group of the same file and name goes on with its state; one that is not
    /// among them ends with its series. Blocks until what is being evaluated is done.
    pub fn replace(&self, groups: Vec<NewGroup>, settings: &Settings) {
        let is_first = self.is_first.swap(false, Relaxed);
        if is_first {
            lingering::end(&*self.common.store, &*self.common.outlet, unix_ms());
        }
        let old = self.ticker.hold();
        let mut old: HashMap<String, GroupJob> =
            old.into_iter().map(|job| (job.key.clone(), job)).collect();
        let keys: Vec<String> = groups.iter().map(key).collect();
        let counts = self.common.counts.replace(&keys);
        let mut jobs = Vec::new();
        for ((new, key), counts) in groups.into_iter().zip(keys).zip(counts) {
            let mut job = self.job(&new, &key, counts, settings, is_first);
            if let Some(old) = old.remove(&key) {
                job.adopt(old);
            }
            jobs.push(job);
        }
        for gone in old.into_values() {
            gone.end(unix_ms());
        }
        *self.shown() = jobs.iter().map(|job| Arc::clone(&job.shown)).collect();
        self.ticker.go(jobs);
    }

    fn job(
        &self,
        new: &NewGroup,
        key: &str,
        counts: Arc<counts::GroupCounts>,
        settings: &Settings,
        is_first: bool,
    ) -> GroupJob {
        let alerts = new.group.rules.iter();
        let alerts = alerts.filter(|rule| matches!(rule.kind, RuleKind::Alert { .. }));
        let names: Vec<String> = alerts.map(|rule| rule.name().to_owned()).collect();
        counts.declare(names.iter().cloned());
        let run = GroupRun::new(&new.group, &new.file, settings);
        GroupJob {
            common: Arc::clone(&self.common),
            key: key.to_owned(),
            interval: new.group.interval.unwrap_or(settings.default_interval),
            rules: new.group.rules.len() as u64,
            names,
            shown: Arc::new(Shown::new(run)),
            counts,
            said: HashMap::new(),
            is_restored: !is_first,
        }
    }

    /// How all groups are doing, in the order in which they were given.
    pub fn status(&self) -> Vec<GroupStatus> {
        let shown = self.shown().clone();
        shown.iter().filter_map(|one| one.status()).collect()
    }

    /// Ends it; what is being evaluated is given up. Series do not end by it: the next start goes on with them.
    /// Blocks for a moment.
    pub fn stop(&self) {
        self.common.is_over.store(true, Relaxed);
        self.ticker.stop();
    }

    /// The numbers of rules.
    pub fn source(&self) -> Arc<dyn SampleSource> {
        Arc::new(Source(Arc::clone(&self.common)))
    }

    /// Replaced and read whole: a panic elsewhere leaves the list in order.
    fn shown(&self) -> MutexGuard<'_, Vec<Arc<Shown>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Source(Arc<Common>);

impl SampleSource for Source {
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        self.0.counts.samples(out);
    }
}

/// The same text for the same group, for ever.
fn key(new: &NewGroup) -> String {
    format!("{};{}", new.file, new.group.name)
}
