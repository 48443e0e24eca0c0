//! A copy of a folder to work on. What is not finished is marked as such, and goes away with the value.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use super::environment;
use super::original::Original;

/// The most files and folders that are copied.
pub const COPY_ENTRIES_MAX: usize = 500_000;
/// The most bytes that are copied.
pub const COPY_BYTES_MAX: u64 = 4 << 30;
/// So deep are folders followed.
const DEPTH_MAX: usize = 64;
/// Lies in a copy until it is finished.
const MARK: &str = ".pilothouse-unfinished";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Something lies there already.
    #[error(
        "`{}` is there already: remove it, or name another folder with `--copy`", .0.display()
    )]
    Exists(PathBuf),
    /// A copy that was begun lies there.
    #[error(
        "`{at}` is a copy that was not finished: if no other `vuln patch --apply` is at work there, remove it (rm -r '{at}')",
        at = .0.display()
    )]
    Unfinished(PathBuf),
    /// One within the other.
    #[error("the copy `{}` would lie within what is copied: name another folder with `--copy`", .0.display())]
    Within(PathBuf),
    /// Package managers would take the copy for a part of what lies above it, and change that.
    #[error("`{}` makes a workspace of the folders below it, to which the copy would belong: name a folder elsewhere with `--copy`", .0.display())]
    Workspace(PathBuf),
    /// A folder elsewhere that a package manager would write into.
    #[error("`{}` is a link to the folder `{}`, which is not part of the copy, so the upgrade could change it", link.display(), target.display())]
    Link {
        /// The link.
        link: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
    /// More than is copied.
    #[error("it is more than {COPY_ENTRIES_MAX} files or {} GiB or {DEPTH_MAX} folders deep, which is not copied", COPY_BYTES_MAX >> 30)]
    TooMuch,
    /// A file cannot be read or written.
    #[error("`{}` cannot be copied", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A copy. Dropped before [`Copy::keep`] it is removed.
#[derive(Debug)]
pub(super) struct Copy {
    root: PathBuf,
    is_kept: bool,
}

impl Copy {
    /// Copies a folder.
    ///
    /// # Errors
    /// The place is taken, what is copied is too much or leads elsewhere, or a file cannot be copied; then nothing is left.
    pub(super) fn make(original: &Original, to: &Path) -> Result<Self, CopyError> {
        let (from, to) = places(original, to)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CopyError::File { path, source }
        };
        fs::create_dir(&to).map_err(failed(&to))?;
        let copy = Self {
            root: to.clone(),
            is_kept: false,
        };
        fs::write(to.join(MARK), "").map_err(failed(&to))?;
        let mut work = Work {
            from: from.clone(),
            to: to.clone(),
            entries: 0,
            bytes: 0,
            bounds: (COPY_ENTRIES_MAX, COPY_BYTES_MAX),
            environments: Vec::new(),
        };
        work.folder(Path::new(""), 0, original.is_only_modules)?;
        for below in &work.environments {
            environment::settle(&original.root, &from, &to, below).map_err(failed(&to))?;
        }
        Ok(copy)
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// It is finished.
    pub(super) fn keep(mut self) -> io::Result<PathBuf> {
        fs::remove_file(self.root.join(MARK))?;
        self.is_kept = true;
        Ok(self.root.clone())
    }

    /// Removes it.
    pub(super) fn discard(mut self) -> io::Result<()> {
        self.is_kept = true;
        fs::remove_dir_all(&self.root)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed keeps its mark.
            drop(fs::remove_dir_all(&self.root));
        }
    }
}

/// Both, without links in them.
fn places(original: &Original, to: &Path) -> Result<(PathBuf, PathBuf), CopyError> {
    let real = |path: &Path| {
        path.canonicalize().map_err(|source| CopyError::File {
            path: path.to_owned(),
            source,
        })
    };
    let from = real(&original.root)?;
    if to.symlink_metadata().is_ok() {
        return Err(if to.join(MARK).exists() {
            CopyError::Unfinished(to.to_owned())
        } else {
            CopyError::Exists(to.to_owned())
        });
    }
    let parent = to.parent().filter(|parent| *parent != Path::new(""));
    let parent = real(parent.unwrap_or(Path::new(".")))?;
    let to = parent.join(to.file_name().unwrap_or_default());
    if to.starts_with(&from) || from.starts_with(&to) {
        return Err(CopyError::Within(to));
    }
    match parent.ancestors().find_map(workspace) {
        Some(file) => Err(CopyError::Workspace(file)),
        None => Ok((from, to)),
    }
}

