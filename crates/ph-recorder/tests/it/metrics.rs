//! `/metrics`, whole and in parts.

use crate::given::{call, golden, ok, quiet, recorder};
use ph_base::Method;
use ph_record::catalogue::{self, Kind};
use ph_record::{
    Answer, AuthFailure, CageSample, Ending, EventKind, HealthResult, Limited, Observation,
    ProcSample, RecordSink, RefusedReason, Replica, RestartReason, ServerEvent, ServerIdx,
    Transport,
};
use std::sync::atomic::Ordering::Relaxed;

/// Something of everything.
fn everything() -> crate::given::Given {
    let mut settings = quiet();
    settings.otel_operation_metric = true;
    settings.slos = ph_plan::Plan::default().slos_in_force();
    let given = recorder(settings);
    let files = given.server("files");
    files.tools.learn("search");
    files.tools.learn("quo\"te\\d\n");
    let db = given.server("db");
    let search = |ending| call(&files, Method::ToolsCall, Some("search"), ending);
    for (ending, ms) in [
        (Ending::Answered(Answer::Complete), 1),
        (Ending::Answered(Answer::Complete), 100),
        (Ending::Answered(Answer::ToolError), 700),
        (Ending::Answered(Answer::Error(-32603)), 40),
        (Ending::Deadline, 600_000),
        (Ending::HttpError(418), 3),
    ] {
        let mut record = search(ending);
        record.duration_ns = ms * 1_000_000;
        given.observe(record);
    }
    given.observe(call(
        &files,
        Method::ToolsCall,
        Some("quo\"te\\d\n"),
        Ending::Answered(Answer::Task),
    ));
    given.observe(call(
        &files,
        Method::ToolsCall,
        Some("made up"),
        Ending::Answered(Answer::Error(-32602)),
    ));
    given.observe(call(
        &files,
        Method::ToolsList,
        None,
        Ending::Answered(Answer::Complete),
    ));
    given.observe(call(
        &files,
        Method::Other,
        None,
        Ending::Answered(Answer::Error(-32601)),
    ));
    given.observe(call(
        &files,
        Method::ToolsList,
        None,
        Ending::Refused(RefusedReason::HeaderMismatch),
    ));
    let mut limited = call(
        &files,
        Method::ToolsList,
        None,
        Ending::Refused(RefusedReason::RateLimited),
    );
    let label = |name| given.servers.limits.intern(name);
    limited.limited = Some(Box::new(Limited {
        by: Some(label("search")),
        dry_run: vec![label("daily"), label("calls")],
    }));
    given.observe(limited);
    let mut listen = call(
        &files,
        Method::SubscriptionsListen,
        None,
        Ending::ClientGone,
    );
    listen.is_stream = true;
    given.observe(listen);
    let mut piped = call(
        &db,
        Method::ResourcesRead,
        Some("db://x"),
        Ending::ServerDied,
    );
    piped.transport = Transport::Stdio;
    piped.revision = None;
    given.observe(piped);
    live(&given);
    given
}

