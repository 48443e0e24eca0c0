//! The OpenAPI 3.1 document, made of the endpoints and of the types that they answer with.

use crate::admission;
use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::reply::ErrorBody;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The document for `endpoints`.
pub(crate) fn document(endpoints: &[Endpoint], version: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let error = generator.subschema_for::<ErrorBody>();
    let paths: Map<String, Value> = endpoints
        .iter()
        .map(|endpoint| {
            let mut operations = path(endpoint, &mut generator, &error);
            roles(endpoint, &mut operations);
            (endpoint.path.into(), operations)
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pilothouse",
            "version": version,
            "description": "The admin API. `/api/v1` is Prometheus's, `/api/v2` is Alertmanager's, `/v1` is OTLP/HTTP, `/api/pilothouse` is our own.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) }
    })
}

/// What a caller has to be for each method, as an extension of the format.
fn roles(endpoint: &Endpoint, operations: &mut Value) {
    for (method, operation) in operations.as_object_mut().into_iter().flatten() {
        let role = admission::role(endpoint, method == "get");
        if let (Some(role), Some(operation)) = (role, operation.as_object_mut()) {
            operation.insert("x-role".into(), role.as_str().into());
        }
    }
}

fn path(endpoint: &Endpoint, generator: &mut SchemaGenerator, error: &Schema) -> Value {
    let text = generator.subschema_for::<String>();
    let error = match tag(endpoint.path) {
        ALERTMANAGER => &text,
        _ => error,
    };
    let answers = answers(endpoint, generator, error);
    let in_address: Vec<Value> = endpoint.params.iter().map(parameter).collect();
    let get = || {
        json!({
            "summary": endpoint.summary,
            "operationId": operation_id(endpoint.path),
            "tags": [tag(endpoint.path)],
            "parameters": in_address,
            "responses": answers
        })
    };
    match endpoint.methods {
        Methods::Get => json!({ "get": get() }),
        Methods::GetOrPost => {
            let post = post(endpoint, generator, error);
            json!({ "get": get(), "post": post })
        }
        Methods::GetOrDelete => json!({ "get": get(), "delete": delete(endpoint, error) }),
        Methods::GetOrForm => json!({ "get": get(), "post": form(endpoint, &answers) }),
        Methods::Post => json!({ "post": {
            "summary": endpoint.summary,
            "operationId": operation_id(endpoint.path),
            "tags": [tag(endpoint.path)],
            "requestBody": { "required": true, "content": {
                "application/x-protobuf": { "schema": {} },
                "application/json": { "schema": { "type": "object" } }
            }},
            "responses": answers
        }}),
    }
}

/// Taking JSON in: the second and the third form of [`Answer::Exchange`].
fn post(endpoint: &Endpoint, generator: &mut SchemaGenerator, error: &Schema) -> Value {
    let (body, made) = match &endpoint.answer {
        Answer::Exchange([_, body, made]) => (json!(body(generator)), json!(made(generator))),
        _ => (json!({}), json!({})),
    };
    json!({
        "summary": endpoint.summary,
        "operationId": format!("{}_post", operation_id(endpoint.path)),
        "tags": [tag(endpoint.path)],
        "parameters": in_path(endpoint),
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": responses("application/json", &made, &json!(error))
    })
}

fn delete(endpoint: &Endpoint, error: &Schema) -> Value {
    let in_address: Vec<Value> = endpoint.params.iter().map(parameter).collect();
    json!({
        "summary": endpoint.summary,
        "operationId": format!("{}_delete", operation_id(endpoint.path)),
        "tags": [tag(endpoint.path)],
        "parameters": in_address,
        "responses": responses("application/json", &json!({}), &json!(error))
    })
}

fn form(endpoint: &Endpoint, answers: &Value) -> Value {
    let properties: Map<String, Value> = endpoint
        .params
        .iter()
        .filter(|param| param.kind != Kind::InPath)
        .map(|param| (param.name.into(), schema(param.kind)))
        .collect();
    json!({
        "summary": endpoint.summary,
        "operationId": format!("{}_form", operation_id(endpoint.path)),
        "tags": [tag(endpoint.path)],
        "parameters": in_path(endpoint),
        "requestBody": { "content": { "application/x-www-form-urlencoded": {
            "schema": { "type": "object", "properties": properties }
        }}},
        "responses": answers
    })
}

/// The parameters that are parts of the path: every operation on it has them.
fn in_path(endpoint: &Endpoint) -> Vec<Value> {
    let params = endpoint.params.iter();
    let in_path = params.filter(|param| param.kind == Kind::InPath);
    in_path.map(parameter).collect()
}

fn answers(endpoint: &Endpoint, generator: &mut SchemaGenerator, error: &Schema) -> Value {
    let (kind, good, bad) = match &endpoint.answer {
        Answer::Json(schema) => ("application/json", json!(schema(generator)), json!(error)),
        Answer::Exchange([good, ..]) => ("application/json", json!(good(generator)), json!(error)),
        Answer::Prometheus => {
            let good = json!({
                "type": "object",
                "required": ["status", "data"],
                "properties": {
                    "status": { "const": "success" },
                    "data": {},
                    "warnings": { "type": "array", "items": { "type": "string" } },
                    "infos": { "type": "array", "items": { "type": "string" } }
                }
            });
            let bad = json!({
                "type": "object",
                "required": ["status", "errorType", "error"],
                "properties": {
                    "status": { "const": "error" },
                    "errorType": { "type": "string" },
                    "error": { "type": "string" }
                }
            });
            ("application/json", good, bad)
        }
        Answer::Other(kind) => (*kind, json!({}), json!(error)),
    };
    responses(kind, &good, &bad)
}

fn responses(kind: &str, good: &Value, bad: &Value) -> Value {
    json!({
        "200": { "description": "What was asked for.", "content": { kind: { "schema": good } } },
        "default": {
            "description": "What is wrong.",
            "content": { "application/json": { "schema": bad } }
        }
    })
}

fn parameter(param: &Param) -> Value {
    let place = if param.kind == Kind::InPath {
        "path"
    } else {
        "query"
    };
    json!({
        "name": param.name,
        "in": place,
        "required": matches!(param.kind, Kind::InPath | Kind::RequiredText),
        "description": param.about,
        "schema": schema(param.kind)
    })
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text | Kind::RequiredText | Kind::InPath => json!({ "type": "string" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Number { default, max } => {
            json!({ "type": "integer", "minimum": 0, "maximum": max, "default": default })
        }
        Kind::OneOf(words) => json!({ "type": "string", "enum": words, "default": words[0] }),
    }
}

/// Its errors are a text and nothing else.
const ALERTMANAGER: &str = "alertmanager";

/// Which of the four APIs a path belongs to.
fn tag(path: &str) -> &'static str {
    if path.starts_with("/api/v1/") {
        "prometheus"
    } else if path.starts_with("/api/v2/") {
        ALERTMANAGER
    } else if path.starts_with("/v1/") {
        "otlp"
    } else {
        "pilothouse"
    }
}

/// `/api/v1/label/{name}/values` → `api_v1_label_name_values`.
fn operation_id(path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        "index".to_owned()
    } else {
        words.join("_")
    }
}
