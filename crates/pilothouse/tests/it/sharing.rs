//! Sessions that share the children of a server (`isolation: shared`).

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, is_alive, send, until};
use crate::http1::{Answer, Wire};
use ph_sim::fake_stdio_server;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ERA: &str = "--era, legacy";

/// A gateway before one server whose sessions share children.
fn gateway(more: &str) -> Gateway {
    gateway_with("shared", more)
}

fn gateway_with(isolation: &str, more: &str) -> Gateway {
    let (command, more) = (fake_stdio_server().display().to_string(), more.trim_end());
    Gateway::start(&format!(
        "servers:\n  s:\n    command: {command}\n    args: [{ERA}]\n    isolation: {isolation}\n{more}\n"
    ))
}

/// Opens a session for a client that declares `capabilities` and asks for `version`.
fn open(gateway: &Gateway, version: &str, capabilities: &Value) -> Client {
    let mut client = Client::stranger(gateway.address, "s");
    client.version = version.into();
    let params = json!({"protocolVersion": version, "capabilities": capabilities,
        "clientInfo": {"name": "sharer", "version": "1"}});
    let id = fresh_id();
    let answer = Wire::open(client.address, &client.call(id, "initialize", params)).answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let message = answer.message();
    assert_eq!(message["id"], id, "{message}");
    let version = message["result"]["protocolVersion"].as_str().unwrap();
    client.version = version.to_owned();
    client.session = answer.head.header("mcp-session-id").map(str::to_owned);
    let told = client.notify("notifications/initialized", &json!({}));
    assert_eq!(told.status(), 202);
    client
}

fn sharer(gateway: &Gateway) -> Client {
    open(gateway, "2025-11-25", &json!({}))
}

fn begin(client: &Client, id: u64, tool: &str, arguments: &Value) -> Wire {
    Wire::open(client.address, &client.tool(id, tool, arguments))
}

fn ask(client: &Client, method: &str, params: Value) -> Answer {
    Wire::open(client.address, &client.call(fresh_id(), method, params)).answer()
}

/// What a tool says.
#[track_caller]
fn said(client: &Client, tool: &str, arguments: &Value) -> String {
    let answer = begin(client, fresh_id(), tool, arguments).answer();
    assert_eq!(answer.status(), 200, "{tool}: {}", answer.text());
    let message = answer.message();
    let text = message["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{tool}: {message}"))
        .to_owned()
}

/// So many processes run, as the log says, which may be a moment late.
fn children(gateway: &Gateway, count: usize) {
    until(&format!("{count} children"), || {
        (gateway.children("s").len() == count).then_some(())
    });
}

