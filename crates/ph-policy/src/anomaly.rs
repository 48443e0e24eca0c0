//! Abnormal patterns of access: what was usual of each client, and what is not.
//!
//! [`Detectors`] see calls after they ended and say what was abnormal; [`ArgumentRules`] look at arguments
//! before a server has them; [`Blocks`] is who is refused for how long. What is remembered of a client is
//! bounded, and so is the number of clients.

mod arguments;
mod blocks;
mod client;
mod detectors;
mod history;
mod lru;

mod shapes;
mod sizes;
#[cfg(test)]
mod traces;

pub use arguments::ArgumentRules;
pub use blocks::{Blocked, Blocks};
pub use detectors::{Detectors, Evidence, Finding};

use ph_base::Blame;
use ph_record::{
    AnomalyKind, CallRecord, Caller, Direction, Ending, Outcome, RefusedReason, ServerIdx, ToolIdx,
};

/// What detectors are told of a call that ended, or of a request that was refused before it was one.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Unix time in milliseconds at which it was over.
    pub at_ms: u64,
    /// Who it is from.
    pub caller: Caller,
    /// The server; `None` when none could be told.
    pub server: Option<ServerIdx>,
    /// The tool.
    pub tool: ToolIdx,
    /// What became of it.
    pub what: What,
    /// Hash of the name of tool, prompt or resource; 0 without one.
    pub target: u32,
    /// Bytes of the request.
    pub request_bytes: u32,
    /// Bytes of the answer.
    pub response_bytes: u32,
    /// What was found in its arguments.
    pub shape: Option<Box<ph_record::Shape>>,
}

/// What became of a request, as far as detectors care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was answered.
    Answered,
    /// Its caller, or the tool, made a mistake.
    Failed,
    /// What it names does not exist, or may not be had.
    Unknown,
    /// It could not show who it is from.
    Unauthenticated,
    /// It says nothing about its caller: the server was away, a limit held it back, the client left.
    Nothing,
}

impl Seen {
    /// What detectors are told of a call; `None`: nothing, since nobody watches or it is the server's.
    pub fn of_call(record: &CallRecord) -> Option<Self> {
        let caller = record.caller.clone()?;
        let is_known = record.ending == BLOCKED && record.shape.is_none();
        if record.direction == Direction::ToClient || is_known {
            return None;
        }
        let end_ns = record.started_unix_ns.saturating_add(record.duration_ns);
        let bytes = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        Some(Self {
            at_ms: end_ns / 1_000_000,
            caller,
            server: Some(record.server),
            tool: record.tool,
            what: What::of(record),
            target: record.target.as_deref().map_or(0, hash),
            request_bytes: bytes(record.request_bytes),
            response_bytes: bytes(record.response_bytes),
            shape: record.shape.clone(),
        })
    }

    /// A request that could not show who it is from.
    #[cfg(test)]
    pub(crate) fn of_stranger(caller: Caller, server: Option<ServerIdx>, at_unix_ns: u64) -> Self {
        Self {
            at_ms: at_unix_ns / 1_000_000,
            caller,
            server,
            tool: ToolIdx::NONE,
            what: What::Unauthenticated,
            target: 0,
            request_bytes: 0,
            response_bytes: 0,
            shape: None,
        }
    }
}

/// Who is refused for what was abnormal makes nothing abnormal by it.
const BLOCKED: Ending = Ending::Refused(RefusedReason::Blocked);

impl What {
    fn of(record: &CallRecord) -> Self {
        match (record.ending, record.verdict.outcome) {
            (Ending::Refused(RefusedReason::Unauthenticated), _) => Self::Unauthenticated,
            (Ending::Refused(RefusedReason::Forbidden), _) => Self::Unknown,
            (
                Ending::Refused(
                    RefusedReason::RateLimited
                    | RefusedReason::TooManySessions
                    | RefusedReason::TooManyStreams
                    | RefusedReason::Blocked
                    | RefusedReason::SessionUnknown
                    | RefusedReason::SessionMissing
                    | RefusedReason::Era
                    | RefusedReason::SlowBody,
                ),
                _,
            ) => Self::Nothing,
            (_, Outcome::ProtocolError) if record.verdict.status == 404 => Self::Unknown,
            (_, Outcome::ProtocolError) if record.verdict.blame == Blame::Caller => Self::Failed,
            (_, Outcome::ToolError | Outcome::Refused) => Self::Failed,
            (_, outcome) if outcome.is_answer() => Self::Answered,
            _ => Self::Nothing,
        }
    }

    fn is_error(self) -> bool {
        matches!(self, Self::Failed | Self::Unknown)
    }
}

/// FNV-1a: names are told apart by it, and nothing depends on it that somebody could gain by.
fn hash(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step).max(1)
}

/// The kind that a plan's word means.
fn kind_of(name: ph_plan::AnomalyName) -> Option<AnomalyKind> {
    AnomalyKind::parse(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_plan_are_the_labels() {
        for (name, kind) in ph_plan::AnomalyName::ALL.iter().zip(AnomalyKind::ALL) {
            assert_eq!(kind_of(*name), Some(kind));
        }
        assert_eq!(ph_plan::AnomalyName::ALL.len(), AnomalyKind::ALL.len());
    }
}
