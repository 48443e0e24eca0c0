//! Rule files that a plan names, beside its own file.

use crate::sources::rendered;
use ph_plan::Plan;
use ph_server::{RuleProblems, RuleSet, RuleText};
use std::io;
use std::path::{Path, PathBuf};

/// Why the rules of a plan cannot be used: everything that is wrong with any of them.
pub(crate) struct Unusable {
    unreadable: Vec<(PathBuf, io::Error)>,
    wrong: Vec<RuleProblems>,
}

/// Where the rule files are.
///
/// - `folder`: that of the configuration file.
pub(crate) fn paths(plan: &Plan, folder: Option<&Path>) -> Vec<PathBuf> {
    let folder = folder.unwrap_or(Path::new(""));
    let files = plan.rules.files.iter();
    files.map(|file| folder.join(file.as_path())).collect()
}

/// Reads all rules that `plan` asks for.
pub(crate) fn read(plan: &Plan, folder: Option<&Path>) -> Result<RuleSet, Unusable> {
    let (mut texts, mut unreadable) = (Vec::new(), Vec::new());
    for path in paths(plan, folder) {
        match std::fs::read_to_string(&path) {
            Ok(text) => texts.push(RuleText {
                name: path.display().to_string(),
                text,
            }),
            Err(error) => unreadable.push((path, error)),
        }
    }
    match RuleSet::read(plan, texts) {
        Ok(rules) if unreadable.is_empty() => Ok(rules),
        read => Err(Unusable {
            unreadable,
            wrong: read.err().unwrap_or_default(),
        }),
    }
}

impl Unusable {
    /// As a person reads it.
    pub(crate) fn render(&self) -> String {
        let unreadable = self.unreadable.iter().map(|(path, error)| {
            let path = path.display();
            format!("error: the rule file `{path}` cannot be read: {error}\nhint: `rules.files` names it, beside the configuration file\n")
        });
        let wrong = self
            .wrong
            .iter()
            .map(|wrong| rendered(&wrong.problems, &wrong.file.name, &wrong.file.text));
        unreadable.chain(wrong).collect::<Vec<_>>().join("\n")
    }
}
