//! A router over a store in a temporary directory and series in memory.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use ph_api::{
    Exemplar, Ingested, Intake, Metadata, Numbers, NumbersStats, SinkStatus, Sinks, Sources,
    SpanMetrics,
};
use ph_promql::{Labels, Matcher, Sample, Select, Series, SeriesSource, SourceError};
use ph_store::RealDisk;
use ph_store::logs::{Entry, Kind, Level, LogOptions, LogStore};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) struct Given {
    pub(crate) router: Router,
    pub(crate) store: LogStore,
    pub(crate) intake: Arc<Kept>,
    pub(crate) spans: Arc<SpanMetrics>,
    pub(crate) end: CancellationToken,
    _dir: TempDir,
}

/// An intake with room for so many.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) entries: Mutex<Vec<Ingested>>,
    pub(crate) room: AtomicUsize,
}

impl Intake for Kept {
    fn offer(&self, entry: Ingested) -> bool {
        let room = self.room.load(Relaxed);
        if room == 0 {
            return false;
        }
        self.room.store(room - 1, Relaxed);
        self.entries.lock().unwrap().push(entry);
        true
    }
}

pub(crate) fn given() -> Given {
    with(|_| {})
}

pub(crate) fn with(change: impl FnOnce(&mut Sources)) -> Given {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = LogStore::open(Arc::new(RealDisk), dir.path(), LogOptions::default()).unwrap();
    let intake = Arc::new(Kept {
        room: AtomicUsize::new(1_000_000),
        ..Kept::default()
    });
    let spans = Arc::<SpanMetrics>::default();
    let end = CancellationToken::new();
    let mut sources = Sources {
        numbers: Some(Arc::new(Memory::default())),
        logs: Some(store.reader()),
        alertmanager: None,
        keys: None,
        blocks: None,
        tools: None,
        servers: None,
        cases: None,
        configurations: None,
        evaluation: None,
        objectives: Arc::new(crate::slos::Four),
        sinks: Some(Arc::new(TwoSinks)),
        intake: Some(intake.clone()),
        spans: spans.clone(),
        redactor: ph_record::Redactor::default(),
        admission: Arc::new(crate::admission::Anybody::default()),
        version: "9.9.9".into(),
        end: end.clone(),
    };
    change(&mut sources);
    Given {
        router: ph_api::router(sources, Router::new()),
        store,
        intake,
        spans,
        end,
        _dir: dir,
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Given {
    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(request("GET", path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn form(&self, path: &str, form: &str) -> Got {
        let request = request("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()));
        self.send(request.unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Got {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    /// A call's line, as the recorder writes it, and its columns.
    pub(crate) fn call(&mut self, call: Call) {
        let timestamp = format!("{:.6}", time(call.second));
        let json = serde_json::json!({
            "timestamp": timestamp, "level": "info", "kind": "call", "message": "tools/call",
            "trace_id": call.trace, "span_id": format!("{:016x}", call.second),
            "upstream_span_id": format!("{:016x}", call.second + 1_000_000),
            "upstream_start_ms": 1.0, "upstream_ms": call.ms as f64 - 2.0,
            "server": "files", "method": "tools/call", "tool": call.tool, "status": call.status,
            "outcome": if call.status == 200 { "ok" } else { "unavailable" },
            "duration": call.ms as f64, "stream": call.stream,
        })
        .to_string();
        let trace_id = ph_base::trace::TraceId::parse(call.trace).unwrap();
        self.store
            .append(&Entry {
                kind: Kind::Call,
                level: Level::Info,
                time_unix_ns: u64::try_from(time(call.second).as_nanosecond()).unwrap(),
                duration_ns: Some(call.ms * 1_000_000),
                status: call.status,
                trace_id: Some(trace_id),
                server: "files",
                method: "tools/call",
                tool: call.tool,
                outcome: if call.status == 200 {
                    "ok"
                } else {
                    "unavailable"
                },
                json: json.as_bytes(),
            })
            .unwrap();
        self.store.flush().unwrap();
    }
}

/// What differs between calls.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) second: u64,
    pub(crate) tool: &'static str,
    pub(crate) status: u16,
    pub(crate) ms: u64,
    pub(crate) trace: &'static str,
    pub(crate) stream: bool,
}

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const OTHER_TRACE: &str = "5bf92f3577b34da6a3ce929d0e0e4737";

pub(crate) const CALL: Call = Call {
    second: 1,
    tool: "search",
    status: 200,
    ms: 10,
    trace: TRACE,
    stream: false,
};

/// 2026-11-22T18:00:00Z and so many seconds.
pub(crate) fn time(second: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_795_370_400 + i64::try_from(second).unwrap()).unwrap()
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:3001")
}

struct TwoSinks;

impl Sinks for TwoSinks {
    fn sinks(&self) -> Vec<SinkStatus> {
        ["two", "one"]
            .map(|name| SinkStatus {
                name: name.into(),
                kind: "otlp".into(),
                up: true,
                delivered: 1,
                rejected: 0,
                dropped: 0,
                retries: 0,
                lag_entries: 0,
                lag_seconds: 0.0,
            })
            .into()
    }
}

/// Two counters with a sample every 15 s from 0 to 600 s: `up{job="a"}` is 1, `calls{tool=…}` grows.
pub(crate) struct Memory(Vec<Series>);

impl Default for Memory {
    fn default() -> Self {
        let series = |labels: &[(&str, &str)], value: fn(i64) -> f64| Series {
            labels: Labels::from_pairs(labels.iter().copied()),
            samples: (0..=40)
                .map(|i| Sample {
                    t_ms: i * 15_000,
                    v: value(i),
                })
                .collect(),
        };
        Self(vec![
            series(&[("__name__", "up"), ("job", "a")], |_| 1.0),
            series(&[("__name__", "calls"), ("tool", "x")], |i| i as f64),
            series(&[("__name__", "calls"), ("tool", "y")], |i| 2.0 * i as f64),
        ])
    }
}

impl Memory {
    fn matching<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = &'a Series> {
        self.0.iter().filter(move |series| {
            matchers
                .iter()
                .all(|m| m.matches(series.labels.get(m.name()).unwrap_or_default()))
        })
    }
}

impl SeriesSource for Memory {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let cut = |series: &Series| Series {
            labels: series.labels.clone(),
            samples: series
                .samples
                .iter()
                .filter(|s| (wish.from_ms..=wish.to_ms).contains(&s.t_ms))
                .copied()
                .collect(),
        };
        Ok(self.matching(wish.matchers).map(cut).collect())
    }
}

impl Numbers for Memory {
    fn label_sets(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        _: usize,
    ) -> Result<Vec<Labels>, SourceError> {
        let in_time = |series: &&Series| {
            let mut samples = series.samples.iter();
            samples.any(|s| (from_ms..=to_ms).contains(&s.t_ms))
        };
        let all = [Vec::new()];
        let selectors = if selectors.is_empty() {
            &all
        } else {
            selectors
        };
        let mut sets: Vec<_> = selectors
            .iter()
            .flat_map(|matchers| self.matching(matchers))
            .filter(in_time)
            .map(|series| series.labels.clone())
            .collect();
        sets.sort();
        sets.dedup();
        Ok(sets)
    }

    fn metadata(&self) -> Vec<Metadata> {
        vec![Metadata {
            metric: "calls".into(),
            kind: "counter".into(),
            help: "Calls.".into(),
            unit: String::new(),
        }]
    }

    fn stats(&self) -> NumbersStats {
        NumbersStats {
            series: 3,
            ..NumbersStats::default()
        }
    }

    fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        _: usize,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, SourceError> {
        let sets = self.label_sets(selectors, from_ms, to_ms, 10)?;
        let exemplar = Exemplar {
            labels: Labels::from_pairs([("trace_id", TRACE)]),
            value: 0.25,
            t_ms: from_ms + 500,
        };
        Ok(sets
            .into_iter()
            .map(|set| (set, vec![exemplar.clone()]))
            .collect())
    }
}
