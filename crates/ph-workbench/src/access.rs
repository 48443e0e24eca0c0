//! One line for each call.

use std::borrow::Cow;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ph_base::trace::TraceId;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// The tool's own error; the label says which.
    ToolError(&'static str),
    /// A JSON-RPC error with this code.
    ProtocolError(i32),
    Cancelled,
}

impl Outcome {
    /// The word in the access line.
    pub(crate) fn as_label(&self) -> Cow<'static, str> {
        match self {
            Self::Ok => "ok".into(),
            Self::ToolError(label) => format!("tool_error/{label}").into(),
            Self::ProtocolError(code) => format!("protocol_error/{code}").into(),
            Self::Cancelled => "cancelled".into(),
        }
    }
}

/// Where the lines go.
pub(crate) struct AccessLog(Mutex<Box<dyn Write + Send>>);

impl AccessLog {
    pub(crate) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(writer))
    }

    /// `name` is the method and its target: `tools/call echo`.
    pub(crate) fn write(&self, name: &str, took: Duration, outcome: &Outcome, trace_id: TraceId) {
        let now = Timestamp::now();
        let ms = took.as_secs_f64() * 1_000.0;
        let line = format!(
            "{now:.3} {name} {ms:.3}ms {} trace_id={trace_id}\n",
            outcome.as_label()
        );
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // In one write, so that lines of several processes do not mix. A reader that
        // went away must not cost the call its answer.
        let _written = writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush());
    }
}
