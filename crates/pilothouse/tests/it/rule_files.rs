//! `pilothouse rules`: what is printed, and how it ends.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const RULES: &str = "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: m > 1\n";

const TESTS: &str = "rule_files: [rules.yml]
tests:
- interval: 1m
  input_series: [{series: 'm{i=\"a\"}', values: '2'}]
  alert_rule_test:
  - {eval_time: 0m, alertname: High, exp_alerts: [{exp_labels: {i: a}}]}
";

/// Runs it in `folder`; gives the code, what it said and what it printed.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    let output = command
        .arg("rules")
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

#[test]
fn rule_files_are_checked_and_their_tests_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("rules.yml", RULES);
    write("tests.yml", TESTS);
    let (code, said, data) = run(folder, &["check", "rules.yml"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert_eq!(
        data,
        "rules.yml: ok, 1 group, 1 alert rule, 0 recording rules\n"
    );
    let (code, said, data) = run(folder, &["test", "tests.yml"]);
    assert_eq!(
        (code, said.as_str(), data.as_str()),
        (Some(0), "", "tests.yml: ok, 1 expectation\n")
    );

    write("bad.yml", &RULES.replace("m > 1", "m > rat(x)"));
    let (code, said, data) = run(folder, &["check", "rules.yml", "bad.yml"]);
    assert_eq!(code, Some(1));
    assert!(said.contains(" --> bad.yml:5:15\n"), "{said}");
    assert!(data.ends_with("bad.yml: 1 problem\n"), "{data}");
    let (code, _, data) = run(folder, &["check", "--json", "bad.yml"]);
    let shown: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((code, &shown["ok"]), (Some(1), &Value::Bool(false)));
    let problem = &shown["files"][0]["problems"][0];
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&5.into(), &15.into())
    );

    write("wrong.yml", &TESTS.replace("i: a", "i: b"));
    let (code, said, data) = run(folder, &["test", "wrong.yml"]);
    assert_eq!(
        (code, data.as_str()),
        (Some(1), "wrong.yml: 1 of 1 expectation failed\n")
    );
    assert!(
        said.contains("failed: alert `High` at 0m in `test 1`"),
        "{said}"
    );
    assert!(said.contains("{alertname=\"High\", i=\"a\"}"), "{said}");
    let (code, _, data) = run(folder, &["test", "--json", "wrong.yml"]);
    let shown: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(
        (
            code,
            &shown["files"][0]["cases"][0]["got"][0]["labels"]["i"]
        ),
        (Some(1), &"a".into())
    );

    write("lost.yml", &TESTS.replace("rules.yml", "none.yml"));
    assert_eq!(run(folder, &["test", "lost.yml"]).0, Some(1));
    assert_eq!(run(folder, &["check", "none.yml"]).0, Some(2));
}
