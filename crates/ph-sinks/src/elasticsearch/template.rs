//! The index template of the data stream. Pure.

use serde_json::{Value, json};

/// Whose dialect the other side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavor {
    Elasticsearch,
    OpenSearch,
}

impl Flavor {
    /// From the answer to `GET /`.
    pub(super) fn of(root: &[u8]) -> Self {
        let root: Value = serde_json::from_slice(root).unwrap_or_default();
        if root["version"]["distribution"] == "opensearch" {
            Self::OpenSearch
        } else {
            Self::Elasticsearch
        }
    }
}

/// The template for `data_stream` and its backing indices.
///
/// Fields that are not named are kept and not searchable: a server's own field names must not grow
/// the mapping without bound.
pub(super) fn template(data_stream: &str, flavor: Flavor) -> Value {
    let flattened = match flavor {
        Flavor::Elasticsearch => "flattened",
        Flavor::OpenSearch => "flat_object",
    };
    let mut fields = serde_json::Map::new();
    fields.insert("@timestamp".to_owned(), json!({"type": "date_nanos"}));
    let mut add = |names: &[&str], kind: Value| {
        for name in names {
            fields.insert((*name).to_owned(), kind.clone());
        }
    };
    add(KEYWORDS, json!({"type": "keyword", "ignore_above": 1024}));
    add(NUMBERS, json!({"type": "double"}));
    add(INTEGERS, json!({"type": "long"}));
    add(BOOLEANS, json!({"type": "boolean"}));
    add(TEXTS, json!({"type": "text"}));
    add(OBJECTS, json!({"type": flattened}));
    add(&["traceId"], json!({"type": "alias", "path": "trace_id"}));
    add(&["spanId"], json!({"type": "alias", "path": "span_id"}));
    json!({
        "index_patterns": [data_stream],
        "data_stream": {},
        "priority": 200,
        "template": {
            "mappings": {"dynamic": false, "properties": fields},
        },
        "_meta": {"description": "Calls of MCP servers, as Pilothouse records them"},
    })
}

const KEYWORDS: &[&str] = &[
    "level",
    "kind",
    "trace_id",
    "span_id",
    "parent_span_id",
    "upstream_span_id",
    "server",
    "replica",
    "method",
    "tool",
    "target",
    "client",
    "session",
    "direction",
    "era",
    "transport",
    "protocol_version",
    "request_id",
    "outcome",
    "blame",
    "event",
    "reason",
    "peer",
    "exit",
    "result",
    "hash",
    "file",
    "service",
    "name",
    "scope",
];
const NUMBERS: &[&str] = &[
    "duration",
    "overhead_ms",
    "waited_on_client_ms",
    "upstream_start_ms",
    "upstream_ms",
    "backoff_ms",
    "retry_in_ms",
];
const INTEGERS: &[&str] = &[
    "status",
    "http_status",
    "rpc_code",
    "request_bytes",
    "response_bytes",
    "pid",
    "restarts",
];
const BOOLEANS: &[&str] = &["delivered", "stream", "expected"];
const TEXTS: &[&str] = &["message", "error", "stderr_tail"];
const OBJECTS: &[&str] = &["params", "attributes", "resource", "events", "links"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_usual_questions_have_the_types_for_them() {
        let template = template("mcp-logs", Flavor::Elasticsearch);
        let fields = &template["template"]["mappings"]["properties"];
        assert_eq!(template["index_patterns"], json!(["mcp-logs"]));
        assert_eq!(fields["tool"]["type"], "keyword");
        assert_eq!(fields["@timestamp"]["type"], "date_nanos");
        assert_eq!(fields["duration"]["type"], "double");
        assert_eq!(fields["params"]["type"], "flattened");
        assert_eq!(
            fields["traceId"],
            json!({"type": "alias", "path": "trace_id"})
        );
    }

    #[test]
    fn opensearch_says_so_of_itself() {
        let opensearch = br#"{"version":{"distribution":"opensearch","number":"2.19.0"}}"#;
        assert_eq!(Flavor::of(opensearch), Flavor::OpenSearch);
        assert_eq!(
            Flavor::of(br#"{"version":{"number":"9.1.0"}}"#),
            Flavor::Elasticsearch
        );
        assert_eq!(Flavor::of(b"<html>"), Flavor::Elasticsearch);
        let template = template("x", Flavor::OpenSearch);
        assert_eq!(
            template["template"]["mappings"]["properties"]["params"]["type"],
            "flat_object"
        );
    }
}
