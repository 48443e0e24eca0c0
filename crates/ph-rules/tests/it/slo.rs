//! Objectives as a rule file, and the table of what was counted.

use std::fs;
use std::path::{Path, PathBuf};

use ph_plan::{NoSecrets, Plan};
use ph_rules::slo::compile;

mod counting;
mod report;

pub(crate) fn plan(slos: &str) -> Plan {
    let text = format!("servers: {{files: {{command: files}}}}\n{slos}");
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap_or_else(|why| panic!("{why:?}"));
    plan
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slo")
}

/// `BLESS=1` writes it.
#[track_caller]
pub(crate) fn golden(name: &str, got: &str) {
    let file = folder().join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, got).unwrap();
    }
    let want = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(got, want, "if that is meant: BLESS=1");
}

/// The unit tests beside it are run on it, by promtool and by our engine.
#[test]
fn the_file_of_an_empty_configuration_is_the_one_that_is_tested() {
    golden("slo.rules.yml", &compile(&Plan::default()));
}

/// As promtool does, case by case.
#[test]
fn the_unit_tests_pass_in_our_own_engine() {
    for name in ["ErrorBudgetBurn.yml", "ErrorBudgetBurnSlow.yml"] {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let read =
            |name: &str| fs::read_to_string(folder().join(name)).map_err(|error| error.to_string());
        let results =
            ph_rules::unit::run(&text, &read).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        assert!(results.len() >= 5, "{name}: {} cases", results.len());
        for case in results {
            assert!(case.is_ok(), "{name}: {case:#?}");
        }
    }
}

#[test]
fn any_objective_becomes_rules_that_are_read_back() {
    for slos in [
        "slos: {}",
        "slos: {a.b-c_d: {objective: availability, server: files, window: month, target: 99.999}}",
        "slos: {x: {objective: latency, tool: 'a\"b\\c', client: 'c*', threshold: 250ms, window: 7d}}",
        "slos: {x: {objective: throughput, rate: 0.5, window: 1d, min_events: 0}, y: {objective: error_rate, tool_errors: bad, window: 90d}}",
    ] {
        let text = compile(&plan(slos));
        let file = ph_rules::file::read("slo.yml", &text)
            .unwrap_or_else(|why| panic!("{slos}: {why:?}\n{text}"));
        let groups: Vec<_> = file
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .collect();
        let want = plan(slos).slos_in_force().len() * 2;
        assert_eq!(groups.len(), want, "{groups:?}");
    }
}

/// What sloth's dashboards ask for.
#[test]
fn names_are_those_of_sloth() {
    let text = compile(&Plan::default());
    let file = ph_rules::file::read("slo.yml", &text).unwrap();
    let recorded: Vec<&str> = file
        .groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter_map(|rule| match &rule.kind {
            ph_rules::RuleKind::Record { metric } => Some(metric.as_str()),
            ph_rules::RuleKind::Alert { .. } => None,
        })
        .collect();
    for name in [
        "slo:sli_error:ratio_rate5m",
        "slo:sli_error:ratio_rate30m",
        "slo:sli_error:ratio_rate1h",
        "slo:sli_error:ratio_rate2h",
        "slo:sli_error:ratio_rate6h",
        "slo:sli_error:ratio_rate1d",
        "slo:sli_error:ratio_rate3d",
        "slo:sli_error:ratio_rate30d",
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:time_period:days",
        "slo:current_burn_rate:ratio",
        "slo:period_burn_rate:ratio",
        "slo:period_error_budget_remaining:ratio",
        "sloth_slo_info",
    ] {
        assert!(recorded.contains(&name), "{name} is missing");
    }
}
