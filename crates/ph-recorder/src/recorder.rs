//! The handle that everybody else holds.

use crate::anomalies::{self, Watch};
use crate::complaints::Complain;
use crate::exposition::{Format, Passing, RecordTotals, Scrape, give, render};
use crate::intake::Intake;
use crate::process::ProcessUse;
use crate::redaction::Redaction;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::store::{Item, Keep, Keeper, Queue, Thread};
use crate::tracer::Tracer;
use crate::worker::{Command, Worker};
use arc_swap::ArcSwap;
use ph_policy::anomaly::Blocks;
use ph_record::catalogue::Metric;
use ph_record::{Observation, Reading, RecordSink, Redactor, SampleSource, ServerTable};
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Takes observations, counts them, writes their lines and exports their spans.
///
/// Cheap to clone; all clones are one recorder. Taking an observation never blocks.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

/// What the handle and the recorder's thread share.
pub(crate) struct Shared {
    pub(crate) redaction: Redaction,
    pub(crate) registry: Registry,
    pub(crate) intake: Intake,
    pub(crate) tracer: Tracer,
    pub(crate) watch: Arc<Watch>,
    /// `None` once the thread has ended.
    pub(crate) commands: Mutex<Option<Vec<Command>>>,
    /// The way to the store's thread; `None` while nothing is kept.
    pub(crate) store: Option<Queue>,
    sources: Mutex<Vec<Arc<dyn SampleSource>>>,
    version: String,
    started_unix_s: f64,
}

/// What a recorder is started with.
pub struct Start {
    /// What a reload may change later.
    pub settings: Settings,
    /// The servers that labels are made of.
    pub servers: Arc<ServerTable>,
    /// Version of the binary, for `pilothouse_build_info` and spans.
    pub version: String,
    /// Runs the exporter of spans.
    pub runtime: Handle,
    /// The stores; `None`: nothing is kept.
    pub keep: Option<Keep>,
    /// Takes the lines while `log.stdout` is on.
    pub stdout: Option<Box<dyn Write + Send>>,
    /// Told at most once a minute what cannot be said in the logs; not called from a call's thread.
    pub complain: Box<dyn Fn(&str) + Send + Sync>,
}

/// A recorder cannot start, or cannot take new settings.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The exporter of spans cannot start.
    #[error("spans cannot be exported")]
    Spans(#[from] ph_otlp::StartError),
    /// A thread cannot be started.
    #[error("a thread of the recorder cannot be started")]
    Thread(#[source] io::Error),
}

/// How a flush went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushReport {
    /// Every line was written or counted as dropped in time.
    pub lines_settled: bool,
    /// Every span was exported or counted as dropped in time.
    pub spans_settled: bool,
    /// Records offered since the start.
    pub offered: u64,
    /// Records written to every configured sink.
    pub written: u64,
    /// Records dropped, for whatever reason.
    pub dropped: u64,
}

/// Most observations waiting: about 8 MiB of calls, and more than the thread leaves behind in a
/// batch's time at any rate that one process serves.
const QUEUE_RECORDS: usize = 16_384;

impl Recorder {
    /// Starts the recorder's thread.
    ///
    /// # Errors
    /// See [`RecorderError`]. A log directory that cannot be written is no error here: its lines are
    /// dropped and counted, and `complain` is told.
    pub fn start(start: Start) -> Result<Self, RecorderError> {
        let Start {
            settings,
            servers,
            version,
            runtime,
            keep,
            stdout,
            complain,
        } = start;
        let complain: Complain = complain.into();
        let tracer = Tracer::new(runtime, &version);
        tracer.apply(settings.spans.as_ref())?;
        let watch = Arc::new(Watch::new(Arc::clone(&servers)));
        let registry = Registry::new(servers);
        registry.set_otel(settings.otel_operation_metric);
        registry.set_slos(&settings.slos);
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let redaction = Redaction::new(settings.redaction, settings.log.params_bytes_max);
        let shown = Arc::new(redaction.redactor.clone()) as Arc<dyn SampleSource>;
        let shared = Arc::new(Shared {
            redaction,
            registry,
            intake: Intake::new(QUEUE_RECORDS),
            tracer,
            watch: Arc::clone(&watch),
            commands: Mutex::new(Some(Vec::new())),
            store: keep
                .as_ref()
                .map(|keep| Queue::new(keep.settings.queue_bytes)),
            sources: Mutex::new(vec![shown, watch]),
            version,
            started_unix_s: since_epoch.as_secs_f64(),
        });
        let kept_level = keep.as_ref().map(|keep| keep.settings.level);
        if let (Some(keep), Some(queue)) = (keep, shared.store.clone()) {
            let store = Thread::new(Arc::clone(&shared), queue, keep, Arc::clone(&complain));
            thread::Builder::new()
                .name("store".to_owned())
                .spawn(move || store.run())
                .map_err(RecorderError::Thread)?;
        }
        let worker = Worker::new(
            Arc::clone(&shared),
            settings.log,
            kept_level,
            stdout,
            complain,
        );
        let thread = thread::Builder::new().name("recorder".to_owned());
        thread
            .spawn(move || worker.run())
            .map_err(RecorderError::Thread)?;
        anomalies::apply(&shared, settings.anomalies).map_err(RecorderError::Thread)?;
        Ok(Self(shared))
    }

