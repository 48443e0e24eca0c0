//! Which advisories apply to which components.
//!
//! A component is affected when any entry of the record for its package lists its version or has a range that holds it,
//! in the order of the ecosystem. Where that cannot be told, the answer is unknown and says why: never silently clean.

mod entry;
mod joined;
mod range;
mod release;

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use ph_inventory::{Component, Inventory, Unchecked};

use crate::finding::package;
use crate::overrides::{Override, Overrides};
use crate::{Advisory, Finding};

use entry::Case;

/// What a record says of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is about other packages or other versions, or is withdrawn.
    NotAffected,
    /// It holds.
    Affected {
        /// Fixed versions above the component's that the record does not name as affected, the least first; empty:
        /// none is known. The first is the smallest upgrade.
        fixed_in: Vec<String>,
    },
    /// It may hold; why it cannot be told.
    Unknown(String),
}

/// Judges one component by one record.
#[must_use]
pub fn judge(component: &Component, advisory: &Advisory) -> Verdict {
    let case = Case::of(component, [advisory]);
    match case.says() {
        entry::Says::NotAffected => Verdict::NotAffected,
        entry::Says::Affected => Verdict::Affected {
            fixed_in: case.fixed_in(),
        },
        entry::Says::Unknown(why) => Verdict::Unknown(why),
    }
}

/// What is known of attacks on a vulnerability.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attacks {
    /// CISA's list of known exploited vulnerabilities names it.
    pub is_known: bool,
    /// EPSS: the probability (0 to 1) of exploitation within 30 days.
    pub epss: Option<f64>,
}

/// What is known beside the advisories.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The operator's own word on findings.
    pub overrides: &'a Overrides,
    /// What is known of attacks on the vulnerability that has these ids.
    pub attacks: &'a dyn Fn(&[&str]) -> Attacks,
    /// Which overrides have expired depends on it.
    pub now: Timestamp,
}

/// What was found in an inventory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// The worst first, then by package, path and id.
    pub findings: Vec<Finding>,
    /// What would have been found, with the override that says otherwise.
    pub overridden: Vec<(Finding, Override)>,
    /// Overrides that would have held and have expired: they have no effect.
    pub expired: Vec<Override>,
    /// Overrides to which nothing was found.
    pub unused: Vec<Override>,
    /// What the inventory could not look at, and packages whose advisories could not be read.
    pub unchecked: Vec<Unchecked>,
}

/// Finds what applies to the components of an inventory. Records that are one vulnerability are one finding, those that
/// are withdrawn are none.
///
/// - `advisories`: the records that name a component's package; asked once per package.
pub fn findings<E: Display>(
    inventory: &Inventory,
    mut advisories: impl FnMut(&Component) -> Result<Vec<Advisory>, E>,
    context: &Context<'_>,
) -> Findings {
    let mut all = Findings {
        unchecked: inventory.unchecked.clone(),
        ..Findings::default()
    };
    let mut found = Vec::new();
    for (package, components) in by_package(inventory) {
        // One component stands for all of its package: name and ecosystem are the same.
        match advisories(components[0]) {
            Ok(records) => found.extend(joined::findings(&components, &records, context)),
            Err(error) => all.unchecked.push(Unchecked {
                what: package,
                why: format!("its advisories cannot be read: {error}"),
            }),
        }
    }
    apply(context, found, &mut all);
    all.findings.sort_by(order);
    all
}

/// Components of one package, in the order of the inventory. Releases of a distribution are kept apart.
fn by_package(inventory: &Inventory) -> BTreeMap<String, Vec<&Component>> {
    let mut packages: BTreeMap<String, Vec<&Component>> = BTreeMap::new();
    for component in &inventory.components {
        let key = format!("{}/{}", component.ecosystem, component.advisory_name());
        packages.entry(key).or_default().push(component);
    }
    packages
}

/// Takes out what overrides say is none, and tells which of them had an effect.
fn apply(context: &Context<'_>, found: Vec<Finding>, all: &mut Findings) {
    let overrides = context.overrides.all();
    let mut is_used = vec![false; overrides.len()];
    for finding in found {
        let mut held = None;
        for (at, given) in overrides.iter().enumerate() {
            if given.is_about(&finding) {
                is_used[at] = true;
                if held.is_none() && !given.has_expired(context.now) {
                    held = Some(given);
                }
            }
        }
        match held {
            Some(given) => all.overridden.push((finding, given.clone())),
            None => all.findings.push(finding),
        }
    }
    for (given, is_used) in overrides.iter().zip(is_used) {
        match (is_used, given.has_expired(context.now)) {
            (false, _) => all.unused.push(given.clone()),
            (true, true) => all.expired.push(given.clone()),
            (true, false) => {}
        }
    }
}

fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let name = |finding: &Finding| (package(&finding.component), finding.component.path.clone());
    b.severity
        .score
        .total_cmp(&a.severity.score)
        .then_with(|| name(a).cmp(&name(b)))
        .then_with(|| a.id.cmp(&b.id))
}

#[cfg(test)]
mod tests;
