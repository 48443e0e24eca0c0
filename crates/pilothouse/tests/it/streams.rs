//! Calls whose answer does not simply come back: questions of the server, batches, streams that
//! are taken up again, sessions that the server forgot.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::until;
use crate::http1::Wire;
use crate::world::{Record, World, taped};
use serde_json::{Value, json};

const OK: Record = Record(200, "ok", "nobody", 200, true);
const UNDELIVERED: Record = Record(200, "ok", "nobody", 200, false);

fn world() -> World {
    World::start(
        |http, tape| format!("  http:\n    url: {}\n{}", http.url(), taped("taped", tape)),
        "",
    )
}

#[test]
fn a_question_of_the_server_is_a_call_of_its_own() {
    let world = world();
    for server in ["http", "taped"] {
        let client = world.client(Era::Legacy, server);
        let (id, mut wire, question) = ask(&world, &client);
        answer_question(&client, &question);
        let (_, told) = wire.event().expect("the answer of the call");
        assert!(
            told["id"] == id && told["result"].is_object(),
            "{server}: {told}"
        );
        let line = world.record(id);
        OK.check(&line, server);
        let asked = world.record_of(&question["id"].to_string());
        Record(200, "ok", "nobody", 202, true).check(&asked, server);
        assert_eq!(asked["direction"], "to_client", "{server}");
        assert_eq!(asked["method"], "sampling/createMessage", "{server}");
        let waited = |line: &Value| line["waited_on_client_ms"].as_f64().unwrap_or(0.0);
        assert!(
            waited(&asked) > 0.0 && waited(&line) >= waited(&asked),
            "{server}: the time of its question is its client's: {line}"
        );
        assert_eq!(
            asked["trace_id"], line["trace_id"],
            "{server}: the question belongs to the call"
        );
    }
    world.balance();
}

#[test]
fn a_lost_stream_is_taken_up_again() {
    let world = world();

    // The server ends its stream before the answer.
    let client = world.client(Era::Legacy, "http");
    let id = fresh_id();
    world.made(1);
    let cut = Wire::open(
        client.address,
        &client.tool(id, "cut", &json!({"resume": true})),
    )
    .answer();
    take_up(&client, &cut.last_event_id().expect("an event id"), id);
    OK.check(&world.record(id), "cut by the server");

    // The client loses its stream; the child's answer waits for it.
    let client = world.client(Era::Legacy, "taped");
    let (id, mut wire, question) = ask(&world, &client);
    assert_eq!(wire.head().map(|head| head.status), Some(200));
    let last = question["event_id"]
        .as_str()
        .expect("an event id")
        .to_owned();
    drop(wire);
    answer_question(&client, &question);
    UNDELIVERED.check(&world.record(id), "cut by the client");
    take_up(&client, &last, id);

    // The client is back before the child has answered.
    let (id, wire, question) = ask(&world, &client);
    let last = question["event_id"].as_str().expect("an event id");
    drop(wire);
    let mut stream = Wire::open(
        client.address,
        &client.http("GET", &[("Last-Event-ID", last)], b""),
    );
    assert_eq!(stream.head().map(|head| head.status), Some(200));
    answer_question(&client, &question);
    let (_, told) = stream.event().expect("the answer on the stream taken up");
    assert!(told["id"] == id && told["result"].is_object(), "{told}");
    OK.check(&world.record(id), "taken up in time");
    world.balance();
}

#[test]
fn a_client_that_closes_its_stream_is_no_warning() {
    let world = world();
    for server in ["http", "taped"] {
        let client = world.client(Era::Modern, server);
        let id = fresh_id();
        world.made(1);
        let params = json!({"notifications": {"toolsListChanged": true}});
        let call = client.call(id, "subscriptions/listen", params);
        let mut wire = Wire::open(client.address, &call);
        let (_, told) = wire.event().expect("an acknowledgement");
        assert_eq!(told["method"], "notifications/subscriptions/acknowledged");
        drop(wire);
        let line = world.record(id);
        assert_eq!(
            (&line["outcome"], &line["level"]),
            (&json!("client_gone"), &json!("info")),
            "{server}"
        );
    }
    world.balance();
}

