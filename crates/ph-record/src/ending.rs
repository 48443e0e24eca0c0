//! How a call ended, and what that means as status, outcome and blame.
//!
//! One exhaustive function decides all three, so that a metric, a log line and
//! a span can never tell different stories.

use ph_base::{Blame, Method};

/// What a call came to. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// A result.
    Ok,
    /// A result whose `isError` is true: the tool's own failure.
    ToolError,
    /// A modern result that asks the client for input first.
    InputRequired,
    /// A result that hands out a task instead of an answer.
    Task,
    /// A JSON-RPC error, or an answer that is none.
    ProtocolError,
    /// Pilothouse refused before the server saw it.
    Refused,
    /// A deadline passed.
    Timeout,
    /// The server was not there, or could not take it.
    Unavailable,
    /// The client took it back.
    Cancelled,
    /// The client left.
    ClientGone,
}

impl Outcome {
    /// Every value, in index order.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::ToolError,
        Self::InputRequired,
        Self::Task,
        Self::ProtocolError,
        Self::Refused,
        Self::Timeout,
        Self::Unavailable,
        Self::Cancelled,
        Self::ClientGone,
    ];

    /// The value of the `outcome` label.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::InputRequired => "input_required",
            Self::Task => "task",
            Self::ProtocolError => "protocol_error",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
            Self::ClientGone => "client_gone",
        }
    }

    /// `true` when the caller got what the server had to say.
    pub fn is_answer(self) -> bool {
        matches!(
            self,
            Self::Ok | Self::ToolError | Self::InputRequired | Self::Task
        )
    }
}

/// Why Pilothouse refused without asking the server. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RefusedReason {
    /// `Host` is not one of ours.
    Host,
    /// `Origin` is not allowed.
    Origin,
    /// The HTTP head or path makes no sense here.
    Head,
    /// No server at this path.
    NoSuchServer,
    /// HTTP method not allowed at this path.
    HttpMethod,
    /// The body is not JSON, or not one JSON-RPC message.
    Malformed,
    /// A header says something else than the body.
    HeaderMismatch,
    /// The body is larger than the limit.
    TooLarge,
    /// The body did not arrive in time.
    SlowBody,
    /// `Mcp-Session-Id` is missing.
    SessionMissing,
    /// `Mcp-Session-Id` names no live session.
    SessionUnknown,
    /// The server does not speak this era or revision.
    Era,
    /// `Content-Type` is not JSON.
    MediaType,
    /// `Accept` allows nothing that is served.
    NotAcceptable,
    /// The same request id is in flight in this session.
    DuplicateId,
    /// A limit on calls.
    RateLimited,
    /// It is not shown who asks.
    Unauthenticated,
    /// Who asks may not have this.
    Forbidden,
    /// Who asks behaved in a way that is configured to be blocked.
    Blocked,
    /// What the tool says of itself is not what was approved.
    ToolChanged,
    /// Whether a limit allows it cannot be found out.
    LimitsUnavailable,
    /// On a child that sessions share, nobody can tell whose it is.
    Unattributed,
    /// Who asks has as many sessions as one client may have.
    TooManySessions,
    /// Who asks has as many open streams as one client may have.
    TooManyStreams,
}

impl RefusedReason {
    /// Every value, in index order.
    pub const ALL: [Self; 24] = [
        Self::Host,
        Self::Origin,
        Self::Head,
        Self::NoSuchServer,
        Self::HttpMethod,
        Self::Malformed,
        Self::HeaderMismatch,
        Self::TooLarge,
        Self::SlowBody,
        Self::SessionMissing,
        Self::SessionUnknown,
        Self::Era,
        Self::MediaType,
        Self::NotAcceptable,
        Self::DuplicateId,
        Self::RateLimited,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Blocked,
        Self::ToolChanged,
        Self::LimitsUnavailable,
        Self::Unattributed,
        Self::TooManySessions,
        Self::TooManyStreams,
    ];

