//! The standard rules as a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ph_plan::{NoSecrets, Plan, StandardAlert};
use ph_promql::parse;
use ph_record::catalogue;
use ph_rules::{file, standard, unit};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standard")
}

fn plan(text: &str) -> Plan {
    let text = format!("servers: {{files: {{command: files}}}}\n{text}");
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap_or_else(|why| panic!("{why:?}"));
    plan
}

/// `BLESS=1` writes it. The unit tests beside it are run on it, by promtool and by our engine.
#[test]
fn the_file_of_an_empty_configuration_is_the_one_that_is_tested() {
    let file = folder().join("standard.rules.yml");
    let got = standard::text(&Plan::default());
    if is_blessing() {
        fs::write(&file, &got).unwrap();
    }
    let want = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(got, want, "if that is meant: BLESS=1");
}

#[test]
fn every_alert_of_the_configuration_is_there_once_and_has_a_unit_test() {
    let rules: Vec<_> = standard::rules().map(|rule| rule.alert).collect();
    let all: BTreeSet<_> = StandardAlert::ALL.iter().collect();
    assert_eq!(rules.iter().collect::<BTreeSet<_>>(), all);
    assert_eq!(rules.len(), all.len(), "an alert is there twice");
    for alert in StandardAlert::ALL {
        let file = folder().join(format!("{}.yml", alert.as_str()));
        let text = fs::read_to_string(&file).unwrap_or_default();
        let fires = text.contains("exp_labels:");
        let is_quiet = text.contains("exp_alerts: []");
        assert!(fires && is_quiet, "{} needs both", file.display());
    }
}

/// promtool runs the same files in `tests/e2e/artifacts/run`.
#[test]
fn our_engine_sees_in_every_unit_test_what_promtool_sees() {
    let read = |name: &str| fs::read_to_string(folder().join(name)).map_err(|e| e.to_string());
    let mut cases = 0;
    for alert in StandardAlert::ALL {
        let name = format!("{}.yml", alert.as_str());
        let results =
            unit::run(&read(&name).unwrap(), &read).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        cases += results.len();
        for case in results {
            assert!(case.is_ok(), "{name}:{}: {case:#?}", case.line);
        }
    }
    assert!(cases > 150, "{cases}");
}

#[test]
fn the_file_is_read_back_as_it_was_meant() {
    let file = file::read("standard.yml", &standard::text(&Plan::default()))
        .unwrap_or_else(|why| panic!("{why:?}"));
    let read: Vec<_> = file
        .groups
        .iter()
        .map(|g| (g.name.as_str(), g.rules.len()))
        .collect();
    let meant: Vec<_> = standard::GROUPS
        .iter()
        .map(|g| (g.name, g.rules.len()))
        .collect();
    assert_eq!(read, meant);
}

#[test]
fn expressions_are_promql_about_metrics_that_exist() {
    let known: BTreeSet<&str> = catalogue::ALL.iter().map(|metric| metric.name).collect();
    for rule in standard::rules() {
        let name = rule.alert.as_str();
        let expr = expr_of(&standard::text(&Plan::default()), name);
        assert!(parse(&expr).is_ok(), "{name}: {:?}", parse(&expr).err());
        let words = expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let ours = |word: &&str| {
            ["mcp_", "pilothouse_", "process_"]
                .iter()
                .any(|prefix| word.starts_with(prefix))
        };
        for metric in words.filter(ours) {
            let family = metric.strip_suffix("_bucket").unwrap_or(metric);
            let is_known = known.contains(family);
            assert!(is_known, "{name}: there is no `{metric}`");
        }
    }
}

#[test]
fn thresholds_are_in_expressions_and_in_texts() {
    let text = standard::text(&plan(
        "rules: {thresholds: {error_ratio: 0.015, response_time: 1500ms, memory_growth_bytes: 1GiB}}",
    ));
    assert!(expr_of(&text, "HighErrorRate").ends_with("> 0.015"));
    assert!(expr_of(&text, "SlowResponseTime").ends_with("> 1.5"));
    assert!(expr_of(&text, "MemoryGrowth").contains("> 1073741824\n"));
    for words in [
        "the threshold is 1.5%",
        "the threshold is 1500ms",
        "the threshold is 1GiB",
    ] {
        assert!(text.contains(words), "{words}");
    }
    assert!(!text.contains("<error") && !text.contains("<mem"));
}

#[test]
fn alerts_are_left_out_on_demand() {
    let text = standard::text(&plan("rules: {disabled: [HighErrorRate, MemoryGrowth]}"));
    assert!(!text.contains("HighErrorRate") && !text.contains("MemoryGrowth"));
    assert!(!text.contains("pilothouse-trends"), "a group without rules");
    assert!(text.contains("- alert: SlowResponseTime"));
    let none = standard::text(&plan("rules: {standard: false}"));
    assert!(none.ends_with("\ngroups: []\n"), "{none}");
}

#[test]
fn runbooks_are_where_people_reach_us() {
    let text = standard::text(&plan(
        "notify: {external_url: 'https://ops.example.com/pilothouse/'}",
    ));
    let url = "runbook_url: 'https://ops.example.com/pilothouse/runbooks/ServerDown'";
    assert!(text.contains(url), "{text}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not of the product"
)]
fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// The expression of an alert, as it stands in the file.
#[track_caller]
fn expr_of(text: &str, alert: &str) -> String {
    let rule = text.split_once(&format!("- alert: {alert}\n"));
    let expr = rule.and_then(|(_, rule)| rule.split_once("expr: |-\n"));
    let (_, expr) = expr.unwrap_or_else(|| panic!("{alert} has no expression"));
    let lines = expr
        .lines()
        .take_while(|line| line.starts_with("          "));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}
