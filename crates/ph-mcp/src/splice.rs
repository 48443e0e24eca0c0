//! Changes to a message in transit: the bytes as they came, with one value put in its place.
//!
//! Only two things are ever changed: the trace context in `params._meta`, and,
//! where a child is shared, ids. Everything else is copied as it stands.

use crate::envelope::Envelope;
use std::ops::Range;

/// One replacement; an empty range inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub range: Range<usize>,
    /// What comes.
    pub text: String,
}

/// `body` with `edits` applied; they are sorted here and must not overlap.
///
/// - cost: one allocation, one copy.
pub fn apply(body: &[u8], edits: &mut [Edit]) -> Vec<u8> {
    edits.sort_by_key(|e| e.range.start);
    let grown: usize = edits.iter().map(|e| e.text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + grown);
    let mut from = 0;
    for edit in edits.iter() {
        debug_assert!(edit.range.start >= from, "edits overlap");
        out.extend_from_slice(&body[from..edit.range.start]);
        out.extend_from_slice(edit.text.as_bytes());
        from = edit.range.end;
    }
    out.extend_from_slice(&body[from..]);
    out
}

/// The edit that makes `params._meta.traceparent` say `traceparent`.
///
/// `None` when `params` is absent or no object: then there is no place for it
/// that every server accepts, and the HTTP header has to do.
pub fn traceparent(body: &str, envelope: &Envelope<'_>, traceparent: &str) -> Option<Edit> {
    if let Some(range) = &envelope.traceparent {
        return Some(Edit {
            range: range.clone(),
            text: format!("\"{traceparent}\""),
        });
    }
    let member = format!("\"traceparent\":\"{traceparent}\"");
    if let Some(meta) = &envelope.meta {
        return Some(insert_first(body, meta, member));
    }
    let params = envelope
        .params
        .as_ref()
        .filter(|r| body[(*r).clone()].starts_with('{'))?;
    // `_meta` may be there and be no object; then it is not ours to mend.
    if body[params.clone()].contains("_meta") && has_member(body, params, "_meta") {
        return None;
    }
    Some(insert_first(
        body,
        params,
        format!("\"_meta\":{{{member}}}"),
    ))
}

fn has_member(body: &str, object: &Range<usize>, name: &str) -> bool {
    let mut found = false;
    let read = crate::json::Cursor::within(body, object).object(|key, _| {
        found |= key == name;
        Ok(())
    });
    read.is_err() || found
}

/// Inserts `member` as the first of the object at `object`.
fn insert_first(body: &str, object: &Range<usize>, member: String) -> Edit {
    let at = object.start + 1;
    let is_empty = body[at..object.end].trim_start().starts_with('}');
    let text = if is_empty { member } else { member + "," };
    Edit {
        range: at..at,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, want: Option<&str>) {
        let e = Envelope::read(body).unwrap();
        let got = traceparent(body, &e, "T").map(|edit| apply(body.as_bytes(), &mut [edit]));
        assert_eq!(
            got.as_deref().map(|b| std::str::from_utf8(b).unwrap()),
            want
        );
        if let Some(text) = want {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
    }

    #[test]
    fn the_trace_context_is_put_in_place() {
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"traceparent" : "old","x":1}}}"#,
            Some(
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"traceparent" : "T","x":1}}}"#,
            ),
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1}}"#,
            Some(
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"traceparent":"T"},"a":1}}"#,
            ),
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{ }}"#,
            Some(
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"traceparent":"T"} }}"#,
            ),
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{}}}"#,
            Some(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"traceparent":"T"}}}"#),
        );
        check(r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#, None);
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":7}}"#,
            None,
        );
    }

    #[test]
    fn edits_come_in_any_order() {
        let mut edits = [
            Edit {
                range: 4..5,
                text: "X".into(),
            },
            Edit {
                range: 0..1,
                text: "YY".into(),
            },
        ];
        assert_eq!(apply(b"abcde", &mut edits), b"YYbcdX");
    }
}
