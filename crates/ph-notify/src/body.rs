//! What is sent: JSON texts. Pure.

pub(crate) mod alertmanager;
pub(crate) mod slack;
pub(crate) mod webhook;

use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

/// Go's zero time: while an alert fires it has no end.
pub(crate) const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with as many digits as are needed.
pub(crate) fn time(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}

/// JSON as Go's encoder writes it: what HTML could read is escaped.
pub(crate) fn json(value: &impl Serialize) -> String {
    // Structs of texts and numbers are always JSON.
    let plain = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing into a `String` cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
