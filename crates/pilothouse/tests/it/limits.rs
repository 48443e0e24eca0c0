//! Limits on calls, as clients and operators see them.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::{Answer, Wire};
use crate::world::{Record, World, stdio};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const OK: Record = Record(200, "ok", "nobody", 200, true);
const REFUSED: Record = Record(429, "refused", "caller", 429, true);
const SERVERS: [&str; 2] = ["http", "stdio"];

/// A gateway before a server of each kind, with these limits.
fn world(limits: &str) -> World {
    let servers = |http: &ph_sim::FakeHttpUpstream, _: &str| {
        let url = http.url();
        format!("  http:\n    url: {url}\n{}", stdio("stdio", &[], ""))
    };
    World::start(servers, limits)
}

fn tool(client: &Client, id: u64, name: &str, arguments: &Value) -> Answer {
    Wire::open(client.address, &client.tool(id, name, arguments)).answer()
}

/// So many calls of `tool`, one after the other, and how the last one was answered.
fn calls(world: &World, client: &Client, name: &str, count: usize) -> (u64, Answer) {
    let mut last = None;
    for _ in 0..count {
        let id = fresh_id();
        world.made(1);
        last = Some((id, tool(client, id, name, &json!({"text": "x"}))));
    }
    last.unwrap()
}

/// The documented example: so many calls for each client, and of one tool fewer.
const EXAMPLE: &str = "limits:\n  calls: {per: [client, server], rate: 100/min}\n  search: {per: [client, server], tools: [echo], rate: 10/min}\n";

#[test]
fn a_refused_call_is_told_why_and_when_to_come_back() {
    let world = world(EXAMPLE);
    for server in SERVERS {
        for era in [Era::Modern, Era::Legacy] {
            let refused = check_example(&world, server, era);
            let labels = [("server", server), ("limit", "search")];
            let counted = world
                .gateway
                .metrics()
                .sum("mcp_rate_limited_total", &labels);
            assert_eq!(counted, refused, "{server}, {era:?}");
        }
        let labels = [("server", server), ("reason", "rate_limited")];
        let metrics = world.gateway.metrics();
        let by_reason = metrics.sum("mcp_refused_total", &labels);
        assert_eq!(
            by_reason,
            metrics.sum("mcp_rate_limited_total", &labels[..1])
        );
    }
    world.balance();
}

/// Eleven calls of a client; the eleventh is refused, unless another era of it has spent all before.
fn check_example(world: &World, server: &str, era: Era) -> u64 {
    let client = world.client(era, server);
    // All clients of this test have one address, so that the second era finds what the first has left.
    let left = if era == Era::Modern { 10 } else { 0 };
    for _ in 0..left {
        let (id, answer) = calls(world, &client, "echo", 1);
        assert_eq!(answer.status(), 200, "{server}: {}", answer.text());
        OK.check(&world.record(id), server);
    }
    let (id, answer) = calls(world, &client, "echo", 1);
    assert_eq!(answer.status(), 429, "{server}: {}", answer.text());
    let message = answer.message();
    assert_eq!(message["id"], id, "{message}");
    assert_eq!(message["error"]["code"], 42_900);
    let data = &message["error"]["data"];
    let wait = data["retryAfter"].as_u64().unwrap();
    assert!((1..=6).contains(&wait), "{message}");
    assert_eq!(data["limit"], "search");
    let text = format!(
        "too many requests: echo 10/min on server {server} for client 127.0.0.1, retry after {wait} s"
    );
    assert_eq!(message["error"]["message"], text);
    let header = |name| answer.head.header(name).map(str::to_owned);
    assert_eq!(header("retry-after"), Some(wait.to_string()));
    assert_eq!(
        header("ratelimit-policy"),
        Some("\"search\";q=10;w=60".into())
    );
    assert_eq!(
        header("ratelimit"),
        Some(format!("\"search\";r=0;t={wait}"))
    );
    let line = world.record(id);
    REFUSED.check(&line, server);
    assert_eq!(
        (&line["limit"], &line["error"]),
        (&json!("search"), &json!(text))
    );
    // The client, and its session, can do everything else.
    let (id, answer) = calls(world, &client, "annotated", 1);
    assert_eq!(answer.status(), 200, "{server}: {}", answer.text());
    world.record(id);
    if era == Era::Modern { 1 } else { 2 }
}

