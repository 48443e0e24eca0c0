//! `cargo xtask tidy`: the rules of this workspace that neither rustc nor clippy can check.

use anyhow::{Result, bail};

use crate::finding::Finding;
use crate::repo::Repo;
use crate::{Verdict, say};

mod catalogue;
mod children;
mod invariants;
mod layers;
mod length;
mod manifests;
mod purity;
mod words;

/// One rule: its name, what it holds, and its check.
struct Rule {
    name: &'static str,
    holds: &'static str,
    check: fn(&Repo) -> Result<Vec<Finding>>,
}

/// Every rule, in the order in which they are reported. ARCHITECTURE.md names them `tidy::name`.
const RULES: &[Rule] = &[
    Rule {
        name: "layers",
        holds: "a crate uses only lower layers",
        check: layers::check,
    },
    Rule {
        name: "manifests",
        holds: "folder = package name, lints and dependencies come from the root",
        check: manifests::check,
    },
    Rule {
        name: "purity",
        holds: "pure crates have no async, no I/O, no clock and no randomness",
        check: purity::check,
    },
    Rule {
        name: "children",
        holds: "only ph-wire starts processes",
        check: children::check,
    },
    Rule {
        name: "invariants",
        holds: "every invariant of ARCHITECTURE.md names a test that exists",
        check: invariants::check,
    },
    Rule {
        name: "catalogue",
        holds: "docs/metrics.md and all code name metrics as the catalogue does",
        check: catalogue::check,
    },
    Rule {
        name: "length",
        holds: "no Rust file is too long to read",
        check: length::check,
    },
    Rule {
        name: "words",
        holds: "nothing unfinished, nothing of one machine",
        check: words::check,
    },
];

/// Checks the rules named, or all, and reports every finding.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<Verdict> {
    if args == ["--list"] {
        for rule in RULES {
            say(&format!("{:<12} {}", rule.name, rule.holds));
        }
        return Ok(Verdict::Clean);
    }
    if let Some(unknown) = args.iter().find(|name| !is_rule(name)) {
        bail!("there is no rule `{unknown}`; `cargo xtask tidy --list` names them");
    }

    let mut findings_total = 0;
    for rule in RULES
        .iter()
        .filter(|rule| args.is_empty() || args.iter().any(|arg| arg == rule.name))
    {
        let mut findings = (rule.check)(repo)?;
        findings.sort();
        findings.dedup();
        for finding in &findings {
            say(&format!("{finding}  [{}]", rule.name));
        }
        let state = if findings.is_empty() { "ok" } else { "BROKEN" };
        say(&format!(
            "tidy::{:<12} {state:<6} {}",
            rule.name, rule.holds
        ));
        findings_total += findings.len();
    }
    Ok(if findings_total == 0 {
        Verdict::Clean
    } else {
        Verdict::Found
    })
}

/// Whether a rule of this name is checked.
fn is_rule(name: &str) -> bool {
    RULES.iter().any(|rule| rule.name == name)
}
