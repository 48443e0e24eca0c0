//! Log lines, as they stand in the files.

use crate::given::{
    AT_NS, Given, LIMIT, SESSION, call, files, golden, ok, recorder, recorder_with,
};
use ph_base::trace::{SpanId, TraceId};
use ph_base::{Era, Method};
use ph_record::{
    Answer, Direction, Ending, EventKind, HealthResult, Limited, Observation, RecordSink,
    RefusedReason, Replica, RestartReason, ServerEvent, ServerLine,
};
use ph_recorder::Level;
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_default()
}

/// Every line of a log as JSON; panics where one is not.
#[track_caller]
fn lines(dir: &Path, name: &str) -> Vec<Value> {
    let text = read(dir, name);
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "{name} ends in the middle of a line"
    );
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect()
}

fn event(given: &Given, replica: Replica, kind: EventKind) {
    let server = Some(given.server("files").idx);
    given.recorder.observe(Observation::Event(ServerEvent {
        server,
        replica,
        at_unix_ns: AT_NS,
        kind,
    }));
}

fn calls(given: &Given) {
    let server = given.server("files");
    let mut full = ok(&server);
    full.replica = Replica::Slot(2);
    full.client = Some("inspector/2.12.0".into());
    full.session = Some(SESSION);
    full.request_id = Some("\"abc\\n\"".into());
    full.waited_on_client_ns = 1_500_000;
    full.params = Some(r#"{"name":"echo","arguments":{"text":"hi","password":"p"}}"#.into());
    given.observe(full);

    let mut failed = call(
        &server,
        Method::ToolsCall,
        Some("made \"up\"\u{1b}[0m"),
        Ending::Answered(Answer::Error(-32603)),
    );
    failed.error = Some("boom\nat https://joe:pw@host/x, Bearer abcdefgh12345678".into());
    failed.era = Era::Legacy;
    failed.params = Some("{\"cut off\":\"pass".into());
    given.observe(failed);

    let mut asked = call(
        &server,
        Method::ElicitationCreate,
        None,
        Ending::Answered(Answer::Complete),
    );
    asked.direction = Direction::ToClient;
    asked.replica = Replica::Session;
    asked.upstream_start_ns = None;
    given.observe(asked);

    let mut listen = call(
        &server,
        Method::SubscriptionsListen,
        None,
        Ending::ClientGone,
    );
    listen.is_stream = true;
    listen.delivered = false;
    listen.http_status = 0;
    given.observe(listen);

    let mut limited = call(
        &server,
        Method::ToolsCall,
        Some("echo"),
        Ending::Refused(RefusedReason::RateLimited),
    );
    limited.http_status = 429;
    let label = |name| given.servers.limits.intern(name);
    limited.limited = Some(Box::new(Limited {
        by: Some(label("search")),
        dry_run: vec![label("daily"), label("calls")],
    }));
    given.observe(limited);

    let mut unknown = call(
        &server,
        Method::Other,
        Some("x://u:p@h/?token=abc"),
        Ending::Refused(RefusedReason::Era),
    );
    unknown.method_text = Some("made/up".into());
    given.observe(unknown);
    given.observe(call(
        &server,
        Method::ToolsCall,
        Some("echo"),
        Ending::Answered(Answer::ToolError),
    ));
}

fn events(given: &Given) {
    let server = given.server("files").idx;
    let stderr = |text: &str, trace| {
        let line = ServerLine {
            server,
            replica: Replica::Session,
            at_unix_ns: AT_NS,
            text: text.into(),
            trace,
        };
        given.recorder.observe(Observation::Line(line));
    };
    stderr("listening \u{9b}31m on 0.0.0.0, API_KEY=abc", None);
    stderr("GET /x", Some((TraceId([1; 16]), Some(SpanId([2; 8])))));
    event(given, Replica::Session, EventKind::ChildStarted { pid: 7 });
    for expected in [true, false] {
        let (how, stderr_tail) = ("exit status: 1".into(), "Traceback\n  secret=abc".into());
        event(
            given,
            Replica::Session,
            EventKind::ChildExited {
                pid: 7,
                how,
                stderr_tail,
                expected,
                over_memory: false,
            },
        );
    }
    event(
        given,
        Replica::Slot(1),
        EventKind::Restart {
            reason: RestartReason::Exit,
            backoff_ms: 250,
        },
    );
    event(
        given,
        Replica::Slot(1),
        EventKind::CrashLoop {
            restarts: 5,
            retry_in_ms: 60_000,
        },
    );
    event(
        given,
        Replica::None,
        EventKind::Health {
            result: HealthResult::Ok,
            duration_ns: 1_000_000,
            error: None,
        },
    );
    let late = Some("no answer in 5s".into());
    event(
        given,
        Replica::None,
        EventKind::Health {
            result: HealthResult::Timeout,
            duration_ns: 5_000_000_000,
            error: late,
        },
    );
    let peer = Some("127.0.0.1:4711".parse().unwrap());
    event(
        given,
        Replica::None,
        EventKind::Refused {
            reason: RefusedReason::Origin,
            peer,
        },
    );
    event(
        given,
        Replica::None,
        EventKind::PlanLoaded {
            hash: "0123abcd".into(),
            changes: "server `files`: what runs".into(),
        },
    );
    event(
        given,
        Replica::None,
        EventKind::PlanRejected {
            reasons: "unknown field `x`".into(),
        },
    );
    for firing in [true, false] {
        event(
            given,
            Replica::None,
            EventKind::Alert {
                name: "ServerDown".into(),
                firing,
                severity: "critical".into(),
                labels: "{alertname=\"ServerDown\", server=\"files\"}".into(),
                summary: "server files is down".into(),
            },
        );
    }
    event(
        given,
        Replica::None,
        EventKind::Note {
            warning: true,
            text: "stopping".into(),
        },
    );
}

#[test]
fn lines_are_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = files(dir.path());
    settings.log.params = true;
    settings.log.level = Level::Debug;
    let given = recorder(settings);
    calls(&given);
    events(&given);
    let report = given.stop();
    assert!(report.lines_settled);
    assert_eq!(
        (report.offered, report.written, report.dropped),
        (22, 22, 0)
    );
    lines(dir.path(), "combined.log");
    golden("combined.log", &read(dir.path(), "combined.log"));
    golden("error.log", &read(dir.path(), "error.log"));
    assert_eq!(*given.complaints.lock().unwrap(), [""; 0]);
}

