//! Several addresses of one server: who gets which call, and who is left out.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::{Answer, Wire};
use ph_sim::{Eras, FakeHttpUpstream};
use serde_json::json;
use std::net::{Ipv4Addr, TcpListener};

fn gateway(urls: &[String], more: &str) -> Gateway {
    Gateway::launch(&format!("servers:\n  s:\n    urls: {urls:?}\n{more}"))
}

fn upstream() -> FakeHttpUpstream {
    FakeHttpUpstream::start(Eras::Both).unwrap()
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}/mcp", listener.local_addr().unwrap())
}

fn tool(client: &Client, name: &str, arguments: &serde_json::Value) -> Answer {
    Wire::open(client.address, &client.tool(fresh_id(), name, arguments)).answer()
}

fn ejections(gateway: &Gateway) -> u64 {
    let labels = [("server", "s")];
    gateway
        .metrics()
        .sum("pilothouse_replica_ejections_total", &labels)
}

fn replicas(gateway: &Gateway, state: &str, count: u64) {
    until(&format!("{count} replicas are {state}"), || {
        let labels = [("server", "s"), ("state", state)];
        (gateway.metrics().sum("pilothouse_replicas", &labels) == count).then_some(())
    });
}

#[test]
fn calls_are_spread_and_sessions_stay_where_they_began() {
    let (one, two) = (upstream(), upstream());
    let gateway = gateway(&[one.url(), two.url()], "");
    let client = Client::modern(gateway.address, "s");
    let slow: Vec<_> = (0..10)
        .map(|_| {
            Wire::open(
                client.address,
                &client.tool(fresh_id(), "slow", &json!({"ms": 300})),
            )
        })
        .collect();
    for mut wire in slow {
        assert_eq!(wire.answer().status(), 200);
    }
    assert_eq!((one.calls("slow"), two.calls("slow")), (5, 5));

    // Scripted servers count their sessions: those of the second shall have other ids.
    for _ in 0..9 {
        let mut direct = Client::stranger(two.address(), "s");
        direct.path = "/mcp".into();
        assert_eq!(direct.initialize(fresh_id()).status(), 200);
    }
    // Another address would not know their sessions.
    for _ in 0..4 {
        let mut client = Client::stranger(gateway.address, "s");
        assert_eq!(client.era, Era::Legacy);
        assert_eq!(client.initialize(fresh_id()).status(), 200);
        for _ in 0..5 {
            assert_eq!(tool(&client, "echo", &json!({"text": "x"})).status(), 200);
        }
    }
    assert_eq!(one.calls("echo") + two.calls("echo"), 20);
    assert!(one.calls("echo") > 0 && two.calls("echo") > 0);
}

#[test]
fn what_no_byte_has_left_for_goes_to_another_address() {
    let one = upstream();
    let gateway = gateway(
        &[nowhere(), one.url(), nowhere()],
        "    health: {enabled: false}\n",
    );
    let client = Client::modern(gateway.address, "s");
    for _ in 0..30 {
        assert_eq!(tool(&client, "echo", &json!({"text": "x"})).status(), 200);
    }
    assert_eq!(one.calls("echo"), 30);
    replicas(&gateway, "out", 2);
    assert_eq!(ejections(&gateway), 2);
}

#[test]
fn what_may_have_arrived_is_not_sent_again() {
    let (one, two) = (upstream(), upstream());
    let gateway = gateway(&[one.url(), two.url()], "");
    let client = Client::modern(gateway.address, "s");
    assert_eq!(tool(&client, "reset_early", &json!({})).status(), 502);
    assert_eq!(one.calls("reset_early") + two.calls("reset_early"), 1);
}

#[test]
fn when_all_are_out_calls_are_refused_until_one_answers_a_question() {
    let one = upstream();
    let more = "    eject: {failures: 2, pause: 1s}\n    health: {enabled: false}\n";
    let gateway = gateway(&[one.url()], more);
    let client = Client::modern(gateway.address, "s");
    for _ in 0..2 {
        assert_eq!(tool(&client, "status", &json!({"code": 503})).status(), 503);
    }
    let refused = tool(&client, "echo", &json!({"text": "x"}));
    assert_eq!(refused.status(), 503, "{}", refused.text());
    assert!(
        refused.text().contains("left alone for a while"),
        "{}",
        refused.text()
    );
    assert!(refused.head.header("retry-after").is_some());
    assert_eq!(one.calls("echo"), 0, "no client's call finds out");
    replicas(&gateway, "ready", 1);
    assert_eq!(tool(&client, "echo", &json!({"text": "x"})).status(), 200);
    assert!(one.count("server/discover") > 0);
    assert_eq!(ejections(&gateway), 1);
}
