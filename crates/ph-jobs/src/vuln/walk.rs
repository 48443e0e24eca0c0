//! Reading a folder: lockfiles, and installed trees package by package.
//!
//! Links are not followed: what they lead to within the folder is met where it lies, and what they lead to outside of it
//! is not part of it. One that a package is reached by is then named as not looked at.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ph_inventory::installed::{self, Installed};
use ph_inventory::{Inventory, Unchecked, limits, program, read, sbom};

/// The most files and folders that are looked at in one folder.
pub const ENTRIES_MAX: usize = 2_000_000;
/// The most folders in one another.
pub const DEPTH_MAX: usize = 64;

/// Folders in which nothing is that runs.
const IGNORED: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    "__pycache__",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".pytest_cache",
];

/// What was read of a folder.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// What lockfiles and SBOMs say.
    pub locked: Inventory,
    /// What is installed.
    pub installed: Inventory,
}

struct Walk {
    root: PathBuf,
    entries: usize,
    parts: Vec<Inventory>,
    installed: Installed,
    unchecked: Vec<Unchecked>,
    /// Folders with a manifest that names dependencies, and its name.
    manifests: Vec<(String, &'static str)>,
    /// Folders in which dependencies are locked or installed: ecosystem by a word, folder.
    settled: BTreeSet<(&'static str, String)>,
}

/// Reads everything below `root`.
///
/// # Errors
/// `root` cannot be read. What is wrong below it is named in the inventory.
pub(super) fn tree(root: &Path) -> io::Result<Tree> {
    let mut walk = Walk::of(root)?;
    walk.folder("", 0);
    Ok(walk.finish())
}

/// Reads `root/node_modules` and the files beside it.
///
/// # Errors
/// As [`tree`].
pub(super) fn modules(root: &Path) -> io::Result<Tree> {
    let mut walk = Walk::of(root)?;
    let entries = fs::read_dir(&walk.root)?.flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut names: Vec<_> = files
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    for name in names {
        walk.file(&name, &name);
    }
    walk.below("node_modules", "node_modules", 0);
    Ok(walk.finish())
}

/// Reads one file, by its name.
///
/// # Errors
/// It cannot be read, or is not what its name says.
pub(super) fn file(path: &Path) -> Result<Inventory, String> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let bytes = bytes_of(path).map_err(|why| format!("`{}`: {why}", path.display()))?;
    let known = match read::file(&name, &bytes) {
        Ok(None) => sbom::read(&name, &bytes),
        known => known,
    };
    let known = match known {
        Ok(None) => program::read(&name, &bytes),
        known => known,
    };
    known.map_err(|error| error.to_string())?.ok_or_else(|| {
        format!(
            "`{}` is no lockfile that is known by its name, no SBOM and no program that lists what it was built from; name the folder that it is in, or a lockfile such as `package-lock.json`, `yarn.lock`, `uv.lock` or `Cargo.lock`",
            path.display()
        )
    })
}

impl Walk {
    fn of(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        fs::read_dir(&root)?;
        Ok(Self {
            root,
            entries: 0,
            parts: Vec::new(),
            installed: Installed::default(),
            unchecked: Vec::new(),
            manifests: Vec::new(),
            settled: BTreeSet::new(),
        })
    }

