//! `searchFiles` and `readFile`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ph_otlp::Kind;
use rmcp::schemars::JsonSchema;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::glob::Pattern;
use super::root::Root;
use super::{Answer, Scope, ToolError, blocking};
use crate::trace::{Fold, Trace};

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Search {
    /// A glob pattern: `*.md`, `src/**/*.rs`, `report-[0-9]*.txt`.
    pattern: String,
    /// Most files to list, 1 to 10000; 100 when left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    max_results: Option<usize>,
}

#[derive(Default, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    files: Vec<FoundFile>,
    /// Why the list may not be complete; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<Limit>,
    /// Number of names that were looked at.
    entries_seen: usize,
    /// Number of directories that could not be read.
    directories_unreadable: usize,
}

#[derive(Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct FoundFile {
    /// Relative to the root.
    path: String,
    /// In bytes.
    size: u64,
    /// Time of the last change, RFC 3339.
    modified: String,
}

/// The bound that ended a search.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(rename_all = "camelCase")]
enum Limit {
    MaxResults,
    Entries,
    Time,
}

const RESULTS_DEFAULT: usize = 100;
const RESULTS_MAX: usize = 10_000;
const ENTRIES_MAX: usize = 100_000;
const SEARCH_TIME_MAX: Duration = Duration::from_secs(5);

/// Directories that get a span of their own; the others share one.
const DIRECTORY_SPANS_MAX: usize = 16;

pub(super) async fn search(
    root: &Arc<Root>,
    search: Search,
    scope: Scope,
) -> Result<Answer, ToolError> {
    let Search {
        pattern: text,
        max_results,
    } = search;
    let pattern = Pattern::parse(&text).map_err(|source| ToolError::Pattern {
        pattern: text,
        source,
    })?;
    let results_max = max_results.unwrap_or(RESULTS_DEFAULT).clamp(1, RESULTS_MAX);
    let root = Arc::clone(root);
    let found = blocking(move || {
        let deadline = Instant::now() + SEARCH_TIME_MAX;
        Walk {
            root: &root,
            pattern: &pattern,
            results_max,
            deadline,
            scope: &scope,
            found: Found::default(),
        }
        .run()
    });
    let found = found.await?;
    Ok(Answer::new(found.text(), &found))
}

impl Found {
    fn text(&self) -> String {
        let mut text = String::new();
        for FoundFile {
            path,
            size,
            modified,
        } in &self.files
        {
            text.push_str(&format!("{path}  {size} bytes  {modified}\n"));
        }
        let count = self.files.len();
        text.push_str(&match self.truncated {
            None => format!("{count} files"),
            Some(Limit::MaxResults) => format!("the first {count} files; there are more: narrow the pattern or raise maxResults"),
            Some(Limit::Entries | Limit::Time) => {
                format!("{count} files so far; the search was ended as too large: narrow the pattern to a directory (`docs/*.md`)")
            }
        });
        text
    }
}

struct Walk<'a> {
    root: &'a Root,
    pattern: &'a Pattern,
    results_max: usize,
    deadline: Instant,
    scope: &'a Scope,
    found: Found,
}

impl Walk<'_> {
    /// Depth first, names in order, without following links.
    fn run(mut self) -> Result<Found, ToolError> {
        let scope = self.scope;
        let mut spans = Spans::new(&scope.trace);
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            if scope.cancel.is_cancelled() {
                return Err(ToolError::Cancelled);
            }
            match self.visit(&directory, &mut spans) {
                Ok(below) => pending.extend(below),
                Err(errno) if directory.as_os_str().is_empty() => {
                    return Err(ToolError::File {
                        path: ".".to_owned(),
                        source: errno.into(),
                    });
                }
                // Gone meanwhile, or not ours to read: the rest still counts.
                Err(_) => self.found.directories_unreadable += 1,
            }
            if self.found.truncated.is_some() {
                break;
            }
        }
        Ok(self.found)
    }

    /// Looks at one directory; returns those below it, the last name first.
    fn visit(&mut self, directory: &Path, spans: &mut Spans<'_>) -> Result<Vec<PathBuf>, Errno> {
        let (fd, mut entries) = spans.readdir(directory, || self.read(directory))?;
        self.found.entries_seen += entries.len();
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let below = entries
            .iter()
            .rev()
            .filter(|it| it.is_directory)
            .map(|it| directory.join(&it.name))
            .collect();
        entries.retain(|it| !it.is_directory);
        let count = entries.len();
        let matching: Vec<_> = spans.matching.time(count, || {
            let paths = entries
                .iter()
                .map(|it| (it, directory.join(&it.name).to_string_lossy().into_owned()));
            paths
                .filter(|(_, path)| self.pattern.matches(path))
                .collect()
        });
        for (entry, path) in matching {
            if self.found.files.len() == self.results_max {
                self.found.truncated = Some(Limit::MaxResults);
                return Ok(below);
            }
            let stat = spans.stat.time(1, || self.root.stat(&fd, &entry.name));
            // A file that went away since it was listed is not found.
            if let Ok(stat) = stat
                && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            {
                let modified = Timestamp::new(
                    stat.st_mtime,
                    i32::try_from(stat.st_mtime_nsec).unwrap_or(0),
                );
                self.found.files.push(FoundFile {
                    path,
                    size: u64::try_from(stat.st_size).unwrap_or(0),
                    modified: modified.unwrap_or_default().to_string(),
                });
            }
        }
        if self.found.truncated.is_none() && self.found.entries_seen >= ENTRIES_MAX {
            self.found.truncated = Some(Limit::Entries);
        } else if self.found.truncated.is_none() && Instant::now() >= self.deadline {
            self.found.truncated = Some(Limit::Time);
        }
        Ok(below)
    }

    /// Names of files and directories; links and other kinds are left out.
    fn read(&self, directory: &Path) -> Result<(OwnedFd, Vec<Entry>), Errno> {
        let fd = self.root.directory(directory)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(fd.as_fd())? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            // Some file systems do not say the kind in the listing.
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = statat(&fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            if matches!(kind, FileType::RegularFile | FileType::Directory) {
                entries.push(Entry {
                    name: name.to_owned(),
                    is_directory: kind == FileType::Directory,
                });
            }
            if self.found.entries_seen + entries.len() >= ENTRIES_MAX {
                break;
            }
        }
        Ok((fd, entries))
    }
}

