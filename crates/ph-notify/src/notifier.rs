//! The handle: everything that others may ask.

use crate::counts::Counts;
use crate::desk::Desk;
use crate::forward::Forward;
use crate::heartbeat::Heart;
use crate::outbox::Lane;
pub use crate::owner::Gone;
use crate::owner::{Owner, now_ms};
use crate::sender::Sender;
use crate::settings::Settings;
use ph_record::catalogue::Metric;
use ph_record::{Reading, SampleSource};
use ph_rules::Alert;
use ph_rules::dispatch::{
    AlertView, GroupView, Incoming, Posted, SilenceDraft, SilenceError, SilenceView, Status,
};
use ph_store::state::{self, State, StateError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a notifier starts with.
pub struct Start {
    /// Whom to tell, and how.
    pub settings: Settings,
    /// The SQLite file; its directory exists.
    pub state_file: PathBuf,
    /// Of the binary, for those who ask.
    pub version: String,
    /// Takes a line for the operator; it never holds a secret.
    pub complain: Arc<dyn Fn(&str) + Send + Sync>,
    /// Runs the tasks that send.
    pub runtime: Runtime,
}

/// Why a notifier does not start.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The state cannot be opened.
    #[error("the state of alerts: {0}")]
    State(#[from] StateError),
    /// The state is damaged, and cannot be set aside.
    #[error("the damaged state of alerts cannot be set aside")]
    SetAside(#[source] std::io::Error),
    /// No thread for it.
    #[error("the thread that keeps alerts cannot be started")]
    Thread(#[source] std::io::Error),
}

/// Tells people of alerts. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

struct Inner {
    owner: Owner,
    counts: Arc<Counts>,
    settings: watch::Sender<Arc<Settings>>,
    wake: Arc<Notify>,
    end: CancellationToken,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
    runtime: Runtime,
    evaluated_ms: Arc<AtomicI64>,
    version: String,
    started_ms: i64,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    thread: Option<JoinHandle<()>>,
    /// With what ends their tasks.
    lanes: BTreeMap<Lane, CancellationToken>,
    forwards: Vec<Arc<Forward>>,
    running: JoinSet<()>,
}

impl Notifier {
    /// Opens the state and goes on where the last process ended. Blocks while it reads.
    ///
    /// A damaged state is set aside, with a complaint: alerts that still fire are told of again then, and
    /// silences are lost.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub fn start(start: Start) -> Result<Self, NotifyError> {
        let Start {
            settings,
            state_file,
            version,
            complain,
            runtime,
        } = start;
        let keep = open(&state_file, &*complain)?;
        let counts = Arc::new(Counts::default());
        counts.set_names(&settings.counted(), settings.heartbeat.is_some());
        let settings = Arc::new(settings);
        let (desk, unreadable) = Desk::open(
            Arc::clone(&settings),
            Box::new(keep),
            Arc::clone(&counts),
            now_ms(),
        )?;
        if unreadable > 0 {
            complain(&format!(
                "{unreadable} rows of the state of alerts could not be read"
            ));
        }
        let wake = Arc::new(Notify::new());
        let (owner, thread) = Owner::start(
            desk,
            Arc::clone(&counts),
            Arc::clone(&wake),
            Arc::clone(&complain),
        )
        .map_err(NotifyError::Thread)?;
        let notifier = Self(Arc::new(Inner {
            owner,
            counts,
            settings: watch::Sender::new(settings),
            wake,
            end: CancellationToken::new(),
            complain,
            runtime,
            evaluated_ms: Arc::default(),
            version,
            started_ms: now_ms(),
            tasks: Mutex::new(Tasks {
                thread: Some(thread),
                ..Tasks::default()
            }),
        }));
        notifier.start_heart();
        notifier.start_missing();
        Ok(notifier)
    }

    fn start_heart(&self) {
        let heart = Heart {
            settings: self.0.settings.subscribe(),
            evaluated_ms: Arc::clone(&self.0.evaluated_ms),
            counts: Arc::clone(&self.0.counts),
            end: self.0.end.clone(),
            complain: Arc::clone(&self.0.complain),
        };
        self.tasks().running.spawn_on(heart.run(), &self.0.runtime);
    }

    /// Starts the tasks of lanes and Alertmanagers that have none, and ends those that are not wanted.
    fn start_missing(&self) {
        let inner = &self.0;
        let settings = Arc::clone(&inner.settings.borrow());
        let mut tasks = self.tasks();
        let wanted = settings.lanes();
        tasks.lanes.retain(|lane, gone| {
            let stays = wanted.contains(lane);
            if !stays {
                gone.cancel();
            }
            stays
        });
        for lane in wanted {
            if tasks.lanes.contains_key(&lane) {
                continue;
            }
            let gone = CancellationToken::new();
            let sender = Sender {
                lane: lane.clone(),
                owner: inner.owner.clone(),
                settings: inner.settings.subscribe(),
                wake: Arc::clone(&inner.wake),
                end: inner.end.clone(),
                gone: gone.clone(),
                complain: Arc::clone(&inner.complain),
            };
            tasks.running.spawn_on(sender.run(), &inner.runtime);
            tasks.lanes.insert(lane, gone);
        }
        let hooks = &settings.alertmanagers;
        tasks.forwards.retain(|forward| {
            let stays = hooks.values().any(|hook| forward.is_for(hook));
            if !stays {
                forward.end();
            }
            stays
        });
        for (name, hook) in hooks {
            if tasks.forwards.iter().any(|forward| forward.is_for(hook)) {
                continue;
            }
            let forward = Arc::new(Forward::new(
                name.clone(),
                Arc::clone(hook),
                inner.end.child_token(),
                Arc::clone(&inner.counts),
                Arc::clone(&inner.complain),
            ));
            tasks
                .running
                .spawn_on(Arc::clone(&forward).run(), &inner.runtime);
            tasks.forwards.push(forward);
        }
    }

    /// Takes what a round of rules says. Never waits; false when there was no room, which is counted: it is
    /// said again.
    pub fn offer(&self, alerts: Vec<Alert>) -> bool {
        if alerts.is_empty() {
            return true;
        }
        for forward in &self.tasks().forwards {
            forward.offer(&alerts);
        }
        let count = alerts.len();
        let taken = self.0.owner.offer(move |desk, now_ms| {
            desk.offer(alerts.into_iter().map(Incoming::from), now_ms);
        });
        if !taken {
            self.0.counts.dropped_offer(count);
        }
        taken
    }

    /// Rules were evaluated: the heartbeat goes on.
    pub fn evaluated(&self) {
        self.0.evaluated_ms.store(now_ms(), Relaxed);
    }

    /// Goes on with other settings. What waits for a receiver that is gone is dropped, and counted. Blocks.
    ///
    /// # Errors
    /// [`Gone`] after the end.
    pub fn reload(&self, settings: Settings) -> Result<(), Gone> {
        let settings = Arc::new(settings);
        let counted = settings.counted();
        let names = counted
            .union(&self.0.settings.borrow().counted())
            .cloned()
            .collect();
        let has_heartbeat = settings.heartbeat.is_some();
        // What is dropped now is still counted under its name.
        self.0.counts.set_names(&names, has_heartbeat);
        let new = Arc::clone(&settings);
        self.0
            .owner
            .ask(move |desk, now_ms| desk.reload(new, now_ms))?;
        self.0.counts.set_names(&counted, has_heartbeat);
        self.0.settings.send_replace(settings);
        self.0.wake.notify_waiters();
        self.start_missing();
        Ok(())
    }

    /// Sends what is due for at most `limit`, and ends. What is left is sent by the next process.
    pub async fn stop(&self, limit: Duration) {
        self.0.end.cancel();
        self.0.wake.notify_waiters();
        let (mut running, thread) = {
            let mut tasks = self.tasks();
            (std::mem::take(&mut tasks.running), tasks.thread.take())
        };
        let all = async { while running.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limit, all).await;
        running.shutdown().await;
        let owner = self.0.owner.clone();
        let ended = tokio::task::spawn_blocking(move || {
            owner.stop();
            thread.map(JoinHandle::join)
        });
        let _ = ended.await;
    }

    /// Who answers, with what settings.
    pub fn status(&self) -> Status {
        let settings = self.0.settings.borrow();
        Status {
            version: self.0.version.clone(),
            started_at_ms: self.0.started_ms,
            config: settings.config.clone(),
            receivers: settings.dispatch.receivers.keys().cloned().collect(),
            resolve_timeout_ms: settings.dispatch.resolve_timeout_ms,
        }
    }

    /// Every alert that is not over. Blocks, as all that follow.
    ///
    /// # Errors
    /// [`Gone`] after the end.
    pub fn alerts(&self) -> Result<Vec<AlertView>, Gone> {
        self.0
            .owner
            .ask(|desk, now_ms| desk.dispatcher.alerts(now_ms))
    }

    /// Every group that has such an alert.
    ///
    /// # Errors
    /// [`Gone`] after the end.
    pub fn groups(&self) -> Result<Vec<GroupView>, Gone> {
        self.0
            .owner
            .ask(|desk, now_ms| desk.dispatcher.groups(now_ms))
    }

    /// Every silence, in the order in which they are shown.
    ///
    /// # Errors
    /// [`Gone`] after the end.
    pub fn silences(&self) -> Result<Vec<SilenceView>, Gone> {
        self.0
            .owner
            .ask(|desk, now_ms| desk.dispatcher.silences(now_ms))
    }

    /// Takes alerts of others. When it returns they are on disk; gives what was wrong with those that are
    /// none.
    ///
    /// # Errors
    /// [`Gone`] after the end.
    pub fn post(&self, alerts: Vec<Posted>) -> Result<Vec<String>, Gone> {
        self.0
            .owner
            .ask(move |desk, now_ms| desk.post(alerts, now_ms))
    }

    /// Sets a silence and gives its id. When it returns it is on disk.
    ///
    /// # Errors
    /// [`SilenceError`].
    pub fn set_silence(&self, draft: SilenceDraft) -> Result<String, SilenceError> {
        let id = new_uuid().map_err(|error| SilenceError::Unavailable(error.to_string()))?;
        self.0
            .owner
            .ask(move |desk, now_ms| desk.set_silence(draft, &id, now_ms))
            .unwrap_or_else(|gone| Err(SilenceError::Unavailable(gone.to_string())))
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// [`SilenceError`].
    pub fn expire_silence(&self, id: &str) -> Result<(), SilenceError> {
        let id = id.to_owned();
        self.0
            .owner
            .ask(move |desk, now_ms| desk.dispatcher.expire_silence(&id, now_ms))
            .unwrap_or_else(|gone| Err(SilenceError::Unavailable(gone.to_string())))
    }

    /// Changed whole: a panic elsewhere leaves it in order.
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SampleSource for Notifier {
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        self.0.counts.samples(out);
    }
}

fn open(path: &Path, complain: &(dyn Fn(&str) + Send + Sync)) -> Result<State, NotifyError> {
    let error = match State::open(path) {
        Ok(state) => return Ok(state),
        Err(error) if error.is_damage() => error,
        Err(error) => return Err(error.into()),
    };
    let seconds = u64::try_from(now_ms() / 1000).unwrap_or(0);
    let aside = state::set_aside(path, seconds).map_err(NotifyError::SetAside)?;
    complain(&format!(
        "{error}; it is now `{}`, silences are lost, and alerts that fire are told of again",
        aside.display()
    ));
    Ok(State::open(path)?)
}

/// A random UUID (version 4).
fn new_uuid() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-"))
}
