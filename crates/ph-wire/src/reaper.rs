//! No child outlives Pilothouse, not even when Pilothouse is killed with SIGKILL.
//!
//! A second process, our own executable with the argument [`REAPER_ARGUMENT`], waits at the other
//! end of a pipe. It is told of each process group when it starts and when it is dead; when the
//! pipe ends, however that came about, it ends what is left: SIGTERM, then SIGKILL.
//!
//! Why not the kernel's parent-death signal: it belongs to the thread that forked, which a runtime
//! may end at any time, and grandchildren do not inherit it.
//!
//! Every child also carries [`MARKER_VARIABLE`] in its environment, inherited by all it starts. By
//! it the reaper finds what was started just before the end and not yet told, and what left its
//! group by `setsid`. Only a process that cleans its environment *and* leaves its group escapes.
//!
//! The pipe is never waited on: it does not block, and what does not fit is not written. A reaper
//! that died is started again at the next child.

mod main;

pub use main::reaper_main;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The hidden argument by which our executable is the reaper.
pub const REAPER_ARGUMENT: &str = "__reaper";
/// The environment variable that marks every process started by a run of Pilothouse. Its value is
/// the run's random id, `-`, and the number of the child.
pub const MARKER_VARIABLE: &str = "PILOTHOUSE_RUN";

/// How long the reaper may take to end once there is nothing left to do for it.
const END_MAX: Duration = Duration::from_secs(2);

/// The handle of the reaper process; clones share it. The last one dropped ends it.
#[derive(Clone, Debug)]
pub struct Reaper(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    executable: PathBuf,
    run: String,
    children: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    process: Option<(Child, ChildStdin)>,
    groups: BTreeSet<u32>,
}

impl Reaper {
    /// Starts the reaper process.
    ///
    /// `executable` is the absolute path of our own (`/proc/self/exe` also works after an upgrade on
    /// disk); its `main` must call [`reaper_main`] when its first argument is [`REAPER_ARGUMENT`].
    ///
    /// # Errors
    /// When the process cannot be started, or the system has no random numbers.
    pub fn start(executable: &Path) -> io::Result<Self> {
        let run = random_id()?;
        let process = Some(start_process(executable, &run, &BTreeSet::new())?);
        Ok(Self(Some(Arc::new(Shared {
            executable: executable.to_owned(),
            run,
            children: AtomicU64::new(0),
            state: Mutex::new(State {
                process,
                groups: BTreeSet::new(),
            }),
        }))))
    }

    /// No reaper: children die with their [`crate::child::Child`] and not otherwise.
    pub fn none() -> Self {
        Self(None)
    }

    /// The random id of this run; `None` without a reaper.
    pub fn run(&self) -> Option<&str> {
        self.0.as_deref().map(|shared| shared.run.as_str())
    }

    /// The value of [`MARKER_VARIABLE`] for the next child.
    pub(crate) fn next_marker(&self) -> Option<String> {
        let shared = self.0.as_deref()?;
        let number = shared.children.fetch_add(1, Ordering::Relaxed);
        Some(format!("{}-{number}", shared.run))
    }

    /// Whether a process is the leader of a registered group or the reaper; without a reaper, which
    /// knows of none, true.
    pub(crate) fn has_made(&self, pid: u32) -> bool {
        let Some(shared) = &self.0 else { return true };
        let state = shared.lock();
        let is_reaper = state
            .process
            .as_ref()
            .is_some_and(|(process, _)| process.id() == pid);
        is_reaper || state.groups.contains(&pid)
    }

    /// Tells the reaper of a process group, until the returned value is dropped.
    pub(crate) fn register(&self, pgid: u32) -> Registration {
        if let Some(shared) = &self.0 {
            let mut state = shared.lock();
            state.groups.insert(pgid);
            if state.tell('+', pgid).is_err() {
                shared.restart(&mut state);
            }
        }
        Registration {
            reaper: self.clone(),
            pgid,
        }
    }
}

/// A process group the reaper knows of.
#[derive(Debug)]
pub(crate) struct Registration {
    reaper: Reaper,
    pgid: u32,
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(shared) = &self.reaper.0 {
            let mut state = shared.lock();
            state.groups.remove(&self.pgid);
            // A reaper that is gone is missed when the next child is registered.
            let _ = state.tell('-', self.pgid);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts another reaper in the place of one that is gone; if that fails too, the next child
    /// is the next try.
    fn restart(&self, state: &mut State) {
        if let Some((mut process, pipe)) = state.process.take() {
            drop(pipe);
            let _ = process.kill();
            let _ = process.wait();
        }
        state.process = start_process(&self.executable, &self.run, &state.groups).ok();
    }
}

impl State {
    fn tell(&mut self, sign: char, pgid: u32) -> io::Result<()> {
        let (_, pipe) = self.process.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        match pipe.write_all(format!("{sign}{pgid}\n").as_bytes()) {
            // It is stopped, or starved: it will find this one by the marker.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let Some((mut process, pipe)) = self.process.take() else {
            return;
        };
        drop(pipe);
        let until = Instant::now() + END_MAX;
        while matches!(process.try_wait(), Ok(None)) && Instant::now() < until {
            main::pause();
        }
    }
}

fn start_process(
    executable: &Path,
    run: &str,
    groups: &BTreeSet<u32>,
) -> io::Result<(Child, ChildStdin)> {
    let mut process = Command::new(executable)
        .arg(REAPER_ARGUMENT)
        // It must not be found by a marker, neither ours nor that of a Pilothouse around us.
        .env_remove(MARKER_VARIABLE)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C at the terminal goes to the foreground group only.
        .process_group(0)
        .spawn()?;
    let Some(mut pipe) = process.stdin.take() else {
        unreachable!("a process started with a pipe has a pipe");
    };
    let mut message = format!("={run}\n");
    for pgid in groups {
        // Writing to a string does not fail.
        let _ = writeln!(message, "+{pgid}");
    }
    pipe.write_all(message.as_bytes())?;
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
    Ok((process, pipe))
}

fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut id = String::with_capacity(32);
    for byte in bytes {
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}