/// A notification is no call, and a refused call takes nothing of the other limits.
#[test]
fn only_calls_that_go_on_are_counted() {
    let world = world(
        "limits:\n  day: {per: [client, server], methods: [tools/call], daily: 5}\n  echo: {per: [client, server], tools: [echo], daily: 2}\n",
    );
    for server in SERVERS {
        let client = world.client(Era::Legacy, server);
        for _ in 0..20 {
            client.notify(
                "notifications/progress",
                &json!({"progressToken": 1, "progress": 1}),
            );
        }
        assert_eq!(calls(&world, &client, "echo", 2).1.status(), 200);
        assert_eq!(calls(&world, &client, "echo", 7).1.status(), 429);
        assert_eq!(calls(&world, &client, "annotated", 3).1.status(), 200);
        let answer = calls(&world, &client, "annotated", 1).1;
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.message()["error"]["data"]["limit"], "day");
    }
    world.balance();
}

/// A session of the revision that has batches, and what is answered to one of these tools.
fn batch(world: &World, client: &Client, tools: &[&str]) -> (Vec<u64>, Answer) {
    let ids: Vec<_> = tools.iter().map(|_| fresh_id()).collect();
    world.made(ids.len());
    let message = |(id, name): (&u64, &&str)| {
        let params = json!({"name": name, "arguments": {"text": "x"}});
        client.message(*id, "tools/call", params)
    };
    let messages: Vec<_> = ids.iter().zip(tools).map(message).collect();
    let body = client.post(&json!(messages).to_string());
    (ids, Wire::open(client.address, &body).answer())
}

fn batching(world: &World, server: &str) -> Client {
    let mut client = Client::stranger(world.gateway.address, server);
    client.version = "2025-03-26".into();
    let (id, answer) = world.initialize(&mut client);
    assert_eq!(answer.status(), 200);
    world.record(id);
    client
}

const TWO_A_DAY: &str = "limits:\n  echo: {per: [server], tools: [echo], daily: 2}\n";

#[test]
fn each_member_of_a_batch_is_a_call() {
    let world = world(TWO_A_DAY);
    let client = batching(&world, "stdio");
    let tools = ["echo", "annotated", "echo", "echo", "annotated", "echo"];
    let (ids, answer) = batch(&world, &client, &tools);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let answers = members(&answer);
    assert_eq!(answers.len(), 6, "{}", answer.text());
    for (nth, id) in ids.iter().enumerate() {
        let is_refused = nth == 3 || nth == 5;
        assert_eq!(answers[id]["error"]["code"] == 42_900, is_refused, "{nth}");
        assert_eq!(answers[id].get("result").is_some(), !is_refused, "{nth}");
        let line = world.record(*id);
        let status = if is_refused { 429 } else { 200 };
        let got = (&line["status"], &line["http_status"]);
        assert_eq!(got, (&json!(status), &json!(200)));
    }
    all_refused(&world, &client);
    world.balance();
}

fn all_refused(world: &World, client: &Client) {
    let (ids, answer) = batch(world, client, &["echo", "echo"]);
    assert_eq!(answer.status(), 429, "{}", answer.text());
    assert!(answer.head.header("retry-after").is_some());
    let answers = members(&answer);
    assert!(ids.iter().all(|id| answers[id]["error"]["code"] == 42_900));
}

