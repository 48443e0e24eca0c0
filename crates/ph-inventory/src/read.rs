//! Which reader a file belongs to, by its name.

use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Inventory, cargo, go, installed, npm, python, sbom};

/// A reader of one kind of file.
enum Reader {
    /// Of its text.
    Text(fn(Source<'_>) -> Result<Inventory, ReadError>),
    /// Of a file that is seen and not read, and why.
    Seen(&'static str),
}

/// Reads one file. `path` is relative to what is scanned, with `/`; it is what components and errors name.
///
/// None: not a file that is known by its name.
///
/// - errors: the first place where the file is not what its name says, or goes beyond a bound ([`crate::limits`]).
pub fn file(path: &str, bytes: &[u8]) -> Result<Option<Inventory>, ReadError> {
    match reader(path) {
        Some(Reader::Text(read)) => read(Source::of(path, bytes)?).map(Some),
        Some(Reader::Seen(why)) => Ok(Some(Inventory::only_unchecked(path, why))),
        None => installed::one(path, bytes),
    }
}

/// Whether [`file`] reads a file of this path.
#[must_use]
pub fn is_known(path: &str) -> bool {
    reader(path).is_some() || installed::is_known(path)
}

fn reader(path: &str) -> Option<Reader> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if let Some(why) = unread(name) {
        return Some(Reader::Seen(why));
    }
    Some(Reader::Text(match name {
        "package-lock.json" | "npm-shrinkwrap.json" => npm::package_lock,
        "yarn.lock" => npm::yarn,
        "pnpm-lock.yaml" => npm::pnpm,
        "bun.lock" => npm::bun,
        "uv.lock" => python::uv,
        "poetry.lock" => python::poetry,
        "pdm.lock" => python::pdm,
        "Pipfile.lock" => python::pipfile_lock,
        "Cargo.lock" => cargo::cargo_lock,
        "go.mod" => go::go_mod,
        "go.sum" => go::go_sum,
        _ if is_pylock(name) => python::pylock,
        _ if sbom::is_named(name) => sbom::named,
        _ if is_requirements(path, name) => python::requirements,
        _ => return None,
    }))
}

/// What lists packages in a way that is not read here: it is said, so that nobody takes it for clean.
fn unread(name: &str) -> Option<&'static str> {
    let of = |start: &str, end: &str| name.starts_with(start) && name.ends_with(end);
    Some(match name {
        "bun.lockb" => {
            "bun's binary lockfile; `bun install --save-text-lockfile` writes one that can be read"
        }
        "pom.xml" | "gradle.lockfile" | "build.gradle" | "build.gradle.kts" => {
            "packages of Java are not read; an SBOM of them is"
        }
        _ if of("", ".jar") || of("", ".war") => "programs of Java are not read",
        "Gemfile.lock" => "packages of Ruby are not read; an SBOM of them is",
        "composer.lock" => "packages of PHP are not read; an SBOM of them is",
        "packages.lock.json" => "packages of .NET are not read; an SBOM of them is",
        "mix.lock" => "packages of Elixir are not read; an SBOM of them is",
        "pubspec.lock" => "packages of Dart are not read; an SBOM of them is",
        "Package.resolved" => "packages of Swift are not read; an SBOM of them is",
        _ => return None,
    })
}

/// `pylock.toml`, `pylock.NAME.toml`.
fn is_pylock(name: &str) -> bool {
    let middle = name
        .strip_prefix("pylock.")
        .and_then(|rest| rest.strip_suffix("toml"));
    middle.is_some_and(|middle| middle.is_empty() || middle.ends_with('.'))
}

/// `requirements.txt`, `requirements-dev.txt`, `dev-requirements.txt`, `requirements/dev.txt`.
fn is_requirements(path: &str, name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".txt") else {
        return false;
    };
    let folder = path[..path.len() - name.len()].trim_end_matches('/');
    let is_in_folder = folder == "requirements" || folder.ends_with("/requirements");
    is_in_folder || stem.starts_with("requirements") || stem.ends_with("requirements")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for path in [
            "package-lock.json",
            "a/b/npm-shrinkwrap.json",
            "pylock.toml",
            "pylock.dev.toml",
            "requirements.txt",
            "x/requirements_dev.txt",
            "dev-requirements.txt",
            "requirements/base.txt",
            "bun.lockb",
            "pdm.lock",
        ] {
            assert!(is_known(path), "{path}");
        }
        for path in [
            "package.json",
            "pylocktoml",
            "pylock.xtoml",
            "notes.txt",
            "my-package-lock.json",
            "",
        ] {
            assert!(!is_known(path), "{path}");
        }
    }

    #[test]
    fn a_file_that_nobody_reads_is_said_to_be_unchecked() {
        let inventory = file("x/bun.lockb", b"\0").unwrap().unwrap();
        assert_eq!(inventory.unchecked[0].what, "x/bun.lockb");
        assert_eq!(inventory.components, []);
        for name in ["pom.xml", "server.jar", "Gemfile.lock", "composer.lock"] {
            let inventory = file(name, b"").unwrap().unwrap();
            assert!(inventory.unchecked[0].why.contains("not read"), "{name}");
        }
    }
}
