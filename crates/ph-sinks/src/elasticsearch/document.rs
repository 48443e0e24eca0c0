//! A stored entry as a document. Pure.

use crate::feed::Entry;
use serde_json::{Map, Value};

/// Appends the two lines of `_bulk` that create the document of `entry`.
///
/// A document is the stored JSON object with `@timestamp`, and with `params` as an object, so that
/// its leaves can be asked for (`params.path`). What is no JSON object is put into `message`.
pub(super) fn push(out: &mut Vec<u8>, entry: &Entry, store_id: &str) {
    out.extend_from_slice(br#"{"create":{"_id":""#);
    out.extend_from_slice(id(entry, store_id).as_bytes());
    out.extend_from_slice(b"\"}}\n");
    let document = Value::Object(document(entry));
    out.extend_from_slice(document.to_string().as_bytes());
    out.push(b'\n');
}

/// By it a document that is sent again is known.
pub(super) fn id(entry: &Entry, store_id: &str) -> String {
    format!("{store_id}-{:x}", entry.seq)
}

fn document(entry: &Entry) -> Map<String, Value> {
    let mut fields = match serde_json::from_slice(&entry.json) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::from_iter([
            ("kind".to_owned(), entry.kind.into()),
            (
                "message".to_owned(),
                String::from_utf8_lossy(&entry.json).into(),
            ),
        ]),
    };
    let at = match fields.remove("timestamp") {
        Some(at @ Value::String(_)) => at,
        // A date field takes milliseconds as a number.
        _ => (entry.time_unix_ns / 1_000_000).into(),
    };
    fields.insert("@timestamp".to_owned(), at);
    if let Some(params) = fields.get_mut("params") {
        *params = object(params.take());
    }
    fields
}

/// `params` is kept as one JSON text; one that was cut is no JSON any more.
fn object(params: Value) -> Value {
    match params {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(object @ Value::Object(_)) => object,
            _ => Map::from_iter([("text".to_owned(), text.into())]).into(),
        },
        object @ Value::Object(_) => object,
        other => Map::from_iter([("text".to_owned(), other.to_string().into())]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, want: &str) {
        let entry = Entry {
            seq: 255,
            time_unix_ns: 1_500_000_000,
            kind: "call",
            json: json.as_bytes().to_vec(),
        };
        let mut out = Vec::new();
        push(&mut out, &entry, "00ff");
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = out.split('\n').collect();
        assert_eq!(lines.len(), 3, "two lines and an end: {out}");
        assert_eq!(lines[0], r#"{"create":{"_id":"00ff-ff"}}"#);
        assert_eq!(lines[1], want);
    }

    #[test]
    fn documents() {
        check(
            r#"{"timestamp":"2026-11-22T17:47:08.135802Z","tool":"search","duration":12.345}"#,
            r#"{"@timestamp":"2026-11-22T17:47:08.135802Z","duration":12.345,"tool":"search"}"#,
        );
        check(
            r#"{"params":"{\"path\":\"/etc\"}"}"#,
            r#"{"@timestamp":1500,"params":{"path":"/etc"}}"#,
        );
        check(
            r#"{"params":"{\"path\":\"/e…"}"#,
            r#"{"@timestamp":1500,"params":{"text":"{\"path\":\"/e…"}}"#,
        );
        check(
            "a \"line\"",
            r#"{"@timestamp":1500,"kind":"call","message":"a \"line\""}"#,
        );
    }
}
