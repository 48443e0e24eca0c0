//! The process behind a child: its group, its exit, its standard error.

use super::stderr::{self, OnStderr, StderrTail};
use super::strays;
use crate::reaper::{Reaper, Registration};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the last lines of a dead child's standard error may take. They are there at once; the
/// wait is for a process that left the group and holds the pipe.
const STDERR_SETTLE_MAX: Duration = Duration::from_millis(250);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl Exit {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or(0)),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => {
                let name = match *signal {
                    1 => " (SIGHUP)",
                    2 => " (SIGINT)",
                    4 => " (SIGILL)",
                    6 => " (SIGABRT)",
                    7 => " (SIGBUS)",
                    8 => " (SIGFPE)",
                    9 => " (SIGKILL)",
                    11 => " (SIGSEGV)",
                    13 => " (SIGPIPE)",
                    15 => " (SIGTERM)",
                    _ => "",
                };
                write!(f, "signal {signal}{name}")
            }
        }
    }
}

/// The last thing that had to be done to end a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Nothing: it had ended before.
    AlreadyGone,
    /// Its standard input was closed.
    InputClosed,
    /// Its group got SIGTERM.
    Terminated,
    /// Its group got SIGKILL.
    Killed,
}

/// How a child was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How far it had to go.
    pub rung: Rung,
    /// `None` when even SIGKILL took no effect in time (a process stuck in the kernel).
    pub exit: Option<Exit>,
}

#[expect(
    deprecated,
    reason = "deprecated for types that may change their descriptor, which `OwnedFd` cannot; the successor is unsafe"
)]
fn watch(pidfd: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE).ok()
}

#[derive(Debug)]
pub(super) struct Process {
    child: tokio::process::Child,
    leader: Pid,
    /// Readable once the leader has ended, which leaves it to us to reap. Absent on kernels
    /// without pidfds: there the group is killed just after the leader was reaped.
    ended: Option<AsyncFd<OwnedFd>>,
    exit: Option<Exit>,
    stderr: Option<JoinHandle<()>>,
    tail: StderrTail,
    /// Undone only once the group is dead.
    registration: Option<Registration>,
    /// By which what left the group is found.
    marker: Option<String>,
}

impl Process {
    pub(super) fn new(
        child: tokio::process::Child,
        stderr: ChildStderr,
        on_stderr: OnStderr,
        reaper: &Reaper,
        marker: Option<String>,
    ) -> io::Result<Self> {
        let leader = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let leader =
            leader.ok_or_else(|| io::Error::other("the process was reaped before its time"))?;
        let registration = Some(reaper.register(leader.as_raw_nonzero().get().unsigned_abs()));
        let ended = pidfd_open(leader, PidfdFlags::empty()).ok().and_then(watch);
        let tail = StderrTail::default();
        let stderr = tokio::spawn(stderr::read(stderr, tail.clone(), on_stderr));
        Ok(Self {
            child,
            leader,
            ended,
            exit: None,
            stderr: Some(stderr),
            tail,
            registration,
            marker,
        })
    }

    pub(super) fn leader(&self) -> Pid {
        self.leader
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    pub(super) fn stderr_tail(&self) -> String {
        self.tail.text()
    }

    /// Waits for the leader's end, kills the rest of the group, reaps. Cancel safe.
    pub(super) async fn exited(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        if let Some(ended) = &self.ended
            && ended.readable().await.is_ok()
        {
            self.signal_group(Signal::KILL);
        }
        let status = self.child.wait().await;
        if self.ended.is_none() {
            self.signal_group(Signal::KILL);
        }
        // `wait` fails only when somebody else reaped our child: it has ended all the same.
        let exit = status.map_or(Exit::Signal(0), Exit::of);
        self.exit = Some(exit);
        self.ended = None;
        self.let_go();
        exit
    }

    /// The group is dead: what left it follows.
    fn let_go(&mut self) {
        self.registration = None;
        if let Some(marker) = self.marker.take() {
            strays::end(marker);
        }
    }

    /// Lets the last lines of standard error come in. Cancel safe.
    pub(super) async fn settle_stderr(&mut self) {
        if let Some(task) = &mut self.stderr {
            if timeout(STDERR_SETTLE_MAX, &mut *task).await.is_err() {
                task.abort();
            }
            self.stderr = None;
        }
    }

    pub(super) fn signal_group(&self, signal: Signal) {
        if self.exit.is_none() {
            // Fails only when no process of the group is left.
            let _ = kill_process_group(self.leader, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal_group(Signal::KILL);
        self.let_go();
        if let Some(task) = &self.stderr {
            task.abort();
        }
    }
}
