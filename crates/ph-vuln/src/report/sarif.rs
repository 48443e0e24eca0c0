//! SARIF 2.1.0, as code scanning reads it: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use serde_json::{Value, json};

use crate::severity::Class;

use super::{Report, Row, key, purl, representative};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The report as a SARIF log. A rule is a vulnerability, a result is a finding; what could not be checked is a
/// notification of the invocation, whose `executionSuccessful` is then false.
#[must_use]
pub fn sarif(report: &Report) -> Value {
    let mut ids: Vec<&str> = report.rows.iter().map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    let first = |wanted: &str| report.rows.iter().find(|row| id(row) == wanted);
    let rules: Vec<_> = ids.iter().filter_map(|id| Some(rule(first(id)?))).collect();
    let results: Vec<_> = report
        .rows
        .iter()
        .map(|row| result(&report.subject, row, ids.binary_search(&id(row)).ok()))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Pilothouse",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": report.doubts().is_empty(),
                "endTimeUtc": report.at.to_string(),
                "toolExecutionNotifications": notifications(report),
            }],
            "columnKind": "utf16CodeUnits",
            "results": results,
            "properties": {
                "subject": report.subject,
                "packages": report.packages,
                "databaseRecords": report.database.records(),
                "databaseAgeSeconds": report.database.age().map(|age| age.as_secs()),
            },
        }],
    })
}

fn id(row: &Row) -> &str {
    representative(&row.finding)
}

fn rule(row: &Row) -> Value {
    let finding = &row.finding;
    let mut rule = json!({
        "id": id(row),
        "name": if finding.is_malicious { "MaliciousPackage" } else { "VulnerablePackage" },
        "shortDescription": { "text": row.title() },
        "help": { "text": help(row) },
        "defaultConfiguration": { "level": level(row) },
        "properties": {
            "tags": ["security", "vulnerability"],
            // What code scanning sorts by; a text, by its documentation.
            "security-severity": format!("{:.1}", finding.severity.score),
        },
    });
    if let Some(url) = row.more_info() {
        rule["helpUri"] = url.into();
    }
    rule
}

fn help(row: &Row) -> String {
    let mut text = row.remedy();
    for url in &row.finding.references {
        text.push('\n');
        text.push_str(url);
    }
    text
}

fn result(subject: &str, row: &Row, rule: Option<usize>) -> Value {
    let (finding, component) = (&row.finding, &row.finding.component);
    let key = key(subject, finding);
    let mut result = json!({
        "ruleId": id(row),
        "level": level(row),
        "message": { "text": format!("{}: {}. {}", row.package(), row.title(), row.remedy()) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&component.file, subject) },
                // Lockfiles are read as values; code scanning shows nothing without a line.
                "region": { "startLine": 1 },
            },
            "logicalLocations": [{
                "fullyQualifiedName": row.chain.join(" > "),
                "kind": "package",
            }],
        }],
        // The version is not part of it, so that an upgrade that does not help is the same finding.
        "partialFingerprints": {
            "pilothouseFinding/v1": format!("{}|{}|{}", key.subject, key.advisory, key.package),
        },
        "properties": {
            "purl": purl(component),
            "path": component.path,
            "patchedIn": finding.fixed_in,
            "dependencyOf": row.dependency_of(),
            "knownExploited": finding.is_exploited,
            "epss": finding.epss,
            "foundBy": row.found_by,
        },
    });
    if let Some(rule) = rule {
        result["ruleIndex"] = rule.into();
    }
    result
}

fn notifications(report: &Report) -> Vec<Value> {
    let unchecked = report.unchecked.iter();
    let unchecked = unchecked.map(|one| format!("{} was not checked: {}", one.what, one.why));
    let doubts = report.doubts().into_iter();
    doubts
        .chain(unchecked)
        .map(|text| json!({ "level": "warning", "message": { "text": text } }))
        .collect()
}

fn level(row: &Row) -> &'static str {
    match row.finding.severity.class() {
        Class::Critical | Class::High => "error",
        Class::Medium => "warning",
        Class::Low | Class::None => "note",
    }
}

/// A relative reference to the file, or to the subject where there is none.
fn uri(file: &str, subject: &str) -> String {
    let path = if file.is_empty() { subject } else { file };
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' => {
                uri.push(char::from(byte));
            }
            b'\\' => uri.push('/'),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