fn end(client: &Client) {
    let answer = Wire::open(client.address, &client.http("DELETE", &[], b"")).answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

/// The standing stream of a session.
fn standing(client: &Client) -> Wire {
    let mut wire = Wire::open(client.address, &client.http("GET", &[], b""));
    assert_eq!(wire.head().map(|head| head.status), Some(200));
    wire
}

fn status(gateway: &Gateway) -> Value {
    let text = gateway.admin("/api/pilothouse/servers/s").text();
    serde_json::from_str(&text).unwrap()
}

fn in_flight(gateway: &Gateway, calls: u64) {
    until(&format!("{calls} calls are with the children"), || {
        let status = status(gateway);
        let replicas = status["replicas"].as_array()?;
        let with = replicas.iter().filter_map(|r| r["in_flight"].as_u64());
        (with.sum::<u64>() == calls).then_some(())
    });
}

/// The processes of the replicas that are in `state`.
fn pids(gateway: &Gateway, state: &str) -> BTreeSet<u32> {
    let status = status(gateway);
    let replicas = status["replicas"].as_array().unwrap();
    let of = replicas.iter().filter(|r| r["state"] == state);
    of.filter_map(|r| u32::try_from(r["pid"].as_u64()?).ok())
        .collect()
}

fn only_pid(gateway: &Gateway) -> u32 {
    let pids = pids(gateway, "ready");
    assert_eq!(pids.len(), 1, "{}", status(gateway));
    pids.into_iter().next().unwrap()
}

#[test]
fn sessions_share_a_child_and_notice_nothing_of_each_other() {
    let gateway = gateway("");
    let clients: Vec<_> = (0..6).map(|_| sharer(&gateway)).collect();
    children(&gateway, 1);
    // The same ids and tokens in all sessions at the same time.
    let id = fresh_id();
    let calls: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(n, client)| begin(client, id, "slow", &json!({"ms": 900 - 100 * n})))
        .collect();
    in_flight(&gateway, 6);
    for call in calls.into_iter().rev() {
        let answer = { call }.answer();
        assert_eq!(
            (answer.status(), &answer.message()["id"]),
            (200, &json!(id))
        );
    }
    for client in &clients {
        let id = fresh_id();
        let params =
            json!({"name": "notify", "arguments": {"n": 3}, "_meta": {"progressToken": "t"}});
        let mut wire = Wire::open(client.address, &client.call(id, "tools/call", params));
        for n in 1..=3 {
            let (_, progress) = wire.event().unwrap();
            let of = &progress["params"];
            assert_eq!(
                (&of["progressToken"], &of["progress"]),
                (&json!("t"), &json!(n))
            );
        }
        assert_eq!(wire.event().unwrap().1["id"], id);
    }
    // One client has said `initialize` to it, which is Pilothouse.
    let told = said(&clients[0], "told", &json!({}));
    assert_eq!(told.matches("\"initialize\"").count(), 1, "{told}");
    assert_eq!(
        told.matches("notifications/initialized").count(),
        1,
        "{told}"
    );
    children(&gateway, 1);
    clients.iter().for_each(end);
    let again = begin(&clients[0], fresh_id(), "echo", &json!({})).answer();
    assert_eq!(again.status(), 404);
    assert!(is_alive(only_pid(&gateway)), "it is not the sessions' own");
}

#[test]
fn who_could_be_asked_or_speaks_an_older_version_has_a_child_of_its_own() {
    let gateway = gateway("");
    let shared = sharer(&gateway);
    let asked = open(&gateway, "2025-11-25", &json!({"sampling": {}}));
    let older = open(&gateway, "2025-03-26", &json!({}));
    assert_eq!(older.version, "2025-03-26");
    children(&gateway, 3);
    // A version that nobody knows yet is answered with the newest that the server speaks, as it would do itself.
    let newer = open(&gateway, "2027-01-01", &json!({}));
    assert_eq!(newer.version, "2025-11-25");
    children(&gateway, 3);
    for client in [&shared, &asked, &older, &newer] {
        assert_eq!(said(client, "echo", &json!({"text": "x"})), "x");
    }
    end(&asked);
    end(&older);
    children(&gateway, 1);
    // Once is enough, and there is no second time.
    let twice = ask(
        &shared,
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {}}),
    );
    assert_eq!(twice.status(), 400, "{}", twice.text());
    // Stateless clients are told to open a session.
    let stateless = Client::modern(gateway.address, "s");
    let answer = begin(&stateless, fresh_id(), "echo", &json!({"text": "x"})).answer();
    assert_eq!(answer.status(), 400, "{}", answer.text());
}

#[test]
fn where_all_share_the_server_is_told_of_no_capabilities() {
    let gateway = gateway_with("shared_by_all", "");
    let all = json!({"sampling": {}, "roots": {"listChanged": true}});
    let clients: Vec<_> = (0..2).map(|_| open(&gateway, "2025-11-25", &all)).collect();
    children(&gateway, 1);
    // What a client could be asked for concerns nobody.
    clients[0].notify("notifications/roots/list_changed", &json!({}));
    let told = said(&clients[1], "told", &json!({}));
    assert!(!told.contains("roots"), "{told}");
}

