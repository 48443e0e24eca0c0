//! Manifests: a crate lies in the folder of its name, and takes lints and dependencies from the root.

use anyhow::Result;

use crate::finding::Finding;
use crate::repo::Repo;

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in repo.files() {
        let Some(folder) = path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
        else {
            continue;
        };
        let text = repo.text(path).unwrap_or_default();
        for (line, problem, hint) in problems(folder, &text) {
            findings.push(Finding::new(path, line, problem, hint));
        }
    }
    Ok(findings)
}

/// Reads the manifest line by line: the form that this workspace allows needs no more.
fn problems(folder: &str, manifest: &str) -> Vec<(usize, String, &'static str)> {
    let mut found = Vec::new();
    let mut section = "";
    let mut takes_lints = false;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').trim();
            continue;
        }
        let Some((key, value)) = line
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
        else {
            continue;
        };
        match section {
            "package" if key == "name" && value.trim_matches('"') != folder => found.push((
                index + 1,
                format!("package {value} lies in the folder `{folder}`"),
                "folder and package have one name, so that a name is enough to find the code",
            )),
            "lints" => takes_lints |= key == "workspace" && value == "true",
            _ if section.ends_with("dependencies") && !takes_from_root(key, value) => found.push((
                index + 1,
                format!("`{key}` does not come from the root manifest"),
                "put the version in [workspace.dependencies] and write `{ workspace = true }` here",
            )),
            _ => {}
        }
    }
    if !takes_lints {
        found.push((
            1,
            "the workspace's lints are not taken".to_owned(),
            "add `[lints]` with `workspace = true`",
        ));
    }
    found
}

/// `a = { workspace = true }` or `a.workspace = true`.
fn takes_from_root(key: &str, value: &str) -> bool {
    value.contains("workspace = true") || (key.ends_with(".workspace") && value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_problems(manifest: &str, want: &[(usize, &str)]) {
        let got = problems("ph-x", manifest);
        let got: Vec<(usize, &str)> = got
            .iter()
            .map(|(line, text, _)| (*line, text.as_str()))
            .collect();
        assert_eq!(got, want, "{manifest}");
    }

    #[test]
    fn manifests_follow_the_root() {
        let good = "[package]\nname = \"ph-x\"\n[lints]\nworkspace = true\n";
        check_problems(good, &[]);
        check_problems(
            &format!("{good}[dependencies]\na = {{ workspace = true }}\n"),
            &[],
        );
        check_problems(
            &format!("{good}[target.'cfg(unix)'.dependencies]\nb.workspace = true\n"),
            &[],
        );
        check_problems(
            &format!("{good}[dev-dependencies]\na = \"1\"\n"),
            &[(6, "`a` does not come from the root manifest")],
        );
        check_problems(
            "[package]\nname = \"ph-y\"\n",
            &[
                (2, "package \"ph-y\" lies in the folder `ph-x`"),
                (1, "the workspace's lints are not taken"),
            ],
        );
    }
}
