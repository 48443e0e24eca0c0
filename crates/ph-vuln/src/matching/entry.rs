//! A component and the entries of records that name its package.

use ph_inventory::Component;

use super::range::{Events, is_open, is_whole, words_hold};
use super::release::{self, Release};
use crate::Advisory;
use crate::osv::{Affected, Event, RangeKind};
use crate::version::{NoOrder, Version, shown};

/// So many fixed versions are named.
const FIXED_IN_MAX: usize = 16;
/// So many are looked at, each through all events: a record may name thousands.
const FIXED_LOOKED_AT_MAX: usize = 256;

/// What entries say of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    NotAffected,
    Affected,
    Unknown(String),
}

/// A component and what records say of its package.
pub(super) struct Case<'a> {
    component: &'a Component,
    version: Read,
    entries: Vec<&'a Affected>,
}

/// The component's version.
enum Read {
    Missing,
    /// Only compared for equality.
    Unordered(String, NoOrder),
    Ordered(String, Version),
}

impl<'a> Case<'a> {
    /// - `advisories`: those that are withdrawn have no entry.
    pub(super) fn of(
        component: &'a Component,
        advisories: impl IntoIterator<Item = &'a Advisory>,
    ) -> Self {
        let name = component.advisory_name();
        let is_about = |entry: &&Affected| {
            release::compare(&entry.ecosystem, &component.ecosystem) != Release::Other
                && entry.ecosystem.normal_name(&entry.package) == name
        };
        let entries = advisories
            .into_iter()
            .filter(|advisory| advisory.withdrawn.is_none())
            .flat_map(|advisory| &advisory.affected)
            .filter(is_about)
            .collect();
        Self {
            component,
            version: Read::of(component),
            entries,
        }
    }

    pub(super) fn entries(&self) -> &[&'a Affected] {
        &self.entries
    }

    /// Affected when any entry says so; else unknown when any cannot tell.
    pub(super) fn says(&self) -> Says {
        let mut says = Says::NotAffected;
        for entry in &self.entries {
            match self.entry_says(entry) {
                Says::Affected => return Says::Affected,
                unknown @ Says::Unknown(_) if says == Says::NotAffected => says = unknown,
                Says::NotAffected | Says::Unknown(_) => {}
            }
        }
        says
    }

    /// The fixed versions above the component's that no entry names as affected, the least first.
    pub(super) fn fixed_in(&self) -> Vec<String> {
        let mut fixed: Vec<(Version, &str)> = Vec::new();
        for text in self.entries.iter().flat_map(|entry| fixes(entry)) {
            let Ok(version) = Version::read(&self.component.ecosystem, text) else {
                continue;
            };
            let is_above = match &self.version {
                Read::Ordered(_, own) => version > *own,
                Read::Missing | Read::Unordered(..) => true,
            };
            if is_above {
                fixed.push((version, text));
            }
        }
        fixed.sort_by(|(a, _), (b, _)| a.cmp(b));
        fixed.dedup_by(|(a, _), (b, _)| a == b);
        fixed
            .into_iter()
            .take(FIXED_LOOKED_AT_MAX)
            .filter(|(version, text)| !self.is_affected(text, version))
            .take(FIXED_IN_MAX)
            .map(|(_, text)| text.to_owned())
            .collect()
    }

    fn entry_says(&self, entry: &Affected) -> Says {
        let says = match &self.version {
            Read::Missing if is_all(entry) => Says::Affected,
            Read::Missing => Says::Unknown("its version is not known".to_owned()),
            Read::Unordered(text, _) if entry.versions.contains(text) || is_all(entry) => {
                Says::Affected
            }
            Read::Unordered(_, why) => Says::Unknown(why.to_string()),
            Read::Ordered(text, version) => self.ordered_says(entry, text, version),
        };
        match release::compare(&entry.ecosystem, &self.component.ecosystem) {
            Release::Unknown if says == Says::Affected => Says::Unknown(format!(
                "the release of the distribution is not known; in {} this version is affected",
                entry.ecosystem
            )),
            _ => says,
        }
    }