#[test]
fn a_call_is_cancelled_in_its_own_session() {
    let gateway = gateway("");
    let (first, second) = (sharer(&gateway), sharer(&gateway));
    let id = fresh_id();
    let long = begin(&first, id, "slow", &json!({"ms": 60_000}));
    let short = begin(&second, id, "slow", &json!({"ms": 1500}));
    in_flight(&gateway, 2);
    // Nobody has this one, and it is nobody's in this session.
    first.notify("notifications/cancelled", &json!({"requestId": fresh_id()}));
    let told = first.notify("notifications/cancelled", &json!({"requestId": id}));
    assert_eq!(told.status(), 202);
    assert_eq!({ long }.answer().status(), 499);
    let answer = { short }.answer();
    assert_eq!(
        (answer.status(), &answer.message()["id"]),
        (200, &json!(id))
    );
    // The child was told so once, and a session that ends takes back what it has there.
    let third = sharer(&gateway);
    let left = begin(&third, fresh_id(), "slow", &json!({"ms": 60_000}));
    in_flight(&gateway, 1);
    end(&third);
    assert_eq!({ left }.answer().status(), 404);
    until("two cancellations have arrived", || {
        let told = said(&first, "told", &json!({}));
        (told.matches("notifications/cancelled").count() == 2).then_some(())
    });
}

#[test]
fn an_update_is_told_to_those_who_listen_and_a_new_child_is_asked_again() {
    let gateway = gateway("    restart: {backoff_min: 10ms}\n");
    let (first, second, third) = (sharer(&gateway), sharer(&gateway), sharer(&gateway));
    let uri = json!({"uri": "file:///a"});
    let listens = |client: &Client, method: &str| {
        let answer = ask(client, method, uri.clone());
        assert_eq!(answer.message()["result"], json!({}), "{}", answer.text());
    };
    listens(&first, "resources/subscribe");
    listens(&second, "resources/subscribe");
    assert_eq!(said(&third, "subscribed", &json!({})), r#"["file:///a"]"#);
    let (mut one, mut two, mut three) = (standing(&first), standing(&second), standing(&third));
    // Below what they listen to is theirs, too.
    said(&third, "touch", &json!({"uri": "file:///a/b"}));
    for wire in [&mut one, &mut two] {
        let told = wire.event().unwrap().1;
        assert_eq!(told["params"]["uri"], "file:///a/b", "{told}");
    }
    listens(&first, "resources/unsubscribe");
    assert_eq!(said(&third, "subscribed", &json!({})), r#"["file:///a"]"#);
    said(&third, "touch", &json!({"uri": "file:///a"}));
    assert_eq!(two.event().unwrap().1["params"]["uri"], "file:///a");

    // A child that dies takes what it had in flight, and nothing else.
    let lost = begin(&first, fresh_id(), "hang", &json!({}));
    in_flight(&gateway, 1);
    let old = only_pid(&gateway);
    send(old, Signal::KILL);
    assert_eq!({ lost }.answer().status(), 502);
    // What was missed meanwhile nobody knows: whoever listens is told to look.
    assert_eq!(two.event().unwrap().1["params"]["uri"], "file:///a");
    assert_eq!(said(&third, "subscribed", &json!({})), r#"["file:///a"]"#);
    assert_ne!(only_pid(&gateway), old);
    assert_eq!(said(&first, "echo", &json!({"text": "on"})), "on");

    // A list that has changed has for all of them. It is the first that the others were told since.
    said(&second, "echo", &json!({}));
    said(&third, "list_changed", &json!({}));
    for wire in [&mut one, &mut two, &mut three] {
        let told = wire.event().unwrap().1;
        assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    }
    // The last one that leaves takes the subscription along.
    end(&second);
    until("nothing is subscribed to", || {
        (said(&third, "subscribed", &json!({})) == "[]").then_some(())
    });
}

#[test]
fn log_messages_go_to_the_only_one_they_can_be_about() {
    let gateway = gateway("");
    let (first, second) = (sharer(&gateway), sharer(&gateway));
    let level = ask(&first, "logging/setLevel", json!({"level": "warning"}));
    assert_eq!(level.message()["result"], json!({}), "{}", level.text());
    let logged = |client: &Client, level: &str| {
        let id = fresh_id();
        let mut wire = begin(client, id, "log", &json!({ "level": level }));
        let head = wire.head().unwrap();
        let is_stream = head.header("content-type") == Some("text/event-stream");
        is_stream && wire.event().unwrap().1["params"]["level"] == level
    };
    assert!(logged(&first, "error"));
    assert!(!logged(&first, "notice"));
    assert!(logged(&second, "info"));
    assert!(!logged(&second, "debug"), "it is not what it asked for");
    // With calls of two sessions it could be about either.
    let busy = begin(&first, fresh_id(), "slow", &json!({"ms": 1500}));
    in_flight(&gateway, 1);
    assert!(!logged(&second, "error"));
    let answer = { busy }.answer();
    let kind = answer.head.header("content-type");
    assert_eq!(kind, Some("application/json"), "{}", answer.text());
}

#[test]
fn a_question_goes_to_nobody_but_the_one_it_is_for() {
    let gateway = gateway("");
    let (first, second) = (sharer(&gateway), sharer(&gateway));
    let shared = only_pid(&gateway);
    // Two have calls there: nobody is asked.
    let busy = begin(&first, fresh_id(), "slow", &json!({"ms": 1500}));
    in_flight(&gateway, 1);
    let refused = said(&second, "ask", &json!({}));
    assert!(refused.contains("cannot be told which"), "{refused}");
    let answer = { busy }.answer();
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    let labels = [("server", "s"), ("reason", "unattributed")];
    assert_eq!(gateway.metrics().sum("mcp_refused_total", &labels), 1);
    let asked = until("the record of the question", || {
        let calls = gateway.calls().into_iter();
        calls.into_iter().find(|c| c["direction"] == "to_client")
    });
    assert_eq!(asked["outcome"], "refused", "{asked}");

    // One has: it is asked, and the child is its alone from then on.
    let id = fresh_id();
    let mut wire = begin(&second, id, "ask", &json!({}));
    let question = wire.event().unwrap().1;
    assert_eq!(question["method"], "sampling/createMessage", "{question}");
    assert_eq!(pids(&gateway, "session"), [shared].into());
    let other = until("another child for the others", || {
        pids(&gateway, "ready").into_iter().next()
    });
    assert_ne!(other, shared);
    // The other session goes on there.
    let calls = |client: &Client| {
        let told = said(client, "told", &json!({}));
        told.matches("tools/call").count()
    };
    assert_eq!(calls(&first), 1);
    // An answer of somebody else is none.
    let reply = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"content": "forged"}});
    for (client, text) in [(&first, "forged"), (&second, "own")] {
        let reply = reply.to_string().replace("forged", text);
        let told = Wire::open(client.address, &client.post(&reply)).answer();
        assert_eq!(told.status(), 202);
    }
    let answer = wire.event().unwrap().1;
    assert_eq!(answer["id"], id);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("own") && !text.contains("forged"), "{text}");
    assert_eq!(calls(&second), 4, "it stays where it was asked");
    end(&second);
    until("what was one session's alone is gone with it", || {
        (!is_alive(shared)).then_some(())
    });
    assert_eq!(only_pid(&gateway), other);
    assert_eq!(said(&first, "echo", &json!({"text": "on"})), "on");
}

