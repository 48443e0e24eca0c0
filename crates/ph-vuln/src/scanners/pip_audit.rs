//! `pip-audit -f json`. A package that it could not find is skipped there, and the run ends green all the same.

use ph_inventory::{Component, Ecosystem, Unchecked};
use serde::Deserialize;

use super::{Found, Scan, Scanner, ScannerError, advisory, form, nothing};

const KIND: &str = "a report of pip-audit";

#[derive(Deserialize)]
struct Form {
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: Option<String>,
    skip_reason: Option<String>,
    #[serde(default)]
    vulns: Vec<Vulnerability>,
}

#[derive(Deserialize)]
struct Vulnerability {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    fix_versions: Vec<String>,
    #[serde(default)]
    description: Option<String>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Scan, ScannerError> {
    let form: Form = form(KIND, bytes)?;
    Ok(scan(&form.dependencies))
}

/// The form before 2.1: the list of dependencies alone.
pub(super) fn read_list(bytes: &[u8]) -> Result<Scan, ScannerError> {
    let dependencies: Vec<Dependency> = form(KIND, bytes)?;
    Ok(scan(&dependencies))
}

fn scan(dependencies: &[Dependency]) -> Scan {
    let is_skipped = |one: &&Dependency| one.skip_reason.is_some();
    let skipped = dependencies.iter().filter(is_skipped);
    let mut unchecked: Vec<_> = skipped
        .map(|one| Unchecked {
            what: one.name.clone(),
            why: format!(
                "skipped by pip-audit: {}",
                one.skip_reason.as_deref().unwrap_or_default()
            ),
        })
        .collect();
    let audited = dependencies.len() - unchecked.len();
    if dependencies.is_empty() {
        unchecked.push(nothing(
            Scanner::PipAudit,
            "it names no dependencies, so nothing was audited",
        ));
    } else if audited == 0 {
        unchecked.push(nothing(
            Scanner::PipAudit,
            "every dependency was skipped, so its \"No known vulnerabilities found\" says nothing",
        ));
    }
    let findings = dependencies
        .iter()
        .flat_map(|one| one.vulns.iter().map(|vuln| found(one, vuln)));
    Scan {
        scanner: Scanner::PipAudit,
        findings: findings.collect(),
        packages: Some(audited).filter(|n| *n > 0),
        unchecked,
        notes: Vec::new(),
    }
}

fn found(of: &Dependency, vulnerability: &Vulnerability) -> Found {
    let component = Component {
        version: of.version.clone(),
        ..Component::new(Ecosystem::PyPi, of.name.as_str())
    };
    let mut finding = advisory::finding(vulnerability.id.clone(), component);
    finding.aliases.clone_from(&vulnerability.aliases);
    finding.fixed_in.clone_from(&vulnerability.fix_versions);
    let text = vulnerability.description.as_deref().unwrap_or_default();
    let first = text
        .lines()
        .map(|line| line.trim_start_matches('#').trim())
        .find(|line| !line.is_empty());
    finding.summary = first.unwrap_or_default().chars().take(200).collect();
    Found {
        finding,
        chain: Vec::new(),
    }
}
