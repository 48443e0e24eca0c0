//! Whatever happens to a call, there is one record of it, and it is the right one.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::{Gateway, send, until};
use crate::http1::Wire;
use crate::world::{Record, World, closed_port, stdio, taped};
use Era::{Legacy, Modern};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One call and what is to become of it.
struct Case {
    name: &'static str,
    server: &'static str,
    send: Send,
    during: During,
    told: Told,
    record: Record,
}

/// What is sent.
enum Send {
    Tool(&'static str, Value),
    Method(&'static str),
    /// `initialize`, on a server where a session cannot be had.
    Initialize,
    /// A body that has no id.
    Body(String),
    /// The head, and the body but for its last byte; then the client leaves.
    HalfBody,
}

/// What happens once the server has the call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum During {
    Nothing,
    /// The client closes its connection.
    Leave,
    /// The client cancels.
    Cancel,
    /// The client ends its session.
    Delete,
    /// Every child of the server is killed.
    Kill,
}

/// What the client is told.
enum Told {
    /// This status, with a result.
    Result(u16),
    /// This status, with this JSON-RPC error for its id.
    Error(u16, i64),
    /// The same, and when to come again.
    RetryLater(u16, i64),
    /// The server's own page of this status.
    Page(u16),
    /// An answer that is visibly incomplete.
    Cut(u16),
    /// It does not listen any more.
    Nothing,
}

const OK: Record = Record(200, "ok", "nobody", 200, true);
const GONE: Record = Record(499, "client_gone", "caller", 0, false);
const CANCELLED: Record = Record(499, "cancelled", "caller", 0, false);
const LATE: Record = Record(504, "timeout", "upstream", 504, true);
const DIED: Record = Record(502, "unavailable", "upstream", 502, true);

fn case(name: &'static str, server: &'static str, send: Send, told: Told, record: Record) -> Case {
    Case {
        name,
        server,
        send,
        during: During::Nothing,
        told,
        record,
    }
}

fn tool(
    name: &'static str,
    server: &'static str,
    arguments: Value,
    told: Told,
    record: Record,
) -> Case {
    case(name, server, Send::Tool(name, arguments), told, record)
}

fn during(during: During, case: Case) -> Case {
    Case { during, ..case }
}

fn check(world: &World, era: Era, case: &Case) {
    let name = format!("{} at {} ({era:?})", case.name, case.server);
    let address = world.gateway.address;
    let mut client = match case.send {
        Send::Initialize => Client::stranger(address, case.server),
        _ if case.server == "refused" && era == Legacy => Client::stranger(address, case.server),
        _ => world.client(era, case.server),
    };
    if case.server == "mortal" {
        world.awake(&client);
    }
    let id = fresh_id();
    world.made(1);
    let bytes = match &case.send {
        Send::Tool(tool, arguments) => {
            let mut arguments = arguments.clone();
            arguments["mark"] = id.into();
            client.tool(id, tool, &arguments)
        }
        Send::Method(method) => client.call(id, method, json!({})),
        Send::Initialize => client.call(
            id,
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": {}}),
        ),
        Send::Body(body) => client.post(body),
        Send::HalfBody => {
            let mut bytes = client.tool(id, "echo", &json!({"text": "never whole"}));
            bytes.pop();
            bytes
        }
    };
    let abandoned = world.http.abandoned();
    let mut wire = Wire::open(address, &bytes);
    if matches!(case.send, Send::HalfBody) {
        wire.half_close();
        return case.record.check(&world.nameless_record(), &name);
    }
    let known_as = (case.during != During::Nothing).then(|| match case.during {
        // It is enough that the call is on its way: the kill ends it wherever it is.
        During::Kill => {
            until("a call in flight", || {
                (world
                    .gateway
                    .metrics()
                    .sum("pilothouse_calls_in_flight", &[("server", case.server)])
                    == 1)
                    .then_some(())
            });
            Value::Null
        }
        _ => world.arrived(id),
    });
    match case.during {
        During::Nothing => {}
        During::Leave => {
            drop(wire);
            case.record.check(&world.record(id), &name);
            if let (Modern, Some(known_as)) = (era, known_as) {
                the_server_learns_of_it(world, case, &known_as, abandoned);
            }
            return;
        }
        During::Cancel => {
            let params = json!({"requestId": id});
            assert_eq!(
                client.notify("notifications/cancelled", &params).status(),
                202,
                "{name}"
            );
        }
        During::Delete => {
            let answer = Wire::open(address, &client.http("DELETE", &[], b"")).answer();
            assert_eq!(answer.status(), 200, "{name}");
            client.session = None;
        }
        During::Kill => {
            for (_, pid) in world.gateway.children(case.server) {
                send(pid, Signal::KILL);
            }
        }
    }
    let line = told(case, id, &mut wire, &name, || match case.send {
        Send::Body(_) => world.nameless_record(),
        _ => world.record(id),
    });
    case.record.check(&line, &name);
}

/// Checks every case, and says of all of them which are not as they should be.
fn check_all(world: &World, era: Era, cases: &[Case]) {
    let failed: Vec<_> = cases
        .iter()
        .filter(|case| catch_unwind(AssertUnwindSafe(|| check(world, era, case))).is_err())
        .map(|case| format!("{} at {}", case.name, case.server))
        .collect();
    assert!(failed.is_empty(), "{era:?}: {failed:?}");
}

/// Checks what the client is told; the record is there before the answer's last byte is.
fn told(
    case: &Case,
    id: u64,
    wire: &mut Wire,
    name: &str,
    record: impl FnOnce() -> Value,
) -> Value {
    if matches!(case.told, Told::Nothing) {
        return record();
    }
    let answer = wire.answer();
    let (status, text, message) = (answer.status(), answer.text(), answer.message());
    let of_this_call = if matches!(case.send, Send::Body(_)) {
        Value::Null
    } else {
        id.into()
    };
    match case.told {
        Told::Result(wanted) => {
            assert_eq!(status, wanted, "{name}: {text}");
            assert!(
                answer.whole && message["result"].is_object() && message["id"] == of_this_call,
                "{name}: {text}"
            );
        }
        Told::Error(wanted, code) | Told::RetryLater(wanted, code) => {
            assert_eq!(
                (status, answer.code()),
                (wanted, Some(code)),
                "{name}: {text}"
            );
            assert_eq!(message["id"], of_this_call, "{name}: {text}");
            assert!(answer.whole, "{name}: {text}");
            let retry: Option<u64> = answer
                .head
                .header("retry-after")
                .and_then(|v| v.parse().ok());
            assert_eq!(
                retry.is_some(),
                matches!(case.told, Told::RetryLater(..)),
                "{name}: {:?}",
                answer.head
            );
        }
        Told::Page(wanted) => assert!(status == wanted && answer.whole, "{name}: {status} {text}"),
        Told::Cut(wanted) => assert!(status == wanted && !answer.whole, "{name}: {status} {text}"),
        Told::Nothing => {}
    }
    record()
}

/// In the modern era a client that leaves cancels.
fn the_server_learns_of_it(world: &World, case: &Case, known_as: &Value, abandoned: usize) {
    match case.server {
        "http" => until("the upstream's client leaves", || {
            (world.http.abandoned() > abandoned).then_some(())
        }),
        _ => world.cancelled(known_as),
    }
}

/// What is the same in front of every server.
fn everywhere(era: Era, server: &'static str, is_stdio: bool) -> Vec<Case> {
    use Told::{Error, Result};
    let rpc = |status, blame| move |http| Record(status, "protocol_error", blame, http, true);
    let error = |code: i64, record: Record| {
        let told = if record.3 == 200 {
            Error(200, code)
        } else {
            Error(record.3, code)
        };
        tool("error", server, json!({"code": code}), told, record)
    };
    // Over stdio it is we who choose the HTTP status of an error, by its code.
    let bad = if era == Modern && is_stdio { 400 } else { 200 };
    let unknown = if era == Modern { 404 } else { 200 };
    let long = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":null,\"pad\":\"{}\"}}",
        "x".repeat(100_000)
    );
    let refused = |status| Record(status, "refused", "caller", status, true);
    let mut cases = vec![
        case(
            "the list",
            server,
            Send::Method("tools/list"),
            Result(200),
            OK,
        ),
        tool("echo", server, json!({"text": "hello"}), Result(200), OK),
        tool("big", server, json!({"bytes": 300_000}), Result(200), OK),
        tool("notify", server, json!({"n": 3}), Result(200), OK),
        tool(
            "fail",
            server,
            json!({}),
            Result(200),
            Record(200, "tool_error", "upstream", 200, true),
        ),
        tool(
            "input_required",
            server,
            json!({}),
            Result(200),
            Record(200, "input_required", "nobody", 200, true),
        ),
        error(-32603, rpc(500, "upstream")(200)),
        error(7, rpc(500, "upstream")(200)),
        error(-32002, rpc(404, "caller")(200)),
        error(-32602, rpc(400, "caller")(bad)),
        error(-32601, rpc(404, "caller")(unknown)),
        tool(
            "no such tool",
            server,
            json!({}),
            Error(bad, -32602),
            rpc(404, "caller")(bad),
        ),
        case(
            "unknown method",
            server,
            Send::Method("no/such"),
            Error(unknown, -32601),
            rpc(404, "caller")(unknown),
        ),
        case(
            "bad JSON",
            server,
            Send::Body("{\"jsonrpc\":".into()),
            Error(400, -32700),
            refused(400),
        ),
        case(
            "no message",
            server,
            Send::Body("{}".into()),
            Error(400, -32600),
            refused(400),
        ),
        case(
            "too long",
            server,
            Send::Body(long),
            Error(413, 40_000),
            refused(413),
        ),
        case("gone before", server, Send::HalfBody, Told::Nothing, GONE),
    ];
    if era == Modern {
        let marked = if is_stdio { "taped" } else { server };
        cases.push(during(
            During::Leave,
            tool("slow", marked, json!({"ms": 60_000}), Told::Nothing, GONE),
        ));
    } else {
        let marked = if is_stdio { "taped" } else { server };
        let undelivered = Record(200, "ok", "nobody", 0, false);
        cases.push(during(
            During::Leave,
            tool(
                "slow",
                marked,
                json!({"ms": 300}),
                Told::Nothing,
                undelivered,
            ),
        ));
        // Over HTTP the answer's stream is the server's to end; over stdio it is ours.
        let ended = |http: u16, record: Record| match is_stdio {
            true => (
                Error(http, if http == 404 { -32001 } else { 40_000 }),
                Record(record.0, record.1, record.2, http, true),
            ),
            false => (Told::Nothing, record),
        };
        for (during_it, (told, record)) in [
            (During::Cancel, ended(499, CANCELLED)),
            (During::Delete, ended(404, GONE)),
        ] {
            cases.push(during(
                during_it,
                tool("hang", marked, json!({}), told, record),
            ));
        }
    }
    cases
}