    fn ordered_says(&self, entry: &Affected, text: &str, version: &Version) -> Says {
        if entry.versions.iter().any(|listed| listed == text) || is_all_for_sure(entry) {
            return Says::Affected;
        }
        let mut says = Says::NotAffected;
        match self.holds(entry, version) {
            Ok(true) => match self.doubt(entry, version) {
                None => return Says::Affected,
                Some(doubt) => says = Says::Unknown(doubt),
            },
            Ok(false) => {}
            Err(why) => says = Says::Unknown(format!("the record cannot be read: {why}")),
        }
        if self.lists(entry, version) {
            return Says::Affected;
        }
        if says == Says::NotAffected && names_no_version(entry) {
            return Says::Unknown("the record names commits and no versions".to_owned());
        }
        match version.flaw() {
            Some(flaw) if !entry.ranges.is_empty() => {
                Says::Unknown(format!("`{}`: {flaw}", shown(text)))
            }
            _ => says,
        }
    }

    /// Whether any range of versions holds it. One that does counts before one that cannot be read.
    fn holds(&self, entry: &Affected, version: &Version) -> Result<bool, NoOrder> {
        let mut unread = None;
        for range in versions_of(entry) {
            match Events::read(&self.component.ecosystem, range) {
                Ok(events) if events.holds(version) => return Ok(true),
                Ok(_) => {}
                Err(why) => unread = Some(why),
            }
        }
        unread.map_or(Ok(false), Err)
    }

    /// Whether a version that is equal in its order is listed: `1.0` and `1.0.0` of `PyPI`.
    fn lists(&self, entry: &Affected, version: &Version) -> bool {
        let ecosystem = &self.component.ecosystem;
        entry
            .versions
            .iter()
            .any(|listed| Version::read(ecosystem, listed).is_ok_and(|listed| listed == *version))
    }

    /// GitHub writes `<= X` without a fix as a range without an end, and X beside it.
    fn doubt(&self, entry: &Affected, version: &Version) -> Option<String> {
        let words = entry.last_known_affected.as_deref()?;
        let is_open = versions_of(entry).all(is_open);
        let is_beyond = words_hold(&self.component.ecosystem, words, version) == Some(false);
        (is_open && is_beyond).then(|| {
            format!(
                "probably not affected: the record's range has no end, and beside it stands `{}` as last known",
                shown(words)
            )
        })
    }

    fn is_affected(&self, text: &str, version: &Version) -> bool {
        let says = |entry: &&Affected| self.ordered_says(entry, text, version);
        self.entries
            .iter()
            .any(|entry| says(entry) == Says::Affected)
    }
}

impl Read {
    fn of(component: &Component) -> Self {
        let Some(text) = component.advisory_version().filter(|text| !text.is_empty()) else {
            return Self::Missing;
        };
        match Version::read(&component.ecosystem, text) {
            Ok(version) => Self::Ordered(text.to_owned(), version),
            Err(why) => Self::Unordered(text.to_owned(), why),
        }
    }
}

fn versions_of(entry: &Affected) -> impl Iterator<Item = &crate::osv::Range> {
    entry
        .ranges
        .iter()
        .filter(|range| range.kind == RangeKind::Versions)
}

fn fixes(entry: &Affected) -> impl Iterator<Item = &str> {
    versions_of(entry)
        .flat_map(|range| &range.events)
        .filter_map(|event| match event {
            Event::Fixed(text) => Some(text.as_str()),
            _ => None,
        })
}

/// Whether all versions are affected, which needs no order.
fn is_all(entry: &Affected) -> bool {
    versions_of(entry).any(is_whole)
}

fn is_all_for_sure(entry: &Affected) -> bool {
    is_all(entry) && entry.last_known_affected.is_none()
}

fn names_no_version(entry: &Affected) -> bool {
    versions_of(entry).next().is_none() && entry.versions.is_empty()
}