    /// The value of the `reason` label.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Head => "head",
            Self::NoSuchServer => "no_such_server",
            Self::HttpMethod => "http_method",
            Self::Malformed => "malformed",
            Self::HeaderMismatch => "header_mismatch",
            Self::TooLarge => "too_large",
            Self::SlowBody => "slow_body",
            Self::SessionMissing => "session_missing",
            Self::SessionUnknown => "session_unknown",
            Self::Era => "era",
            Self::MediaType => "media_type",
            Self::NotAcceptable => "not_acceptable",
            Self::DuplicateId => "duplicate_id",
            Self::RateLimited => "rate_limited",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Blocked => "blocked",
            Self::ToolChanged => "tool_changed",
            Self::LimitsUnavailable => "limits_unavailable",
            Self::Unattributed => "unattributed",
            Self::TooManySessions => "too_many_sessions",
            Self::TooManyStreams => "too_many_streams",
        }
    }

    /// The HTTP status of the refusal.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Host
            | Self::Origin
            | Self::Forbidden
            | Self::Blocked
            | Self::ToolChanged
            | Self::Unattributed => 403,
            Self::NoSuchServer | Self::SessionUnknown => 404,
            Self::HttpMethod => 405,
            Self::NotAcceptable => 406,
            Self::MediaType => 415,
            Self::SlowBody => 408,
            Self::TooLarge => 413,
            Self::RateLimited | Self::TooManySessions | Self::TooManyStreams => 429,
            Self::LimitsUnavailable => 503,
            Self::Head
            | Self::Malformed
            | Self::HeaderMismatch
            | Self::SessionMissing
            | Self::Era
            | Self::DuplicateId => 400,
        }
    }
}

/// What the server's answer said, as far as a call's end depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A result, complete.
    Complete,
    /// A result with `isError: true`.
    ToolError,
    /// `resultType: input_required`.
    InputRequired,
    /// `resultType: task`, or a result with a task in it.
    Task,
    /// A JSON-RPC error with this code.
    Error(i64),
}

/// Why a call is over. Exactly one per call; the first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server answered.
    Answered(Answer),
    /// An HTTP upstream answered with this status (400 or above) and no JSON-RPC message.
    HttpError(u16),
    /// The server's answer is no JSON-RPC answer to this request.
    BadAnswer,
    /// Refused by us.
    Refused(RefusedReason),
    /// Too many calls in flight, or children, or sessions.
    Overload,
    /// Connecting, the first byte, a quiet stream, or the whole call took too long.
    Deadline,
    /// The server could not be reached or started: no byte reached it.
    Unreachable,
    /// The server or its connection died with the call in flight.
    ServerDied,
    /// The client sent `notifications/cancelled`.
    Cancelled,
    /// The client closed its side.
    ClientGone,
    /// The session ended (DELETE, idle) before the answer.
    SessionEnded,
    /// Pilothouse stopped.
    Stopping,
}

/// What an [`Ending`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The status a plain HTTP API would have given; the `status` label.
    pub status: u16,
    /// The `outcome` label.
    pub outcome: Outcome,
    /// Who has to act.
    pub blame: Blame,
}

