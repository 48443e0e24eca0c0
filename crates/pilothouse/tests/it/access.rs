//! Who may see and call what, as clients and operators see it.

use crate::client::{Client, Era, fresh_id};
use crate::http1::{Answer, Wire};
use crate::world::{Record, World, stdio};
use serde_json::{Value, json};

const FORBIDDEN: Record = Record(403, "refused", "caller", 403, true);
const SERVERS: [&str; 2] = ["http", "stdio"];

/// A gateway before a server of each kind, with these rules.
fn world(access: &str) -> World {
    let servers = |http: &ph_sim::FakeHttpUpstream, _: &str| {
        let url = http.url();
        format!("  http:\n    url: {url}\n{}", stdio("stdio", &[], ""))
    };
    World::start(servers, &format!("access:\n{access}"))
}

fn asked(world: &World, client: &Client, method: &str, params: Value) -> (u64, Answer) {
    let id = fresh_id();
    world.made(1);
    let request = client.call(id, method, params);
    (id, Wire::open(client.address, &request).answer())
}

/// The message in an answer, by whichever way it came.
fn message(answer: &Answer) -> Value {
    match serde_json::from_str(&answer.text()) {
        Ok(message) => message,
        Err(_) => answer.events().pop().unwrap(),
    }
}

fn listed(answer: &Answer) -> Vec<String> {
    let message = message(answer);
    let tools = message["result"]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[test]
fn a_list_shows_what_may_be_called_and_nothing_else_may() {
    let world = world("  rules:\n    - allow: {tools: [echo, 'a*']}\n");
    for server in SERVERS {
        for era in [Era::Modern, Era::Legacy] {
            let client = world.client(era, server);
            let (id, answer) = asked(&world, &client, "tools/list", json!({}));
            assert_eq!(answer.status(), 200, "{server}: {}", answer.text());
            assert_eq!(
                listed(&answer),
                ["echo", "annotated", "ask", "allocate"],
                "{server}"
            );
            world.record(id);
            for tool in ph_sim::TOOLS
                .iter()
                .filter(|t| **t == "echo" || **t == "fail")
            {
                let params = json!({"name": tool, "arguments": {"text": "x"}});
                let (id, answer) = asked(&world, &client, "tools/call", params);
                let line = world.record(id);
                if *tool == "echo" {
                    assert_eq!(answer.status(), 200, "{server}: {}", answer.text());
                    continue;
                }
                assert_eq!(answer.status(), 403, "{server}: {}", answer.text());
                let error = &answer.message()["error"];
                assert_eq!(error["code"], 40_300);
                let text = format!(
                    "forbidden: tool fail on server {server} for client 127.0.0.1, no rule allows it"
                );
                assert_eq!(error["message"], text);
                assert_eq!(answer.message()["id"], id);
                FORBIDDEN.check(&line, server);
                assert_eq!(line["error"], format!("{text} (access.default)"));
            }
        }
        let labels = [("server", server), ("reason", "forbidden")];
        let refused = world.gateway.metrics().sum("mcp_refused_total", &labels);
        assert_eq!(refused, 2);
    }
    world.balance();
}
