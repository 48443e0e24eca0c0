//! What Grafana's own linter of dashboards asks for, in words of our own, and what we ask for beyond it.
//!
//! Left out of it: LogQL, which is not used; and `job` and `instance` in the series of recording rules
//! (`slo:…`), which are summed over both.

use std::collections::BTreeSet;

use ph_plan::Plan;
use ph_promql::parse;
use ph_record::catalogue;
use serde_json::Value as Json;

/// Every dashboard of an empty plan.
fn dashboards() -> Vec<Json> {
    let files = ph_artifacts::grafana(&Plan::default());
    let boards = files.iter().filter(|f| f.path.ends_with(".json"));
    boards
        .map(|file| serde_json::from_str(&file.text).unwrap_or_else(|e| panic!("{e}")))
        .collect()
}

/// Panels that show something, with the name of their dashboard.
fn panels() -> Vec<(String, Json)> {
    let mut all = Vec::new();
    for board in dashboards() {
        for panel in list(&board["panels"]) {
            if panel["type"] != "row" {
                all.push((
                    format!("{}: {}", text(&board["title"]), text(&panel["title"])),
                    panel.clone(),
                ));
            }
        }
    }
    assert!(all.len() > 40, "{}", all.len());
    all
}

/// Every expression, with the place where it stands.
fn targets() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (place, panel) in panels() {
        for target in list(&panel["targets"]) {
            all.push((place.clone(), text(&target["expr"]).to_owned()));
        }
    }
    all
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// With values in place of the variables, as Grafana puts them.
fn substituted(expr: &str) -> String {
    expr.replace("$__rate_interval", "1m")
        .replace("$__range", "1d")
        .replace("$__interval", "15s")
}

fn variable<'a>(board: &'a Json, name: &str) -> &'a Json {
    let mut all = list(&board["templating"]["list"]).iter();
    let found = all.find(|variable| variable["name"] == name);
    found.unwrap_or_else(|| panic!("{} has no variable `{name}`", board["title"]))
}

#[test]
fn the_data_source_is_a_variable() {
    for board in dashboards() {
        let source = variable(&board, "datasource");
        assert_eq!(source["type"], "datasource");
        assert_eq!(source["label"], "Data source");
        assert_eq!(source["query"], "prometheus");
    }
    for (place, panel) in panels() {
        let chosen = serde_json::json!({"type": "prometheus", "uid": "${datasource}"});
        assert_eq!(panel["datasource"], chosen, "{place}");
        for target in list(&panel["targets"]) {
            assert_eq!(target["datasource"], chosen, "{place}");
        }
    }
}

#[test]
fn job_and_instance_are_variables_of_several_values() {
    for board in dashboards() {
        for (name, label) in [("job", "Job"), ("instance", "Instance")] {
            let found = variable(&board, name);
            assert_eq!(found["type"], "query");
            assert_eq!(found["label"], label);
            assert_eq!(found["datasource"]["uid"], "${datasource}");
            assert_eq!(
                (&found["multi"], &found["includeAll"]),
                (&true.into(), &true.into())
            );
            assert_eq!(found["allValue"], ".+");
        }
    }
}

