//! What makes no sense gets its documented answer, and Pilothouse goes on.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::{Answer, Wire};
use crate::world::stdio;
use ph_sim::{Eras, FakeHttpUpstream};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SERVER: &str = "stdio";

/// What is refused, and how.
struct Refusal {
    name: &'static str,
    bytes: Vec<u8>,
    status: u16,
    /// The JSON-RPC error; `None` where the answer is plain text, or the HTTP library's.
    code: Option<i64>,
    /// The `reason` it is counted under; `None` when it never was a request.
    reason: Option<&'static str>,
}

#[test]
fn every_refusal_is_answered_and_counted() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let gateway = Gateway::start(&format!(
        "http: {{head_bytes_max: 8KiB, body_timeout: 300ms, request_bytes_max: 64KiB}}\nservers:\n  http:\n    url: {}\n{}",
        http.url(),
        stdio(SERVER, &[], "")
    ));
    let mut session = Client::stranger(gateway.address, SERVER);
    assert_eq!(session.initialize(fresh_id()).status(), 200);
    let mut counted = BTreeMap::<Vec<String>, u64>::new();
    let all = [
        heads(&gateway),
        bodies(&session),
        sessions(&session),
        modern(&gateway),
    ]
    .concat_all();
    for refusal in all {
        let answer = Wire::open(gateway.address, &refusal.bytes).answer();
        check(&refusal, &answer);
        if let Some(reason) = refusal.reason {
            *counted.entry(vec![reason.to_owned()]).or_default() += 1;
        }
    }
    let metrics = until("every refusal counted", || {
        let metrics = gateway.metrics();
        (metrics.sum("mcp_refused_total", &[]) >= counted.values().sum()).then_some(metrics)
    });
    assert_eq!(metrics.by("mcp_refused_total", &["reason"]), counted);
    healthy(&gateway, &session);
}

fn check(refusal: &Refusal, answer: &Answer) {
    let Refusal {
        name, status, code, ..
    } = refusal;
    assert_eq!(answer.status(), *status, "{name}: {}", answer.text());
    assert_eq!(answer.code(), *code, "{name}: {}", answer.text());
    if *status == 405 {
        assert!(
            answer.head.header("allow").is_some(),
            "{name}: {:?}",
            answer.head
        );
    }
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Refusal>;
}

impl<const N: usize> ConcatAll for [Vec<Refusal>; N] {
    fn concat_all(self) -> Vec<Refusal> {
        self.into_iter().flatten().collect()
    }
}

fn heads(gateway: &Gateway) -> Vec<Refusal> {
    let host = gateway.address;
    let refused = |name, head: String, status, code, reason| Refusal {
        name,
        bytes: format!("{head}\r\n\r\n").into(),
        status,
        code,
        reason,
    };
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}{more}");
    let put = format!("PUT /stdio/mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0");
    let post = format!("POST /metrics HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0");
    let long = format!("\r\nX-Pad: {}", "x".repeat(20_000));
    vec![
        refused(
            "no Host",
            "GET /stdio/mcp HTTP/1.1".into(),
            403,
            None,
            Some("host"),
        ),
        refused(
            "a foreign Host",
            "GET /stdio/mcp HTTP/1.1\r\nHost: evil.example".into(),
            403,
            None,
            Some("host"),
        ),
        refused(
            "a foreign Origin",
            get("/stdio/mcp", "\r\nOrigin: http://evil.example"),
            403,
            None,
            Some("origin"),
        ),
        refused(
            "no such path",
            get("/nothing", ""),
            404,
            None,
            Some("no_such_server"),
        ),
        refused(
            "no such server",
            get("/nobody/mcp", ""),
            404,
            None,
            Some("no_such_server"),
        ),
        refused(
            "several servers and no name",
            get("/mcp", ""),
            404,
            None,
            Some("no_such_server"),
        ),
        refused(
            "a wrong method",
            put,
            405,
            Some(40_000),
            Some("http_method"),
        ),
        refused("a POST of metrics", post, 405, None, None),
        refused("a long head", get("/stdio/mcp", &long), 431, None, None),
        refused("no request line", "this is no HTTP".into(), 400, None, None),
        refused(
            "no version",
            "GET /stdio/mcp HTTP/9.9".into(),
            400,
            None,
            None,
        ),
    ]
}

