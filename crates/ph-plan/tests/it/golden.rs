//! Configurations beside what is said about them. `BLESS=1` writes the second.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ph_base::diagnostic::{Diagnostic, Problem, Severity};
use ph_plan::load;

use crate::world::{SECRET, World, cases, is_blessing};

#[test]
fn bad_configurations_are_refused_with_every_problem_in_its_place() {
    let cases = inputs("bad");
    assert!(cases.len() >= 25, "only {} cases", cases.len());
    for case in cases {
        let (name, text) = open(&case);
        let problems = match load(&name, &text, &World) {
            Err(problems) => problems,
            Ok((plan, _)) => panic!("{name} is taken as {plan:#?}"),
        };
        assert!(
            problems
                .iter()
                .any(|problem| problem.severity() == Severity::Error),
            "{name}"
        );
        let rendered = render(&problems, &name, &text);
        assert!(!rendered.contains(SECRET), "{name} shows a secret");
        compare(&case.with_extension("stderr"), &rendered);
    }
}

#[test]
fn good_configurations_become_the_plan_beside_them() {
    for case in inputs("good") {
        let (name, text) = open(&case);
        let (plan, warnings) = load(&name, &text, &World)
            .unwrap_or_else(|problems| panic!("{}", render(&problems, &name, &text)));
        let shown = plan.to_json();
        for shown in [shown.to_string(), format!("{plan:?}")] {
            assert!(
                !shown.contains(SECRET) && !shown.contains("hunter2"),
                "{name} shows a secret"
            );
        }
        compare_json(&case.with_extension("plan"), &shown);
        compare(
            &case.with_extension("stderr"),
            &render(&warnings, &name, &text),
        );
    }
}

/// What is shown of a plan without secrets can be read again and means the same.
#[test]
fn a_shown_plan_reads_back() {
    for case in inputs("good") {
        let (name, text) = open(&case);
        let (plan, _) = load(&name, &text, &World).expect("a good case");
        if !text.contains("${") && !text.contains("hunter2") {
            let shown = plan.to_json().to_string();
            let (again, warnings) = load("shown.json", &shown, &World)
                .unwrap_or_else(|problems| panic!("{}", render(&problems, "shown.json", &shown)));
            assert_eq!(again, plan, "{name}");
            assert_eq!(again.hash(), plan.hash(), "{name}");
            let is_new = |d: &Diagnostic| {
                !matches!(d.problem, Problem::Risky { .. } | Problem::Exposed { .. })
            };
            assert_eq!(warnings.iter().find(|d| is_new(d)), None, "{name}");
        }
    }
}

/// Every kind of problem has a case. A new variant has to be named here.
#[test]
fn every_problem_has_a_case() {
    fn name(problem: &Problem) -> &'static str {
        match problem {
            Problem::UnknownField { .. } => "UnknownField",
            Problem::IgnoredField { .. } => "IgnoredField",
            Problem::LeftOut { .. } => "LeftOut",
            Problem::Renamed { .. } => "Renamed",
            Problem::MissingField { .. } => "MissingField",
            Problem::Conflict { .. } => "Conflict",
            Problem::WrongType { .. } => "WrongType",
            Problem::OutOfRange { .. } => "OutOfRange",
            Problem::BadValue { .. } => "BadValue",
            Problem::Duplicate { .. } => "Duplicate",
            Problem::Syntax { .. } => "Syntax",
            Problem::TooLarge { .. } => "TooLarge",
            Problem::Secret(_) => "Secret",
            Problem::Unsafe { .. } => "Unsafe",
            Problem::Risky { .. } => "Risky",
            Problem::Exposed { .. } => "Exposed",
            Problem::More { .. } => "More",
            // Of rule files only.
            Problem::Expression { .. } => "Expression",
            Problem::Template { .. } => "Template",
        }
    }
    let mut seen = BTreeSet::from(["More"]); // robustness.rs: its text would be long
    for case in [inputs("bad"), inputs("good")].concat() {
        let (file, text) = open(&case);
        let problems =
            load(&file, &text, &World).map_or_else(|errors| errors, |(_, warnings)| warnings);
        seen.extend(problems.iter().map(|diagnostic| name(&diagnostic.problem)));
    }
    assert_eq!(seen.len(), 17, "{seen:?}");
}

/// The form that the project promises, spelled out once.
#[test]
fn the_form_of_a_message() {
    let text = "servers:\n  files:\n    command: npx\n    limits:\n      in_flight_mx: 12\n";
    let problems = load("pilothouse.yaml", text, &World).expect_err("an unknown key");
    let want = "\
error: unknown field `in_flight_mx` in `servers.files.limits`
 --> pilothouse.yaml:5:7
5 |       in_flight_mx: 12
  |       ^^^^^^^^^^^^ expected `in_flight_max`, `queue_max` or `line_bytes_max`
hint: did you mean `in_flight_max`?
";
    assert_eq!(render(&problems, "pilothouse.yaml", text), want);
}

fn inputs(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(cases(folder)).expect("the cases lie beside the tests");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let is_input = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ext| ext == "yaml" || ext == "json")
    };
    let mut paths: Vec<_> = paths.filter(is_input).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn open(case: &Path) -> (String, String) {
    let name = case
        .file_name()
        .expect("a file")
        .to_str()
        .expect("an ASCII name")
        .to_owned();
    (name, fs::read_to_string(case).expect("a readable case"))
}

pub(crate) fn render(problems: &[Diagnostic], name: &str, text: &str) -> String {
    let rendered: Vec<_> = problems
        .iter()
        .map(|problem| problem.render(name, text))
        .collect();
    rendered.join("\n")
}

fn compare(golden: &Path, got: &str) {
    if is_blessing() {
        fs::write(golden, got).expect("a writable case");
    }
    let want = fs::read_to_string(golden).unwrap_or_default();
    assert_eq!(
        want,
        got,
        "{} differs; BLESS=1 rewrites it",
        golden.display()
    );
}

/// As values: the order of keys depends on features that other crates turn on.
pub(crate) fn compare_json(golden: &Path, got: &serde_json::Value) {
    if is_blessing() {
        let text = serde_json::to_string_pretty(got).expect("JSON can be written");
        fs::write(golden, format!("{text}\n")).expect("a writable case");
    }
    let want = fs::read_to_string(golden).unwrap_or_default();
    let want: serde_json::Value = serde_json::from_str(&want).unwrap_or_default();
    assert_eq!(
        &want,
        got,
        "{} differs; BLESS=1 rewrites it",
        golden.display()
    );
}