fn live(given: &crate::given::Given) {
    let (files, db) = (given.server("files"), given.server("db"));
    files.live.active_connections.store(3, Relaxed);
    files.live.up.store(1, Relaxed);
    files.live.tools_unapproved.store(2, Relaxed);
    files.live.refused[RefusedReason::TooLarge as usize].store(2, Relaxed);
    files.live.auth_failures[AuthFailure::Expired as usize].store(3, Relaxed);
    files.live.notifications_to_client.store(9, Relaxed);
    let event = |server: Option<ServerIdx>, replica, kind| {
        given.recorder.observe(Observation::Event(ServerEvent {
            server,
            replica,
            at_unix_ns: 1,
            kind,
        }));
    };
    let health = |result| EventKind::Health {
        result,
        duration_ns: 5_000_000,
        error: None,
    };
    event(Some(files.idx), Replica::None, health(HealthResult::Ok));
    event(
        Some(files.idx),
        Replica::None,
        health(HealthResult::Timeout),
    );
    let refused = |reason| EventKind::Refused { reason, peer: None };
    event(None, Replica::None, refused(RefusedReason::NoSuchServer));
    event(
        Some(files.idx),
        Replica::None,
        refused(RefusedReason::TooLarge),
    );
    let restart = EventKind::Restart {
        reason: RestartReason::Signal,
        backoff_ms: 100,
    };
    event(Some(db.idx), Replica::Slot(10), restart.clone());
    event(Some(db.idx), Replica::Session, restart);
    event(
        None,
        Replica::None,
        EventKind::PlanLoaded {
            hash: "a".into(),
            changes: "".into(),
        },
    );
    event(
        None,
        Replica::None,
        EventKind::PlanRejected {
            reasons: "no".into(),
        },
    );
    event(
        Some(db.idx),
        Replica::Slot(9),
        EventKind::ChildExited {
            pid: 7,
            how: "killed".into(),
            stderr_tail: "".into(),
            expected: false,
            over_memory: true,
        },
    );
    for (replica, cpu_seconds_delta) in [
        (Replica::Slot(10), 0.5),
        (Replica::Slot(9), 1.25),
        (Replica::Slot(10), 0.25),
    ] {
        given.recorder.observe(Observation::Proc(ProcSample {
            server: db.idx,
            replica,
            cpu_seconds_delta,
            read_bytes_delta: 10,
            written_bytes_delta: 20,
            resident_bytes: 4096,
            resident_peak_bytes: 8192,
            cpu_peak_cores: 1.5,
            cage: (replica == Replica::Slot(10)).then_some(CageSample {
                throttled_seconds_delta: 0.125,
                throttled_periods_delta: 3,
                memory_peak_bytes: Some(16384),
            }),
            open_fds: 5,
            open_fds_ratio: 0.25,
            processes: 2,
        }));
    }
}

