//! Our own JSON. Members are only ever added: `docs/vulnerabilities.md` describes them.

use std::time::Duration;

use ph_inventory::Unchecked;
use serde::Serialize;

use crate::Exposed;
use crate::severity::SeverityFrom;

use super::{Difference, Outcome, Overridden, Report, Row, Source, key, purl, representative};

/// The number of the form; it grows when a member changes its meaning or goes.
const VERSION: u32 = 1;

/// The report as JSON, indented, ending with a line break.
///
/// # Errors
/// A number that JSON cannot hold; no report of ours has any.
pub fn json(report: &Report, outcome: Outcome) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&Form::of(report, outcome))?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Form<'a> {
    version: u32,
    tool: Tool,
    subject: &'a str,
    scanned_at: String,
    /// `clean`, `found` or `unknown`.
    outcome: &'static str,
    /// Why nothing found is not clean.
    doubts: Vec<String>,
    counts: Counts,
    database: DatabaseForm<'a>,
    findings: Vec<FindingForm<'a>>,
    overridden: Vec<OverriddenForm<'a>>,
    unchecked: Vec<UncheckedForm<'a>>,
    differences: Vec<DifferenceForm<'a>>,
    files: &'a [String],
    notes: &'a [String],
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Counts {
    packages: usize,
    unchecked: usize,
    findings: usize,
    critical: usize,
    high: usize,
    medium: usize,
    low: usize,
    none: usize,
}

#[derive(Serialize)]
struct DatabaseForm<'a> {
    records: u64,
    age_seconds: Option<u64>,
    stale_after_seconds: u64,
    is_stale: bool,
    sources: Vec<SourceForm<'a>>,
}

#[derive(Serialize)]
struct SourceForm<'a> {
    ecosystem: &'a str,
    from: &'a str,
    records: u64,
    fetched_at: Option<String>,
    age_seconds: Option<u64>,
    is_needed: bool,
}

#[derive(Serialize)]
struct FindingForm<'a> {
    key: KeyForm,
    id: &'a str,
    aliases: &'a [String],
    /// The CVE where there is one, else the least id.
    advisory: &'a str,
    summary: &'a str,
    severity: &'static str,
    score: f64,
    /// What the score is from: `cvss`, `word`, `malicious`, `unknown`.
    score_from: &'static str,
    ecosystem: String,
    package: &'a str,
    version: Option<&'a str>,
    purl: Option<String>,
    patched_in: &'a [String],
    dependency_of: &'a str,
    chain: &'a [String],
    path: &'a str,
    file: &'a str,
    is_dev: bool,
    is_exploited: bool,
    is_malicious: bool,
    epss: Option<f64>,
    /// Why it is not certain; null: it is.
    unknown: Option<&'a str>,
    symbols: &'a [String],
    cwes: &'a [String],
    /// Not a vulnerability but `unsound`, `unmaintained` or a `notice`; null: it is one.
    informational: Option<&'a str>,
    found_by: &'a [String],
    more_info: Option<String>,
    references: &'a [String],
    /// How near it is to a caller; null: nobody has looked.
    exposure: Option<&'a Exposed>,
}

#[derive(Serialize)]
struct KeyForm {
    subject: String,
    advisory: String,
    package: String,
}

#[derive(Serialize)]
struct OverriddenForm<'a> {
    reason: &'a str,
    expires: &'a str,
    finding: FindingForm<'a>,
}

#[derive(Serialize)]
struct UncheckedForm<'a> {
    what: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct DifferenceForm<'a> {
    package: &'a str,
    path: &'a str,
    locked: Option<&'a str>,
    installed: Option<&'a str>,
}

