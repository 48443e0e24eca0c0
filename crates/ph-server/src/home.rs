//! The data directory: one directory, one owner.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The data directory, locked while this lives.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Another process owns it.
    #[error("another pilothouse uses the data directory `{}`", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made or written.
    #[error("the data directory `{}` cannot be used", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Home {
    /// Makes and locks `path`.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let unusable = |source| HomeError::Unusable {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(HomeError::Taken {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Where log files go.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
