//! An inventory as CycloneDX.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{Component, Ecosystem, Inventory, purl};

/// What a bill of materials says of itself. Without a time it depends on the inventory alone.
#[derive(Debug, Clone, Copy)]
pub struct Bom<'a> {
    /// What was looked at: a server, a folder, an image.
    pub subject: &'a str,
    /// The version of the specification.
    pub spec: Spec,
    /// When, in RFC 3339.
    pub timestamp: Option<&'a str>,
    /// The version of the program that writes.
    pub tool_version: &'a str,
}

/// A version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spec {
    /// 1.6 (2024).
    V1_6,
    /// 1.7 (2025).
    V1_7,
}

impl Spec {
    /// As `specVersion` says it.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
        }
    }
}

/// The reference of the subject within the document.
const SUBJECT: &str = "subject";

/// Writes CycloneDX JSON: the same inventory gives the same bytes.
///
/// What could not be looked at is a property of the metadata, and makes the composition `incomplete`.
#[must_use]
pub fn write(inventory: &Inventory, bom: Bom<'_>) -> Vec<u8> {
    let refs = references(inventory);
    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": bom.spec.number(),
        "version": 1,
        "metadata": metadata(inventory, bom),
        "components": inventory.components.iter().zip(&refs).map(|(component, reference)| entry(component, reference))
            .collect::<Vec<_>>(),
        "dependencies": dependencies(inventory, &refs),
        "compositions": [{
            "aggregate": if inventory.unchecked.is_empty() { "unknown" } else { "incomplete" },
            "assemblies": [SUBJECT],
        }],
    });
    document["serialNumber"] = json!(serial(&document));
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn metadata(inventory: &Inventory, bom: Bom<'_>) -> Value {
    let mut metadata = json!({
        "tools": {"components": [{"type": "application", "name": "pilothouse", "version": bom.tool_version}]},
        "component": {"type": "application", "bom-ref": SUBJECT, "name": bom.subject},
    });
    if let Some(timestamp) = bom.timestamp {
        metadata["timestamp"] = json!(timestamp);
    }
    if !inventory.unchecked.is_empty() {
        let properties = inventory.unchecked.iter().map(|unchecked| {
            property(
                "pilothouse:unchecked",
                &format!("{}: {}", unchecked.what, unchecked.why),
            )
        });
        metadata["properties"] = properties.collect();
    }
    metadata
}

/// A reference for each component: its purl, with a number where several have the same.
fn references(inventory: &Inventory) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::from([SUBJECT.to_owned()]);
    let mut references = Vec::with_capacity(inventory.components.len());
    for (index, component) in inventory.components.iter().enumerate() {
        let base = purl::write(component).unwrap_or_else(|| component.name.clone());
        let reference = match taken.contains(&base) {
            false => base,
            true => format!("{base}#{index}"),
        };
        taken.insert(reference.clone());
        references.push(reference);
    }
    references
}

fn entry(component: &Component, reference: &str) -> Value {
    let mut entry = Map::new();
    let (group, name) = match (&component.ecosystem, component.name.rsplit_once('/')) {
        (Ecosystem::Npm | Ecosystem::Go, Some((group, name))) => (Some(group), name),
        _ => (None, component.name.as_str()),
    };
    entry.insert("type".to_owned(), json!("library"));
    entry.insert("bom-ref".to_owned(), json!(reference));
    if let Some(group) = group {
        entry.insert("group".to_owned(), json!(group));
    }
    entry.insert("name".to_owned(), json!(name));
    if let Some(version) = &component.version {
        entry.insert("version".to_owned(), json!(version));
    }
    entry.insert(
        "scope".to_owned(),
        json!(if component.is_dev {
            "excluded"
        } else {
            "required"
        }),
    );
    if let Some(purl) = purl::write(component) {
        entry.insert("purl".to_owned(), json!(purl));
    }
    if !component.file.is_empty() {
        let evidence = json!({"occurrences": [{"location": component.file}]});
        entry.insert("evidence".to_owned(), evidence);
    }
    if !component.path.is_empty() {
        let properties = json!([property("pilothouse:path", &component.path)]);
        entry.insert("properties".to_owned(), properties);
    }
    Value::Object(entry)
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

/// Who needs whom, the other way round than components say it.
fn dependencies(inventory: &Inventory, refs: &[String]) -> Value {
    let mut needs: Vec<Vec<&str>> = vec![Vec::new(); refs.len()];
    let mut direct = Vec::new();
    for (component, reference) in inventory.components.iter().zip(refs) {
        for one in &component.needed_by {
            if let Some(needs) = needs.get_mut(*one) {
                needs.push(reference);
            }
        }
        if component.is_direct || component.needed_by.is_empty() {
            direct.push(reference.as_str());
        }
    }
    let all = std::iter::once((SUBJECT, direct)).chain(refs.iter().map(String::as_str).zip(needs));
    all.filter(|(_, needs)| !needs.is_empty())
        .map(|(one, mut needs)| {
            needs.sort_unstable();
            needs.dedup();
            json!({"ref": one, "dependsOn": needs})
        })
        .collect()
}

/// A serial number made of the content: a UUID of version 8.
fn serial(document: &Value) -> String {
    let digest = Sha256::digest(document.to_string().as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::from("urn:uuid:");
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
