//! The reference in `docs/configuration.md` is made from the code. `BLESS=1` writes it.

use std::fs;

use ph_plan::{load, reference, schema};
use serde_json::Value as Json;

use crate::golden::render;
use crate::world::{World, is_blessing, repository};

/// What stands above is written by hand, what stands below is not.
const MARK: &str = "<!-- made from the code by `BLESS=1 cargo test -p ph-plan`: -->\n";

#[test]
fn the_reference_is_the_one_of_the_code() {
    let path = repository("docs/configuration.md");
    let document = fs::read_to_string(&path).expect("the documentation lies in the repository");
    let (by_hand, below) = document
        .split_once(MARK)
        .expect("the mark is in the documentation");
    if is_blessing() {
        fs::write(&path, format!("{by_hand}{MARK}{}", reference()))
            .expect("writable documentation");
    } else {
        assert_eq!(
            below,
            reference(),
            "the reference differs; BLESS=1 rewrites it"
        );
    }
}

#[test]
fn the_reference_names_every_key_of_the_schema() {
    let reference = reference();
    let mut keys = Vec::new();
    collect_keys(&schema(), "", &mut keys);
    assert!(keys.len() > 60, "only {} keys", keys.len());
    for (block, key) in keys {
        let heading = if block.is_empty() {
            "### Top level\n".to_owned()
        } else {
            format!("### `{block}`\n")
        };
        let (_, table) = reference
            .split_once(&heading)
            .unwrap_or_else(|| panic!("no table {block}"));
        let table = table.split("\n### ").next().unwrap_or(table);
        assert!(
            table.contains(&format!("| `{key}` |")),
            "`{key}` is not in the table {block}"
        );
    }
}

/// Every example of the page is a configuration that is taken, without a warning.
#[test]
fn the_examples_work() {
    let document = fs::read_to_string(repository("docs/configuration.md")).expect("readable");
    let examples: Vec<_> = document
        .split("```yaml\n")
        .skip(1)
        .map(|rest| ("pilothouse.yaml", rest))
        .chain(
            document
                .split("```json\n")
                .skip(1)
                .map(|rest| ("mcp.json", rest)),
        )
        .collect();
    assert!(examples.len() >= 3, "only {} examples", examples.len());
    for (name, rest) in examples {
        let text = rest.split("```").next().unwrap_or(rest);
        match load(name, text, &World) {
            Ok((_, warnings)) => assert_eq!(warnings, [], "{text}"),
            Err(problems) => panic!("{}", render(&problems, name, text)),
        }
    }
}

/// The message that the page shows is the one that is printed.
#[test]
fn the_shown_message_is_printed() {
    let document = fs::read_to_string(repository("docs/configuration.md")).expect("readable");
    let text = "servers:\n  files:\n    command: npx\n    timeouts:\n      first_bite: 10s\n";
    let problems = load("pilothouse.yaml", text, &World).expect_err("an unknown key");
    assert!(document.contains(&render(&problems, "pilothouse.yaml", text)));
}

fn collect_keys(schema: &Json, path: &str, keys: &mut Vec<(String, String)>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        keys.push((path.to_owned(), key.clone()));
        let inner = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        collect_keys(property, &inner, keys);
        collect_keys(
            &property["additionalProperties"],
            &format!("{inner}.NAME"),
            keys,
        );
    }
}