/// The text with what differs from run to run made equal.
fn steady(text: &str) -> String {
    let varies = [
        "process_",
        "mcp_requests_per_second{",
        "pilothouse_records_",
        "pilothouse_record_queue_depth",
    ];
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((series, _)) if varies.iter().any(|v| series.starts_with(v)) => {
            format!("{series} VARIES\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn text_is_as_documented() {
    let given = everything();
    let (content_type, text) = given.recorder.render_metrics(None);
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    golden("metrics.txt", &steady(&text));
}

#[test]
fn open_metrics_is_as_documented() {
    let given = everything();
    let (content_type, text) = given
        .recorder
        .render_metrics(Some("application/openmetrics-text; version=1.0.0"));
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(text.ends_with("\n# EOF\n"));
    golden("metrics.openmetrics", &steady(&text));
}

#[test]
fn families_come_in_the_order_of_the_catalogue_and_only_from_it() {
    let text = everything().metrics();
    let shown: Vec<_> = text
        .lines()
        .filter_map(|l| l.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let known: Vec<_> = catalogue::ALL
        .iter()
        .map(|m| (m.name, m.kind.as_str()))
        .collect();
    let mut rest = known.iter();
    for family in &shown {
        assert!(
            rest.any(|k| k == family),
            "{family:?} is unknown or out of order"
        );
    }
    let missing: Vec<_> = known
        .iter()
        .filter(|k| !shown.contains(k))
        .map(|(name, _)| *name)
        .collect();
    // There is no exporter here, no store, and nothing that keeps its numbers elsewhere; everything
    // else has a series.
    let elsewhere = [
        "mcp_anomalies_",
        "mcp_vulnerabilit",
        "pilothouse_vulnerability_",
        "pilothouse_vuln_db_",
        "pilothouse_anomaly_",
        "pilothouse_limit_store_",
        "pilothouse_spans_",
        "traces_spanmetrics_",
        "pilothouse_ingested_",
        "pilothouse_store_",
        "pilothouse_file_",
        "pilothouse_sink_",
        "pilothouse_rule_",
        "pilothouse_alert",
        "pilothouse_heartbeat_",
        "pilothouse_silences",
        "pilothouse_jwks_",
        "pilothouse_disk_",
        "pilothouse_connections_turned_away_",
        "pilothouse_tls_",
        "pilothouse_admin_refused_",
    ];
    let of = |name: &&str| elsewhere.iter().any(|prefix| name.starts_with(prefix));
    let expected: Vec<_> = known.iter().map(|(name, _)| *name).filter(of).collect();
    assert_eq!(missing, expected);
}

#[test]
fn buckets_rise_and_end_in_the_count() {
    let text = everything().metrics();
    for metric in catalogue::ALL.iter().filter(|m| m.kind == Kind::Histogram) {
        let mut last = 0;
        for line in text.lines().filter_map(|l| l.strip_prefix(metric.name)) {
            let Some((labels, value)) = line.rsplit_once(' ') else {
                continue;
            };
            if labels.starts_with("_bucket") {
                let count: u64 = value.parse().unwrap();
                let first = labels.contains(&format!("le=\"{:?}\"", metric.buckets[0]))
                    || labels.contains("le=\"1e-05\"");
                assert!(first || count >= last, "{line}");
                last = count;
            } else if labels.starts_with("_count") {
                assert_eq!(value.parse(), Ok(last), "{line}");
            }
        }
    }
}

#[test]
fn a_stream_is_counted_but_has_no_latency() {
    let given = recorder(quiet());
    let server = given.server("s");
    let mut record = call(
        &server,
        Method::TasksResult,
        None,
        Ending::Answered(Answer::Complete),
    );
    record.is_stream = true;
    given.observe(record);
    assert_eq!(
        given
            .metric(r#"mcp_requests_total{server="s",method="tasks/result",tool="",status="200"}"#),
        "1"
    );
    let text = given.metrics();
    assert!(
        !text.contains("mcp_response_duration_seconds")
            && !text.contains("pilothouse_overhead_seconds"),
        "{text}"
    );
    assert_eq!(
        given.metric(r#"mcp_response_size_bytes_count{server="s"}"#),
        "1"
    );
}

#[test]
fn a_server_cannot_make_statuses_without_end() {
    let given = recorder(quiet());
    let server = given.server("s");
    for status in 400..600 {
        given.observe(call(
            &server,
            Method::ToolsList,
            None,
            Ending::HttpError(status),
        ));
    }
    let text = given.metrics();
    let counts: Vec<u64> = text
        .lines()
        .filter(|l| l.starts_with("mcp_requests_total{"))
        .map(|l| l.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(counts.len() <= 27, "{} statuses", counts.len());
    assert_eq!(counts.iter().sum::<u64>(), 200);
    let folded: u64 = given
        .metric("pilothouse_statuses_folded_total")
        .parse()
        .unwrap();
    assert_eq!(folded, 200 - 18 - 8);
}

#[test]
fn no_call_is_missed_by_many_threads() {
    let given = recorder(quiet());
    let server = given.server("s");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..500).for_each(|_| given.observe(ok(&server))));
        }
    });
    assert_eq!(
        given.metric(
            r#"mcp_requests_total{server="s",method="tools/call",tool="echo",status="200"}"#
        ),
        "4000"
    );
    assert_eq!(
        given.metric(r#"mcp_tool_calls_total{server="s",tool="echo",outcome="ok"}"#),
        "4000"
    );
    assert_eq!(
        given.metric(
            r#"mcp_response_duration_seconds_count{server="s",method="tools/call",tool="echo"}"#
        ),
        "4000"
    );
    assert_eq!(
        given.metric(r#"mcp_request_size_bytes_sum{server="s"}"#),
        "400000"
    );
    assert_eq!(
        given.metric(
            r#"mcp_response_duration_seconds_sum{server="s",method="tools/call",tool="echo"}"#
        ),
        "49.382712"
    );
}