/// The file that makes a folder a workspace.
fn workspace(folder: &Path) -> Option<PathBuf> {
    [
        ("pnpm-workspace.yaml", ""),
        ("go.work", ""),
        ("package.json", "\"workspaces\""),
        ("Cargo.toml", "[workspace"),
        ("pyproject.toml", "[tool.uv.workspace]"),
    ]
    .into_iter()
    .map(|(name, word)| (folder.join(name), word))
    .find(|(file, word)| fs::read_to_string(file).is_ok_and(|text| text.contains(word)))
    .map(|(file, _)| file)
}

struct Work {
    from: PathBuf,
    to: PathBuf,
    entries: usize,
    bytes: u64,
    /// Of entries and bytes.
    bounds: (usize, u64),
    /// Virtual environments, below the folder.
    environments: Vec<PathBuf>,
}

impl Work {
    /// - `is_only_modules`: of this folder only its files and `node_modules`.
    fn folder(
        &mut self,
        below: &Path,
        depth: usize,
        is_only_modules: bool,
    ) -> Result<(), CopyError> {
        if depth > DEPTH_MAX {
            return Err(CopyError::TooMuch);
        }
        let (from, to) = (self.from.join(below), self.to.join(below));
        let failed = |source| CopyError::File {
            path: from.clone(),
            source,
        };
        for entry in fs::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name();
            if is_only_modules && kind.is_dir() && name != "node_modules" {
                continue;
            }
            self.entries += 1;
            if self.entries > self.bounds.0 {
                return Err(CopyError::TooMuch);
            }
            let below = below.join(&name);
            let target = to.join(&name);
            if kind.is_symlink() {
                self.link(&below, depth)?;
            } else if kind.is_dir() {
                fs::create_dir(&target).map_err(failed)?;
                self.folder(&below, depth + 1, false)?;
            } else if kind.is_file() {
                if name == "pyvenv.cfg" {
                    self.environments.extend(below.parent().map(Path::to_owned));
                }
                self.file(&entry.path(), &target)?;
            }
        }
        // Whoever upgrades writes there.
        let mode = fs::metadata(&from).map_err(failed)?.permissions().mode() | 0o700;
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).map_err(failed)
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<(), CopyError> {
        let copied = fs::metadata(from).and_then(|of| {
            self.bytes = self.bytes.saturating_add(of.len());
            match self.bytes <= self.bounds.1 {
                true => fs::copy(from, to).map(Some),
                false => Ok(None),
            }
        });
        match copied {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(CopyError::TooMuch),
            Err(source) => Err(CopyError::File {
                path: from.to_owned(),
                source,
            }),
        }
    }

    /// Links stay within the copy. Of what lies elsewhere only programs are linked, and files are copied.
    fn link(&mut self, below: &Path, depth: usize) -> Result<(), CopyError> {
        let (from, to) = (self.from.join(below), self.to.join(below));
        let failed = |source| CopyError::File {
            path: from.clone(),
            source,
        };
        let target = fs::read_link(&from).map_err(failed)?;
        if target.is_relative() && stays(&target, depth) {
            return symlink(&target, &to).map_err(failed);
        }
        let Ok(real) = from.canonicalize() else {
            // It leads nowhere.
            return Ok(());
        };
        if let Ok(within) = real.strip_prefix(&self.from) {
            return symlink(self.to.join(within), &to).map_err(failed);
        }
        if real.is_dir() {
            return Err(CopyError::Link {
                link: from,
                target: real,
            });
        }
        let folder = from.parent().unwrap_or(&self.from);
        if folder.file_name().is_some_and(|name| name == "bin") {
            // The interpreter of an environment.
            return symlink(folder.join(&target), &to).map_err(failed);
        }
        self.file(&real, &to)
    }
}

