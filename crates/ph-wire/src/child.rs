//! A stdio server as a child process: started, spoken with, watched, stopped, reaped.
//!
//! A child leads a process group of its own. However its leader ends, the rest of the group is
//! killed before the leader is reaped: until then its number cannot have been given to another
//! process, so the signal cannot hit a stranger. What left the group (a `setsid` of a grandchild)
//! is found by the marker in its environment; see [`crate::reaper`].
//!
//! One task owns a [`Child`] and awaits [`Child::next_frames`]; it reads the pipe itself, so that a
//! frame costs no further task switch. Writing goes through a bounded queue and a task that takes
//! everything queued in one write. Standard error has a task too, with an allowance of its own.

mod limits;
mod process;
mod spawn_error;
mod stderr;
mod strays;
mod writer;

pub use process::{Exit, Rung, Stopped};
pub use spawn_error::SpawnError;
pub use stderr::{OnStderr, STDERR_LINE_BYTES_MAX, STDERR_TAIL_BYTES_MAX};
pub use strays::Adopted;
pub use writer::{ChildGone, ChildWriter};

use crate::cgroup::{Cage, Cgroups};
use crate::lines::{Frame, LineSplitter};
use crate::reaper::{MARKER_VARIABLE, Reaper};
use process::Process;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdout, Command};
use tokio::time::{Instant, timeout, timeout_at};

/// By these a service manager and its services speak; see `sd_notify(3)` and `sd_listen_fds(3)`.
const SERVICE_VARIABLES: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// How long what a dead child has left in its pipe may take to be read. It is there at once; the
/// wait is for pipes held open by a process that left the group.
const DRAIN_MAX: Duration = Duration::from_millis(250);
/// How long after the end of its output a child may take to exit before that counts as an end of
/// its own. Both mostly come together, and the exit status is the better reason.
const EXIT_AFTER_OUTPUT_MAX: Duration = Duration::from_millis(100);
/// How long a group may take to die of SIGKILL before we stop waiting (uninterruptible I/O).
const KILL_MAX: Duration = Duration::from_secs(5);

/// How to start a child.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// A program name, looked up in the child's `PATH`, or a path.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Added to the environment, or all of it when `env_inherit` is off.
    pub env: Vec<(String, String)>,
    /// Whether our own environment is passed on.
    pub env_inherit: bool,
    /// Working directory; ours by default. A relative `command` is taken from here.
    pub cwd: Option<PathBuf>,
    /// Bound in bytes on its memory: of all its processes together where [`Self::cgroups`] are
    /// usable. Elsewhere on the private writable memory of each of them (`RLIMIT_DATA`; the address
    /// space would also count what runtimes like V8 reserve and never touch).
    pub memory_bytes_max: Option<u64>,
    /// Bound on the CPUs of all its processes together; without usable [`Self::cgroups`] none.
    pub cpus_max: Option<f64>,
    /// Where its group is made, if it needs one.
    pub cgroups: Option<Arc<Cgroups>>,
    /// Bound on the open files of each of its processes.
    pub open_files_max: Option<u64>,
    /// Bound in bytes on one message from the child.
    pub line_bytes_max: usize,
}

