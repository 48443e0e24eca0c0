//! The two ends against each other, and against ends that misbehave.

use ph_bench::load::{self, Era, Options, Report};
use ph_bench::mcp_server::Eras;
use ph_bench::{otlp_sink, upstream_http};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Serves on a port of the system's choice for as long as the test process lives.
fn serve<F: Future<Output = std::io::Result<()>>>(
    serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    listener.set_nonblocking(true).expect("a socket option");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime is there");
            serve(listener).await.expect("serving does not fail");
        });
    });
    address
}

fn options(address: SocketAddr) -> Options {
    Options {
        url: format!("http://{address}/mcp"),
        era: Era::Legacy,
        connections: 8,
        echo_bytes: 100,
        blob_bytes: None,
        records_bytes: None,
        rate: None,
        seconds: 30.0,
        warmup_seconds: 0.0,
        calls_max: Some(400),
        keep_sessions: false,
        gate: false,
        header: Vec::new(),
    }
}

#[track_caller]
fn run(options: &Options) -> Report {
    load::run(options).expect("the run starts")
}

#[test]
fn every_call_is_answered_in_both_eras() {
    let address = serve(|listener| upstream_http::serve(listener, Eras::Both));
    for (era, sessions) in [(Era::Legacy, 8), (Era::Modern, 0)] {
        let report = run(&Options {
            era,
            ..options(address)
        });
        assert_eq!(
            (report.calls(), report.errors()),
            (400, 0),
            "{:?}",
            report.errors_by_kind()
        );
        assert_eq!(report.sent.calls, 400);
        assert_eq!(
            (report.sent.initialize, report.sent.deletes),
            (sessions, sessions)
        );
    }
}

#[test]
fn large_answers_arrive_whole() {
    let address = serve(|listener| upstream_http::serve(listener, Eras::Both));
    for records in [false, true] {
        let report = run(&Options {
            blob_bytes: (!records).then_some(1_000_000),
            records_bytes: records.then_some(1_000_000),
            calls_max: Some(20),
            ..options(address)
        });
        assert_eq!(
            (report.calls(), report.errors()),
            (20, 0),
            "{:?}",
            report.errors_by_kind()
        );
    }
}

#[test]
fn an_open_loop_sends_what_its_rate_says() {
    let address = serve(|listener| upstream_http::serve(listener, Eras::Both));
    let report = run(&Options {
        rate: Some(1000.0),
        seconds: 0.2,
        warmup_seconds: 0.1,
        calls_max: None,
        ..options(address)
    });
    assert_eq!(
        (report.calls(), report.errors()),
        (200, 0),
        "{:?}",
        report.errors_by_kind()
    );
    assert_eq!(report.sent.calls, 300);
}

#[test]
fn latency_of_an_open_loop_counts_from_the_schedule() {
    // One connection at 1000/s to a server that takes 10 ms: the last of 20
    // calls is answered after 200 ms and was due after 19.
    let address = answers_late();
    let report = run(&Options {
        era: Era::Modern,
        connections: 1,
        rate: Some(1000.0),
        seconds: 0.02,
        calls_max: None,
        ..options(address)
    });
    assert_eq!(report.calls(), 20, "{:?}", report.errors_by_kind());
    let longest_us = report.to_json()["latency_us"]["max"]
        .as_f64()
        .expect("a number");
    assert!(longest_us > 170_000.0, "{longest_us} µs");
}

#[test]
fn wrong_answers_are_errors_by_name() {
    let json = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[{"type":"text","text":"x"}]}}"#;
    let cases = [
        (
            "HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "status_502",
        ),
        (
            format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{json}",
                json.len()
            ),
            "wrong_id",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{".to_owned(),
            "connection_lost",
        ),
        ("what?\r\n\r\n".to_owned(), "not_http"),
    ];
    for (response, want) in cases {
        let report = run(&Options {
            era: Era::Modern,
            connections: 1,
            calls_max: Some(3),
            ..options(answers_always(response))
        });
        let errors: Vec<_> = report.errors_by_kind().into_iter().collect();
        assert_eq!(errors, [(want.to_owned(), 3)]);
        assert_eq!(report.calls(), 0);
    }
}

#[test]
fn a_session_the_upstream_does_not_know_is_refused() {
    let address = serve(|listener| upstream_http::serve(listener, Eras::Both));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let post = |headers: &str| {
        ask(
            address,
            &format!(
                "POST /mcp HTTP/1.1\r\n{headers}content-length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    };
    assert!(post("").starts_with("HTTP/1.1 400"));
    assert!(post("mcp-session-id: 77\r\n").starts_with("HTTP/1.1 404"));
    assert!(ask(address, "GET /mcp HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
}

#[test]
fn a_modern_call_must_repeat_its_method() {
    let address = serve(|listener| upstream_http::serve(listener, Eras::Both));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let post = |method: &str| {
        let head = format!(
            "mcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\ncontent-length: {}",
            body.len()
        );
        ask(
            address,
            &format!("POST /mcp HTTP/1.1\r\n{head}\r\n\r\n{body}"),
        )
    };
    assert!(post("tools/list").starts_with("HTTP/1.1 200"));
    let refused = post("tools/call");
    assert!(
        refused.starts_with("HTTP/1.1 400") && refused.contains("-32020"),
        "{refused}"
    );
}

#[test]
fn the_sink_counts_spans() {
    let address = serve(otlp_sink::serve);
    // One resource with one scope with two empty spans.
    let export = "\u{a}\u{6}\u{12}\u{4}\u{12}\u{0}\u{12}\u{0}";
    let post = format!(
        "POST /v1/traces HTTP/1.1\r\ncontent-length: {}\r\n\r\n{export}",
        export.len()
    );
    assert!(ask(address, &post).starts_with("HTTP/1.1 200"));
    let count = ask(address, "GET /count HTTP/1.1\r\n\r\n");
    assert!(
        count.contains(r#""spans":2"#) && count.contains(r#""trace_exports":1"#),
        "{count}"
    );
}

/// Sends one request on a connection of its own and reads what comes back at once.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut response = vec![0; 4096];
    let bytes = stream.read(&mut response).expect("it answers");
    String::from_utf8_lossy(&response[..bytes]).into_owned()
}

/// A server that answers each request with the same bytes and hangs up.
fn answers_always(response: String) -> SocketAddr {
    each_request(move |stream, _| {
        stream.write_all(response.as_bytes()).ok();
        false
    })
}

/// A correct stateless server that is 10 ms late.
fn answers_late() -> SocketAddr {
    each_request(|stream, body| {
        let until = Instant::now() + Duration::from_millis(10);
        while Instant::now() < until {
            thread::yield_now();
        }
        let request: serde_json::Value = serde_json::from_slice(body).expect("the load sends JSON");
        let answer = serde_json::json!({"jsonrpc":"2.0","id":request["id"],"result":{
            "resultType":"complete","content":[{"type":"text","text":request["params"]["arguments"]["text"]}]}})
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all((head + &answer).as_bytes()).is_ok()
    })
}

/// Calls `answer` with each request's body, one connection at a time; `false` hangs up.
fn each_request(answer: impl Fn(&mut TcpStream, &[u8]) -> bool + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
            while let Some(body) = request_body(&mut reader) {
                if !answer(&mut stream, &body) {
                    break;
                }
            }
        }
    });
    address
}

fn request_body(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
