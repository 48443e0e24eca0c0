//! Findings of another scanner into a report of ours: the same vulnerability of the same package is one finding.

use ph_inventory::{Component, Inventory};

use super::Scan;
use crate::Finding;
use crate::report::{Report, Row, chain};
use crate::severity::SeverityFrom;

/// Merges what `scan` says into `report`, whose packages are those of `inventory`.
///
/// A finding that is there already gets another `found_by`; one that an override silences stays silent; the rest are
/// added. Where the other report has no version, the inventory's packages of that name and place are meant.
pub fn merge(report: &mut Report, inventory: &Inventory, scan: Scan) {
    let by = scan.scanner.name();
    for found in scan.findings {
        let meant = meant(inventory, &found.finding.component);
        if meant.is_empty() {
            add(report, found.finding, found.chain, by);
            continue;
        }
        for component in meant {
            let chain = if found.chain.is_empty() {
                chain(inventory, component)
            } else {
                found.chain.clone()
            };
            let finding = Finding {
                component: component.clone(),
                ..found.finding.clone()
            };
            add(report, finding, chain, by);
        }
    }
    if report.packages == 0 {
        report.packages = scan.packages.unwrap_or(0);
    }
    report.unchecked.extend(scan.unchecked);
    report.notes.extend(scan.notes);
    report.sort();
}

/// The components of the inventory that another scanner means: of that name, and of that place or version where it
/// says one. A place that we do not have (its own root is another folder) narrows nothing.
fn meant<'a>(inventory: &'a Inventory, of: &Component) -> Vec<&'a Component> {
    let same: Vec<_> = inventory
        .components
        .iter()
        .filter(|one| is_same_package(one, of))
        .filter(|one| of.version.is_none() || one.version == of.version)
        .collect();
    let in_place: Vec<_> = same
        .iter()
        .copied()
        .filter(|one| !of.path.is_empty() && one.path == of.path)
        .collect();
    if in_place.is_empty() { same } else { in_place }
}

fn add(report: &mut Report, finding: Finding, chain: Vec<String>, by: &str) {
    if report
        .overridden
        .iter()
        .any(|one| is_same(&one.row.finding, &finding))
    {
        return;
    }
    let mut is_known = false;
    for row in report
        .rows
        .iter_mut()
        .filter(|row| is_same(&row.finding, &finding))
    {
        is_known = true;
        join(row, &finding, by);
    }
    if !is_known {
        let chain = if chain.is_empty() {
            vec![finding.component.name.clone()]
        } else {
            chain
        };
        report.rows.push(Row {
            finding,
            chain,
            found_by: vec![by.to_owned()],
            exposure: None,
        });
    }
}

/// What another scanner knows and we do not; where both say something, ours stays.
fn join(row: &mut Row, other: &Finding, by: &str) {
    if !row.found_by.iter().any(|one| one == by) {
        row.found_by.push(by.to_owned());
    }
    let mine = &mut row.finding;
    let unknown: Vec<_> = other
        .ids()
        .filter(|id| !mine.has_id(id))
        .map(str::to_owned)
        .collect();
    mine.aliases.extend(unknown);
    if mine.fixed_in.is_empty() {
        mine.fixed_in.clone_from(&other.fixed_in);
    }
    if mine.summary.is_empty() {
        mine.summary.clone_from(&other.summary);
    }
    if mine.severity.from == SeverityFrom::Unknown {
        mine.severity = other.severity;
    }
}

/// The same vulnerability in the same package, of the same version and place where both say one.
fn is_same(a: &Finding, b: &Finding) -> bool {
    let (x, y) = (&a.component, &b.component);
    is_same_package(x, y)
        && (x.version == y.version || x.version.is_none() || y.version.is_none())
        && b.ids().any(|id| a.has_id(id))
}

fn is_same_package(a: &Component, b: &Component) -> bool {
    a.ecosystem.base() == b.ecosystem.base()
        && a.ecosystem.normal_name(&a.name) == b.ecosystem.normal_name(&b.name)
}
