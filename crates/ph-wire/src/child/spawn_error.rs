//! Why a child did not start, and what the operator can do about it.

use super::{ChildSpec, is_path};
use std::io;
use std::path::PathBuf;

/// A child that did not start. All of these are for the operator to mend; none gets better by
/// being tried again at once.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The working directory is not a directory we can enter.
    #[error("working directory `{}` cannot be used", cwd.display())]
    WorkingDirectory {
        /// As configured.
        cwd: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No such program.
    #[error("command `{command}` was not found")]
    NotFound {
        /// As configured.
        command: String,
    },
    /// The file is there, the program named in its first line is not.
    #[error("the interpreter of `{command}` was not found")]
    InterpreterNotFound {
        /// As configured.
        command: String,
    },
    /// The file is there and may not be executed.
    #[error("command `{command}` is not executable")]
    NotExecutable {
        /// As configured.
        command: String,
    },
    /// Anything else the system refused.
    #[error("command `{command}` did not start")]
    Start {
        /// As configured.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be put into a control group.
    #[error("a control group for its limits cannot be made")]
    Confine {
        /// What the system says.
        source: io::Error,
    },
    /// A resource limit was refused.
    #[error("the limit of {wanted} on {name} was refused")]
    Limit {
        /// Which resource.
        name: &'static str,
        /// As configured, in the unit of the resource.
        wanted: u64,
        /// What the system says.
        source: io::Error,
    },
}

impl SpawnError {
    /// Finds out what a failed start means; the system says 'not found' for three different things.
    pub(super) fn explain(spec: &ChildSpec, source: io::Error) -> Self {
        if let Some(cwd) = &spec.cwd
            && let Err(source) = cwd.read_dir()
        {
            return Self::WorkingDirectory {
                cwd: cwd.clone(),
                source,
            };
        }
        let command = spec.command.clone();
        let path = spec
            .cwd
            .as_deref()
            .map_or_else(PathBuf::new, PathBuf::from)
            .join(&command);
        match source.kind() {
            io::ErrorKind::NotFound if is_path(&command) && path.exists() => {
                Self::InterpreterNotFound { command }
            }
            io::ErrorKind::NotFound => Self::NotFound { command },
            io::ErrorKind::PermissionDenied => Self::NotExecutable { command },
            _ => Self::Start { command, source },
        }
    }

    /// What to look at, as a sentence.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::WorkingDirectory { .. } => {
                Some("`cwd` must name a directory that exists and can be read")
            }
            Self::NotFound { command } if is_path(command) => {
                Some("the path must exist; a relative one is taken from `cwd`")
            }
            Self::NotFound { .. } => Some(
                "install it, give its full path, or set `PATH` in `env`: a service has often another `PATH` than a shell",
            ),
            Self::InterpreterNotFound { .. } => {
                Some("the first line of the script (`#!`) names a program that is not installed")
            }
            Self::NotExecutable { .. } => Some(
                "it must be a file with the execute permission (`chmod +x`), or be run by its interpreter",
            ),
            Self::Limit { .. } => Some("lower the limit, or raise the hard limit of the service"),
            Self::Confine { .. } => {
                Some("look at `cgroup.max.descendants` and the rights of our control group")
            }
            Self::Start { .. } => None,
        }
    }
}
