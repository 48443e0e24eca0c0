//! A gateway in front of scripted servers, and the books that have to balance in the end.

use crate::client::{Client, Era, fresh_id};
use crate::collector::Collector;
use crate::gateway::{Gateway, Metrics, until};
use crate::http1::{Answer, Wire};
use ph_sim::{Eras, FakeHttpUpstream, fake_stdio_server};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use tempfile::TempDir;

/// A gateway, its servers, and how many calls were made.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) http: FakeHttpUpstream,
    collector: Collector,
    /// What the `taped` child is sent.
    tape: TempDir,
    made: Cell<usize>,
    nameless: Cell<usize>,
}

/// What a record says: status, outcome, blame, HTTP status (0: none), delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record(
    pub u16,
    pub &'static str,
    pub &'static str,
    pub u16,
    pub bool,
);

impl Record {
    #[track_caller]
    pub(crate) fn check(&self, line: &Value, name: &str) {
        let Self(status, outcome, blame, http, delivered) = self;
        let wanted = json!([status, outcome, blame, http, delivered]);
        let http = line.get("http_status").cloned().unwrap_or(json!(0));
        let got = json!([
            line["status"],
            line["outcome"],
            line["blame"],
            http,
            line["delivered"]
        ]);
        assert_eq!(got, wanted, "{name}: {line}");
    }
}

impl World {
    /// - `servers`: makes the `servers` block from the upstream and the path of the tape.
    /// - `more`: further top-level blocks.
    pub(crate) fn start(
        servers: impl FnOnce(&FakeHttpUpstream, &str) -> String,
        more: &str,
    ) -> Self {
        let http = FakeHttpUpstream::start(Eras::Both).unwrap();
        let collector = Collector::start();
        let tape = tempfile::tempdir().unwrap();
        let servers = servers(&http, &tape.path().join("tape").display().to_string());
        let yaml = format!(
            "{more}otlp: {{endpoint: \"{}\"}}\nservers:\n{servers}",
            collector.endpoint()
        );
        let gateway = Gateway::start(&yaml);
        Self {
            gateway,
            http,
            collector,
            tape,
            made: Cell::new(0),
            nameless: Cell::new(0),
        }
    }

    /// So many calls more have to be in the books.
    pub(crate) fn made(&self, calls: usize) {
        self.made.set(self.made.get() + calls);
    }

    /// A client that can call: in the legacy era with a session, whose opening is a call too.
    pub(crate) fn client(&self, era: Era, server: &str) -> Client {
        match era {
            Era::Modern => Client::modern(self.gateway.address, server),
            Era::Legacy => {
                let mut client = Client::stranger(self.gateway.address, server);
                let (id, answer) = self.initialize(&mut client);
                assert_eq!(answer.status(), 200, "{server}: {}", answer.text());
                assert!(client.session.is_some(), "{server}");
                self.record(id);
                let told = client.notify("notifications/initialized", &json!({}));
                assert_eq!(told.status(), 202);
                client
            }
        }
    }

    /// Calls until a server that was killed is there again.
    pub(crate) fn awake(&self, client: &Client) {
        until("the server answers", || {
            self.made(1);
            let id = fresh_id();
            let call = client.call(id, "tools/list", json!({}));
            let answer = Wire::open(client.address, &call).answer();
            // What happened before the call is in the log when the call is.
            (answer.status() == 200).then(|| self.record(id))
        });
    }

    pub(crate) fn initialize(&self, client: &mut Client) -> (u64, Answer) {
        let id = fresh_id();
        self.made(1);
        (id, client.initialize(id))
    }

    /// The line of the call `id`, as soon as it is there.
    pub(crate) fn record(&self, id: u64) -> Value {
        self.record_of(&id.to_string())
    }

    pub(crate) fn record_of(&self, id: &str) -> Value {
        until(&format!("the record of call {id}"), || {
            self.gateway
                .calls()
                .into_iter()
                .find(|line| line["request_id"] == id)
        })
    }

    /// The text attributes of the SERVER span of a call, by its line, as soon as it was exported.
    pub(crate) fn span(&self, line: &Value) -> BTreeMap<String, String> {
        let id = line["span_id"].as_str().unwrap();
        until("the span of a call", || self.collector.attributes(id))
    }

    /// The line of the next call that has no id.
    pub(crate) fn nameless_record(&self) -> Value {
        let nth = self.nameless.replace(self.nameless.get() + 1);
        until("the record of a call without an id", || {
            self.gateway
                .calls()
                .into_iter()
                .filter(|line| line.get("request_id").is_none())
                .nth(nth)
        })
    }