impl Ending {
    /// Status, outcome and blame of this ending.
    ///
    /// - `method`, `tool_known`: a `tools/call` error for a tool that the server
    ///   does not list is a 404, whatever code the server chose.
    /// - source: the status table of ARCHITECTURE.md, "Status of a call".
    ///
    /// Never add a `_` arm: a new ending must choose here.
    pub fn verdict(self, method: Method, tool_known: bool) -> Verdict {
        use Outcome as O;
        let v = |status, outcome, blame| Verdict {
            status,
            outcome,
            blame,
        };
        match self {
            Self::Answered(Answer::Complete) => v(200, O::Ok, Blame::Nobody),
            Self::Answered(Answer::ToolError) => v(200, O::ToolError, Blame::Upstream),
            Self::Answered(Answer::InputRequired) => v(200, O::InputRequired, Blame::Nobody),
            Self::Answered(Answer::Task) => v(200, O::Task, Blame::Nobody),
            Self::Answered(Answer::Error(code)) => {
                let unknown_tool = method == Method::ToolsCall && !tool_known;
                let status = match code {
                    -32601 | -32002 => 404,
                    -32602 if unknown_tool => 404,
                    -32700 | -32600 | -32602 | -32022..=-32020 => 400,
                    _ => 500,
                };
                v(
                    status,
                    O::ProtocolError,
                    if status < 500 {
                        Blame::Caller
                    } else {
                        Blame::Upstream
                    },
                )
            }
            Self::HttpError(status) => v(
                status,
                O::ProtocolError,
                if status < 500 {
                    Blame::Caller
                } else {
                    Blame::Upstream
                },
            ),
            Self::BadAnswer => v(502, O::ProtocolError, Blame::Upstream),
            Self::Refused(RefusedReason::LimitsUnavailable) => {
                v(503, O::Unavailable, Blame::Gateway)
            }
            Self::Refused(reason) => v(reason.http_status(), O::Refused, Blame::Caller),
            Self::Overload => v(503, O::Unavailable, Blame::Gateway),
            Self::Deadline => v(504, O::Timeout, Blame::Upstream),
            Self::Unreachable | Self::ServerDied => v(502, O::Unavailable, Blame::Upstream),
            Self::Cancelled => v(499, O::Cancelled, Blame::Caller),
            Self::ClientGone | Self::SessionEnded => v(499, O::ClientGone, Blame::Caller),
            Self::Stopping => v(503, O::Unavailable, Blame::Gateway),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ending: Ending, status: u16, outcome: Outcome, blame: Blame) {
        assert_eq!(
            ending.verdict(Method::ToolsCall, true),
            Verdict {
                status,
                outcome,
                blame
            }
        );
    }

    #[test]
    fn endings_as_documented() {
        check(
            Ending::Answered(Answer::Complete),
            200,
            Outcome::Ok,
            Blame::Nobody,
        );
        check(
            Ending::Answered(Answer::ToolError),
            200,
            Outcome::ToolError,
            Blame::Upstream,
        );
        check(
            Ending::Answered(Answer::Error(-32700)),
            400,
            Outcome::ProtocolError,
            Blame::Caller,
        );
        check(
            Ending::Answered(Answer::Error(-32601)),
            404,
            Outcome::ProtocolError,
            Blame::Caller,
        );
        check(
            Ending::Answered(Answer::Error(-32603)),
            500,
            Outcome::ProtocolError,
            Blame::Upstream,
        );
        check(
            Ending::Answered(Answer::Error(7)),
            500,
            Outcome::ProtocolError,
            Blame::Upstream,
        );
        check(
            Ending::HttpError(418),
            418,
            Outcome::ProtocolError,
            Blame::Caller,
        );
        check(
            Ending::ServerDied,
            502,
            Outcome::Unavailable,
            Blame::Upstream,
        );
        check(Ending::Overload, 503, Outcome::Unavailable, Blame::Gateway);
        check(Ending::Deadline, 504, Outcome::Timeout, Blame::Upstream);
        check(
            Ending::Refused(RefusedReason::RateLimited),
            429,
            Outcome::Refused,
            Blame::Caller,
        );
        check(
            Ending::Refused(RefusedReason::LimitsUnavailable),
            503,
            Outcome::Unavailable,
            Blame::Gateway,
        );
        check(Ending::ClientGone, 499, Outcome::ClientGone, Blame::Caller);
    }

    #[test]
    fn an_unknown_tool_is_a_404() {
        let e = Ending::Answered(Answer::Error(-32602));
        assert_eq!(e.verdict(Method::ToolsCall, false).status, 404);
        assert_eq!(e.verdict(Method::ToolsCall, true).status, 400);
        assert_eq!(e.verdict(Method::PromptsGet, false).status, 400);
    }

    #[test]
    fn labels_are_indexed_densely() {
        assert!(
            Outcome::ALL
                .iter()
                .enumerate()
                .all(|(i, o)| *o as usize == i)
        );
        assert!(
            RefusedReason::ALL
                .iter()
                .enumerate()
                .all(|(i, r)| *r as usize == i)
        );
    }
}