#[test]
fn busy_sessions_get_more_children_and_a_restart_ends_none_of_them() {
    let rules = "    replicas: {min: 1, max: 3, target_in_flight: 2, scale_up_after: 100ms, scale_down_after: 1s}\n";
    let gateway = gateway(rules);
    let clients: Vec<_> = (0..6).map(|_| sharer(&gateway)).collect();
    let calls: Vec<_> = clients
        .iter()
        .chain(&clients)
        .map(|client| begin(client, fresh_id(), "slow", &json!({"ms": 1500})))
        .collect();
    until("three children", || {
        (pids(&gateway, "ready").len() == 3).then_some(())
    });
    // Those that come now find the new children.
    let more: Vec<_> = clients
        .iter()
        .map(|client| begin(client, fresh_id(), "slow", &json!({"ms": 300})))
        .collect();
    for call in calls.into_iter().chain(more) {
        assert_eq!({ call }.answer().status(), 200);
    }
    // Calls go on all the time while children are stopped.
    until("one child is left", || {
        assert_eq!(said(&clients[0], "slow", &json!({"ms": 20})), "slept");
        (gateway.children("s").len() == 1).then_some(())
    });
    let old = only_pid(&gateway);
    restart(&gateway);
    until("a new child", || {
        for client in &clients {
            assert_eq!(said(client, "echo", &json!({"text": "x"})), "x");
        }
        (!is_alive(old)).then_some(())
    });
    assert_eq!(status(&gateway)["sessions"], 6);
}

