//! `pilothouse cost rightsize`: what is printed of a table of samples, and how it ends.

use ph_cost::workload::{Kind, TUNING_SEEDS, Workload};
use ph_promql::Labels;
use ph_store::RealDisk;
use ph_store::series::{NewSample, Scrape, SeriesOptions, SeriesStore};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs it in `folder`; gives the code, what it said and what it printed.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["cost", "rightsize"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stderr),
        text(output.stdout),
    )
}

/// The samples of a generated workload as CSV.
fn csv(kind: Kind, days: u32) -> String {
    let samples = Workload::generate(kind, TUNING_SEEDS[0]).recorded(0, days, true);
    let mut text =
        String::from("pod,at_s,cpu_milli,memory_bytes,cpu_peak_milli,memory_peak_bytes\n");
    for pod in &samples.pods {
        for index in 0..pod.cpu_milli.len() {
            let _ = writeln!(
                text,
                "{},{},{:.1},{:.0},{:.1},{:.0}",
                pod.name,
                pod.cpu_milli[index].at_s,
                pod.cpu_milli[index].value,
                pod.memory_bytes[index].value,
                pod.cpu_peak_milli[index].value,
                pod.memory_peak_bytes[index].value,
            );
        }
    }
    text
}

#[test]
fn a_table_of_samples_is_answered_with_numbers_and_their_arithmetic() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.csv"), csv(Kind::Web, 14)).unwrap();
    let asked = [
        "--cpu-request",
        "2",
        "--cpu-limit",
        "4",
        "--memory-request",
        "1Gi",
        "--memory-limit",
        "2Gi",
    ];
    let with = |more: &[&str]| -> (Option<i32>, String, String) {
        let args: Vec<&str> = ["--csv", "web.csv"]
            .iter()
            .chain(&asked)
            .chain(more)
            .copied()
            .collect();
        run(folder.path(), &args)
    };
    let (code, said, data) = with(&["--hpa-cpu", "70"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    for part in [
        "confidence high",
        "pilothouse",
        "krr simple_limit",
        "max+25 %",
        "pilothouse: cpu request = p90 of 40320 samples",
        "hpa: set averageUtilization to",
        "take: requests cpu",
        "less, once there are fewer nodes (prices of OpenCost, placeholders that nobody pays)",
    ] {
        assert!(data.contains(part), "{part}\n{data}");
    }
    let (_, _, data) = with(&["--format", "json"]);
    let json: Value = serde_json::from_str(&data).unwrap();
    let rows = json[0]["compared"]["comparison"]["rows"]
        .as_array()
        .unwrap();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0]["recommendation"]["policy"], "ours");
    assert_eq!(rows[0]["outcome"]["oom_kills"], 0);
    let (_, _, data) = with(&["--format", "markdown"]);
    assert!(data.contains("| pilothouse |"), "{data}");
}

#[test]
fn too_little_and_no_numbers_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let head = "pod,at_s,cpu_milli,memory_bytes\n";
    write("short.csv", &format!("{head}a,0,1,2\na,60,1,2\n"));
    let (code, _, data) = run(folder.path(), &["--csv", "short.csv"]);
    assert_eq!(code, Some(1));
    assert!(
        data.contains("no recommendation: 0.0 hours of cpu are too little"),
        "{data}"
    );
    write("nan.csv", &format!("{head}a,0,NaN,2\n"));
    let (code, _, data) = run(folder.path(), &["--csv", "nan.csv"]);
    assert_eq!(code, Some(1));
    assert!(
        data.contains("cpu of `a` is NaN at 0: no use is not a number"),
        "{data}"
    );
    write("wrong.csv", &format!("{head}a,0,1,2Mi\n"));
    let (code, said, data) = run(folder.path(), &["--csv", "wrong.csv"]);
    assert_eq!((code, data.as_str()), (Some(2), ""));
    assert!(said.contains("wrong.csv:2:4: `2Mi` is no number"), "{said}");
    let (code, said, _) = run(folder.path(), &["--csv", "nan.csv", "--cpu-request", "-5"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("is no quantity"), "{said}");
    let (code, said, _) = run(folder.path(), &["--data-dir", "nowhere"]);
    assert_eq!(code, Some(3), "{said}");
}

