//! Resource limits of a child, set on its process right after it was started.
//!
//! Set from outside, so that no code of ours runs between fork and exec. What the program did
//! before (a few hundred microseconds, in which it is still being loaded) is not limited; all it
//! starts later inherits the limits.

use super::{ChildSpec, SpawnError};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

pub(super) fn apply(spec: &ChildSpec, leader: Pid) -> Result<(), SpawnError> {
    let limits = [
        (spec.memory_bytes_max, Resource::Data, "memory"),
        (spec.open_files_max, Resource::Nofile, "open files"),
    ];
    for (wanted, resource, name) in limits {
        let Some(wanted) = wanted else { continue };
        // An unprivileged process may not go beyond the hard limit it was given.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(wanted);
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        match prlimit(Some(leader), resource, limit) {
            // A child that is gone already tells so by its exit.
            Ok(_) | Err(Errno::SRCH) => {}
            Err(errno) => {
                return Err(SpawnError::Limit {
                    name,
                    wanted,
                    source: errno.into(),
                });
            }
        }
    }
    Ok(())
}