#[test]
fn in_front_of_an_http_server() {
    let servers = |http: &ph_sim::FakeHttpUpstream, _: &str| {
        let url = http.url();
        let server = |name: &str, more: &str| format!("  {name}:\n    url: {url}\n{more}");
        [
            server("http", ""),
            server("first", "    timeouts: {first_byte: 250ms}\n"),
            server("idle", "    timeouts: {idle: 250ms}\n"),
            server("total", "    timeouts: {total: 250ms}\n"),
            format!(
                "  refused:\n    url: http://127.0.0.1:{}/mcp\n",
                closed_port()
            ),
        ]
        .concat()
    };
    let world = World::start(servers, "http: {request_bytes_max: 64KiB}\n");
    for era in [Legacy, Modern] {
        let page = |status, blame| Record(status, "protocol_error", blame, status, true);
        let no_answer = Record(502, "protocol_error", "upstream", 200, true);
        let cut = Record(502, "unavailable", "upstream", 200, false);
        let status = |code: u16, blame| {
            tool(
                "status",
                "http",
                json!({"code": code}),
                Told::Page(code),
                page(code, blame),
            )
        };
        let mut cases = everywhere(era, "http", false);
        cases.extend([
            tool("sse", "http", json!({}), Told::Result(200), OK),
            status(500, "upstream"),
            status(503, "upstream"),
            status(429, "caller"),
            tool("html", "http", json!({}), Told::Page(200), no_answer),
            tool("malformed", "http", json!({}), Told::Page(200), no_answer),
            tool("wrong_id", "http", json!({}), Told::Page(200), no_answer),
            tool("mislabelled", "http", json!({}), Told::Page(200), cut),
            tool("cut", "http", json!({}), Told::Page(200), cut),
            tool("reset_late", "http", json!({}), Told::Cut(200), cut),
            tool(
                "reset_early",
                "http",
                json!({}),
                Told::Error(502, 50_200),
                DIED,
            ),
            tool("hang", "first", json!({}), Told::Error(504, 50_400), LATE),
            tool(
                "hang_body",
                "idle",
                json!({}),
                Told::Error(504, 50_400),
                LATE,
            ),
            tool(
                "slow",
                "total",
                json!({"ms": 60_000}),
                Told::Error(504, 50_400),
                LATE,
            ),
            tool(
                "echo",
                "refused",
                json!({}),
                Told::RetryLater(502, 50_200),
                DIED,
            ),
        ]);
        check_all(&world, era, &cases);
    }
    world.balance();
}

