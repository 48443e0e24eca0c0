//! Records that are one vulnerability under several ids are one finding.

use std::collections::{HashMap, HashSet};

use ph_inventory::Component;

use super::Context;
use super::entry::{Case, Says};
use crate::osv::Advisory;
use crate::{Finding, Severity};

/// So many URLs are kept of a finding.
const REFERENCES_MAX: usize = 32;

/// The findings of components of one package.
pub(super) fn findings(
    components: &[&Component],
    records: &[Advisory],
    context: &Context<'_>,
) -> Vec<Finding> {
    let groups = groups(records);
    let finding = |component| {
        groups
            .iter()
            .filter_map(move |group| finding(component, group, context))
    };
    components
        .iter()
        .flat_map(|component| finding(*component))
        .collect()
}

/// Records that share an id, directly or through others; in each the least id first.
fn groups(records: &[Advisory]) -> Vec<Vec<&Advisory>> {
    let mut records: Vec<&Advisory> = records
        .iter()
        .filter(|record| record.withdrawn.is_none())
        .collect();
    records.sort_by(|a, b| a.id.cmp(&b.id));
    records.dedup_by(|a, b| a.id == b.id);
    let mut groups: Vec<Vec<&Advisory>> = Vec::new();
    let mut group_of: HashMap<&str, usize> = HashMap::new();
    for record in records {
        let mut known: Vec<usize> = record
            .ids()
            .filter_map(|id| group_of.get(id).copied())
            .collect();
        known.sort_unstable();
        known.dedup();
        let target = known.first().copied().unwrap_or_else(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        for other in known.into_iter().skip(1) {
            let moved = std::mem::take(&mut groups[other]);
            groups[target].extend(moved);
        }
        groups[target].push(record);
        for member in &groups[target] {
            for id in member.ids() {
                group_of.insert(id, target);
            }
        }
    }
    groups.retain(|group| !group.is_empty());
    for group in &mut groups {
        group.sort_by(|a, b| a.id.cmp(&b.id));
    }
    groups
}

/// None: no record of the group says that the component may be affected.
fn finding(component: &Component, group: &[&Advisory], context: &Context<'_>) -> Option<Finding> {
    let mut affected = Vec::new();
    let mut unknown = Vec::new();
    for record in group {
        match Case::of(component, [*record]).says() {
            Says::Affected => affected.push(*record),
            Says::Unknown(why) => unknown.push((*record, why)),
            Says::NotAffected => {}
        }
    }
    let why = affected
        .is_empty()
        .then(|| unknown.first().map(|(_, why)| why.clone()))
        .flatten();
    let records: Vec<&Advisory> = affected
        .into_iter()
        .chain(unknown.into_iter().map(|(record, _)| record))
        .collect();
    let first = *records.first()?;
    let case = Case::of(component, records.iter().copied());
    let entries = case.entries();
    let severity = records
        .iter()
        .map(|record| Severity::of(record, &entries_of(component, record)));

    let names = unique(group.iter().flat_map(|record| record.ids()));
    let aliases: Vec<String> = names.into_iter().filter(|id| *id != first.id).collect();
    let ids: Vec<&str> = std::iter::once(&first.id)
        .chain(&aliases)
        .map(String::as_str)
        .collect();
    let attacks = (context.attacks)(&ids);
    Some(Finding {
        summary: first.summary.clone(),
        component: component.clone(),
        severity: severity.reduce(Severity::worse)?,
        fixed_in: case.fixed_in(),
        is_exploited: attacks.is_known,
        epss: attacks.epss,
        is_malicious: records.iter().any(|record| record.is_malicious()),
        unknown: why,
        references: unique(
            records
                .iter()
                .flat_map(|record| &record.references)
                .take(REFERENCES_MAX),
        ),
        symbols: unique(entries.iter().flat_map(|entry| &entry.symbols)),
        cwes: unique(records.iter().flat_map(|record| &record.cwes)),
        informational: entries.iter().find_map(|entry| entry.informational.clone()),
        id: first.id.clone(),
        aliases,
    })
}

fn entries_of<'a>(component: &'a Component, record: &'a Advisory) -> Vec<&'a crate::osv::Affected> {
    Case::of(component, [record]).entries().to_vec()
}

/// Each once, in the order in which they come first.
fn unique<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> Vec<String> {
    let mut seen = HashSet::new();
    texts
        .filter(|text| seen.insert(text.as_ref().to_owned()))
        .map(|text| text.as_ref().to_owned())
        .collect()
}
