//! The envelope: any bytes get a verdict, the verdict on JSON is serde_json's, and what is read out of a
//! message is what serde_json reads out of it. A trace context that is put in changes nothing else.
#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use ph_mcp::envelope::{Body, read_body};
use ph_mcp::{Envelope, EnvelopeError, Kind, splice};
use serde_json::Value;
use serde_json::value::RawValue;

fuzz_target!(|bytes: &[u8]| {
    let text = std::str::from_utf8(bytes).ok();
    let is_json = text.is_some_and(|text| serde_json::from_str::<&RawValue>(text).is_ok());
    match read_body(bytes) {
        // The one difference there is meant to be: a bound on nesting.
        Err(EnvelopeError::NotJson {
            what: "nested too deeply",
            ..
        }) => {}
        Err(EnvelopeError::NotUtf8 { at }) => assert!(text.is_none() && at < bytes.len()),
        Err(EnvelopeError::NotJson { at, .. }) => assert!(!is_json && at <= bytes.len()),
        Err(_) => assert!(is_json),
        Ok(body) => {
            assert!(is_json);
            check_body(text.unwrap_or_default(), &body);
        }
    }
});

fn check_body(text: &str, body: &Body<'_>) {
    // What serde_json cannot hold (a number beyond f64, half a surrogate pair) has no second opinion.
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    match body {
        Body::One(envelope) => {
            check_message(text, envelope, &value);
            check_splice(text, envelope, &value);
        }
        Body::Batch(messages) => {
            let values = value.as_array().expect("a batch is an array");
            assert_eq!(messages.len(), values.len());
            for ((range, envelope), value) in messages.iter().zip(values) {
                assert_eq!(at(text, range), *value);
                check_message(text, envelope, value);
            }
        }
    }
}

fn check_message(text: &str, envelope: &Envelope<'_>, value: &Value) {
    let part = |range: &Option<Range<usize>>| range.as_ref().map(|range| at(text, range));
    let params = &value["params"];
    assert_eq!(part(&envelope.id).as_ref(), value.get("id"));
    assert_eq!(part(&envelope.params).as_ref(), value.get("params"));
    assert_eq!(
        part(&envelope.meta).as_ref(),
        params.get("_meta").filter(|meta| meta.is_object())
    );
    assert_eq!(part(&envelope.arguments).as_ref(), params.get("arguments"));
    assert_eq!(
        part(&envelope.progress_token).as_ref(),
        params["_meta"].get("progressToken")
    );
    assert_eq!(
        envelope.kind == Kind::Response,
        value.get("method").is_none()
    );
    assert_eq!(
        envelope.method_text,
        value["method"].as_str().unwrap_or_default()
    );
    if let Some(target) = &envelope.target {
        let named = ["name", "uri", "taskId"].map(|key| params[key].as_str());
        assert!(named.contains(&Some(target.as_ref())));
    }
    if let Some(id) = envelope.message_id(text) {
        assert!(!id.as_str().is_empty());
    }
}

/// The message with a trace context put in is the same message with a trace context in it.
fn check_splice(text: &str, envelope: &Envelope<'_>, value: &Value) {
    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let Some(edit) = splice::traceparent(text, envelope, TRACEPARENT) else {
        return;
    };
    let spliced = splice::apply(text.as_bytes(), &mut [edit]);
    let spliced: Value = serde_json::from_slice(&spliced).expect("a splice keeps JSON JSON");
    let mut wanted = value.clone();
    wanted["params"]["_meta"]["traceparent"] = TRACEPARENT.into();
    assert_eq!(spliced, wanted);
}

fn at(text: &str, range: &Range<usize>) -> Value {
    serde_json::from_str(&text[range.clone()]).expect("a range holds one value")
}
