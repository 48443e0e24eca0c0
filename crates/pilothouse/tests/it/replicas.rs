//! Several children behind one server: who gets which call, and when there are more or fewer.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, is_alive, send, until};
use crate::http1::Wire;
use ph_sim::fake_stdio_server;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A gateway before one server with these `replicas`.
fn gateway(replicas: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        "servers:\n  s:\n    command: {}\n    replicas: {{{replicas}}}\n{more}",
        fake_stdio_server().display()
    ))
}

/// Sends a call of `tool`.
fn begin(client: &Client, id: u64, tool: &str, arguments: &Value) -> Wire {
    Wire::open(client.address, &client.tool(id, tool, arguments))
}

/// The status and the body of an answer.
fn end(mut wire: Wire) -> (u16, Value) {
    let answer = wire.answer();
    let body = serde_json::from_str(&answer.text()).unwrap_or_default();
    (answer.status(), body)
}

/// The shared children; a spare one for sessions is none of them.
fn shared(gateway: &Gateway) -> Vec<(String, u32)> {
    let mut children = gateway.children("s");
    children.retain(|(replica, _)| replica != "session");
    children
}

fn children(gateway: &Gateway, count: usize) -> Vec<(String, u32)> {
    until(&format!("{count} children"), || {
        let children = shared(gateway);
        (children.len() == count).then_some(children)
    })
}

fn replicas(gateway: &Gateway, state: &str, count: u64) {
    until(&format!("{count} replicas are {state}"), || {
        let labels = [("server", "s"), ("state", state)];
        (gateway.metrics().sum("pilothouse_replicas", &labels) == count).then_some(())
    });
}

#[test]
fn calls_are_spread_and_answers_find_their_callers() {
    let gateway = gateway("min: 3", "");
    replicas(&gateway, "ready", 3);
    let client = Client::modern(gateway.address, "s");
    // All with the same id: callers do not know of each other.
    let id = fresh_id();
    let wires: Vec<_> = (0..30)
        .map(|n| begin(&client, id, "slow", &json!({"ms": 1500 + n})))
        .collect();
    for wire in wires {
        let (status, body) = end(wire);
        assert_eq!((status, &body["id"]), (200, &json!(id)), "{body}");
    }
    let of = |replica: &str| {
        let calls = gateway.calls().into_iter();
        calls.filter(|line| line["replica"] == replica).count()
    };
    let count = || [of("0"), of("1"), of("2")];
    until("30 records", || {
        (count().iter().sum::<usize>() == 30).then_some(())
    });
    assert_eq!(count(), [10, 10, 10]);
}

#[test]
fn a_child_that_dies_takes_only_its_own_calls() {
    let gateway = gateway("min: 3", "    restart: {backoff_min: 10ms}\n");
    replicas(&gateway, "ready", 3);
    let client = Client::modern(gateway.address, "s");
    let slow: Vec<_> = (0..6)
        .map(|_| begin(&client, fresh_id(), "slow", &json!({"ms": 3000})))
        .collect();
    until("six calls are with the children", || {
        let status = gateway.admin("/api/pilothouse/servers/s").text();
        let status: Value = serde_json::from_str(&status).unwrap();
        let replicas = status["replicas"].as_array().unwrap();
        let with = replicas.iter().filter_map(|one| one["in_flight"].as_u64());
        (with.sum::<u64>() == 6).then_some(())
    });
    let (status, body) = end(begin(&client, fresh_id(), "crash", &json!({})));
    assert_eq!(status, 502, "{body}");
    let answers: Vec<_> = slow.into_iter().map(|wire| end(wire).0).collect();
    let lost = answers.iter().filter(|status| **status == 502).count();
    let kept = answers.iter().filter(|status| **status == 200).count();
    assert_eq!((lost, kept), (2, 4), "{answers:?}");
    replicas(&gateway, "ready", 3);
}

#[test]
fn there_are_more_children_under_load_and_no_call_is_lost_when_they_go() {
    let rules = "min: 1, max: 3, target_in_flight: 2, scale_up_after: 100ms, scale_down_after: 1s";
    let gateway = gateway(rules, "");
    let client = Client::modern(gateway.address, "s");
    replicas(&gateway, "ready", 1);
    let slow = |ms: u64| begin(&client, fresh_id(), "slow", &json!({ "ms": ms }));
    let many: Vec<_> = (0..12).map(|_| slow(1500)).collect();
    replicas(&gateway, "ready", 3);
    // Calls go on all the time while children are stopped.
    let mut calls = 0;
    until("one child is left", || {
        let (status, body) = end(slow(20));
        assert_eq!(status, 200, "{body}");
        calls += 1;
        (shared(&gateway).len() == 1).then_some(())
    });
    assert!(calls > 5);
    assert!(many.into_iter().all(|wire| end(wire).0 == 200));
    let metrics = gateway.metrics();
    let count = |direction| {
        let labels = [("server", "s"), ("direction", direction)];
        metrics.sum("pilothouse_scalings_total", &labels)
    };
    assert!(count("up") >= 1 && count("down") >= 1);
}

