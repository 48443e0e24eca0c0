//! OSV records, as far as they decide on anything here. Written down by schema 1.7.5; what is not known is ignored, as
//! the schema asks.

mod event;
mod raw;

use ph_inventory::Ecosystem;

pub use event::Event;

/// No record that says anything is longer; the longest known are those of the kernel, with some MiB of commits.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// A summary is one line of so many characters.
const SUMMARY_CHARS_MAX: usize = 200;

/// One record. Texts are as the database wrote them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Advisory {
    /// The database's own id: `GHSA-…`, `CVE-…`, `PYSEC-…`, `RUSTSEC-…`, `MAL-…`.
    pub id: String,
    /// When it was changed last, RFC 3339.
    pub modified: String,
    /// When it was published, RFC 3339.
    pub published: Option<String>,
    /// Since when it is withdrawn, RFC 3339; none: it holds.
    pub withdrawn: Option<String>,
    /// Other ids of the same vulnerability.
    pub aliases: Vec<String>,
    /// Ids of vulnerabilities that this one comes from; not the same.
    pub upstream: Vec<String>,
    /// Ids of vulnerabilities that are near this one; not the same.
    pub related: Vec<String>,
    /// One line on what it is; the first of the details where the record has no summary.
    pub summary: String,
    /// How bad, by type and vector.
    pub severity: Vec<Score>,
    /// The database's own word for how bad: `LOW`, `MODERATE`, `HIGH`, `CRITICAL`.
    pub word: Option<String>,
    /// The classes of weakness: `CWE-22`.
    pub cwes: Vec<String>,
    /// What is affected; the same package may stand here several times.
    pub affected: Vec<Affected>,
    /// URLs to read more.
    pub references: Vec<String>,
}

/// A score of one system: `CVSS_V3` and its vector, or `Ubuntu` and its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// The system.
    pub system: String,
    /// The vector or word.
    pub text: String,
}

/// One package and which of its versions are affected.
#[derive(Debug, Clone, PartialEq)]
pub struct Affected {
    /// Where the package comes from, with the release where the record names one.
    pub ecosystem: Ecosystem,
    /// Its name, as the record writes it.
    pub package: String,
    /// Any of these ranges may hold the version.
    pub ranges: Vec<Range>,
    /// Versions that are affected whatever the ranges say.
    pub versions: Vec<String>,
    /// How bad for this package, where that differs.
    pub severity: Vec<Score>,
    /// The database's word for this package.
    pub word: Option<String>,
    /// The functions and types that are vulnerable, where the record names them.
    pub symbols: Vec<String>,
    /// GitHub's note beside a range without an end: `<= 1.2.3`. By the schema it means nothing.
    pub last_known_affected: Option<String>,
    /// `RustSec`: not a vulnerability but `unsound`, `unmaintained` or a `notice`.
    pub informational: Option<String>,
}

/// Events between which versions are affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// What the events are.
    pub kind: RangeKind,
    /// In the record's order.
    pub events: Vec<Event>,
}

/// What the events of a range are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeKind {
    /// Versions, whichever of both words the database used: their order is that of the ecosystem.
    Versions,
    /// Commits, which nothing here can order.
    Commits,
}

/// Why a record was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// More than [`RECORD_BYTES_MAX`].
    #[error("the record has {0} bytes, more than 16 MiB")]
    TooLong(usize),
    /// Not JSON, or not a record; the source has line and column.
    #[error("not an OSV record: {0}")]
    Json(#[from] serde_json::Error),
    /// Without an id nothing can be said about it.
    #[error("the record has no id")]
    NoId,
}

