//! Direction: a crate uses only crates of lower layers, never one of its own.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::finding::Finding;
use crate::repo::Repo;

/// Crate → layer. Equal numbers never meet.
const LAYER: &[(&str, u8)] = &[
    ("ph-base", 0),
    ("ph-mcp", 1),
    ("ph-promql", 1),
    ("ph-record", 1),
    ("ph-inventory", 1),
    ("ph-cost", 1),
    ("ph-plan", 2),
    ("ph-wire", 2),
    ("ph-otlp", 2),
    ("ph-store", 2),
    ("ph-vuln", 2),
    ("ph-policy", 3),
    ("ph-rules", 3),
    ("ph-ledger", 3),
    ("ph-exposure", 3),
    ("ph-advisories", 3),
    ("ph-auth", 4),
    ("ph-redis", 4),
    ("ph-relay", 4),
    ("ph-recorder", 4),
    ("ph-jobs", 4),
    ("ph-notify", 4),
    ("ph-sinks", 4),
    ("ph-api", 4),
    ("ph-workbench", 4),
    ("ph-artifacts", 4),
    ("ph-server", 5),
    ("pilothouse", 6),
];

/// Crates that are never shipped: nobody's normal dependency, and free to use any crate.
const DEV: &[&str] = &["ph-bench", "ph-sim", "xtask"];

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let packages = members(repo.metadata()?)?;
    let mut findings = Vec::new();
    for package in &packages {
        let manifest = format!("crates/{}/Cargo.toml", package.name);
        let text = repo.text(&manifest).unwrap_or_default();
        for problem in problems_of(package) {
            let line = line_naming(&text, &problem.about);
            findings.push(Finding::new(&manifest, line, problem.text, problem.hint));
        }
    }
    Ok(findings)
}

/// A crate of the workspace and the crates of the workspace that it is built from.
struct Member<'a> {
    name: &'a str,
    uses: Vec<&'a str>,
}

#[derive(Debug, PartialEq, Eq)]
struct Problem {
    about: String,
    text: String,
    hint: &'static str,
}

/// Normal and build dependencies count; tests may use what they like.
fn members(metadata: &Value) -> Result<Vec<Member<'_>>> {
    let packages = metadata["packages"]
        .as_array()
        .context("`cargo metadata` lists no packages")?;
    let local: Vec<&Value> = packages
        .iter()
        .filter(|package| package["source"].is_null())
        .collect();
    let name = |value: &'_ Value| value["name"].as_str().map(str::to_owned);
    let names: Vec<String> = local.iter().filter_map(|package| name(package)).collect();
    local
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"]
                .as_array()
                .context("no dependencies")?;
            let uses = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .filter_map(|dependency| dependency["name"].as_str())
                .filter(|used| names.iter().any(|name| name == used))
                .collect();
            Ok(Member {
                name: package["name"].as_str().context("a package has no name")?,
                uses,
            })
        })
        .collect()
}

fn problems_of(member: &Member<'_>) -> Vec<Problem> {
    let from = member.name;
    if DEV.contains(&from) {
        return member
            .uses
            .iter()
            .filter_map(|to| problem_of_dev_use(from, to))
            .collect();
    }
    let Some(layer) = layer_of(from) else {
        return vec![Problem {
            about: from.to_owned(),
            text: format!("`{from}` has no layer"),
            hint: "add it to LAYER (or DEV) in crates/xtask/src/tidy/layers.rs and to ARCHITECTURE.md",
        }];
    };
    member
        .uses
        .iter()
        .filter_map(|to| problem_of_use(from, layer, to))
        .collect()
}

fn problem_of_use(from: &str, layer: u8, to: &str) -> Option<Problem> {
    let (text, hint) = match layer_of(to) {
        Some(below) if below < layer => return None,
        Some(same) if same == layer => (
            format!("`{from}` may not use `{to}`: both are in layer {layer}"),
            "neighbours never meet: move the shared type down, or assemble the two in `ph-server`",
        ),
        Some(above) => (
            format!("`{from}` (layer {layer}) may not use `{to}` (layer {above})"),
            "turn the dependency round: a trait or a value in the lower crate, given by the upper",
        ),
        None => (
            format!("`{from}` may not use `{to}`, which is never shipped"),
            "make it a dev-dependency",
        ),
    };
    Some(Problem {
        about: to.to_owned(),
        text,
        hint,
    })
}

/// A crate for tests uses what it tests, but not another such crate's code in its own build.
fn problem_of_dev_use(from: &str, to: &str) -> Option<Problem> {
    DEV.contains(&to).then(|| Problem {
        about: to.to_owned(),
        text: format!("`{from}` may not use `{to}`: both are tools of their own"),
        hint: "make it a dev-dependency, or move what both need into a crate",
    })
}

fn layer_of(name: &str) -> Option<u8> {
    LAYER
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, layer)| *layer)
}

/// The first line that begins with the word, else the first line of the file.
fn line_naming(manifest: &str, name: &str) -> usize {
    let names_it = |line: &str| {
        line.trim_start()
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', '=', '.']))
    };
    manifest
        .lines()
        .position(names_it)
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_use(name: &str, uses: &[&str], want: &[&str]) {
        let got: Vec<String> = problems_of(&Member {
            name,
            uses: uses.to_vec(),
        })
        .into_iter()
        .map(|problem| problem.text)
        .collect();
        assert_eq!(got, want, "{name} uses {uses:?}");
    }

    #[test]
    fn only_lower_layers() {
        check_use("ph-relay", &["ph-base", "ph-wire", "ph-policy"], &[]);
        check_use(
            "ph-relay",
            &["ph-recorder"],
            &["`ph-relay` may not use `ph-recorder`: both are in layer 4"],
        );
        check_use(
            "ph-mcp",
            &["ph-plan"],
            &["`ph-mcp` (layer 1) may not use `ph-plan` (layer 2)"],
        );
        check_use(
            "ph-server",
            &["ph-sim"],
            &["`ph-server` may not use `ph-sim`, which is never shipped"],
        );
        check_use("ph-new", &[], &["`ph-new` has no layer"]);
        check_use("xtask", &["ph-record"], &[]);
        check_use(
            "xtask",
            &["ph-sim"],
            &["`xtask` may not use `ph-sim`: both are tools of their own"],
        );
    }

    #[test]
    fn dev_dependencies_are_free() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "ph-server", "source": null, "dependencies": [
                { "name": "ph-sim", "kind": "dev" },
                { "name": "ph-relay", "kind": null },
                { "name": "tokio", "kind": null },
            ]},
            { "name": "ph-sim", "source": null, "dependencies": [] },
            { "name": "ph-relay", "source": null, "dependencies": [] },
            { "name": "tokio", "source": "registry", "dependencies": [] },
        ]});
        let members = members(&metadata).unwrap();
        assert_eq!(members.len(), 3);
        assert_eq!(members[0].uses, ["ph-relay"]);
    }

    #[test]
    fn findings_point_at_the_dependency() {
        let manifest = "[dependencies]\nph-base-x = 1\nph-base = { workspace = true }\n";
        assert_eq!(line_naming(manifest, "ph-base"), 3);
        assert_eq!(line_naming(manifest, "ph-wire"), 1);
    }
}
