//! What the answer to `_bulk` says of each document. Pure.

use crate::sink::Verdict;
use serde_json::Value;

/// One verdict per document, and the first reason that one was not taken.
///
/// `None` when the answer does not speak of exactly `count` documents: then nobody knows what was
/// taken, and all are sent again under the same ids.
pub(super) fn verdicts(body: &[u8], count: usize) -> Option<(Vec<Verdict>, Option<String>)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let items = body["items"]
        .as_array()
        .filter(|items| items.len() == count)?;
    let mut reason = None;
    let verdicts = items
        .iter()
        .map(|item| {
            let item = &item["create"];
            let verdict = verdict(item["status"].as_u64()?);
            if verdict != Verdict::Delivered && reason.is_none() {
                reason = Some(why(item));
            }
            Some(verdict)
        })
        .collect::<Option<Vec<_>>>()?;
    Some((verdicts, reason))
}

fn verdict(status: u64) -> Verdict {
    match status {
        // 409: a document of this id is there, which is this one.
        200..=299 | 409 => Verdict::Delivered,
        429 | 500.. => Verdict::Retry,
        _ => Verdict::Rejected,
    }
}

fn why(item: &Value) -> String {
    let text = |key: &str| super::shown(item["error"][key].as_str().unwrap_or("no reason given"));
    format!(
        "status {}: {}: {}",
        item["status"],
        text("type"),
        text("reason")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Delivered, Rejected, Retry};

    #[test]
    fn each_document_has_a_verdict_of_its_own() {
        let body = br#"{"took":3,"errors":true,"items":[
            {"create":{"_id":"a","status":201}},
            {"create":{"_id":"b","status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}},
            {"create":{"_id":"c","status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
            {"create":{"_id":"d","status":400,"error":{"type":"document_parsing_exception","reason":"bad"}}},
            {"create":{"_id":"e","status":503}}]}"#;
        let (verdicts, reason) = verdicts(body, 5).unwrap();
        assert_eq!(verdicts, [Delivered, Delivered, Retry, Rejected, Retry]);
        assert_eq!(
            reason.unwrap(),
            "status 429: es_rejected_execution_exception: full"
        );
    }

    #[test]
    fn an_answer_of_something_else_says_nothing() {
        for body in [
            &b"<html>"[..],
            br#"{"items":[{"create":{"status":201}}]}"#,
            br#"{"items":[{"create":{"status":201}},{"index":{"status":201}}]}"#,
            br#"{"items":[{"create":{"status":201}},{"create":{}}]}"#,
        ] {
            assert_eq!(verdicts(body, 2), None, "{}", String::from_utf8_lossy(body));
        }
    }
}
