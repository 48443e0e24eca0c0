//! A record to test with.

use ph_base::trace::{SpanId, TraceId};
use ph_base::{Era, Method, Revision, ServerName};
use ph_record::{
    CallRecord, CallTrace, Direction, Ending, Replica, Server, ServerTable, Transport,
};
use std::sync::Arc;

/// A server with the tool `echo`.
pub(crate) fn server() -> Arc<Server> {
    let server = ServerTable::default()
        .intern(&ServerName::parse("s").unwrap())
        .unwrap();
    server.tools.learn("echo");
    server
}

/// A call of `echo` over HTTP that took 5 ms.
pub(crate) fn record(server: &Server, ending: Ending) -> CallRecord {
    CallRecord {
        server: server.idx,
        replica: Replica::None,
        direction: Direction::ToServer,
        transport: Transport::Http,
        era: Era::Modern,
        revision: Some(Revision::V2026_07_28),
        method: Method::ToolsCall,
        method_text: None,
        tool: server.tools.find("echo").0,
        target: Some("echo".into()),
        client: None,
        principal: None,
        caller: None,
        peer: None,
        session: None,
        request_id: None,
        trace: CallTrace {
            trace_id: TraceId([1; 16]),
            server_span: SpanId([2; 8]),
            client_span: SpanId([3; 8]),
            parent: None,
            link: None,
            flags: 0,
        },
        trace_state: None,
        started_unix_ns: 1_795_369_628_000_000_000,
        duration_ns: 5_000_000,
        upstream_start_ns: Some(1_000),
        upstream_end_ns: Some(4_000_000),
        overhead_ns: 2_000,
        waited_on_client_ns: 0,
        is_stream: false,
        ending,
        verdict: ending.verdict(Method::ToolsCall, true),
        http_status: 200,
        delivered: true,
        rpc_code: None,
        error: None,
        limited: None,
        shape: None,
        request_bytes: 10,
        response_bytes: 20,
        params: None,
    }
}
