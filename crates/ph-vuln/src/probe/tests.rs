use std::collections::HashSet;

use serde_json::json;

use super::*;

fn canary() -> Canary {
    Canary {
        word: "k3v9".to_owned(),
        file: "/tmp/canary/outside.txt".to_owned(),
        beside: Some("/srv/files-k3v9/outside.txt".to_owned()),
        content: "c0ntent".to_owned(),
        folder: "/tmp/canary".to_owned(),
        address: "http://127.0.0.1:4711".to_owned(),
    }
}

fn tool(schema: Value) -> Tool {
    Tool {
        name: "t".to_owned(),
        schema,
    }
}

#[test]
fn arguments_are_assumed_where_a_tool_does_not_say_which_it_takes() {
    let names = ["path".to_owned(), "text".to_owned()];
    for (schema, is_silent) in [
        (
            json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
            true,
        ),
        (json!(null), true),
        (json!({ "type": "object" }), true),
        (json!({ "type": "object", "properties": {} }), false),
        (
            json!({ "type": "object", "additionalProperties": false }),
            false,
        ),
        (
            json!({ "type": "object", "properties": { "own": {} } }),
            false,
        ),
    ] {
        let mut tool = tool(schema.clone());
        assert_eq!(tool.is_silent(), is_silent, "{schema}");
        tool.assume(&[]);
        assert_eq!(tool.schema, schema);
        tool.assume(&names);
        assert_eq!(tool.schema != schema, is_silent, "{schema}");
        let (probes, _) = probes(Class::PathTraversal, &[tool], &canary());
        let is_tried = |at: &str| probes.iter().any(|probe| probe.at == at);
        assert_eq!(
            (is_tried("/path"), is_tried("/text")),
            (is_silent, is_silent)
        );
        if is_silent {
            // The others are there, too: a server may want them.
            assert!(probes.iter().all(|probe| probe.arguments.len() == 2));
        }
    }
}

#[test]
fn every_free_argument_is_tried_and_the_others_are_filled() {
    let tool = tool(json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "mode": { "enum": ["r", "w"] },
            "patch": { "type": "object" },
            "tags": { "type": "array", "items": { "type": "string" } },
            "count": { "type": "integer", "minimum": 3 },
            "what": {}
        },
        "required": ["path", "mode", "count"]
    }));
    let (probes, left_out) = probes(Class::PrototypePollution, &[tool], &canary());
    assert_eq!(left_out, 0);
    let places: HashSet<_> = probes.iter().map(|probe| probe.at.as_str()).collect();
    assert_eq!(places, HashSet::from(["/path", "/patch", "/what"]));
    for probe in &probes {
        assert_eq!(probe.arguments["mode"], "r");
        assert_eq!(probe.arguments["count"], 3);
    }
    let as_text = probes
        .iter()
        .find(|probe| probe.at == "/path")
        .expect("a probe");
    let text = as_text.arguments["path"].as_str().expect("JSON in a text");
    assert_eq!(
        serde_json::from_str::<Value>(text).expect("JSON")["__proto__"][&as_text.mark],
        "1"
    );
}

#[test]
fn every_mark_is_of_one_probe_and_in_its_payload() {
    let schema =
        json!({ "properties": { "a": { "type": "string" }, "b": {}, "c": { "type": "object" } } });
    for class in [
        Class::PrototypePollution,
        Class::CommandInjection,
        Class::Ssrf,
    ] {
        let (probes, _) = probes(
            class,
            &[tool(schema.clone()), tool(schema.clone())],
            &canary(),
        );
        let marks: HashSet<_> = probes.iter().map(|probe| &probe.mark).collect();
        assert_eq!(marks.len(), probes.len());
        for probe in &probes {
            let arguments = Value::Object(probe.arguments.clone()).to_string();
            assert!(arguments.contains(&probe.mark), "{probe:?}");
        }
    }
}

#[test]
fn calls_are_bounded_and_what_is_left_out_is_counted() {
    let properties: Map<String, Value> = (0..100)
        .map(|i| (format!("p{i}"), json!({ "type": "string" })))
        .collect();
    let tools = vec![tool(json!({ "properties": properties })); 5];
    let (probes, left_out) = probes(Class::CommandInjection, &tools, &canary());
    assert_eq!(probes.len(), PROBES_MAX);
    assert_eq!(left_out, 5 * 32 * 9 - PROBES_MAX);
}

