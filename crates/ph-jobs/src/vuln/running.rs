//! What the processes of a replica are: the command lines that really run, as the kernel knows them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// The most processes of one replica that are looked at.
const PROCESSES_MAX: usize = 256;

/// The largest command line that is read, in bytes.
const COMMAND_LINE_MAX: usize = 128 << 10;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub argv: Vec<String>,
    /// Its working directory, where it can be read.
    pub cwd: Option<PathBuf>,
}

/// `pid` and all that it started, the first first. A process that is gone meanwhile is left out.
pub(super) fn family(pid: u32) -> Vec<Process> {
    let mut all = Vec::new();
    let mut open = vec![pid];
    let mut seen = BTreeSet::from([pid]);
    while let Some(pid) = open.pop() {
        if seen.len() > PROCESSES_MAX {
            break;
        }
        all.extend(process(pid));
        open.extend(
            children(pid)
                .into_iter()
                .filter(|child| seen.insert(*child)),
        );
    }
    all
}

fn process(pid: u32) -> Option<Process> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let bytes = bytes.get(..COMMAND_LINE_MAX).unwrap_or(&bytes);
    let words = bytes
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned());
    let mut argv: Vec<String> = words.collect();
    if argv.last().is_some_and(String::is_empty) {
        argv.pop();
    }
    (!argv.is_empty()).then(|| Process {
        argv,
        cwd: fs::read_link(format!("/proc/{pid}/cwd")).ok(),
    })
}

/// Of all threads: each may start processes.
fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let texts = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all = texts.flat_map(|text| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    all.filter_map(|pid| pid.parse().ok()).collect()
}