#[test]
fn variables_are_asked_for_by_valid_selectors_when_the_time_changes() {
    for board in dashboards() {
        let queries = list(&board["templating"]["list"]).iter();
        for found in queries.filter(|variable| variable["type"] == "query") {
            assert_eq!(found["refresh"], 2, "{found}");
            let query = text(&found["query"]["query"]);
            let inner = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = inner.and_then(|i| i.rsplit_once(", ")).unwrap();
            assert!(parse(selector).is_ok(), "{query}");
            assert_eq!(label, text(&found["name"]));
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    // Of the units that Grafana knows, those that are used here.
    let units = [
        "none",
        "short",
        "percentunit",
        "s",
        "bytes",
        "Bps",
        "reqps",
        "ops",
        "bool",
    ];
    for (place, panel) in panels() {
        assert!(!text(&panel["title"]).is_empty(), "{place}");
        assert!(
            text(&panel["description"]).ends_with('.'),
            "{place} has no description"
        );
        let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
        assert!(units.contains(&unit), "{place}: {unit}");
        assert!(!list(&panel["targets"]).is_empty(), "{place} asks nothing");
    }
}

#[test]
fn every_expression_is_promql_of_both_variables() {
    for (place, expr) in targets() {
        let query = substituted(&expr);
        assert!(
            parse(&query).is_ok(),
            "{place}: {query}: {:?}",
            parse(&query).err()
        );
        let recorded = expr.starts_with("slo:");
        let selectors = expr
            .matches("{job=~\"$job\", instance=~\"$instance\"")
            .count();
        assert!(recorded || selectors > 0, "{place}: {expr}");
        assert_eq!(expr.matches('{').count(), selectors, "{place}: {expr}");
    }
}

#[test]
fn rates_use_the_interval_of_the_panel_and_counters_are_never_shown_raw() {
    for (place, expr) in targets() {
        for (at, _) in expr.match_indices("rate(") {
            let range = expr[at..].split_once("}[").map(|(_, rest)| rest);
            assert!(
                range.is_some_and(|r| r.starts_with("$__rate_interval]")),
                "{place}: {expr}"
            );
        }
        for metric in words(&expr) {
            let is_counter = ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .any(|end| metric.ends_with(end));
            let at = expr.find(metric).unwrap_or(0);
            let before = &expr[..at];
            let is_read = before.ends_with("rate(") || before.ends_with("increase(");
            assert!(!is_counter || is_read, "{place}: {expr}");
        }
    }
}

#[test]
fn every_metric_exists() {
    let known: BTreeSet<&str> = catalogue::ALL.iter().map(|m| m.name).collect();
    for (place, expr) in targets() {
        for metric in words(&expr).filter(|w| w.starts_with("mcp_") || w.starts_with("pilothouse_"))
        {
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|end| metric.strip_suffix(end))
                .unwrap_or(metric);
            let is_known = known.contains(metric) || known.contains(family);
            assert!(is_known, "{place}: there is no `{metric}`");
        }
    }
}

#[test]
fn what_is_asked_of_recording_rules_is_recorded() {
    let rules = ph_artifacts::rules(&Plan::default(), &[]);
    let recorded = |name: &str| {
        let line = format!("record: {name}\n");
        rules.iter().any(|file| file.text.contains(&line))
    };
    let mut seen = 0;
    for (place, expr) in targets() {
        for name in words(&expr).filter(|word| word.starts_with("slo:")) {
            assert!(recorded(name), "{place}: no rule records `{name}`");
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn ids_and_places_are_apart() {
    let mut uids = BTreeSet::new();
    for board in dashboards() {
        assert_eq!(board["schemaVersion"], 42);
        assert_eq!(board["editable"], false);
        assert!(uids.insert(text(&board["uid"]).to_owned()));
        let mut ids = BTreeSet::new();
        let mut cells = BTreeSet::new();
        for panel in list(&board["panels"]) {
            assert!(ids.insert(panel["id"].as_u64()), "{panel}");
            let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{panel}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(
                        cells.insert((x, y)),
                        "{}: two panels at {x}, {y}",
                        board["title"]
                    );
                }
            }
            let refs: BTreeSet<_> = list(&panel["targets"])
                .iter()
                .map(|t| text(&t["refId"]))
                .collect();
            assert_eq!(refs.len(), list(&panel["targets"]).len());
        }
    }
}

#[test]
fn availability_of_30_days_is_green_from_99_5_and_yellow_from_99_0() {
    let panels = panels();
    let (_, panel) = panels
        .iter()
        .find(|(place, _)| place.ends_with(": Availability (30 days)"))
        .unwrap();
    let steps = serde_json::json!([
        {"color": "red", "value": null},
        {"color": "yellow", "value": 0.99},
        {"color": "green", "value": 0.995},
    ]);
    assert_eq!(
        panel["fieldConfig"]["defaults"]["thresholds"]["steps"],
        steps
    );
}

#[test]
fn durations_have_exemplars() {
    let with = panels().into_iter().filter(|(_, panel)| {
        list(&panel["targets"])
            .iter()
            .any(|t| t["exemplar"] == true)
    });
    let places: Vec<_> = with.map(|(place, _)| place).collect();
    for title in ["Latency", "Durations by server", "Durations by tool, p95"] {
        assert!(
            places.iter().any(|p| p.ends_with(title)),
            "{title}: {places:?}"
        );
    }
}

/// Names of metrics and labels and functions.
fn words(expr: &str) -> impl Iterator<Item = &str> {
    expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| !word.is_empty())
}
