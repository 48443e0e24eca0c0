//! What can go wrong with series.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store of series did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The file system refused. Of a scrape nothing was kept.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of a later version, or none of ours.
    #[error("`{}` is no {kind} that this version reads", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
    },
    /// Blocks could not be written for so long that memory would run out. Of the scrape nothing was kept.
    #[error("{samples} samples wait to be written into a block: no more are taken")]
    Behind {
        /// Samples in memory.
        samples: u64,
    },
    /// The thread that writes blocks cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl SeriesError {
    pub(super) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether it is for lack of room on the disk.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::Foreign { .. } | Self::Behind { .. } | Self::Thread(_) => false,
        }
    }
}

/// A place in a file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesDamage {
    /// The file's name, without directory.
    pub file: String,
    /// Where the damage begins.
    pub offset: u64,
    /// How many bytes cannot be used.
    pub bytes: u64,
    /// What is wrong, and what was lost by it.
    pub problem: String,
}

impl std::fmt::Display for SeriesDamage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            file,
            offset,
            bytes,
            problem,
        } = self;
        write!(f, "{file}: {bytes} bytes at {offset}: {problem}")
    }
}