    fn folder(&mut self, relative: &str, depth: usize) {
        let path = self.root.join(relative);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => return self.note(relative, format!("it cannot be read: {error}")),
        };
        let mut names: Vec<_> = entries
            .flatten()
            .map(|entry| (entry.file_name(), entry.file_type()))
            .collect();
        // In the order of names, so that the same folder gives the same report.
        names.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind) in names {
            if self.entries == ENTRIES_MAX {
                return;
            }
            self.entries += 1;
            if self.entries == ENTRIES_MAX {
                return self.note(
                    relative,
                    format!(
                        "the folder has more than {ENTRIES_MAX} files, the rest was not looked at"
                    ),
                );
            }
            let Some(name) = name.to_str() else {
                continue;
            };
            let below = if relative.is_empty() {
                name.to_owned()
            } else {
                format!("{relative}/{name}")
            };
            match kind {
                Ok(kind) if kind.is_symlink() => self.link(&below, name),
                Ok(kind) if kind.is_dir() => self.below(&below, name, depth),
                Ok(kind) if kind.is_file() => self.file(&below, name),
                _ => {}
            }
        }
    }

    fn below(&mut self, relative: &str, name: &str, depth: usize) {
        if IGNORED.contains(&name) {
            return;
        }
        if depth == DEPTH_MAX {
            return self.note(
                relative,
                format!("it is more than {DEPTH_MAX} folders deep"),
            );
        }
        let parent = parent(relative).to_owned();
        match name {
            "node_modules" => {
                self.settled.insert(("npm", parent));
            }
            "site-packages" | "dist-packages" => {
                self.settled.insert(("python", String::new()));
            }
            _ => {}
        }
        self.folder(relative, depth + 1);
    }

    fn file(&mut self, relative: &str, name: &str) {
        let is_installed = installed::is_known(relative);
        let is_locked = !is_installed && !is_within_installed(relative) && read::is_known(relative);
        let manifest = (!is_within_installed(relative))
            .then(|| manifest(name))
            .flatten();
        if !is_installed && !is_locked && manifest.is_none() {
            return;
        }
        let bytes = match bytes_of(&self.root.join(relative)) {
            Ok(bytes) => bytes,
            Err(why) => return self.note(relative, why),
        };
        if is_installed {
            if let Err(error) = self.installed.take(relative, &bytes) {
                self.unchecked.push(unchecked(relative, &error.to_string()));
            }
        } else if is_locked {
            match read::file(relative, &bytes) {
                Ok(Some(part)) => {
                    self.settled
                        .extend(word_of(name).map(|word| (word, parent(relative).to_owned())));
                    self.parts.push(part);
                }
                Ok(None) => {}
                Err(error) => self.unchecked.push(unchecked(relative, &error.to_string())),
            }
        }
        if let Some(manifest) = manifest
            && manifest.names_dependencies(&bytes)
        {
            self.manifests
                .push((parent(relative).to_owned(), manifest.name));
        }
    }

    /// A link is named only where a package or lockfile is missed by not following it.
    fn link(&mut self, relative: &str, name: &str) {
        let is_package = parent(relative)
            .rsplit('/')
            .next()
            .is_some_and(|folder| folder == "node_modules" || folder.starts_with('@'))
            && is_within_installed(relative);
        let is_tree = matches!(name, "node_modules" | "site-packages");
        if !is_package && !is_tree && !read::is_known(relative) {
            return;
        }
        match self.root.join(relative).canonicalize() {
            Ok(target) if target.starts_with(&self.root) => {}
            Ok(target) => self.note(
                relative,
                format!(
                    "it is a link that leads out of the folder, to `{}`: scan that, too",
                    target.display()
                ),
            ),
            Err(_) => self.note(relative, "it is a link to nothing".to_owned()),
        }
    }

    fn note(&mut self, relative: &str, why: String) {
        let what = if relative.is_empty() {
            self.root.display().to_string()
        } else {
            relative.to_owned()
        };
        self.unchecked.push(Unchecked { what, why });
    }

    fn finish(mut self) -> Tree {
        for (folder, name) in std::mem::take(&mut self.manifests) {
            let word = if name == "package.json" {
                "npm"
            } else {
                "python"
            };
            let above = std::iter::successors(Some(folder.as_str()), |one| {
                (!one.is_empty()).then(|| parent(one))
            });
            let is_settled = above
                .into_iter()
                .any(|one| self.settled.contains(&(word, one.to_owned())));
            if !is_settled {
                let what = if folder.is_empty() {
                    name.to_owned()
                } else {
                    format!("{folder}/{name}")
                };
                let why = "it names dependencies, and there is neither a lockfile nor an installed tree that says their versions";
                self.unchecked.push(unchecked(&what, why));
            }
        }
        let beyond = self.unchecked.len().saturating_sub(limits::UNCHECKED);
        self.unchecked.truncate(limits::UNCHECKED);
        if beyond > 0 {
            self.unchecked.push(unchecked(
                "…",
                &format!("{beyond} more could not be checked"),
            ));
        }
        let mut locked = Inventory::join(self.parts);
        locked.unchecked.append(&mut self.unchecked);
        Tree {
            locked,
            installed: self.installed.finish(),
        }
    }
}

/// A file that names dependencies without their versions.
struct Manifest {
    name: &'static str,
}

