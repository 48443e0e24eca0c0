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
    let argv = words(bytes);
    (!argv.is_empty()).then(|| Process {
        argv,
        cwd: fs::read_link(format!("/proc/{pid}/cwd")).ok(),
    })
}

/// A command line as the kernel gives it. npm writes a title over its own, in one word and with zeros to the end.
fn words(bytes: &[u8]) -> Vec<String> {
    let words = bytes
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned());
    let mut argv: Vec<String> = words.collect();
    while argv.last().is_some_and(String::is_empty) {
        argv.pop();
    }
    match argv.as_slice() {
        [title] if title.starts_with("npm ") => {
            title.split_whitespace().map(str::to_owned).collect()
        }
        _ => argv,
    }
}

/// When a process was started, in ticks since the machine's start: tells it from another one that has its number later.
#[must_use]
pub fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_read_also_where_npm_has_written_over_it() {
        assert_eq!(words(b"node\0a b.js\0\0x\0"), ["node", "a b.js", "", "x"]);
        assert_eq!(
            words(b"npm exec a@1 /tmp/x\0\0\0\0"),
            ["npm", "exec", "a@1", "/tmp/x"]
        );
        assert_eq!(words(b"npm\0\0\0"), ["npm"]);
        assert_eq!(words(b"\0"), [""; 0]);
    }

    #[test]
    fn a_process_is_told_from_the_next_one_of_its_number() {
        let own = std::process::id();
        assert!(started(own).is_some_and(|ticks| ticks > 0));
        assert_eq!(started(own), started(own));
        assert_eq!(started(u32::MAX), None);
    }
}
