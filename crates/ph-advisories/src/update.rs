//! Advisories from a mirror that is laid out as the dumps of osv.dev: `ECOSYSTEM/all.zip`, `ECOSYSTEM/modified_id.csv`
//! (the newest change first) and `ECOSYSTEM/ID.json`.
//!
//! Where something was fetched before, only what has changed is fetched: the list of changes is read until it is as
//! old as what is here. When that would be too much, or is not possible, the whole dump is fetched again.

mod changes;
mod lists;
mod whole;

use crate::archive::ArchiveError;
use crate::http::{Bounds, FetchError, Remote};
use crate::import::Unreadable;
use crate::index::IndexError;
use crate::lists::ScoresError;
use crate::manifest::{EcosystemState, Folder, FolderError, Manifest, ms_of};
use crate::record::is_ecosystem;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The whole dump is fetched at least so often: what has gone from the mirror is in no list of changes.
const WHOLE_EVERY: Duration = Duration::from_secs(7 * 86_400);

/// What is fetched from where.
#[derive(Clone, Debug)]
pub struct UpdateOptions {
    /// The mirror: `https`, or `http` of this machine.
    pub mirror: String,
    /// PEM file of the certificate authorities trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// OSV's names of ecosystems, without release.
    pub ecosystems: Vec<String>,
    /// CISA's list of known exploited vulnerabilities.
    pub kev: Option<ListPlace>,
    /// EPSS.
    pub epss: Option<ListPlace>,
    /// The whole dump is fetched and taken, whatever is here.
    pub is_forced: bool,
    /// Bounds on each request.
    pub bounds: Bounds,
}

/// Where a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListPlace {
    /// On this machine.
    File(PathBuf),
    /// At an address.
    Url(String),
}

/// What became of it, for each ecosystem and list by itself: what failed is here as it was before.
#[derive(Debug, Default)]
pub struct Updated {
    /// In the order in which they were asked for.
    pub ecosystems: Vec<(String, Result<Change, UpdateError>)>,
    /// CISA's list: how many entries.
    pub kev: Option<Result<u64, UpdateError>>,
    /// EPSS: how many scores.
    pub epss: Option<Result<u64, UpdateError>>,
}

impl Updated {
    /// What failed, with what it was: `npm`, `KEV`.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &UpdateError)> {
        let ecosystems = self.ecosystems.iter();
        let ecosystems =
            ecosystems.filter_map(|(name, done)| Some((name.as_str(), done.as_ref().err()?)));
        let lists = [("KEV", &self.kev), ("EPSS", &self.epss)];
        let lists = lists
            .into_iter()
            .filter_map(|(name, done)| Some((name, done.as_ref()?.as_ref().err()?)));
        ecosystems.chain(lists)
    }
}

/// What an update has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing is newer than what is here.
    None,
    /// Some records are new or other.
    Records {
        /// How many.
        count: u64,
        /// Those of them that cannot be read.
        unreadable: Unreadable,
    },
    /// All of it was fetched.
    Whole {
        /// Advisories that are here now.
        records: u64,
        /// Records that cannot be read.
        unreadable: Unreadable,
    },
}

/// Why something is as old as before.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The network, or who is there.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The dump.
    #[error("`{path}` is refused: {source}")]
    Archive {
        /// What was fetched.
        path: String,
        /// Why.
        source: ArchiveError,
    },
    /// A dump that holds nothing of what it is of.
    #[error("`{0}` holds no advisory of that ecosystem")]
    Empty(String),
    /// A dump that holds much less than what is here.
    #[error("`{path}` holds {new} advisories, and {old} are here; if that is right, say `--force`")]
    Shrunk {
        /// What was fetched.
        path: String,
        /// How many it has.
        new: u64,
        /// How many there are.
        old: u64,
    },
    /// A record that is not the one that was asked for.
    #[error("`{path}` is the record `{id}`")]
    OtherRecord {
        /// What was fetched.
        path: String,
        /// What it is.
        id: String,
    },
    /// KEV or EPSS.
    #[error(transparent)]
    Scores(#[from] ScoresError),
    /// Not a name.
    #[error("`{0}` is no name of an ecosystem without release")]
    Ecosystem(String),
}

/// Fetches what is newer. It reads and writes files on its way: not for a thread that has other things to do.
///
/// - `now`: the time that what is fetched counts as of.
/// - `say`: is told what begins.
///
/// # Errors
/// The folder cannot be changed at all; what fails later stands in the answer.
pub async fn update(
    folder: &Path,
    options: &UpdateOptions,
    now: SystemTime,
    say: &mut dyn FnMut(&str),
) -> Result<Updated, UpdateError> {
    let folder = Folder::lock(folder)?;
    let manifest = folder.manifest()?;
    let remote = Remote::new(&options.mirror, options.ca_file.as_deref(), options.bounds)?;
    let mut run = Run {
        folder,
        manifest,
        remote: std::sync::Arc::new(remote),
        options,
        now,
    };
    let mut updated = Updated::default();
    for ecosystem in &options.ecosystems {
        say(&format!(
            "fetching advisories of {ecosystem} from {}",
            options.mirror
        ));
        let done = Box::pin(run.ecosystem(ecosystem)).await;
        updated.ecosystems.push((ecosystem.clone(), done));
    }
    if options.kev.is_some() || options.epss.is_some() {
        say("reading lists of exploited vulnerabilities");
        Box::pin(run.lists(&mut updated)).await;
    }
    Ok(updated)
}

struct Run<'a> {
    folder: Folder,
    manifest: Manifest,
    remote: std::sync::Arc<Remote>,
    options: &'a UpdateOptions,
    now: SystemTime,
}

impl Run<'_> {
    async fn ecosystem(&mut self, ecosystem: &str) -> Result<Change, UpdateError> {
        if !is_ecosystem(ecosystem) {
            return Err(UpdateError::Ecosystem(ecosystem.to_owned()));
        }
        let old = self.manifest.ecosystems.get(ecosystem).cloned();
        let fetched = old.filter(|old| old.is_fetched && old.source == self.options.mirror);
        if let Some(old) = fetched.as_ref().filter(|old| self.can_go_on(old))
            && let Some(change) = self.changes(ecosystem, old).await?
        {
            return Ok(change);
        }
        self.whole(ecosystem, fetched.as_ref()).await
    }

    /// Whether the list of changes leads from what is here to what the mirror has.
    fn can_go_on(&self, old: &EcosystemState) -> bool {
        let whole_age_ms = ms_of(self.now).saturating_sub(old.fetched.whole_ms);
        !self.options.is_forced
            && old.fetched.changes_until.is_some()
            && u128::from(whole_age_ms) < WHOLE_EVERY.as_millis()
    }

    fn commit(&mut self, ecosystem: &str, state: EcosystemState) -> Result<(), UpdateError> {
        self.manifest.ecosystems.insert(ecosystem.to_owned(), state);
        Ok(self.folder.commit(&self.manifest)?)
    }
}

/// An ecosystem as a part of an address.
fn in_path(ecosystem: &str) -> String {
    ecosystem.replace(' ', "%20")
}