fn bodies(session: &Client) -> Vec<Refusal> {
    let refused = |name, body: &[u8], code| Refusal {
        name,
        bytes: session.http("POST", &[], body),
        status: 400,
        code: Some(code),
        reason: Some("malformed"),
    };
    let many: Vec<_> = (0..65)
        .map(|_| json!({"jsonrpc": "2.0", "method": "m"}))
        .collect();
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{}",
        "[".repeat(20_000)
    );
    vec![
        refused("an empty body", b"", -32700),
        refused("white space", b" \n", -32700),
        refused(
            "a byte order mark",
            b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
            -32700,
        ),
        refused(
            "no UTF-8",
            b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}",
            -32700,
        ),
        refused("deep nesting", deep.as_bytes(), -32700),
        refused(
            "more after the end",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} {}",
            -32700,
        ),
        refused(
            "a key twice",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
            -32600,
        ),
        refused("an empty batch", b"[]", -32600),
        refused("a long batch", json!(many).to_string().as_bytes(), -32600),
        refused("a number", b"17", -32600),
        refused(
            "no version of JSON-RPC",
            b"{\"id\":1,\"method\":\"ping\"}",
            -32600,
        ),
        refused(
            "null for an id",
            b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
            -32600,
        ),
        refused(
            "an object for an id",
            b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
            -32600,
        ),
        refused(
            "a number for a method",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}",
            -32600,
        ),
        Refusal {
            name: "a long body",
            bytes: session.http("POST", &[], &[b' '; 100_000]),
            status: 413,
            code: Some(40_000),
            reason: Some("too_large"),
        },
        Refusal {
            name: "a slow body",
            bytes: b"POST /stdio/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"
                .to_vec(),
            status: 408,
            code: Some(40_000),
            reason: Some("slow_body"),
        },
    ]
}

fn sessions(session: &Client) -> Vec<Refusal> {
    let stranger = Client {
        session: None,
        ..session.clone()
    };
    let lost = Client {
        session: Some("nobody".into()),
        ..session.clone()
    };
    let odd = Client {
        version: "1999-01-01".into(),
        ..session.clone()
    };
    let refused = |name, bytes, status, code, reason| Refusal {
        name,
        bytes,
        status,
        code: Some(code),
        reason: Some(reason),
    };
    let list = |client: &Client| client.call(fresh_id(), "tools/list", json!({}));
    let batch = json!([session.message(fresh_id(), "ping", json!({}))]).to_string();
    vec![
        refused(
            "no session",
            list(&stranger),
            400,
            -32000,
            "session_missing",
        ),
        refused(
            "an unknown session",
            list(&lost),
            404,
            -32001,
            "session_unknown",
        ),
        refused(
            "an unknown version",
            list(&odd),
            400,
            -32602,
            "header_mismatch",
        ),
        refused(
            "a batch in a later version",
            session.post(&batch),
            400,
            -32600,
            "era",
        ),
        refused(
            "a stream without a session",
            stranger.http("GET", &[], b""),
            400,
            -32000,
            "session_missing",
        ),
        refused(
            "a stream of an unknown session",
            lost.http("GET", &[], b""),
            404,
            -32001,
            "session_unknown",
        ),
        refused(
            "an event id that is none",
            session.http("GET", &[("Last-Event-ID", "nonsense")], b""),
            400,
            -32000,
            "head",
        ),
        refused(
            "the end of an unknown session",
            lost.http("DELETE", &[], b""),
            404,
            -32001,
            "session_unknown",
        ),
    ]
}

fn modern(gateway: &Gateway) -> Vec<Refusal> {
    let client = Client::modern(gateway.address, SERVER);
    let later = Client {
        version: "2099-01-01".into(),
        ..client.clone()
    };
    let list = String::from_utf8(client.call(fresh_id(), "tools/list", json!({}))).unwrap();
    let other = list.replace("Mcp-Method: tools/list", "Mcp-Method: tools/call");
    // The server's list of tools was not asked for yet: that is up to Pilothouse.
    let annotated = client.tool(fresh_id(), "annotated", &json!({"region": "north"}));
    let html = list.replace("application/json, text/event-stream", "text/html");
    let refused = |name, bytes: Vec<u8>, status, code, reason| Refusal {
        name,
        bytes,
        status,
        code: Some(code),
        reason: Some(reason),
    };
    vec![
        refused(
            "a header that says something else",
            other.into(),
            400,
            -32020,
            "header_mismatch",
        ),
        refused(
            "an argument that its header does not repeat",
            annotated,
            400,
            -32020,
            "header_mismatch",
        ),
        refused(
            "a version to come",
            later.call(fresh_id(), "tools/list", json!({})),
            400,
            -32022,
            "header_mismatch",
        ),
        refused(
            "an answer that nobody takes",
            html.into(),
            406,
            40_000,
            "not_acceptable",
        ),
        refused(
            "a stream without sessions",
            client.http("GET", &[], b""),
            405,
            40_000,
            "http_method",
        ),
    ]
}