impl ChildSpec {
    /// A spec with our environment and directory, without limits, for messages of up to 16 MiB.
    pub fn new(
        command: impl Into<String>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            command: command.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            env_inherit: true,
            cwd: None,
            memory_bytes_max: None,
            cpus_max: None,
            cgroups: None,
            open_files_max: None,
            line_bytes_max: 16 << 20,
        }
    }

    fn command(&self, marker: Option<&str>) -> Command {
        let mut command = Command::new(&self.command);
        command.args(&self.args);
        // Who waits to hear of us must not take a child's word for ours.
        for name in SERVICE_VARIABLES {
            command.env_remove(name);
        }
        if !self.env_inherit {
            command.env_clear();
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(marker) = marker {
            command.env(MARKER_VARIABLE, marker);
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// Why a child gives no more frames.
#[derive(Debug)]
pub enum End {
    /// The process has ended, and all it wrote has been given out.
    Exited(Exit),
    /// Standard output was closed but the process lives: it needs [`Child::stop`].
    OutputClosed,
    /// Standard output cannot be read: the process needs [`Child::stop`].
    OutputBroken(io::Error),
}

/// A running stdio server.
///
/// Dropped before its end, it kills its process group and leaves the reaping to the runtime.
#[derive(Debug)]
pub struct Child {
    writer: ChildWriter,
    stdout: Option<ChildStdout>,
    splitter: LineSplitter,
    process: Process,
    /// Its control group, if it has one of its own.
    cage: Option<Cage>,
    /// Until when a dead child's output is still read.
    drain_until: Option<Instant>,
}

/// Starts a child on the current runtime.
///
/// `on_stderr` is called on that runtime with each line of standard error and must not block.
///
/// # Errors
/// When the program cannot be started; [`SpawnError::hint`] says what to look at.
pub fn spawn(spec: &ChildSpec, reaper: &Reaper, on_stderr: OnStderr) -> Result<Child, SpawnError> {
    let marker = reaper.next_marker();
    let started = spec.command(marker.as_deref()).spawn();
    let mut process = started.map_err(|source| SpawnError::explain(spec, source))?;
    // The pipes are there, because they were asked for above.
    let pipes = (
        process.stdin.take(),
        process.stdout.take(),
        process.stderr.take(),
    );
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        unreachable!("a child started with three pipes has three pipes");
    };
    let process = Process::new(process, stderr, on_stderr, reaper, marker).map_err(|source| {
        SpawnError::Start {
            command: spec.command.clone(),
            source,
        }
    })?;
    let cage = limits::apply(spec, process.leader())?;
    Ok(Child {
        writer: ChildWriter::start(stdin),
        stdout: Some(stdout),
        splitter: LineSplitter::new(spec.line_bytes_max),
        process,
        cage,
        drain_until: None,
    })
}

impl Child {
    /// The handle for writing; clone it at will.
    pub fn writer(&self) -> &ChildWriter {
        &self.writer
    }

    /// Process id of the leader, which is also the number of its process group. It stays valid
    /// until the exit has been reported.
    pub fn pgid(&self) -> u32 {
        self.process.leader().as_raw_nonzero().get().unsigned_abs()
    }

    /// The last lines of standard error, at most [`STDERR_TAIL_BYTES_MAX`] bytes.
    ///
    /// Complete once [`End::Exited`] has been returned.
    pub fn stderr_tail(&self) -> String {
        self.process.stderr_tail()
    }

    /// Whether the kernel has killed processes of it for wanting more memory than it may have. Only
    /// known of children in a control group of their own.
    pub fn was_out_of_memory(&self) -> bool {
        self.cage
            .as_ref()
            .is_some_and(|cage| cage.memory_kills() > 0)
    }

    /// Waits for output and appends every frame of it to `out`.
    ///
    /// Cancel safe: no frame is lost when the future is dropped.
    ///
    /// # Errors
    /// When there will be no more frames; again on each later call.
    pub async fn next_frames(&mut self, out: &mut Vec<Frame>) -> Result<(), End> {
        let had = out.len();
        while let Some(stdout) = &mut self.stdout {
            let room = self.splitter.room();
            let read = if let Some(until) = self.drain_until {
                // Nobody writes any more: what cannot be read at once is not there.
                timeout_at(until, stdout.read_buf(room))
                    .await
                    .unwrap_or(Ok(0))
            } else {
                tokio::select! {
                    biased;
                    read = stdout.read_buf(room) => read,
                    _ = self.process.exited() => {
                        self.drain_until = Some(Instant::now() + DRAIN_MAX);
                        continue;
                    }
                }
            };
            match read {
                Ok(0) => {
                    self.stdout = None;
                    out.extend(self.splitter.finish());
                }
                Ok(_) => out.extend(std::iter::from_fn(|| self.splitter.next_frame())),
                Err(error) => {
                    self.stdout = None;
                    return Err(End::OutputBroken(error));
                }
            }
            if out.len() > had {
                return Ok(());
            }
        }
        match timeout(EXIT_AFTER_OUTPUT_MAX, self.process.exited()).await {
            Ok(exit) => {
                self.process.settle_stderr().await;
                Err(End::Exited(exit))
            }
            Err(_) => Err(End::OutputClosed),
        }
    }

    /// Waits for the exit, kills what is left of the group and reaps the leader.
    ///
    /// Output is not read meanwhile. Returns at once when the exit is known. Cancel safe.
    pub async fn wait(&mut self) -> Exit {
        let exit = self.process.exited().await;
        self.process.settle_stderr().await;
        exit
    }

    /// Sends a signal to the whole group; without effect when the child has ended.
    pub fn kill_group(&self) {
        self.process.signal_group(rustix::process::Signal::KILL);
    }

    /// Ends the child: end of its input, then SIGTERM, then SIGKILL to the group, each with its
    /// time to act, and reaps it. What it still says is thrown away.
    pub async fn stop(&mut self, stdin_grace: Duration, term_grace: Duration) -> Stopped {
        self.stop_and_hear(stdin_grace, term_grace, &mut |_| {})
            .await
    }

    /// As [`Child::stop`], and gives `late` what the child still says.
    ///
    /// Its output is read in any case: a child that blocks on a full pipe would never see the end
    /// of its input.
    pub async fn stop_and_hear(
        &mut self,
        stdin_grace: Duration,
        term_grace: Duration,
        late: &mut (dyn FnMut(Frame) + Send),
    ) -> Stopped {
        if let Some(exit) = self.process.exit() {
            return Stopped {
                rung: Rung::AlreadyGone,
                exit: Some(exit),
            };
        }
        let rungs = [
            (Rung::InputClosed, stdin_grace),
            (Rung::Terminated, term_grace),
            (Rung::Killed, KILL_MAX),
        ];
        for (rung, grace) in rungs {
            match rung {
                Rung::AlreadyGone => {}
                Rung::InputClosed => self.writer.close(),
                Rung::Terminated => self.process.signal_group(rustix::process::Signal::TERM),
                Rung::Killed => self.process.signal_group(rustix::process::Signal::KILL),
            }
            if let Ok(exit) = timeout(grace, self.hear_out(late)).await {
                return Stopped {
                    rung,
                    exit: Some(exit),
                };
            }
        }
        Stopped {
            rung: Rung::Killed,
            exit: None,
        }
    }

    async fn hear_out(&mut self, late: &mut (dyn FnMut(Frame) + Send)) -> Exit {
        let mut frames = Vec::new();
        loop {
            match self.next_frames(&mut frames).await {
                Ok(()) => frames.drain(..).for_each(&mut *late),
                Err(End::Exited(exit)) => return exit,
                Err(End::OutputClosed | End::OutputBroken(_)) => return self.wait().await,
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// Whether `command` names a file by its path rather than a program to look up.
fn is_path(command: &str) -> bool {
    Path::new(command).components().count() > 1 || command.starts_with(['.', '/'])
}
