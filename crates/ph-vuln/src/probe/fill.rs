//! Arguments that a tool's schema admits, and the places in them where a payload can be.

use serde_json::{Map, Value, json};

/// So deep is a schema followed: a place further in is not reached.
const DEPTH_MAX: usize = 4;
/// So many arguments of one tool are tried.
const PLACES_MAX: usize = 32;

/// What an argument can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Texts,
    Object,
    /// Anything, or nothing that is known here.
    Any,
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub name: String,
    pub kind: Kind,
}

/// The arguments that can hold a payload.
pub(crate) fn places(schema: &Value) -> Vec<Place> {
    let Some(properties) = schema["properties"].as_object() else {
        // A tool that says nothing takes whatever there is.
        return Vec::new();
    };
    let place = |(name, schema): (&String, &Value)| {
        let kind = match word(schema) {
            Some("string") => Kind::Text,
            Some("array") if matches!(word(&schema["items"]), Some("string") | None) => Kind::Texts,
            Some("object") => Kind::Object,
            Some(_) => return None,
            None => Kind::Any,
        };
        let is_free = schema.get("enum").is_none() && schema.get("const").is_none();
        is_free.then(|| Place {
            name: name.clone(),
            kind,
        })
    };
    properties
        .iter()
        .filter_map(place)
        .take(PLACES_MAX)
        .collect()
}

/// Whether a schema leaves open which arguments there are. Empty `properties` are how a tool says that it takes none.
pub(crate) fn is_silent(schema: &Value) -> bool {
    !schema["properties"].is_object() && schema.get("additionalProperties") != Some(&json!(false))
}

/// A schema with these arguments, of which nothing else is known.
pub(crate) fn assumed(arguments: &[String]) -> Value {
    let properties: Map<String, Value> = arguments
        .iter()
        .map(|name| (name.clone(), json!({})))
        .collect();
    json!({ "type": "object", "properties": properties, "required": arguments })
}

/// The required arguments, each the smallest thing that its schema admits.
pub(crate) fn harmless(schema: &Value) -> Map<String, Value> {
    match value(schema, 0) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The arguments with one of them replaced.
pub(crate) fn put(
    harmless: &Map<String, Value>,
    place: &Place,
    value: Value,
) -> Map<String, Value> {
    let mut arguments = harmless.clone();
    arguments.insert(place.name.clone(), value);
    arguments
}

fn value(schema: &Value, depth: usize) -> Value {
    for said in ["const", "default"] {
        if let Some(value) = schema.get(said) {
            return value.clone();
        }
    }
    for said in ["enum", "examples"] {
        if let Some(first) = schema[said].as_array().and_then(|list| list.first()) {
            return first.clone();
        }
    }
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(first) = ["anyOf", "oneOf"]
        .iter()
        .find_map(|of| schema[*of].as_array()?.first())
    {
        return value(first, depth + 1);
    }
    match word(schema) {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let names = required.filter_map(Value::as_str);
            let filled = names.map(|name| {
                (
                    name.to_owned(),
                    value(&schema["properties"][name], depth + 1),
                )
            });
            Value::Object(filled.collect())
        }
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0).min(8);
            let items = (0..least).map(|_| value(&schema["items"], depth + 1));
            Value::Array(items.collect())
        }
        Some("number" | "integer") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        _ => json!("x"),
    }
}

/// The one type, or the first of several that is not `null`.
fn word(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(word) => Some(word),
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .find(|word| *word != "null"),
        _ if schema.get("properties").is_some() => Some("object"),
        _ => None,
    }
}