#[test]
fn error_log_holds_the_errors_of_combined_log() {
    let dir = tempfile::tempdir().unwrap();
    let given = recorder(files(dir.path()));
    calls(&given);
    events(&given);
    given.stop();
    let all = lines(dir.path(), "combined.log");
    let errors: Vec<_> = all
        .iter()
        .filter(|l| l["level"] == "error")
        .cloned()
        .collect();
    assert_eq!(lines(dir.path(), "error.log"), errors);
    assert_eq!(errors.len(), 5);
}

#[test]
fn the_level_filters_lines_and_not_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = files(dir.path());
    settings.log.level = Level::Error;
    let given = recorder(settings);
    calls(&given);
    given.stop();
    assert!(
        lines(dir.path(), "combined.log")
            .iter()
            .all(|l| l["level"] == "error")
    );
    assert_eq!(given.metric("pilothouse_records_written_total"), "7");
    assert_eq!(
        given.metric(r#"mcp_tool_calls_total{server="files",tool="echo",outcome="ok"}"#),
        "1"
    );
}

#[test]
fn parameters_stay_out_unless_switched_on() {
    let dir = tempfile::tempdir().unwrap();
    let given = recorder(files(dir.path()));
    calls(&given);
    given.stop();
    assert!(
        lines(dir.path(), "combined.log")
            .iter()
            .all(|l| l.get("params").is_none())
    );
}

#[test]
fn a_reload_changes_what_is_written_and_where() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let given = recorder(files(first.path()));
    let server = given.server("files");
    given.observe(ok(&server));
    given.flush();
    given.recorder.apply(files(second.path())).unwrap();
    given.flush();
    given.observe(ok(&server));
    given.flush();
    let mut off = files(second.path());
    off.log.dir = None;
    given.recorder.apply(off).unwrap();
    given.flush();
    given.observe(ok(&server));
    given.stop();
    assert_eq!(lines(first.path(), "combined.log").len(), 1);
    assert_eq!(lines(second.path(), "combined.log").len(), 1);
    assert_eq!(given.metric("pilothouse_records_written_total"), "3");
}

