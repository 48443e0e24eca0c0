//! Levels of log lines.

use ph_record::{CallRecord, EventKind, HealthResult, Outcome};

/// From the most to the least talkative; a filter lets through what is at least its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What a developer asks for: health checks that passed.
    Debug,
    /// Every call.
    Info,
    /// What an operator should look at: refusals, tools that failed, restarts.
    Warn,
    /// What failed: 5xx, timeouts, crashes. These lines are in `error.log` too.
    Error,
}

impl Level {
    /// The text in log lines and in `LOG_LEVEL`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level of a call's line.
    pub(crate) fn of_call(record: &CallRecord) -> Self {
        match (record.verdict.status, record.verdict.outcome) {
            (500.., _) | (_, Outcome::Timeout) => Self::Error,
            // That its client leaves is how a stream ends.
            (_, Outcome::ClientGone) if record.is_stream => Self::Info,
            (400.., _) | (_, Outcome::ToolError) => Self::Warn,
            _ => Self::Info,
        }
    }

    /// The level of an event's line.
    pub(crate) fn of_event(kind: &EventKind) -> Self {
        match kind {
            EventKind::ChildExited {
                expected: false, ..
            }
            | EventKind::CrashLoop { .. }
            | EventKind::StoreFailing { .. }
            | EventKind::PlanRejected { .. } => Self::Error,
            EventKind::Alert {
                firing: true,
                severity,
                ..
            } if &**severity == "critical" => Self::Error,
            EventKind::Restart { .. }
            | EventKind::Alert { firing: true, .. }
            | EventKind::Refused { .. }
            | EventKind::Anomaly(_)
            | EventKind::ToolDefinition { .. }
            | EventKind::Note { warning: true, .. } => Self::Warn,
            EventKind::Health {
                result: HealthResult::Ok,
                ..
            } => Self::Debug,
            EventKind::Health { .. } => Self::Warn,
            EventKind::ChildStarted { .. }
            | EventKind::ChildExited { expected: true, .. }
            | EventKind::PlanLoaded { .. }
            | EventKind::Alert { firing: false, .. }
            | EventKind::ToolApproved { .. }
            | EventKind::StoreRecovered { .. }
            | EventKind::Note { warning: false, .. } => Self::Info,
        }
    }
}
