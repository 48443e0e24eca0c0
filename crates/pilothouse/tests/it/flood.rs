//! Many clients at once: no call is lost, doubled or given to another.

use crate::client::{Client, Era, fresh_id};
use crate::http1::Wire;
use crate::world::{World, stdio};
use serde_json::json;
use std::thread;

const CLIENTS: usize = 8;
const CALLS: usize = 200;

#[test]
fn a_flood_is_counted_to_the_last_call() {
    let world = World::start(
        |http, _| {
            format!(
                "  http:\n    url: {}\n{}",
                http.url(),
                stdio("stdio", &[], "")
            )
        },
        "",
    );
    let clients = (0..CLIENTS).map(|n| {
        let era = if n % 2 == 0 { Era::Legacy } else { Era::Modern };
        world.client(era, if n % 4 < 2 { "http" } else { "stdio" })
    });
    let clients: Vec<_> = clients.collect();
    world.made(CLIENTS * CALLS);
    let threads: Vec<_> = clients
        .into_iter()
        .map(|client| thread::spawn(move || flood(&client)))
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("every answer is the right one"));
    world.balance();
}

/// Calls one after the other on one connection, and looks at every answer.
fn flood(client: &Client) {
    let mut wire = Wire::connect(client.address);
    for n in 0..CALLS {
        let id = fresh_id();
        let (tool, arguments) = match n % 5 {
            0 => ("fail", json!({})),
            1 => ("error", json!({"code": -32603})),
            2 => ("notify", json!({"n": 2})),
            3 => ("no such tool", json!({})),
            _ => ("echo", json!({"text": format!("text {id}")})),
        };
        wire.send(&client.tool(id, tool, &arguments));
        let answer = wire.answer();
        let message = answer.message();
        assert_eq!(message["id"], id, "{tool}: {}", answer.text());
        assert_eq!(
            message["error"].is_object(),
            n % 5 == 1 || n % 5 == 3,
            "{tool}: {message}"
        );
        if tool == "echo" {
            assert_eq!(
                message["result"]["content"][0]["text"],
                format!("text {id}")
            );
        }
    }
}
