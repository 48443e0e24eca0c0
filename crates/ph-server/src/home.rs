//! The data directory: one directory, one owner.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No command has it for longer.
const TAKEN_MAX: Duration = Duration::from_secs(3);

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

#[expect(
    clippy::disallowed_methods,
    reason = "before a daemon has workers, and in commands that have none"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

impl Home {
    /// Makes and locks `path`. A command that works on it while no daemon runs has it for a moment, so for a
    /// moment it is waited for; this blocks the thread.
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
        let begin = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begin.elapsed() < TAKEN_MAX => pause(),
                Err(TryLockError::WouldBlock) => {
                    return Err(HomeError::Taken {
                        path: path.to_owned(),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where log files go.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Where lines and spans are kept.
    pub fn store_logs(&self) -> PathBuf {
        self.path.join("store/logs")
    }

    /// Where samples are kept.
    pub fn store_series(&self) -> PathBuf {
        self.path.join("store/series")
    }

    /// The file that remembers how far followed log files were read.
    pub fn tails(&self) -> PathBuf {
        self.path.join("tails")
    }

    /// The small state: silences, and what was told to whom.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state.db")
    }

    /// The API keys.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys.db")
    }

    /// What servers' tools are.
    pub(crate) fn pins(&self) -> PathBuf {
        self.path.join("pins.db")
    }

    /// What becomes of vulnerabilities.
    pub(crate) fn cases(&self) -> PathBuf {
        Self::cases_of(&self.path)
    }

    /// The same of a data directory that is not opened.
    #[must_use]
    pub fn cases_of(path: &Path) -> PathBuf {
        path.join("cases.db")
    }

    /// Where sinks keep how far they are.
    pub fn sinks(&self) -> PathBuf {
        self.path.join("sinks")
    }

    /// Writes where the admin listener is, for commands beside this process: an address, with `https://` before it
    /// where there is TLS. Whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_admin_address(&self, address: SocketAddr, with_tls: bool) -> io::Result<()> {
        let next = self.path.join("admin.addr.new");
        let scheme = if with_tls { "https://" } else { "" };
        fs::write(&next, format!("{scheme}{address}\n"))?;
        fs::rename(&next, self.admin_address())
    }

    /// Takes it away; a file that is not there is fine.
    pub fn remove_admin_address(&self) {
        let _gone = fs::remove_file(self.admin_address());
    }

    fn admin_address(&self) -> PathBuf {
        self.path.join("admin.addr")
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_command_that_has_it_for_a_moment_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::open(dir.path()).unwrap();
        std::thread::scope(|threads| {
            let (begun, begins) = mpsc::sync_channel(1);
            let second = threads.spawn(move || {
                begun.send(()).unwrap();
                Home::open(dir.path()).map(drop)
            });
            begins.recv().unwrap();
            drop(first);
            assert!(second.join().unwrap().is_ok());
        });
    }
}