fn restart(gateway: &Gateway) {
    let path = gateway.dir().path().join("data/admin.addr");
    let address = std::fs::read_to_string(path).unwrap();
    let body = r#"{"action":"restart"}"#;
    let request = format!(
        "POST /api/pilothouse/servers/s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = Wire::open(address.trim().parse().unwrap(), request.as_bytes()).answer();
    assert!(answer.status() < 300, "{}", answer.text());
}

#[test]
fn a_spare_takes_the_place_of_a_child_at_once() {
    let more = "    replicas: {min: 1, max: 2, prewarm: 1, target_in_flight: 1, in_flight_max: 1, scale_up_after: 0s}\n    restart: {backoff_min: 60s, backoff_max: 60s}\n";
    let gateway = gateway(more);
    let spare = until("a spare", || pids(&gateway, "spare").into_iter().next());
    let old = only_pid(&gateway);
    let client = sharer(&gateway);
    assert_eq!(
        said(&client, "told", &json!({}))
            .matches("tools/call")
            .count(),
        1
    );
    // One that died is missed for no longer than it takes to see that.
    send(old, Signal::KILL);
    until("the spare serves", || {
        pids(&gateway, "ready").contains(&spare).then_some(())
    });
    assert_eq!(said(&client, "echo", &json!({"text": "x"})), "x");
}

#[test]
fn more_children_are_there_at_once_where_spares_are() {
    let more = "    replicas: {min: 1, max: 3, prewarm: 2, target_in_flight: 1, in_flight_max: 1, scale_up_after: 0s}\n";
    // It takes a while to start.
    let (command, more) = (fake_stdio_server().display().to_string(), more.trim_end());
    let gateway = Gateway::start(&format!(
        "servers:\n  s:\n    command: {command}\n    args: [{ERA}, --delay-start, \"3000\"]\n    isolation: shared\n{more}\n"
    ));
    let spares = until("spares", || {
        let spares = pids(&gateway, "spare");
        (spares.len() == 2).then_some(spares)
    });
    let clients: Vec<_> = (0..3).map(|_| sharer(&gateway)).collect();
    let calls: Vec<_> = clients
        .iter()
        .map(|client| begin(client, fresh_id(), "slow", &json!({"ms": 2000})))
        .collect();
    in_flight(&gateway, 3);
    assert!(pids(&gateway, "ready").is_superset(&spares));
    for call in calls {
        assert_eq!({ call }.answer().status(), 200);
    }
}

#[test]
fn sessions_that_come_and_go_leave_nothing() {
    let gateway = gateway("");
    let stays = sharer(&gateway);
    let pid = only_pid(&gateway);
    for round in 0..100 {
        let client = sharer(&gateway);
        let uri = json!({"uri": format!("file:///{round}")});
        assert_eq!(ask(&client, "resources/subscribe", uri).status(), 200);
        ask(&client, "logging/setLevel", json!({"level": "debug"}));
        // Every third one leaves with a call in flight.
        let left =
            (round % 3 == 0).then(|| begin(&client, fresh_id(), "slow", &json!({"ms": 600_000})));
        assert_eq!(said(&client, "echo", &json!({"text": "x"})), "x");
        if left.is_some() {
            in_flight(&gateway, 1);
        }
        end(&client);
        if let Some(left) = left {
            assert_eq!({ left }.answer().status(), 404);
        }
    }
    until("nothing is subscribed to", || {
        (said(&stays, "subscribed", &json!({})) == "[]").then_some(())
    });
    in_flight(&gateway, 0);
    let status = status(&gateway);
    assert_eq!(status["sessions"], 1, "{status}");
    assert_eq!(only_pid(&gateway), pid);
    assert_eq!(
        gateway
            .metrics()
            .sum("pilothouse_call_drafts_lost_total", &[]),
        0
    );
    end(&stays);
}
