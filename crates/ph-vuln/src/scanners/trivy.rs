//! `trivy … --format json`, schema version 2.

use std::collections::BTreeMap;

use ph_inventory::{Component, Ecosystem, Unchecked};
use serde::Deserialize;

use super::{Found, Scan, Scanner, ScannerError, advisory, form, nothing};
use crate::purl;

/// Releases of Trivy that carried malware (GHSA-69fq-xp46-6x23).
const COMPROMISED: &[&str] = &["0.69.4", "0.69.5", "0.69.6"];

/// Why a release of Trivy must not be run; none: nothing is known against it.
#[must_use]
pub fn refused_trivy(version: &str) -> Option<String> {
    let version = version.trim().trim_start_matches('v');
    let plain = version.split(['-', '+']).next().unwrap_or(version);
    COMPROMISED.contains(&plain).then(|| {
        format!(
            "Trivy {plain} is one of the releases that carried malware (GHSA-69fq-xp46-6x23): it was not run. Remove it, change every secret that this machine could read, and install 0.69.3 or a release after 0.69.6"
        )
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Form {
    #[serde(default)]
    artifact_name: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    results: Option<Vec<Target>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(rename = "OS")]
    os: Option<Os>,
}

#[derive(Deserialize)]
struct Os {
    #[serde(rename = "Family", default)]
    family: String,
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "EOSL", default)]
    is_out_of_support: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    #[serde(default)]
    target: String,
    #[serde(default)]
    class: String,
    #[serde(default, rename = "Type")]
    kind: String,
    #[serde(default)]
    packages: Option<Vec<serde::de::IgnoredAny>>,
    #[serde(default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(default, rename = "VendorIDs")]
    vendor_ids: Option<Vec<String>>,
    pkg_name: String,
    #[serde(default)]
    pkg_path: String,
    #[serde(default)]
    pkg_identifier: Identifier,
    #[serde(default)]
    installed_version: String,
    #[serde(default)]
    fixed_version: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    severity: String,
    #[serde(default, rename = "CVSS")]
    cvss: Option<BTreeMap<String, Cvss>>,
    #[serde(default, rename = "PrimaryURL")]
    primary_url: String,
    #[serde(default)]
    references: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
struct Identifier {
    #[serde(rename = "PURL", default)]
    purl: String,
}

#[derive(Deserialize)]
struct Cvss {
    #[serde(rename = "V40Score")]
    v4: Option<f64>,
    #[serde(rename = "V3Score")]
    v3: Option<f64>,
    #[serde(rename = "V2Score")]
    v2: Option<f64>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Scan, ScannerError> {
    let Form {
        artifact_name,
        metadata,
        results,
    } = form("a report of Trivy", bytes)?;
    let results = results.unwrap_or_default();
    let of_packages: Vec<_> = results.iter().filter(|one| one.has_packages()).collect();
    let mut unchecked = Vec::new();
    if of_packages.is_empty() {
        unchecked.push(nothing(
            Scanner::Trivy,
            &format!("it found no packages in `{artifact_name}`"),
        ));
    }
    if let Some(os) = metadata.os.as_ref().filter(|os| os.is_out_of_support) {
        unchecked.push(Unchecked {
            what: format!("{} {}", os.family, os.name),
            why: "the distribution is no longer supported, so nobody writes advisories for it"
                .to_owned(),
        });
    }
    let counted: Option<Vec<usize>> = of_packages
        .iter()
        .map(|one| one.packages.as_ref().map(Vec::len))
        .collect();
    let found = results.iter().flat_map(|target| {
        let all = target.vulnerabilities.iter().flatten();
        all.map(|one| found(target, metadata.os.as_ref(), one))
    });
    Ok(Scan {
        scanner: Scanner::Trivy,
        findings: found.collect(),
        packages: counted.map(|all| all.iter().sum()).filter(|n| *n > 0),
        unchecked,
        notes: Vec::new(),
    })
}

impl Target {
    /// Whether it is about packages; configurations, secrets and licences are not.
    fn has_packages(&self) -> bool {
        matches!(self.class.as_str(), "os-pkgs" | "lang-pkgs") || self.vulnerabilities.is_some()
    }
}

fn found(target: &Target, os: Option<&Os>, of: &Vulnerability) -> Found {
    let by_purl = purl::read(&of.pkg_identifier.purl);
    let (ecosystem, name) = match by_purl {
        // The purl of a distribution's package has no release that OSV knows.
        Some((ecosystem, name)) if target.class != "os-pkgs" => (ecosystem, name),
        _ => (ecosystem(&target.kind, os), of.pkg_name.clone()),
    };
    let component = Component {
        version: Some(of.installed_version.clone()).filter(|version| !version.is_empty()),
        path: of.pkg_path.clone(),
        file: target.target.clone(),
        ..Component::new(ecosystem, name)
    };
    let scores = of.cvss.iter().flat_map(BTreeMap::values);
    let highest =
        |score: fn(&Cvss) -> Option<f64>| scores.clone().filter_map(score).max_by(f64::total_cmp);
    let newer = highest(|one| one.v4)
        .into_iter()
        .chain(highest(|one| one.v3));
    let newer = newer.max_by(f64::total_cmp);
    let mut finding = advisory::finding(of.id.clone(), component);
    if !finding.is_malicious {
        finding.severity =
            advisory::severity(newer.or_else(|| highest(|one| one.v2)), &of.severity);
    }
    finding.aliases = of.vendor_ids.clone().unwrap_or_default();
    finding.aliases.extend(ghsa_of(of));
    finding.summary = if of.title.is_empty() {
        of.description.lines().next().unwrap_or_default().to_owned()
    } else {
        of.title.clone()
    };
    let fixed = of.fixed_version.split(',').map(str::trim);
    finding.fixed_in = fixed
        .filter(|version| !version.is_empty())
        .map(str::to_owned)
        .collect();
    let primary = Some(of.primary_url.clone()).filter(|url| !url.is_empty());
    finding.references = primary
        .into_iter()
        .chain(of.references.iter().flatten().cloned())
        .collect();
    Found {
        finding,
        chain: Vec::new(),
    }
}

/// The GHSA id among the references, where there is exactly one: with more it is not said which is the same.
fn ghsa_of(of: &Vulnerability) -> Option<String> {
    let advisories = of.references.iter().flatten();
    let mut ids = advisories
        .filter(|url| url.starts_with("https://github.com/advisories/"))
        .filter_map(|url| advisory::ghsa_in(url));
    let first = ids.next()?;
    ids.all(|id| id == first).then(|| first.to_owned())
}

/// The ecosystem of Trivy's type of a result, where no purl says it.
fn ecosystem(kind: &str, os: Option<&Os>) -> Ecosystem {
    let release = os.map(|os| os.name.clone()).filter(|name| !name.is_empty());
    let numbers = |n: usize| {
        let release = release.as_deref()?;
        Some(release.split('.').take(n).collect::<Vec<_>>().join("."))
    };
    match kind {
        "npm" | "yarn" | "pnpm" | "bun" | "node-pkg" | "javascript" => Ecosystem::Npm,
        "pip" | "pipenv" | "poetry" | "uv" | "pylock" | "python-pkg" => Ecosystem::PyPi,
        "cargo" | "rustbinary" => Ecosystem::CratesIo,
        "gomod" | "gobinary" => Ecosystem::Go,
        "debian" => Ecosystem::Debian(numbers(1)),
        "ubuntu" => Ecosystem::Ubuntu(numbers(2)),
        "alpine" => Ecosystem::Alpine(numbers(2).map(|branch| format!("v{branch}"))),
        "redhat" => rpm("Red Hat", None),
        "rocky" => rpm("Rocky Linux", numbers(1)),
        "alma" => rpm("AlmaLinux", numbers(1)),
        other => Ecosystem::Other(other.to_owned()),
    }
}

fn rpm(name: &str, release: Option<String>) -> Ecosystem {
    Ecosystem::Rpm(match release {
        Some(release) => format!("{name}:{release}"),
        None => name.to_owned(),
    })
}