/// A server over HTTP is sent what is left of a batch, and nothing when nothing is.
#[test]
fn a_server_sees_the_rest_of_a_batch() {
    let world = world(TWO_A_DAY);
    let client = batching(&world, "http");
    let posted = || {
        let bodies = world.http.received();
        let bodies = bodies
            .iter()
            .map(|r| serde_json::from_slice::<Value>(&r.body));
        bodies
            .filter_map(|body| body.ok()?.as_array().cloned())
            .collect::<Vec<_>>()
    };
    // The fake server knows no batches: its refusal of the whole is passed on.
    let (ids, answer) = batch(&world, &client, &["echo", "echo", "echo", "annotated"]);
    assert_eq!(answer.status(), 400, "{}", answer.text());
    let sent: Vec<_> = posted()[0].iter().map(|m| m["id"].as_u64()).collect();
    assert_eq!(sent, [Some(ids[0]), Some(ids[1]), Some(ids[3])]);
    assert_eq!(world.record(ids[2])["status"], 429);
    all_refused(&world, &client);
    assert_eq!(posted().len(), 1);
    world.balance();
}

/// The answers of a batch by id, whichever way they came.
fn members(answer: &Answer) -> BTreeMap<u64, Value> {
    let messages = match serde_json::from_str(&answer.text()) {
        Ok(Value::Array(all)) => all,
        _ => answer.events(),
    };
    let flat = messages.into_iter().flat_map(|message| match message {
        Value::Array(all) => all,
        one => vec![one],
    });
    flat.map(|message| (message["id"].as_u64().unwrap(), message))
        .collect()
}

#[test]
fn places_at_the_same_time_are_given_back() {
    let world = world("limits:\n  many: {per: [server], tools: [slow, echo], concurrency: 1}\n");
    for server in SERVERS {
        let client = world.client(Era::Modern, server);
        let slow_id = fresh_id();
        world.made(1);
        let request = client.tool(slow_id, "slow", &json!({"ms": 1_000}));
        let mut slow = Wire::open(client.address, &request);
        until("the call is in flight", || {
            let in_flight = [("server", server)];
            (world
                .gateway
                .metrics()
                .sum("pilothouse_calls_in_flight", &in_flight)
                == 1)
                .then_some(())
        });
        let answer = calls(&world, &client, "echo", 1).1;
        assert_eq!(answer.status(), 429, "{server}: {}", answer.text());
        let policy = answer.head.header("ratelimit-policy").map(str::to_owned);
        assert_eq!(
            policy,
            Some("\"many\";q=1;qu=\"concurrent-requests\"".into())
        );
        assert_eq!(slow.answer().status(), 200);
        world.record(slow_id);
        assert_eq!(
            calls(&world, &client, "echo", 3).1.status(),
            200,
            "{server}"
        );
        // A stateless client that leaves takes its call with it, and gives its place back.
        let id = fresh_id();
        world.made(1);
        let left = Wire::open(
            client.address,
            &client.tool(id, "slow", &json!({"ms": 60_000})),
        );
        until("the call is in flight", || {
            let in_flight = [("server", server)];
            (world
                .gateway
                .metrics()
                .sum("pilothouse_calls_in_flight", &in_flight)
                == 1)
                .then_some(())
        });
        drop(left);
        world.record(id);
        assert_eq!(
            calls(&world, &client, "echo", 1).1.status(),
            200,
            "{server}"
        );
    }
    world.balance();
}

#[test]
fn a_limit_on_trial_refuses_nothing_and_one_may_answer_with_200() {
    let world = world(
        "limits:\n  trial: {per: [server], tools: [echo], daily: 1, dry_run: true}\n  soft: {per: [server], tools: [annotated], daily: 1, refuse_with: 200}\n",
    );
    for server in SERVERS {
        let client = world.client(Era::Modern, server);
        let (id, answer) = calls(&world, &client, "echo", 1);
        assert_eq!(answer.status(), 200);
        assert_eq!(world.record(id).get("limit_dry_run"), None);
        let (id, answer) = calls(&world, &client, "echo", 1);
        assert_eq!(answer.status(), 200);
        let line = world.record(id);
        OK.check(&line, server);
        assert_eq!(line["limit_dry_run"], "trial");

        calls(&world, &client, "annotated", 1);
        let (id, answer) = calls(&world, &client, "annotated", 1);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.message()["error"]["code"], 42_900);
        Record(429, "refused", "caller", 200, true).check(&world.record(id), server);
        let metrics = world.gateway.metrics();
        let labels = [("server", server), ("limit", "trial")];
        assert_eq!(metrics.sum("mcp_rate_limit_dry_run_total", &labels), 1);
        assert_eq!(metrics.sum("mcp_rate_limited_total", &labels), 0);
    }
    world.balance();
}

