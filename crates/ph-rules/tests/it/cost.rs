//! What calls cost, as a rule file.

use std::fs;
use std::path::{Path, PathBuf};

use ph_plan::Plan;
use ph_rules::cost;

use crate::slo::plan;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cost")
}

const PRICES: &str = "cost: {currency: EUR, cpu_hour: 0.03, gib_hour: 0.004, transfer_gb: 0.05}\n";

/// `BLESS=1` writes it. The unit tests beside it are run on it, by promtool and by our engine.
#[test]
fn the_rules_of_prices_are_those_that_are_tested() {
    let got = cost::text(&plan(PRICES)).expect("there are prices");
    let file = folder().join("cost.rules.yml");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &got).unwrap();
    }
    let want = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(got, want, "if that is meant: BLESS=1");
}

#[test]
fn placeholders_make_no_rules() {
    assert_eq!(cost::text(&Plan::default()), None);
    assert_eq!(cost::text(&plan("cost: {cpu_hour: 0.03}\n")), None);
    let text = cost::text(&plan("cost: {cpu_hour: 0.03, gib_hour: 0}\n")).expect("two prices");
    assert!(!text.contains("transfer"), "{text}");
}

/// As promtool does, case by case.
#[test]
fn the_cost_of_a_call_is_what_each_unit_costs_in_our_own_engine() {
    let read = |name: &str| fs::read_to_string(folder().join(name)).map_err(|e| e.to_string());
    let text = read("CostPerRequest.yml").unwrap();
    let results = ph_rules::unit::run(&text, &read).unwrap_or_else(|found| panic!("{found:?}"));
    assert!(results.len() >= 5, "{} cases", results.len());
    for case in results {
        assert!(case.is_ok(), "{case:#?}");
    }
}