#[test]
fn in_front_of_a_child() {
    let servers = |_: &ph_sim::FakeHttpUpstream, tape: &str| {
        [
            stdio("stdio", &[], ""),
            taped("taped", tape),
            stdio("mortal", &[], "    prewarm: 0\n"),
            stdio("first", &[], "    timeouts: {first_byte: 250ms}\n"),
            stdio("total", &[], "    timeouts: {total: 250ms}\n"),
            stdio(
                "narrow",
                &[],
                "    timeouts: {first_byte: 250ms}\n    limits: {line_bytes_max: 64KiB}\n",
            ),
            stdio("crash", &["--exit-at-start", "3"], ""),
            "  missing:\n    command: /nonexistent/server\n".into(),
        ]
        .concat()
    };
    let world = World::start(servers, "http: {request_bytes_max: 64KiB}\n");
    for era in [Legacy, Modern] {
        let mut cases = everywhere(era, "stdio", true);
        let died = || Told::Error(502, 50_200);
        let late = || Told::Error(504, 50_400);
        cases.extend([
            tool("malformed", "stdio", json!({}), Told::Result(200), OK),
            tool("malformed", "first", json!({"instead": true}), late(), LATE),
            tool("wrong_id", "first", json!({}), late(), LATE),
            tool("hang", "first", json!({}), late(), LATE),
            tool("slow", "total", json!({"ms": 60_000}), late(), LATE),
            tool("big", "narrow", json!({"bytes": 100_000}), late(), LATE),
            tool("crash", "mortal", json!({}), died(), DIED),
            tool("crash_partial", "mortal", json!({}), died(), DIED),
            tool("close_stdout", "mortal", json!({}), died(), DIED),
            during(
                During::Kill,
                tool("hang", "mortal", json!({}), died(), DIED),
            ),
        ]);
        for server in ["crash", "missing"] {
            let first = match era {
                Legacy => Send::Initialize,
                Modern => Send::Method("tools/list"),
            };
            let told = Told::RetryLater(502, 50_200);
            cases.push(case("a start that fails", server, first, told, DIED));
        }
        check_all(&world, era, &cases);
    }
    world.balance();
}

#[test]
fn a_client_that_leaves_while_the_server_starts_is_recorded() {
    let slow = stdio("slow", &["--delay-start", "60000"], "");
    let gateway = Gateway::launch(&format!("servers:\n{slow}"));
    let client = Client::modern(gateway.address, "slow");
    let waiting = Wire::open(
        gateway.address,
        &client.call(fresh_id(), "tools/list", json!({})),
    );
    until("the call is in flight", || {
        (gateway.metrics().sum("pilothouse_calls_in_flight", &[]) == 1).then_some(())
    });
    drop(waiting);
    let line = until("its record", || gateway.calls().pop());
    Record(499, "client_gone", "caller", 0, false).check(&line, "left");
    let lost = gateway
        .metrics()
        .sum("pilothouse_call_drafts_lost_total", &[]);
    assert_eq!(lost, 0);
}
