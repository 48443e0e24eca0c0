//! Test files in the form of `promtool test rules`.

use ph_rules::unit::{self, CaseResult, Subject, Unusable};

const RULES: &str = "
groups:
  - name: g
    rules:
      - record: doubled
        expr: m * 2
      - alert: High
        expr: doubled > 2
        for: 2m
        labels: {severity: page}
        annotations: {summary: '{{ $labels.i }} is {{ $value }}'}
";

const TESTS: &str = "
rule_files: [r.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    name: first
    input_series:
      - series: 'm{i=\"a\"}'
        values: '0 2 2 2 0 _x3 2+1x3 stale'
    alert_rule_test:
      - eval_time: 2m59s
        alertname: High
        exp_alerts: []
      - eval_time: 3m
        alertname: High
        exp_alerts:
          - exp_labels: {i: a, severity: page}
            exp_annotations: {summary: a is 4}
    promql_expr_test:
      - expr: ALERTS
        eval_time: 3m
        exp_samples:
          - labels: ALERTS{alertname=\"High\", alertstate=\"firing\", i=\"a\", severity=\"page\"}
            value: 1
      - expr: doubled
        eval_time: 11m
        exp_samples: [{labels: 'doubled{i=\"a\"}', value: 10}]
      - expr: doubled
        eval_time: 12m
        exp_samples: []
";

fn run(tests: &str, rules: &str) -> Result<Vec<CaseResult>, Unusable> {
    unit::run(tests, &|name| {
        if name == "r.yml" {
            Ok(rules.to_owned())
        } else {
            Err("there is none".to_owned())
        }
    })
}

fn failed(tests: &str, rules: &str) -> Vec<usize> {
    let results = run(tests, rules).unwrap_or_else(|found| panic!("{found:?}"));
    let failed = results.iter().filter(|case| !case.is_ok());
    failed.map(|case| case.line).collect()
}

#[test]
fn a_test_file_passes_and_every_changed_expectation_fails() {
    assert_eq!(failed(TESTS, RULES), Vec::<usize>::new());
    for (from, to, line) in [
        ("exp_alerts: []", "exp_alerts: [{exp_labels: {i: a}}]", 11),
        ("a is 4", "a is 5", 14),
        ("severity: page}", "severity: none}", 14),
        ("alertstate=\\\"firing", "alertstate=\\\"pending", 20),
        ("value: 10", "value: 11", 25),
        (
            "exp_samples: []",
            "exp_samples: [{labels: '{}', value: 1}]",
            28,
        ),
    ] {
        let from = from.replace("\\\"", "\"");
        let changed = TESTS.replacen(&from, &to.replace("\\\"", "\""), 1);
        assert_ne!(changed, TESTS, "{from}");
        assert_eq!(failed(&changed, RULES), [line], "{from}");
    }
}

#[test]
fn a_rule_that_fails_ends_the_test() {
    let rules = RULES.replace("m * 2", "m * on() n");
    let tests = TESTS.replace("    alert_rule_test:", "      - {series: 'n{i=\"1\"}', values: 1}\n      - {series: 'n{i=\"2\"}', values: 1}\n    alert_rule_test:");
    let results = run(&tests, &rules).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].subject, Subject::Rule("doubled".to_owned()));
    assert!(results[0].error.is_some());
}

#[test]
fn what_cannot_be_run_is_said_with_its_place() {
    let lines = |tests: &str| match run(tests, RULES) {
        Err(Unusable::TestFile(found)) => found
            .iter()
            .map(|one| one.line_and_column(tests))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(lines("tests:\n - input_serie: []"), [(2, 4)]);
    let series =
        |values: &str| format!("tests:\n - input_series:\n   - series: m\n     values: '{values}'");
    assert_eq!(lines(&series("1 2 3+x")), [(4, 19)]);
    assert_eq!(lines(&series("1 {{schema:0}}")), [(4, 17)]);
    assert_eq!(
        lines("tests:\n - promql_expr_test: [{expr: 'sum(', exp_samples: [{labels: 'x{'}]}]").len(),
        2
    );
    assert!(matches!(
        run("rule_files: [other.yml]", RULES),
        Err(Unusable::Unreadable { .. })
    ));
    assert!(matches!(
        run(TESTS, "groups: 1"),
        Err(Unusable::RuleFile { .. })
    ));
}
