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
const PLACES: [&str; 34] = [
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
    "session_id",
    "set_cookie",
    "cookie",
    "sse_frame",
    "tool_error",
    "child_argument",
    "scraped_label",
    "scraped_help",
    "webhook_url",
    "heartbeat_url",
    "checked_file",
];

/// The secret of a place: a token of GitHub's form, or where Pilothouse knows it otherwise, any text.
fn secret(place: &str) -> String {
    let nth = PLACES.iter().position(|p| *p == place).unwrap();
    match place {
        "argument_key" => format!("plain-words-{nth}-in-a-key"),
        "child_environment" | "upstream_header" | "child_argument" => {
            format!("given/words {nth} as they are")
        }
        "webhook_url" | "heartbeat_url" | "checked_file" => {
            format!("given-words-{nth}-as-they-are")
        }
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
                        let kind = match said.as_bytes().first() {
                            Some(b'd') => "text/event-stream",
                            Some(b'#') => "text/plain",
                            _ => "application/json",
                        };
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nMcp-Session-Id: {}\r\nSet-Cookie: sid={}\r\nContent-Length: {}\r\n\r\n",
                            secret("session_id"),
                            secret("set_cookie"),
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
        if let Some(answer) = answer_of_tool(request) {
            return answer;
        }
        let message = format!(
            "cannot: {} and {}",
            secret("server_error"),
            secret("upstream_header")
        );
        json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32603, "message": message}})
            .to_string()
    });
    let collector = Peer::start(|_| "{}".to_owned());
    let scraped = Peer::start(|_| {
        let (help, label) = (secret("scraped_help"), secret("scraped_label"));
        format!("# HELP planted has {help}\n# TYPE planted gauge\nplanted{{a=\"{label}\"}} 1\n")
    });
    let dir = tempfile::tempdir().unwrap();
    let tailed = dir.path().join("tool.log");
    fs::write(&tailed, "").unwrap();
    let script = format!(
        "echo \"called with $0\" >&2; echo 'fails with {}' >&2; echo \"env $DB_PASSWORD\" >&2; \
         printf -- '-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n' >&2; \
         echo 'last {}' >&2; read line; exit 3",
        secret("stderr_line"),
        secret("private_key_lines"),
        secret("last_words"),
    );
    let rules = dir.path().join("rules.yml");
    let rule = "groups: [{name: g, interval: 1s, rules: [{alert: Always, expr: vector(1)}]}]\n";
    fs::write(&rules, rule).unwrap();
    let yaml = format!(
        "log: {{params: true}}\nstore: {{sample_interval: 100ms}}\n\
         scrape: {{t: {{urls: ['http://{}/metrics'], interval: 200ms, timeout: 200ms}}}}\n\
         notify:\n  receivers: {{r: {{webhook: {{url: 'http://127.0.0.1:9/{}'}}}}}}\n  \
         heartbeat: {{url: 'http://127.0.0.1:9/{}', interval: 5s}}\n  route: {{receiver: r, group_wait: 0s}}\n\
         rules: {{files: ['{}']}}\n\
         otlp: {{endpoint: 'http://{}', arguments: true}}\nservers:\n  \
         web: {{url: 'http://{}/mcp', headers: {{X-Api-Key: '{}'}}, log_files: ['{}']}}\n  \
         dies: {{command: sh, args: [-c, {}, '--token=${{PLANTED_TOKEN:-{}}}'], env: {{DB_PASSWORD: '{}'}}}}\n",
        scraped.address,
        secret("webhook_url"),
        secret("heartbeat_url"),
        rules.display(),
        collector.address,
        server.address,
        secret("upstream_header"),
        tailed.display(),
        Value::from(script),
        secret("child_argument"),
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
    call("tools/call", json!({"name": "fails", "arguments": {}}));
    call(
        "tools/call",
        json!({"name": "streams", "arguments": {}, "_meta": {"progressToken": 1}}),
    );
    let mut named = web.message(fresh_id(), "tools/list", json!({}));
    named["id"] = secret("request_id").into();
    named["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] =
        json!({"name": secret("client_info"), "version": "1"});
    let bearer = format!("Bearer {}", secret("client_header"));
    let cookie = format!("sid={}", secret("cookie"));
    let state = format!("a={}", secret("trace_state"));
    let headers = [
        ("Authorization", bearer.as_str()),
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("tracestate", state.as_str()),
        ("Cookie", cookie.as_str()),
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
    let series = "/api/v1/series?match[]=planted";
    until("the scraped series", || {
        let text = gateway.admin(series).text();
        text.contains("[redacted:github_token]").then_some(())
    });
    until("the alert that nobody can be told of", || {
        let text = gateway.admin("/metrics").text();
        let retries = |line: &&str| {
            line.starts_with("pilothouse_alert_notification_retries_total{receiver=\"r\"}")
        };
        let line = text.lines().find(retries)?;
        (!line.ends_with(" 0")).then_some(())
    });
    for path in every_path(&gateway).iter().map(String::as_str).chain([
        all,
        series,
        "/readyz",
        "/metrics",
        "/api/v1/metadata",
        "/api/v1/query?query=planted",
    ]) {
        shown.push((path.to_owned(), gateway.admin(path).text().into_bytes()));
    }
    shown.push(("check".to_owned(), checked(dir.path())));
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

/// The answers of tools that come as results.
fn answer_of_tool(request: &Value) -> Option<String> {
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
    match request["params"]["name"].as_str()? {
        "fails" => {
            let text = format!("no: {}", secret("tool_error"));
            let failed = json!({"content": [{"type": "text", "text": text}], "isError": true});
            Some(result(failed).to_string())
        }
        "streams" => {
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": 1, "progress": 1, "message": secret("sse_frame")}});
            let done = result(json!({"content": []}));
            Some(format!("data: {progress}\n\ndata: {done}\n\n"))
        }
        _ => None,
    }
}

/// Every path of the admin API that can be read without an argument.
fn every_path(gateway: &Gateway) -> Vec<String> {
    let document = gateway.admin("/api/pilothouse/openapi.json").text();
    let document: Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    // A stream has no end; what it tells is what the log has.
    let plain = |(path, of): &(&String, &Value)| {
        let is_stream = path.ends_with("/follow") || path.ends_with("/live");
        !path.contains('{') && !is_stream && of.get("get").is_some()
    };
    let paths: Vec<_> = paths.filter(plain).map(|(path, _)| path.clone()).collect();
    assert!(paths.len() > 15, "{paths:?}");
    paths
}

/// What `check` says of a file on one line with a secret and a mistake.
fn checked(dir: &Path) -> Vec<u8> {
    let file = dir.join("mcp.json");
    let secret = secret("checked_file");
    let text = format!(
        r#"{{"mcpServers": {{"a": {{"command": 7, "env": {{"DB_PASSWORD": "{secret}"}}, "colour": "red"}}}}}}"#
    );
    fs::write(&file, text).unwrap();
    let mut all = Vec::new();
    for more in [&[][..], &["--json"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pilothouse"));
        let output = command.arg("check").arg(&file).args(more).output().unwrap();
        all.extend(output.stdout);
        all.extend(output.stderr);
    }
    let text = String::from_utf8_lossy(&all);
    assert!(
        text.contains("DB_PASSWORD") && text.contains("colour"),
        "{text}"
    );
    all
}

/// Keys of callers reach neither the server nor any file, whether they hold or not and wherever they are put.
#[test]
fn keys_of_callers_are_found_nowhere() {
    let server = Peer::start(|request| {
        json!({"jsonrpc": "2.0", "id": request["id"], "result": {"content": []}}).to_string()
    });
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    command.args(["keys", "create", "planted", "--data-dir"]);
    let output = command.arg(dir.path().join("data")).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = printed.split_whitespace();
    let key = words.find(|word| word.starts_with("ph_")).unwrap();
    let wrong = format!("ph_{}", "aB3".repeat(16));
    let yaml = format!(
        "auth: {{api_keys: true}}\nlog: {{params: true}}\nservers:\n  web: {{url: 'http://{}/mcp'}}\n",
        server.address
    );
    let mut gateway = Gateway::launch_in(dir, &yaml);
    let web = Client::modern(gateway.address, "web");
    let ask = |client: &Client, headers: &[(&str, &str)], arguments: Value| {
        let params = json!({"name": "t", "arguments": arguments});
        let body = client.message(fresh_id(), "tools/call", params).to_string();
        let bytes = client.http("POST", headers, body.as_bytes());
        Wire::open(gateway.address, &bytes).answer()
    };
    let (good, bad) = (format!("Bearer {key}"), format!("Bearer {wrong}"));
    let said = json!({"note": format!("my key is {key}")});
    let answer = ask(&web, &[("Authorization", &good)], said);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let none = json!({});
    assert_eq!(ask(&web, &[("X-API-Key", key)], none.clone()).status(), 200);
    let mut shown = Vec::new();
    let mut asked = web.clone();
    asked.path = format!("/web/mcp?api_key={key}");
    for (client, headers) in [
        (&web, &[("Authorization", bad.as_str())][..]),
        (&web, &[("X-API-Key", &wrong)]),
        (&asked, &[]),
    ] {
        let answer = ask(client, headers, none.clone());
        assert_eq!(answer.status(), 401, "{}", answer.text());
        shown.push(("a refusal".to_owned(), answer.text().into_bytes()));
    }
    until("three calls in the log", || {
        let text = gateway.admin("/api/pilothouse/logs?limit=1000").text();
        (text.matches("\"kind\":\"call\"").count() >= 2).then_some(())
    });
    for path in every_path(&gateway) {
        shown.push((path.clone(), gateway.admin(&path).text().into_bytes()));
    }
    gateway.stop();
    shown.push(("stderr".into(), gateway.stderr().into_bytes()));
    files(&gateway.dir().path().join("data"), &mut shown);
    for (name, bytes) in &shown {
        assert!(
            !has(bytes, key) && !has(bytes, &wrong),
            "a key is in {name}"
        );
    }
    // The one that was written down in an argument is its caller's to pass on; the others are not.
    let heard = String::from_utf8_lossy(&server.heard()).to_lowercase();
    assert_eq!(heard.matches(&key.to_lowercase()).count(), 1);
    assert!(!heard.contains("authorization:") && !heard.contains("x-api-key:"));
}
