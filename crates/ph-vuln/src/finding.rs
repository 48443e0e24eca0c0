//! One advisory that one component is affected by.

use ph_inventory::Component;

use crate::Severity;
use crate::cve::CveId;

/// What names a finding through versions, re-scans and merged aliases.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FindingKey {
    /// The server's name, or the path or image that was scanned.
    pub subject: String,
    /// The representative of the alias group (the CVE where there is one, else the least id).
    pub advisory: String,
    /// The ecosystem's OSV name and the package's compared name: `npm/lodash`.
    pub package: String,
}

/// An advisory that applies, or may apply, to a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The advisory's id as the first of its records gives it.
    pub id: String,
    /// All other ids of the same vulnerability.
    pub aliases: Vec<String>,
    /// One line on what it is.
    pub summary: String,
    /// What is affected.
    pub component: Component,
    /// How bad.
    pub severity: Severity,
    /// The least versions that are not affected, in the ecosystem's order; empty: none is known.
    pub fixed_in: Vec<String>,
    /// Named by CISA's list of known exploited vulnerabilities.
    pub is_exploited: bool,
    /// EPSS: the probability (0 to 1) of exploitation within 30 days.
    pub epss: Option<f64>,
    /// A known-malicious package (`MAL-…`).
    pub is_malicious: bool,
    /// Why it is not certain that the component is affected; none: it is.
    pub unknown: Option<String>,
    /// Where to read more: URLs of the record.
    pub references: Vec<String>,
    /// The functions and classes that the advisory names, where it names any.
    pub symbols: Vec<String>,
    /// The classes of weakness: `CWE-22`.
    pub cwes: Vec<String>,
    /// Not a vulnerability but `unsound`, `unmaintained` or a `notice` (`RustSec`).
    pub informational: Option<String>,
}

impl Finding {
    /// The one name that stays when records are merged: the CVE where there is one (the oldest), else the least id.
    #[must_use]
    pub fn representative(&self) -> &str {
        let oldest = self
            .ids()
            .filter(|id| CveId::read(id).is_some())
            .min_by_key(|id| CveId::read(id));
        oldest.or_else(|| self.ids().min()).unwrap_or(&self.id)
    }

    /// The ecosystem's OSV name without a release, and the package's compared name: `npm/lodash`.
    #[must_use]
    pub fn package(&self) -> String {
        package(&self.component)
    }

    /// What names it through versions, re-scans and merged records.
    #[must_use]
    pub fn key(&self, subject: &str) -> FindingKey {
        FindingKey {
            subject: subject.to_owned(),
            advisory: self.representative().to_owned(),
            package: self.package(),
        }
    }
}

/// `npm/lodash`, as overrides and keys name a package.
pub(crate) fn package(component: &Component) -> String {
    format!(
        "{}/{}",
        component.ecosystem.base(),
        component.advisory_name()
    )
}

impl Finding {
    /// Every id of the vulnerability.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.id)
            .chain(&self.aliases)
            .map(String::as_str)
    }

    /// Whether one of the ids is this one.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        self.ids().any(|one| one == id)
    }
}
