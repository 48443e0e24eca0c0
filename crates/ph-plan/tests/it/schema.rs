//! The published schema: what it says, and that it agrees with the reader.

use std::fs;

use ph_plan::{load, schema};
use serde_json::{Value as Json, json};

use crate::golden::compare_json;
use crate::world::{World, cases, repository};

#[test]
fn the_published_schema_is_the_one_of_the_code() {
    compare_json(&repository("docs/pilothouse.schema.json"), &schema());
}

/// What the reader takes, the schema takes; a key that the reader does not know, neither does.
#[test]
fn reader_and_schema_agree_on_good_plans() {
    let schema = schema();
    for entry in fs::read_dir(cases("good")).expect("the cases lie beside the tests") {
        let path = entry.expect("a readable entry").path();
        if path.extension().is_some_and(|ext| ext == "plan") {
            let text = fs::read_to_string(&path).expect("a readable case");
            let plan: Json = serde_json::from_str(&text).expect("JSON");
            assert_eq!(refusals(&schema, &plan), [""; 0], "{}", path.display());
            for strange in with_a_strange_key(&plan) {
                let refused_by_reader = load("plan.json", &strange.to_string(), &World).is_err();
                assert!(refused_by_reader, "the reader takes {strange}");
                assert!(
                    !refusals(&schema, &strange).is_empty(),
                    "the schema takes {strange}"
                );
            }
        }
    }
}

#[test]
fn reader_and_schema_agree_on_values() {
    let schema = schema();
    let server = |key: &str, value: Json| json!({"servers": {"a": {"command": "x", key: value}}});
    let top = |key: &str, value: Json| json!({"servers": {"a": {"command": "x"}}, key: value});
    for (instance, good) in [
        (json!({}), false),
        (json!({"servers": {}}), false),
        (json!({"servers": {"a b": {"command": "x"}}}), false),
        (json!({"servers": {"a": {}}}), false),
        (
            json!({"servers": {"a": {"command": "x", "url": "http://b"}}}),
            false,
        ),
        (json!({"servers": {"a": {"url": "http://b"}}}), true),
        (json!({"servers": {"a": {"url": "b"}}}), false),
        (server("prewarm", json!(16)), true),
        (server("prewarm", json!(17)), false),
        (server("prewarm", json!(1.5)), false),
        (server("prewarm", json!("2")), false),
        (server("prewarm", json!("${NUMBER_16}")), true),
        (server("args", json!(["a", 1, true])), true),
        (server("args", json!("a")), false),
        (server("args", Json::Null), true),
        (server("env", json!({"A": 1})), true),
        (server("env", json!({"1A": 1})), false),
        (server("otel", json!("true")), false),
        (server("otel", json!(true)), true),
        (server("limits", Json::Null), true),
        (server("limits", json!([])), false),
        (server("resources", json!({"memory_max": Json::Null})), true),
        (server("timeouts", json!({"idle": "1.5s"})), true),
        (server("timeouts", json!({"idle": "15"})), false),
        (server("timeouts", json!({"idle": 15})), false),
        (server("timeouts", json!({"idle": "15 parsecs"})), false),
        (top("listen", json!("127.0.0.1:1")), true),
        (top("listen", json!("127.0.0.1")), false),
        (top("cost", json!({"cpu_hour": 0.03})), true),
        (top("cost", json!({"cpu_hour": 0})), true),
        (top("cost", json!({"cpu_hour": -0.03})), false),
        (top("cost", json!({"cpu_hour": "0.03"})), false),
        (top("cost", json!({"cpu_hour": 1_000_000_001})), false),
        (top("cost", json!({"currency": "usd"})), false),
        (top("cost", json!({"fixed": {"database": 200.5}})), true),
        (top("cost", json!({"fixed": {"data base": 200}})), false),
        (top("cost", json!({"fixed": {"database": -1}})), false),
        (top("auth", json!("none")), true),
        (top("auth", json!("basic")), false),
        (top("auth", Json::Null), false),
        (top("auth", json!({"api_keys": true})), true),
        (top("auth", json!({"api_keys": "true"})), false),
        (top("auth", json!({"keys": true})), false),
        (
            top(
                "auth",
                json!({"issuers": {"a": {"issuer": "https://a", "algorithms": ["ES256"]}}}),
            ),
            true,
        ),
        (
            top(
                "auth",
                json!({"issuers": {"a": {"issuer": "https://a", "algorithms": ["HS256"]}}}),
            ),
            false,
        ),
        (top("http", json!({"request_bytes_max": 65536})), true),
        (top("http", json!({"request_bytes_max": "64 KiB"})), true),
        (top("http", json!({"request_bytes_max": "64 kib"})), false),
        (top("http", json!({"request_bytes_max": 1})), false),
        (top("otlp", json!({"sample_ratio": 1})), true),
        (top("otlp", json!({"sample_ratio": 1.01})), false),
        (
            top("otlp", json!({"endpoint": "http://127.0.0.1:4318"})),
            true,
        ),
        (top("log", json!({"redact_keys": [""]})), false),
        (top("vuln", json!({"update_every": "off"})), true),
        (top("vuln", json!({"update_every": "6h"})), true),
        (top("vuln", json!({"update_every": "never"})), false),
        (top("vuln", json!({"update_every": 6})), false),
        (top("vuln", json!({"kev": "kev.json"})), true),
        (top("vuln", json!({"kev": "https://a/kev.json"})), true),
        (top("vuln", json!({"kev": "ftp://a/kev.json"})), false),
    ] {
        let read = load("plan.json", &instance.to_string(), &World);
        assert_eq!(read.is_ok(), good, "the reader on {instance}: {read:?}");
        assert_eq!(
            refusals(&schema, &instance).is_empty(),
            good,
            "the schema on {instance}"
        );
    }
}

