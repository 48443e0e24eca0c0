//! The operator's own word on findings: this one is none here, for this reason, until that day.
//!
//! A file of its own, so that it can be reviewed and signed off like code. Nothing is overridden for ever, and nothing
//! without a reason.

mod file;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use ph_inventory::Component;

use crate::Finding;

pub use file::Problem;

/// The overrides of one file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(Vec<Override>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Any id of the finding.
    pub id: String,
    /// `npm/lodash`, or `lodash` in whatever ecosystem.
    pub package: String,
    /// Only these versions, as the inventory writes them; empty: all.
    pub versions: Vec<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds, in UTC.
    pub expires: Date,
    /// The line of its file, from 1.
    pub line: usize,
}

impl Overrides {
    /// Reads a file: a list of maps with `id`, `package`, `versions` (may be left out), `reason` and `expires`.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        file::read(text).map(Self)
    }

    /// In the order of the file.
    #[must_use]
    pub fn all(&self) -> &[Override] {
        &self.0
    }
}

impl Override {
    /// Whether it speaks of a finding, expired or not.
    #[must_use]
    pub fn is_about(&self, finding: &Finding) -> bool {
        finding.ids().any(|id| id == self.id) && self.is_for(&finding.component)
    }

    /// Whether it speaks of a component in its version, whatever the id.
    #[must_use]
    pub fn is_for(&self, component: &Component) -> bool {
        let ecosystem = &component.ecosystem;
        let is_package = match self.package.strip_prefix(ecosystem.base()) {
            Some(rest) if rest.starts_with('/') => {
                ecosystem.normal_name(&rest[1..]) == component.advisory_name()
            }
            _ => ecosystem.normal_name(&self.package) == component.advisory_name(),
        };
        let version = component.version.as_ref();
        let is_version =
            self.versions.is_empty() || version.is_some_and(|own| self.versions.contains(own));
        is_package && is_version
    }

    /// Whether its last day is over.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.to_zoned(TimeZone::UTC).date() > self.expires
    }
}
