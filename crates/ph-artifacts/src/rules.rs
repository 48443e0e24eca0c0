//! Rule files: the standard ones, those of the service level objectives, and copies of the user's.

use std::collections::BTreeSet;

use ph_plan::Plan;
use ph_rules::{cost, slo, standard};

use crate::file::{File, MARK};

/// A rule file that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRules {
    /// Its name, without directories.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// Every rule file that runs here, as it runs here.
#[must_use]
pub fn rules(plan: &Plan, user: &[UserRules]) -> Vec<File> {
    let mut files = vec![
        File::new(STANDARD, standard::text(plan)),
        File::new(SLOS, slos(plan)),
    ];
    files.extend(cost::text(plan).map(|text| File::new(COST, text)));
    let mut taken: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    for rules in user {
        let path = free(&rules.name, &taken);
        taken.insert(path.clone());
        files.push(File::new(path, copied(rules)));
    }
    files
}

const STANDARD: &str = "rules/pilothouse-standard.yml";
const SLOS: &str = "rules/pilothouse-slos.yml";
const COST: &str = "rules/pilothouse-cost.yml";

fn slos(plan: &Plan) -> String {
    format!(
        "# The service level objectives of Pilothouse (`slos`) as rules.\n\
         # Written by `{MARK} rules`: changes belong in the configuration.\n{}",
        slo::compile(plan)
    )
}

fn copied(rules: &UserRules) -> String {
    format!(
        "# A copy of {}, made by `{MARK} rules`: changes belong there.\n{}",
        rules.name, rules.text
    )
}

/// A path that no other file has; two files of one name may come from two directories.
fn free(name: &str, taken: &BTreeSet<String>) -> String {
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, "yml"));
    std::iter::once(format!("rules/{stem}.{end}"))
        .chain((2..).map(|n| format!("rules/{stem}-{n}.{end}")))
        .find(|path| !taken.contains(path))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_get_paths_of_their_own() {
        let user = ["a.yml", "a.yml", "pilothouse-standard.yml"].map(|name| UserRules {
            name: name.into(),
            text: "groups: []\n".into(),
        });
        let files = rules(&Plan::default(), &user);
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "rules/pilothouse-standard.yml",
                "rules/pilothouse-slos.yml",
                "rules/a.yml",
                "rules/a-2.yml",
                "rules/pilothouse-standard-2.yml"
            ]
        );
        assert!(files.iter().all(|file| file.text.contains(MARK)));
    }
}
