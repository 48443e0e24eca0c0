//! Reports of other scanners, read and merged into a report of ours.
//!
//! What a report is, is told from its content. Unknown members are ignored; what could not be checked there, and a
//! scanner that found nothing to scan, is never taken for clean.

mod advisory;
mod merge;
mod npm_audit;
mod osv_scanner;
mod pip_audit;
mod trivy;
mod yarn_audit;

pub use merge::merge;
pub use trivy::refused_trivy;

use ph_inventory::Unchecked;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Finding;

/// The largest report that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// The most findings that are taken out of one report.
pub const MAX_FINDINGS: usize = 50_000;

/// A scanner whose reports are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanner {
    /// `trivy … --format json`.
    Trivy,
    /// `osv-scanner … --format json`.
    Osv,
    /// `npm audit --json` and `pnpm audit --json`.
    NpmAudit,
    /// `yarn audit --json`: one object per line.
    YarnAudit,
    /// `pip-audit -f json`.
    PipAudit,
}

/// What another scanner says.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// Whose report it is.
    pub scanner: Scanner,
    /// What it found.
    pub findings: Vec<Found>,
    /// How many packages it looked at; none: it does not say.
    pub packages: Option<usize>,
    /// What it says that it could not check, and a scan that looked at nothing.
    pub unchecked: Vec<Unchecked>,
    /// What the operator should know besides.
    pub notes: Vec<String>,
}

/// A finding as another scanner gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What was found. The component's version is absent where the report has none (`npm audit`).
    pub finding: Finding,
    /// Who needs it, from what is named directly down to it; empty: not said.
    pub chain: Vec<String>,
}

/// A report that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScannerError {
    /// No JSON, or not of the form of its kind.
    #[error("{kind}: {source}")]
    Form {
        /// What it was taken for.
        kind: &'static str,
        /// The place and what is wrong there.
        #[source]
        source: serde_json::Error,
    },
    /// JSON of a form that no known scanner writes.
    #[error(
        "this is no report that is known: reports of `trivy --format json`, `osv-scanner --format json`, `npm audit --json`, `yarn audit --json` and `pip-audit -f json` are read"
    )]
    Unknown,
    /// The scanner says that it failed.
    #[error("{scanner} failed, so nothing was checked: {text}")]
    Failed {
        /// Whose report it is.
        scanner: &'static str,
        /// Its own words.
        text: String,
    },
    /// More than is read.
    #[error("the report is too large: {what}")]
    TooLarge {
        /// What there is too much of, with its bound.
        what: String,
    },
}

impl Scanner {
    /// Its name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trivy => "trivy",
            Self::Osv => "osv-scanner",
            Self::NpmAudit => "npm audit",
            Self::YarnAudit => "yarn audit",
            Self::PipAudit => "pip-audit",
        }
    }
}

/// Reads a report.
///
/// # Errors
/// When it is none that is known, is broken (with line and column), is too large, or says that the scanner failed.
pub fn read(bytes: &[u8]) -> Result<Scan, ScannerError> {
    if bytes.len() > MAX_BYTES {
        let what = format!("{} MiB are read at most", MAX_BYTES >> 20);
        return Err(ScannerError::TooLarge { what });
    }
    // A byte order mark is what Windows' redirections put in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let scan = dispatch(bytes)?;
    if scan.findings.len() > MAX_FINDINGS {
        let what = format!("{MAX_FINDINGS} findings are read at most");
        return Err(ScannerError::TooLarge { what });
    }
    Ok(scan)
}

fn dispatch(bytes: &[u8]) -> Result<Scan, ScannerError> {
    // The form of one object per line is no JSON as a whole, and may begin with any kind of line.
    if yarn_audit::is_by_line(bytes) {
        return yarn_audit::read(bytes);
    }
    if bytes.trim_ascii_start().starts_with(b"[") {
        return pip_audit::read_list(bytes);
    }
    let shape: Shape = serde_json::from_slice(bytes).map_err(|source| ScannerError::Form {
        kind: "a scanner's report",
        source,
    })?;
    match shape {
        Shape {
            error: Some(error),
            message,
            ..
        } => Err(error.into_failure(message)),
        Shape {
            audit_report_version: Some(_),
            ..
        } => npm_audit::read(bytes),
        Shape {
            schema_version: Some(_),
            ..
        } => trivy::read(bytes),
        Shape {
            results: Some(_), ..
        } => osv_scanner::read(bytes),
        Shape {
            advisories: Some(_),
            ..
        } => npm_audit::read_old(bytes),
        Shape {
            dependencies: Some(_),
            ..
        } => pip_audit::read(bytes),
        _ => Err(ScannerError::Unknown),
    }
}

/// The members by which reports are told apart.
#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "SchemaVersion")]
    schema_version: Option<IgnoredAny>,
    results: Option<IgnoredAny>,
    #[serde(rename = "auditReportVersion")]
    audit_report_version: Option<IgnoredAny>,
    advisories: Option<IgnoredAny>,
    dependencies: Option<IgnoredAny>,
    error: Option<NpmError>,
    message: Option<String>,
}

/// What `npm audit` writes instead of a report.
#[derive(Deserialize)]
struct NpmError {
    code: Option<String>,
    summary: Option<String>,
    detail: Option<String>,
}

impl NpmError {
    fn into_failure(self, message: Option<String>) -> ScannerError {
        let parts = [self.code, self.summary, self.detail, message];
        let said: Vec<String> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.trim().is_empty())
            .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        ScannerError::Failed {
            scanner: "npm audit",
            text: if said.is_empty() {
                "it does not say why".to_owned()
            } else {
                said.join(": ")
            },
        }
    }
}

fn form<'a, T: Deserialize<'a>>(kind: &'static str, bytes: &'a [u8]) -> Result<T, ScannerError> {
    serde_json::from_slice(bytes).map_err(|source| ScannerError::Form { kind, source })
}

/// A scanner that looked at nothing: what it says of it, in one sentence.
fn nothing(scanner: Scanner, why: &str) -> Unchecked {
    Unchecked {
        what: format!("the report of {}", scanner.name()),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
