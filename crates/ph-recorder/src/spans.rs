//! The two spans of a call, by OpenTelemetry's conventions for MCP.
//!
//! Source: semantic-conventions-genai, `docs/gen-ai/mcp.md` (status: development).

use ph_base::Method;
use ph_base::trace::SpanId;
use ph_otlp::{AttributeOf, EventOf, Kind, Link, SpanOf, StatusOf, ValueOf, flags};
use ph_record::{CallRecord, Direction, Outcome, Server, Transport};
use std::borrow::Cow;

/// The SERVER span of a call, and the CLIENT span when it was passed on.
///
/// - `arguments`: whether parameters are shown.
pub(crate) fn spans<'a>(
    record: &'a CallRecord,
    server: Option<&'a Server>,
    arguments: bool,
) -> (SpanOf<'a>, Option<SpanOf<'a>>) {
    let common = Common {
        record,
        server,
        error_type: error_type(record),
    };
    let received = common.received(arguments);
    let sent = record.upstream_start_ns.map(|start| common.sent(start));
    (received, sent)
}

struct Common<'a> {
    record: &'a CallRecord,
    server: Option<&'a Server>,
    error_type: Option<Cow<'static, str>>,
}

impl<'a> Common<'a> {
    /// From whoever asked, to Pilothouse.
    fn received(&self, arguments: bool) -> SpanOf<'a> {
        let r = self.record;
        let mut span = self.span(
            Kind::Server,
            r.trace.server_span,
            r.trace.parent,
            0,
            r.duration_ns,
        );
        span.flags |= flags::PARENT_REMOTE_KNOWN
            | if r.trace.parent.is_some() {
                flags::PARENT_IS_REMOTE
            } else {
                0
            };
        span.links.extend(r.trace.link.map(|link| Link {
            trace_id: link.trace_id,
            span_id: link.span_id,
        }));
        self.transport(&mut span, self.transport_of_caller());
        if let (Direction::ToServer, Some(peer)) = (r.direction, r.peer) {
            add(&mut span, "client.address", peer.ip().to_string());
            add(&mut span, "client.port", i64::from(peer.port()));
        }
        if let (true, Some(params), Method::ToolsCall) = (arguments, &r.params, r.method) {
            add(&mut span, "gen_ai.tool.call.arguments", &**params);
        }
        span
    }

    /// From Pilothouse on; a child of the one before.
    fn sent(&self, start_ns: u64) -> SpanOf<'a> {
        let r = self.record;
        let end_ns = r.upstream_end_ns.unwrap_or(r.duration_ns).max(start_ns);
        let mut span = self.span(
            Kind::Client,
            r.trace.client_span,
            Some(r.trace.server_span),
            start_ns,
            end_ns,
        );
        span.flags |= flags::PARENT_REMOTE_KNOWN;
        self.transport(&mut span, self.transport_of_answerer());
        span
    }

    fn span(
        &self,
        kind: Kind,
        span_id: SpanId,
        parent: Option<SpanId>,
        start_ns: u64,
        end_ns: u64,
    ) -> SpanOf<'a> {
        let r = self.record;
        let start_unix_ns = r.started_unix_ns.saturating_add(start_ns);
        let end_unix_ns = r.started_unix_ns.saturating_add(end_ns);
        let mut span = SpanOf {
            trace_id: r.trace.trace_id,
            span_id,
            parent,
            trace_state: r.trace_state.as_deref().unwrap_or("").to_owned(),
            name: self.name(),
            kind,
            start_unix_ns,
            end_unix_ns,
            attributes: Vec::with_capacity(16),
            events: Vec::new(),
            links: Vec::new(),
            status: StatusOf::Unset,
            flags: u32::from(r.trace.flags),
        };
        self.attributes(&mut span);
        if let Some(error_type) = &self.error_type {
            self.failure(&mut span, error_type.clone());
        }
        span
    }

    /// `tools/call search`: the method, and the tool or prompt. Names that the server does not list
    /// are left out, since anybody can send them.
    fn name(&self) -> Cow<'a, str> {
        let method = self.record.method.as_label();
        match self.listed_target() {
            Some(target) => [method, " ", target].concat().into(),
            None => method.into(),
        }
    }

    fn listed_target(&self) -> Option<&'a str> {
        let r = self.record;
        match r.method {
            Method::ToolsCall if r.tool != ph_record::ToolIdx::OTHER => r.target.as_deref(),
            Method::PromptsGet if r.verdict.outcome.is_answer() => r.target.as_deref(),
            _ => None,
        }
    }

    fn attributes(&self, span: &mut SpanOf<'a>) {
        let r = self.record;
        let method = r
            .method_text
            .as_deref()
            .map_or(ValueOf::from(r.method.as_label()), ValueOf::from);
        add(span, "mcp.method.name", method);
        match (r.method, r.target.as_deref()) {
            (Method::ToolsCall, Some(tool)) => {
                add(span, "gen_ai.tool.name", tool);
                add(span, "gen_ai.operation.name", "execute_tool");
            }
            (Method::PromptsGet, Some(prompt)) => {
                add(span, "gen_ai.prompt.name", prompt);
            }
            (
                Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe,
                Some(uri),
            ) => {
                add(span, "mcp.resource.uri", uri);
            }
            _ => {}
        }
        if let Some(id) = r.request_id.as_deref().filter(|id| *id != "null") {
            // A text id is carried with its quotes.
            let id = id
                .strip_prefix('"')
                .and_then(|id| id.strip_suffix('"'))
                .unwrap_or(id);
            add(span, "jsonrpc.request.id", id);
        }
        if let Some(revision) = r.revision {
            add(span, "mcp.protocol.version", revision.as_str());
        }
        if let Some(session) = r.session {
            // The digest that log lines carry; the id itself is a credential.
            add(
                span,
                "mcp.session.id",
                String::from_utf8_lossy(&crate::line::session_hex(session)).into_owned(),
            );
        }
        if let Some(code) = r.rpc_code {
            add(span, "rpc.response.status_code", code.to_string());
        }
        if let Some(server) = self.server {
            add(span, "pilothouse.server", server.name.as_str());
        }
        add(span, "pilothouse.outcome", r.verdict.outcome.as_label());
        if let Some(shape) = &r.shape {
            add(span, "pilothouse.anomaly", shape.kind.as_label());
        }
    }

    fn failure(&self, span: &mut SpanOf<'a>, error_type: Cow<'static, str>) {
        let text = self.record.error.as_deref().map_or_else(
            || {
                format!(
                    "{}: {}",
                    self.record.method.as_label(),
                    self.record.verdict.outcome.as_label()
                )
            },
            str::to_owned,
        );
        add(span, "error.type", ValueOf::Str(error_type.clone()));
        span.events.push(EventOf {
            unix_ns: span.end_unix_ns,
            name: "exception".into(),
            attributes: vec![
                ("exception.type".into(), ValueOf::Str(error_type)),
                ("exception.message".into(), text.clone().into()),
            ],
        });
        span.status = StatusOf::Error(text.into());
    }

    fn transport(&self, span: &mut SpanOf<'a>, transport: Transport) {
        add(
            span,
            "network.transport",
            crate::registry::transport_label(transport),
        );
        if transport == Transport::Http {
            add(span, "network.protocol.name", "http");
        }
    }

    /// Clients are always on HTTP; only the server's side may be a pipe.
    fn transport_of_caller(&self) -> Transport {
        match self.record.direction {
            Direction::ToServer => Transport::Http,
            Direction::ToClient => self.record.transport,
        }
    }

    fn transport_of_answerer(&self) -> Transport {
        match self.record.direction {
            Direction::ToServer => self.record.transport,
            Direction::ToClient => Transport::Http,
        }
    }
}

