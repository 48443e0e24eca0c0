//! OpenVEX 0.2.0: <https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md>.

use serde_json::{Map, Value, json};

use super::{Fixed, Report, Row, Stance, Stances, key, purl, representative};
use ph_inventory::Component;

/// Whose word it is.
const ROLE: &str = "operator of the server";

/// The report as an OpenVEX document: one statement for each finding, with what `stances` holds of it, and for each of
/// `gone`. None where there is nothing to state: the schema wants at least one statement. The same package in two places is one statement.
#[must_use]
pub fn openvex(
    report: &Report,
    author: &str,
    stances: &Stances<'_>,
    gone: &[Fixed],
) -> Option<Value> {
    let found = report.rows.iter().map(|row| {
        let stance = stances(&key(&report.subject, &row.finding));
        statement(report, row, stance.unwrap_or(Stance::UnderInvestigation))
    });
    let overridden = report.overridden.iter().map(|one| {
        let why = format!("{} (until {})", one.reason, one.expires);
        let stance = Stance::NotAffected {
            justification: None,
            why,
        };
        statement(report, &one.row, stance)
    });
    let mut statements: Vec<Value> = Vec::new();
    let gone = gone.iter().map(|one| fixed(report, one));
    for statement in found.chain(overridden).chain(gone) {
        if !statements.contains(&statement) {
            statements.push(statement);
        }
    }
    if statements.is_empty() {
        return None;
    }
    Some(json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": format!("urn:pilothouse:vex:{}:{}", escaped(&report.subject), report.at.as_millisecond()),
        "author": author,
        "role": ROLE,
        "timestamp": report.at.to_string(),
        "version": 1,
        "tooling": concat!("pilothouse ", env!("CARGO_PKG_VERSION")),
        "statements": statements,
    }))
}

fn statement(report: &Report, row: &Row, stance: Stance) -> Value {
    let (finding, component) = (&row.finding, &row.finding.component);
    let name = representative(finding);
    let ids = std::iter::once(&finding.id).chain(&finding.aliases);
    let aliases: Vec<_> = ids.filter(|id| *id != name).collect();
    let mut of = Map::new();
    of.insert("timestamp".to_owned(), report.at.to_string().into());
    let mut vulnerability = json!({ "name": name, "description": row.title() });
    if !aliases.is_empty() {
        vulnerability["aliases"] = json!(aliases);
    }
    of.insert("vulnerability".to_owned(), vulnerability);
    let products = product(report, std::slice::from_ref(component));
    of.insert("products".to_owned(), products);
    say(&mut of, row, stance);
    Value::Object(of)
}

fn fixed(report: &Report, one: &Fixed) -> Value {
    let mut vulnerability = json!({ "name": one.name, "description": one.title });
    if !one.aliases.is_empty() {
        vulnerability["aliases"] = json!(one.aliases);
    }
    json!({
        "vulnerability": vulnerability,
        "products": product(report, &one.components),
        "timestamp": report.at.to_string(),
        "status": "fixed",
        "status_notes": one.proof,
    })
}

/// What was scanned, and what of it is meant.
fn product(report: &Report, components: &[Component]) -> Value {
    // Others tell products by their purl, and some read no document without one.
    let mut product = json!({ "@id": format!("pkg:generic/{}", escaped(&report.subject)) });
    let parts: Vec<_> = components
        .iter()
        .filter_map(purl)
        .map(|purl| json!({ "@id": purl, "identifiers": { "purl": purl } }))
        .collect();
    if !parts.is_empty() {
        product["subcomponents"] = json!(parts);
    }
    json!([product])
}

/// The status with what the specification asks for beside it.
fn say(of: &mut Map<String, Value>, row: &Row, stance: Stance) {
    let mut put = |name: &str, value: String| of.insert(name.to_owned(), value.into());
    match stance {
        Stance::UnderInvestigation => {
            put("status", "under_investigation".to_owned());
            put("status_notes", row.remedy());
        }
        Stance::Affected { action, .. } => {
            put("status", "affected".to_owned());
            put("action_statement", action);
        }
        Stance::NotAffected { justification, why } => {
            put("status", "not_affected".to_owned());
            // The schema takes one of the two, never both.
            if let Some(justification) = justification {
                put("justification", justification.word().to_owned());
                put("status_notes", why);
            } else {
                put("impact_statement", why);
            }
        }
        Stance::Fixed => {
            put("status", "fixed".to_owned());
        }
    }
}

/// What a URN may hold.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}
