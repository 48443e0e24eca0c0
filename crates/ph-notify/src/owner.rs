//! The thread that owns the desk: jobs come in, what is due is done, everything is saved.

use crate::counts::Counts;
use crate::desk::Desk;
use ph_rules::dispatch::SilenceState;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Jobs that wait, at most.
const JOBS_MAX: usize = 256;
/// The longest sleep: a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(5);
/// How often alerts and silences are counted, in milliseconds.
const SHOW_EVERY_MS: i64 = 1_000;
/// How long somebody asynchronous waits before it tries again to hand over a job.
const AGAIN: Duration = Duration::from_millis(20);

/// What to do when everything is saved: to answer.
pub(crate) type After = Box<dyn FnOnce() + Send>;
type Job = Box<dyn FnOnce(&mut Desk, i64) -> After + Send>;

enum Command {
    Job(Job),
    Stop,
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct Owner {
    commands: SyncSender<Command>,
}

/// The thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("alerts are not kept any more: Pilothouse is stopping")]
pub struct Gone;

impl Owner {
    /// Starts the thread.
    ///
    /// - `wake`: told when there is something new to send.
    pub(crate) fn start(
        desk: Desk,
        counts: Arc<Counts>,
        wake: Arc<Notify>,
        complain: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (commands, jobs) = sync_channel(JOBS_MAX);
        let thread = std::thread::Builder::new().name("ph-notify".to_owned());
        let thread = thread.spawn(move || run(desk, &jobs, &counts, &wake, &*complain))?;
        Ok((Self { commands }, thread))
    }

    /// Hands over a job when there is room, and does not wait for it.
    pub(crate) fn offer(&self, job: impl FnOnce(&mut Desk, i64) + Send + 'static) -> bool {
        let job = |desk: &mut Desk, now_ms: i64| -> After {
            job(desk, now_ms);
            Box::new(|| {})
        };
        self.commands.try_send(Command::Job(Box::new(job))).is_ok()
    }

    /// Has a job done and waits until what it did is saved. Blocks.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Desk, i64) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (answer, answered) = sync_channel(1);
        let job = answering(job, move |value| {
            let _ = answer.send(value);
        });
        self.commands.send(Command::Job(job)).map_err(|_| Gone)?;
        answered.recv().map_err(|_| Gone)
    }

    /// The same, for those that must not block.
    pub(crate) async fn ask_async<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Desk, i64) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let mut command = Command::Job(answering(job, move |value| {
            let _ = answer.send(value);
        }));
        loop {
            command = match self.commands.try_send(command) {
                Ok(()) => break,
                Err(TrySendError::Full(command)) => command,
                Err(TrySendError::Disconnected(_)) => return Err(Gone),
            };
            tokio::time::sleep(AGAIN).await;
        }
        answered.await.map_err(|_| Gone)
    }

    /// Lets the thread end when it has done what was handed over before. Blocks while its queue is full.
    pub(crate) fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
    }
}

fn answering<T: Send + 'static>(
    job: impl FnOnce(&mut Desk, i64) -> T + Send + 'static,
    answer: impl FnOnce(T) + Send + 'static,
) -> Job {
    Box::new(move |desk, now_ms| {
        let value = job(desk, now_ms);
        Box::new(move || answer(value))
    })
}

fn run(
    mut desk: Desk,
    jobs: &Receiver<Command>,
    counts: &Counts,
    wake: &Notify,
    complain: &(dyn Fn(&str) + Send + Sync),
) {
    let mut shown_ms = 0;
    loop {
        let sleep = u64::try_from(desk.next_due().saturating_sub(now_ms())).unwrap_or(0);
        let job = match jobs.recv_timeout(Duration::from_millis(sleep).min(SLEEP_MAX)) {
            Ok(Command::Job(job)) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
        };
        let after = job.map(|job| job(&mut desk, now_ms()));
        desk.tick(now_ms());
        if let Some(error) = desk.save() {
            complain(&format!(
                "alerts are sent, but their state cannot be saved: {error}"
            ));
        }
        if now_ms().saturating_sub(shown_ms) >= SHOW_EVERY_MS {
            shown_ms = now_ms();
            show(&desk, counts, shown_ms);
        }
        // Senders that only asked are not woken by their own question.
        if desk.take_news() {
            wake.notify_waiters();
        }
        if let Some(after) = after {
            after();
        }
    }
    desk.save();
}

fn show(desk: &Desk, counts: &Counts, now_ms: i64) {
    let (active, suppressed) = desk.dispatcher.count_alerts(now_ms);
    let mut silences = [0; 3];
    for state in desk.dispatcher.silence_states(now_ms) {
        silences[match state {
            SilenceState::Active => 0,
            SilenceState::Pending => 1,
            SilenceState::Expired => 2,
        }] += 1;
    }
    counts.set_levels([active, suppressed], silences);
}

/// Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
