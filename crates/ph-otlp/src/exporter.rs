//! The queue between who makes spans and who takes them.
//!
//! One lock guards the queue and its counters, so that the balance
//! `offered = exported + dropped + queued` holds in every read. It is held for
//! encoding one span, or for moving one batch out; never across an await.

use ph_base::Chain;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::connection::{Accepted, Collector, SendError};
use crate::encode::{Batch, Source};
use crate::settings::Settings;
use crate::span::SpanOf;

/// The bounds of an exporter.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Most spans waiting; what comes beyond is dropped and counted.
    pub queue_spans_max: usize,
    /// Most spans in one request.
    pub batch_spans_max: usize,
    /// Size in bytes at which a request is closed; one span may go beyond it.
    /// Collectors refuse messages above 4 MiB by default.
    pub batch_bytes_max: usize,
    /// How long a span waits for company.
    pub batch_delay: Duration,
    /// Pauses before the second and the third try, the last one.
    pub retry_delays: [Duration; 2],
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            queue_spans_max: 8192,
            batch_spans_max: 512,
            batch_bytes_max: 2 << 20,
            batch_delay: Duration::from_secs(1),
            retry_delays: [Duration::from_millis(500), Duration::from_secs(2)],
        }
    }
}

impl Tuning {
    fn is_full(&self, batch: &Batch) -> bool {
        batch.count() >= self.batch_spans_max || batch.len_bytes() >= self.batch_bytes_max
    }
}

/// The longest `Retry-After` that is waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// What became of the spans, in one consistent read:
/// `offered = exported + dropped_queue + dropped_export + queued`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of [`Exporter::offer`].
    pub offered: u64,
    /// Accepted by the collector.
    pub exported: u64,
    /// Not taken: the queue was full, or the exporter had been stopped.
    pub dropped_queue: u64,
    /// Taken, but refused by the collector, or given up on.
    pub dropped_export: u64,
    /// Waiting or on their way.
    pub queued: u64,
}

/// An exporter cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The endpoint is `https://`, and no certificate to trust can be read.
    #[error("cannot prepare TLS for the trace endpoint `{url}`")]
    Tls {
        /// The endpoint.
        url: String,
        /// The reason.
        source: io::Error,
    },
}

/// Takes spans and sends them in batches from a task of its own. Dropping it
/// gives up on what is queued; [`Exporter::stop`] does not.
pub struct Exporter {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Exporter {
    /// Starts the task on `runtime`. Nothing is connected before the first batch.
    ///
    /// - `source_default`: service name, version and scope; the settings' own
    ///   service name and resource attributes win over it.
    /// - errors: see [`StartError`].
    pub fn start(
        settings: Settings,
        source_default: &SourceName<'_>,
        tuning: Tuning,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        let name = settings
            .service_name
            .as_deref()
            .unwrap_or(source_default.service);
        let source = Source::new(
            name,
            source_default.version,
            &settings.resource,
            source_default.scope,
        );
        let url = settings.url();
        let collector =
            Collector::new(settings).map_err(|source| StartError::Tls { url, source })?;
        let shared = Arc::new(Shared {
            tuning,
            state: Mutex::default(),
            wake: Notify::new(),
            give_up: watch::Sender::new(false),
            settled: watch::Sender::new(0),
        });
        let sender = Sender {
            shared: Arc::clone(&shared),
            collector,
            source,
        };
        let task = runtime.spawn(sender.run());
        Ok(Self {
            shared,
            task: Mutex::new(Some(task)),
        })
    }

    /// Queues a span; `false` when it was dropped (and counted). Never waits for
    /// the collector. May be called from any thread.
    pub fn offer(&self, span: &SpanOf<'_>) -> bool {
        let tuning = &self.shared.tuning;
        let mut state = self.shared.lock();
        state.counts.offered += 1;
        if state.stopping || state.counts.queued >= tuning.queue_spans_max as u64 {
            state.counts.dropped_queue += 1;
            return false;
        }
        state.counts.queued += 1;
        let is_first = state.queue.is_empty();
        let mut batch = state.queue.pop_back().unwrap_or_default();
        if tuning.is_full(&batch) {
            state.queue.push_back(std::mem::take(&mut batch));
        }
        batch.push(span);
        let is_full = tuning.is_full(&batch);
        state.queue.push_back(batch);
        drop(state);
        // The task looks at the first span (its clock starts) and at a full batch.
        if is_first || is_full {
            self.shared.wake.notify_one();
        }
        true
    }

    /// What became of all spans so far.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// Why the newest batch that was not taken whole was not; `None` when the
    /// newest batch was.
    pub fn last_failure(&self) -> Option<String> {
        self.shared.lock().last_failure.clone()
    }

