//! Resource limits of a child, set on its process right after it was started.
//!
//! Set from outside, so that no code of ours runs between fork and exec. What the program did
//! before (a few hundred microseconds, in which it is still being loaded) is not limited; all it
//! starts later inherits the limits.

use super::{ChildSpec, SpawnError};
use crate::cgroup::{Bounds, Cage};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Sets them. Returns the control group that was made for it, if there are any to be had.
pub(super) fn apply(spec: &ChildSpec, leader: Pid) -> Result<Option<Cage>, SpawnError> {
    let cage = confine(spec, leader)?;
    if let Some(wanted) = spec.memory_bytes_max.filter(|_| cage.is_none()) {
        set(leader, Resource::Data, "memory", wanted)?;
    }
    if let Some(wanted) = spec.open_files_max {
        set(leader, Resource::Nofile, "open files", wanted)?;
    }
    Ok(cage)
}

fn confine(spec: &ChildSpec, leader: Pid) -> Result<Option<Cage>, SpawnError> {
    let bounds = Bounds {
        memory_bytes_max: spec.memory_bytes_max,
        cpus_max: spec.cpus_max,
    };
    let usable = spec.cgroups.as_ref().filter(|cgroups| {
        // Without bounds nothing is to be moved for them.
        bounds != Bounds::default() && cgroups.usable().is_ok()
    });
    let Some(cgroups) = usable else {
        return Ok(None);
    };
    let pid = leader.as_raw_nonzero().get().unsigned_abs();
    match cgroups.confine(pid, &bounds) {
        Ok(cage) => Ok(Some(cage)),
        // A child that is gone already tells so by its exit.
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
        Err(source) => Err(SpawnError::Confine { source }),
    }
}

fn set(leader: Pid, resource: Resource, name: &'static str, wanted: u64) -> Result<(), SpawnError> {
    // An unprivileged process may not go beyond the hard limit it was given.
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(wanted);
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    match prlimit(Some(leader), resource, limit) {
        // A child that is gone already tells so by its exit.
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(SpawnError::Limit {
            name,
            wanted,
            source: errno.into(),
        }),
    }
}
