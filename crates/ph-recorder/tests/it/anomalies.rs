//! What is abnormal: counted, told without secrets, and refused where that is configured.

use crate::given;
use ph_plan::{NoSecrets, Plan};
use ph_record::{AnomalyKind, Answer, CallRecord, Caller, Ending, Server, Shape};
use std::time::{Duration, Instant};

/// Looks until `is_so`, or fails.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

fn unknown(server: &Server, name: &str, shape: Option<Shape>) -> CallRecord {
    CallRecord {
        caller: Some(Caller::V4(0x7f00_0001)),
        shape: shape.map(Box::new),
        target: Some(name.into()),
        ..given::call(
            server,
            ph_base::Method::ToolsCall,
            Some(name),
            Ending::Answered(Answer::Error(-32602)),
        )
    }
}

#[test]
fn what_is_abnormal_is_counted_told_and_refused() {
    let text = "anomalies: {block: {kinds: [enumeration]}}\nservers: {files: {command: x}}\n";
    let (plan, _) = Plan::from_yaml(text, &NoSecrets).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let given = given::recorder(ph_recorder::Settings {
        anomalies: plan.anomalies,
        ..given::files(dir.path())
    });
    let server = given.server("files");
    let metric = |series: &str| given.metric(series);
    let blocked = "pilothouse_anomaly_blocked_clients";
    assert_eq!(metric(blocked), "0");
    let shape = Shape {
        kind: AnomalyKind::SqlInjection,
        argument: "password".into(),
        excerpt: "hunter2hunter2' or 1=1".into(),
    };
    given.observe(unknown(&server, "none", Some(shape)));
    for nth in 0..8 {
        given.observe(unknown(&server, &format!("tool-{nth}"), None));
    }
    until("it is refused", || metric(blocked) == "1");
    let of = |kind| {
        metric(&format!(
            "mcp_anomalies_total{{server=\"files\",kind=\"{kind}\"}}"
        ))
    };
    assert_eq!(
        (of("sql_injection"), of("enumeration"), of("rate")),
        ("1".into(), "1".into(), "0".into())
    );
    until("it is told", || {
        given.flush();
        let lines = std::fs::read_to_string(dir.path().join("combined.log")).unwrap();
        assert!(!lines.contains("hunter2"), "{lines}");
        lines.contains(r#""anomaly":"sql_injection","caller":"127.0.0.1""#)
            && lines.contains(r#""seen":"8 different names that do not exist or are forbidden""#)
    });
}