impl Advisory {
    /// Reads one record.
    ///
    /// # Errors
    /// When it is too long, no JSON object, has a known field of another type, or no id.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(ReadError::TooLong(bytes.len()));
        }
        let record: raw::Record = serde_json::from_slice(bytes)?;
        let advisory = record.advisory();
        if advisory.id.is_empty() {
            return Err(ReadError::NoId);
        }
        Ok(advisory)
    }

    /// Its id and its aliases: the names of one vulnerability.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.id)
            .chain(&self.aliases)
            .map(String::as_str)
    }

    /// Whether it says that a package is malware, not that it has a flaw.
    #[must_use]
    pub fn is_malicious(&self) -> bool {
        self.ids().any(|id| id.starts_with("MAL-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Advisory {
        Advisory::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_not_known_and_what_is_null_is_left_out() {
        let advisory = read(
            r#"{"id": "X-1", "modified": "2026-01-01T00:00:00Z", "aliases": null, "new": {"a": [1]}, "affected": [
                {"package": {"ecosystem": "npm", "name": "a", "purl": "pkg:npm/a"}, "ranges": [
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0", "odd": 1}, {"never": "2"}]},
                    {"type": "GIT", "repo": "https://example.org/a", "events": [{"introduced": "0"}]},
                    {"type": "NEW", "events": [{"introduced": "0"}]}], "versions": null, "database_specific": null},
                {"ranges": [{"type": "GIT", "events": []}]}],
              "severity": [{"type": "CVSS_V9", "score": "x"}], "database_specific": {"severity": 7, "cwe_ids": "no"}}"#,
        );
        assert!(advisory.aliases.is_empty());
        assert_eq!(
            advisory.affected.len(),
            1,
            "an entry without a package is of no use"
        );
        let affected = &advisory.affected[0];
        let events = vec![
            Event::Introduced("0".to_owned()),
            Event::Fixed("1.0".to_owned()),
        ];
        assert_eq!(
            affected.ranges.len(),
            2,
            "a range of an unknown type is left out"
        );
        assert_eq!(
            affected.ranges[0],
            Range {
                kind: RangeKind::Versions,
                events
            }
        );
        assert_eq!(affected.ranges[1].kind, RangeKind::Commits);
        assert_eq!((advisory.word, advisory.cwes), (None, vec![]));
    }

    #[test]
    fn symbols_are_those_that_the_database_names() {
        let symbols = |specific: &str| {
            let text = format!(
                r#"{{"id": "X", "affected": [{{"package": {{"ecosystem": "Go", "name": "a"}}, "ecosystem_specific": {specific}}}]}}"#
            );
            read(&text).affected[0].symbols.clone()
        };
        let go =
            r#"{"imports": [{"path": "a/b", "symbols": ["Read", "Dec.Next"]}, {"path": "a/c"}]}"#;
        assert_eq!(symbols(go), ["Read", "Dec.Next"]);
        assert_eq!(
            symbols(
                r#"{"affects": {"functions": ["a::b::c"], "os": []}, "affected_functions": null}"#
            ),
            ["a::b::c"]
        );
        assert_eq!(symbols(r#"{"affected_functions": ["f"]}"#), ["f"]);
        assert_eq!(
            symbols(r#"{"symbols": ["merge", "defaultsDeep", "merge"]}"#),
            ["merge", "defaultsDeep"]
        );
        assert!(symbols(r#"{"imports": "all"}"#).is_empty());
    }

    #[test]
    fn a_record_without_a_summary_has_the_first_line_of_its_details() {
        let advisory = read(r##"{"id": "X", "details": "\n# Title\n\nmore", "summary": ""}"##);
        assert_eq!(advisory.summary, "Title");
        let long = format!(r#"{{"id": "X", "summary": "{}"}}"#, "é".repeat(500));
        assert_eq!(read(&long).summary.chars().count(), SUMMARY_CHARS_MAX + 1);
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_place() {
        let error = Advisory::read(b"{\"id\": \"X\",\n \"aliases\": 7}")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        assert_eq!(
            Advisory::read(b"{}").unwrap_err().to_string(),
            "the record has no id"
        );
        assert!(Advisory::read(b"[]").is_err());
        let deep = "[".repeat(100_000);
        assert!(Advisory::read(format!("{{\"x\":{deep}").as_bytes()).is_err());
    }
}