#[test]
fn a_header_that_repeats_its_argument_is_taken() {
    let gateway = Gateway::start(&format!("servers:\n{}", stdio(SERVER, &[], "")));
    let client = Client::modern(gateway.address, SERVER);
    let call = |region: Value, header: Option<&str>| {
        let params = json!({"name": "annotated", "arguments": {"region": region}});
        let body = client.message(fresh_id(), "tools/call", params).to_string();
        let header = header.map(|value| ("mcp-param-region", value));
        let bytes = client.http("POST", header.as_slice(), body.as_bytes());
        let answer = Wire::open(gateway.address, &bytes).answer();
        (answer.status(), answer.code())
    };
    let (taken, refused) = ((200, None), (400, Some(-32020)));
    assert_eq!(call(json!("north"), Some("north")), taken);
    assert_eq!(call(json!("n\u{f6}rd"), Some("=?base64?bsO2cmQ=?=")), taken);
    assert_eq!(call(json!("north"), Some("south")), refused);
    assert_eq!(call(json!("north"), Some("=?base64?bm9ydGg?=")), refused);
    assert_eq!(call(Value::Null, Some("north")), refused);
    assert_eq!(call(Value::Null, None), taken);
    healthy(&gateway, &client);
}

#[test]
fn an_id_in_flight_and_a_second_stream_are_refused() {
    let gateway = Gateway::start(&format!("servers:\n{}", stdio(SERVER, &[], "")));
    let mut session = Client::stranger(gateway.address, SERVER);
    assert_eq!(session.initialize(fresh_id()).status(), 200);
    let id = fresh_id();
    let mut first = Wire::open(
        gateway.address,
        &session.tool(id, "slow", &json!({"ms": 500})),
    );
    until("the call is in flight", || {
        (gateway.metrics().sum("pilothouse_calls_in_flight", &[]) == 1).then_some(())
    });
    let second = Wire::open(gateway.address, &session.call(id, "tools/list", json!({}))).answer();
    assert_eq!(
        (second.status(), second.code()),
        (400, Some(-32600)),
        "{}",
        second.text()
    );
    assert_eq!(
        first.answer().message()["result"]["content"][0]["text"],
        "slept"
    );
    let mut standing = Wire::open(gateway.address, &session.http("GET", &[], b""));
    assert_eq!(standing.head().map(|head| head.status), Some(200));
    let other = Wire::open(gateway.address, &session.http("GET", &[], b"")).answer();
    assert_eq!(other.status(), 409, "{}", other.text());
    healthy(&gateway, &session);
}

#[test]
fn frames_that_make_no_sense_are_counted_and_passed_over() {
    let yaml = format!(
        "servers:\n{}",
        stdio(SERVER, &[], "    limits: {line_bytes_max: 64KiB}\n")
    );
    let gateway = Gateway::start(&yaml);
    let client = Client::modern(gateway.address, SERVER);
    let dropped = || {
        gateway
            .metrics()
            .sum("pilothouse_messages_dropped_total", &[("server", SERVER)])
    };
    let answer = Wire::open(
        gateway.address,
        &client.tool(fresh_id(), "malformed", &json!({})),
    )
    .answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(dropped(), 1, "a line that is no message");
    let lost = Wire::open(
        gateway.address,
        &client.tool(fresh_id(), "big", &json!({"bytes": 100_000})),
    );
    until("the long line is dropped", || {
        (dropped() == 2).then_some(())
    });
    drop(lost);
    let lost = Wire::open(
        gateway.address,
        &client.tool(fresh_id(), "wrong_id", &json!({})),
    );
    let notes = || {
        gateway
            .log()
            .into_iter()
            .filter(|line| line["kind"] == "event" && line["level"] == "warn")
            .count()
    };
    until("both are in the log", || (notes() >= 2).then_some(()));
    drop(lost);
    healthy(&gateway, &client);
}

/// It still serves, lost nothing, and has nothing left in flight.
fn healthy(gateway: &Gateway, client: &Client) {
    let id = fresh_id();
    let answer = Wire::open(
        gateway.address,
        &client.tool(id, "echo", &json!({"text": "well"})),
    )
    .answer();
    let message: Value = answer.message();
    assert_eq!(
        (&message["id"], &message["result"]["content"][0]["text"]),
        (&json!(id), &json!("well")),
        "{message}"
    );
    until("nothing is in flight", || {
        let metrics = gateway.metrics();
        (metrics.sum("pilothouse_calls_in_flight", &[]) == 0).then_some(())
    });
    assert_eq!(
        gateway
            .metrics()
            .sum("pilothouse_call_drafts_lost_total", &[]),
        0
    );
    assert_eq!(gateway.get("/livez", "anything").status(), 200);
}
