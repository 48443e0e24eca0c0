//! Advisories that lie on this machine: zip archives, folders, single records, a tree of RustSec, KEV and EPSS.

use crate::archive::{Archive, ArchiveError};
use crate::index::{Contents, IndexError, Origin, RECORD_BYTES_MAX, Writer};
use crate::lists::ScoresError;
use crate::manifest::{
    EcosystemState, Folder, FolderError, ListState, Manifest, ScoresState, ms_of,
};
use crate::record::{Head, RecordError};
use crate::rustsec::{self, RustSecError};
use crate::scores;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders within folders, at most.
const DEPTH_MAX: usize = 24;
/// Files of one import, at most.
const FILES_MAX: usize = 4_000_000;
/// Ecosystems of one import, at most: each has a file open.
const ECOSYSTEMS_MAX: usize = 256;
/// Unreadable records that are named.
pub(crate) const NAMED_MAX: usize = 20;
/// Memory for pages of each ecosystem, in KiB: there may be many at the same time.
const CACHE_KIB: u32 = 4 << 10;

/// What was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records that are in the index now, by ecosystem; one that names packages of two counts for both.
    pub ecosystems: BTreeMap<String, u64>,
    /// Records that were here already, and changed later.
    pub outdated: u64,
    /// Records that name no package (of source code only): nothing finds them.
    pub without_package: u64,
    /// Records that cannot be read.
    pub unreadable: Unreadable,
    /// Entries of CISA's list.
    pub kev: Option<u64>,
    /// Scores of EPSS.
    pub epss: Option<u64>,
}

/// What could not be read: what it is about is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: u64,
    /// The first of them, each with its place and why.
    pub named: Vec<String>,
}

impl Unreadable {
    pub(crate) fn add(&mut self, place: &str, why: &dyn std::fmt::Display) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            let place: String = place
                .chars()
                .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
                .collect();
            self.named.push(format!("{place}: {why}"));
        }
    }
}

/// Why nothing was imported. What was there before is there as it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder of the mirror.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An archive.
    #[error("`{}`: {source}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ArchiveError,
    },
    /// KEV or EPSS.
    #[error("`{}`: {source}", path.display())]
    Scores {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ScoresError,
    },
    /// A file or folder that is given.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is given and is nothing of that kind.
    #[error("`{}` is neither a folder nor a file that ends in `.zip`, `.json`, `.md`, `.csv` or `.csv.gz`", .0.display())]
    Unknown(PathBuf),
    /// Nothing to be found there.
    #[error("no advisories in {0}")]
    Nothing(String),
    /// Too much.
    #[error("more than {0}")]
    TooMany(&'static str),
}

#[derive(Debug, thiserror::Error)]
enum Bad {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    RustSec(#[from] RustSecError),
    #[error("it is larger than {RECORD_BYTES_MAX} bytes")]
    TooLarge,
    #[error("it is no text")]
    NoText,
}

/// Puts what lies at `paths` into the mirror in `folder`. All of it is there at once, or nothing.
///
/// A record that is there already in a form that was changed later stays as it is.
///
/// - `as_of`: how old the files are; it counts as the age of ecosystems that nothing was ever fetched of.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    folder: &Path,
    paths: &[PathBuf],
    as_of: SystemTime,
) -> Result<Imported, ImportError> {
    let folder = Folder::lock(folder)?;
    let mut import = Import {
        manifest: folder.manifest()?,
        folder,
        writers: BTreeMap::new(),
        scores: None,
        done: Imported::default(),
        now: SystemTime::now(),
        files: 0,
    };
    for path in paths {
        import.path(path)?;
    }
    let source = paths.iter().map(|path| path.display().to_string());
    import.finish(&source.collect::<Vec<_>>().join(", "), as_of)
}

struct Import {
    folder: Folder,
    manifest: Manifest,
    writers: BTreeMap<String, (Writer, String)>,
    scores: Option<NewScores>,
    done: Imported,
    now: SystemTime,
    files: usize,
}

struct NewScores {
    writer: scores::Writer,
    state: ScoresState,
}

impl Import {
    /// A path that is given by name.
    fn path(&mut self, path: &Path) -> Result<(), ImportError> {
        let about = fs::metadata(path).map_err(|source| io_error(path, source))?;
        if about.is_dir() {
            return self.tree(path);
        }
        match kind_of(path) {
            Some(Kind::Json) if is_kev(path).map_err(|source| io_error(path, source))? => {
                self.kev(path)
            }
            Some(Kind::Csv) => self.epss(path),
            Some(kind) => self.file(path, kind),
            None => Err(ImportError::Unknown(path.to_owned())),
        }
    }

