//! Advisories of RustSec (Markdown with a head in TOML) as records of OSV.
//!
//! RustSec says which versions are patched or never were affected, OSV which are affected: one is the complement of
//! the other, in the order of versions.

use semver::{Comparator, Op, Prerelease, Version, VersionReq};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Why a file is no advisory of RustSec.
#[derive(Debug, thiserror::Error)]
pub enum RustSecError {
    /// No head.
    #[error("it does not begin with a block of TOML between ```toml and ```")]
    NoHead,
    /// The head is not what RustSec writes.
    #[error("its head: {0}")]
    Toml(#[from] toml::de::Error),
    /// A version requirement.
    #[error("`{text}` is no version requirement: {source}")]
    Requirement {
        /// As written.
        text: String,
        /// Why.
        source: semver::Error,
    },
    /// No date.
    #[error("`{0}` is no date")]
    Date(String),
}

#[derive(Deserialize)]
struct Front {
    advisory: About,
    #[serde(default)]
    affected: Affected,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct About {
    id: String,
    package: String,
    date: String,
    url: Option<String>,
    withdrawn: Option<String>,
    informational: Option<String>,
    cvss: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    references: Vec<String>,
    license: Option<String>,
}

#[derive(Default, Deserialize)]
struct Affected {
    #[serde(default)]
    arch: Vec<String>,
    #[serde(default)]
    os: Vec<String>,
    #[serde(default)]
    functions: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// The record of OSV that says the same as `text`.
///
/// # Errors
/// [`RustSecError`].
pub fn record(text: &str) -> Result<Vec<u8>, RustSecError> {
    let (head, rest) = split(text).ok_or(RustSecError::NoHead)?;
    let front: Front = toml::from_str(head)?;
    let about = &front.advisory;
    let date: jiff::civil::Date = about
        .date
        .parse()
        .map_err(|_| RustSecError::Date(about.date.clone()))?;
    // The files do not say when they were changed. The middle of the day is what osv.dev says of RustSec, too.
    let time = format!("{date}T12:00:00Z");
    let (title, details) = title_of(rest);
    let mut record = json!({
        "schema_version": "1.7.0",
        "id": about.id,
        "modified": time,
        "published": time,
        "aliases": about.aliases,
        "related": about.related,
        "summary": title,
        "details": details,
        "severity": severity(about.cvss.as_deref()),
        "affected": [{
            "package": {
                "ecosystem": "crates.io", "name": about.package, "purl": format!("pkg:cargo/{}", about.package),
            },
            "ranges": [{"type": "SEMVER", "events": events(&front.versions)?}],
            "ecosystem_specific": {
                "affects": {
                    "arch": front.affected.arch,
                    "os": front.affected.os,
                    "functions": front.affected.functions.keys().collect::<Vec<_>>(),
                },
            },
            "database_specific": {
                "categories": about.categories, "cvss": about.cvss, "informational": about.informational,
            },
        }],
        "references": references(about),
        "database_specific": {"license": about.license.as_deref().unwrap_or("CC0-1.0")},
    });
    if let Some(withdrawn) = &about.withdrawn {
        record["withdrawn"] = format!("{withdrawn}T12:00:00Z").into();
    }
    Ok(record.to_string().into_bytes())
}

fn split(text: &str) -> Option<(&str, &str)> {
    let head = text.trim_start().strip_prefix("```toml")?;
    head.split_once("\n```")
}

/// The first heading, and what is below it.
fn title_of(text: &str) -> (&str, &str) {
    let text = text.trim();
    let Some(rest) = text.strip_prefix("# ") else {
        return ("", text);
    };
    let (title, details) = rest.split_once('\n').unwrap_or((rest, ""));
    (title.trim(), details.trim())
}

fn severity(cvss: Option<&str>) -> Json {
    let kind = |vector: &str| match vector {
        v if v.starts_with("CVSS:4") => "CVSS_V4",
        v if v.starts_with("CVSS:3") => "CVSS_V3",
        _ => "CVSS_V2",
    };
    cvss.map_or_else(
        || json!([]),
        |vector| json!([{"type": kind(vector), "score": vector}]),
    )
}

fn references(about: &About) -> Json {
    let mut list = vec![
        json!({"type": "PACKAGE", "url": format!("https://crates.io/crates/{}", about.package)}),
        json!({"type": "ADVISORY", "url": format!("https://rustsec.org/advisories/{}.html", about.id)}),
    ];
    list.extend(
        about
            .url
            .iter()
            .map(|url| json!({"type": "REPORT", "url": url})),
    );
    list.extend(
        about
            .references
            .iter()
            .map(|url| json!({"type": "WEB", "url": url})),
    );
    Json::Array(list)
}

/// From which version on something holds, up to which it does; both `None` for without end. The second is outside.
type Span = (Version, Option<Version>);

/// What OSV calls events: the gaps between the versions that are good.
fn events(versions: &Versions) -> Result<Vec<Json>, RustSecError> {
    let mut good = Vec::new();
    for text in versions.patched.iter().chain(&versions.unaffected) {
        let requirement = VersionReq::parse(text).map_err(|source| RustSecError::Requirement {
            text: text.clone(),
            source,
        })?;
        good.push(span_of(&requirement));
    }
    good.sort();
    let mut events = Vec::new();
    let mut bad_from = Some(least());
    for (from, until) in good {
        let Some(bad) = bad_from else {
            break;
        };
        if from > bad {
            events.push(json!({"introduced": bad.to_string()}));
            events.push(json!({"fixed": from.to_string()}));
        }
        bad_from = until.map(|until| until.max(bad));
    }
    if let Some(bad) = bad_from {
        events.push(json!({"introduced": bad.to_string()}));
    }
    Ok(events)
}

/// The versions that meet all comparators of a requirement.
fn span_of(requirement: &VersionReq) -> Span {
    let mut whole: Span = (least(), None);
    for (from, until) in requirement.comparators.iter().map(span_of_one) {
        whole.0 = whole.0.max(from);
        whole.1 = match (whole.1, until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    // Of a contradiction nothing is left.
    if whole.1.as_ref().is_some_and(|until| *until < whole.0) {
        whole.1 = Some(whole.0.clone());
    }
    whole
}

fn span_of_one(comparator: &Comparator) -> Span {
    let from = written(comparator);
    let after_all = || Some(next_of(comparator));
    match comparator.op {
        Op::Greater => (next_of(comparator), None),
        Op::GreaterEq => (from, None),
        Op::Less => (least(), Some(from)),
        Op::LessEq => (least(), after_all()),
        Op::Tilde => {
            let until = if comparator.minor.is_some() {
                before(from.major, from.minor.saturating_add(1), 0)
            } else {
                before(from.major.saturating_add(1), 0, 0)
            };
            (from, Some(until))
        }
        Op::Caret => {
            let until = match (comparator.major, comparator.minor, comparator.patch) {
                (0, Some(0), Some(patch)) => before(0, 0, patch.saturating_add(1)),
                (0, Some(minor), _) => before(0, minor.saturating_add(1), 0),
                (major, ..) => before(major.saturating_add(1), 0, 0),
            };
            (from, Some(until))
        }
        // `=1.2` and `1.2.*` leave parts open.
        _ => (from, after_all()),
    }
}

/// The least version that the numbers of a comparator can mean.
fn written(comparator: &Comparator) -> Version {
    let patch = comparator.patch.unwrap_or(0);
    let mut version = Version::new(comparator.major, comparator.minor.unwrap_or(0), patch);
    version.pre = comparator.pre.clone();
    version
}

/// The first version after all that the numbers of a comparator can mean.
fn next_of(comparator: &Comparator) -> Version {
    let (major, minor) = (comparator.major, comparator.minor);
    match (minor, comparator.patch) {
        (None, _) => before(major.saturating_add(1), 0, 0),
        (Some(minor), None) => before(major, minor.saturating_add(1), 0),
        (Some(minor), Some(patch)) if comparator.pre.is_empty() => {
            before(major, minor, patch.saturating_add(1))
        }
        (Some(minor), Some(patch)) => {
            let mut version = Version::new(major, minor, patch);
            let next = format!("{}.0", comparator.pre);
            version.pre = Prerelease::new(&next).unwrap_or_default();
            version
        }
    }
}

/// The least version with these numbers: its first prerelease.
fn before(major: u64, minor: u64, patch: u64) -> Version {
    let mut version = Version::new(major, minor, patch);
    version.pre = Prerelease::new("0").unwrap_or_default();
    version
}

fn least() -> Version {
    before(0, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(patched: &[&str], unaffected: &[&str]) -> String {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let versions = Versions {
            patched: owned(patched),
            unaffected: owned(unaffected),
        };
        let words = events(&versions).unwrap().into_iter().map(|event| {
            let (key, value) = event.as_object().unwrap().iter().next().unwrap();
            format!(
                "{}{}",
                if key == "fixed" { "<" } else { ">=" },
                value.as_str().unwrap()
            )
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_not_good_is_affected() {
        assert_eq!(of(&[], &[]), ">=0.0.0-0");
        assert_eq!(of(&[">= 1.4.0"], &[]), ">=0.0.0-0 <1.4.0");
        assert_eq!(of(&[">= 0.14.12"], &["< 0.14.0"]), ">=0.14.0 <0.14.12");
        assert_eq!(
            of(&["^0.2.5", ">= 0.3.1"], &[]),
            ">=0.0.0-0 <0.2.5 >=0.3.0-0 <0.3.1"
        );
        assert_eq!(
            of(&["~1.2.3", "=2.0.1"], &["> 3.0.0"]),
            ">=0.0.0-0 <1.2.3 >=1.3.0-0 <2.0.1 >=2.0.2-0 <3.0.1-0"
        );
        assert_eq!(of(&["> 1.0.0-rc.1"], &[]), ">=0.0.0-0 <1.0.0-rc.1.0");
        assert_eq!(of(&[">= 1.0.0, < 2.0.0"], &["*"]), "");
        assert_eq!(of(&["<= 1.2"], &[]), ">=1.3.0-0");
    }

    proptest! {
        #[test]
        fn versions_without_prerelease_agree_with_the_requirements(
            good in prop::collection::vec(("(>=|>|<|<=|=|\\^|~) ?[0-3]\\.[0-3]\\.[0-3]", prop::option::of("(>=|>|<|<=) ?[0-3]\\.[0-3]")), 0..4),
            (major, minor, patch) in (0..5_u64, 0..5_u64, 0..5_u64),
        ) {
            let texts: Vec<String> = good.into_iter().map(|(a, b)| b.map_or(a.clone(), |b| format!("{a}, {b}"))).collect();
            let version = Version::new(major, minor, patch);
            let is_good = texts.iter().any(|text| VersionReq::parse(text).unwrap().matches(&version));
            let versions = Versions { patched: texts.clone(), unaffected: Vec::new() };
            let mut is_affected = false;
            for event in events(&versions).unwrap() {
                let (key, at) = event.as_object().unwrap().iter().next().unwrap();
                if version >= at.as_str().unwrap().parse().unwrap() {
                    is_affected = key == "introduced";
                }
            }
            prop_assert_eq!(is_affected, !is_good, "{:?} {}", texts, version);
        }
    }

    #[test]
    fn a_file_of_rustsec() {
        let text = "```toml\n[advisory]\nid = \"RUSTSEC-2022-0022\"\npackage = \"hyper\"\ndate = \"2022-05-10\"\n\
            url = \"https://example.com/1\"\ninformational = \"unsound\"\naliases = [\"CVE-1\"]\n\
            [affected]\nfunctions = { \"hyper::a::b\" = [\"< 0.14.12\"] }\n\
            [versions]\npatched = [\">= 0.14.12\"]\n```\n\n# Parser creates invalid value\n\nMore.\n";
        let record: Json = serde_json::from_slice(&record(text).unwrap()).unwrap();
        assert_eq!(record["id"], "RUSTSEC-2022-0022");
        assert_eq!(record["summary"], "Parser creates invalid value");
        assert_eq!(record["details"], "More.");
        assert_eq!(
            record["affected"][0]["ranges"][0]["events"][1]["fixed"],
            "0.14.12"
        );
        assert_eq!(
            record["affected"][0]["ecosystem_specific"]["affects"]["functions"][0],
            "hyper::a::b"
        );
        assert_eq!(record["withdrawn"], Json::Null);
        assert!(matches!(super::record("# none"), Err(RustSecError::NoHead)));
    }
}
