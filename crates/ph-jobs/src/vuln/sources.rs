//! The source files of a server: what somebody wrote for it, not what it depends on.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use ph_exposure::Language;

/// So many files are read.
pub const SOURCES_MAX: usize = 5_000;
/// So many bytes of all together.
pub const SOURCES_BYTES_MAX: u64 = 64 << 20;
/// So deep are folders followed.
const DEPTH_MAX: usize = 32;

/// Folders in which nothing is that the server's authors wrote for it to run.
const FOREIGN: &[&str] = &[
    "node_modules",
    "site-packages",
    "venv",
    "target",
    "vendor",
    "coverage",
    "__pycache__",
    "__tests__",
    "test",
    "tests",
];

/// What was read.
#[derive(Debug, Default)]
pub struct Sources {
    /// Paths below the folder, and texts.
    pub files: Vec<(String, String)>,
    /// What was not read, in words.
    pub unread: Vec<String>,
}

/// Reads the sources below a folder, or the one file. Links are not followed.
///
/// # Errors
/// The folder cannot be read. What is wrong below it is named.
pub fn sources(root: &Path) -> io::Result<Sources> {
    let mut sources = Sources::default();
    let mut bytes = 0;
    if root.is_file() {
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        sources.files.push((name.into_owned(), text(root)?));
        return Ok(sources);
    }
    let mut open = vec![(root.to_owned(), 0)];
    fs::read_dir(root)?;
    while let Some((folder, depth)) = open.pop() {
        let shown = |path: &Path| {
            path.strip_prefix(root)
                .unwrap_or(path)
                .to_string_lossy()
                .into_owned()
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                sources.unread.push(format!("{}: {error}", shown(&folder)));
                continue;
            }
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let Some(kind) = entry.file_type().ok().filter(|kind| !kind.is_symlink()) else {
                continue;
            };
            let name = name.to_string_lossy();
            if kind.is_dir() {
                let is_foreign = FOREIGN.contains(&name.as_ref()) || name.starts_with('.');
                if is_foreign {
                    continue;
                }
                if depth >= DEPTH_MAX {
                    sources.unread.push(format!("{}: too deep", shown(&path)));
                } else {
                    open.push((path, depth + 1));
                }
            } else if kind.is_file() && Language::of_path(&name).is_some() {
                if sources.files.len() >= SOURCES_MAX || bytes > SOURCES_BYTES_MAX {
                    sources.unread.push(format!(
                        "more than {SOURCES_MAX} files or {SOURCES_BYTES_MAX} bytes"
                    ));
                    return Ok(sources);
                }
                match text(&path) {
                    Ok(text) => {
                        bytes += text.len() as u64;
                        sources.files.push((shown(&path), text));
                    }
                    Err(error) => sources.unread.push(format!("{}: {error}", shown(&path))),
                }
            }
        }
    }
    Ok(sources)
}

/// A file, up to a little more than what is looked at.
fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(4 << 20)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