    /// The text of `/metrics` and its content type, in the form that `accept` asks for.
    pub fn render_metrics(&self, accept: Option<&str>) -> (&'static str, String) {
        let format = Format::negotiate(accept);
        (format.content_type(), render(&self.0.scrape(), format))
    }

    /// Since when the configuration on disk is rejected, in nanoseconds of Unix time; `None` while it is not.
    pub fn rejected_since_ns(&self) -> Option<u64> {
        let (_, _, since_ns) = self.0.registry.plans();
        (since_ns > 0).then_some(since_ns)
    }

    /// Shows and keeps the numbers of `source` from now on; at most [`SOURCES_MAX`] sources.
    pub fn add_source(&self, source: Arc<dyn SampleSource>) {
        let mut sources = self.0.sources();
        if sources.len() < SOURCES_MAX {
            sources.push(source);
        }
    }

    /// What takes secrets out of texts, for those that do not come from the relay.
    pub fn redactor(&self) -> Redactor {
        self.0.redaction.redactor.clone()
    }

    /// Who is refused for what was abnormal, now and later.
    pub fn blocks(&self) -> Arc<ArcSwap<Blocks>> {
        Arc::clone(self.0.watch.blocks())
    }

    /// The way into the store for what does not come from the relay; `None` while nothing is kept.
    pub fn keeper(&self) -> Option<Keeper> {
        self.0.store.clone().map(Keeper)
    }

    /// Works by new settings from now on. Lines that were observed before may still be written by
    /// the old ones.
    ///
    /// # Errors
    /// When the new exporter of spans cannot start; nothing is changed then.
    pub fn apply(&self, settings: Settings) -> Result<(), RecorderError> {
        self.0.tracer.apply(settings.spans.as_ref())?;
        self.0
            .redaction
            .apply(settings.redaction, settings.log.params_bytes_max);
        anomalies::apply(&self.0, settings.anomalies).map_err(RecorderError::Thread)?;
        self.0.registry.set_otel(settings.otel_operation_metric);
        self.0.registry.set_slos(&settings.slos);
        if let (Some(store), Some(kept)) = (&self.0.store, &settings.kept) {
            store.command(Item::Apply(kept.clone()));
        }
        let kept_level = settings.kept.map(|kept| kept.level);
        self.command(Command::Apply(Box::new(settings.log), kept_level));
        Ok(())
    }

    /// Waits until what was observed before is written and exported, for at most `limit`.
    pub async fn flush(&self, limit: Duration) -> FlushReport {
        let deadline = Instant::now() + limit;
        let lines_settled = self.settle(Command::Flush, limit).await;
        let left = deadline.saturating_duration_since(Instant::now());
        let kept = self.settle_store(Item::Flush, left).await;
        let lines_settled = lines_settled && kept;
        let left = deadline.saturating_duration_since(Instant::now());
        let spans_settled = self.0.tracer.flush(left).await;
        self.report(lines_settled, spans_settled)
    }