const MIB: f64 = 1024.0 * 1024.0;
const SCRAPE_S: i64 = 30;

/// What `busy` did at a second of its five days: burns a tenth of a core and holds 200 MiB, and for a moment of each day
/// takes 400 MiB and gives them back before anybody looks. `leaky` gives nothing back. `young` has begun three hours before the end.
fn at(second: i64, from_s: i64, end_s: i64) -> Vec<NewSample> {
    let mut samples: Vec<NewSample> = Vec::new();
    let mut put = |name: &str, server: &str, value: f64| {
        let labels = [("__name__", name), ("server", server), ("replica", "0")];
        samples.push((Labels::from_pairs(labels), value).into());
    };
    let since = (second - from_s) as f64;
    let in_day = (second - from_s) % 86_400;
    let peaks = (40_000..40_060).contains(&in_day);
    put("mcp_server_cpu_seconds_total", "busy", since * 0.1);
    put(
        "mcp_server_cpu_peak_cores",
        "busy",
        if peaks { 0.9 } else { 0.12 },
    );
    put("mcp_server_resident_memory_bytes", "busy", 200.0 * MIB);
    put(
        "mcp_server_resident_memory_peak_bytes",
        "busy",
        if peaks { 400.0 } else { 201.0 } * MIB,
    );
    put(
        "mcp_server_cpu_throttled_seconds_total",
        "busy",
        since * 0.02,
    );
    put(
        "mcp_server_memory_kills_total",
        "busy",
        f64::from(u8::from(in_day > 50_000)),
    );
    // 16 calls a second by day and 4 by night, each of 50 ms.
    let (days, rest) = (in_day, (second - from_s) / 86_400);
    let calls = (rest * (16 + 4) * 43_200 + days * 4 + days.min(43_200) * 12) as f64;
    put("mcp_requests_total", "busy", calls);
    put("mcp_response_duration_seconds_count", "busy", calls);
    put("mcp_response_duration_seconds_sum", "busy", calls * 0.05);
    put("pilothouse_calls_in_flight", "busy", 11.0);
    // 24 MiB a day, and never given back.
    put("mcp_server_cpu_seconds_total", "leaky", since * 0.1);
    put(
        "mcp_server_resident_memory_bytes",
        "leaky",
        (100.0 + since / 3_600.0) * MIB,
    );
    if end_s - second <= 3 * 3_600 {
        put("mcp_server_cpu_seconds_total", "young", since * 0.3);
        put("mcp_server_resident_memory_bytes", "young", 90.0 * MIB);
    }
    samples
}

/// Five days of samples that end now.
fn seeded(data: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end_s = now.as_secs() as i64 / SCRAPE_S * SCRAPE_S;
    let from_s = end_s - 5 * 86_400;
    let options = SeriesOptions {
        syncs: false,
        ..SeriesOptions::default()
    };
    let dir = data.join("store/series");
    std::fs::create_dir_all(&dir).unwrap();
    let (mut store, _) = SeriesStore::open(Arc::new(RealDisk), &dir, options).unwrap();
    for second in (from_s..=end_s).step_by(SCRAPE_S as usize) {
        let samples = at(second, from_s, end_s);
        let scrape = Scrape {
            t_ms: second * 1_000,
            target: "pilothouse",
            samples: &samples,
            exemplars: &[],
            metadata: &[],
        };
        store.scrape(&scrape).unwrap();
        store.tick(second * 1_000).unwrap();
    }
    store.close().unwrap();
}