#[test]
fn only_its_own_mark_is_evidence() {
    let schema = json!({ "properties": { "a": {} } });
    let (probes, _) = probes(Class::PrototypePollution, &[tool(schema)], &canary());
    let fast = Duration::from_millis(2);
    let seen = |mark: &str| Seen {
        polluted: vec![mark.to_owned()],
        ..Seen::default()
    };
    let of = |seen: &Seen| evidence(Class::PrototypePollution, &probes[0], seen, fast, &canary());
    assert!(of(&seen(&probes[0].mark)).is_some());
    assert_eq!(of(&seen(&probes[1].mark)), None);
    assert_eq!(of(&Seen::default()), None);
}

#[test]
fn an_answer_is_slow_only_beside_a_harmless_one() {
    let schema = json!({ "properties": { "a": { "type": "string" } } });
    let (probes, _) = probes(Class::ReDos, &[tool(schema)], &canary());
    let of = |took_ms: u64, harmless_ms: u64| {
        let seen = Seen {
            took: Duration::from_millis(took_ms),
            ..Seen::default()
        };
        evidence(
            Class::ReDos,
            &probes[0],
            &seen,
            Duration::from_millis(harmless_ms),
            &canary(),
        )
        .is_some()
    };
    assert!(of(1_000, 50));
    assert!(!of(999, 1));
    assert!(!of(5_000, 400));
}

#[test]
fn no_evidence_is_never_called_safe() {
    let mut outcome = Outcome::new(Class::Ssrf, 0);
    assert_eq!(outcome.word(), "not demonstrated");
    let (probes, _) = probes(
        Class::Ssrf,
        &[tool(
            json!({ "properties": { "url": { "type": "string" } } }),
        )],
        &canary(),
    );
    let seen = Seen {
        is_error: true,
        ..Seen::default()
    };
    outcome.add(&probes[0], &seen, None);
    assert_eq!(
        (outcome.tried, outcome.refused, outcome.word()),
        (1, 1, "not demonstrated")
    );
    outcome.add(&probes[0], &seen, Some("x".to_owned()));
    outcome.add(&probes[0], &seen, Some("x".to_owned()));
    assert_eq!(
        (outcome.demonstrated.len(), outcome.word()),
        (1, "demonstrated")
    );
}

#[test]
fn weaknesses_have_their_class() {
    for (cwe, class) in [
        ("CWE-1321", Some(Class::PrototypePollution)),
        ("CWE-22", Some(Class::PathTraversal)),
        ("CWE-78", Some(Class::CommandInjection)),
        ("CWE-918", Some(Class::Ssrf)),
        ("CWE-1333", Some(Class::ReDos)),
        ("CWE-79", None),
        ("", None),
    ] {
        assert_eq!(Class::of_cwe(cwe), class, "{cwe}");
    }
    for (class, word) in Class::ALL {
        assert_eq!(Class::read(word), Some(class));
    }
}

#[test]
fn names_of_a_server_do_not_get_out_of_their_literals() {
    let schema = json!({ "properties": { "p\"ath": { "type": "string" } } });
    let evil = Tool {
        name: "x*/ process.exit(); '\"\"\"\n\u{2028}".to_owned(),
        schema,
    };
    let command = ["node".to_owned(), "a'\"b.js".to_owned()];
    let (probes, _) = probes(Class::PathTraversal, std::slice::from_ref(&evil), &canary());
    let python = regression(
        Framework::Pytest,
        Class::PathTraversal,
        &command,
        &probes[0],
    )
    .expect("a test");
    assert_eq!(python.matches("\"\"\"").count(), 2, "{python}");
    assert!(python.is_ascii());
    let (probes, _) = super::probes(Class::PrototypePollution, &[evil], &canary());
    let text = regression(
        Framework::Vitest,
        Class::PrototypePollution,
        &command,
        &probes[0],
    )
    .expect("a test");
    assert!(text.is_ascii(), "{text}");
    // Once as a literal, nowhere else.
    assert_eq!(text.matches("process.exit();").count(), 1, "{text}");
    assert_eq!(
        regression(Framework::Jest, Class::Ssrf, &command, &probes[0]),
        None
    );
}