    /// Takes no more, writes and exports what was observed, and ends the thread, in at most `limit`.
    ///
    /// What comes later, or is left at the limit, is counted as dropped.
    pub async fn stop(&self, limit: Duration) -> FlushReport {
        let deadline = Instant::now() + limit;
        self.0.watch.stop();
        self.0.intake.close();
        let lines_settled = self.settle(Command::Stop, limit).await;
        if lines_settled {
            // What slipped in while the intake was closed: nobody takes it any more.
            self.0.intake.abandon();
        }
        // A disk that hangs must not cost the spans as well: the store has at most half of the time.
        let left = deadline.saturating_duration_since(Instant::now());
        let kept = self.settle_store(Item::Flush, left.min(limit / 2)).await;
        let lines_settled = lines_settled && kept;
        let left = deadline.saturating_duration_since(Instant::now());
        let spans_settled = self.0.tracer.stop(left).await;
        self.report(lines_settled, spans_settled)
    }

    /// Writes what the store was given, marks the end of our own series, and closes it, in at most `limit`; `false` when
    /// it took longer. After [`Recorder::stop`], and after everybody who reads on from it.
    pub async fn close_store(&self, limit: Duration) -> bool {
        self.settle_store(Item::Stop, limit).await
    }

    /// `true` when the command was carried out in time, or when the thread has ended and nothing is
    /// left to do.
    async fn settle(
        &self,
        command: impl FnOnce(oneshot::Sender<()>) -> Command,
        limit: Duration,
    ) -> bool {
        let (done, waited) = oneshot::channel();
        if !self.command(command(done)) {
            return true;
        }
        tokio::time::timeout(limit, waited)
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    /// The same for the store's thread.
    async fn settle_store(
        &self,
        item: impl FnOnce(oneshot::Sender<()>) -> Item,
        limit: Duration,
    ) -> bool {
        let Some(store) = &self.0.store else {
            return true;
        };
        let (done, waited) = oneshot::channel();
        if !store.command(item(done)) {
            return true;
        }
        tokio::time::timeout(limit, waited)
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    /// `false` when the thread has ended.
    fn command(&self, command: Command) -> bool {
        let mut commands = self
            .0
            .commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(commands) = &mut *commands else {
            return false;
        };
        commands.push(command);
        self.0.intake.wake();
        true
    }

    fn report(&self, lines_settled: bool, spans_settled: bool) -> FlushReport {
        let RecordTotals {
            offered,
            written,
            dropped_queue,
            dropped_disk,
            dropped_stdout,
            ..
        } = self.0.intake.totals();
        let dropped = dropped_queue + dropped_disk + dropped_stdout;
        FlushReport {
            lines_settled,
            spans_settled,
            offered,
            written,
            dropped,
        }
    }
}

/// Most sources of numbers besides our own.
pub const SOURCES_MAX: usize = 16;

/// All numbers, others' included, as one source: for whoever passes them on.
impl SampleSource for Recorder {
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        give(&self.0.scrape(), &mut Passing::new(out));
    }
}

impl RecordSink for Recorder {
    fn observe(&self, observation: Observation) {
        self.0.observe(observation);
    }

    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.0.redaction.redactor.text(text)
    }
}

impl Shared {
    /// Everything that a scrape shows.
    pub(crate) fn scrape(&self) -> Scrape<'_> {
        Scrape {
            registry: &self.registry,
            records: self.intake.totals(),
            spans: self.tracer.totals(),
            version: &self.version,
            started_unix_s: self.started_unix_s,
            process: ProcessUse::read(),
            kept: self.store.as_ref().map(Queue::totals),
            sources: self.sources().clone(),
        }
    }

    /// Pushed and read whole: a panic elsewhere leaves the list in order.
    fn sources(&self) -> MutexGuard<'_, Vec<Arc<dyn SampleSource>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out secrets first of all, counts at once, and queues what needs a line.
    pub(crate) fn observe(&self, mut observation: Observation) {
        self.redaction.clean(&mut observation);
        self.watch.see(&observation);
        let Self {
            registry, intake, ..
        } = self;
        match &observation {
            Observation::Call(record) => registry.call(record),
            Observation::Event(event) => registry.event(event),
            Observation::Line(_) => {}
            Observation::Proc(sample) => return registry.sample(sample),
        }
        intake.offer(observation);
    }
}
