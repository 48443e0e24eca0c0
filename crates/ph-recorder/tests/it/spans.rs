//! Spans on their way to a collector, and what `/metrics` says of them.

use crate::given::{AT_NS, Given, LIMIT, call, ok, quiet, recorder};
use ph_base::Method;
use ph_base::trace::{SpanId, TraceId};
use ph_record::{Answer, Ending};
use ph_recorder::{Settings, SpanSettings};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A collector that takes everything.
fn collector() -> SocketAddr {
    answering("200 OK")
}

/// A collector that takes nothing, for good.
fn refuser() -> SocketAddr {
    answering("400 Bad Request")
}

fn answering(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || accept(stream.unwrap(), status));
        }
    });
    at
}

/// Answers requests until the other end has had enough.
fn accept(stream: TcpStream, status: &str) -> Option<()> {
    let mut to = stream.try_clone().ok()?;
    let mut from = BufReader::new(stream);
    loop {
        let mut body = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().to_ascii_lowercase().split_once(':') {
                Some(("content-length", n)) => body = n.trim().parse().ok()?,
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        std::io::copy(&mut (&mut from).take(body), &mut std::io::sink()).ok()?;
        to.write_all(format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()?;
    }
}

fn exporting(ratio: f64) -> Settings {
    exporting_to(collector(), ratio)
}

fn exporting_to(at: SocketAddr, ratio: f64) -> Settings {
    let endpoint = format!("http://{at}");
    let collector =
        ph_otlp::Settings::at("otlp.endpoint", &endpoint, ph_otlp::Protocol::HttpProtobuf).unwrap();
    let slow = Duration::from_secs(1);
    let spans = SpanSettings {
        collector,
        queue_max: 1000,
        sample_ratio: ratio,
        slow,
        arguments: false,
    };
    Settings {
        spans: Some(spans),
        ..quiet()
    }
}

fn open_metrics(given: &Given) -> String {
    given
        .recorder
        .render_metrics(Some("application/openmetrics-text"))
        .1
}

#[test]
fn two_spans_for_each_kept_call() {
    let given = recorder(exporting(1.0));
    let server = given.server("s");
    given.observe(ok(&server));
    let mut refused = call(&server, Method::ToolsList, None, Ending::Overload);
    refused.upstream_start_ns = None;
    given.observe(refused);
    let report = given.flush();
    assert!(report.lines_settled && report.spans_settled, "{report:?}");
    assert_eq!(given.metric("pilothouse_spans_offered_total"), "3");
    assert_eq!(given.metric("pilothouse_spans_exported_total"), "3");
    assert_eq!(
        given.metric(r#"pilothouse_spans_dropped_total{reason="queue"}"#),
        "0"
    );
}

#[test]
fn exemplars_show_kept_traces_and_no_others() {
    let given = recorder(exporting(0.0));
    let server = given.server("s");
    let mut failed = call(
        &server,
        Method::ToolsList,
        None,
        Ending::Answered(Answer::Error(-32603)),
    );
    failed.trace.trace_id = TraceId([0xfa; 16]);
    failed.trace.server_span = SpanId([0xed; 8]);
    given.observe(failed);
    given.observe(call(
        &server,
        Method::ToolsList,
        None,
        Ending::Answered(Answer::Complete),
    ));
    given.flush();
    let (trace, span) = ("fa".repeat(16), "ed".repeat(8));
    let at = (AT_NS + 12_345_678) / 1_000_000;
    let want = format!(
        "mcp_response_duration_seconds_bucket{{server=\"s\",method=\"tools/list\",tool=\"\",le=\"0.025\"}} 2 # {{trace_id=\"{trace}\",span_id=\"{span}\"}} 0.012345678 {}.{:03}",
        at / 1000,
        at % 1000
    );
    let text = open_metrics(&given);
    let shown: Vec<_> = text.lines().filter(|l| l.contains(" # {")).collect();
    assert_eq!(shown, [want]);
    assert!(
        !given.metrics().contains(" # {"),
        "the plain text has no exemplars"
    );
    assert_eq!(given.metric("pilothouse_spans_offered_total"), "2");
}

#[test]
fn a_collector_that_refuses_is_complained_of() {
    let given = recorder(exporting_to(refuser(), 1.0));
    let server = given.server("s");
    given.observe(ok(&server));
    given.flush();
    assert_eq!(
        given.metric(r#"pilothouse_spans_dropped_total{reason="export"}"#),
        "2"
    );
    let began = std::time::Instant::now();
    while given.complaints.lock().unwrap().is_empty() {
        assert!(began.elapsed() < LIMIT);
        std::thread::yield_now();
    }
    let said = given.complaints.lock().unwrap().clone();
    assert!(said[0].contains("spans could not be exported"), "{said:?}");
}

#[test]
fn a_reload_goes_on_counting() {
    let given = recorder(exporting(1.0));
    let server = given.server("s");
    given.observe(ok(&server));
    given.flush();
    given.recorder.apply(exporting(1.0)).unwrap();
    given.observe(ok(&server));
    given.flush();
    assert_eq!(given.metric("pilothouse_spans_exported_total"), "4");
    given.recorder.apply(quiet()).unwrap();
    given.observe(ok(&server));
    given.stop();
    assert_eq!(given.metric("pilothouse_spans_exported_total"), "4");
    assert_eq!(given.metric("pilothouse_spans_offered_total"), "4");
}
