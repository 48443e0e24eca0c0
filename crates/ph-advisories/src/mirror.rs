//! The mirror as it is read: what it holds, how old that is, and what it says of a package.

use crate::index::{IndexError, Reader};
use crate::manifest::{EcosystemState, FolderError, ListState, Manifest, time_of};
use crate::scores::Scores;
use ph_inventory::Ecosystem;
use ph_vuln::Advisory;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the list is read again when the files that it names are gone: somebody has put others in their place.
const TRIES: u32 = 5;

/// Why the mirror cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An index in it.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// The advisories as they were when it was opened: what is fetched meanwhile is seen by the next one.
pub struct Mirror {
    path: PathBuf,
    indexes: BTreeMap<String, Reader>,
    scores: Option<Scores>,
    state: MirrorState,
}

/// What is there and how old it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorState {
    /// By ecosystem, in the order of their names.
    pub ecosystems: Vec<State>,
    /// CISA's list of known exploited vulnerabilities.
    pub kev: Option<ListInfo>,
    /// EPSS.
    pub epss: Option<ListInfo>,
}

/// What is there of one ecosystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// OSV's name, without release.
    pub ecosystem: String,
    /// Advisories that name a package of it.
    pub records: u64,
    /// Packages that are named.
    pub packages: u64,
    /// Records that were there and could not be read: what they are about is not known.
    pub unreadable: u64,
    /// The address or path that it is from.
    pub source: String,
    /// Whether it is fetched by `update`.
    pub is_fetched: bool,
    /// The time whose advisories these are: that of the last successful update or, where nothing was ever fetched, of
    /// the last import.
    pub as_of: SystemTime,
    /// When the record was changed that was changed last, as in RFC 3339.
    pub newest: Option<String>,
}

/// What is there of KEV or EPSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// How many it has.
    pub entries: u64,
    /// The address or path that it is from.
    pub source: String,
    /// When it was read.
    pub as_of: SystemTime,
}

impl State {
    /// How old it is.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.as_of).unwrap_or_default()
    }

    /// Whether it is older than `after`: what is not found in it may be there.
    #[must_use]
    pub fn is_stale(&self, now: SystemTime, after: Duration) -> bool {
        self.age(now) > after
    }
}

impl MirrorState {
    /// Reads the list of the folder alone, which is quick.
    ///
    /// # Errors
    /// [`FolderError::Nothing`] where nothing was fetched or imported yet.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        Ok(Self::of(&Manifest::read(folder)?))
    }

    fn of(manifest: &Manifest) -> Self {
        let list = |state: &ListState| ListInfo {
            entries: state.entries,
            source: state.source.clone(),
            as_of: time_of(state.as_of_ms),
        };
        let ecosystems = manifest.ecosystems.iter();
        let scores = manifest.scores.as_ref();
        Self {
            ecosystems: ecosystems
                .map(|(name, state)| state_of(name, state))
                .collect(),
            kev: scores.and_then(|scores| scores.kev.as_ref()).map(list),
            epss: scores.and_then(|scores| scores.epss.as_ref()).map(list),
        }
    }

    /// What is there of an ecosystem.
    #[must_use]
    pub fn of_ecosystem(&self, ecosystem: &Ecosystem) -> Option<&State> {
        let base = ecosystem.base();
        self.ecosystems.iter().find(|state| state.ecosystem == base)
    }
}

fn state_of(name: &str, state: &EcosystemState) -> State {
    State {
        ecosystem: name.to_owned(),
        records: state.records,
        packages: state.packages,
        unreadable: state.unreadable,
        source: state.source.clone(),
        is_fetched: state.is_fetched,
        as_of: time_of(state.as_of_ms),
        newest: state.newest.clone(),
    }
}

impl Mirror {
    /// Opens what was fetched or imported last.
    ///
    /// # Errors
    /// [`FolderError::Nothing`] where nothing was yet; else what is wrong with its files.
    pub fn open(folder: &Path) -> Result<Self, MirrorError> {
        let mut last = Self::open_once(folder);
        for _ in 1..TRIES {
            match last {
                Err(MirrorError::Index(_)) => last = Self::open_once(folder),
                done => return done,
            }
        }
        last
    }

    fn open_once(folder: &Path) -> Result<Self, MirrorError> {
        let manifest = Manifest::read(folder)?;
        let mut indexes = BTreeMap::new();
        for (name, state) in &manifest.ecosystems {
            indexes.insert(name.clone(), Reader::open(&folder.join(&state.file))?);
        }
        let scores = match &manifest.scores {
            Some(scores) => Some(Scores::open(&folder.join(&scores.file))?),
            None => None,
        };
        Ok(Self {
            path: folder.to_owned(),
            indexes,
            scores,
            state: MirrorState::of(&manifest),
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is there and how old it is.
    #[must_use]
    pub fn state(&self) -> &MirrorState {
        &self.state
    }

    /// Whether there are advisories for an ecosystem at all. Without them nothing is known of its packages.
    #[must_use]
    pub fn has(&self, ecosystem: &Ecosystem) -> bool {
        self.indexes.contains_key(ecosystem.base())
    }

    /// The records that name a package, as JSON, in the order of their ids; withdrawn ones are among them.
    ///
    /// - `name`: as it is written; it is compared as its ecosystem compares names.
    ///
    /// # Errors
    /// A damaged index.
    pub fn records(&self, ecosystem: &Ecosystem, name: &str) -> Result<Vec<Vec<u8>>, IndexError> {
        let mut records = Vec::new();
        if let Some(index) = self.indexes.get(ecosystem.base()) {
            index.records(&ecosystem.normal_name(name), &mut |record| {
                records.push(record);
            })?;
        }
        Ok(records)
    }

    /// The advisories that name a package, in the order of their ids; withdrawn ones are among them.
    ///
    /// - `name`: as it is written; it is compared as its ecosystem compares names.
    ///
    /// # Errors
    /// A damaged index.
    pub fn advisories(
        &self,
        ecosystem: &Ecosystem,
        name: &str,
    ) -> Result<Vec<Advisory>, IndexError> {
        let Some(index) = self.indexes.get(ecosystem.base()) else {
            return Ok(Vec::new());
        };
        let mut advisories = Vec::new();
        index.records(&ecosystem.normal_name(name), &mut |record| {
            advisories.push(Advisory::read(&record));
        })?;
        let read = advisories.into_iter().collect::<Result<_, _>>();
        read.map_err(|error| index.damaged(&error))
    }

    /// Whether one of these ids (CVEs) is on CISA's list of known exploited vulnerabilities.
    ///
    /// # Errors
    /// A damaged file.
    pub fn is_exploited<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<bool, IndexError> {
        let Some(scores) = &self.scores else {
            return Ok(false);
        };
        for id in ids {
            if scores.is_exploited(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The highest EPSS score of these ids (CVEs): the probability (0 to 1) of exploitation within 30 days.
    ///
    /// # Errors
    /// A damaged file.
    pub fn epss<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<f64>, IndexError> {
        let Some(scores) = &self.scores else {
            return Ok(None);
        };
        let mut highest: Option<f64> = None;
        for id in ids {
            if let Some(score) = scores.epss(id)? {
                highest = Some(highest.map_or(score, |known| known.max(score)));
            }
        }
        Ok(highest)
    }
}
