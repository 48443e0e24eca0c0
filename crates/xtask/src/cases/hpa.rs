//! Numbers of the Kubernetes project's own tests of its autoscaler: does ours come to the same?
//!
//! A file is an object of groups; a group is known by its name, or by what its cases hold. A group that is neither is
//! named, and its cases count as not run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::{Verdict, say};

mod calculator;
mod fields;
mod limits;
mod windows;

use fields::Case;

/// So many cases of the default folder pass. It only rises.
const PASSED_MIN: usize = 71;

/// Runs a folder's files (`*.json`).
pub(super) fn run(folder: &Path) -> Result<Verdict> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("there is no file of cases (*.json) in {}", folder.display());
    }
    files.sort();
    let tally = judge_all(&files)?;
    if tally.passed < PASSED_MIN {
        say(&format!("{PASSED_MIN} passed before: a case got lost"));
        return Ok(Verdict::Found);
    }
    Ok(tally.verdict())
}

/// Runs files that are named; one that is a folder stands for its files.
pub(super) fn run_files(names: &[String]) -> Result<Verdict> {
    if let [one] = names
        && Path::new(one).is_dir()
    {
        return run(Path::new(one));
    }
    let files: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    Ok(judge_all(&files)?.verdict())
}

fn judge_all(files: &[PathBuf]) -> Result<Tally> {
    let mut total = Tally::default();
    for path in files {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let groups: Value =
            serde_json::from_str(&text).with_context(|| format!("{file} is not JSON"))?;
        let Value::Object(groups) = groups else {
            bail!("{file} is not an object of groups");
        };
        judge(&file, &groups, &mut total);
    }
    say(&format!(
        "{} passed, {} failed, {} not run",
        total.passed, total.failed, total.not_run
    ));
    Ok(total)
}

fn judge(file: &str, groups: &Map<String, Value>, total: &mut Tally) {
    for (group, cases) in groups {
        let Some(cases) = cases.as_array() else {
            // Text about where the file is from.
            continue;
        };
        let Some(kind) = Kind::of(group, cases) else {
            say(&format!(
                "{file}: NOT RUN: no group `{group}` is known ({} cases)",
                cases.len()
            ));
            total.not_run += cases.len();
            continue;
        };
        let mut tally = Tally::default();
        let (mut there, mut read) = (BTreeSet::new(), BTreeSet::new());
        for (nth, case) in cases.iter().enumerate() {
            let case = Case::of(case);
            let name = case.name().unwrap_or_else(|| format!("case {nth}"));
            match kind.judge(&case) {
                Outcome::Passed => tally.passed += 1,
                Outcome::Failed(why) => {
                    say(&format!("{file}: {group}: {name}: {why}"));
                    tally.failed += 1;
                }
                Outcome::NotRun(why) => {
                    say(&format!("{file}: {group}: {name}: NOT RUN: {why}"));
                    tally.not_run += 1;
                }
            }
            there.extend(case.keys());
            read.extend(case.read());
        }
        let fields: Vec<&str> = there.difference(&read).copied().collect();
        if !fields.is_empty() {
            say(&format!(
                "{file}: {group}: note: not looked at: {}",
                fields.join(", ")
            ));
        }
        say(&format!(
            "{file}: {group:<34} {:>4} passed {:>3} failed {:>3} not run",
            tally.passed, tally.failed, tally.not_run
        ));
        total.add(&tally);
    }
}

/// What a group of cases is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Samples → replicas.
    Calculator,
    /// Replicas that are wanted → what `behavior` allows.
    Rules,
    /// The same without `behavior`.
    Legacy,
    /// Replicas that are wanted → what the windows allow.
    Windows,
}

impl Kind {
    fn of(group: &str, cases: &[Value]) -> Option<Self> {
        match group {
            "replica_calculator" => return Some(Self::Calculator),
            "TestScalingWithRules" => return Some(Self::Rules),
            "TestConvertDesiredReplicasWithRules" => return Some(Self::Legacy),
            _ => {}
        }
        let every = |fields: &[&str]| {
            let has = |case: &Value| fields.iter().all(|field| case.get(field).is_some());
            !cases.is_empty() && cases.iter().all(has)
        };
        let measured = |case: &Value| case.get("resource").or(case.get("metric")).is_some();
        if every(&["expectedStabilizedReplicas"]) || every(&["recommendations"]) {
            Some(Self::Windows)
        } else if every(&["expectedConvertedDesiredReplicas"]) {
            Some(Self::Legacy)
        } else if every(&["expectedReplicas", "prenormalizedDesiredReplicas"]) {
            Some(Self::Rules)
        } else if every(&["currentReplicas"]) && cases.iter().all(measured) {
            Some(Self::Calculator)
        } else {
            None
        }
    }