impl<'a> Form<'a> {
    fn of(report: &'a Report, outcome: Outcome) -> Self {
        let subject = &report.subject;
        Self {
            version: VERSION,
            tool: Tool {
                name: "pilothouse",
                version: env!("CARGO_PKG_VERSION"),
            },
            subject,
            scanned_at: report.at.to_string(),
            outcome: word(outcome),
            doubts: report.doubts(),
            counts: Counts::of(report),
            database: DatabaseForm {
                records: report.database.records(),
                age_seconds: report.database.age().map(|age| age.as_secs()),
                stale_after_seconds: report.database.stale_after.as_secs(),
                is_stale: report.database.doubt().is_some(),
                sources: report.database.sources.iter().map(source).collect(),
            },
            findings: report
                .rows
                .iter()
                .map(|row| finding(subject, row))
                .collect(),
            overridden: report
                .overridden
                .iter()
                .map(|one| overridden(subject, one))
                .collect(),
            unchecked: report.unchecked.iter().map(unchecked).collect(),
            differences: report.differences.iter().map(difference).collect(),
            files: &report.files,
            notes: &report.notes,
        }
    }
}

impl Counts {
    fn of(report: &Report) -> Self {
        let counts = report.counts();
        let of = |wanted: &str| {
            let same = counts.iter().find(|(class, _)| class.word() == wanted);
            same.map_or(0, |(_, n)| *n)
        };
        Self {
            packages: report.packages,
            unchecked: report.unchecked.len(),
            findings: report.rows.len(),
            critical: of("critical"),
            high: of("high"),
            medium: of("medium"),
            low: of("low"),
            none: of("none"),
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Clean => "clean",
        Outcome::Found => "found",
        Outcome::Unknown => "unknown",
    }
}

fn source(of: &Source) -> SourceForm<'_> {
    SourceForm {
        ecosystem: &of.ecosystem,
        from: &of.from,
        records: of.records,
        fetched_at: of.fetched_at.map(|at| at.to_string()),
        age_seconds: of.age.as_ref().map(Duration::as_secs),
        is_needed: of.is_needed,
    }
}

fn finding<'a>(subject: &str, row: &'a Row) -> FindingForm<'a> {
    let (finding, component) = (&row.finding, &row.finding.component);
    let key = key(subject, finding);
    FindingForm {
        key: KeyForm {
            subject: key.subject,
            advisory: key.advisory,
            package: key.package,
        },
        id: &finding.id,
        aliases: &finding.aliases,
        advisory: representative(finding),
        summary: &finding.summary,
        severity: finding.severity.class().word(),
        score: finding.severity.score,
        score_from: match finding.severity.from {
            SeverityFrom::Cvss => "cvss",
            SeverityFrom::Word => "word",
            SeverityFrom::Malicious => "malicious",
            SeverityFrom::Unknown => "unknown",
        },
        ecosystem: component.ecosystem.to_string(),
        package: &component.name,
        version: component.version.as_deref(),
        purl: purl(component),
        patched_in: &finding.fixed_in,
        dependency_of: row.dependency_of(),
        chain: &row.chain,
        path: &component.path,
        file: &component.file,
        is_dev: component.is_dev,
        is_exploited: finding.is_exploited,
        is_malicious: finding.is_malicious,
        epss: finding.epss,
        unknown: finding.unknown.as_deref(),
        symbols: &finding.symbols,
        cwes: &finding.cwes,
        informational: finding.informational.as_deref(),
        found_by: &row.found_by,
        more_info: row.more_info(),
        references: &finding.references,
        exposure: row.exposure.as_ref(),
    }
}

fn overridden<'a>(subject: &str, of: &'a Overridden) -> OverriddenForm<'a> {
    OverriddenForm {
        reason: &of.reason,
        expires: &of.expires,
        finding: finding(subject, &of.row),
    }
}

fn unchecked(of: &Unchecked) -> UncheckedForm<'_> {
    UncheckedForm {
        what: &of.what,
        why: &of.why,
    }
}

fn difference(of: &Difference) -> DifferenceForm<'_> {
    DifferenceForm {
        package: &of.package,
        path: &of.path,
        locked: of.locked.as_deref(),
        installed: of.installed.as_deref(),
    }
}
