//! `pilothouse cost`: what a load would have needed.

use std::fmt::Write as _;
use std::process::{Command, Output};

fn simulate(csv: &str, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls.csv");
    std::fs::write(&path, csv).unwrap();
    Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["cost", "simulate", "--arrivals"])
        .arg(&path)
        .args(more)
        .output()
        .unwrap()
}

/// 40 minutes in steps of 15 s: 60 calls a second, and 200 in every second ten minutes.
fn waves() -> String {
    let mut csv = String::from("time,calls\n");
    for step in 0..160 {
        let rate = if step / 40 % 2 == 0 { 60 } else { 200 };
        let _ = writeln!(csv, "{},{}", 1_700_000_000 + step * 15, rate * 15);
    }
    csv
}

#[test]
fn three_settings_are_judged_on_the_second_half() {
    let done = simulate(&waves(), &["--json"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let judged = answer["judged"].as_array().unwrap();
    assert_eq!(judged.len(), 3);
    for candidate in judged {
        let outcome = &candidate["outcome"];
        assert_eq!(outcome["seconds"], 1_200, "{candidate}");
        for field in [
            "average_pods",
            "seconds_above_capacity",
            "p95_s",
            "cost_micro",
        ] {
            assert!(outcome[field].is_number(), "{field} of {candidate}");
        }
    }
    let recommended = usize::try_from(answer["recommended"]["index"].as_u64().unwrap()).unwrap();
    assert_eq!(judged[recommended]["outcome"]["slo_kept"], true);
}

#[test]
fn an_objective_that_nothing_keeps_is_found() {
    let done = simulate(&waves(), &["--slo-latency", "10ms"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.contains("none keeps the objective"), "{text}");
}

#[test]
fn what_says_nothing_is_refused() {
    #[track_caller]
    fn check(csv: &str, more: &[&str], want: &str) {
        let done = simulate(csv, more);
        let text = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{text}");
        assert!(text.contains(want), "{text}");
    }
    check(
        "time,calls\n5,NaN\n",
        &[],
        "2:3: `NaN` is no number of calls",
    );
    check("time,calls\n0,0\n700,0\n", &[], "zero traffic");
    check("1\n2\n3\n", &[], "too little history");
    check(&waves(), &["--cpu-hour", "-1"], "none below 0");
    check(&waves(), &["--service-time", "0s"], "must be above 0");
    check(
        &waves(),
        &["--profile"],
        "too few to tell the hours of a day",
    );
}
