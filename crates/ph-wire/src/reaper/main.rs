//! What the reaper process does: listen, and at the end of the pipe end what is left.

use crate::procfs;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use std::collections::BTreeSet;
use std::io::BufRead;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long what is left has to act on SIGTERM.
const TERM_GRACE: Duration = Duration::from_millis(500);
/// How long SIGKILL is repeated: what is being killed may still be starting processes.
const KILL_MAX: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(10);

/// Runs the reaper until `input` ends; the whole program of a process of its own.
///
/// Lines of `input`: `=RUN` names the marker, `+PGID` a group that has started, `-PGID` one that is
/// dead. Anything else is ignored. Succeeds when nothing is left alive.
pub fn reaper_main(input: impl BufRead) -> ExitCode {
    // So that `killall pilothouse` does not kill this one as well. Without it: the old name.
    let _ = std::fs::write("/proc/self/comm", "ph-reaper");
    let _handlers = outlive_signals();

    let mut left = Left::default();
    for line in input.split(b'\n') {
        // A pipe that cannot be read is as good as ended.
        let Ok(line) = line else { break };
        left.hear(&line);
    }
    if left.end() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Takes the signals that ask for an end, so that they do not end us before our work.
///
/// Setting a signal to 'ignore' is unsafe code; a handler of tokio, which nobody listens to, is
/// not. The runtime must be kept.
fn outlive_signals() -> Option<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .ok()?;
    let guard = runtime.enter();
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
        SignalKind::quit(),
    ] {
        // The handler stays installed when the stream is dropped.
        drop(signal(kind));
    }
    drop(guard);
    Some(runtime)
}

/// What the reaper knows to be alive.
#[derive(Debug, Default)]
struct Left {
    run: Option<String>,
    groups: BTreeSet<i32>,
}

impl Left {
    fn hear(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        if let Some(run) = line.strip_prefix('=') {
            self.run = Some(run.to_owned()).filter(|run| !run.is_empty());
            return;
        }
        let Some((sign, pgid)) = line.split_at_checked(1) else {
            return;
        };
        // 0 is our own group and 1 that of init: never.
        let Some(pgid) = pgid.parse().ok().filter(|pgid| *pgid > 1) else {
            return;
        };
        match sign {
            "+" => {
                self.groups.insert(pgid);
            }
            "-" => {
                self.groups.remove(&pgid);
            }
            _ => {}
        }
    }

    /// Ends everything; false when something would not die.
    fn end(&mut self) -> bool {
        if !self.signal(Signal::TERM) {
            return true;
        }
        let asked = Instant::now();
        while asked.elapsed() < TERM_GRACE {
            pause();
            if !self.is_any() {
                return true;
            }
        }
        while asked.elapsed() < TERM_GRACE + KILL_MAX {
            if !self.signal(Signal::KILL) {
                return true;
            }
            pause();
        }
        false
    }

    /// Sends `signal` to everything left; false when there is nothing.
    fn signal(&mut self, signal: Signal) -> bool {
        // ESRCH: no such group any more. Anything else is a group that is there.
        self.groups.retain(|pgid| {
            Pid::from_raw(*pgid).is_some_and(|pgid| {
                kill_process_group(pgid, signal) != Err(rustix::io::Errno::SRCH)
            })
        });
        let marked = self.marked();
        for pid in &marked {
            // It may have ended meanwhile.
            let _ = kill_process(*pid, signal);
        }
        !self.groups.is_empty() || !marked.is_empty()
    }

    fn is_any(&mut self) -> bool {
        self.groups.retain(|pgid| {
            Pid::from_raw(*pgid)
                .is_some_and(|pgid| test_kill_process_group(pgid) != Err(rustix::io::Errno::SRCH))
        });
        !self.groups.is_empty() || !self.marked().is_empty()
    }

    fn marked(&self) -> Vec<Pid> {
        let Some(run) = &self.run else {
            return Vec::new();
        };
        procfs::marked(run)
            .into_iter()
            .filter_map(|pid| Pid::from_raw(pid.cast_signed()))
            .filter(|pid| *pid != rustix::process::getpid())
            .collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the reaper is a process with one thread and no tasks; elsewhere it runs once, at the very end"
)]
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_and_go_and_garbage_is_ignored() {
        let mut left = Left::default();
        for line in [
            "=abc", "+10", "+11", "-10", "-99", "", "+", "+0", "+1", "+-5", "x12", "\u{e9}12",
            "+12 ",
        ] {
            left.hear(line.as_bytes());
        }
        left.hear(b"+\xff");
        assert_eq!(left.run.as_deref(), Some("abc"));
        assert_eq!(left.groups, BTreeSet::from([11]));
    }

    #[test]
    fn an_empty_marker_marks_nothing() {
        let mut left = Left::default();
        left.hear(b"=");
        assert_eq!((left.run.as_deref(), left.marked()), (None, Vec::new()));
        assert!(left.end());
    }
}