/// Whether a relative path from a folder so deep never leaves the first one.
fn stays(target: &Path, depth: usize) -> bool {
    let mut depth = Some(depth);
    for part in target.components() {
        depth = match part {
            Component::ParentDir => depth.and_then(|depth| depth.checked_sub(1)),
            Component::Normal(_) => depth.map(|depth| depth + 1),
            _ => depth,
        };
    }
    depth.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(root: &Path) -> Original {
        Original {
            root: root.to_owned(),
            is_only_modules: false,
        }
    }

    fn put(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(root: &Path, name: &str) -> String {
        fs::read_to_string(root.join(name)).unwrap()
    }

    #[test]
    fn links_stay_within_the_copy_or_lead_to_programs() {
        let dir = tempfile::tempdir().unwrap();
        let (app, to) = (dir.path().join("app"), dir.path().join("copy"));
        put(&app, "node_modules/a/cli.js", "a");
        put(&app, "bin/x", "");
        put(dir.path(), "config.json", "outside");
        put(dir.path(), "python", "an interpreter");
        fs::create_dir(app.join("node_modules/.bin")).unwrap();
        symlink("../a/cli.js", app.join("node_modules/.bin/a")).unwrap();
        symlink(app.join("node_modules/a"), app.join("absolute")).unwrap();
        symlink("../config.json", app.join("config.json")).unwrap();
        symlink(dir.path().join("python"), app.join("bin/python")).unwrap();
        symlink("/nowhere/at/all", app.join("broken")).unwrap();
        let copy = Copy::make(&original(&app), &to).unwrap();
        assert!(to.join(MARK).exists());
        let to = copy.keep().unwrap();
        fs::remove_dir_all(&app).unwrap();
        assert!(!to.join(MARK).exists());
        assert_eq!(read(&to, "node_modules/.bin/a"), "a");
        assert_eq!(read(&to, "absolute/cli.js"), "a");
        assert!(
            fs::symlink_metadata(to.join("config.json"))
                .unwrap()
                .is_file()
        );
        assert_eq!(read(&to, "bin/python"), "an interpreter");
        assert!(
            fs::symlink_metadata(to.join("bin/python"))
                .unwrap()
                .is_symlink()
        );
        assert!(fs::symlink_metadata(to.join("broken")).is_err());
    }

    #[test]
    fn nothing_is_left_of_one_that_fails() {
        let dir = tempfile::tempdir().unwrap();
        let (app, to) = (dir.path().join("app"), dir.path().join("copy"));
        put(&app, "a", "a");
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        symlink("../elsewhere", app.join("node_modules")).unwrap();
        let error = Copy::make(&original(&app), &to).unwrap_err();
        assert!(matches!(error, CopyError::Link { .. }), "{error}");
        assert!(!to.exists());
        fs::remove_file(app.join("node_modules")).unwrap();
        drop(Copy::make(&original(&app), &to).unwrap());
        assert!(!to.exists());
        Copy::make(&original(&app), &to).unwrap().discard().unwrap();
        assert!(!to.exists());
    }

    #[test]
    fn what_lies_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (app, to) = (dir.path().join("app"), dir.path().join("copy"));
        put(&app, "a", "a");
        put(&to, "b", "b");
        let of = original(&app);
        let exists = Copy::make(&of, &to).unwrap_err();
        assert!(matches!(exists, CopyError::Exists(_)), "{exists}");
        put(&to, MARK, "");
        let unfinished = Copy::make(&of, &to).unwrap_err();
        assert!(
            matches!(unfinished, CopyError::Unfinished(_)),
            "{unfinished}"
        );
        assert_eq!(read(&to, "b"), "b");
        let within = Copy::make(&of, &app.join("copy")).unwrap_err();
        assert!(matches!(within, CopyError::Within(_)), "{within}");
        put(dir.path(), "package.json", r#"{"workspaces": ["*"]}"#);
        let workspace = Copy::make(&of, &dir.path().join("new")).unwrap_err();
        assert!(matches!(workspace, CopyError::Workspace(_)), "{workspace}");
    }

    #[test]
    fn it_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let (app, to) = (dir.path().join("app"), dir.path().join("copy"));
        put(&app, "a/one", "12345");
        put(&app, "a/two", "12345");
        for (bounds, is_enough) in [((3, 10), true), ((2, 10), false), ((3, 9), false)] {
            fs::create_dir(&to).unwrap();
            let mut work = Work {
                from: app.clone(),
                to: to.clone(),
                entries: 0,
                bytes: 0,
                bounds,
                environments: Vec::new(),
            };
            let done = work.folder(Path::new(""), 0, false);
            assert_eq!(done.is_ok(), is_enough, "{bounds:?}");
            fs::remove_dir_all(&to).unwrap();
        }
    }

    #[test]
    fn relative_paths_are_followed_by_their_words() {
        for (target, depth, want) in [
            ("../a/b", 1, true),
            ("../a", 0, false),
            ("a/../../b", 0, false),
            ("../../c/../d", 2, true),
            ("./x", 0, true),
        ] {
            assert_eq!(stays(Path::new(target), depth), want, "{target}");
        }
    }
}