struct Entry {
    name: OsString,
    is_directory: bool,
}

/// The spans of a search, of bounded number.
struct Spans<'a> {
    trace: &'a Trace,
    directories: usize,
    more: Fold<'a>,
    stat: Fold<'a>,
    matching: Fold<'a>,
}

impl<'a> Spans<'a> {
    fn new(trace: &'a Trace) -> Self {
        let (more, stat, matching) = (
            trace.fold("fs.readdir"),
            trace.fold("fs.stat"),
            trace.fold("filter.match"),
        );
        Self {
            trace,
            directories: 0,
            more,
            stat,
            matching,
        }
    }

    fn readdir<T>(
        &mut self,
        directory: &Path,
        work: impl FnOnce() -> Result<(T, Vec<Entry>), Errno>,
    ) -> Result<(T, Vec<Entry>), Errno> {
        self.directories += 1;
        if self.directories > DIRECTORY_SPANS_MAX {
            return self.more.time(1, work);
        }
        let mut step = self.trace.step("fs.readdir", Kind::Internal);
        step.set("fs.path", format!("./{}", directory.display()));
        let result = work();
        match &result {
            Ok((_, entries)) => step.set(
                "fs.entries",
                i64::try_from(entries.len()).unwrap_or(i64::MAX),
            ),
            Err(errno) => step.fail("readdir", errno.to_string()),
        }
        result
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Read {
    /// Relative to the root: `docs/readme.md`.
    path: String,
    /// Most bytes to read, 1 to 1048576; 65536 when left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_048_576))]
    max_bytes: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Text {
    path: String,
    /// Size of the whole file in bytes.
    size: u64,
    /// Whether `text` is only the beginning.
    truncated: bool,
    text: String,
}

const READ_BYTES_DEFAULT: u64 = 64 << 10;
const READ_BYTES_MAX: u64 = 1 << 20;

pub(super) async fn read(root: &Arc<Root>, read: Read, scope: Scope) -> Result<Answer, ToolError> {
    let Read { path, max_bytes } = read;
    let bytes_max = max_bytes
        .unwrap_or(READ_BYTES_DEFAULT)
        .clamp(1, READ_BYTES_MAX);
    let root = Arc::clone(root);
    let text = blocking(move || {
        let file = root.file(&path)?;
        let size = size(&file, &path, &scope.trace)?;
        let mut step = scope.trace.step("fs.read", Kind::Internal);
        let mut bytes = Vec::new();
        if let Err(source) = file.take(bytes_max + 1).read_to_end(&mut bytes) {
            step.fail("read", source.to_string());
            return Err(ToolError::File { path, source });
        }
        let truncated = bytes.len() as u64 > bytes_max;
        bytes.truncate(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        step.set("fs.bytes", i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        match text(bytes, truncated) {
            Some(text) => Ok(Text {
                path,
                size,
                truncated,
                text,
            }),
            None => Err(ToolError::NotText { path }),
        }
    });
    let text = text.await?;
    let note = if text.truncated {
        format!(
            "\n[the beginning of {} bytes; ask for more with maxBytes]",
            text.size
        )
    } else {
        String::new()
    };
    Ok(Answer::new(format!("{}{note}", text.text), &text))
}

fn size(file: &File, path: &str, trace: &Trace) -> Result<u64, ToolError> {
    let mut step = trace.step("fs.stat", Kind::Internal);
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => {
            step.fail("path_not_file", "not a regular file".to_owned());
            Err(ToolError::PathNotFile {
                path: path.to_owned(),
            })
        }
        Err(source) => {
            step.fail("stat", source.to_string());
            Err(ToolError::File {
                path: path.to_owned(),
                source,
            })
        }
    }
}

/// UTF-8 text; a character that was cut in two is left out.
fn text(mut bytes: Vec<u8>, truncated: bool) -> Option<String> {
    if let Err(error) = std::str::from_utf8(&bytes)
        && truncated
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cut_character_is_left_out() {
        assert_eq!(text("aé".into(), false).as_deref(), Some("aé"));
        assert_eq!(text(b"a\xc3".to_vec(), true).as_deref(), Some("a"));
        assert_eq!(text(b"a\xc3".to_vec(), false), None);
        assert_eq!(text(b"a\xffb".to_vec(), true), None);
    }
}
