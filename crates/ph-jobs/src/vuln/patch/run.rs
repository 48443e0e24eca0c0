//! Running the commands of a package manager in the copy.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ph_vuln::patch::words;
use ph_wire::child::{Child, ChildSpec, End, Exit, OnStderr, spawn};
use ph_wire::lines::Frame;
use ph_wire::reaper::Reaper;
use tokio::time::{Instant, timeout};

use super::super::machine::Machine;

/// How long one command may take.
const COMMAND_MAX: Duration = Duration::from_secs(10 * 60);
/// How long all of them may take.
const ALL_MAX: Duration = Duration::from_secs(30 * 60);
/// How long one has to end when it is told to.
const STOP_MAX: Duration = Duration::from_secs(5);
/// So many characters of what it said last are told.
const WORDS_MAX: usize = 600;
/// So many of the last lines of its output are kept.
const LINES_MAX: usize = 8;
/// A longer line of output is thrown away.
const LINE_BYTES_MAX: usize = 64 << 10;

/// By these the environment of whoever asks would have a package manager work elsewhere.
const ELSEWHERE: &[&str] = &[
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_WORKING_DIRECTORY",
    "POETRY_VIRTUALENVS_PATH",
    "PIPENV_PIPFILE",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
    "NODE_PATH",
    "npm_config_global",
    "npm_config_location",
    "npm_config_prefix",
    "npm_config_local_prefix",
    "npm_config_workspace",
    "CARGO_MANIFEST_DIR",
    "GOWORK",
    "GOFLAGS",
];

/// A command that did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The command; all that were run, where they ended well and did not help.
    pub command: String,
    /// What came of it, with its last words.
    pub why: String,
}

/// Runs commands one after the other.
pub(super) struct Runner<'a> {
    machine: &'a Machine,
    reaper: &'a Reaper,
    end: Instant,
}

impl<'a> Runner<'a> {
    pub(super) fn new(machine: &'a Machine, reaper: &'a Reaper) -> Self {
        Self {
            machine,
            reaper,
            end: Instant::now() + ALL_MAX,
        }
    }

    /// Runs one command in a folder, without a shell.
    pub(super) async fn run(&self, command: &str, folder: &Path) -> Result<(), Tried> {
        let failed = |why: String| Tried {
            command: command.to_owned(),
            why,
        };
        let max = COMMAND_MAX.min(self.end.saturating_duration_since(Instant::now()));
        if max.is_zero() {
            return Err(failed(format!(
                "was not run: all of them together took {} minutes",
                ALL_MAX.as_secs() / 60
            )));
        }
        let quiet: OnStderr = Arc::new(|_| {});
        let mut child = spawn(&self.spec(command, folder), self.reaper, quiet)
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let mut last = VecDeque::new();
        let heard = timeout(max, hear(&mut child, &mut last)).await;
        child.stop(Duration::ZERO, STOP_MAX).await;
        let how = match heard {
            Ok(Exit::Code(0)) => return Ok(()),
            // `env` says so of what it cannot find.
            Ok(Exit::Code(127)) => "is not installed here".to_owned(),
            Ok(exit) => format!("ended with {exit}"),
            Err(_) => format!("did not end within {} s", max.as_secs()),
        };
        let mut said = child.stderr_tail();
        if said.trim().is_empty() {
            said = last.into_iter().collect::<Vec<_>>().join(" ");
        }
        Err(failed(format!("{how}; its last words: {}", short(&said))))
    }

    fn spec(&self, command: &str, folder: &Path) -> ChildSpec {
        // `env` takes away what would lead elsewhere.
        let away = ELSEWHERE.iter().flat_map(|name| ["-u", name]);
        let args = away.map(str::to_owned).chain(words(command));
        let mut spec = ChildSpec::new("env", args);
        spec.cwd = Some(folder.to_owned());
        spec.line_bytes_max = LINE_BYTES_MAX;
        let of_folder = environment(folder).map(|environment| environment.join("bin"));
        let path: Vec<PathBuf> = of_folder
            .into_iter()
            .chain(self.machine.path.iter().cloned())
            .collect();
        let path = std::env::join_paths(path).unwrap_or_else(|_| OsString::new());
        for (name, value) in [
            ("PATH", path.to_string_lossy().as_ref()),
            // What is no virtual environment is not of the copy.
            ("PIP_REQUIRE_VIRTUALENV", "true"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("npm_config_audit", "false"),
            ("npm_config_fund", "false"),
            ("npm_config_update_notifier", "false"),
        ] {
            spec.env.push((name.to_owned(), value.to_owned()));
        }
        spec
    }
}

/// The virtual environment in a folder.
pub(super) fn environment(folder: &Path) -> Option<PathBuf> {
    [".venv", "venv"]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|environment| environment.join("pyvenv.cfg").is_file())
}

/// How it ended, with the last lines of its output.
async fn hear(child: &mut Child, last: &mut VecDeque<String>) -> Exit {
    let mut frames = Vec::new();
    loop {
        let end = child.next_frames(&mut frames).await.err();
        for frame in frames.drain(..) {
            if let Frame::Line(line) = frame {
                if last.len() == LINES_MAX {
                    last.pop_front();
                }
                last.push_back(String::from_utf8_lossy(&line).into_owned());
            }
        }
        match end {
            None => {}
            Some(End::Exited(exit)) => return exit,
            Some(End::OutputClosed | End::OutputBroken(_)) => return child.wait().await,
        }
    }
}

/// The end of a text, in one line.
fn short(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = words.char_indices().rev().nth(WORDS_MAX);
    match words.is_empty() {
        true => "none".to_owned(),
        false => words[start.map_or(0, |(at, _)| at)..].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    /// A machine whose only package manager is this script.
    fn machine(folder: &Path, script: &str) -> Machine {
        let bin = folder.join("path");
        fs::create_dir_all(&bin).unwrap();
        let program = bin.join("npm");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Machine {
            cwd: folder.to_owned(),
            path: vec![bin, "/usr/bin".into(), "/bin".into()],
            ..Machine::default()
        }
    }

    async fn run(command: &str, script: &str) -> (Result<(), Tried>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine(dir.path(), script);
        let reaper = Reaper::none();
        let runner = Runner::new(&machine, &reaper);
        let done = runner.run(command, dir.path()).await;
        (done, dir)
    }

    #[tokio::test]
    async fn it_runs_in_the_folder_and_for_no_other_environment() {
        let script = r#"printf '%s|' "$@" "$PIP_REQUIRE_VIRTUALENV" "${VIRTUAL_ENV-none}" > said"#;
        let (done, dir) = run("npm pkg set 'overrides[a]=1; id'", script).await;
        assert_eq!(done, Ok(()));
        let said = fs::read_to_string(dir.path().join("said")).unwrap();
        assert_eq!(said, "pkg|set|overrides[a]=1; id|true|none|");
    }

    #[tokio::test]
    async fn its_last_words_are_told() {
        let (done, _dir) = run("npm install x@9", "echo 'npm error ETARGET' >&2; exit 3").await;
        let why = "ended with exit code 3; its last words: npm error ETARGET";
        assert_eq!(done.unwrap_err().why, why);
        let (done, _dir) = run("npm install x@9", "echo out; exit 4").await;
        let why = "ended with exit code 4; its last words: out";
        assert_eq!(done.unwrap_err().why, why);
        let (done, _dir) = run("poetry-that-is-not-there x", "").await;
        let why = done.unwrap_err().why;
        assert!(why.starts_with("is not installed here"), "{why}");
    }
}
