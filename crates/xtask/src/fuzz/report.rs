//! What libFuzzer said on stderr, read back into figures.

use std::fmt;

/// The outcome of one target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    runs: u64,
    /// Edges reached by the seeds and the kept corpus, before the first change.
    edges_first: u64,
    edges_last: u64,
    corpus_files: u64,
    failure: Option<String>,
}

impl Report {
    /// Reads the status lines (`#123 NEW cov: 45 ft: 67 corp: 8/90b …`) and the final figures.
    pub(crate) fn read(stderr: &str, success: bool) -> Self {
        let status_lines = || stderr.lines().filter(|line| line.starts_with('#'));
        let edges = |line: &str| number_after(line, "cov: ");
        let last = status_lines().rev().find(|line| edges(line).is_some());
        Self {
            runs: stderr
                .lines()
                .find_map(|line| number_after(line, "stat::number_of_executed_units: "))
                .unwrap_or(0),
            edges_first: status_lines().find_map(edges).unwrap_or(0),
            edges_last: last.and_then(edges).unwrap_or(0),
            corpus_files: last
                .and_then(|line| number_after(line, "corp: "))
                .unwrap_or(0),
            failure: (!success).then(|| tail(stderr)),
        }
    }

    /// Why the run proves nothing, or proves a bug.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(failure) = &self.failure {
            return Some(format!(
                "an input breaks it; the last line names the file, the program run with it repeats it\n{failure}"
            ));
        }
        if self.edges_last == 0 {
            return Some("no coverage reached libFuzzer: the build is not instrumented".to_owned());
        }
        (self.runs == 0).then(|| "nothing was run".to_owned())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.problem().is_some() {
            "FAILED"
        } else {
            "ok"
        };
        write!(
            f,
            "{state:<6} {:>10} inputs, {} → {} edges, {} kept",
            self.runs, self.edges_first, self.edges_last, self.corpus_files
        )
    }
}

/// The digits right behind the words.
fn number_after(line: &str, words: &str) -> Option<u64> {
    let rest = line.split_once(words)?.1.trim_start();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

/// The panic and what follows it, without what libFuzzer says of itself.
fn tail(stderr: &str) -> String {
    const LINES_MAX: usize = 40;
    const NOISE: &[&str] = &["#", "stat::", "INFO:", "WARNING:", "Dictionary:"];
    let is_noise = |line: &str| NOISE.iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = stderr.lines().filter(|line| !is_noise(line)).collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "INFO: Seed: 1\n#3\tINITED cov: 40 ft: 41 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #9\tNEW    cov: 44 ft: 50 corp: 2/5b lim: 4 exec/s: 0\n#99\tDONE   cov: 61 ft: 99 corp: 7/50b\n\
        Done 99 runs in 2 second(s)\nstat::number_of_executed_units: 99\n";

    #[test]
    fn a_run_is_read() {
        let report = Report::read(GOOD, true);
        assert_eq!(
            report,
            Report {
                runs: 99,
                edges_first: 40,
                edges_last: 61,
                corpus_files: 7,
                failure: None
            }
        );
        assert_eq!(report.problem(), None);
        assert_eq!(
            report.to_string(),
            "ok             99 inputs, 40 → 61 edges, 7 kept"
        );
    }

    #[test]
    fn a_blind_run_is_a_failure() {
        let blind = GOOD.replace("cov: ", "xxx: ");
        assert!(
            Report::read(&blind, true)
                .problem()
                .unwrap()
                .contains("not instrumented")
        );
        let idle = GOOD.replace("units: 99", "units: 0");
        assert!(Report::read(&idle, true).problem().is_some());
    }

    #[test]
    fn a_crash_is_shown() {
        let crash = format!("{GOOD}thread panicked at a.rs:1\nartifact written to crash-1\n");
        let problem = Report::read(&crash, false).problem().unwrap();
        assert!(
            problem.ends_with("thread panicked at a.rs:1\nartifact written to crash-1"),
            "{problem}"
        );
        assert!(!problem.contains("#99"));
    }
}
