//! OTLP in: any bytes are read or refused in either encoding, and what is kept is one bounded JSON object with
//! the fields that searches and traces need.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_api::otlp::{Encoding, Signal, read_lines};
use serde_json::Value;

/// 2026-11-22T18:00:00Z
const NOW: u64 = 1_795_370_400_000_000_000;
/// Attributes, events and links within their bounds, each character escaped.
const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((how, body)) = bytes.split_first() else {
        return;
    };
    // Seeds begin with a letter: its low bits choose, `p` and `q` are protobuf, `r` and `s` JSON.
    let signal = if how & 1 == 0 {
        Signal::Traces
    } else {
        Signal::Logs
    };
    let encoding = if how & 2 == 0 {
        Encoding::Protobuf
    } else {
        Encoding::Json
    };
    let mut lines = 0;
    let read = read_lines(signal, encoding, body, NOW, &mut |line| {
        lines += 1;
        check(signal, line);
    });
    if let Ok((all, refused)) = read {
        assert_eq!(all, lines + refused);
    }
});

fn check(signal: Signal, line: &[u8]) {
    assert!(line.len() < LINE_BYTES_MAX, "{} bytes", line.len());
    assert!(!line.contains(&b'\n'));
    let line: Value = serde_json::from_slice(line).expect("a line is JSON");
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    assert!(text("timestamp").ends_with('Z'));
    match signal {
        Signal::Traces => {
            assert_eq!(text("kind"), "span");
            assert_eq!((text("trace_id").len(), text("span_id").len()), (32, 16));
            assert!(line["duration"].as_f64().is_some_and(|ms| ms >= 0.0));
        }
        Signal::Logs => assert_eq!(text("kind"), "log"),
    }
}