    /// Sends at once what is queued. `true` when every span offered before has
    /// been exported or counted as dropped within `limit`.
    pub async fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut settled = self.shared.settled.subscribe();
        let target = {
            let mut state = self.shared.lock();
            let target = state.counts.offered - state.counts.dropped_queue;
            state.flush_to = target;
            target
        };
        self.shared.wake.notify_one();
        timeout_at(deadline, settled.wait_for(|done| *done >= target))
            .await
            .is_ok_and(|waited| waited.is_ok())
    }

    /// Takes no more spans, sends what is queued for at most `limit`, and ends
    /// the task. `true` when nothing had to be given up for lack of time.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        let in_time = self.flush(limit).await;
        self.shared.give_up.send_replace(true);
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            // A task that panicked or whose runtime is gone has nothing left to say.
            let _ended = task.await;
        }
        in_time
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.give_up.send_replace(true);
    }
}

/// Under which name spans are exported, unless the settings say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct SourceName<'a> {
    /// `service.name`.
    pub service: &'a str,
    /// `service.version`, and the version of the scope.
    pub version: &'a str,
    /// Name of the instrumentation scope.
    pub scope: &'a str,
}

struct Shared {
    tuning: Tuning,
    state: Mutex<State>,
    /// There is something to look at in `state`.
    wake: Notify,
    give_up: watch::Sender<bool>,
    /// Number of spans that have left the queue for good, in the order of offering.
    settled: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Only the last one may have room.
    queue: VecDeque<Batch>,
    counts: Counts,
    /// Spans up to this number are sent without waiting for company.
    flush_to: u64,
    stopping: bool,
    last_failure: Option<String>,
}

impl Shared {
    /// No code panics while it holds the lock; a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task does next.
enum Next {
    Send(Batch),
    Wait(Option<Instant>),
    End,
}

struct Sender {
    shared: Arc<Shared>,
    collector: Collector,
    source: Source,
}

impl Sender {
    async fn run(mut self) {
        let mut give_up = self.shared.give_up.subscribe();
        tokio::select! {
            biased;
            _ = give_up.wait_for(|given_up| *given_up) => {}
            () = self.work() => {}
        }
        self.shared.abandon();
    }

    async fn work(&mut self) {
        let mut oldest = None;
        loop {
            match self.shared.next(&mut oldest) {
                Next::Send(batch) => self.export(&batch).await,
                Next::Wait(None) => self.shared.wake.notified().await,
                Next::Wait(Some(until)) => {
                    // Either way the state is looked at again.
                    let _woken = timeout_at(until, self.shared.wake.notified()).await;
                }
                Next::End => return,
            }
        }
    }

    async fn export(&mut self, batch: &Batch) {
        let result = self.send(&batch.finish(&self.source)).await;
        self.shared.settle(batch.count() as u64, result);
    }

    async fn send(&mut self, request: &[u8]) -> Result<Accepted, SendError> {
        for delay in self.shared.tuning.retry_delays {
            match self.collector.send(request).await {
                Err(error) if error.is_retryable() => {
                    let asked = error
                        .retry_after()
                        .map_or(delay, |asked| asked.min(RETRY_AFTER_MAX));
                    tokio::time::sleep(asked.max(delay)).await;
                }
                result => return result,
            }
        }
        self.collector.send(request).await
    }
}

impl Shared {
    /// Decides by the state alone; `oldest` is when the first waiting span was seen.
    fn next(&self, oldest: &mut Option<Instant>) -> Next {
        let mut state = self.lock();
        let Some(first) = state.queue.front() else {
            *oldest = None;
            return if state.stopping {
                Next::End
            } else {
                Next::Wait(None)
            };
        };
        let now = Instant::now();
        let due = *oldest.get_or_insert(now) + self.tuning.batch_delay;
        let settled = state.counts.exported + state.counts.dropped_export;
        if !self.tuning.is_full(first) && settled >= state.flush_to && !state.stopping && now < due
        {
            return Next::Wait(Some(due));
        }
        *oldest = None;
        Next::Send(state.queue.pop_front().unwrap_or_default())
    }

    fn settle(&self, spans: u64, result: Result<Accepted, SendError>) {
        let mut state = self.lock();
        let dropped = match result {
            Ok(Accepted { rejected: 0, .. }) => {
                state.last_failure = None;
                0
            }
            Ok(Accepted { rejected, message }) => {
                state.last_failure = Some(format!(
                    "the collector rejected {rejected} spans: {message}"
                ));
                rejected.min(spans)
            }
            Err(error) => {
                state.last_failure = Some(Chain(&error).to_string());
                spans
            }
        };
        state.counts.queued -= spans;
        state.counts.dropped_export += dropped;
        state.counts.exported += spans - dropped;
        self.publish(&state);
    }

    /// Counts everything that is left as dropped.
    fn abandon(&self) {
        let mut state = self.lock();
        state.stopping = true;
        state.queue.clear();
        state.counts.dropped_export += std::mem::take(&mut state.counts.queued);
        self.publish(&state);
    }

    fn publish(&self, state: &State) {
        self.settled
            .send_replace(state.counts.exported + state.counts.dropped_export);
    }
}
