//! Processes that a child leaves behind outside its group, and processes that become ours.
//!
//! A server may start something in a group or session of its own, a browser for instance, and end
//! without ending it. Such a stray still carries the child's marker. And where Pilothouse is the
//! first process of a container, the kernel gives it every process whose parent died: nobody else
//! will reap those.

use crate::procfs;
use crate::reaper::Reaper;
use rustix::process::{Pid, Signal, WaitOptions, child_subreaper, getpid, kill_process, waitpid};
use std::collections::HashSet;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How long a stray has to act on SIGTERM.
const TERM_GRACE: Duration = Duration::from_millis(500);

/// Ends what carries the marker of a child that has ended; goes on in the background.
///
/// Without a runtime (it is being dropped) this is left to the reaper.
pub(super) fn end(marker: String) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        for signal in [Signal::TERM, Signal::KILL] {
            let wanted = marker.clone();
            // A panic or a runtime at its end: the reaper looks again.
            let Ok(found) = spawn_blocking(move || procfs::marked(&wanted)).await else {
                return;
            };
            if found.is_empty() {
                return;
            }
            for pid in found
                .into_iter()
                .filter_map(|pid| Pid::from_raw(pid.cast_signed()))
            {
                // It may have ended meanwhile.
                let _ = kill_process(pid, signal);
            }
            sleep(TERM_GRACE).await;
        }
    });
}

/// Reaps the processes the kernel gave us because their parent died.
///
/// Only a process that is the first of its container (or made itself a subreaper) gets any;
/// elsewhere this does nothing.
#[derive(Debug, Default)]
pub struct Adopted {
    zombies: HashSet<u32>,
}

impl Adopted {
    /// Reaps every zombie that is no child of our own making and was one at the last call too, and
    /// says how many.
    ///
    /// To be called every few seconds: the time between two calls is what keeps a child apart that
    /// ended before it was registered. Reads `/proc` once, about 10 µs for each process.
    pub fn reap(&mut self, reaper: &Reaper) -> usize {
        let us = getpid();
        if us.as_raw_nonzero().get() != 1 && !matches!(child_subreaper(), Ok(Some(_))) {
            return 0;
        }
        let mut zombies: HashSet<u32> =
            procfs::zombies_of(us.as_raw_nonzero().get().unsigned_abs());
        zombies.retain(|pid| !reaper.has_made(*pid));
        let seen_again: Vec<u32> = zombies.intersection(&self.zombies).copied().collect();
        for pid in &seen_again {
            // Reaped by somebody else meanwhile: just as well.
            let _ = waitpid(Pid::from_raw(pid.cast_signed()), WaitOptions::NOHANG);
            zombies.remove(pid);
        }
        self.zombies = zombies;
        seen_again.len()
    }
}
