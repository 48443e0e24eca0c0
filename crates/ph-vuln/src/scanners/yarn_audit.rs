//! `yarn audit --json` of yarn 1: one object per line.

use serde::Deserialize;
use serde_json::Value;

use super::npm_audit::Old;
use super::{Scan, Scanner, ScannerError, nothing};

const KIND: &str = "a report of yarn audit";

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Advisory {
    advisory: Old,
}

/// Whether the first line that is not empty is an object of its own with a `type`.
pub(super) fn is_by_line(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty());
    first.is_some_and(|line| serde_json::from_slice::<Line>(line).is_ok())
}

pub(super) fn read(bytes: &[u8]) -> Result<Scan, ScannerError> {
    let mut findings: Vec<super::Found> = Vec::new();
    let (mut summary, mut failure) = (None, None);
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let line: Line = serde_json::from_slice(line).map_err(|source| of_line(at, &source))?;
        match line.kind.as_str() {
            "auditAdvisory" => {
                let advisory =
                    Advisory::deserialize(&line.data).map_err(|source| of_line(at, &source))?;
                // The same advisory comes once for each way to it, with all of them each time.
                if findings.len() <= super::MAX_FINDINGS {
                    findings.extend(advisory.advisory.found());
                }
            }
            "auditSummary" => summary = line.data.get("totalDependencies").and_then(Value::as_u64),
            "error" => failure = Some(words(&line.data)),
            _ => {}
        }
    }
    if let (Some(text), None) = (&failure, summary) {
        return Err(ScannerError::Failed {
            scanner: "yarn audit",
            text: text.clone(),
        });
    }
    once(&mut findings);
    let unchecked = match summary {
        None => vec![nothing(
            Scanner::YarnAudit,
            "its last line, the summary, is missing: it did not end",
        )],
        Some(0) => vec![nothing(
            Scanner::YarnAudit,
            "it names no dependencies, so nothing was audited",
        )],
        Some(_) => Vec::new(),
    };
    Ok(Scan {
        scanner: Scanner::YarnAudit,
        findings,
        packages: summary
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n > 0),
        unchecked,
        notes: Vec::new(),
    })
}

/// Each finding once, the shortest way to it.
fn once(findings: &mut Vec<super::Found>) {
    let name = |one: &super::Found| {
        let component = &one.finding.component;
        (
            one.finding.id.clone(),
            component.name.clone(),
            component.version.clone(),
        )
    };
    findings.sort_by_cached_key(|one| (name(one), one.chain.len(), one.chain.clone()));
    findings.dedup_by(|a, b| name(a) == name(b));
}

fn of_line(at: usize, source: &serde_json::Error) -> ScannerError {
    use serde::de::Error as _;
    ScannerError::Form {
        kind: KIND,
        source: serde_json::Error::custom(format!("line {}: {source}", at + 1)),
    }
}

fn words(data: &Value) -> String {
    let text = match data {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(500)
        .collect()
}
