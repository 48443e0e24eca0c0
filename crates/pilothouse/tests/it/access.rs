//! Who may see and call what, as clients and operators see it.

use crate::client::{Client, Era, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::{Answer, Wire};
use crate::world::{Record, World, stdio};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

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

/// An HTTP server that answers each request with the bytes that it is told: by its JSON-RPC method, else by its HTTP
/// method.
fn scripted(answers: Vec<(&'static str, Vec<u8>)>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answers = answers.clone();
            std::thread::spawn(move || serve(stream, &answers));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answers: &[(&'static str, Vec<u8>)]) {
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length: usize = length.map_or(0, |l| l.lines().next().unwrap().parse().unwrap());
            if body.len() >= length {
                let message: Value = serde_json::from_str(body).unwrap_or_default();
                let first = if message.is_array() {
                    &message[0]
                } else {
                    &message
                };
                let method = first["method"].as_str().unwrap_or("GET");
                let answer = answers.iter().find(|(of, _)| *of == method);
                let _ = match answer {
                    Some((_, answer)) => stream.write_all(answer),
                    None => stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
                };
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(count @ 1..) => seen.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
}

fn json_answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn events(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// What a client gets of `answer` to `tools/list`, where only tools that begin with `a` are allowed.
fn through(answer: Vec<u8>) -> Answer {
    let address = scripted(vec![("tools/list", answer)]);
    through_to(address, ONLY_A, &LIST.replace("ID", "7"))
}

const ONLY_A: &str = "access: {rules: [{allow: {tools: ['a*']}}]}\n";
const LIST: &str = r#"{"jsonrpc":"2.0","id":ID,"method":"tools/list"}"#;

fn through_to(upstream: SocketAddr, access: &str, body: &str) -> Answer {
    let gateway = Gateway::launch(&format!(
        "{access}servers: {{raw: {{url: 'http://{upstream}/mcp', health: {{enabled: false}}}}}}\n"
    ));
    let client = Client::stranger(gateway.address, "raw");
    Wire::open(client.address, &client.post(body)).answer()
}

#[track_caller]
fn passes(answer: Vec<u8>, want: &str) {
    let got = through(answer);
    assert_eq!(got.text(), want);
    assert!(got.whole);
}

#[track_caller]
fn is_an_error(answer: Vec<u8>, why: &str) {
    let got = through(answer);
    let text = got.text();
    let message = got.message();
    assert_eq!(message["error"]["code"], 50_200, "{text}");
    assert_eq!(message["id"], 7, "{text}");
    assert!(
        message["error"]["message"].as_str().unwrap().contains(why),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_stays_of_a_list_keeps_its_bytes() {
    passes(
        json_answer(
            "200 OK",
            "ETag: x\r\n",
            "{ \"id\" : 7,\"result\":{\"tools\":[ {\"name\":\"secret\"} ,\n {\"x\":1.0,\"name\":\"\\u0061b\"}],\"nextCursor\":\"n\",\"cacheScope\":\"public\"}} ",
        ),
        "{ \"id\" : 7,\"result\":{\"tools\":[ {\"x\":1.0,\"name\":\"\\u0061b\"}],\"nextCursor\":\"n\",\"cacheScope\":\"private\"}} ",
    );
    // A notification and comments pass; of the event with the list only its data change.
    passes(
        events(
            ": hi\r\n\r\nid: 1\r\ndata: {\"method\":\"notifications/x\"}\r\n\r\nevent: message\nid: 2\ndata: {\"id\":7,\"result\":{\"tools\":[{\"name\":\"secret\"},\ndata: {\"name\":\"a\"}]}}\n\n: bye\n\n",
        ),
        ": hi\r\n\r\nid: 1\r\ndata: {\"method\":\"notifications/x\"}\r\n\r\nevent: message\nid: 2\ndata: {\"id\":7,\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\n: bye\n\n",
    );
    // An event of which nothing is hidden is not written anew.
    let as_it_is = "data:{\"id\":7,\rdata: \"result\":{\"tools\":[{\"name\":\"a\"}]}}\r\r";
    passes(events(as_it_is), as_it_is);
}

#[test]
fn errors_pass_as_they_are() {
    let error = "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32603,\"message\":\"no\"}}";
    passes(json_answer("200 OK", "", error), error);
    passes(json_answer("500 Oh", "", error), error);
    passes(json_answer("503 Oh", "", "<html>"), "<html>");
    passes(json_answer("200 OK", "", ""), "");
}

#[test]
fn a_list_that_cannot_be_read_for_sure_is_an_error() {
    let twice =
        "{\"id\":7,\"result\":{\"tools\":[]},\"result\":{\"tools\":[{\"name\":\"secret\"}]}}";
    is_an_error(json_answer("200 OK", "", twice), "twice");
    is_an_error(events(&format!("data: {twice}\n\n")), "twice");
    let html = "<html>secret</html>";
    is_an_error(json_answer("200 OK", "", html), "not JSON");
    is_an_error(
        events("data: {\"id\":7,\"result\":{\"tools\":[{\"name\":\"secret\",\"x\":NaN}]}}\n\n"),
        "not JSON",
    );
    is_an_error(
        json_answer("200 OK", "Content-Encoding: gzip\r\n", html),
        "compressed",
    );
    let long = format!(
        "{{\"id\":7,\"result\":{{\"tools\":[{{\"name\":\"secret\",\"d\":\"{}\"}}]}}}}",
        "x".repeat(5 << 20)
    );
    is_an_error(json_answer("200 OK", "", &long), "too long");
    is_an_error(events(&format!("data: {long}\n\n")), "too long");
    // What a stream breaks off in is no event, and is not handed on.
    let cut = through(events(
        "data: {\"id\":7,\"result\":{\"tools\":[{\"name\":\"secret\"}]}}\n",
    ));
    assert!(!cut.text().contains("secret"), "{}", cut.text());
}

#[test]
fn an_answer_that_is_no_list_is_not_looked_at() {
    let body = "{\"id\":7,\"result\":{\"tools\":[{\"name\":\"b\"}],\"tools\":[]}}";
    let address = scripted(vec![
        ("tools/call", json_answer("200 OK", "", body)),
        ("tools/list", json_answer("200 OK", "ETag: x\r\n", body)),
    ]);
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a"}}"#;
    assert_eq!(through_to(address, ONLY_A, call).text(), body);
    // Nor is a list of which all is shown, or where there are no rules.
    let list = LIST.replace("ID", "7");
    for access in [
        "",
        "access: {rules: [{allow: {}}]}\n",
        "access: {default: allow, rules: [{deny: {prompts: ['*']}}]}\n",
    ] {
        let answer = through_to(address, access, &list);
        assert_eq!(answer.text(), body, "{access}");
        assert_eq!(answer.head.header("etag"), Some("x"), "{access}");
    }
}

#[test]
fn members_of_a_batch_are_judged_and_shown_apart() {
    let answers = "[{\"id\":7,\"result\":{\"tools\":[{\"name\":\"secret\"},{\"name\":\"a\"}]}}, {\"id\":8,\"result\":{\"tools\":[{\"name\":\"b\"}]}}]";
    let address = scripted(vec![("tools/list", json_answer("200 OK", "", answers))]);
    let call = |id, name| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\"}}}}"
        )
    };
    let list = LIST.replace("ID", "7");
    let batch = format!(
        "[{list},{},{},{}]",
        call(8, "a"),
        call(9, "secret_too"),
        call(7, "a")
    );
    let answer = through_to(address, ONLY_A, &batch);
    let answers: Vec<Value> = serde_json::from_str(&answer.text()).unwrap();
    let codes: Vec<_> = answers
        .iter()
        .map(|a| (a["id"].as_u64(), a["error"]["code"].as_i64()))
        .collect();
    let want = [(9, Some(40_300)), (7, Some(-32_600)), (7, None), (8, None)];
    assert_eq!(
        codes,
        want.map(|(id, code)| (Some(id), code)),
        "{}",
        answer.text()
    );
    assert_eq!(answers[2]["result"]["tools"], json!([{"name": "a"}]));
    assert_eq!(answers[3]["result"]["tools"], json!([{"name": "b"}]));
}

/// What a session's stream brings a second time is shown as it was the first time.
#[test]
fn a_stream_that_is_taken_up_again_shows_no_more() {
    let again = "id: 3\ndata: {\"id\":7,\"result\":{\"tools\":[{\"name\":\"secret\"},{\"name\":\"a\"}]}}\n\ndata: {\"id\":8,\"result\":{\"content\":[{\"tools\":1}]}}\n\n";
    let address = scripted(vec![("GET", events(again))]);
    let gateway = Gateway::launch(&format!(
        "{ONLY_A}servers: {{raw: {{url: 'http://{address}/mcp', health: {{enabled: false}}}}}}\n"
    ));
    let client = Client::stranger(gateway.address, "raw");
    let get = client.http("GET", &[("Last-Event-ID", "2")], b"");
    let answer = Wire::open(client.address, &get).answer();
    assert_eq!(
        answer.text(),
        "id: 3\ndata: {\"id\":7,\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\ndata: {\"id\":8,\"result\":{\"content\":[{\"tools\":1}]}}\n\n"
    );
}

#[test]
fn nobody_speaks_to_a_server_of_which_nothing_is_allowed() {
    let world = world("  rules:\n    - allow: {servers: [http]}\n");
    let client = Client::stranger(world.gateway.address, "stdio");
    let (_, answer) = asked(
        &world,
        &client,
        "initialize",
        json!({"protocolVersion": "2025-11-25"}),
    );
    assert_eq!(answer.status(), 403, "{}", answer.text());
    let told = client.notify("notifications/initialized", &json!({}));
    assert_eq!(told.status(), 403);
    for method in ["GET", "DELETE"] {
        let request = client.http(method, &[("Mcp-Session-Id", "x")], b"");
        assert_eq!(
            Wire::open(client.address, &request).answer().status(),
            403,
            "{method}"
        );
    }
    world.client(Era::Legacy, "http");
    world.balance();
}

#[test]
fn what_the_head_says_is_what_is_decided_by() {
    let world = world("  default: allow\n  rules:\n    - deny: {tools: [fail]}\n");
    for server in SERVERS {
        let client = world.client(Era::Modern, server);
        let id = fresh_id();
        world.made(1);
        let call = client.message(
            id,
            "tools/call",
            json!({"name": "echo", "arguments": {"text": "x"}}),
        );
        let request = String::from_utf8(client.post(&call.to_string())).unwrap();
        let request = request.replace("Mcp-Name: echo", "Mcp-Name: fail");
        let answer = Wire::open(client.address, request.as_bytes()).answer();
        assert_eq!(
            (answer.status(), answer.code()),
            (400, Some(-32_020)),
            "{server}"
        );
        assert_eq!(world.record(id)["status"], 400);
    }
    world.balance();
}

/// The command decides as the daemon does, and says by which rule.
#[test]
fn the_rule_that_decides_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yaml");
    let text = "access:\n  rules:\n    - deny: {tools: ['delete*']}\n    - allow: {groups: [dev]}\nservers: {files: {command: x}}\n";
    std::fs::write(&file, text).unwrap();
    let explain = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pilothouse"));
        command
            .args(["policy", "explain"])
            .args(args)
            .current_dir(dir.path());
        let done = command.args(["--config", "p.yaml"]).output().unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        (
            done.status.code(),
            said,
            String::from_utf8(done.stderr).unwrap(),
        )
    };
    let ann = ["--client", "ann", "--group", "dev", "--tool"];
    let (code, said, _) = explain(&[&ann[..], &["deleteAll"]].concat());
    assert_eq!(
        said,
        "files: denied: tool deleteAll for ann\n  p.yaml:3 rule 1  decides: deny: {tools: [\"delete*\"]}\n"
    );
    assert_eq!(code, Some(1));
    let (code, said, _) = explain(&[&ann[..], &["search", "--json"]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        said["answers"][0]["by"],
        json!({"rule": 2, "at": "p.yaml:4", "text": "allow: {groups: [\"dev\"]}"})
    );
    assert_eq!(
        (code, &said["answers"][0]["allowed"]),
        (Some(0), &json!(true))
    );
    let (code, said, _) = explain(&[
        "--client",
        "10.0.0.1",
        "--unproven",
        "--method",
        "initialize",
    ]);
    assert!(
        said.ends_with("p.yaml:1 default  decides, since no rule is for it: deny\n"),
        "{said}"
    );
    assert_eq!(code, Some(1));
    let (code, _, why) = explain(&["--server", "nope", "--tool", "x"]);
    assert_eq!(
        (code, why.contains("there is no server `nope`")),
        (Some(2), true),
        "{why}"
    );
}

/// Two holders of keys and somebody without one see and may call different things of the same servers, in sessions
/// as without.
#[test]
fn each_key_sees_its_own_part() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let key = |name: &str, group: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pilothouse"));
        command.args(["keys", "create", name, "--group", group, "--data-dir"]);
        let made = command.arg(&data).output().unwrap();
        let said = String::from_utf8(made.stdout).unwrap();
        let key = said.split_whitespace().find(|word| word.starts_with("ph_"));
        key.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&made.stderr)))
            .to_owned()
    };
    let (ann, bob) = (key("ann", "analysts"), key("bob", "ops"));
    let upstream = ph_sim::FakeHttpUpstream::start(ph_sim::Eras::Both).unwrap();
    let url = upstream.url();
    let gateway = Gateway::launch_in(
        Arc::clone(&dir),
        &format!(
            "auth: {{api_keys: true, anonymous: allow}}\naccess:\n  rules:\n    - allow: {{groups: [analysts], tools: [echo, fail]}}\n    - allow: {{principals: [bob], tools: ['e*']}}\n    - allow: {{tools: [slow]}}\nservers:\n  http: {{url: '{url}'}}\n{}",
            stdio("stdio", &[], "")
        ),
    );
    for server in SERVERS {
        for (key, want) in [
            (Some(&ann), &["echo", "fail", "slow"][..]),
            (Some(&bob), &["echo", "error", "slow", "environment"]),
            (None, &["slow"]),
        ] {
            let bearer = key.map(|key| format!("Bearer {key}"));
            let more: Vec<_> = bearer
                .iter()
                .map(|b| ("Authorization", b.as_str()))
                .collect();
            let client = Client::modern(gateway.address, server);
            let send = |client: &Client, method, params| {
                let body = client.message(fresh_id(), method, params).to_string();
                let request = client.http("POST", &more, body.as_bytes());
                Wire::open(client.address, &request).answer()
            };
            let list = until("the server answers", || {
                let list = send(&client, "tools/list", json!({}));
                (list.status() == 200).then_some(list)
            });
            assert_eq!(listed(&list), want, "{server} {key:?}");
            let mut session = Client::stranger(gateway.address, server);
            let params = json!({"protocolVersion": session.version, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
            let opened = send(&session, "initialize", params);
            session.session = opened.head.header("mcp-session-id").map(str::to_owned);
            assert_eq!(
                listed(&send(&session, "tools/list", json!({}))),
                want,
                "{server} {key:?}"
            );
            for tool in ["echo", "fail", "error"] {
                let params = json!({"name": tool, "arguments": {"text": "x", "code": -32000}});
                let status = send(&client, "tools/call", params).status();
                assert_eq!(
                    status == 403,
                    !want.contains(&tool),
                    "{server} {key:?} {tool}"
                );
            }
        }
    }
}
