//! `cargo xtask fuzz`: libFuzzer on the toolchain that builds everything else.
//!
//! The cargo plug-in for fuzzing asks for a nightly compiler because of the sanitizers. Without them
//! (the code under test forbids `unsafe`) all that libFuzzer needs is the coverage that LLVM inserts,
//! which stable offers behind `-Cpasses`. So the build is one cargo call with these flags, and the run
//! is the program that comes out of it. A build whose coverage does not reach libFuzzer would search
//! blindly and look healthy: that is an error here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail, ensure};

use crate::repo::{self, Repo};
use crate::{Verdict, say, value_of};
use report::Report;

mod report;

/// Coverage as libFuzzer reads it, and the checks that a release build leaves out.
const RUSTFLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions=on",
    "-Coverflow-checks=on",
    "-Ccodegen-units=1",
];
/// One input may take this long, and the process may take this much memory.
const INPUT_SECONDS_MAX: u32 = 10;
const RSS_MIB_MAX: u32 = 1024;
/// Longer inputs only repeat what shorter ones reach.
const INPUT_BYTES_MAX: u32 = 8192;

/// What to fuzz and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Per target.
    seconds: u32,
    /// All, when empty.
    targets: Vec<String>,
}

impl Options {
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            seconds: 60,
            targets: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seconds" => {
                    let value = value_of(arg, &mut args)?;
                    options.seconds = value
                        .parse()
                        .with_context(|| format!("`{value}` is no number of seconds"))?;
                    ensure!(options.seconds > 0, "0 seconds would run for ever");
                }
                flag if flag.starts_with('-') => bail!("`fuzz` has no flag `{flag}`"),
                target => options.targets.push(target.to_owned()),
            }
        }
        Ok(options)
    }
}

/// Builds the targets, runs as many at a time as there are cores, and reports each.
pub(crate) fn run(repo: &Repo, options: &Options) -> Result<Verdict> {
    let targets = chosen(&all_targets(repo), &options.targets)?;
    let programs = build(repo, &targets)?;
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);

    std::thread::scope(|scope| {
        for _ in 0..cores.min(targets.len()) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run_one(repo, &programs, target, options.seconds);
                    if let Ok(mut reports) = reports.lock() {
                        reports.push((target, report));
                    }
                }
            });
        }
    });

    let mut verdict = Verdict::Clean;
    let mut reports = reports.into_inner().unwrap_or_default();
    ensure!(reports.len() == targets.len(), "not every target was run");
    reports.sort_by_key(|(target, _)| target.as_str());
    for (target, report) in reports {
        let report = report.with_context(|| format!("target `{target}`"))?;
        say(&format!("{target:<16} {report}"));
        if let Some(problem) = report.problem() {
            say(&format!("fuzz::{target}: {problem}"));
            verdict = Verdict::Found;
        }
    }
    Ok(verdict)
}

fn all_targets(repo: &Repo) -> Vec<String> {
    repo.files()
        .filter_map(|path| path.strip_prefix("fuzz/targets/")?.strip_suffix(".rs"))
        .map(str::to_owned)
        .collect()
}

fn chosen(all: &[String], wanted: &[String]) -> Result<Vec<String>> {
    ensure!(!all.is_empty(), "there is no file in fuzz/targets");
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        bail!(
            "there is no target `{unknown}`; there are {}",
            all.join(", ")
        );
    }
    Ok(if wanted.is_empty() {
        all.to_vec()
    } else {
        wanted.to_vec()
    })
}

/// Builds the targets and returns the folder of the programs.
///
/// A named `--target` keeps the flags away from build scripts and macros, which run on this machine and
/// have no libFuzzer to report to.
fn build(repo: &Repo, targets: &[String]) -> Result<PathBuf> {
    let host = host()?;
    let target_dir = repo.target_dir()?.join("fuzz");
    let mut cargo = Command::new(repo::cargo());
    cargo
        .current_dir(repo.root())
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--manifest-path",
            "fuzz/Cargo.toml",
        ])
        .args(["--target", &host])
        .args(targets.iter().flat_map(|target| ["--bin", target.as_str()]))
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
        .env_remove("RUSTFLAGS");
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(
        status.success(),
        "the fuzz targets do not build (when it is the lock: `cargo update --workspace --manifest-path fuzz/Cargo.toml`)"
    );
    Ok(target_dir.join(host).join("release"))
}

/// The target triple that this compiler builds for by default.
fn host() -> Result<String> {
    let answer = repo::output(Command::new("rustc").arg("-vV"))?;
    let host = answer.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

fn run_one(repo: &Repo, programs: &Path, target: &str, seconds: u32) -> Result<Report> {
    let home = repo.target_dir()?.join("fuzz");
    let corpus = home.join("corpus").join(target);
    let crashes = home.join("crashes").join(target);
    for folder in [&corpus, &crashes] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut artifact_prefix = OsString::from("-artifact_prefix=");
    artifact_prefix.push(crashes.join(""));

    let mut program = Command::new(programs.join(target));
    program
        .current_dir(repo.root())
        // libFuzzer's own frames would push the message out of sight.
        .env("RUST_BACKTRACE", "0")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={RSS_MIB_MAX}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .args(["-print_final_stats=1", "-use_value_profile=1"])
        .arg(artifact_prefix);
    let dictionary = format!("fuzz/dictionaries/{target}.dict");
    if repo.root().join(&dictionary).is_file() {
        program.arg(format!("-dict={dictionary}"));
    }
    program.arg(&corpus);
    let seeds = format!("fuzz/seeds/{target}");
    if repo.root().join(&seeds).is_dir() {
        program.arg(seeds);
    }
    let done = program
        .output()
        .with_context(|| format!("cannot start {program:?}"))?;
    Ok(Report::read(
        &String::from_utf8_lossy(&done.stderr),
        done.status.success(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read() {
        let parse = |text: &str| Options::parse(&words(text));
        assert_eq!(
            parse("").unwrap(),
            Options {
                seconds: 60,
                targets: Vec::new()
            }
        );
        assert_eq!(
            parse("--seconds 5 sse config").unwrap(),
            Options {
                seconds: 5,
                targets: words("sse config")
            }
        );
        for bad in ["--seconds", "--seconds x", "--seconds 0", "--minutes 1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn targets_are_chosen_by_name() {
        let all = words("envelope sse");
        assert_eq!(chosen(&all, &[]).unwrap(), all);
        assert_eq!(chosen(&all, &words("sse")).unwrap(), ["sse"]);
        assert!(chosen(&all, &words("ssf")).is_err());
        assert!(chosen(&[], &[]).is_err());
    }
}