    /// Whether a server has been sent the call with this mark, and under which id.
    pub(crate) fn arrived(&self, mark: u64) -> Value {
        until(&format!("the server has call {mark}"), || {
            self.sent()
                .into_iter()
                .find(|m| m["params"]["arguments"]["mark"] == mark)
                .map(|m| m["id"].clone())
        })
    }

    /// Waits until the taped child has been told that the call with this id is cancelled.
    pub(crate) fn cancelled(&self, id: &Value) {
        until("a cancellation", || {
            let mut sent = self
                .sent()
                .into_iter()
                .filter(|m| m["method"] == "notifications/cancelled");
            sent.find(|m| m["params"]["requestId"] == *id)
        });
    }

    /// What was sent to the upstream and the taped child.
    fn sent(&self) -> Vec<Value> {
        let tape = std::fs::read_to_string(self.tape.path().join("tape")).unwrap_or_default();
        let taped = tape
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let posted = self
            .http
            .received()
            .into_iter()
            .filter_map(|r| serde_json::from_slice(&r.body).ok());
        taped.chain(posted).collect()
    }

    /// Waits until nothing is in flight, stops, and compares metrics, log and spans.
    pub(crate) fn balance(mut self) {
        let made = self.made.get();
        let metrics = until("every call counted", || {
            let metrics = self.gateway.metrics();
            let counted = metrics.sum("mcp_requests_total", &[]) as usize;
            let in_flight = metrics.sum("pilothouse_calls_in_flight", &[]);
            (counted >= made && in_flight == 0).then_some(metrics)
        });
        assert_eq!(
            self.gateway.stop().code(),
            Some(0),
            "{}",
            self.gateway.stderr()
        );
        balanced(&metrics, &self.gateway.calls(), &self.collector, made);
    }
}

/// The metrics, the log and the spans tell the same story about `made` calls.
fn balanced(metrics: &Metrics, calls: &[Value], collector: &Collector, made: usize) {
    for name in [
        "pilothouse_call_drafts_lost_total",
        "pilothouse_records_dropped_total",
        "pilothouse_spans_dropped_total",
    ] {
        assert_eq!(metrics.sum(name, &[]), 0, "{name}");
    }
    let mut ids = BTreeMap::<String, u64>::new();
    for line in calls
        .iter()
        .filter(|line| line["request_id"].is_string() && line["direction"] == "to_server")
    {
        *ids.entry(line["request_id"].to_string()).or_default() += 1;
    }
    let twice: Vec<_> = ids.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "recorded more than once: {twice:?}");
    assert_eq!(calls.len(), made, "lines in the log");
    assert_eq!(
        metrics.sum("mcp_requests_total", &[]) as usize,
        made,
        "mcp_requests_total"
    );
    let counted = metrics.by("mcp_requests_total", &["server", "status"]);
    assert_eq!(
        counted,
        tally(calls.iter(), &["server", "status"]),
        "mcp_requests_total"
    );
    let tools = calls.iter().filter(|line| line["method"] == "tools/call");
    let counted = metrics.by("mcp_tool_calls_total", &["server", "outcome"]);
    assert_eq!(
        counted,
        tally(tools, &["server", "outcome"]),
        "mcp_tool_calls_total"
    );
    let lines: BTreeMap<_, u64> = calls
        .iter()
        .map(|line| (line["span_id"].as_str().unwrap_or("").to_owned(), 1))
        .collect();
    assert_eq!(lines.len(), made, "each line has a span id of its own");
    assert_eq!(collector.server_spans(), lines, "SERVER spans");
}

fn tally<'a>(lines: impl Iterator<Item = &'a Value>, keys: &[&str]) -> BTreeMap<Vec<String>, u64> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let text = |key: &&str| {
            line[*key]
                .as_str()
                .map_or_else(|| line[*key].to_string(), str::to_owned)
        };
        *counts.entry(keys.iter().map(text).collect()).or_default() += 1;
    }
    counts
}

/// A stdio server of the `servers` block.
pub(crate) fn stdio(name: &str, args: &[&str], more: &str) -> String {
    let program = fake_stdio_server().display();
    format!(
        "  {name}:\n    command: {program}\n    args: {args:?}\n    restart: {{backoff_min: 10ms, backoff_max: 50ms, crash_loop_max: 1000}}\n{more}"
    )
}

/// The same, and what it is sent goes on a tape too.
pub(crate) fn taped(name: &str, tape: &str) -> String {
    let script = format!(
        "exec {} < <(exec tee -a {tape})",
        fake_stdio_server().display()
    );
    format!(
        "  {name}:\n    command: bash\n    args: {:?}\n",
        ["-c", &script]
    )
}

/// A port of the loopback at which nobody listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
