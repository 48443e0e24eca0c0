//! A secret planted wherever one can come in is found nowhere that is written, kept, sent or shown.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::Wire;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Where secrets are planted: the 20 places of the promise and some more.
const PLACES: [&str; 23] = [
    "argument",
    "argument_key",
    "tool_name",
    "resource_uri",
    "prompt_name",
    "prompt_argument",
    "method_name",
    "request_id",
    "client_info",
    "client_header",
    "trace_state",
    "request_url",
    "server_error",
    "upstream_header",
    "stderr_line",
    "child_environment",
    "private_key_lines",
    "last_words",
    "log_file",
    "span_attribute",
    "otlp_log",
    "malformed_body",
    "session_header",
];

/// The secret of a place: a token of GitHub's form, or where Pilothouse knows it otherwise, any text.
fn secret(place: &str) -> String {
    let nth = PLACES.iter().position(|p| *p == place).unwrap();
    match place {
        "argument_key" => format!("plain-words-{nth}-in-a-key"),
        "child_environment" | "upstream_header" => format!("given/words {nth} as they are"),
        "private_key_lines" => format!("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{nth:04}"),
        _ => format!("ghp_Planted{nth:02}aBcDeFgHiJkLmNoPqRsTuVwXyZ0"),
    }
}

/// Answers every request the same, and keeps what came.
#[derive(Clone)]
struct Peer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Peer {
    fn start(answer: impl Fn(&Value) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
        };
        let (serving, answer) = (this.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (serving, answer) = (serving.clone(), Arc::clone(&answer));
                std::thread::spawn(move || {
                    while let Some(body) = serving.request(&mut stream) {
                        let said = answer(&serde_json::from_slice(&body).unwrap_or_default());
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                            said.len()
                        );
                        if stream.write_all((head + &said).as_bytes()).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        this
    }

    /// The body of the next request.
    fn request(&self, stream: &mut impl Read) -> Option<Vec<u8>> {
        let mut seen = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
                let length = head
                    .lines()
                    .find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
                let length: usize = length.unwrap_or(0);
                if seen.len() >= end + 4 + length {
                    let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.extend_from_slice(&seen);
                    return Some(seen[end + 4..end + 4 + length].to_vec());
                }
            }
            let read = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
            seen.extend_from_slice(&chunk[..read]);
        }
    }

    fn heard(&self) -> Vec<u8> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

fn files(dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else {
            let name = path.display().to_string();
            out.push((name, fs::read(&path).unwrap_or_default()));
        }
    }
}

