//! One call on its way: its draft, and where its time went.

use crate::guard::{Listing, Passed, ToolNote};
use crate::inbound::Client;
use crate::shared::{Shared, unix_ns};
use ph_base::trace::{RemoteParent, SpanId, TraceId, traceparent};
use ph_base::{Era, Method, ids};
use ph_mcp::answer::Captured;
use ph_mcp::{Envelope, MessageId, ServerMessage};
use ph_record::{Answer, CallRecord, CallTrace, Direction, Draft, Ending, Server, Transport};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// One call on its way. Finish it exactly once.
pub(crate) struct Call {
    draft: Draft,
    /// The id the client gave it, in comparable form.
    pub id: Option<MessageId>,
    /// The id as the client wrote it.
    pub id_raw: Option<Box<str>>,
    pub era: Era,
    pub method: Method,
    started: Instant,
    /// When the first byte went to the server, and how long the client had been waited for then.
    sent: Option<(Instant, u64)>,
    answered: Option<Instant>,
    /// Nanoseconds spent waiting for the client, also added to by the tasks that
    /// carry the server's questions to it.
    pub waited_ns: Arc<AtomicU64>,
    /// What the guard remembers of it, until it is over.
    passed: Option<Arc<Passed>>,
}

/// What a call's trace context is, and what is to be passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub trace: CallTrace,
}

impl Context {
    /// From `params._meta.traceparent`, else from the HTTP header, else new.
    ///
    /// When both are there and differ, the header is the ambient context: a link.
    pub(crate) fn of(meta: Option<&str>, header: Option<&str>, traced: bool) -> Self {
        let meta = meta.and_then(RemoteParent::parse);
        let ambient = header.and_then(RemoteParent::parse);
        let parent = meta.or(ambient);
        let link = if meta.is_some() {
            ambient.filter(|a| Some(*a) != meta)
        } else {
            None
        };
        let trace = CallTrace {
            trace_id: parent.map_or_else(ids::trace_id, |p| p.trace_id),
            server_span: ids::span_id(),
            client_span: ids::span_id(),
            parent: parent.map(|p| p.span_id),
            link,
            flags: parent.map_or(u8::from(traced), |p| p.flags),
        };
        Self { trace }
    }

    /// The `traceparent` that a server joins our CLIENT span by.
    pub(crate) fn outgoing(trace_id: TraceId, client_span: SpanId, flags: u8) -> String {
        String::from_utf8_lossy(&traceparent(trace_id, client_span, flags)).into_owned()
    }
}

