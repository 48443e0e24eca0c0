//! The workspace's own rules and chores: `cargo xtask tidy | docs | sbom | fuzz | cases | rules | sizing`.
//!
//! A rule that a test checks stays true; a rule that a document states drifts. So each rule of this
//! repository that a compiler or clippy cannot check is a module below [`tidy`].

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;

mod cases;
mod docs;
mod finding;
mod fuzz;
mod repo;
mod rules;
mod sbom;
mod sizing;
mod source;
mod tidy;

const USAGE: &str = "\
usage: cargo xtask <command>

  tidy [RULE…]               check the rules of the workspace, or only those named
  tidy --list                name the rules
  docs [--bless]             compare the generated parts of docs/ with the code, or write them
  sbom FILE                  write what the binary is made of, as CycloneDX 1.6
  fuzz [--seconds N] [TARGET…]
                             build the fuzz targets on this toolchain and run each for N seconds (60)
  cases promql [DIR]         run Prometheus's test scripts on our engine; DIR is $PILOTHOUSE_CASES/promql
                             or ../shared/cases/promql
  cases versions [DIR]       hold the orders of versions against lines `A < B`
  cases vulnerability [DIR]  hold the findings in lockfiles against what is expected of each
  cases hpa [FILE…]          hold the arithmetic of the autoscaler against numbers of Kubernetes's own tests
  cases ask SERIES QUERIES   answer the PromQL queries of a file over the series of another, as JSON
  sizing [--bless]           judge recommenders of sizes on the seeds that nothing is tuned on; compare with, or write,
                             bench/sizing/table.md
  sizing --tuning            the same on the tuning seeds, and what other constants would come to there
  rules replay EVENTS        run rules over the samples and ticks of a file; what they write, as JSON
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(Verdict::Clean) => ExitCode::SUCCESS,
        Ok(Verdict::Found) => ExitCode::from(1),
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// What a command found, which is what the exit code says: 0 or 1. An error is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Clean,
    Found,
}

fn run(args: &[String]) -> Result<Verdict> {
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => bail!("which command?\n\n{USAGE}"),
    };
    match command {
        "tidy" => tidy::run(&Repo::open()?, rest),
        "docs" => docs::run(&Repo::open()?, rest),
        "sbom" => sbom::run(&Repo::open()?, rest),
        "fuzz" => fuzz::run(&Repo::open()?, &fuzz::Options::parse(rest)?),
        "cases" => cases::run(&Repo::open()?, rest),
        "rules" => rules::run(rest),
        "sizing" => sizing::run(&Repo::open()?, rest),
        "help" | "--help" | "-h" => {
            say(USAGE);
            Ok(Verdict::Clean)
        }
        other => bail!("there is no command `{other}`\n\n{USAGE}"),
    }
}

/// One line of talk on stderr. A reader that has gone away is no error of ours.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}

/// Reads the value after a flag.
fn value_of<'a>(flag: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<&'a str> {
    rest.next()
        .map(String::as_str)
        .with_context(|| format!("`{flag}` needs a value"))
}
