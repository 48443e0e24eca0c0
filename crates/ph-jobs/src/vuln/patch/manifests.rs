//! What says which versions are wanted, as it was before a command that did not help.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const NAMES: &[&str] = &[
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "Pipfile",
    "Pipfile.lock",
    "Cargo.toml",
    "Cargo.lock",
    "go.mod",
    "go.sum",
];

/// Manifests and lockfiles of a folder.
pub(super) struct Manifests(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Manifests {
    /// - `file`: one more of them, by its path.
    pub(super) fn read(folder: &Path, file: &str) -> io::Result<Self> {
        let own = file.rsplit('/').next().unwrap_or(file);
        let names = NAMES.iter().copied().filter(|name| *name != own);
        let all = names.chain([own]).map(|name| {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(bytes) => Ok((path, Some(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path, None)),
                Err(error) => Err(error),
            }
        });
        Ok(Self(all.collect::<io::Result<_>>()?))
    }

    pub(super) fn restore(self) -> io::Result<()> {
        for (path, bytes) in self.0 {
            match bytes {
                Some(bytes) => fs::write(path, bytes)?,
                None if path.exists() => fs::remove_file(path)?,
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_made_or_removed_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("package.json"), "{}").unwrap();
        fs::write(at("requirements-x.txt"), "a==1").unwrap();
        let saved = Manifests::read(dir.path(), "srv/requirements-x.txt").unwrap();
        fs::write(at("package.json"), "{\"overrides\": {}}").unwrap();
        fs::remove_file(at("requirements-x.txt")).unwrap();
        fs::write(at("yarn.lock"), "").unwrap();
        saved.restore().unwrap();
        assert_eq!(fs::read_to_string(at("package.json")).unwrap(), "{}");
        assert_eq!(
            fs::read_to_string(at("requirements-x.txt")).unwrap(),
            "a==1"
        );
        assert!(!at("yarn.lock").exists());
    }
}
