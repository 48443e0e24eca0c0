//! One call, whatever happened to it.

use crate::{Caller, Ending, Limited, ServerIdx, Shape, ToolIdx, Verdict};
use ph_base::trace::{RemoteParent, SpanId, TraceId};
use ph_base::{Era, Method};
use std::net::SocketAddr;
use std::sync::Arc;

/// Who asked whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// A client's request to the server.
    ToServer,
    /// The server's request to a client (sampling, elicitation, roots, ping).
    ToClient,
}

/// How the server is reached; OTel's `network.transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Streamable HTTP: `tcp`.
    Http,
    /// A child process: `pipe`.
    Stdio,
}

/// Which process of the server took the call; the `replica` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replica {
    /// No child process: an HTTP upstream, or none was reached.
    None,
    /// A child that belongs to one session.
    Session,
    /// A slot of the shared pool.
    Slot(u16),
}

/// Six bytes of a hash of a session id, for logs: the id itself is a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionTag(pub [u8; 6]);

/// The ids of a call's two spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTrace {
    /// The trace: the caller's, or a new one.
    pub trace_id: TraceId,
    /// Our SERVER span (towards the client).
    pub server_span: SpanId,
    /// Our CLIENT span (towards the server).
    pub client_span: SpanId,
    /// The caller's span, from `params._meta`, else from the HTTP header.
    pub parent: Option<SpanId>,
    /// An ambient HTTP context that is not the parent.
    pub link: Option<RemoteParent>,
    /// W3C flags to pass on; bit 0: sampled.
    pub flags: u8,
}

/// One JSON-RPC request and its end: the single source of metric, log line and spans.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Server it was for.
    pub server: ServerIdx,
    /// Child that took it.
    pub replica: Replica,
    /// Who asked whom.
    pub direction: Direction,
    /// How the server is reached.
    pub transport: Transport,
    /// Era the client spoke.
    pub era: Era,
    /// `MCP-Protocol-Version` as the client sent it, if it is a published revision.
    pub revision: Option<ph_base::Revision>,
    /// Method as a label.
    pub method: Method,
    /// Method as sent, when it is not a known one; capped.
    pub method_text: Option<Box<str>>,
    /// Tool as a label.
    pub tool: ToolIdx,
    /// Tool, prompt or resource as sent; capped.
    pub target: Option<Arc<str>>,
    /// `clientInfo` as `name/version`, self-reported; capped.
    pub client: Option<Arc<str>>,
    /// Who it was shown to be from: the name of a key or of a token's subject.
    pub principal: Option<Arc<str>>,
    /// Who it is from, as far as that can be told; only while somebody watches for what is abnormal.
    pub caller: Option<Caller>,
    /// Peer address.
    pub peer: Option<SocketAddr>,
    /// Session, for logs.
    pub session: Option<SessionTag>,
    /// JSON text of the request id; capped. `None` for a body that had none.
    pub request_id: Option<Box<str>>,
    /// Span ids.
    pub trace: CallTrace,
    /// The `tracestate` that came with the caller's context, at most
    /// [`Self::TRACE_STATE_BYTES_MAX`].
    pub trace_state: Option<Box<str>>,
    /// Unix time in nanoseconds at which the head was read.
    pub started_unix_ns: u64,
    /// From the head read to the last byte of the answer handed over, in nanoseconds.
    pub duration_ns: u64,
    /// When the first byte went to the server, in nanoseconds after the start; `None`: none did.
    pub upstream_start_ns: Option<u64>,
    /// When the server's answer was complete, in nanoseconds after the start.
    pub upstream_end_ns: Option<u64>,
    /// Of the duration, nanoseconds spent in Pilothouse itself.
    pub overhead_ns: u64,
    /// Of the duration, nanoseconds spent waiting for the client (its body, its answers).
    pub waited_on_client_ns: u64,
    /// The call is a stream by design: outside every latency figure.
    pub is_stream: bool,
    /// Why it is over.
    pub ending: Ending,
    /// What that means.
    pub verdict: Verdict,
    /// HTTP status that really went to the client; 0 when none did.
    pub http_status: u16,
    /// The answer reached the client.
    pub delivered: bool,
    /// Code of the JSON-RPC error, if there was one.
    pub rpc_code: Option<i64>,
    /// What went wrong, for operators; capped, free of secrets of ours.
    pub error: Option<Box<str>>,
    /// What limits had to say, if anything.
    pub limited: Option<Box<Limited>>,
    /// What was found in its arguments, if anything.
    pub shape: Option<Box<Shape>>,
    /// Bytes of the request body.
    pub request_bytes: u64,
    /// Bytes of the answer's body or frames.
    pub response_bytes: u64,
    /// Raw params, only when they are to be logged; capped; not yet redacted.
    pub params: Option<Box<str>>,
}

impl CallRecord {
    /// Most bytes kept of any text that a peer sent (names, ids, messages).
    pub const TEXT_BYTES_MAX: usize = 256;
    /// Longest `tracestate` that is kept; W3C lets longer ones be dropped.
    pub const TRACE_STATE_BYTES_MAX: usize = 512;
    /// Most bytes kept of an error text, which may hold the tail of a child's stderr.
    pub const ERROR_BYTES_MAX: usize = 2048;
}

/// `text` cut at a character boundary to at most `max` bytes.
pub(crate) fn cap(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::cap;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cap("aé", 2), "a");
        assert_eq!(cap("aé", 3), "aé");
        assert_eq!(cap("", 3), "");
    }
}
