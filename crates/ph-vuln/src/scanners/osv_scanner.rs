//! `osv-scanner … --format json`.

use ph_inventory::{Component, Ecosystem};
use serde::Deserialize;

use super::{Found, Scan, Scanner, ScannerError, advisory, form};

#[derive(Deserialize)]
struct Form {
    results: Option<Vec<Source>>,
}

#[derive(Deserialize)]
struct Source {
    source: Path,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Path {
    #[serde(default)]
    path: String,
}

#[derive(Deserialize)]
struct Package {
    package: Name,
    #[serde(default)]
    dependency_groups: Vec<String>,
    #[serde(default)]
    vulnerabilities: Vec<Record>,
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    ecosystem: String,
}

#[derive(Deserialize)]
struct Group {
    ids: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    max_severity: String,
}

/// The members of an OSV record that a finding is made of.
#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    affected: Option<Vec<Affected>>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
    #[serde(default)]
    database_specific: Option<Specific>,
}

#[derive(Deserialize, Default)]
struct Specific {
    #[serde(default)]
    severity: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct Affected {
    package: Option<Name>,
    #[serde(default)]
    ranges: Option<Vec<Range>>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    fixed: Option<String>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Scan, ScannerError> {
    let form: Form = form("a report of osv-scanner", bytes)?;
    let results = form.results.unwrap_or_default();
    let mut findings = Vec::new();
    for source in &results {
        for package in &source.packages {
            findings.extend(found(&source.source.path, package));
        }
    }
    // Packages without findings are left out unless `--all-packages` is given, so their number is not known.
    let notes = if results.is_empty() {
        vec![
            "the report of osv-scanner names no package: it looks the same whether nothing was found or nothing was there to be scanned (`--all-packages` tells)".to_owned(),
        ]
    } else {
        Vec::new()
    };
    Ok(Scan {
        scanner: Scanner::Osv,
        findings,
        packages: None,
        unchecked: Vec::new(),
        notes,
    })
}

/// One finding for each group of ids of the same vulnerability; a record that is in no group is its own.
fn found(file: &str, package: &Package) -> Vec<Found> {
    let grouped: Vec<_> = package.groups.iter().flat_map(|group| &group.ids).collect();
    let alone = package
        .vulnerabilities
        .iter()
        .filter(|one| !grouped.contains(&&one.id));
    let alone = alone.map(|one| Group {
        ids: vec![one.id.clone()],
        aliases: Vec::new(),
        max_severity: String::new(),
    });
    let groups: Vec<Group> = alone.collect();
    let all = package.groups.iter().chain(&groups);
    all.filter_map(|group| of_group(file, package, group))
        .collect()
}

fn of_group(file: &str, package: &Package, group: &Group) -> Option<Found> {
    let records: Vec<&Record> = package
        .vulnerabilities
        .iter()
        .filter(|one| group.ids.contains(&one.id))
        .collect();
    let id = group.ids.first()?.clone();
    let component = Component {
        version: Some(package.package.version.clone()).filter(|version| !version.is_empty()),
        file: file.to_owned(),
        is_dev: !package.dependency_groups.is_empty()
            && package.dependency_groups.iter().all(|name| name == "dev"),
        ..Component::new(
            Ecosystem::from_osv(&package.package.ecosystem),
            package.package.name.as_str(),
        )
    };
    let mut finding = advisory::finding(id, component);
    let words = records.iter().filter_map(|one| {
        let specific = one.database_specific.as_ref()?;
        specific.severity.as_ref()?.as_str()
    });
    if !finding.is_malicious {
        let word = words.clone().next().unwrap_or_default();
        finding.severity = advisory::severity(group.max_severity.parse().ok(), word);
    }
    let aliases = records.iter().flat_map(|one| one.aliases.iter().flatten());
    let mut aliases: Vec<String> = aliases
        .chain(&group.ids)
        .chain(&group.aliases)
        .cloned()
        .collect();
    aliases.retain(|alias| *alias != finding.id);
    aliases.sort();
    aliases.dedup();
    finding.aliases = aliases;
    let summaries = records.iter().map(|one| one.summary.as_str());
    finding.summary = summaries
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
        .to_owned();
    let references = records
        .iter()
        .flat_map(|one| one.references.iter().flatten());
    finding.references = references
        .map(|one| one.url.clone())
        .filter(|url| !url.is_empty())
        .collect();
    finding.fixed_in = fixed(&records, &package.package);
    Some(Found {
        finding,
        chain: Vec::new(),
    })
}

/// The fixed versions of the package, in the order of the records.
fn fixed(records: &[&Record], package: &Name) -> Vec<String> {
    let mut all = Vec::new();
    let affected = records.iter().flat_map(|one| one.affected.iter().flatten());
    let same = affected.filter(|one| {
        one.package
            .as_ref()
            .is_some_and(|of| of.name == package.name)
    });
    let ranges = same.flat_map(|one| one.ranges.iter().flatten());
    for event in ranges
        .filter(|range| range.kind != "GIT")
        .flat_map(|range| &range.events)
    {
        if let Some(version) = event
            .fixed
            .as_ref()
            .filter(|version| !all.contains(*version))
        {
            all.push(version.clone());
        }
    }
    all
}
