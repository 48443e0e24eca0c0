//! Spans of the workbench's own work, joined to the caller's trace.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ph_base::trace::{RemoteParent, SpanId, TraceId, traceparent};
use ph_otlp::{Event, Exporter, Kind, Link, Span, Status, Value, flags};

/// Makes ids and times, and hands finished spans on.
pub(crate) struct Tracer {
    exporter: Option<Exporter>,
    seed: AtomicU64,
    started: Instant,
    started_unix_ns: u64,
}

impl Tracer {
    /// - errors: the system gives no random numbers.
    pub(crate) fn new(exporter: Option<Exporter>) -> Result<Self, getrandom::Error> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            exporter,
            seed: AtomicU64::new(getrandom::u64()?),
            started: Instant::now(),
            started_unix_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        })
    }

    /// Begins the span of one call.
    pub(crate) fn call(self: &Arc<Self>, name: String, caller: &Caller) -> Call {
        let parent = caller.parent();
        let trace_id = parent.map_or_else(|| self.trace_id(), |it| it.trace_id);
        let trace = Trace {
            tracer: Arc::clone(self),
            trace_id,
            span_id: self.span_id(),
            is_sampled: parent.is_none_or(RemoteParent::is_sampled),
        };
        let mut span = trace.span(
            trace.span_id,
            parent.map(|it| it.span_id),
            name.into(),
            Kind::Server,
        );
        span.flags |= flags::PARENT_REMOTE_KNOWN;
        if parent.is_some() {
            span.flags |= flags::PARENT_IS_REMOTE;
        }
        span.trace_state.clone_from(&caller.trace_state);
        span.links = caller
            .ambient()
            .map(|it| Link {
                trace_id: it.trace_id,
                span_id: it.span_id,
            })
            .into_iter()
            .collect();
        Call {
            trace,
            span,
            began: Instant::now(),
        }
    }

    /// Sends what is left; at most `limit`.
    pub(crate) async fn stop(&self, limit: Duration) {
        if let Some(exporter) = &self.exporter {
            exporter.stop(limit).await;
        }
    }

    fn now_unix_ns(&self) -> u64 {
        let since = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.started_unix_ns.saturating_add(since)
    }

    fn trace_id(&self) -> TraceId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.random().to_be_bytes());
        id[8..].copy_from_slice(&self.random().to_be_bytes());
        TraceId(id)
    }

    fn span_id(&self) -> SpanId {
        SpanId(self.random().to_be_bytes())
    }

    /// The next number of a SplitMix64 generator with a random start; never 0.
    fn random(&self) -> u64 {
        let mut z = self
            .seed
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).max(1)
    }
}

/// What a request says of the trace that it belongs to.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// `params._meta.traceparent`.
    pub(crate) meta: Option<RemoteParent>,
    /// The HTTP header.
    pub(crate) header: Option<RemoteParent>,
    /// `tracestate` of the one that is the parent.
    pub(crate) trace_state: String,
}

impl Caller {
    /// The message's own context is nearer to the call than that of its carrier.
    fn parent(&self) -> Option<RemoteParent> {
        self.meta.or(self.header)
    }

    /// The carrier's context, when it is not the parent.
    fn ambient(&self) -> Option<RemoteParent> {
        self.header
            .filter(|header| self.meta.is_some_and(|meta| meta.span_id != header.span_id))
    }
}

/// The span of a call while it runs.
pub(crate) struct Call {
    trace: Trace,
    span: Span,
    began: Instant,
}

impl Call {
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(crate) fn trace_id(&self) -> TraceId {
        self.trace.trace_id
    }

    pub(crate) fn name(&self) -> &str {
        &self.span.name
    }

    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.span.attributes.push((key.into(), value.into()));
    }

    /// Marks it failed: `error_type` is a bounded word, `text` is for people.
    pub(crate) fn fail(&mut self, error_type: String, text: String) {
        self.set("error.type", error_type);
        self.span.status = Status::Error(text.into());
    }

    /// Ends it and says how long it took.
    pub(crate) fn end(self) -> Duration {
        self.trace.offer(self.span);
        self.began.elapsed()
    }
}