/// The plan with a key that nobody knows, in each of its blocks with fixed keys.
fn with_a_strange_key(plan: &Json) -> Vec<Json> {
    let mut places = vec![String::new()];
    collect_blocks(plan, "", &mut places);
    let add = |place: &String| {
        let mut plan = plan.clone();
        let block = plan.pointer_mut(place).expect("a place of this plan");
        block["strange_key"] = 1.into();
        plan
    };
    places.iter().map(add).collect()
}

fn collect_blocks(value: &Json, path: &str, places: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let inner = format!("{path}/{key}");
        // These have free keys.
        if value.is_object()
            && ![
                "env",
                "headers",
                "labels",
                "external_labels",
                "storage_gb_month",
                "fixed",
            ]
            .contains(&key.as_str())
        {
            if key != "servers" {
                places.push(inner.clone());
            }
            collect_blocks(value, &inner, places);
        }
    }
}

/// As much of a JSON Schema validator as our schema uses: where the instance is refused.
fn refusals(schema: &Json, instance: &Json) -> Vec<String> {
    let mut found = Vec::new();
    validate(schema, instance, "", &mut found);
    found
}

fn validate(schema: &Json, instance: &Json, path: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let passes = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" => true,
            "type" => match rule {
                Json::Array(types) => types.iter().any(|rule| is_type(rule, instance)),
                single => is_type(single, instance),
            },
            "enum" => rule.as_array().expect("a list").contains(instance),
            "minimum" => instance
                .as_f64()
                .is_none_or(|number| Some(number) >= rule.as_f64()),
            "maximum" => instance
                .as_f64()
                .is_none_or(|number| Some(number) <= rule.as_f64()),
            "minLength" => instance
                .as_str()
                .is_none_or(|text| text.len() as u64 >= rule.as_u64().expect("a count")),
            "minProperties" => instance
                .as_object()
                .is_none_or(|map| map.len() as u64 >= rule.as_u64().expect("a count")),
            "pattern" => instance
                .as_str()
                .is_none_or(|text| matches(rule.as_str().expect("a pattern"), text)),
            "required" => instance.as_object().is_none_or(|map| {
                rule.as_array()
                    .expect("a list")
                    .iter()
                    .all(|key| map.contains_key(key.as_str().expect("a key")))
            }),
            "oneOf" => count_passing(rule, instance) == 1,
            "anyOf" => count_passing(rule, instance) >= 1,
            "items" => {
                instance
                    .as_array()
                    .into_iter()
                    .flatten()
                    .for_each(|item| validate(rule, item, path, found));
                true
            }
            "propertyNames" => {
                let keys = instance
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| Json::from(key.as_str()));
                keys.for_each(|key| validate(rule, &key, path, found));
                true
            }
            "properties" => {
                for (key, value) in instance.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(key) {
                        validate(rule, value, &format!("{path}/{key}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                for (key, value) in instance.as_object().into_iter().flatten() {
                    let is_known = schema
                        .get("properties")
                        .is_some_and(|known| known.get(key).is_some());
                    match rule {
                        _ if is_known => {}
                        Json::Bool(false) => found.push(format!("{path}/{key}: unknown")),
                        rule => validate(rule, value, &format!("{path}/{key}"), found),
                    }
                }
                true
            }
            unknown => panic!("the schema uses `{unknown}`, which this test does not know"),
        };
        if !passes {
            found.push(format!("{path}: {keyword}"));
        }
    }
}

fn count_passing(rules: &Json, instance: &Json) -> usize {
    let rules = rules.as_array().expect("a list");
    rules
        .iter()
        .filter(|rule| refusals(rule, instance).is_empty())
        .count()
}

fn is_type(name: &Json, instance: &Json) -> bool {
    match name.as_str().expect("a type's name") {
        "object" => instance.is_object(),
        "array" => instance.is_array(),
        "string" => instance.is_string(),
        "boolean" => instance.is_boolean(),
        "null" => instance.is_null(),
        "number" => instance.is_number(),
        "integer" => instance.is_u64() || instance.is_i64(),
        unknown => panic!("no type is called {unknown}"),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(pattern)
        .expect("our patterns are regular expressions")
        .is_match(text)
}
