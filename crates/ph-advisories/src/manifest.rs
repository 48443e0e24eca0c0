//! What is in the folder of the mirror: one small file that names the indexes in force and says where they are from.
//!
//! It is replaced by renaming, so what it says and what the indexes hold never disagree. Files that it does not
//! name are left over from a crash, and go with the next change.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NAME: &str = "mirror.json";
const LOCK: &str = "lock";
/// Where downloads wait that are not complete.
pub(crate) const DOWNLOADS: &str = "downloads";
/// What all files of indexes end with.
const INDEX_SUFFIX: &str = ".sqlite";
const VERSION: u32 = 1;

/// Why the folder cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Nothing has been fetched or imported.
    #[error("there are no advisories in `{}`: `pilothouse vuln db update` fetches them, `pilothouse vuln db import PATH` takes those that are here", .0.display())]
    Nothing(PathBuf),
    /// Somebody else changes it.
    #[error("another process changes the advisories in `{}` now", .0.display())]
    Taken(PathBuf),
    /// The file system says no.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its list is not what we write.
    #[error("`{}` is damaged: {why}; remove the folder and fetch or import again", path.display())]
    Damaged {
        /// The list.
        path: PathBuf,
        /// What was found.
        why: String,
    },
}

/// What is there, by ecosystem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    pub(crate) ecosystems: BTreeMap<String, EcosystemState>,
    /// KEV and EPSS together.
    #[serde(default)]
    pub(crate) scores: Option<ScoresState>,
}

/// The index of one ecosystem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EcosystemState {
    pub(crate) file: String,
    pub(crate) records: u64,
    pub(crate) packages: u64,
    /// Records that were there and could not be read.
    pub(crate) unreadable: u64,
    /// When the record was changed that was changed last, as text.
    pub(crate) newest: Option<String>,
    /// The address or path that it is from.
    pub(crate) source: String,
    /// Whether `source` is a mirror that was fetched from.
    pub(crate) is_fetched: bool,
    /// Milliseconds since the epoch: how old what is here is.
    pub(crate) as_of_ms: u64,
    #[serde(default)]
    pub(crate) fetched: Fetched,
}

/// What the next update asks with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fetched {
    /// When the whole dump was fetched, in milliseconds since the epoch.
    pub(crate) whole_ms: u64,
    /// The entity tag of the whole dump.
    pub(crate) whole_tag: Option<String>,
    /// The entity tag of the list of changes.
    pub(crate) changes_tag: Option<String>,
    /// The newest time in the list of changes, as it stands there.
    pub(crate) changes_until: Option<String>,
}

/// The file of KEV and EPSS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScoresState {
    pub(crate) file: String,
    pub(crate) kev: Option<ListState>,
    pub(crate) epss: Option<ListState>,
}

/// One of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListState {
    pub(crate) entries: u64,
    pub(crate) source: String,
    pub(crate) as_of_ms: u64,
}

impl Manifest {
    /// What the folder holds.
    pub(crate) fn read(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FolderError::Nothing(folder.to_owned()));
            }
            Err(source) => return Err(FolderError::Io { path, source }),
        };
        let damaged = |why: String| FolderError::Damaged {
            path: path.clone(),
            why,
        };
        let manifest: Self = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if manifest.version != VERSION {
            return Err(damaged(format!("it is of version {}", manifest.version)));
        }
        let files = manifest.ecosystems.values().map(|state| &state.file);
        let files = files.chain(manifest.scores.iter().map(|state| &state.file));
        let mut bad =
            files.filter(|file| file.contains(['/', '\0']) || !file.ends_with(INDEX_SUFFIX));
        match bad.next() {
            Some(file) => Err(damaged(format!("`{file}` is no file of ours"))),
            None => Ok(manifest),
        }
    }
}

/// The folder while nobody else changes it.
pub(crate) struct Folder {
    path: PathBuf,
    /// Held until the end.
    _lock: File,
}

/// Files that this process has begun: what fails leaves its file until the next change.
static MADE: AtomicU32 = AtomicU32::new(0);

impl Folder {
    /// Makes the folder where there is none, and keeps others from changing it.
    pub(crate) fn lock(path: &Path) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path.join(DOWNLOADS)).map_err(io)?;
        let lock = File::create(path.join(LOCK)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the folder holds; nothing is a fine answer.
    pub(crate) fn manifest(&self) -> Result<Manifest, FolderError> {
        match Manifest::read(&self.path) {
            Err(FolderError::Nothing(_)) => Ok(Manifest {
                version: VERSION,
                ..Manifest::default()
            }),
            other => other,
        }
    }

    /// A name for a file that is not there yet.
    ///
    /// - `now`: makes it another one than any before.
    pub(crate) fn new_file(&self, what: &str, now: SystemTime) -> String {
        let made = MADE.fetch_add(1, Relaxed);
        let what: String = what
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '.' {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let (ms, pid) = (ms_of(now), std::process::id());
        format!("{what}-{ms:x}-{pid:x}-{made}{INDEX_SUFFIX}")
    }

    /// Puts `manifest` in force, and removes the files that it does not name.
    pub(crate) fn commit(&self, manifest: &Manifest) -> Result<(), FolderError> {
        let path = self.path.join(NAME);
        let io = |source| FolderError::Io {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(manifest).map_err(|e| io(e.into()))?;
        let new = self.path.join(format!("{NAME}.new"));
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(io)?;
        self.sweep(manifest);
        Ok(())
    }

    /// Readers that have an old file open go on reading it. What cannot be removed now can be the next time.
    fn sweep(&self, manifest: &Manifest) {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return;
        };
        let is_named = |name: &str| {
            let mut files = manifest.ecosystems.values().map(|state| &state.file);
            let scores = manifest.scores.as_ref().map(|state| &state.file);
            files.any(|file| file == name) || scores.is_some_and(|file| file == name)
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_index = name.contains(INDEX_SUFFIX);
            if is_index && !is_named(&name) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Milliseconds since the epoch.
pub(crate) fn ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn time_of(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms.min(MS_MAX))
}

/// The year 9999: later times cannot be written.
const MS_MAX: u64 = 253_402_300_799_000;
