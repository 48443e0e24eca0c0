//! Cases that are no part of this repository: Prometheus's own test scripts, run on our engine, and lines and lockfiles
//! for matching advisories, and numbers of Kubernetes's tests of its autoscaler.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;
use crate::{Verdict, say};

mod ask;
mod check;
mod hpa;
mod memory;
mod script;
mod series;
mod versions;
mod vulnerability;

use check::Outcome;
use memory::Memory;
use script::Command;

/// So many cases of the default folder pass. It only rises.
const PASSED_MIN: usize = 779;
/// Where the cases are, seen from the repository, when nothing else is said.
const DEFAULT: &str = "../shared/cases";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<Verdict> {
    match args {
        [what] if what == "promql" => {
            by_default(repo, what, |folder| promql(folder, Some(PASSED_MIN)))
        }
        [what, folder] if what == "promql" => promql(given(folder)?, None),
        [what] if what == "versions" => by_default(repo, what, versions::run),
        [what, folder] if what == "versions" => versions::run(given(folder)?),
        [what] if what == "vulnerability" => by_default(repo, what, vulnerability::run),
        [what, folder] if what == "vulnerability" => vulnerability::run(given(folder)?),
        [what] if what == "hpa" => by_default(repo, what, hpa::run),
        [what, files @ ..] if what == "hpa" => hpa::run_files(files),
        [what, series, queries] if what == "ask" => {
            ask::answer(Path::new(series), Path::new(queries))?;
            Ok(Verdict::Clean)
        }
        _ => bail!(
            "which cases? `cargo xtask cases promql|versions|vulnerability [DIR]`, `cargo xtask cases hpa [FILE…]`"
        ),
    }
}

/// Runs the cases of `$PILOTHOUSE_CASES/<what>`, else of the folder beside the repository. That it is not there is said,
/// and is no failure: cases are no part of the repository.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask is a program: its environment is its input"
)]
fn by_default(
    repo: &Repo,
    what: &str,
    run: impl FnOnce(&Path) -> Result<Verdict>,
) -> Result<Verdict> {
    let folder = match std::env::var_os("PILOTHOUSE_CASES") {
        Some(folder) => Path::new(&folder).join(what),
        None => repo.root().join(DEFAULT).join(what),
    };
    if folder.is_dir() {
        return run(&folder);
    }
    say(&format!(
        "NOT RUN: there is no folder {}; $PILOTHOUSE_CASES names another",
        folder.display()
    ));
    say("0 passed, 0 failed, 0 skipped");
    Ok(Verdict::Clean)
}

fn given(folder: &str) -> Result<&Path> {
    let folder = Path::new(folder);
    if !folder.is_dir() {
        bail!("there is no folder {}", folder.display());
    }
    Ok(folder)
}

fn promql(folder: &Path, passed_min: Option<usize>) -> Result<Verdict> {
    let mut total = Tally::default();
    let mut unsupported: BTreeMap<String, usize> = BTreeMap::new();
    for path in scripts(folder)? {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let tally = run_script(&file, &text)?;
        tally.failures.iter().for_each(|failure| say(failure));
        for (reason, count) in &tally.unsupported {
            *unsupported.entry(reason.clone()).or_default() += count;
        }
        say(&tally.line(&file));
        total.add(&tally);
    }
    say("");
    say("unsupported, by reason:");
    for (reason, count) in unsupported {
        say(&format!("{count:>6}  {reason}"));
    }
    say(&format!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    ));
    let floor = passed_min.unwrap_or_default();
    if total.passed < floor {
        say(&format!("{floor} passed before: a case got lost"));
        return Ok(Verdict::Found);
    }
    if total.passed > floor && passed_min.is_some() {
        say(&format!(
            "note: raise PASSED_MIN in crates/xtask/src/cases.rs to {}",
            total.passed
        ));
    }
    Ok(if total.failed == 0 {
        Verdict::Clean
    } else {
        Verdict::Found
    })
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "test")
        {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!("there is no script (*.test) in {}", folder.display());
    }
    paths.sort();
    Ok(paths)
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    failures: Vec<String>,
    unsupported: BTreeMap<String, usize>,
}

impl Tally {
    fn line(&self, file: &str) -> String {
        let mut line = format!("{file:<28} {:>4} passed", self.passed);
        let _ = write!(
            line,
            "  {:>3} failed  {:>4} unsupported",
            self.failed, self.skipped
        );
        line
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn count(&mut self, place: &str, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(reason) => {
                self.failed += 1;
                self.failures.push(format!("{place}: {reason}"));
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                *self.unsupported.entry(reason).or_default() += 1;
            }
        }
    }
}

fn run_script(file: &str, text: &str) -> Result<Tally> {
    let commands = script::parse(text).with_context(|| file.to_owned())?;
    let mut tally = Tally::default();
    let mut memory = Memory::default();
    // After a load that cannot be read, nothing has the data it asks for.
    let mut unread: Option<Outcome> = None;
    for command in commands {
        match command {
            Command::Clear => {
                memory = Memory::default();
                unread = None;
            }
            Command::Load(load) => {
                if load.has_start_timestamps {
                    unread = Some(Outcome::Skipped("start timestamps in the data".to_owned()));
                } else if let Err(reason) = memory.load(&load) {
                    let text = format!("its data cannot be read: {reason}");
                    unread = Some(Outcome::Failed(text));
                }
            }
            Command::Eval(eval) => {
                let place = format!("{file}:{}: {}", eval.line, eval.query);
                let outcome = match &unread {
                    Some(outcome) => outcome.clone(),
                    None => check::check(&eval, &memory),
                };
                tally.count(&place, outcome);
            }
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_scripts_pass() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ph-promql/tests/scripts");
        for path in scripts(&folder).unwrap() {
            let file = path.display().to_string();
            let tally = run_script(&file, &std::fs::read_to_string(&path).unwrap()).unwrap();
            assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
            assert!(tally.passed > 0, "{file} holds no case");
        }
    }

    #[test]
    fn a_wrong_answer_is_a_failure_and_an_unsupported_one_is_not() {
        let script = "\
load 1m
  a 1 2
  h {{schema:0 sum:1 count:1}}

eval instant at 1m a
  a 2

eval instant at 1m a
  a 3

eval instant at 1m h

eval instant at 1m info(a)
";
        let tally = run_script("x.test", script).unwrap();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 1, 2));
    }
}
