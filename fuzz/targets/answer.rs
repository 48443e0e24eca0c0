//! Answers of servers: never a panic on any bytes, the same messages however the bytes were cut, and for
//! JSON what serde_json finds at the same places.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_mcp::{AnswerScan, ServerMessage};
use serde_json::Value;

/// Longer values are not kept by the scanner, so they are not compared.
const COMPARED_BYTES_MAX: usize = 1000;

fuzz_target!(|input: &[u8]| {
    let (whole, chunks) = ph_fuzz::cut(input);
    assert_eq!(scan(&chunks), AnswerScan::read(whole));

    let Ok(value) = serde_json::from_slice::<Value>(whole) else {
        return;
    };
    // Written anew, no key stands twice: which of the two counts is nobody's promise.
    let text = value.to_string();
    if value.is_object() && text.len() <= COMPARED_BYTES_MAX {
        let messages = AnswerScan::read(text.as_bytes());
        assert_eq!(messages.len(), 1);
        check(&messages[0], &text, &value);
    }
});

fn scan(chunks: &[&[u8]]) -> Vec<ServerMessage> {
    let mut scan = AnswerScan::default();
    for chunk in chunks {
        scan.push(chunk);
    }
    scan.finish()
}

fn check(message: &ServerMessage, text: &str, value: &Value) {
    let (result, error) = (&value["result"], &value["error"]);
    assert_eq!(message.has_result, value.get("result").is_some());
    assert_eq!(message.has_error, value.get("error").is_some());
    assert_eq!(message.is_error, result["isError"] == Value::Bool(true));
    if let Some(method) = value["method"].as_str() {
        assert_eq!(message.method.as_deref(), Some(method));
    }
    if let Some(code) = error["code"].as_i64() {
        assert_eq!(message.error_code, Some(code));
    }
    if let Some(version) = result["protocolVersion"].as_str() {
        assert_eq!(message.protocol_version.as_deref(), Some(version));
    }
    if let Some(id) = message.id.as_ref() {
        let parsed: Value =
            serde_json::from_str(&text[id.range.clone()]).expect("a range holds one value");
        assert_eq!(parsed, value["id"]);
    }
    let names = result["tools"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|tool| tool["name"].as_str()).collect();
    assert!(
        names
            .iter()
            .all(|name| message.tools.iter().any(|tool| tool == name))
    );
}
