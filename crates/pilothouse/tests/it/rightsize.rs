//! `pilothouse cost rightsize`: what is printed of a table of samples, and how it ends.

use ph_cost::workload::{Kind, TUNING_SEEDS, Workload};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

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
