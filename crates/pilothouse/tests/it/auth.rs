//! API keys, as callers, servers and operators see them. Tokens: `tests/e2e/oauth`.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::{Answer, Wire};
use crate::world::stdio;
use ph_sim::{Eras, FakeHttpUpstream};
use serde_json::{Value, json};
use std::process::Command;

const SERVERS: [&str; 2] = ["http", "stdio"];

struct Guarded {
    gateway: Gateway,
    http: FakeHttpUpstream,
}

fn guarded(auth: &str) -> Guarded {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let servers = format!(
        "  http:\n    url: {}\n    headers: {{X-Own: ours}}\n{}",
        http.url(),
        stdio("stdio", &[], "")
    );
    let gateway = Gateway::start(&format!("auth: {auth}\nservers:\n{servers}"));
    Guarded { gateway, http }
}

impl Guarded {
    /// Runs `pilothouse keys` as an operator would, beside the daemon.
    fn keys(&self, args: &[&str]) -> String {
        let done = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
            .arg("keys")
            .args(args)
            .arg("--data-dir")
            .arg(self.gateway.dir().path().join("data"))
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    fn post(&self, client: &Client, message: &Value, credentials: &[(&str, &str)]) -> Answer {
        let request = client.http("POST", credentials, message.to_string().as_bytes());
        Wire::open(client.address, &request).answer()
    }

    fn initialize(&self, client: &mut Client, key: &str) -> Answer {
        let params = json!({"protocolVersion": client.version, "capabilities": {},
            "clientInfo": {"name": "auth", "version": "1"}});
        let message = client.message(fresh_id(), "initialize", params);
        let answer = self.post(client, &message, &[("Authorization", key)]);
        client.session = answer.head.header("mcp-session-id").map(str::to_owned);
        answer
    }
}

fn list(client: &Client) -> Value {
    client.message(fresh_id(), "tools/list", json!({}))
}

/// Whatever else a request says of whom it is from, and from wherever it comes.
#[test]
fn limits_know_a_caller_by_its_key() {
    let world =
        guarded("{api_keys: true}\nclients: {client_id: everybody}\nlimits: {few: {daily: 2}}");
    for name in ["ci", "desk"] {
        let bearer = format!("Bearer {}", world.keys(&["create", name]));
        for (server, status) in [("http", 200), ("stdio", 200), ("http", 429)] {
            let client = Client::modern(world.gateway.address, server);
            let other = fresh_id().to_string();
            let headers = [("Authorization", bearer.as_str()), ("X-Client-Id", &other)];
            let answer = world.post(&client, &list(&client), &headers);
            assert_eq!(answer.status(), status, "{name}: {}", answer.text());
            let told = format!("for client {name}, retry after");
            assert_eq!(
                answer.text().contains(&told),
                status == 429,
                "{}",
                answer.text()
            );
        }
    }
}

#[test]
fn only_a_key_gets_through_and_the_server_does_not_see_it() {
    let world = guarded("{api_keys: true}");
    let key = world.keys(&["create", "ci", "--group", "readers"]);
    let bearer = format!("Bearer {key}");
    for server in SERVERS {
        let client = Client::modern(world.gateway.address, server);
        let refused = world.post(&client, &list(&client), &[]);
        assert_eq!(
            (refused.status(), refused.code()),
            (401, Some(40100)),
            "{server}"
        );
        assert_eq!(
            refused.head.header("www-authenticate"),
            Some("Bearer realm=\"pilothouse\"")
        );
        for credentials in [("Authorization", bearer.as_str()), ("X-API-Key", &key)] {
            let answer = world.post(&client, &list(&client), &[credentials]);
            assert_eq!(answer.status(), 200, "{server}: {}", answer.text());
        }
        let twice = [("Authorization", bearer.as_str()), ("X-API-Key", &key)];
        assert_eq!(
            world.post(&client, &list(&client), &twice).status(),
            401,
            "{server}"
        );
    }
    for received in world.http.received() {
        let headers = &received.headers;
        assert!(!headers.contains_key("authorization") && !headers.contains_key("x-api-key"));
        if headers.contains_key("mcp-method") {
            assert_eq!(
                headers.get("x-own").unwrap(),
                "ours",
                "the server has its own credential"
            );
        }
    }
    let metrics = world.gateway.metrics();
    for (reason, count) in [("missing", 1), ("malformed", 1)] {
        let labels = [("server", "http"), ("reason", reason)];
        assert_eq!(
            metrics.sum("mcp_auth_failures_total", &labels),
            count,
            "{reason}"
        );
    }
    let labels = [("server", "stdio"), ("reason", "unauthenticated")];
    assert_eq!(metrics.sum("mcp_refused_total", &labels), 2);
    until("the records of both kinds", || {
        let calls = world.gateway.calls();
        let of = |field: &str, value: &Value| calls.iter().filter(|c| c[field] == *value).count();
        let by_key = of("principal", &json!("ci"));
        let refused = of("status", &json!(401));
        (by_key == 4 && refused == 4).then_some(())
    });
    world.keys(&["revoke", "ci"]);
    let client = Client::modern(world.gateway.address, "http");
    let answer = world.post(&client, &list(&client), &[("Authorization", &bearer)]);
    assert_eq!(answer.status(), 401, "from the next call on");
}

#[test]
fn a_session_is_of_whom_it_was_opened_for() {
    let world = guarded("{api_keys: true, anonymous: allow}");
    let key = |name: &str| format!("Bearer {}", world.keys(&["create", name]));
    let (one, other) = (key("one"), key("other"));
    for server in SERVERS {
        let mut client = Client::stranger(world.gateway.address, server);
        assert_eq!(
            world.initialize(&mut client, &one).status(),
            200,
            "{server}"
        );
        let with = |key: &str| world.post(&client, &list(&client), &[("Authorization", key)]);
        assert_eq!(with(&one).status(), 200, "{server}");
        let stolen = with(&other);
        assert_eq!(
            (stolen.status(), stolen.code()),
            (404, Some(-32001)),
            "{server}"
        );
        assert_eq!(
            world.post(&client, &list(&client), &[]).status(),
            404,
            "{server}: nobody's"
        );
        for method in ["GET", "DELETE"] {
            let request = client.http(method, &[("Authorization", &other)], b"");
            let answer = Wire::open(client.address, &request).answer();
            assert_eq!(answer.status(), 404, "{server}: {method}");
        }
        assert_eq!(with(&one).status(), 200, "{server}: it lives on");
        let mut guessed = client.clone();
        guessed.session = Some("0123456789abcdef".into());
        let answer = world.post(&guessed, &list(&guessed), &[("Authorization", &one)]);
        assert_eq!(
            answer.status(),
            404,
            "{server}: one that nobody has seen opened"
        );
    }
}

#[test]
fn who_shows_nothing_may_pass_where_that_is_said_and_who_shows_something_wrong_never() {
    let world = guarded("{api_keys: true, anonymous: allow}");
    for server in SERVERS {
        let client = Client::modern(world.gateway.address, server);
        assert_eq!(
            world.post(&client, &list(&client), &[]).status(),
            200,
            "{server}"
        );
        for bad in ["Bearer x", "Bearer ph_x", "Basic YTpi", "Bearer"] {
            let answer = world.post(&client, &list(&client), &[("Authorization", bad)]);
            assert_eq!(answer.status(), 401, "{server}: {bad}");
        }
    }
    assert_eq!(
        world.gateway.get("/livez", "localhost").status(),
        200,
        "probes need nothing"
    );
    let none = world.gateway.get(
        "/.well-known/oauth-protected-resource/http/mcp",
        "localhost",
    );
    assert_eq!(none.status(), 404, "nobody gives out tokens for it");
}

#[test]
fn without_it_credentials_are_the_servers_own() {
    let world = guarded("none");
    let client = Client::modern(world.gateway.address, "http");
    let answer = world.post(
        &client,
        &list(&client),
        &[("Authorization", "Bearer theirs")],
    );
    assert_eq!(answer.status(), 200);
    let seen = world.http.received();
    let bearers = seen.iter().filter_map(|r| r.headers.get("authorization"));
    assert_eq!(
        bearers.map(|v| v.to_str().unwrap()).collect::<Vec<_>>(),
        ["Bearer theirs"]
    );
}

/// Many clients send the body after the head, and ask again on the same connection with what they were told to show.
#[test]
fn a_connection_outlives_a_refusal_that_comes_before_the_body() {
    let world = guarded("{api_keys: true}");
    let client = Client::modern(world.gateway.address, "http");
    let message = list(&client).to_string();
    let request = client.http("POST", &[], message.as_bytes());
    let body_at = request.len() - message.len();
    let admin = world.gateway.admin_address();
    let silence = b"POST /api/v2/nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    for (address, request, body_at, status) in [
        (client.address, &request[..], body_at, 401),
        (admin, &silence[..], silence.len() - 2, 404),
    ] {
        let mut wire = Wire::open(address, &request[..body_at]);
        // Whoever can answer this has seen the head before it.
        let livez = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        assert_eq!(Wire::open(client.address, livez).answer().status(), 200);
        for part in [&request[body_at..], request] {
            wire.send(part);
            let answer = wire.answer();
            assert_eq!(answer.status(), status, "{}", answer.text());
        }
    }
}