    fn judge(self, case: &Case<'_>) -> Outcome {
        let judged = match self {
            Self::Calculator => calculator::judge(case),
            Self::Rules => limits::judge(case),
            Self::Legacy => limits::judge_legacy(case),
            Self::Windows => windows::judge(case),
        };
        judged.unwrap_or_else(|unreadable| Outcome::NotRun(unreadable.to_string()))
    }
}

enum Outcome {
    Passed,
    Failed(String),
    NotRun(String),
}

impl Outcome {
    /// Failed, with all that differs, if anything does.
    fn of(differences: &[String]) -> Self {
        if differences.is_empty() {
            Self::Passed
        } else {
            Self::Failed(differences.join("; "))
        }
    }
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    not_run: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.not_run += other.not_run;
    }

    fn verdict(&self) -> Verdict {
        if self.failed == 0 && self.passed > 0 {
            Verdict::Clean
        } else {
            Verdict::Found
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tally(groups: &Value) -> (usize, usize, usize) {
        let mut tally = Tally::default();
        judge("x.json", groups.as_object().unwrap(), &mut tally);
        (tally.passed, tally.failed, tally.not_run)
    }

    #[test]
    fn wrong_numbers_fail_and_unknown_groups_are_not_run() {
        let case = |replicas: i64| {
            json!({"name": "a", "currentReplicas": 2, "expectedReplicas": replicas,
                "metric": {"type": "podMetric", "levels_milli": [20_000, 20_000],
                    "targetUtilization": 10_000, "expectedUtilization": 20_000}})
        };
        let groups = json!({
            "source": "somewhere",
            "replica_calculator": [case(4), case(5)],
            "TestSomethingElse": [{"a": 1}, {"a": 2}],
        });
        assert_eq!(tally(&groups), (1, 1, 2));
    }

    #[test]
    fn tolerances_of_one_direction_and_targets_above_100() {
        let case = |more: Value| {
            let mut case = json!({"name": "a", "currentReplicas": 4, "expectedReplicas": 4,
                "resource": {"requests_milli": [100, 100, 100, 100], "resource": "CPU",
                    "levels": [[120, 120], [120, 120], [120, 120], [120, 120]],
                    "targetUtilization": 110, "expectedUtilization": 120, "expectedValue": 240}});
            case.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            case
        };
        let groups = json!({"later": [
            case(json!({})),
            case(json!({"tolerances": {"scaleUp": 0.05, "scaleDown": 0.5}, "expectedReplicas": 5})),
            case(json!({"scaleUpTolerance": "0.01", "expectedReplicas": 5})),
            case(json!({"tolerance": 0.2})),
        ]});
        assert_eq!(tally(&groups), (4, 0, 0));
    }

    #[test]
    fn windows_are_read_in_several_forms() {
        let groups = json!({
            "TestNormalizeDesiredReplicas": [
                {"name": "legacy", "recommendations": [[4, 120], [5, 60]],
                 "prenormalizedDesiredReplicas": 3, "expectedStabilizedReplicas": 5, "expectedLogLength": 3},
            ],
            "TestNormalizeDesiredReplicasWithBehavior": [
                {"name": "both", "currentReplicas": 5, "prenormalizedDesiredReplicas": 9,
                 "recommendations": [{"recommendation": 6, "age_s": 59}, {"recommendation": 2, "age_s": 61}],
                 "scaleUpStabilizationWindowSeconds": 60, "scaleDownStabilizationWindowSeconds": 10,
                 "expectedStabilizedReplicas": 6},
                {"name": "down", "currentReplicas": 5, "prenormalizedDesiredReplicas": 1,
                 "recommendations": [{"replicas": 4, "timestamp": "-1m30s"}, {"replicas": 3, "timestamp": "-30s"}],
                 "scaleDownRules": {"stabilizationWindow": 60},
                 "expectedStabilizedReplicas": 3,
                 "expectedRecommendations": [{"replicas": 1, "timestamp": 0}, {"replicas": 3, "timestamp": "-30s"}]},
            ],
        });
        assert_eq!(tally(&groups), (3, 0, 0));
    }
}
