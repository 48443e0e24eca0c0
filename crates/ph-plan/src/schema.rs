//! The published JSON Schema, made from the same tables that the text is read with.

use serde_json::{Value as Json, json};

use crate::plan::Plan;
use crate::value::Value;

/// The JSON Schema (draft 2020-12) of `pilothouse.yaml`, for editors and for other programs that
/// write it.
///
/// What no schema can say (a listener beyond loopback needs `auth: external`, ranges of
/// durations, how keys of a server exclude one another) is left to `pilothouse check`.
#[must_use]
pub fn schema() -> Json {
    let mut schema = Plan::schema(&());
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Pilothouse configuration".into();
    schema["type"] = "object".into();
    schema["required"] = json!(["servers"]);
    schema["properties"]["servers"]["type"] = "object".into();
    schema["properties"]["servers"]["minProperties"] = 1.into();
    if let Some(servers) = schema["properties"]["servers"].as_object_mut() {
        servers.remove("default");
    }
    schema
}
