//! The handle that everybody else holds.

use crate::complaints::Complain;
use crate::exposition::{Format, RecordTotals, Scrape, render};
use crate::intake::Intake;
use crate::process::ProcessUse;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::tracer::Tracer;
use crate::worker::{Command, Worker};
use ph_record::{Observation, RecordSink, ServerTable};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
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
    pub(crate) registry: Registry,
    pub(crate) intake: Intake,
    pub(crate) tracer: Tracer,
    /// `None` once the thread has ended.
    pub(crate) commands: Mutex<Option<Vec<Command>>>,
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
    /// The thread cannot be started.
    #[error("the recorder's thread cannot be started")]
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
            stdout,
            complain,
        } = start;
        let complain: Complain = complain.into();
        let tracer = Tracer::new(runtime, &version);
        tracer.apply(settings.spans.as_ref(), &settings.log)?;
        let registry = Registry::new(servers);
        registry.set_otel(settings.otel_operation_metric);
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let shared = Arc::new(Shared {
            registry,
            intake: Intake::new(QUEUE_RECORDS),
            tracer,
            commands: Mutex::new(Some(Vec::new())),
            version,
            started_unix_s: since_epoch.as_secs_f64(),
        });
        let worker = Worker::new(Arc::clone(&shared), settings.log, stdout, complain);
        let thread = thread::Builder::new().name("recorder".to_owned());
        thread
            .spawn(move || worker.run())
            .map_err(RecorderError::Thread)?;
        Ok(Self(shared))
    }

    /// The text of `/metrics` and its content type, in the form that `accept` asks for.
    pub fn render_metrics(&self, accept: Option<&str>) -> (&'static str, String) {
        let format = Format::negotiate(accept);
        let scrape = Scrape {
            registry: &self.0.registry,
            records: self.0.intake.totals(),
            spans: self.0.tracer.totals(),
            version: &self.0.version,
            started_unix_s: self.0.started_unix_s,
            process: ProcessUse::read(),
        };
        (format.content_type(), render(&scrape, format))
    }

    /// Works by new settings from now on. Lines that were observed before may still be written by
    /// the old ones.
    ///
    /// # Errors
    /// When the new exporter of spans cannot start; nothing is changed then.
    pub fn apply(&self, settings: Settings) -> Result<(), RecorderError> {
        self.0
            .tracer
            .apply(settings.spans.as_ref(), &settings.log)?;
        self.0.registry.set_otel(settings.otel_operation_metric);
        self.command(Command::Apply(Box::new(settings.log)));
        Ok(())
    }

    /// Waits until what was observed before is written and exported, for at most `limit`.
    pub async fn flush(&self, limit: Duration) -> FlushReport {
        let deadline = Instant::now() + limit;
        let lines_settled = self.settle(Command::Flush, limit).await;
        let left = deadline.saturating_duration_since(Instant::now());
        let spans_settled = self.0.tracer.flush(left).await;
        self.report(lines_settled, spans_settled)
    }

    /// Takes no more, writes and exports what was observed, and ends the thread, in at most `limit`.
    ///
    /// What comes later, or is left at the limit, is counted as dropped.
    pub async fn stop(&self, limit: Duration) -> FlushReport {
        let deadline = Instant::now() + limit;
        self.0.intake.close();
        let lines_settled = self.settle(Command::Stop, limit).await;
        if lines_settled {
            // What slipped in while the intake was closed: nobody takes it any more.
            self.0.intake.abandon();
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let spans_settled = self.0.tracer.stop(left).await;
        self.report(lines_settled, spans_settled)
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

impl RecordSink for Recorder {
    fn observe(&self, observation: Observation) {
        let Shared {
            registry, intake, ..
        } = &*self.0;
        match &observation {
            Observation::Call(record) => registry.call(record),
            Observation::Event(event) => registry.event(event),
            Observation::Line(_) => {}
            Observation::Proc(sample) => return registry.sample(sample),
        }
        intake.offer(observation);
    }
}
