//! `npm audit --json` of npm 7 and later, and the older form that npm 6 and pnpm write.

use std::collections::BTreeMap;

use ph_inventory::{Component, Ecosystem};
use serde::Deserialize;
use serde_json::Value;

use super::{Found, Scan, Scanner, ScannerError, advisory, form, nothing};

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    vulnerabilities: BTreeMap<String, Entry>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    dependencies: Option<Value>,
    #[serde(rename = "totalDependencies")]
    total: Option<usize>,
}

#[derive(Deserialize)]
struct Entry {
    /// Advisories as objects, names of packages that have them as texts.
    #[serde(default)]
    via: Vec<Value>,
    #[serde(default)]
    nodes: Vec<String>,
}

#[derive(Deserialize)]
struct Via {
    source: Option<u64>,
    #[serde(default)]
    dependency: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    severity: String,
    cvss: Option<Cvss>,
    #[serde(default)]
    range: String,
}

#[derive(Deserialize)]
struct Cvss {
    score: Option<f64>,
}

/// An advisory as npm 6, pnpm and yarn 1 write it.
#[derive(Deserialize)]
pub(super) struct Old {
    #[serde(default)]
    findings: Vec<OldFinding>,
    id: Option<Value>,
    #[serde(default)]
    title: String,
    module_name: String,
    github_advisory_id: Option<String>,
    #[serde(default)]
    cves: Vec<String>,
    #[serde(default)]
    patched_versions: Option<String>,
    #[serde(default)]
    severity: String,
    cvss: Option<Cvss>,
    #[serde(default)]
    url: Option<String>,
}

#[derive(Deserialize)]
struct OldFinding {
    #[serde(default)]
    version: String,
    #[serde(default)]
    paths: Vec<String>,
}

#[derive(Deserialize)]
struct OldForm {
    advisories: BTreeMap<String, Old>,
    metadata: Option<Metadata>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Scan, ScannerError> {
    let kind = "a report of npm audit";
    let form: Form = form(kind, bytes)?;
    let mut findings = Vec::new();
    for (name, entry) in &form.vulnerabilities {
        for via in entry.via.iter().filter(|via| via.is_object()) {
            let via =
                Via::deserialize(via).map_err(|source| ScannerError::Form { kind, source })?;
            findings.extend(found(name, entry, &via));
        }
    }
    let total = form.metadata.as_ref().and_then(Metadata::total);
    Ok(scan(findings, total))
}

pub(super) fn read_old(bytes: &[u8]) -> Result<Scan, ScannerError> {
    let form: OldForm = form("a report of npm audit", bytes)?;
    let findings = form.advisories.values().flat_map(Old::found);
    let total = form.metadata.as_ref().and_then(Metadata::total);
    Ok(scan(findings.collect(), total))
}

fn scan(findings: Vec<Found>, total: Option<usize>) -> Scan {
    let saw_nothing = total.is_none_or(|n| n == 0) && findings.is_empty();
    Scan {
        scanner: Scanner::NpmAudit,
        findings,
        packages: total.filter(|n| *n > 0),
        unchecked: if saw_nothing {
            vec![nothing(
                Scanner::NpmAudit,
                "it names no dependencies, so nothing was audited",
            )]
        } else {
            Vec::new()
        },
        notes: Vec::new(),
    }
}

impl Metadata {
    fn total(&self) -> Option<usize> {
        let of_seven = || self.dependencies.as_ref()?.get("total")?.as_u64();
        let of_six = || self.dependencies.as_ref()?.as_u64();
        let n = of_seven()
            .or_else(of_six)
            .and_then(|n| usize::try_from(n).ok());
        self.total.max(n)
    }
}

/// One finding for each place where the package is installed.
fn found(name: &str, entry: &Entry, via: &Via) -> Vec<Found> {
    let nodes = if entry.nodes.is_empty() {
        vec![String::new()]
    } else {
        entry.nodes.clone()
    };
    // An advisory may stand at a package that only needs the one it is about.
    let package = if via.dependency.is_empty() {
        name
    } else {
        &via.dependency
    };
    if package != name {
        return Vec::new();
    }
    let id = id(
        None,
        Some(&via.url),
        via.source.map(|n| n.to_string()).as_deref(),
    );
    let of = |node: String| {
        let component = Component {
            path: node,
            ..Component::new(Ecosystem::Npm, package)
        };
        let mut finding = advisory::finding(id.clone(), component);
        finding.summary.clone_from(&via.title);
        finding.severity =
            advisory::severity(via.cvss.as_ref().and_then(|one| one.score), &via.severity);
        finding.fixed_in = advisory::patched_after(&via.range);
        finding.references = Some(via.url.clone())
            .filter(|url| !url.is_empty())
            .into_iter()
            .collect();
        Found {
            finding,
            chain: Vec::new(),
        }
    };
    nodes.into_iter().map(of).collect()
}

/// GitHub's id where there is one, else the number that npm gave it.
fn id(github: Option<&str>, url: Option<&str>, number: Option<&str>) -> String {
    let github = github.or_else(|| advisory::ghsa_in(url?));
    match (github, number) {
        (Some(id), _) => id.to_owned(),
        (None, Some(number)) => format!("NPM-{number}"),
        (None, None) => url
            .filter(|url| !url.is_empty())
            .unwrap_or("NPM-unknown")
            .to_owned(),
    }
}

impl Old {
    /// One finding for each version and way to it.
    pub(super) fn found(&self) -> Vec<Found> {
        let all = self.findings.iter().flat_map(|finding| {
            let none = [String::new()];
            let paths = if finding.paths.is_empty() {
                none.to_vec()
            } else {
                finding.paths.clone()
            };
            paths
                .into_iter()
                .map(move |path| (finding.version.as_str(), path))
        });
        all.map(|(version, path)| self.found_at(version, &path))
            .collect()
    }

    fn found_at(&self, version: &str, path: &str) -> Found {
        let component = Component {
            version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            ..Component::new(Ecosystem::Npm, self.module_name.as_str())
        };
        let number = self.id.as_ref().map(|id| match id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let url = self.url.as_deref();
        let id = id(self.github_advisory_id.as_deref(), url, number.as_deref());
        let mut finding = advisory::finding(id, component);
        finding.aliases.clone_from(&self.cves);
        finding.summary.clone_from(&self.title);
        finding.severity =
            advisory::severity(self.cvss.as_ref().and_then(|one| one.score), &self.severity);
        finding.fixed_in =
            advisory::patched_from(self.patched_versions.as_deref().unwrap_or_default());
        finding.references = url.map(str::to_owned).into_iter().collect();
        let names = path
            .split('>')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != ".");
        Found {
            finding,
            chain: names.map(without_version).map(str::to_owned).collect(),
        }
    }
}

/// pnpm writes `name@version` where npm writes the name alone.
fn without_version(name: &str) -> &str {
    match name.rfind('@') {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    }
}
