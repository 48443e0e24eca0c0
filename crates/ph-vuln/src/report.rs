//! What one scan found, and the forms in which that is given out.
//!
//! Every writer is a function of a [`Report`]: the same report gives the same bytes.

mod chain;
mod cyclonedx;
mod database;
mod json;
mod openvex;
mod row;
mod sarif;
mod stance;
mod table;

pub use crate::purl::write as purl;
pub use chain::chain;
pub use cyclonedx::vex as cyclonedx_vex;
pub use database::{Database, Source};
pub use json::json;
pub use openvex::openvex;
pub use sarif::sarif;
pub use stance::{Fixed, Justification, Stance, Stances};
pub use table::table;

use jiff::Timestamp;
use ph_inventory::{Inventory, Unchecked};

use crate::severity::Class;
use crate::{Exposed, Finding, FindingKey};

/// What was found in one subject, with all that decides how far it can be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The server's name, or the path or image that was scanned.
    pub subject: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// The advisories that it was compared with.
    pub database: Database,
    /// How many components were seen, however many of them can be judged.
    pub packages: usize,
    /// The files that components were read from.
    pub files: Vec<String>,
    /// What was found, the worst first, then by package, path and id.
    pub rows: Vec<Row>,
    /// What would have been found, had a local override not said otherwise.
    pub overridden: Vec<Overridden>,
    /// What could not be looked at: never silently clean.
    pub unchecked: Vec<Unchecked>,
    /// What lockfile and installed tree say differently.
    pub differences: Vec<Difference>,
    /// What the operator should know besides: overrides that expired or that match nothing, other scanners that said
    /// less than it seems.
    pub notes: Vec<String>,
}

/// One finding with its place in the tree of packages.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was found.
    pub finding: Finding,
    /// Packages from what the server itself names down to the affected one; only the affected one where the file does
    /// not say who needs it.
    pub chain: Vec<String>,
    /// Who found it: `pilothouse`, and the scanners whose reports were merged.
    pub found_by: Vec<String>,
    /// How near it is to a caller; none: nobody has looked.
    pub exposure: Option<Exposed>,
}

/// A finding that the operator has overridden.
#[derive(Debug, Clone, PartialEq)]
pub struct Overridden {
    /// What would have been found.
    pub row: Row,
    /// The operator's reason.
    pub reason: String,
    /// When it ends, as the operator wrote it.
    pub expires: String,
}

/// A package whose installed version is not the locked one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The package.
    pub package: String,
    /// Where it is installed, or was to be.
    pub path: String,
    /// What the lockfile says; none: it does not name it.
    pub locked: Option<String>,
    /// What is installed; none: it is not.
    pub installed: Option<String>,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was looked at, nothing of the wanted severity was found.
    Clean,
    /// Something at or above the wanted severity was found.
    Found,
    /// Nothing, or not everything, could be looked at, or the advisories are too old to tell.
    Unknown,
}

impl Report {
    /// How the scan ended. What was found counts before what could not be looked at.
    #[must_use]
    pub fn outcome(&self, fail_on: Option<Class>) -> Outcome {
        let counts = |row: &Row| fail_on.is_none_or(|least| row.finding.severity.class() >= least);
        if self.rows.iter().any(counts) {
            return Outcome::Found;
        }
        if self.doubts().is_empty() {
            Outcome::Clean
        } else {
            Outcome::Unknown
        }
    }

    /// Why nothing found is not clean: one sentence each, empty when it is.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.packages == 0 {
            doubts.push("nothing to scan was found".to_owned());
        }
        doubts.extend(self.database.doubt());
        match self.unchecked.len() {
            0 => {}
            1 => doubts.push("1 item could not be checked".to_owned()),
            n => doubts.push(format!("{n} items could not be checked")),
        }
        doubts
    }

    /// What names a finding of this report through versions and re-scans.
    #[must_use]
    pub fn key(&self, finding: &Finding) -> FindingKey {
        key(&self.subject, finding)
    }

    /// How many findings there are of each class, the worst first; classes without any are left out.
    #[must_use]
    pub fn counts(&self) -> Vec<(Class, usize)> {
        use Class::{Critical, High, Low, Medium, None};
        let of = |class: Class| {
            let same = |row: &&Row| row.finding.severity.class() == class;
            self.rows.iter().filter(same).count()
        };
        [Critical, High, Medium, Low, None]
            .into_iter()
            .map(|class| (class, of(class)))
            .filter(|(_, n)| *n > 0)
            .collect()
    }

    /// Puts the rows into their order: the worst first, then by package, path and id.
    pub fn sort(&mut self) {
        self.rows.sort_by(|a, b| {
            let name = |row: &Row| {
                let component = &row.finding.component;
                (
                    component.name.clone(),
                    component.path.clone(),
                    component.file.clone(),
                    row.finding.id.clone(),
                )
            };
            let (x, y) = (&a.finding.severity, &b.finding.severity);
            y.score
                .total_cmp(&x.score)
                .then_with(|| name(a).cmp(&name(b)))
        });
    }
}

/// A row for each finding, with the chain that leads to it in `inventory`.
#[must_use]
pub fn rows(inventory: &Inventory, findings: Vec<Finding>, found_by: &str) -> Vec<Row> {
    findings
        .into_iter()
        .map(|finding| Row {
            chain: chain(inventory, &finding.component),
            finding,
            found_by: vec![found_by.to_owned()],
            exposure: None,
        })
        .collect()
}

/// What names a finding of `subject` through versions, re-scans and merged aliases.
#[must_use]
pub fn key(subject: &str, finding: &Finding) -> FindingKey {
    finding.key(subject)
}

/// The CVE where there is one, else the least id.
#[must_use]
pub fn representative(finding: &Finding) -> &str {
    finding.representative()
}

#[cfg(test)]
pub(crate) mod tests;
