//! Invariants: each one that ARCHITECTURE.md states names, in parentheses, what checks it.
//!
//! ```text
//! - **Invariant**: never panics on any bytes. (fuzz::envelope, ph-mcp::envelope_agrees_with_serde)
//! - **Invariant**: no clock, no I/O. (tidy::purity)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

const DOCUMENT: &str = "ARCHITECTURE.md";
/// Fewer would mean that the document has been thinned out, not that less holds.
const INVARIANTS_MIN: usize = 7;

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let text = repo.text(DOCUMENT).unwrap_or_default();
    Ok(problems(&text, &Checks::of(repo)))
}

/// All that an invariant may name.
#[derive(Default)]
struct Checks {
    /// Test function → the crates that have one of this name.
    tests: BTreeMap<String, BTreeSet<String>>,
    fuzz_targets: BTreeSet<String>,
}

impl Checks {
    fn of(repo: &Repo) -> Self {
        let mut checks = Self::default();
        for path in repo.rust_files() {
            let mut parts = path.split('/');
            match (parts.next(), parts.next(), parts.next()) {
                (Some("crates"), Some(krate), _) => {
                    let code = source::code_of(&repo.text(path).unwrap_or_default());
                    for name in source::test_names(&code) {
                        checks
                            .tests
                            .entry(name.to_owned())
                            .or_default()
                            .insert(krate.to_owned());
                    }
                }
                (Some("fuzz"), Some("targets"), Some(file)) => {
                    checks
                        .fuzz_targets
                        .insert(file.trim_end_matches(".rs").to_owned());
                }
                _ => {}
            }
        }
        checks
    }

    /// What is wrong with a name, or `None` when it stands for a check that exists.
    fn problem_of(&self, name: &str) -> Option<String> {
        if let Some(rule) = name.strip_prefix("tidy::") {
            return (!super::is_rule(rule)).then(|| format!("there is no rule `{name}`"));
        }
        if let Some(target) = name.strip_prefix("fuzz::") {
            return (!self.fuzz_targets.contains(target))
                .then(|| format!("there is no fuzz target `{name}`"));
        }
        let function = name.rsplit("::").next().unwrap_or(name);
        let Some(crates) = self.tests.get(function) else {
            return Some(format!("there is no test `{function}`"));
        };
        let krate = name
            .split("::")
            .next()
            .filter(|first| *first != function)?
            .replace('_', "-");
        let named_crate = krate.starts_with("ph-") || krate == "pilothouse" || krate == "xtask";
        (named_crate && !crates.contains(&krate))
            .then(|| format!("there is no test `{function}` in `{krate}`"))
    }
}

fn problems(document: &str, checks: &Checks) -> Vec<Finding> {
    let mut found = Vec::new();
    let invariants = invariants_in(document);
    for (line, paragraph) in &invariants {
        let names = names_in(paragraph);
        if names.is_empty() {
            found.push(Finding::new(
                DOCUMENT,
                *line,
                "an invariant names no test",
                "end it with `(crate::test_name)`, `(tidy::rule)` or `(fuzz::target)`",
            ));
        }
        for problem in names.iter().filter_map(|name| checks.problem_of(name)) {
            let hint = "a rename is made here too; what no test checks is no invariant";
            found.push(Finding::new(DOCUMENT, *line, problem, hint));
        }
    }
    if invariants.len() < INVARIANTS_MIN {
        found.push(Finding::new(
            DOCUMENT,
            1,
            format!(
                "{} invariants, and at least {INVARIANTS_MIN} were stated",
                invariants.len()
            ),
            "write each as `**Invariant**: … (crate::test_name)`",
        ));
    }
    found
}

/// Each invariant with its line, as one line of text. It ends where the next paragraph or list item
/// begins.
fn invariants_in(document: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in document.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.contains("**Invariant") {
            found.push((index + 1, trimmed.to_owned()));
            open = true;
        } else if trimmed.is_empty() || trimmed.starts_with(['-', '*', '#', '|', '`']) {
            open = false;
        } else if let Some((_, text)) = found.last_mut().filter(|_| open) {
            text.push(' ');
            text.push_str(trimmed);
        }
    }
    found
}

/// The names in the last parentheses of the text.
fn names_in(paragraph: &str) -> Vec<String> {
    let inside = paragraph
        .rfind(')')
        .and_then(|close| {
            paragraph[..close]
                .rfind('(')
                .map(|open| &paragraph[open + 1..close])
        })
        .unwrap_or_default();
    inside
        .split([',', ';'])
        .map(|name| name.replace('`', "").replace(": ", "::").trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Checks {
        let crates = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Checks {
            tests: BTreeMap::from([
                ("frames_agree".to_owned(), crates(&["ph-wire"])),
                ("order_holds".to_owned(), crates(&["ph-mcp", "ph-wire"])),
            ]),
            fuzz_targets: crates(&["envelope"]),
        }
    }

    #[track_caller]
    fn check_name(name: &str, want: Option<&str>) {
        assert_eq!(known().problem_of(name).as_deref(), want, "{name}");
    }

    #[test]
    fn names_stand_for_checks() {
        check_name("tidy::purity", None);
        check_name("tidy::beauty", Some("there is no rule `tidy::beauty`"));
        check_name("fuzz::envelope", None);
        check_name("fuzz::sse", Some("there is no fuzz target `fuzz::sse`"));
        check_name("frames_agree", None);
        check_name("ph-wire::frames_agree", None);
        check_name("ph_wire::sse::tests::frames_agree", None);
        check_name(
            "ph-mcp::frames_agree",
            Some("there is no test `frames_agree` in `ph-mcp`"),
        );
        check_name("ph-mcp::order_holds", None);
        check_name("frames_differ", Some("there is no test `frames_differ`"));
    }

    #[test]
    fn invariants_are_read_with_their_names() {
        let document = "\
- **Invariant**: one (really) thing
  holds. (`frames_agree`, fuzz: envelope)
- text (not_a_test)

**Invariant W-2**: two.
";
        let invariants = invariants_in(document);
        assert_eq!(
            invariants.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [1, 5]
        );
        assert_eq!(
            names_in(&invariants[0].1),
            ["frames_agree", "fuzz::envelope"]
        );

        let problems: Vec<(usize, String)> = problems(document, &known())
            .into_iter()
            .map(|found| (found.line, found.problem))
            .collect();
        assert_eq!(
            problems,
            [
                (5, "an invariant names no test".to_owned()),
                (1, "2 invariants, and at least 7 were stated".to_owned()),
            ]
        );
    }

    #[test]
    fn a_missing_document_is_a_problem() {
        assert_eq!(problems("", &known()).len(), 1);
    }
}