#[test]
fn an_idle_server_sleeps_and_a_call_wakes_it() {
    let gateway = gateway("min: 0, scale_down_after: 1s", "");
    children(&gateway, 0);
    assert_eq!(gateway.get("/readyz", "localhost").status(), 200);
    let client = Client::modern(gateway.address, "s");
    let (status, body) = end(begin(&client, fresh_id(), "echo", &json!({"text": "up"})));
    assert_eq!(status, 200, "{body}");
    children(&gateway, 1);
    children(&gateway, 0);
}

#[test]
fn a_child_that_answers_nothing_is_left_out_and_replaced() {
    let more = "    health: {interval: 200ms, timeout: 200ms}\n    eject: {pause: 100ms, pause_max: 200ms}\n";
    let gateway = gateway("min: 3, drain: 0s", more);
    replicas(&gateway, "ready", 3);
    let client = Client::modern(gateway.address, "s");
    let (_, hung) = children(&gateway, 3).remove(0);
    send(hung, Signal::STOP);
    replicas(&gateway, "out", 1);
    for _ in 0..10 {
        let (status, body) = end(begin(&client, fresh_id(), "echo", &json!({"text": "x"})));
        assert_eq!(status, 200, "{body}");
    }
    until("it is replaced", || (!is_alive(hung)).then_some(()));
    replicas(&gateway, "ready", 3);
    assert!(
        gateway
            .metrics()
            .sum("pilothouse_replica_ejections_total", &[("server", "s")])
            >= 1
    );
    let labels = [("server", "s"), ("reason", "unhealthy")];
    until("its restart is counted", || {
        (gateway.metrics().sum("mcp_server_restarts_total", &labels) >= 1).then_some(())
    });
}

#[test]
fn a_child_that_answers_again_gets_calls_again() {
    let more = "    health: {interval: 200ms, timeout: 200ms}\n    eject: {pause: 1s}\n";
    let gateway = gateway("min: 2", more);
    replicas(&gateway, "ready", 2);
    let (replica, stopped) = children(&gateway, 2).remove(0);
    send(stopped, Signal::STOP);
    replicas(&gateway, "out", 1);
    send(stopped, Signal::CONT);
    replicas(&gateway, "ready", 2);
    assert!(is_alive(stopped), "it was not replaced");
    let client = Client::modern(gateway.address, "s");
    until("it gets a call", || {
        end(begin(&client, fresh_id(), "echo", &json!({"text": "x"})));
        let calls = gateway.calls();
        calls
            .iter()
            .any(|line| line["replica"] == replica.as_str())
            .then_some(())
    });
}

#[test]
fn calls_wait_for_room_and_are_refused_when_too_many_wait_or_for_too_long() {
    let more = "    limits: {queue_max: 2}\n";
    let gateway = gateway("min: 1, in_flight_max: 2, queue_time: 500ms", more);
    let client = Client::modern(gateway.address, "s");
    replicas(&gateway, "ready", 1);
    let hang = || begin(&client, fresh_id(), "hang", &json!({}));
    let _held = [hang(), hang()];
    until("two calls are with the child", || {
        let metrics = gateway.metrics();
        (metrics.sum("pilothouse_calls_in_flight", &[("server", "s")]) == 2).then_some(())
    });
    let waiting = [hang(), hang()];
    until("two calls wait", || {
        let metrics = gateway.metrics();
        (metrics.sum("pilothouse_queue_depth", &[("server", "s")]) == 2).then_some(())
    });
    let (status, body) = end(hang());
    assert_eq!(status, 503, "{body}");
    let messages: BTreeSet<_> = waiting
        .into_iter()
        .map(|wire| {
            let (status, body) = end(wire);
            assert_eq!(status, 503, "{body}");
            body["error"]["message"].to_string()
        })
        .collect();
    assert!(
        messages.iter().all(|m| m.contains("replicas.queue_time")),
        "{messages:?}"
    );
}
