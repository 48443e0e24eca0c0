//! What a scan of one server saw, as far as cases are concerned.

use crate::Finding;
use std::collections::{BTreeMap, BTreeSet};

/// What a scan of one server saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// The server's name.
    pub subject: String,
    /// What was looked at, in words: it becomes the evidence of a proof.
    pub artefact: String,
    /// It is what the server runs now, not only a file that says what it should run.
    pub is_running: bool,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Ids of advisories that an override has taken out, with the package ([`Look::package`]).
    pub overridden: BTreeSet<(String, String)>,
    /// The versions that are there, by package ([`Look::package`]).
    pub components: BTreeMap<String, BTreeSet<String>>,
    /// Packages whose version could not be judged, and ecosystems (`npm`) without advisories.
    pub unchecked: BTreeSet<String>,
    /// Why not finding something here proves nothing.
    pub gaps: BTreeSet<Gap>,
}

/// Why a scan's silence is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gap {
    /// The scan failed.
    Failed,
    /// What the server holds cannot be seen.
    NotInventoried,
    /// The advisories are too old.
    Stale,
    /// Some packages could not be judged; the others could.
    Unchecked,
}

impl Gap {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Failed,
        Self::NotInventoried,
        Self::Stale,
        Self::Unchecked,
    ];

    /// The word in labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotInventoried => "not_inventoried",
            Self::Stale => "stale",
            Self::Unchecked => "unchecked",
        }
    }
}

impl Look {
    /// How a finding's package is named in cases: `npm/lodash`.
    #[must_use]
    pub fn package(component: &ph_inventory::Component) -> String {
        format!(
            "{}/{}",
            component.ecosystem.base(),
            component.advisory_name()
        )
    }

    /// Not finding something in `package` means that it is not there.
    #[must_use]
    pub fn can_tell(&self, package: &str) -> bool {
        let ecosystem = package.split('/').next().unwrap_or(package);
        let is_blind = self.gaps.iter().any(|gap| *gap != Gap::Unchecked);
        !is_blind && !self.unchecked.contains(package) && !self.unchecked.contains(ecosystem)
    }
}
