//! What the index needs to know of a record of OSV: its id, when it was changed, and the packages it names.

use jiff::Timestamp;
use ph_inventory::Ecosystem;
use ph_vuln::Advisory;
use ph_vuln::osv::ReadError;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 128;
/// Longest name of a package, in bytes.
const NAME_BYTES_MAX: usize = 1_024;

/// The head of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its id: letters, digits and `-_.:+`, so that it can stand in an address.
    pub id: String,
    /// When it was changed last.
    pub modified: Timestamp,
    /// The packages it names: the ecosystem's base and the name as it is compared.
    pub packages: BTreeSet<(String, String)>,
}

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON, or not of the right types.
    #[error("it is no OSV record: {0}")]
    Json(#[from] serde_json::Error),
    /// The id cannot be one.
    #[error("its `id` is none: 1 to {ID_BYTES_MAX} letters, digits, `-`, `_`, `.`, `:` or `+`")]
    Id,
    /// No time.
    #[error("its `modified` is no time")]
    Modified,
    /// What decides on versions cannot be read.
    #[error(transparent)]
    Advisory(#[from] ReadError),
    /// A package's name cannot be one.
    #[error("a package's name is empty or longer than {NAME_BYTES_MAX} bytes")]
    Name,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    modified: Cow<'a, str>,
    #[serde(borrow, default)]
    affected: Option<Vec<RawAffected<'a>>>,
}

#[derive(Deserialize)]
struct RawAffected<'a> {
    #[serde(borrow, default)]
    package: Option<RawPackage<'a>>,
}

#[derive(Deserialize)]
struct RawPackage<'a> {
    #[serde(borrow)]
    ecosystem: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl Head {
    /// Reads the head of a record, and finds out whether the rest can be read: what is indexed can be used.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn checked(bytes: &[u8]) -> Result<Self, RecordError> {
        let head = Self::read(bytes)?;
        Advisory::read(bytes)?;
        Ok(head)
    }

    /// Reads the head of a record.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let raw: Raw<'_> = serde_json::from_slice(bytes)?;
        if !is_id(&raw.id) {
            return Err(RecordError::Id);
        }
        let modified = time(&raw.modified).ok_or(RecordError::Modified)?;
        let mut packages = BTreeSet::new();
        let named = raw.affected.into_iter().flatten();
        for package in named.filter_map(|affected| affected.package) {
            if !(1..=NAME_BYTES_MAX).contains(&package.name.len()) {
                return Err(RecordError::Name);
            }
            let ecosystem = Ecosystem::from_osv(&package.ecosystem);
            let name = ecosystem.normal_name(&package.name);
            if is_ecosystem(ecosystem.base()) {
                packages.insert((ecosystem.base().to_owned(), name));
            }
        }
        Ok(Self {
            id: raw.id.into_owned(),
            modified,
            packages,
        })
    }
}

/// A time of a record or of a list of changes. Some are written without a zone, and mean UTC.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| format!("{text}Z").parse().ok())
}

/// Whether a text can be an id.
pub(crate) fn is_id(id: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-_.:+".contains(&b);
    (1..=ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(is_part)
        && id.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// Whether a text can be the base of an ecosystem: it becomes a file's name and a part of an address.
pub(crate) fn is_ecosystem(base: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b" .-_".contains(&b);
    (1..=64).contains(&base.len())
        && base.starts_with(|c: char| c.is_ascii_alphabetic())
        && base.bytes().all(is_part)
        && !base.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_indexed_of_a_record() {
        let text = r#"{"id": "GHSA-1", "modified": "2026-01-02T03:04:05.678901Z", "details": "x",
            "affected": [
              {"package": {"ecosystem": "PyPI", "name": "Mcp_Server.Git", "purl": "pkg:pypi/x"}, "versions": ["1"]},
              {"package": {"ecosystem": "PyPI", "name": "mcp-server-git"}},
              {"package": {"ecosystem": "Debian:12", "name": "curl"}},
              {"package": {"ecosystem": "../x", "name": "curl"}},
              {"ranges": [{"type": "GIT"}]}
            ]}"#;
        let head = Head::read(text.as_bytes()).unwrap();
        assert_eq!(head.id, "GHSA-1");
        let packages: Vec<_> = head
            .packages
            .iter()
            .map(|(e, n)| format!("{e}/{n}"))
            .collect();
        assert_eq!(packages, ["Debian/curl", "PyPI/mcp-server-git"]);
    }

    #[test]
    fn what_is_no_record() {
        for (text, want) in [
            ("", "no OSV record"),
            ("[]", "no OSV record"),
            (
                r#"{"modified": "2026-01-01T00:00:00Z"}"#,
                "missing field `id`",
            ),
            (r#"{"id": "A"}"#, "missing field `modified`"),
            (r#"{"id": "A", "modified": "now"}"#, "no time"),
            (
                r#"{"id": "../A", "modified": "2026-01-01T00:00:00Z"}"#,
                "its `id` is none",
            ),
            (
                r#"{"id": "..", "modified": "2026-01-01T00:00:00Z"}"#,
                "its `id` is none",
            ),
            (
                r#"{"id": "A", "id": "B", "modified": "2026-01-01T00:00:00Z"}"#,
                "duplicate field",
            ),
            (
                r#"{"id": "A", "modified": "2026-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "npm", "name": ""}}]}"#,
                "a package's name",
            ),
        ] {
            let error = Head::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn times_without_a_zone_are_utc() {
        assert_eq!(time("2026-01-02T03:04:05"), time("2026-01-02T03:04:05Z"));
    }
}