/// From the store of a daemon that is not running, with the peaks and the throttling that it kept.
#[test]
fn peaks_throttling_and_kills_of_the_store_are_in_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    seeded(folder.path());
    let data = [
        "--data-dir",
        folder.path().to_str().unwrap(),
        "--since",
        "5d",
    ];
    let with = |more: &[&str]| run(folder.path(), &[&data, more].concat());
    let (code, said, text) = with(&["--memory-limit", "384Mi", "--format", "json"]);
    assert_eq!(
        code,
        Some(1),
        "`young` has too little history: {said}{text}"
    );
    let all: Value = serde_json::from_str(&text).unwrap();
    let of = |name: &str| {
        all.as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == name)
            .unwrap()
    };
    let refused = of("young")["refused"]["why"].as_str().unwrap();
    assert!(
        refused.contains("3.0 hours of cpu are too little"),
        "{refused}"
    );

    let comparison = &of("busy")["compared"]["comparison"];
    assert_eq!(comparison["history"]["has_cpu_peaks"], true);
    assert_eq!(comparison["history"]["confidence"], "medium");
    let row = |policy: &str| {
        let mut rows = comparison["rows"].as_array().unwrap().iter();
        rows.find(|row| row["recommendation"]["policy"] == policy)
            .unwrap()
    };
    // By samples alone 250 MiB would do, and would have been killed each day.
    assert_eq!(row("max_plus")["outcome"]["oom_kills"], 5);
    assert_eq!(row("krr_simple")["outcome"]["oom_kills"], 5);
    assert_eq!(row("ours")["outcome"]["oom_kills"], 0);
    assert_eq!(row("ours")["outcome"]["throttled_s"], 0.0);
    let limit = row("ours")["recommendation"]["resources"]["memory_limit_bytes"]
        .as_f64()
        .unwrap();
    assert!(limit >= 800.0 * MIB, "{limit}");
    let warnings = row("ours")["recommendation"]["warnings"].to_string();
    assert!(warnings.contains(" 2.0 % of the time"), "{warnings}");
    assert!(
        warnings.contains("killed 5 times for its memory"),
        "{warnings}"
    );

    let leaks = &of("leaky")["compared"]["comparison"]["rows"][0]["recommendation"]["leaks"];
    assert_eq!(leaks[0]["pod"], "replica 0", "{leaks}");
    assert!(
        (leaks[0]["bytes_per_day"].as_f64().unwrap() / MIB - 24.0).abs() < 0.5,
        "{leaks}"
    );
    let (_, _, text) = with(&["leaky"]);
    assert!(text.contains("`replica 0` leaks 24.0Mi a day"), "{text}");
}

/// The same samples tell what a call takes, and what requests and autoscaler together would have come to.
#[test]
fn calls_of_the_store_are_what_an_autoscaler_is_replayed_over() {
    let folder = tempfile::tempdir().unwrap();
    seeded(folder.path());
    let data = [
        "--data-dir",
        folder.path().to_str().unwrap(),
        "--since",
        "5d",
    ];
    let asked = [
        "busy",
        "--cpu-request",
        "500m",
        "--memory-request",
        "1Gi",
        "--hpa-cpu",
        "70",
    ];
    let (code, said, text) = run(folder.path(), &[&asked[..], &data].concat());
    assert_eq!((code, said.as_str()), (Some(0), ""), "{text}");
    for part in [
        "calls: a call takes 50.00 ms",
        "calls: a call costs 10.0",
        "calls: new resources, calls per second",
        "hpa: take ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }

    // Four times as many calls, so that the hours differ.
    let done = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args([
            "cost",
            "simulate",
            "--server",
            "busy",
            "--profile",
            "--json",
        ])
        .args([
            "--peak",
            "64",
            "--min",
            "1",
            "--max",
            "4",
            "--concurrency",
            "12",
        ])
        .args(data)
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    let answer: Value = serde_json::from_slice(&done.stdout).expect(&said);
    let service = &answer["scenario"]["service"];
    let number = |field: &str| service[field].as_f64().unwrap();
    assert!((number("service_s") - 0.05).abs() < 0.001, "{service}");
    assert!((number("cpu_s_per_call") - 0.01).abs() < 0.001, "{service}");
    assert_eq!(
        number("concurrency"),
        12.0,
        "a flag goes before what was recorded"
    );
    assert_eq!(answer["load"]["recorded"]["at_once"], 11.0);
    assert_eq!(answer["judged"].as_array().unwrap().len(), 3);
    let keda = answer["keda"].as_str().unwrap();
    assert!(keda.contains("type: cron"), "{keda}");
}
