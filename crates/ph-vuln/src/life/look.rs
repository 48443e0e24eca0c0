//! What a scan of one server saw, as far as cases are concerned.

use crate::{Exposed, Finding, Report};
use ph_inventory::Inventory;
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
    /// What its processes have loaded, whatever lies on the disk by now: packages ([`Look::package`]) with ids of
    /// advisories.
    pub loaded: BTreeSet<(String, String)>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// How near findings are to a caller, by package ([`Look::package`]) and the finding's id.
    pub exposures: BTreeMap<(String, String), Exposed>,
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
    /// What `report` saw in `inventory`.
    ///
    /// - `is_running`: the inventory is of what the server runs now.
    /// - `artefact`: what was looked at, in words.
    #[must_use]
    pub fn of(report: &Report, inventory: &Inventory, is_running: bool, artefact: String) -> Self {
        let mut look = Self {
            subject: report.subject.clone(),
            artefact,
            is_running,
            findings: report.rows.iter().map(|row| row.finding.clone()).collect(),
            ..Self::default()
        };
        for component in &inventory.components {
            let package = Self::package(component);
            let versions = look.components.entry(package.clone()).or_default();
            match component.advisory_version() {
                Some(version) => _ = versions.insert(version.to_owned()),
                None => _ = look.unchecked.insert(package),
            }
        }
        for row in &report.rows {
            if let Some(exposure) = &row.exposure {
                let name = (
                    Self::package(&row.finding.component),
                    row.finding.id.clone(),
                );
                look.exposures.insert(name, exposure.clone());
            }
        }
        for overridden in &report.overridden {
            let finding = &overridden.row.finding;
            let package = Self::package(&finding.component);
            for id in std::iter::once(&finding.id).chain(&finding.aliases) {
                look.overridden.insert((package.clone(), id.clone()));
            }
        }
        if report.packages == 0 {
            look.gaps.insert(Gap::NotInventoried);
        }
        let database = &report.database;
        for source in database.sources.iter().filter(|source| source.is_needed) {
            match source.age {
                Some(age) if source.records > 0 && age <= database.stale_after => {}
                Some(_) if source.records > 0 => _ = look.gaps.insert(Gap::Stale),
                _ => _ = look.unchecked.insert(source.ecosystem.clone()),
            }
        }
        if !report.unchecked.is_empty() || !look.unchecked.is_empty() {
            look.gaps.insert(Gap::Unchecked);
        }
        look
    }

    /// A scan of `subject` that failed.
    #[must_use]
    pub fn failed(subject: &str, why: String) -> Self {
        Self {
            subject: subject.to_owned(),
            artefact: why,
            gaps: BTreeSet::from([Gap::Failed]),
            ..Self::default()
        }
    }

    /// How a finding's package is named in cases: `npm/lodash`.
    #[must_use]
    pub fn package(component: &ph_inventory::Component) -> String {
        format!(
            "{}/{}",
            component.ecosystem.base(),
            component.advisory_name()
        )
    }

    /// A process goes on with one of `ids` in `package`, also where it is not found on the disk any more.
    #[must_use]
    pub fn is_loaded(&self, package: &str, ids: &BTreeSet<String>) -> bool {
        let mut loaded = self.loaded.iter();
        loaded.any(|(of, id)| of == package && ids.contains(id))
    }

    /// Not finding something in `package` means that it is not there.
    #[must_use]
    pub fn can_tell(&self, package: &str) -> bool {
        let ecosystem = package.split('/').next().unwrap_or(package);
        let is_blind = self.gaps.iter().any(|gap| *gap != Gap::Unchecked);
        !is_blind && !self.unchecked.contains(package) && !self.unchecked.contains(ecosystem)
    }
}
