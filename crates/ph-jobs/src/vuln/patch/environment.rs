//! A virtual environment knows where it lies: in the scripts of its `bin`, and in what it adds to the paths of modules.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::place::sites;

/// Longer files are no scripts that an installer has written.
const SCRIPT_BYTES_MAX: u64 = 64 << 10;

/// Has a copied environment lie where it lies.
///
/// - `given`, `from`: the folder that was copied, as it was named and without links.
/// - `below`: the environment, below it.
pub(super) fn settle(given: &Path, from: &Path, to: &Path, below: &Path) -> io::Result<()> {
    let environment = to.join(below);
    let real = from.join(below);
    let scripts = files(&environment.join("bin"))?;
    let texts: Vec<(PathBuf, String)> = scripts
        .into_iter()
        .chain([environment.join("pyvenv.cfg")])
        .filter_map(|path| Some((text(&path)?, path)))
        .map(|(text, path)| (path, text))
        .collect();
    // It may have been made under another name of the same folder.
    let mut old: BTreeSet<PathBuf> = BTreeSet::from([given.join(below), real.clone()]);
    for (_, text) in &texts {
        let named =
            interpreter(text).filter(|named| named.canonicalize().is_ok_and(|named| named == real));
        old.extend(named);
    }
    for (path, text) in texts {
        change(&path, &text, &old, &environment)?;
    }
    // What is installed from a folder beside it is named by its path.
    let folders = BTreeSet::from([given.to_owned(), from.to_owned()]);
    for site in sites(&environment) {
        for path in files(&site)? {
            let is_path = path.extension().is_some_and(|end| end == "pth");
            if is_path && let Some(text) = text(&path) {
                change(&path, &text, &folders, to)?;
            }
        }
    }
    Ok(())
}

/// The environment of the interpreter that a script names in its first line, or pip in its second.
fn interpreter(script: &str) -> Option<PathBuf> {
    let mut lines = script.lines();
    let first = lines.next()?.strip_prefix("#!")?;
    // A path too long for a first line is in the second.
    let line = match first.trim() {
        "/bin/sh" => lines.next()?.strip_prefix("'''exec'")?,
        first => first,
    };
    let program = line.split_whitespace().next()?.trim_matches('"');
    let bin = Path::new(program).parent()?;
    (bin.file_name()? == "bin").then(|| bin.parent().map(Path::to_owned))?
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// A short text; none for anything else.
fn text(path: &Path) -> Option<String> {
    let of = fs::metadata(path).ok()?;
    (of.len() <= SCRIPT_BYTES_MAX)
        .then(|| fs::read_to_string(path).ok())
        .flatten()
}

fn change(path: &Path, text: &str, old: &BTreeSet<PathBuf>, new: &Path) -> io::Result<()> {
    let Some(new) = new.to_str() else {
        return Ok(());
    };
    let mut changed = text.to_owned();
    // The longest first: one may be the beginning of another.
    let mut old: Vec<&str> = old.iter().filter_map(|old| old.to_str()).collect();
    old.sort_by_key(|old| std::cmp::Reverse(old.len()));
    for old in old {
        changed = renamed(&changed, old, new);
    }
    if changed == text {
        return Ok(());
    }
    let permissions = fs::metadata(path)?.permissions();
    let mode = permissions.mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o200))?;
    fs::write(path, changed)?;
    fs::set_permissions(path, permissions)
}

/// A path in a text, where it ends there or goes on with a `/`.
fn renamed(text: &str, old: &str, new: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(old) {
        let (before, after) = (&rest[..at], &rest[at + old.len()..]);
        let is_within = before
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || "/._-".contains(c));
        let goes_on = after
            .chars()
            .next()
            .is_some_and(|c| c.is_alphanumeric() || "._-".contains(c));
        out.push_str(before);
        out.push_str(if is_within || goes_on { old } else { new });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_copied_environment_names_itself() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (app, to) = (root.join("app"), root.join("copy"));
        symlink(&app, root.join("other-name")).unwrap();
        for folder in [&app, &to] {
            fs::create_dir_all(folder.join(".venv/bin")).unwrap();
            fs::create_dir_all(folder.join(".venv/lib/python3.11/site-packages")).unwrap();
        }
        let shown = |path: &str| format!("{}/{path}", root.display());
        let put = |name: &str, text: &str| fs::write(to.join(".venv").join(name), text).unwrap();
        put(
            "pyvenv.cfg",
            &format!("command = python -m venv {}\n", shown("app/.venv")),
        );
        put("bin/a", &format!("#!{}\n", shown("app/.venv/bin/python")));
        put(
            "bin/b",
            &format!("#!{}\n", shown("other-name/.venv/bin/python")),
        );
        put(
            "bin/c",
            &format!(
                "#!/bin/sh\n'''exec' \"{}\" \"$0\" \"$@\"\n",
                shown("other-name/.venv/bin/python")
            ),
        );
        put(
            "bin/d",
            &format!("#!/usr/bin/env x\n# {}\n", shown("app/.venv2/bin")),
        );
        put(
            "lib/python3.11/site-packages/e.pth",
            &format!("{}\n", shown("app/src")),
        );
        settle(&app, &app, &to, Path::new(".venv")).unwrap();
        let read = |name: &str| fs::read_to_string(to.join(".venv").join(name)).unwrap();
        assert_eq!(
            read("pyvenv.cfg"),
            format!("command = python -m venv {}\n", shown("copy/.venv"))
        );
        for name in ["bin/a", "bin/b"] {
            assert_eq!(
                read(name),
                format!("#!{}\n", shown("copy/.venv/bin/python")),
                "{name}"
            );
        }
        assert!(
            read("bin/c").contains(&shown("copy/.venv/bin/python")),
            "{}",
            read("bin/c")
        );
        assert!(read("bin/d").contains("app/.venv2/bin"));
        assert_eq!(
            read("lib/python3.11/site-packages/e.pth"),
            format!("{}\n", shown("copy/src"))
        );
    }

    #[test]
    fn only_whole_paths_are_renamed() {
        for (text, want) in [
            ("/a/b", "/new"),
            ("'/a/b':/a/b/c", "'/new':/new/c"),
            ("/a/bc /x/a/b /a/b-2", "/a/bc /x/a/b /a/b-2"),
        ] {
            assert_eq!(renamed(text, "/a/b", "/new"), want, "{text}");
        }
    }
}
