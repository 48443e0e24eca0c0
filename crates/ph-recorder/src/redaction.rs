//! Takes secrets out of what was observed, before anything of it waits, is written or is sent.

use crate::line::params;
use ph_record::{CallRecord, Caller, EventKind, Observation, RedactSettings, Redactor, Shape};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The redactor, and how much of parameters is kept.
#[derive(Debug)]
pub(crate) struct Redaction {
    pub(crate) redactor: Redactor,
    params_bytes_max: AtomicUsize,
}

/// A text this near to its bound was cut there: a character has up to four bytes.
const CUT_BYTES: usize = 3;
/// Longest line of stderr; a cut one says after it how much is missing.
const LINE_BYTES_MAX: usize = 8 * 1024;

impl Redaction {
    pub(crate) fn new(settings: RedactSettings, params_bytes_max: usize) -> Self {
        Self {
            redactor: Redactor::new(settings),
            params_bytes_max: AtomicUsize::new(params_bytes_max),
        }
    }

    pub(crate) fn apply(&self, settings: RedactSettings, params_bytes_max: usize) {
        self.redactor.apply(settings);
        self.params_bytes_max.store(params_bytes_max, Relaxed);
    }

    /// Every text of `observation` without secrets.
    pub(crate) fn clean(&self, observation: &mut Observation) {
        match observation {
            Observation::Call(record) => self.call(record),
            Observation::Line(line) => self.line(&mut line.text),
            Observation::Event(event) => self.event(&mut event.kind),
            Observation::Proc(_) => {}
        }
    }

    fn call(&self, record: &mut CallRecord) {
        const NAME: usize = CallRecord::TEXT_BYTES_MAX;
        let CallRecord {
            method_text,
            tool,
            caller,
            shape,
            target,
            client,
            request_id,
            trace_state,
            error,
            params: raw,
            ..
        } = record;
        self.some(method_text, NAME);
        self.some(request_id, NAME);
        self.some(trace_state, CallRecord::TRACE_STATE_BYTES_MAX);
        self.some(error, CallRecord::ERROR_BYTES_MAX);
        self.some(client, NAME);
        self.caller(caller);
        if let Some(shape) = shape {
            self.shape(shape);
        }
        // A tool with a label of its own was looked at when it got it.
        if matches!(*tool, ph_record::ToolIdx::NONE | ph_record::ToolIdx::OTHER) {
            self.some(target, NAME);
        }
        *raw = raw.take().and_then(|raw| {
            params::redacted(&self.redactor, &raw, self.params_bytes_max.load(Relaxed))
                .map(Into::into)
        });
    }

    fn line(&self, text: &mut Box<str>) {
        if text.len() <= LINE_BYTES_MAX {
            return self.text(text);
        }
        let mut end = LINE_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (head, rest) = text.split_at(end);
        if let Cow::Owned(head) = self.redactor.cut(head) {
            *text = [&head, rest].concat().into();
        }
    }

    fn event(&self, kind: &mut EventKind) {
        match kind {
            EventKind::ChildExited {
                how, stderr_tail, ..
            } => {
                self.text(how);
                self.text(stderr_tail);
            }
            EventKind::Health { error, .. } => {
                if let Some(error) = error {
                    self.text(error);
                }
            }
            EventKind::PlanRejected { reasons: text }
            | EventKind::StoreFailing { error: text }
            | EventKind::Note { text, .. } => self.text(text),
            EventKind::Anomaly(anomaly) => {
                self.caller(&mut anomaly.caller);
                self.text(&mut anomaly.seen);
            }
            EventKind::Alert {
                labels, summary, ..
            } => {
                self.text(labels);
                self.text(summary);
            }
            EventKind::ToolDefinition { tool, places, .. } => {
                self.text(tool);
                self.text(places);
            }
            EventKind::ToolApproved { tool, by } => {
                self.text(tool);
                self.text(by);
            }
            EventKind::ChildStarted { .. }
            | EventKind::Restart { .. }
            | EventKind::Refused { .. }
            | EventKind::CrashLoop { .. }
            | EventKind::PlanLoaded { .. }
            | EventKind::StoreRecovered { .. } => {}
        }
    }

    /// A name that somebody chose may be a secret; one that was shown is none.
    fn caller(&self, caller: &mut Option<Caller>) {
        if let Some(Caller::Named(name)) = caller {
            self.text(name);
        }
    }

    /// What stands under the key of a secret is one, whatever it looks like.
    fn shape(&self, shape: &mut Shape) {
        match self.redactor.keyed(&shape.argument) {
            Some(mark) => shape.excerpt = mark.into(),
            None => {
                if let Cow::Owned(clean) = self.redactor.cut(&shape.excerpt) {
                    shape.excerpt = clean.into();
                }
            }
        }
        self.text(&mut shape.argument);
    }

    fn text(&self, text: &mut Box<str>) {
        if let Cow::Owned(clean) = self.redactor.text(text) {
            *text = clean.into();
        }
    }

    /// - `bytes_max`: where texts of this kind are cut.
    fn some<T>(&self, text: &mut Option<T>, bytes_max: usize)
    where
        T: AsRef<str> + From<String>,
    {
        let Some(has) = text else {
            return;
        };
        let raw = has.as_ref();
        let clean = if raw.len() + CUT_BYTES >= bytes_max {
            self.redactor.cut(raw)
        } else {
            self.redactor.text(raw)
        };
        if let Cow::Owned(clean) = clean {
            *has = clean.into();
        }
    }
}
