//! `docs/reference/api.md` is made from the document of the API. `BLESS=1` writes it.

use crate::given::given;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::PathBuf;

const TITLE: &str = "# The admin API, path by path

Made from the daemon's own OpenAPI document (`/api/pilothouse/openapi.json`) by `BLESS=1 cargo test -p ph-api`. How to use it, with
bounds and examples, is in [api.md](../api.md). `role` is what a key needs where `admin.auth` is `keys`; whoever has a greater role may
do what a lesser one may. What is wrong is answered as the last column says, with a status of 400 or more.
";

#[tokio::test]
async fn the_reference_is_the_one_of_the_api() {
    let document = given().get("/api/pilothouse/openapi.json").await.json();
    let wanted = reference(&document);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/api.md");
    if is_blessing() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference/api.md is not what the API says; BLESS=1 writes it"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not of the product"
)]
fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

fn reference(document: &Value) -> String {
    let mut out = TITLE.to_owned();
    for (tag, title) in [
        ("pilothouse", "Our own"),
        ("prometheus", "Prometheus's"),
        ("alertmanager", "Alertmanager's"),
        ("otlp", "OTLP"),
    ] {
        let _ = write!(
            out,
            "\n## {title}\n\n| | | role | answers |\n|---|---|---|---|\n"
        );
        let listed = operations(document, tag);
        for (name, operation) in &listed {
            let _ = writeln!(
                out,
                "| `{name}` | {} | {} | {} |",
                text(&operation["summary"]),
                operation["x-role"]
                    .as_str()
                    .unwrap_or("none from this machine"),
                answers(operation)
            );
        }
        for (name, operation) in &listed {
            details(&mut out, name, operation);
        }
    }
    out.push_str("\n## Types\n");
    for (name, schema) in object(&document["components"]["schemas"]) {
        fields(&mut out, name, schema);
    }
    out
}

/// `GET /path` and what the document says of it; pages of the console are left out.
fn operations<'a>(document: &'a Value, tag: &str) -> Vec<(String, &'a Value)> {
    let mut listed = Vec::new();
    for (path, methods) in object(&document["paths"]) {
        let is_page = !["/api/", "/v1/", "/runbooks"]
            .iter()
            .any(|begin| path.starts_with(begin));
        for (method, operation) in object(methods) {
            if operation["tags"][0] == tag && !is_page {
                listed.push((format!("{} {path}", method.to_uppercase()), operation));
            }
        }
    }
    listed
}

/// What is sent along: parameters of the address, and the body.
fn details(out: &mut String, name: &str, operation: &Value) {
    let params = operation["parameters"].as_array().into_iter().flatten();
    let rows: Vec<String> = params
        .map(|param| {
            let needed = if param["required"] == true {
                ", needed"
            } else {
                ""
            };
            format!(
                "| `{}` | {} | {}{needed} | {} |\n",
                text(&param["name"]),
                text(&param["in"]),
                kind(&param["schema"]),
                text(&param["description"])
            )
        })
        .collect();
    let body = content(&operation["requestBody"]);
    if rows.is_empty() && body.is_empty() {
        return;
    }
    let _ = write!(out, "\n### `{name}`\n");
    if !rows.is_empty() {
        let _ = write!(
            out,
            "\n| | in | type | |\n|---|---|---|---|\n{}",
            rows.concat()
        );
    }
    if !body.is_empty() {
        let _ = write!(out, "\nBody: {}.\n", body.join("; or "));
    }
}

fn answers(operation: &Value) -> String {
    let parts = object(&operation["responses"]).map(|(status, response)| {
        let what = content(response).join("; or ");
        match status.as_str() {
            "200" => what,
            "default" => format!("else {what}"),
            status => format!("{status}: {what}"),
        }
    });
    parts
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("<br>")
}

/// Each form that a body comes in: its media type, and its type where it has one.
fn content(body: &Value) -> Vec<String> {
    object(&body["content"])
        .map(|(media, form)| match kind(&form["schema"]) {
            kind if kind.is_empty() => format!("`{media}`"),
            kind if media == "application/json" => kind,
            kind => format!("`{media}` ({kind})"),
        })
        .collect()
}

fn fields(out: &mut String, name: &str, schema: &Value) {
    let _ = write!(out, "\n### {name}\n");
    let said = text(&schema["description"]);
    if !said.is_empty() {
        let _ = write!(out, "\n{said}\n");
    }
    if object(&schema["properties"]).next().is_none() {
        let _ = write!(out, "\n{}\n", kind(schema));
        return;
    }
    out.push_str("\n| field | type | |\n|---|---|---|\n");
    for (field, schema) in object(&schema["properties"]) {
        let _ = writeln!(
            out,
            "| `{field}` | {} | {} |",
            kind(schema),
            text(&schema["description"])
        );
    }
}

/// A type in a few words; one with a name is a link to it.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(kinds) = schema[choice].as_array() {
            return kinds.iter().map(kind).collect::<Vec<_>>().join("; or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{value}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]);
    }
    if schema["properties"].is_object() {
        let members = object(&schema["properties"]).map(|(name, of)| match kind(of) {
            kind if of["const"].is_null() => format!("`{name}`: {kind}"),
            kind => format!("`{name}` {kind}"),
        });
        return format!("object with {}", members.collect::<Vec<_>>().join(", "));
    }
    match &schema["type"] {
        Value::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            kinds.collect::<Vec<_>>().join(" or ")
        }
        Value::String(name) if name == "array" => {
            let of = kind(&schema["items"]);
            if of.is_empty() {
                "list".to_owned()
            } else {
                format!("list of {of}")
            }
        }
        Value::String(name) => name.clone(),
        _ => String::new(),
    }
}

/// One line, safe in a table.
fn text(value: &Value) -> String {
    let words = value.as_str().unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