/// The place in a trace that steps are hung below. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Trace {
    tracer: Arc<Tracer>,
    trace_id: TraceId,
    span_id: SpanId,
    is_sampled: bool,
}

impl Trace {
    /// Begins a step; it ends when the guard is dropped.
    pub(crate) fn step(&self, name: &'static str, kind: Kind) -> Step {
        let id = self.tracer.span_id();
        let span = self.span(id, Some(self.span_id), Cow::Borrowed(name), kind);
        Step {
            trace: self.clone(),
            span: Some(span),
        }
    }

    /// Gathers many small steps of one name into one span.
    pub(crate) fn fold(&self, name: &'static str) -> Fold<'_> {
        Fold {
            trace: self,
            name,
            step: None,
            count: 0,
            busy: Duration::ZERO,
        }
    }

    fn span(
        &self,
        span_id: SpanId,
        parent: Option<SpanId>,
        name: Cow<'static, str>,
        kind: Kind,
    ) -> Span {
        let now = self.tracer.now_unix_ns();
        Span {
            trace_id: self.trace_id,
            span_id,
            parent,
            trace_state: String::new(),
            name,
            kind,
            start_unix_ns: now,
            end_unix_ns: now,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
            flags: if self.is_sampled { flags::SAMPLED } else { 0 },
        }
    }

    fn offer(&self, mut span: Span) {
        if let Some(exporter) = &self.tracer.exporter
            && self.is_sampled
        {
            span.end_unix_ns = self.tracer.now_unix_ns();
            // A full queue drops the span and counts it; the work goes on.
            let _queued = exporter.offer(&span);
        }
    }
}

/// One step of a call.
pub(crate) struct Step {
    trace: Trace,
    /// Taken when it ends.
    span: Option<Span>,
}

impl Step {
    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.span {
            span.attributes.push((key.into(), value.into()));
        }
    }

    /// Marks the step failed and keeps the message as an exception event.
    pub(crate) fn fail(&mut self, error_type: &'static str, text: String) {
        self.set("error.type", error_type);
        let unix_ns = self.trace.tracer.now_unix_ns();
        if let Some(span) = &mut self.span {
            span.status = Status::Error(text.clone().into());
            let attributes = vec![
                ("exception.type".into(), error_type.into()),
                ("exception.message".into(), text.into()),
            ];
            span.events.push(Event {
                unix_ns,
                name: "exception".into(),
                attributes,
            });
        }
    }

    /// What to send along so that the receiver's spans hang below this step.
    pub(crate) fn traceparent(&self) -> String {
        let id = self
            .span
            .as_ref()
            .map_or(self.trace.span_id, |span| span.span_id);
        let text = traceparent(self.trace.trace_id, id, u8::from(self.trace.is_sampled));
        text.map(char::from).into_iter().collect()
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            self.trace.offer(span);
        }
    }
}

/// Many small steps as one span, from the first to the end of the last, with
/// their number (`count`) and the time they took together (`busy_ms`).
pub(crate) struct Fold<'a> {
    trace: &'a Trace,
    name: &'static str,
    step: Option<Step>,
    count: i64,
    busy: Duration,
}

impl Fold<'_> {
    /// Does the work of `count` steps and adds its time.
    pub(crate) fn time<T>(&mut self, count: usize, work: impl FnOnce() -> T) -> T {
        self.step
            .get_or_insert_with(|| self.trace.step(self.name, Kind::Internal));
        let began = Instant::now();
        let result = work();
        self.busy += began.elapsed();
        self.count += i64::try_from(count).unwrap_or(i64::MAX);
        result
    }
}

impl Drop for Fold<'_> {
    fn drop(&mut self) {
        if let Some(mut step) = self.step.take() {
            step.set("count", self.count);
            step.set("busy_ms", self.busy.as_secs_f64() * 1_000.0);
        }
    }
}
