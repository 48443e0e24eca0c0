//! The fake stdio server, spoken with over its pipes.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Server {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let mut process = Command::new(ph_sim::fake_stdio_server())
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let from = BufReader::new(process.stdout.take().unwrap());
        Self {
            to: process.stdin.take(),
            from,
            process,
        }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.to.as_mut().unwrap(), "{message}").unwrap();
    }

    fn request(&mut self, id: u64, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    fn call(&mut self, id: u64, tool: &str, arguments: &Value) {
        self.request(
            id,
            "tools/call",
            &json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}}),
        );
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line
    }

    fn message(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Ends its input; gives its exit code and what it said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.to.take());
        let code = self.process.wait().unwrap().code();
        let mut said = String::new();
        self.process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        (code, said)
    }
}

fn modern() -> Value {
    json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}})
}

/// The codes of the errors, 0 for a result, that `initialize` and `server/discover` get.
fn check_era(era: &str, want: [i64; 2]) {
    let mut server = Server::start(&["--era", era]);
    server.request(1, "initialize", &json!({"protocolVersion": "2025-06-18"}));
    let initialized = server.message();
    server.request(2, "server/discover", &modern());
    let discovered = server.message();
    let code = |message: &Value| message["error"]["code"].as_i64().unwrap_or(0);
    assert_eq!([code(&initialized), code(&discovered)], want, "era {era}");
    if want[0] == 0 {
        assert_eq!(initialized["result"]["protocolVersion"], "2025-06-18");
    }
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn eras_answer_what_is_theirs() {
    check_era("legacy", [0, -32601]);
    check_era("modern", [-32601, 0]);
    check_era("both", [0, 0]);
}

#[test]
fn tools_behave_as_described() {
    let mut server = Server::start(&[]);
    server.call(1, "echo", &json!({"text": "hi"}));
    assert_eq!(server.message()["result"]["content"][0]["text"], "hi");
    server.call(2, "fail", &json!({}));
    assert_eq!(server.message()["result"]["isError"], true);
    server.call(3, "error", &json!({"code": -5}));
    assert_eq!(server.message()["error"]["code"], -5);
    server.call(4, "notify", &json!({"n": 2}));
    assert_eq!(
        server.message()["params"],
        json!({"progressToken": "p", "progress": 1})
    );
    assert_eq!(server.message()["params"]["progress"], 2);
    assert_eq!(server.message()["id"], 4);
    server.call(5, "ask", &json!({}));
    let question = server.message();
    assert_eq!(question["method"], "sampling/createMessage");
    server.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"said": "it"}}));
    assert_eq!(
        server.message()["result"]["content"][0]["text"],
        "{\"result\":{\"said\":\"it\"}}"
    );
    server.call(6, "list_changed", &json!({}));
    assert_eq!(
        server.message()["method"],
        "notifications/tools/list_changed"
    );
    assert_eq!(server.message()["id"], 6);
    server.call(7, "malformed", &json!({}));
    assert_eq!(server.line(), "this is no message\n");
    assert_eq!(server.message()["id"], 7);
    server.call(8, "no such tool", &json!({}));
    assert_eq!(server.message()["error"]["code"], -32602);
    server.request(9, "tools/list", &json!({}));
    assert_eq!(
        server.message()["result"]["tools"]
            .as_array()
            .unwrap()
            .len(),
        ph_sim::TOOLS.len()
    );
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_slow_call_can_be_cancelled_and_others_go_on() {
    let mut server = Server::start(&[]);
    server.call(1, "slow", &json!({"ms": 600_000}));
    server.call(2, "hang", &json!({}));
    server.call(3, "slow", &json!({"ms": 1}));
    assert_eq!(server.message()["id"], 3);
    server.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
    );
    server.call(4, "echo", &json!({}));
    assert_eq!(server.message()["id"], 4);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn listeners_hear_of_changes() {
    let mut server = Server::start(&[]);
    server.request(1, "subscriptions/listen", &modern());
    let subscription = json!({"io.modelcontextprotocol/subscriptionId": 1});
    assert_eq!(server.message()["params"]["_meta"], subscription);
    let mut call = modern();
    call["name"] = "list_changed".into();
    server.request(2, "tools/call", &call);
    let heard = server.message();
    assert_eq!(
        (&heard["method"], &heard["params"]["_meta"]),
        (&json!("notifications/tools/list_changed"), &subscription)
    );
    assert_eq!(server.message()["result"]["resultType"], "complete");
    server.end();
}

#[test]
fn failures_are_as_asked_for() {
    let (code, said) = Server::start(&["--exit-at-start", "4"]).end();
    assert_eq!((code, said.is_empty()), (Some(4), false));
    let mut server = Server::start(&[]);
    server.call(1, "crash", &json!({"code": 9}));
    assert_eq!(server.line(), "");
    assert_eq!(server.end().0, Some(9));
    let mut server = Server::start(&[]);
    server.call(1, "crash_partial", &json!({"code": 9}));
    let half = server.line();
    assert!(half.starts_with('{') && !half.ends_with('\n'), "{half:?}");
    assert_eq!(server.end().0, Some(9));
    let mut server = Server::start(&["--silent"]);
    server.request(1, "ping", &json!({}));
    drop(server.to.take());
    assert_eq!(server.line(), "");
    assert_eq!(server.end().0, Some(0));
    assert_eq!(Server::start(&["--no-such-flag"]).end().0, Some(2));
}
