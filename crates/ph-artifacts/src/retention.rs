//! How long log stores of others keep what is sent to them: Elasticsearch, OpenSearch, Loki.

use ph_cost::retention::Plan;
use serde_json::{Value as Json, json};

use crate::file::File;
use crate::yaml::{Map, Yaml};

/// Size at which an index is full, whatever its age.
const FULL: &str = "50gb";

/// A policy of Elasticsearch's index lifecycle management, for `PUT _ilm/policy/NAME`. Ages count from rollover.
#[must_use]
pub fn ilm(plan: &Plan) -> File {
    let mut phases = json!({
        "hot": {"min_age": "0ms", "actions": {
            "rollover": {"max_age": days(plan.rollover_days), "max_primary_shard_size": FULL},
            "set_priority": {"priority": 100},
        }},
        "delete": {"min_age": days(plan.delete_days), "actions": {"delete": {}}},
    });
    if has_warm(plan) {
        phases["warm"] = json!({"min_age": days(plan.warm_days), "actions": {
            "shrink": {"number_of_shards": 1},
            "forcemerge": {"max_num_segments": 1},
            "allocate": {"number_of_replicas": plan.warm_replicas},
            "set_priority": {"priority": 50},
        }});
    }
    let policy =
        json!({"policy": {"_meta": {"written_by": "pilothouse cost logs"}, "phases": phases}});
    File::new("ilm-policy.json", pretty(&policy))
}

/// A policy of OpenSearch's index state management, for `PUT _plugins/_ism/policies/NAME`.
///
/// - `pattern`: the indices that it is for.
#[must_use]
pub fn ism(plan: &Plan, pattern: &str) -> File {
    let to = |state: &str, age: u32| json!([{"state_name": state, "conditions": {"min_rollover_age": days(age)}}]);
    let rollover = json!({"rollover": {"min_index_age": days(plan.rollover_days), "min_primary_shard_size": FULL}});
    let after_hot = if has_warm(plan) {
        ("warm", plan.warm_days)
    } else {
        ("delete", plan.delete_days)
    };
    let mut states = vec![
        json!({"name": "hot", "actions": [rollover], "transitions": to(after_hot.0, after_hot.1)}),
    ];
    if has_warm(plan) {
        let replicas = json!({"replica_count": {"number_of_replicas": plan.warm_replicas}});
        let merge = json!({"force_merge": {"max_num_segments": 1}});
        states.push(json!({
            "name": "warm",
            "actions": [replicas, merge],
            "transitions": to("delete", plan.delete_days),
        }));
    }
    states.push(json!({"name": "delete", "actions": [{"delete": {}}], "transitions": []}));
    let policy = json!({"policy": {
        "description": "Written by pilothouse cost logs",
        "default_state": "hot",
        "states": states,
        "ism_template": [{"index_patterns": [pattern], "priority": 100}],
    }});
    File::new("ism-policy.json", pretty(&policy))
}

/// The parts of Loki's configuration that delete. Loki has no warm tier: the object store's own rules are that, and have to
/// keep for longer.
#[must_use]
pub fn loki(plan: &Plan) -> File {
    let compactor = Map::new()
        .with("working_directory", "/loki/compactor")
        .with("retention_enabled", true)
        .with("delete_request_store", "s3")
        .with("compaction_interval", Yaml::word("10m"))
        .with("retention_delete_delay", Yaml::word("2h"));
    let limits = Map::new().with(
        "retention_period",
        Yaml::word(format!("{}h", u64::from(plan.delete_days) * 24)),
    );
    let root = Map::new()
        .with("compactor", compactor)
        .with("limits_config", limits);
    let head = "Parts of Loki's configuration. Written by `pilothouse cost logs`. Without `retention_enabled` Loki keeps for ever. There is\n\
         to be one compactor, and rules of the object store have to keep for longer than this.";
    File::new("loki-retention.yaml", root.document(head))
}

fn has_warm(plan: &Plan) -> bool {
    plan.warm_days < plan.delete_days
}

fn days(days: u32) -> String {
    format!("{days}d")
}

fn pretty(json: &Json) -> String {
    format!("{json:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        rollover_days: 1,
        warm_days: 7,
        delete_days: 30,
        hot_replicas: 1,
        warm_replicas: 0,
    };

    fn read(file: &File) -> Json {
        serde_json::from_str(&file.text).expect("json")
    }

    #[test]
    fn hot_warm_gone_in_the_words_of_each() {
        let phases = &read(&ilm(&PLAN))["policy"]["phases"];
        let rollover = json!({"max_age": "1d", "max_primary_shard_size": "50gb"});
        assert_eq!(phases["hot"]["actions"]["rollover"], rollover);
        assert_eq!(phases["warm"]["min_age"], "7d");
        assert_eq!(
            phases["warm"]["actions"]["allocate"]["number_of_replicas"],
            0
        );
        assert_eq!(phases["delete"]["min_age"], "30d");
        let policy = &read(&ism(&PLAN, "mcp-logs-*"))["policy"];
        let names: Vec<_> = policy["states"]
            .as_array()
            .expect("states")
            .iter()
            .map(|s| &s["name"])
            .collect();
        assert_eq!(names, ["hot", "warm", "delete"]);
        assert!(loki(&PLAN).text.contains("retention_period: 720h"));
    }

    #[test]
    fn without_a_warm_phase_hot_is_followed_by_the_end() {
        let plan = Plan {
            warm_days: 30,
            ..PLAN
        };
        assert!(read(&ilm(&plan))["policy"]["phases"].get("warm").is_none());
        let policy = read(&ism(&plan, "x"));
        let hot = &policy["policy"]["states"][0]["transitions"][0];
        assert_eq!(hot["state_name"], "delete");
        assert_eq!(policy["policy"]["states"].as_array().map(Vec::len), Some(2));
    }
}