#[test]
fn calls_of_a_batch_do_not_wait_for_each_other() {
    let world = world();
    let mut client = Client::stranger(world.gateway.address, "taped");
    client.version = "2025-03-26".into();
    assert_eq!(world.initialize(&mut client).1.status(), 200);
    let (slow, quick) = (fresh_id(), fresh_id());
    world.made(2);
    let call = |id, name: &str| {
        let arguments = json!({"mark": id, "text": "hi", "ms": 60_000});
        let params = json!({"name": name, "arguments": arguments});
        client.message(id, "tools/call", params)
    };
    let batch = json!([call(slow, "slow"), call(quick, "echo")]).to_string();
    let mut wire = Wire::open(client.address, &client.post(&batch));
    world.arrived(slow);
    OK.check(
        &world.record(quick),
        "it is answered while the first is not",
    );
    let told = client.notify("notifications/cancelled", &json!({"requestId": slow}));
    assert_eq!(told.status(), 202);
    let answers = wire.answer().message();
    let ids: Vec<_> = answers
        .as_array()
        .expect("a batch")
        .iter()
        .map(|a| &a["id"])
        .collect();
    assert_eq!(ids, [&json!(slow), &json!(quick)], "{answers}");
    world.balance();
}

#[test]
fn each_call_of_a_batch_is_recorded() {
    let world = world();
    for server in ["http", "taped"] {
        let mut client = Client::stranger(world.gateway.address, server);
        client.version = "2025-03-26".into();
        assert_eq!(world.initialize(&mut client).1.status(), 200);
        let ids = [fresh_id(), fresh_id(), fresh_id()];
        world.made(3);
        let call = |id, name: &str| {
            client.message(
                id,
                "tools/call",
                json!({"name": name, "arguments": {"text": "hi"}}),
            )
        };
        let batch = json!([
            call(ids[0], "echo"),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            call(ids[1], "fail"),
            client.message(ids[2], "ping", json!({})),
        ]);
        let answer = Wire::open(client.address, &client.post(&batch.to_string())).answer();
        if server == "http" {
            // This server takes no batches: what it says to that passes, and holds for all of them.
            assert_eq!(
                (answer.status(), answer.code()),
                (400, Some(-32700)),
                "{}",
                answer.text()
            );
            for id in ids {
                Record(400, "protocol_error", "caller", 400, true).check(&world.record(id), server);
            }
            continue;
        }
        let answers = answer.message();
        let answered: Vec<_> = answers
            .as_array()
            .expect("a batch")
            .iter()
            .map(|a| a["id"].clone())
            .collect();
        assert_eq!(json!(answered), json!(ids), "{}", answer.text());
        OK.check(&world.record(ids[0]), "echo");
        Record(200, "tool_error", "upstream", 200, true).check(&world.record(ids[1]), "fail");
        OK.check(&world.record(ids[2]), "ping");
    }
    world.balance();
}

#[test]
fn a_session_that_the_server_forgot_is_over() {
    let world = world();
    let client = world.client(Era::Legacy, "http");
    world.http.forget_sessions();
    let id = fresh_id();
    world.made(1);
    let answer = Wire::open(client.address, &client.call(id, "tools/list", json!({}))).answer();
    assert_eq!(
        (answer.status(), answer.code()),
        (404, Some(-32001)),
        "{}",
        answer.text()
    );
    Record(404, "protocol_error", "caller", 404, true).check(&world.record(id), "forgotten");
    until("no session is watched any more", || {
        (world
            .gateway
            .metrics()
            .sum("mcp_active_connections", &[("server", "http")])
            == 0)
            .then_some(())
    });
    world.balance();
}

/// Calls the tool that asks the client: two calls, the call itself and the question.
fn ask(world: &World, client: &Client) -> (u64, Wire, Value) {
    let id = fresh_id();
    world.made(2);
    let mut wire = Wire::open(
        client.address,
        &client.tool(id, "ask", &json!({"mark": id})),
    );
    let (event_id, mut question) = wire.event().expect("a question");
    assert_eq!(question["method"], "sampling/createMessage", "{question}");
    question["event_id"] = json!(event_id);
    (id, wire, question)
}

fn answer_question(client: &Client, question: &Value) {
    let result =
        json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "said"}});
    let body = json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string();
    assert_eq!(
        Wire::open(client.address, &client.post(&body))
            .answer()
            .status(),
        202
    );
}

/// Reads on from an event; the answer of call `id` comes.
fn take_up(client: &Client, last: &str, id: u64) {
    let mut stream = Wire::open(
        client.address,
        &client.http("GET", &[("Last-Event-ID", last)], b""),
    );
    let (_, told) = stream.event().expect("the answer on the stream taken up");
    assert!(told["id"] == id && told["result"].is_object(), "{told}");
}
