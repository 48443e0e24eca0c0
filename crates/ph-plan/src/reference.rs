//! The reference of all keys, made from the same tables that the text is read with.

use serde_json::Value as Json;

use crate::plan::Plan;
use crate::section::{Block, Property, one_line};
use crate::value::Value;

/// Every key of the configuration with default and meaning: tables in Markdown, one per block,
/// in the order in which one would write them.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    if let Some(plan) = Plan::block() {
        tables("", &plan, &mut out);
    }
    out
}

/// The table of a block, then those of the blocks inside it.
fn tables(path: &str, block: &Block, out: &mut String) {
    let title = if path.is_empty() {
        "Top level".to_owned()
    } else {
        format!("`{path}`")
    };
    out.push_str(&format!("\n### {title}\n\n{}\n\n", one_line(block.about)));
    out.push_str("| key | default | meaning |\n|---|---|---|\n");
    for property in &block.properties {
        let meaning = property.meaning() + &words(property);
        out.push_str(&format!(
            "| `{}` | {} | {meaning} |\n",
            property.name,
            default(property)
        ));
    }
    for property in &block.properties {
        if let Some(inner) = &property.block {
            let item = match () {
                () if is_mapping(property) => ".NAME",
                () if is_list(property) => "[]",
                () => "",
            };
            let dot = if path.is_empty() { "" } else { "." };
            tables(&format!("{path}{dot}{}{item}", property.name), inner, out);
        }
    }
}

/// Whether each item, not the field itself, is the block.
fn is_mapping(property: &Property) -> bool {
    property.schema.get("propertyNames").is_some()
}

fn is_list(property: &Property) -> bool {
    property.schema.get("items").is_some()
}

fn default(property: &Property) -> String {
    match &property.default {
        _ if property.name == "servers" => "needed".to_owned(),
        _ if is_mapping(property) || is_list(property) && property.block.is_some() => {
            "none".to_owned()
        }
        Json::String(word) if property.block.is_some() => format!("`{word}`"),
        _ if property.block.is_some() => "below".to_owned(),
        Json::Null => "none".to_owned(),
        Json::Array(items) if items.is_empty() => "none".to_owned(),
        Json::Object(entries) if entries.is_empty() => "none".to_owned(),
        Json::Array(items) => items.iter().map(code).collect::<Vec<_>>().join(", "),
        value => code(value),
    }
}

fn words(property: &Property) -> String {
    match property.schema["anyOf"][0]["enum"].as_array() {
        None => String::new(),
        Some(words) => format!(
            " One of {}{}.",
            words.iter().map(code).collect::<Vec<_>>().join(", "),
            if property.block.is_some() {
                ", or the block below"
            } else {
                ""
            }
        ),
    }
}

fn code(value: &Json) -> String {
    format!(
        "`{}`",
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    )
}
