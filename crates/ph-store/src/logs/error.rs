//! What can go wrong, and what was found damaged.

use super::Seq;
use std::io;
use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nothing more is taken, since what was taken before cannot be written.
    #[error("{records} records wait to be written, no more are taken")]
    BufferFull {
        /// Records taken and not written.
        records: usize,
    },
    /// Nothing more is taken, since too many files wait to be sealed.
    #[error("{files} files wait to be sealed, no more records are taken")]
    SealingBehind {
        /// Files that wait.
        files: usize,
    },
    /// Nothing more is taken: the store is full of records that a sink has not sent.
    #[error("the store is full of records that wait for a sink, no more are taken")]
    Held,
    /// A record that cannot be kept.
    #[error("a record of {bytes} bytes is longer than the {max} that are kept")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A record that is not one line.
    #[error("a record contains a line feed")]
    NotOneLine,
    /// The files were written by a later version.
    #[error("`{}` has format {found}, this program knows {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The last one known.
        known: u32,
    },
    /// The background thread could not be started.
    #[error("cannot start the thread that seals files")]
    Thread(#[source] io::Error),
}

impl StoreError {
    /// For `map_err`.
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// `true` when room on the disk would help.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ),
            _ => false,
        }
    }
}

/// Records that cannot be read any more. The rest of their file can.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The file, without directory.
    pub file: String,
    /// The block in it, counted from 0; `None` for a write-ahead file or a file as a whole.
    pub block: Option<usize>,
    /// First byte of what is damaged.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// First and last of the records, where that is known.
    pub records: Option<(Seq, Seq)>,
    /// What is wrong.
    pub problem: &'static str,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(block) = self.block {
            write!(f, " block {block}")?;
        }
        write!(
            f,
            ": {} bytes at {}: {}",
            self.bytes, self.offset, self.problem
        )?;
        if let Some((first, last)) = self.records {
            write!(f, " (records {first} to {last})")?;
        }
        Ok(())
    }
}