impl Call {
    /// Begins the call of a client's request.
    pub(crate) fn of_client(
        shared: &Shared,
        server: &Arc<Server>,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Self {
        let era = client.era(envelope);
        let meta = envelope
            .traceparent
            .clone()
            .map(|r| &text[r.start + 1..r.end - 1]);
        let trace_state = trace_state(client, text, envelope, meta);
        let context = Context::of(meta, client.traceparent(), shared.is_traced());
        let mut call = Self::open(
            shared,
            server,
            Direction::ToServer,
            context.trace,
            client.received_unix_ns,
            client.received,
        );
        call.era = era;
        call.method = envelope.method;
        call.id = envelope.message_id(text);
        call.id_raw = envelope.id.clone().map(|r| text[r].into());
        call.waited_ns = Arc::new(client.waited_ns.into());
        call.passed = client.passed(call.id.as_ref());
        let admitted = call.passed.as_ref().and_then(|p| p.admitted.as_ref());
        let limited = admitted.and_then(|a| a.limited.clone());
        let shape = call.passed.as_ref().and_then(|p| p.shape.clone());
        let method_text = &*envelope.method_text;
        let name = client.name(envelope, text);
        let params = envelope
            .params
            .clone()
            .filter(|p| p.len() <= shared.params_bytes_max())
            .map(|p| text[p].into());
        let id_text = call.id_raw.as_deref().map(|id| cap(id).into());
        let record = call.draft.record();
        record.trace_state = trace_state;
        record.era = era;
        record.revision = client.revision(envelope);
        record.method = envelope.method;
        record.method_text = (envelope.method == Method::Other).then(|| cap(method_text).into());
        record.client = name;
        record.peer = Some(client.peer);
        record.principal = client.principal.as_ref().map(|p| Arc::clone(&p.name));
        record.caller.clone_from(&client.caller);
        record.session = client.session_tag();
        record.request_id = id_text;
        record.request_bytes = text.len() as u64;
        record.is_stream = envelope.method.is_stream();
        record.params = params;
        record.limited = limited;
        record.shape = shape;
        if let Some(target) = &envelope.target {
            call.draft.set_target(envelope.method, target);
        }
        call
    }

    /// Begins the call of a body that could not be read.
    pub(crate) fn of_nobody(shared: &Shared, server: &Arc<Server>, client: &Client) -> Self {
        let context = Context::of(None, client.traceparent(), shared.is_traced());
        let mut call = Self::open(
            shared,
            server,
            Direction::ToServer,
            context.trace,
            client.received_unix_ns,
            client.received,
        );
        call.waited_ns = Arc::new(client.waited_ns.into());
        let record = call.draft.record();
        record.peer = Some(client.peer);
        record.principal = client.principal.as_ref().map(|p| Arc::clone(&p.name));
        record.caller.clone_from(&client.caller);
        record.session = client.session_tag();
        call
    }

    /// Begins the call of a server's request to a client.
    pub(crate) fn of_server(
        shared: &Shared,
        server: &Arc<Server>,
        message: &ServerMessage,
        bytes: u64,
        parent: Option<CallTrace>,
    ) -> Self {
        let trace = CallTrace {
            trace_id: parent.map_or_else(ids::trace_id, |p| p.trace_id),
            server_span: ids::span_id(),
            client_span: ids::span_id(),
            parent: parent.map(|p| p.client_span),
            link: None,
            flags: parent.map_or(u8::from(shared.is_traced()), |p| p.flags),
        };
        let mut call = Self::open(
            shared,
            server,
            Direction::ToClient,
            trace,
            unix_ns(),
            Instant::now(),
        );
        call.method = message.method_label();
        call.id = message.message_id();
        call.id_raw = message.id.as_ref().map(|c| c.raw.as_str().into());
        let id_text = call.id_raw.as_deref().map(|id| cap(id).into());
        let (method, text) = (call.method, message.method.as_deref().unwrap_or(""));
        let record = call.draft.record();
        record.method = method;
        record.method_text = (method == Method::Other).then(|| cap(text).into());
        record.request_id = id_text;
        record.request_bytes = bytes;
        call
    }

    fn open(
        shared: &Shared,
        server: &Arc<Server>,
        direction: Direction,
        trace: CallTrace,
        unix_ns: u64,
        started: Instant,
    ) -> Self {
        let sink = Arc::clone(&shared.parts.sink);
        Self {
            draft: Draft::open(Arc::clone(server), sink, direction, trace, unix_ns),
            id: None,
            id_raw: None,
            era: Era::Legacy,
            method: Method::Other,
            started,
            sent: None,
            answered: None,
            waited_ns: Arc::default(),
            passed: None,
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn record(&mut self) -> &mut CallRecord {
        self.draft.record()
    }

    pub(crate) fn trace(&mut self) -> CallTrace {
        self.draft.record().trace
    }

    /// What the guard remembers of it.
    pub(crate) fn passed(&self) -> Option<Arc<Passed>> {
        self.passed.clone()
    }

    /// What is to be done with the list that answers it.
    pub(crate) fn listing(&self) -> Option<&Listing> {
        self.passed.as_ref()?.list.as_ref()
    }

    /// Who learns from the list of tools that answers it.
    pub(crate) fn tool_note(&self) -> Option<&ToolNote> {
        self.passed.as_ref()?.note.as_ref()
    }

    pub(crate) fn set_transport(&mut self, transport: Transport) {
        self.draft.record().transport = transport;
    }

    pub(crate) fn set_error(&mut self, text: &str) {
        self.draft.set_error(text);
    }

    /// The first byte goes to the server now.
    pub(crate) fn sent(&mut self) {
        let waited = self.waited_ns.load(Relaxed);
        self.sent.get_or_insert_with(|| (Instant::now(), waited));
    }

    /// The server's answer is complete now.
    pub(crate) fn answered(&mut self) {
        self.answered = Some(Instant::now());
    }

    /// The server said `message`, which answers this call; `bytes` long.
    pub(crate) fn answer(&mut self, message: &ServerMessage, bytes: u64) -> Ending {
        self.answered();
        let answer = answer_of(message);
        let record = self.draft.record();
        record.response_bytes += bytes;
        record.rpc_code = message.error_code;
        if let (Answer::Error(_), Some(text)) = (answer, &message.error_message) {
            self.draft.set_error(text);
        }
        Ending::Answered(answer)
    }

    /// Ends the call.
    ///
    /// `status`: HTTP status that went to the client, 0 when none did.
    pub(crate) fn finish(mut self, ending: Ending, status: u16, delivered: bool) {
        let now = Instant::now();
        let since = |t: Instant| {
            u64::try_from(t.saturating_duration_since(self.started).as_nanos()).unwrap_or(u64::MAX)
        };
        let total = since(now);
        let sent = self.sent.map(|(at, _)| since(at));
        // Without an answer the server had the call until now.
        let until = self.sent.map(|_| self.answered.map_or(total, since));
        let waited = self.waited_ns.load(Relaxed).min(total);
        let upstream = until.unwrap_or(0).saturating_sub(sent.unwrap_or(0));
        let record = self.draft.record();
        record.upstream_start_ns = sent;
        record.upstream_end_ns = until;
        record.waited_on_client_ns = waited;
        // While the server has the call, its client is waited for in the server's time.
        let waited_before = self.sent.map_or(waited, |(_, waited)| waited);
        record.overhead_ns = total.saturating_sub(upstream).saturating_sub(waited_before);
        record.http_status = status;
        record.delivered = delivered;
        self.draft.finish(ending, total);
    }
}

/// What a server's message comes to, as the answer of a call.
pub(crate) fn answer_of(message: &ServerMessage) -> Answer {
    if message.has_error {
        return Answer::Error(message.error_code.unwrap_or(-32603));
    }
    if message.is_error {
        return Answer::ToolError;
    }
    match message.result_type.as_deref() {
        Some("input_required") => Answer::InputRequired,
        Some("task") => Answer::Task,
        _ if message.has_task => Answer::Task,
        _ => Answer::Complete,
    }
}

/// The `tracestate` beside the `traceparent` that is the call's parent, if it is no longer than is kept.
fn trace_state(
    client: &Client,
    text: &str,
    envelope: &Envelope<'_>,
    meta: Option<&str>,
) -> Option<Box<str>> {
    let is_parent = |text: &str| RemoteParent::parse(text).is_some();
    let state = if meta.is_some_and(is_parent) {
        let range = envelope.tracestate.clone()?;
        let raw = text[range.clone()].to_owned();
        Captured { range, raw }.text()
    } else if client.traceparent().is_some_and(is_parent) {
        let fields = client.headers.get_all("tracestate").iter();
        let fields: Vec<_> = fields.filter_map(|v| v.to_str().ok()).collect();
        fields.join(",")
    } else {
        return None;
    };
    let fits = !state.is_empty() && state.len() <= CallRecord::TRACE_STATE_BYTES_MAX;
    fits.then(|| state.into())
}

/// `text` cut to what a record keeps of a peer's text.
fn cap(text: &str) -> &str {
    let mut end = text.len().min(CallRecord::TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const HEADER: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00";

    #[test]
    fn the_meta_context_is_the_parent_and_the_header_a_link() {
        let t = Context::of(Some(META), Some(HEADER), true).trace;
        assert_eq!(t.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(t.link.unwrap().trace_id.to_string(), "a".repeat(32));
        assert_eq!(t.flags, 1);
        let t = Context::of(None, Some(HEADER), true).trace;
        assert_eq!(
            (t.trace_id.to_string(), t.flags, t.link),
            ("a".repeat(32), 0, None)
        );
        let t = Context::of(Some("junk"), None, true).trace;
        assert_eq!((t.parent, t.flags), (None, 1));
    }

    #[test]
    fn answers() {
        let of = |text: &str| answer_of(&ph_mcp::AnswerScan::read(text.as_bytes())[0]);
        assert_eq!(of(r#"{"id":1,"result":{}}"#), Answer::Complete);
        assert_eq!(
            of(r#"{"id":1,"result":{"isError":true}}"#),
            Answer::ToolError
        );
        assert_eq!(
            of(r#"{"id":1,"result":{"resultType":"input_required"}}"#),
            Answer::InputRequired
        );
        assert_eq!(
            of(r#"{"id":1,"result":{"task":{"taskId":"x"}}}"#),
            Answer::Task
        );
        assert_eq!(
            of(r#"{"id":1,"error":{"code":-32601,"message":""}}"#),
            Answer::Error(-32601)
        );
    }
}
