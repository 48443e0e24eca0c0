//! What one client may have of sessions and open streams.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::until;
use crate::http1::{Answer, Wire};
use crate::world::{Record, World, stdio};
use serde_json::json;

/// A gateway before a server of each kind, where a client has two sessions and one stream.
fn world() -> World {
    let servers = |http: &ph_sim::FakeHttpUpstream, _: &str| {
        let url = http.url();
        format!("  http:\n    url: {url}\n{}", stdio("stdio", &[], ""))
    };
    World::start(servers, "clients: {sessions_max: 2, streams_max: 1}\n")
}

#[track_caller]
fn is_refused(answer: &Answer, reason: &str, server: &str, world: &World, count: u64) {
    assert_eq!(answer.status(), 429, "{server}: {}", answer.text());
    assert_eq!(answer.code(), Some(42_900), "{}", answer.text());
    assert_eq!(answer.head.header("retry-after"), Some("30"));
    let labels = [("server", server), ("reason", reason)];
    let metrics = world.gateway.metrics();
    assert_eq!(metrics.sum("mcp_refused_total", &labels), count, "{server}");
}

fn end(client: &Client) {
    let answer = Wire::open(client.address, &client.http("DELETE", &[], b"")).answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

/// The standing stream of a session, once its head is there.
fn listen(client: &Client) -> (Wire, u16) {
    let request = client.http("GET", &[("Accept", "text/event-stream")], b"");
    let mut wire = Wire::open(client.address, &request);
    let status = wire.head().unwrap().status;
    (wire, status)
}

#[test]
fn a_client_has_so_many_sessions_whatever_the_server() {
    let world = world();
    let refused = Record(429, "refused", "caller", 429, true);
    for (nth, server) in ["http", "stdio"].into_iter().enumerate() {
        // Both servers together: it is the client that is counted.
        let first = world.client(Era::Legacy, server);
        let second = world.client(Era::Legacy, ["stdio", "http"][nth]);
        let mut third = Client::stranger(world.gateway.address, server);
        let (id, answer) = world.initialize(&mut third);
        is_refused(&answer, "too_many_sessions", server, &world, 1);
        refused.check(&world.record(id), server);
        // Whoever has no session asks for none.
        let modern = world.client(Era::Modern, server);
        let id = fresh_id();
        world.made(1);
        let call = modern.tool(id, "echo", &json!({"text": "x"}));
        assert_eq!(Wire::open(modern.address, &call).answer().status(), 200);
        end(&first);
        let again = world.client(Era::Legacy, server);
        end(&again);
        end(&second);
    }
    world.balance();
}

#[test]
fn a_client_has_so_many_open_streams() {
    let world = world();
    for server in ["http", "stdio"] {
        let first = world.client(Era::Legacy, server);
        let second = world.client(Era::Legacy, server);
        let (open, status) = listen(&first);
        assert_eq!(status, 200, "{server}");
        let request = second.http("GET", &[("Accept", "text/event-stream")], b"");
        let answer = Wire::open(second.address, &request).answer();
        is_refused(&answer, "too_many_streams", server, &world, 1);
        let modern = world.client(Era::Modern, server);
        let id = fresh_id();
        world.made(1);
        let call = modern.call(id, "subscriptions/listen", json!({"notifications": {}}));
        let answer = Wire::open(modern.address, &call).answer();
        is_refused(&answer, "too_many_streams", server, &world, 2);
        // What is open counts, and not what was.
        drop(open);
        until("the place of a stream that was left", || {
            let (_open, status) = listen(&second);
            (status == 200).then_some(())
        });
        end(&first);
        end(&second);
    }
    world.balance();
}