fn manifest(name: &str) -> Option<Manifest> {
    let known = ["package.json", "pyproject.toml"];
    let name = known.into_iter().find(|known| *known == name)?;
    Some(Manifest { name })
}

impl Manifest {
    fn names_dependencies(&self, bytes: &[u8]) -> bool {
        if self.name == "package.json" {
            let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
            return ["dependencies", "optionalDependencies"]
                .iter()
                .any(|field| value[field].as_object().is_some_and(|all| !all.is_empty()));
        }
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().skip_while(|line| line.trim() != "[project]");
        let list = lines.find_map(|line| {
            line.trim()
                .strip_prefix("dependencies")?
                .trim_start()
                .strip_prefix('=')
        });
        list.is_some_and(|rest| rest.trim() != "[]")
    }
}

/// Which manifest a lockfile settles.
fn word_of(name: &str) -> Option<&'static str> {
    match name {
        "package-lock.json"
        | "npm-shrinkwrap.json"
        | "yarn.lock"
        | "pnpm-lock.yaml"
        | "bun.lock" => Some("npm"),
        "uv.lock" | "poetry.lock" | "Pipfile.lock" | "pdm.lock" => Some("python"),
        name if name.starts_with("pylock") || name.starts_with("requirements") => Some("python"),
        _ => None,
    }
}

/// Whether a path lies in what is installed: lockfiles there belong to others and are not what runs.
fn is_within_installed(relative: &str) -> bool {
    let is_tree = |part| matches!(part, "node_modules" | "site-packages" | "dist-packages");
    parent(relative).split('/').any(is_tree)
}

fn parent(relative: &str) -> &str {
    relative.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn unchecked(what: &str, why: &str) -> Unchecked {
    // Errors of readers begin with the file's name themselves.
    let why = why
        .strip_prefix(what)
        .map_or(why, |rest| rest.trim_start_matches([':', ' ']));
    Unchecked {
        what: what.to_owned(),
        why: why.to_owned(),
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let file = fs::File::open(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let max = u64::try_from(limits::FILE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = file.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() > limits::FILE_BYTES {
        return Err(format!(
            "it is larger than {} MiB",
            limits::FILE_BYTES >> 20
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const LOCK: &str =
        r#"{"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}"#;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(of: &Inventory) -> Vec<&str> {
        of.components.iter().map(|one| one.name.as_str()).collect()
    }

    #[test]
    fn trees_are_read_as_installed_and_nothing_outside_is() {
        let base = std::env::temp_dir().join(format!("ph-walk-{}", std::process::id()));
        let (root, outside) = (base.join("root"), base.join("outside"));
        put(&root, "package-lock.json", LOCK);
        put(
            &root,
            "node_modules/a/package.json",
            r#"{"name": "a", "version": "1.0.0"}"#,
        );
        // What others have locked for themselves does not run.
        put(&root, "node_modules/a/yarn.lock", "not read at all");
        put(&root, ".git/package-lock.json", "not read at all");
        // The lockfile above is npm's, and says nothing of it.
        put(
            &root,
            "loose/pyproject.toml",
            "[project]\ndependencies = [\"b\"]\n",
        );
        put(&root, "broken/uv.lock", "version = ");
        put(
            &outside,
            "package.json",
            r#"{"name": "c", "version": "1.0.0"}"#,
        );
        put(&outside, "package-lock.json", LOCK);
        symlink(&outside, root.join("node_modules/c")).unwrap();
        symlink(&outside, root.join("data")).unwrap();
        symlink(&root, root.join("around")).unwrap();
        let only = modules(&root).unwrap();
        assert_eq!(
            (names(&only.locked), names(&only.installed)),
            (vec!["a"], vec!["a"])
        );
        let found = tree(&root).unwrap();
        assert_eq!(names(&found.locked), ["a"]);
        assert_eq!(names(&found.installed), ["a"]);
        let mut unchecked: Vec<_> = found
            .locked
            .unchecked
            .iter()
            .map(|one| one.what.as_str())
            .collect();
        unchecked.sort_unstable();
        assert_eq!(
            unchecked,
            ["broken/uv.lock", "loose/pyproject.toml", "node_modules/c"]
        );
        fs::remove_dir_all(base).unwrap();
    }
}
