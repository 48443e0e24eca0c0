//! Children: one crate starts processes, so that every child is under the reaper and none outlives us.

use anyhow::Result;

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

/// The one crate that may, and the tools that start programs on a developer's machine.
const MAY_START: &[&str] = &[
    "crates/ph-wire/",
    "crates/xtask/",
    "crates/ph-bench/",
    "crates/ph-sim/",
];

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in repo.rust_files() {
        let allowed = MAY_START.iter().any(|folder| path.starts_with(folder));
        if allowed || source::is_test_file(path) || !path.starts_with("crates/") {
            continue;
        }
        let Some(text) = repo.text(path) else {
            continue;
        };
        findings.extend(starts_in(path, &text));
    }
    Ok(findings)
}

fn starts_in(path: &str, text: &str) -> Vec<Finding> {
    let code = source::without_tests(&source::code_of(text));
    source::uses_of(&code, "Command::new")
        .into_iter()
        .map(|at| {
            Finding::new(
                path,
                source::line_of(&code, at),
                "a process is started outside `ph-wire`",
                "use the child of `ph-wire`: it has a process group, a reaper and a bounded stop",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_outside_is_found() {
        let text = "fn a() {\n    std::process::Command::new(\"x\");\n}\n\
                    #[cfg(test)]\nmod tests { fn b() { Command::new(\"y\"); } }";
        let found = starts_in("crates/ph-relay/src/a.rs", text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert_eq!(starts_in("a.rs", "clap::Command::newer()"), []);
    }
}
