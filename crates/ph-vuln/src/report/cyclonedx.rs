//! A CycloneDX 1.6 document with vulnerabilities and the components that they are in (VEX):
//! <https://cyclonedx.org/docs/1.6/json/>.

use serde_json::{Value, json};

use crate::severity::{Class, SeverityFrom};

use super::{Fixed, Report, Row, Stance, Stances, key, purl, representative};
use ph_inventory::Component;

/// The report as a CycloneDX document, with what `stances` holds of each finding, and `gone`.
#[must_use]
pub fn vex(report: &Report, stances: &Stances<'_>, gone: &[Fixed]) -> Value {
    let found = report.rows.iter().map(|row| {
        let stance = stances(&key(&report.subject, &row.finding));
        (row, stance.unwrap_or(Stance::UnderInvestigation))
    });
    let overridden = report.overridden.iter().map(|one| {
        let why = format!("{} (until {})", one.reason, one.expires);
        (
            &one.row,
            Stance::NotAffected {
                justification: None,
                why,
            },
        )
    });
    let all: Vec<_> = found.chain(overridden).collect();
    // One component for all findings in it: a `bom-ref` is there once.
    let found = all.iter().map(|(row, _)| &row.finding.component);
    let mut components: Vec<(String, &Component)> = found
        .chain(gone.iter().flat_map(|one| &one.components))
        .map(|component| (reference(component), component))
        .collect();
    components.sort_by(|a, b| a.0.cmp(&b.0));
    components.dedup_by(|a, b| a.0 == b.0);
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": report.at.to_string(),
            "tools": { "components": [{
                "type": "application",
                "name": "pilothouse",
                "version": env!("CARGO_PKG_VERSION"),
            }]},
            "component": { "type": "application", "bom-ref": "subject", "name": report.subject },
        },
        "components": components.iter().map(|(reference, of)| component(reference, of)).collect::<Vec<_>>(),
        "vulnerabilities": all
            .iter()
            .map(|(row, stance)| vulnerability(row, stance))
            .chain(gone.iter().map(resolved))
            .collect::<Vec<_>>(),
    })
}

/// What names a component in the document: its purl, and where it is.
fn reference(component: &Component) -> String {
    let name = purl(component).unwrap_or_else(|| {
        let version = component.version.as_deref().unwrap_or("(version unknown)");
        format!("{} {version}", component.name)
    });
    format!("{name}#{}:{}", component.file, component.path)
}

fn component(reference: &str, of: &Component) -> Value {
    let mut component = json!({ "type": "library", "bom-ref": reference, "name": of.name });
    if let Some(version) = &of.version {
        component["version"] = version.as_str().into();
    }
    if let Some(purl) = purl(of) {
        component["purl"] = purl.into();
    }
    component
}

fn vulnerability(row: &Row, stance: &Stance) -> Value {
    let finding = &row.finding;
    let name = representative(finding);
    let ids = std::iter::once(&finding.id).chain(&finding.aliases);
    let references: Vec<_> = ids
        .filter(|id| *id != name)
        .map(|id| json!({ "id": id, "source": { "name": source(id) } }))
        .collect();
    let advisories: Vec<_> = finding
        .references
        .iter()
        .map(|url| json!({ "url": url }))
        .collect();
    let mut rating = json!({ "severity": word(finding.severity.class(), finding.severity.from) });
    if finding.severity.from == SeverityFrom::Cvss {
        rating["score"] = finding.severity.score.into();
    }
    let mut of = json!({
        "bom-ref": format!("{name}/{}", reference(&finding.component)),
        "id": name,
        "source": { "name": source(name) },
        "references": references,
        "ratings": [rating],
        "description": row.title(),
        "recommendation": row.remedy(),
        "advisories": advisories,
        "affects": [{ "ref": reference(&finding.component) }],
        "analysis": analysis(stance),
    });
    if let Some(url) = row.more_info() {
        of["source"]["url"] = url.into();
    }
    of
}

fn resolved(one: &Fixed) -> Value {
    let references: Vec<_> = one
        .aliases
        .iter()
        .map(|id| json!({ "id": id, "source": { "name": source(id) } }))
        .collect();
    let parts = one.components.iter().map(reference);
    let mut affects: Vec<_> = parts.map(|part| json!({ "ref": part })).collect();
    if affects.is_empty() {
        affects.push(json!({ "ref": "subject" }));
    }
    json!({
        "bom-ref": format!("{}/gone", one.name),
        "id": one.name,
        "source": { "name": source(&one.name) },
        "references": references,
        "description": one.title,
        "affects": affects,
        "analysis": { "state": "resolved", "response": ["update"], "detail": one.proof },
    })
}

fn analysis(stance: &Stance) -> Value {
    match stance {
        Stance::UnderInvestigation => json!({ "state": "in_triage" }),
        Stance::Affected {
            action,
            is_accepted,
        } => {
            let response = if *is_accepted {
                "will_not_fix"
            } else {
                "update"
            };
            json!({ "state": "exploitable", "response": [response], "detail": action })
        }
        Stance::NotAffected { justification, why } => {
            let mut of = json!({ "state": "not_affected", "detail": why });
            if let Some(justification) = justification {
                of["justification"] = justification.cyclonedx_word().into();
            }
            of
        }
        Stance::Fixed => json!({ "state": "resolved" }),
    }
}

fn word(class: Class, from: SeverityFrom) -> &'static str {
    match from {
        SeverityFrom::Unknown => "unknown",
        _ => class.word(),
    }
}

/// Whose id it is, by its beginning.
fn source(id: &str) -> &'static str {
    match id.split('-').next().unwrap_or_default() {
        "CVE" => "NVD",
        "GHSA" => "GitHub",
        "PYSEC" => "PyPA",
        "RUSTSEC" => "RustSec",
        "MAL" => "OSSF malicious packages",
        "GO" => "Go",
        _ => "OSV",
    }
}