/// `error.type`: the JSON-RPC code, `tool_error`, or the outcome; `None` for a success.
fn error_type(record: &CallRecord) -> Option<Cow<'static, str>> {
    match (record.rpc_code, record.verdict.outcome) {
        (_, Outcome::Ok | Outcome::InputRequired | Outcome::Task) => None,
        (Some(code), Outcome::ProtocolError) => Some(code.to_string().into()),
        (_, outcome) => Some(outcome.as_label().into()),
    }
}

fn add<'a>(span: &mut SpanOf<'a>, key: &'static str, value: impl Into<ValueOf<'a>>) {
    let attribute: AttributeOf<'a> = (key.into(), value.into());
    span.attributes.push(attribute);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{record, server};
    use ph_base::trace::{RemoteParent, TraceId};
    use ph_otlp::Value;
    use ph_record::{Answer, Ending, SessionTag, ToolIdx};

    fn get<'a, 'b>(attributes: &'a [AttributeOf<'b>], key: &str) -> Option<&'a ValueOf<'b>> {
        attributes
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    #[track_caller]
    fn check(span: &SpanOf<'_>, key: &str, want: &'static str) {
        assert_eq!(
            get(&span.attributes, key),
            Some(&Value::from(want)),
            "{key}"
        );
    }

    #[test]
    fn a_call_is_two_spans_of_the_callers_trace() {
        let server = server();
        let mut r = record(&server, Ending::Answered(Answer::Complete));
        r.trace.parent = Some(SpanId([9; 8]));
        r.trace.link = Some(RemoteParent {
            trace_id: TraceId([7; 16]),
            span_id: SpanId([8; 8]),
            flags: 1,
        });
        r.trace_state = Some("fleet=7".into());
        r.session = Some(SessionTag([1; 6]));
        r.request_id = Some("\"a b\"".into());
        r.peer = Some("127.0.0.1:4711".parse().unwrap());
        r.transport = Transport::Stdio;
        let (received, sent) = spans(&r, Some(&server), false);
        let sent = sent.unwrap();
        assert_eq!((received.kind, sent.kind), (Kind::Server, Kind::Client));
        assert_eq!(
            (&*received.trace_state, &*sent.trace_state),
            ("fleet=7", "fleet=7")
        );
        assert_eq!(
            (received.name.as_ref(), sent.name.as_ref()),
            ("tools/call echo", "tools/call echo")
        );
        assert_eq!(
            (received.parent, sent.parent),
            (Some(SpanId([9; 8])), Some(received.span_id))
        );
        assert_eq!(
            (received.trace_id, sent.trace_id),
            (r.trace.trace_id, r.trace.trace_id)
        );
        assert_eq!(
            received.links,
            [Link {
                trace_id: TraceId([7; 16]),
                span_id: SpanId([8; 8])
            }]
        );
        assert_eq!(received.end_unix_ns - received.start_unix_ns, r.duration_ns);
        assert_eq!(sent.start_unix_ns, r.started_unix_ns + 1_000);
        assert_eq!(
            received.flags & flags::PARENT_IS_REMOTE,
            flags::PARENT_IS_REMOTE
        );
        assert_eq!(sent.flags & flags::PARENT_IS_REMOTE, 0);
        for span in [&received, &sent] {
            check(span, "mcp.method.name", "tools/call");
            check(span, "gen_ai.tool.name", "echo");
            check(span, "gen_ai.operation.name", "execute_tool");
            check(span, "mcp.protocol.version", "2026-07-28");
            check(span, "mcp.session.id", "010101010101");
            check(span, "jsonrpc.request.id", "a b");
            assert_eq!(span.status, StatusOf::Unset);
            assert!(span.events.is_empty() && get(&span.attributes, "error.type").is_none());
        }
        check(&received, "network.transport", "tcp");
        check(&sent, "network.transport", "pipe");
        check(&received, "client.address", "127.0.0.1");
        assert_eq!(get(&sent.attributes, "client.address"), None);
    }

    #[track_caller]
    fn check_error(ending: Ending, want: Option<&str>) {
        let mut r = record(&server(), ending);
        r.error = Some("it broke".into());
        if let Ending::Answered(Answer::Error(code)) = ending {
            r.rpc_code = Some(code);
        }
        let (span, _) = spans(&r, None, false);
        let want = want.map(|w| Value::from(w.to_owned()));
        assert_eq!(
            get(&span.attributes, "error.type"),
            want.as_ref(),
            "{ending:?}"
        );
        assert_eq!(
            matches!(span.status, StatusOf::Error(_)),
            want.is_some(),
            "{ending:?}"
        );
        let exception = span
            .events
            .first()
            .map(|e| get(&e.attributes, "exception.message").cloned());
        assert_eq!(
            exception,
            want.map(|_| Some(Value::from("it broke"))),
            "{ending:?}"
        );
    }

    #[test]
    fn failures_have_a_type_and_an_exception() {
        check_error(Ending::Answered(Answer::Complete), None);
        check_error(Ending::Answered(Answer::InputRequired), None);
        check_error(Ending::Answered(Answer::ToolError), Some("tool_error"));
        check_error(Ending::Answered(Answer::Error(-32603)), Some("-32603"));
        check_error(Ending::Deadline, Some("timeout"));
        check_error(Ending::ClientGone, Some("client_gone"));
        check_error(Ending::HttpError(502), Some("protocol_error"));
    }

    #[test]
    fn what_never_left_has_no_client_span() {
        let mut r = record(&server(), Ending::Overload);
        r.upstream_start_ns = None;
        assert_eq!(spans(&r, None, false).1, None);
    }

    #[test]
    fn names_that_anybody_can_send_stay_out_of_the_name() {
        let mut r = record(&server(), Ending::Answered(Answer::Error(-32602)));
        r.tool = ToolIdx::OTHER;
        r.target = Some("made up".into());
        let (span, _) = spans(&r, None, false);
        assert_eq!(span.name, "tools/call");
        check(&span, "gen_ai.tool.name", "made up");
        r.method = Method::Other;
        r.method_text = Some("made/up".into());
        let (span, _) = spans(&r, None, false);
        assert_eq!(span.name, "_OTHER");
        check(&span, "mcp.method.name", "made/up");
    }

    #[test]
    fn a_servers_own_request_comes_by_its_pipe() {
        let mut r = record(&server(), Ending::Answered(Answer::Complete));
        (r.method, r.direction, r.transport) = (
            Method::ElicitationCreate,
            Direction::ToClient,
            Transport::Stdio,
        );
        r.peer = Some("127.0.0.1:1".parse().unwrap());
        let (received, sent) = spans(&r, None, false);
        assert_eq!(
            (received.kind, sent.as_ref().unwrap().kind),
            (Kind::Server, Kind::Client)
        );
        check(&received, "network.transport", "pipe");
        check(&sent.unwrap(), "network.transport", "tcp");
        assert_eq!(get(&received.attributes, "client.address"), None);
    }

    #[test]
    fn arguments_are_shown_by_choice() {
        let mut r = record(&server(), Ending::Answered(Answer::Complete));
        r.params = Some(r#"{"n":1}"#.into());
        let shown = |arguments| spans(&r, None, arguments).0;
        assert_eq!(
            get(&shown(false).attributes, "gen_ai.tool.call.arguments"),
            None
        );
        check(&shown(true), "gen_ai.tool.call.arguments", r#"{"n":1}"#);
    }
}