    /// A folder with all below it, in the order of names; links are not followed.
    fn tree(&mut self, root: &Path) -> Result<(), ImportError> {
        let mut waiting = vec![(root.to_owned(), 0)];
        while let Some((path, depth)) = waiting.pop() {
            let io = |source| io_error(&path, source);
            let mut entries = fs::read_dir(&path)
                .and_then(Iterator::collect::<io::Result<Vec<_>>>)
                .map_err(io)?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let kind = entry.file_type().map_err(io)?;
                let inner = entry.path();
                if kind.is_dir() && depth < DEPTH_MAX {
                    waiting.push((inner, depth + 1));
                } else if kind.is_dir() {
                    return Err(ImportError::TooMany("24 folders within each other"));
                } else if kind.is_file()
                    && let Some(kind @ (Kind::Json | Kind::RustSec | Kind::Zip)) = kind_of(&inner)
                {
                    self.file(&inner, kind)?;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, kind: Kind) -> Result<(), ImportError> {
        self.files += 1;
        if self.files > FILES_MAX {
            return Err(ImportError::TooMany("4,000,000 files"));
        }
        if kind == Kind::Zip {
            return self.zip(path);
        }
        let place = path.display().to_string();
        match read(path).map_err(|source| io_error(path, source))? {
            Some(bytes) => self.record(&place, kind, &bytes),
            None => {
                self.done.unreadable.add(&place, &Bad::TooLarge);
                Ok(())
            }
        }
    }

    fn zip(&mut self, path: &Path) -> Result<(), ImportError> {
        let refuse = |source| ImportError::Archive {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(|source| io_error(path, source))?;
        let archive = Archive::open(file).map_err(refuse)?;
        let wants =
            |name: &str| matches!(kind_of(Path::new(name)), Some(Kind::Json | Kind::RustSec));
        let mut take = |name: &str, content: &[u8]| {
            let place = format!("{}!{name}", path.display());
            let kind = kind_of(Path::new(name)).unwrap_or(Kind::Json);
            self.record(&place, kind, content).map_err(Stop::Import)
        };
        archive.each(&wants, &mut take).map_err(|stop| match stop {
            Stop::Import(error) => error,
            Stop::Archive(source) => refuse(source),
        })
    }

    fn record(&mut self, place: &str, kind: Kind, bytes: &[u8]) -> Result<(), ImportError> {
        match read_record(kind, bytes) {
            Err(bad) => self.done.unreadable.add(place, &bad),
            Ok((head, _)) if head.packages.is_empty() => self.done.without_package += 1,
            Ok((head, made)) => {
                let body = made.as_deref().unwrap_or(bytes);
                let mut bases: Vec<&String> = head.packages.iter().map(|(base, _)| base).collect();
                bases.dedup();
                for base in bases {
                    let writer = self.writer(base)?;
                    if writer.put(base, &head, body, Origin::Import)? {
                        *self.done.ecosystems.entry(base.clone()).or_default() += 1;
                    } else {
                        self.done.outdated += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn writer(&mut self, base: &str) -> Result<&mut Writer, ImportError> {
        if !self.writers.contains_key(base) {
            if self.writers.len() >= ECOSYSTEMS_MAX {
                return Err(ImportError::TooMany("256 ecosystems"));
            }
            let file = self.folder.new_file(base, self.now);
            let path = self.folder.path().join(&file);
            let writer = match self.manifest.ecosystems.get(base) {
                Some(old) => Writer::copy(&self.folder.path().join(&old.file), &path, CACHE_KIB)?,
                None => Writer::create(&path, CACHE_KIB)?,
            };
            self.writers.insert(base.to_owned(), (writer, file));
        }
        let found = self.writers.get_mut(base).map(|(writer, _)| writer);
        found.ok_or(ImportError::TooMany("256 ecosystems"))
    }

    fn kev(&mut self, path: &Path) -> Result<(), ImportError> {
        let list = self.list("kev", path)?;
        self.done.kev = Some(list.entries);
        if let Some(scores) = &mut self.scores {
            scores.state.kev = Some(list);
        }
        Ok(())
    }

    fn epss(&mut self, path: &Path) -> Result<(), ImportError> {
        let list = self.list("epss", path)?;
        self.done.epss = Some(list.entries);
        if let Some(scores) = &mut self.scores {
            scores.state.epss = Some(list);
        }
        Ok(())
    }

    fn list(&mut self, table: &str, path: &Path) -> Result<ListState, ImportError> {
        let bytes = File::open(path).map_err(|source| io_error(path, source))?;
        if self.scores.is_none() {
            let file = self.folder.new_file("scores", self.now);
            let writer = scores::Writer::create(&self.folder.path().join(&file))?;
            let state = ScoresState {
                file,
                ..ScoresState::default()
            };
            self.scores = Some(NewScores { writer, state });
        }
        let read = self.scores.as_ref().map(|scores| {
            if table == "kev" {
                scores.writer.kev(bytes)
            } else {
                scores.writer.epss(bytes)
            }
        });
        let entries = read.unwrap_or(Err(ScoresError::Empty));
        Ok(ListState {
            entries: entries.map_err(|source| ImportError::Scores {
                path: path.to_owned(),
                source,
            })?,
            source: path.display().to_string(),
            as_of_ms: ms_of(self.now),
        })
    }

    fn finish(mut self, source: &str, as_of: SystemTime) -> Result<Imported, ImportError> {
        if self.writers.is_empty() && self.scores.is_none() {
            return Err(match self.done.unreadable.named.first() {
                Some(first) => ImportError::Nothing(format!(
                    "`{source}`; the first that cannot be read is {first}"
                )),
                None => ImportError::Nothing(format!("`{source}`")),
            });
        }
        for (base, (writer, file)) in self.writers {
            let contents = writer.finish()?;
            let old = self.manifest.ecosystems.remove(&base);
            let state = state_of(
                old,
                file,
                &contents,
                source,
                as_of,
                self.done.unreadable.count,
            );
            self.manifest.ecosystems.insert(base, state);
        }
        if let Some(new) = self.scores {
            let state = joined(new, self.manifest.scores.take(), self.folder.path())?;
            self.manifest.scores = Some(state);
        }
        self.folder.commit(&self.manifest)?;
        Ok(self.done)
    }
}

/// An import makes nothing younger that is fetched.
fn state_of(
    old: Option<EcosystemState>,
    file: String,
    contents: &Contents,
    source: &str,
    as_of: SystemTime,
    unreadable: u64,
) -> EcosystemState {
    let new = EcosystemState {
        file,
        records: contents.records,
        packages: contents.packages,
        unreadable,
        newest: contents.newest.map(|time| time.to_string()),
        source: source.to_owned(),
        is_fetched: false,
        as_of_ms: ms_of(as_of),
        fetched: crate::manifest::Fetched::default(),
    };
    match old {
        Some(old) if old.is_fetched => EcosystemState {
            source: old.source,
            is_fetched: true,
            as_of_ms: old.as_of_ms,
            fetched: old.fetched,
            unreadable: old.unreadable + unreadable,
            ..new
        },
        Some(_) | None => new,
    }
}

/// The new lists, and of the old ones those that are not new.
fn joined(
    new: NewScores,
    old: Option<ScoresState>,
    folder: &Path,
) -> Result<ScoresState, IndexError> {
    let NewScores { writer, mut state } = new;
    if let Some(old) = old {
        let path = folder.join(&old.file);
        if state.kev.is_none() && old.kev.is_some() {
            writer.keep("kev", &path)?;
            state.kev = old.kev;
        }
        if state.epss.is_none() && old.epss.is_some() {
            writer.keep("epss", &path)?;
            state.epss = old.epss;
        }
    }
    writer.finish()?;
    Ok(state)
}

enum Stop {
    Import(ImportError),
    Archive(ArchiveError),
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Zip,
    Json,
    RustSec,
    Csv,
}

fn kind_of(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        name if name.ends_with(".zip") => Some(Kind::Zip),
        name if name.ends_with(".json") => Some(Kind::Json),
        name if name.ends_with(".csv") || name.ends_with(".csv.gz") => Some(Kind::Csv),
        name if name.starts_with("rustsec-") && name.ends_with(".md") => Some(Kind::RustSec),
        _ => None,
    }
}

/// The head of a record; with its bytes, where they had to be made.
fn read_record(kind: Kind, bytes: &[u8]) -> Result<(Head, Option<Vec<u8>>), Bad> {
    if kind != Kind::RustSec {
        return Ok((Head::checked(bytes)?, None));
    }
    let text = str::from_utf8(bytes).map_err(|_| Bad::NoText)?;
    let made = rustsec::record(text)?;
    Ok((Head::checked(&made)?, Some(made)))
}

/// The content of a file, unless it is too large.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let limit = RECORD_BYTES_MAX as u64;
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Whether a JSON file is CISA's list.
fn is_kev(path: &Path) -> io::Result<bool> {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "that they are there is all that is asked")]
    struct Marks {
        vulnerabilities: Vec<IgnoredAny>,
        #[serde(rename = "catalogVersion")]
        version: IgnoredAny,
    }
    let bytes = read(path)?;
    Ok(bytes.is_some_and(|bytes| serde_json::from_slice::<Marks>(&bytes).is_ok()))
}

fn io_error(path: &Path, source: io::Error) -> ImportError {
    let path = path.to_owned();
    ImportError::Io { path, source }
}
