//! Records and recorders to test with.

use ph_base::trace::{SpanId, TraceId};
use ph_base::{Era, Method, Revision, ServerName};
use ph_record::{
    Answer, CallRecord, CallTrace, Direction, Ending, Observation, RecordSink, RedactSettings,
    Replica, Server, ServerTable, SessionTag, ToolIdx, Transport,
};
use ph_recorder::{Keep, Level, LogSettings, Recorder, Settings, Start};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

/// 2026-11-22T17:47:08.123456789Z.
pub(crate) const AT_NS: u64 = 1_795_369_628_123_456_789;

/// How long any wait may take; far more than it does.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Given {
    pub(crate) recorder: Recorder,
    pub(crate) servers: Arc<ServerTable>,
    pub(crate) complaints: Arc<Mutex<Vec<String>>>,
    pub(crate) runtime: Runtime,
}

/// A recorder with `settings`.
pub(crate) fn recorder(settings: Settings) -> Given {
    recorder_with(settings, None, None)
}

/// The same, with something as standard output, and stores.
pub(crate) fn recorder_with(
    settings: Settings,
    stdout: Option<Box<dyn std::io::Write + Send>>,
    keep: Option<Keep>,
) -> Given {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let servers = Arc::new(ServerTable::default());
    let complaints = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&complaints);
    let recorder = Recorder::start(Start {
        settings,
        servers: Arc::clone(&servers),
        version: "0.0.0-test".to_owned(),
        runtime: runtime.handle().clone(),
        keep,
        stdout,
        complain: Box::new(move |text| heard.lock().unwrap().push(text.to_owned())),
    })
    .unwrap();
    Given {
        recorder,
        servers,
        complaints,
        runtime,
    }
}

impl Given {
    pub(crate) fn server(&self, name: &str) -> Arc<Server> {
        self.servers
            .intern(&ServerName::parse(name).unwrap())
            .unwrap()
    }

    pub(crate) fn observe(&self, record: CallRecord) {
        self.recorder.observe(Observation::Call(Box::new(record)));
    }

    pub(crate) fn flush(&self) -> ph_recorder::FlushReport {
        self.runtime.block_on(self.recorder.flush(LIMIT))
    }

    pub(crate) fn stop(&self) -> ph_recorder::FlushReport {
        self.runtime.block_on(self.recorder.stop(LIMIT))
    }

    pub(crate) fn close_store(&self) -> bool {
        self.runtime.block_on(self.recorder.close_store(LIMIT))
    }

    pub(crate) fn metrics(&self) -> String {
        self.recorder.render_metrics(None).1
    }

    /// The value of a series, as written.
    #[track_caller]
    pub(crate) fn metric(&self, series: &str) -> String {
        let text = self.metrics();
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no `{series}` in\n{text}"))
            .to_owned()
    }
}

/// No sink at all.
pub(crate) fn quiet() -> Settings {
    Settings {
        redaction: RedactSettings::default(),
        log: log(None),
        spans: None,
        kept: None,
        anomalies: None,
        otel_operation_metric: false,
        slos: std::collections::BTreeMap::new(),
    }
}

/// Files in `dir`.
pub(crate) fn files(dir: &Path) -> Settings {
    Settings {
        log: log(Some(dir)),
        ..quiet()
    }
}

fn log(dir: Option<&Path>) -> LogSettings {
    LogSettings {
        level: Level::Info,
        dir: dir.map(Path::to_owned),
        stdout: false,
        rotate_bytes: 1 << 40,
        rotate_age: Duration::from_secs(1 << 30),
        keep_files: 100,
        keep_bytes: 1 << 40,
        compress: true,
        params: false,
        params_bytes_max: 4096,
    }
}

/// A call that went well; the tests change what they are about.
pub(crate) fn call(
    server: &Server,
    method: Method,
    target: Option<&str>,
    ending: Ending,
) -> CallRecord {
    let tool = match (method, target) {
        (Method::ToolsCall, Some(name)) => server.tools.find(name).0,
        _ => ToolIdx::NONE,
    };
    CallRecord {
        server: server.idx,
        replica: Replica::None,
        direction: Direction::ToServer,
        transport: Transport::Http,
        era: Era::Modern,
        revision: Some(Revision::V2026_07_28),
        method,
        method_text: None,
        tool,
        target: target.map(Into::into),
        client: None,
        principal: None,
        caller: None,
        peer: None,
        session: None,
        request_id: Some("1".into()),
        trace: CallTrace {
            trace_id: TraceId([0x0a; 16]),
            server_span: SpanId([0x0b; 8]),
            client_span: SpanId([0x0c; 8]),
            parent: None,
            link: None,
            flags: 0,
        },
        trace_state: None,
        started_unix_ns: AT_NS,
        duration_ns: 12_345_678,
        upstream_start_ns: Some(100_000),
        upstream_end_ns: Some(12_000_000),
        overhead_ns: 180_000,
        waited_on_client_ns: 0,
        is_stream: false,
        ending,
        verdict: ending.verdict(method, tool != ToolIdx::OTHER),
        http_status: 200,
        delivered: true,
        rpc_code: match ending {
            Ending::Answered(Answer::Error(code)) => Some(code),
            _ => None,
        },
        error: None,
        limited: None,
        shape: None,
        request_bytes: 100,
        response_bytes: 2000,
        params: None,
    }
}

/// A `tools/call` that the server answered.
pub(crate) fn ok(server: &Server) -> CallRecord {
    server.tools.learn("echo");
    call(
        server,
        Method::ToolsCall,
        Some("echo"),
        Ending::Answered(Answer::Complete),
    )
}

pub(crate) const SESSION: SessionTag = SessionTag([0, 1, 0xab, 0xcd, 0xef, 0xff]);

/// Compares with `tests/golden/NAME`, or writes it with `BLESS=1`.
#[track_caller]
pub(crate) fn golden(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, want, "{name} differs; if that is meant: BLESS=1");
}