#[test]
fn clients_are_told_apart_by_what_is_believed_of_them() {
    let upstream = ph_sim::FakeHttpUpstream::start(ph_sim::Eras::Both).unwrap();
    let plan = |clients: &str| {
        format!(
            "limits: {{one: {{tools: [echo], daily: 1}}}}\nclients: {clients}\nservers:\n  http:\n    url: {}\n",
            upstream.url()
        )
    };
    let status = |gateway: &Gateway, headers: &[(&str, &str)]| {
        let client = Client::modern(gateway.address, "http");
        let body = client.message(
            fresh_id(),
            "tools/call",
            json!({"name": "echo", "arguments": {"text": "x"}}),
        );
        let request = client.http("POST", headers, body.to_string().as_bytes());
        Wire::open(gateway.address, &request).answer().status()
    };
    // What a client says of itself is worth nothing by default.
    let gateway = Gateway::start(&plan("{}"));
    assert_eq!(
        status(
            &gateway,
            &[("X-Client-Id", "a"), ("X-Forwarded-For", "1.1.1.1")]
        ),
        200
    );
    assert_eq!(
        status(
            &gateway,
            &[("X-Client-Id", "b"), ("X-Forwarded-For", "2.2.2.2")]
        ),
        429
    );

    let gateway = Gateway::start(&plan("{client_id: proxies, trusted_proxies: [127.0.0.1]}"));
    for client in ["a", "b"] {
        assert_eq!(status(&gateway, &[("X-Client-Id", client)]), 200);
        assert_eq!(status(&gateway, &[("X-Client-Id", client)]), 429);
    }
    for claimed in ["9.9.9.9", "8.8.8.8"] {
        let forwarded = format!("{claimed}, 1.1.1.1");
        let want = if claimed == "9.9.9.9" { 200 } else { 429 };
        assert_eq!(status(&gateway, &[("X-Forwarded-For", &forwarded)]), want);
    }
    assert_eq!(status(&gateway, &[("X-Forwarded-For", "2.2.2.2")]), 200);
    assert_eq!(gateway.metrics().sum("pilothouse_limit_subjects", &[]), 4);
}

/// A new plan holds from the next call, and what was taken stays taken.
#[test]
fn a_reload_forgets_nothing() {
    let upstream = ph_sim::FakeHttpUpstream::start(ph_sim::Eras::Both).unwrap();
    let plan = |limits: &str| {
        format!(
            "limits: {limits}\nservers:\n  http:\n    url: {}\n",
            upstream.url()
        )
    };
    let gateway = Gateway::start(&plan("{one: {daily: 2}}"));
    let client = Client::modern(gateway.address, "http");
    let status = || tool(&client, fresh_id(), "echo", &json!({"text": "x"})).status();
    assert_eq!([status(), status(), status()], [200, 200, 429]);
    let reload = |limits: &str, count: u64| {
        gateway.configure(&plan(limits));
        gateway.signal(Signal::HUP);
        until("the configuration is taken", || {
            let labels = [("result", "ok")];
            (gateway
                .metrics()
                .sum("pilothouse_config_reloads_total", &labels)
                >= count)
                .then_some(())
        });
    };
    reload("{one: {daily: 3}}", 1);
    assert_eq!([status(), status()], [200, 429]);
    reload("{}", 2);
    assert_eq!([status(), status()], [200, 200]);
    assert_eq!(gateway.metrics().sum("mcp_rate_limited_total", &[]), 2);
}
