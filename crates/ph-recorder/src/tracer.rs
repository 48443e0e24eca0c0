//! The exporter of spans and what a reload does to it.

use crate::exposition::SpanTotals;
use crate::registry::{Exemplar, Registry};
use crate::sampling::Sampling;
use crate::settings::SpanSettings;
use crate::spans::spans;
use arc_swap::ArcSwapOption;
use ph_otlp::{Exporter, SourceName, Tuning};
use ph_record::{CallRecord, Server};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Makes spans of kept calls and hands them to the exporter.
pub(crate) struct Tracer {
    runtime: Handle,
    version: String,
    active: ArcSwapOption<Active>,
    /// Exporters of former settings, until their last spans are settled.
    former: Mutex<Former>,
}

struct Active {
    exporter: Arc<Exporter>,
    sampling: Sampling,
    arguments: bool,
    /// Spans lost to the collector when that was last asked.
    lost_seen: AtomicU64,
}

#[derive(Default)]
struct Former {
    settled: SpanTotals,
    leaving: Vec<Arc<Exporter>>,
    any: bool,
}

/// How long a replaced exporter may take for what it holds.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);

impl Tracer {
    pub(crate) fn new(runtime: Handle, version: &str) -> Self {
        Self {
            runtime,
            version: version.to_owned(),
            active: ArcSwapOption::empty(),
            former: Mutex::default(),
        }
    }

    /// Exports by `settings` from now on; what the exporter before holds is sent in the background.
    ///
    /// # Errors
    /// When the new exporter cannot start; the one before goes on.
    pub(crate) fn apply(&self, settings: Option<&SpanSettings>) -> Result<(), ph_otlp::StartError> {
        let next = settings.map(|s| self.start(s)).transpose()?.map(Arc::new);
        if let Some(before) = self.active.swap(next) {
            let exporter = Arc::clone(&before.exporter);
            let mut former = self.former();
            former.any = true;
            former.leaving.push(Arc::clone(&exporter));
            drop(former);
            self.runtime
                .spawn(async move { exporter.stop(LEAVE_LIMIT).await });
        }
        Ok(())
    }

    fn start(&self, settings: &SpanSettings) -> Result<Active, ph_otlp::StartError> {
        let source = SourceName {
            service: "pilothouse",
            version: &self.version,
            scope: "pilothouse",
        };
        let tuning = Tuning {
            queue_spans_max: settings.queue_max,
            ..Tuning::default()
        };
        Ok(Active {
            exporter: Arc::new(Exporter::start(
                settings.collector.clone(),
                &source,
                tuning,
                &self.runtime,
            )?),
            lost_seen: AtomicU64::new(0),
            sampling: Sampling::new(settings.sample_ratio, settings.slow),
            arguments: settings.arguments,
        })
    }

    /// Exports the spans of `record` if its trace is kept, and shows it as an exemplar.
    pub(crate) fn call(&self, record: &CallRecord, server: Option<&Server>, registry: &Registry) {
        let active = self.active.load();
        let Some(active) = active.as_deref().filter(|a| a.sampling.keeps(record)) else {
            return;
        };
        let (received, sent) = spans(record, server, active.arguments);
        let kept = active.exporter.offer(&received);
        if let Some(sent) = sent {
            active.exporter.offer(&sent);
        }
        if kept && !record.is_stream {
            registry
                .server(record.server)
                .cell(record.method, record.tool)
                .show(&Exemplar::of(record));
        }
    }

    /// Why spans were lost, if any were since this was last asked.
    pub(crate) fn new_failure(&self) -> Option<String> {
        let active = self.active.load();
        let active = active.as_deref()?;
        let lost = active.exporter.counts().dropped_export;
        let more = active.lost_seen.swap(lost, Relaxed) < lost;
        more.then(|| active.exporter.last_failure().unwrap_or_default())
    }

    /// What became of all spans; `None` when none were ever exported.
    pub(crate) fn totals(&self) -> Option<SpanTotals> {
        let mut former = self.former();
        let mut totals = former.settled;
        let mut still = Vec::new();
        for exporter in std::mem::take(&mut former.leaving) {
            let counts = exporter.counts();
            totals.add(&counts);
            if counts.queued == 0 {
                // It takes no more, so these are its last counts.
                former.settled.add(&counts);
            } else {
                still.push(exporter);
            }
        }
        former.leaving = still;
        let active = self.active.load_full();
        if let Some(active) = &active {
            totals.add(&active.exporter.counts());
        }
        (former.any || active.is_some()).then_some(totals)
    }

    /// Sends what is queued; `true` when all of it was settled within `limit`.
    pub(crate) async fn flush(&self, limit: Duration) -> bool {
        match self.active.load_full() {
            Some(active) => active.exporter.flush(limit).await,
            None => true,
        }
    }

    /// Sends what is queued and takes no more.
    pub(crate) async fn stop(&self, limit: Duration) -> bool {
        match self.active.load_full() {
            Some(active) => active.exporter.stop(limit).await,
            None => true,
        }
    }

    fn former(&self) -> MutexGuard<'_, Former> {
        // Counts stay right whatever panicked elsewhere.
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanTotals {
    fn add(&mut self, counts: &ph_otlp::Counts) {
        self.offered += counts.offered;
        self.exported += counts.exported;
        self.dropped_queue += counts.dropped_queue;
        self.dropped_export += counts.dropped_export;
    }
}
