//! The one directory that files are served from.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::Errno;

use super::ToolError;

/// An open directory. Paths are resolved from its descriptor, and the kernel
/// refuses those that leave it, whatever happens to links meanwhile.
pub(crate) struct Root {
    directory: OwnedFd,
    path: PathBuf,
    /// How long a look at a file takes; longer where it really does.
    stat_delay: Duration,
    /// The time that is still to be waited, held by the one look that there is at a time, as a
    /// network disk on one connection has it. Negative after a wait that was longer than asked for.
    owed_nanos: Mutex<i64>,
}

/// Shorter waits are put together: a thread that sleeps for less wakes up much too late.
const WAIT_NANOS_MIN: i64 = 2_000_000;
/// So much of a wait that was too long is given back.
const GIVEN_BACK_NANOS_MAX: i64 = 20_000_000;

impl Root {
    /// - errors: no such directory, or it cannot be read.
    pub(crate) fn open(path: &Path, stat_delay: Duration) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let directory = openat(
            CWD,
            &path,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self {
            directory,
            path,
            stat_delay,
            owed_nanos: Mutex::new(0),
        })
    }

    /// Looks at a file of a directory below the root.
    #[expect(
        clippy::disallowed_methods,
        reason = "a disk that is said to be slow is waited for, on a thread for what blocks"
    )]
    pub(super) fn stat(&self, directory: impl AsFd, name: &OsStr) -> Result<Stat, Errno> {
        let look = || statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
        if self.stat_delay.is_zero() {
            return look();
        }
        let mut owed = self
            .owed_nanos
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        let found = look();
        *owed += nanos(self.stat_delay) - nanos(begin.elapsed());
        if *owed >= WAIT_NANOS_MIN {
            let begin = Instant::now();
            std::thread::sleep(Duration::from_nanos(owed.unsigned_abs()));
            *owed -= nanos(begin.elapsed());
        }
        *owed = (*owed).max(-GIVEN_BACK_NANOS_MAX);
        found
    }

    /// Its real path, for people.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file below the root for reading. Links are followed as long as they stay below.
    pub(super) fn file(&self, path: &str) -> Result<File, ToolError> {
        let relative = relative(path)?;
        // Without NONBLOCK, opening a named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        self.resolve(&relative, flags, ResolveFlags::empty())
            .map(File::from)
            .map_err(|errno| {
                let path = path.to_owned();
                match errno {
                    Errno::XDEV => ToolError::PathOutside { path },
                    Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG => {
                        ToolError::PathMissing { path }
                    }
                    Errno::NXIO => ToolError::PathNotFile { path },
                    other => ToolError::File {
                        path,
                        source: other.into(),
                    },
                }
            })
    }

    /// Opens a directory below the root; an empty path is the root. No links are followed.
    pub(super) fn directory(&self, relative: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.resolve(relative, flags, ResolveFlags::NO_SYMLINKS)
    }

    fn resolve(
        &self,
        relative: &Path,
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let relative = if relative.as_os_str().is_empty() {
            Path::new(".")
        } else {
            relative
        };
        let flags = flags | OFlags::CLOEXEC;
        match openat2(
            &self.directory,
            relative,
            flags,
            Mode::empty(),
            resolve | ResolveFlags::BENEATH,
        ) {
            // Kernels before 5.6, and sandboxes that do not know the call.
            Err(Errno::NOSYS) => self.resolve_by_real_path(relative, flags),
            result => result,
        }
    }

    /// The second best: resolve first, look, then open what was looked at.
    fn resolve_by_real_path(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let real = self.path.join(relative).canonicalize().map_err(|error| {
            error
                .raw_os_error()
                .map_or(Errno::IO, Errno::from_raw_os_error)
        })?;
        if !real.starts_with(&self.path) {
            return Err(Errno::XDEV);
        }
        openat(CWD, &real, flags | OFlags::NOFOLLOW, Mode::empty())
    }
}

/// Of spans far below the 292 years that fit.
fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// A path as a model gives it: below the root by its form alone.
fn relative(path: &str) -> Result<PathBuf, ToolError> {
    let wrong = || ToolError::PathForm {
        path: path.to_owned(),
    };
    let mut relative = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => relative.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(wrong()),
        }
    }
    if path.contains('\0') || relative.as_os_str().is_empty() {
        Err(wrong())
    } else {
        Ok(relative)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn path_forms() {
        for good in ["a", "./a", "a/b.c", "a//b", "..a"] {
            assert!(relative(good).is_ok(), "{good:?}");
        }
        for bad in ["", ".", "/etc/passwd", "..", "a/../b", "a/..", "a\0b"] {
            assert!(
                matches!(relative(bad), Err(ToolError::PathForm { .. })),
                "{bad:?}"
            );
        }
    }

    /// Both ways to resolve give the same verdicts.
    #[test]
    fn links_stay_below() {
        let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        std::fs::create_dir(inside.path().join("d")).unwrap();
        std::fs::write(inside.path().join("d/file"), "f").unwrap();
        symlink(
            outside.path().join("secret"),
            inside.path().join("absolute"),
        )
        .unwrap();
        symlink(outside.path(), inside.path().join("up")).unwrap();
        symlink("d/file", inside.path().join("within")).unwrap();
        let root = Root::open(inside.path(), Duration::ZERO).unwrap();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        for (path, want) in [
            ("d/file", None),
            ("within", None),
            ("absolute", Some(Errno::XDEV)),
            ("up/secret", Some(Errno::XDEV)),
            ("missing", Some(Errno::NOENT)),
        ] {
            let path = Path::new(path);
            assert_eq!(
                root.resolve(path, flags, ResolveFlags::empty()).err(),
                want,
                "{path:?}"
            );
            assert_eq!(
                root.resolve_by_real_path(path, flags).err(),
                want,
                "{path:?} by real path"
            );
        }
    }
}