#[test]
fn planted_in_many_places_is_found_nowhere() {
    let server = Peer::start(|request| {
        let message = format!(
            "cannot: {} and {}",
            secret("server_error"),
            secret("upstream_header")
        );
        json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32603, "message": message}})
            .to_string()
    });
    let collector = Peer::start(|_| "{}".to_owned());
    let dir = tempfile::tempdir().unwrap();
    let tailed = dir.path().join("tool.log");
    fs::write(&tailed, "").unwrap();
    let script = format!(
        "echo 'fails with {}' >&2; echo \"env $DB_PASSWORD\" >&2; \
         printf -- '-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n' >&2; \
         echo 'last {}' >&2; read line; exit 3",
        secret("stderr_line"),
        secret("private_key_lines"),
        secret("last_words"),
    );
    let yaml = format!(
        "log: {{params: true}}\nstore: {{sample_interval: 100ms}}\n\
         otlp: {{endpoint: 'http://{}', arguments: true}}\nservers:\n  \
         web: {{url: 'http://{}/mcp', headers: {{X-Api-Key: '{}'}}, log_files: ['{}']}}\n  \
         dies: {{command: sh, args: [-c, {}], env: {{DB_PASSWORD: '{}'}}}}\n",
        collector.address,
        server.address,
        secret("upstream_header"),
        tailed.display(),
        Value::from(script),
        secret("child_environment"),
    );
    let mut gateway = Gateway::launch(&yaml);
    let web = Client::modern(gateway.address, "web");
    let send = |bytes: &[u8]| Wire::open(gateway.address, bytes).answer();
    let mut calls = 0;
    let mut call = |method: &str, params: Value| {
        calls += 1;
        send(&web.call(fresh_id(), method, params));
    };
    call(
        "tools/call",
        json!({"name": "echo", "arguments": {"text": secret("argument"), "n": {"db_password": secret("argument_key")}}}),
    );
    call(
        "tools/call",
        json!({"name": secret("tool_name"), "arguments": {}}),
    );
    call(
        "resources/read",
        json!({"uri": format!("x://joe:{}@h/a", secret("resource_uri"))}),
    );
    call(
        "prompts/get",
        json!({"name": secret("prompt_name"), "arguments": {"a": secret("prompt_argument")}}),
    );
    call(&format!("x/{}", secret("method_name")), json!({}));
    let mut named = web.message(fresh_id(), "tools/list", json!({}));
    named["id"] = secret("request_id").into();
    named["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] =
        json!({"name": secret("client_info"), "version": "1"});
    let bearer = format!("Bearer {}", secret("client_header"));
    let state = format!("a={}", secret("trace_state"));
    let headers = [
        ("Authorization", bearer.as_str()),
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("tracestate", state.as_str()),
    ];
    send(&web.http("POST", &headers, named.to_string().as_bytes()));
    let mut asked = web.clone();
    asked.path = format!("/web/mcp?token={}", secret("request_url"));
    send(&asked.call(fresh_id(), "tools/list", json!({})));
    send(&web.post(&format!("{{\"a\": \"{}\"", secret("malformed_body"))));
    let mut session = Client::stranger(gateway.address, "web");
    session.session = Some(secret("session_header"));
    send(&session.call(fresh_id(), "tools/list", json!({})));
    // A child that dies with the call: its last words go to the client, too.
    let answer =
        send(&Client::modern(gateway.address, "dies").call(fresh_id(), "tools/list", json!({})));
    let mut shown = vec![(
        "answer to the client".to_owned(),
        answer.text().into_bytes(),
    )];
    fs::write(&tailed, format!("tool has {}\n", secret("log_file"))).unwrap();
    let attribute = |place: &str| json!([{"key": "a", "value": {"stringValue": secret(place)}}]);
    let trace = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "4b".repeat(16), "spanId": "01".repeat(8),
        "name": secret("span_attribute"), "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000000000001",
        "attributes": attribute("span_attribute")}]}]}]});
    let log = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": format!("has {}", secret("otlp_log"))},
        "attributes": attribute("otlp_log")}]}]}]});
    let admin: SocketAddr = until("the admin listener", || {
        let path = gateway.dir().path().join("data/admin.addr");
        fs::read_to_string(path).ok()?.trim().parse().ok()
    });
    for (path, body) in [("traces", trace), ("logs", log)] {
        let body = body.to_string();
        let head = format!(
            "POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let answer = Wire::open(admin, (head + &body).as_bytes()).answer();
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    // Every source has come to the store before anything is judged.
    let all = "/api/pilothouse/logs?limit=1000";
    let kept = until("every kind of record in the store", || {
        let text = gateway.admin(all).text();
        let kinds = ["call", "stderr", "event", "file", "span", "log"];
        kinds
            .iter()
            .all(|kind| text.contains(&format!("\"kind\":\"{kind}\"")))
            .then_some(text)
    });
    for path in [
        all,
        "/api/pilothouse/servers",
        "/api/pilothouse/traces",
        "/readyz",
        "/api/v1/targets",
        "/metrics",
    ] {
        shown.push((path.to_owned(), gateway.admin(path).text().into_bytes()));
    }
    shown.push((
        "metrics".into(),
        gateway.get("/metrics", "localhost").text().into_bytes(),
    ));
    let redacted = gateway.metrics().sum("pilothouse_redactions_total", &[]);
    until("spans at the collector", || {
        has(&collector.heard(), "tools/call").then_some(())
    });
    gateway.stop();
    shown.push(("stderr".into(), gateway.stderr().into_bytes()));
    shown.push(("spans".into(), collector.heard()));
    files(&gateway.dir().path().join("data"), &mut shown);
    assert!(shown.iter().any(|(name, _)| name.ends_with("combined.log")));
    for (name, bytes) in &shown {
        for place in PLACES {
            // The address is the operator's to see: it has no credentials.
            assert!(
                !has(bytes, &secret(place)),
                "the secret of `{place}` is in {name}"
            );
        }
    }
    // The test has hit what it aimed at: marks stand where the secrets would.
    for mark in [
        "github_token",
        "key",
        "given",
        "private_key",
        "url_credentials",
    ] {
        assert!(
            kept.contains(&format!("[redacted:{mark}]")),
            "no {mark} in {kept}"
        );
    }
    assert!(redacted >= 15, "{redacted}");
}