#[test]
fn files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("a/logs");
    let given = recorder(files(&logs));
    given.observe(ok(&given.server("s")));
    given.stop();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&logs), mode(&logs.join("combined.log"))),
        (0o700, 0o600)
    );
}

#[test]
fn a_line_that_a_killed_process_left_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("combined.log"),
        format!("{{\"a\":1}}\n{{\"b\":\"{}", "x".repeat(20_000)),
    )
    .unwrap();
    let given = recorder(files(dir.path()));
    given.observe(ok(&given.server("s")));
    given.stop();
    let all = lines(dir.path(), "combined.log");
    assert_eq!((all.len(), &all[0]["a"]), (2, &Value::from(1)));
}

#[test]
fn a_file_that_was_moved_away_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let given = recorder(files(dir.path()));
    let server = given.server("s");
    given.observe(ok(&server));
    given.flush();
    fs::rename(dir.path().join("combined.log"), dir.path().join("moved")).unwrap();
    // The recorder looks once a second; what it writes until then goes to the moved file.
    let mut observed = 1;
    while !dir.path().join("combined.log").exists() {
        given.observe(ok(&server));
        observed += 1;
        given.flush();
    }
    assert_eq!(
        lines(dir.path(), "moved").len() + lines(dir.path(), "combined.log").len(),
        observed
    );
    assert_eq!(given.stop().written, observed as u64);
}

#[test]
fn full_files_are_rotated_compressed_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = files(dir.path());
    settings.log.rotate_bytes = 1;
    settings.log.keep_files = 3;
    let given = recorder(settings);
    let server = given.server("s");
    for _ in 0..6 {
        given.observe(ok(&server));
        given.flush();
    }
    given.stop();
    let rotated = || {
        let names = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|n| n.starts_with("combined-")).collect();
        names.sort();
        names
    };
    // The janitor works on its own time; a new recorder's first pass completes what the old one left.
    let began = std::time::Instant::now();
    while rotated().len() > 3 || rotated().iter().any(|n| !n.ends_with(".log.zst")) {
        assert!(began.elapsed() < LIMIT, "{:?}", rotated());
        std::thread::yield_now();
    }
    for name in rotated() {
        let text = zstd::decode_all(fs::File::open(dir.path().join(&name)).unwrap()).unwrap();
        let line: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(line["tool"], "echo", "{name}");
    }
}

/// Standard output of which the other end can close.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<(Vec<u8>, bool)>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.lock().unwrap();
        if pipe.1 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        pipe.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_standard_output_is_counted_and_not_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = files(dir.path());
    settings.log.stdout = true;
    let pipe = Pipe::default();
    let given = recorder_with(settings, Some(Box::new(pipe.clone())), None);
    let server = given.server("s");
    given.observe(ok(&server));
    given.flush();
    assert_eq!(
        pipe.0.lock().unwrap().0,
        read(dir.path(), "combined.log").as_bytes()
    );
    pipe.0.lock().unwrap().1 = true;
    given.observe(ok(&server));
    given.observe(ok(&server));
    let report = given.stop();
    assert_eq!((report.offered, report.written, report.dropped), (3, 1, 2));
    assert_eq!(
        given.metric(r#"pilothouse_records_dropped_total{reason="stdout"}"#),
        "2"
    );
    assert_eq!(lines(dir.path(), "combined.log").len(), 3);
    assert_eq!(given.complaints.lock().unwrap().len(), 1);
}

#[test]
fn a_directory_that_cannot_be_made_costs_lines_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("logs"), "a file").unwrap();
    let given = recorder(files(&dir.path().join("logs")));
    let server = given.server("s");
    for _ in 0..3 {
        given.observe(ok(&server));
        given.flush();
    }
    let report = given.stop();
    assert_eq!((report.offered, report.written, report.dropped), (3, 0, 3));
    assert_eq!(
        given.metric(r#"pilothouse_records_dropped_total{reason="disk"}"#),
        "3"
    );
    assert_eq!(
        given.metric(r#"mcp_tool_calls_total{server="s",tool="echo",outcome="ok"}"#),
        "3"
    );
    let lost = given
        .complaints
        .lock()
        .unwrap()
        .iter()
        .filter(|c| c.contains("lost"))
        .count();
    assert_eq!(lost, 1, "once a minute");
}
