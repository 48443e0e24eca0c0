//! A stored entry with its fields looked up by name. Pure.

use crate::feed::Entry;
use ph_base::trace::{SpanId, TraceId};
use serde_json::{Map, Value};

/// An entry whose JSON has been read.
pub(super) struct Line {
    pub(super) kind: &'static str,
    /// Unix time in nanoseconds; for what has a length, its end.
    pub(super) end_unix_ns: u64,
    pub(super) fields: Map<String, Value>,
}

impl Line {
    /// `None` when the entry is no JSON object, which nothing of ours writes.
    pub(super) fn read(entry: &Entry) -> Option<Self> {
        match serde_json::from_slice(&entry.json) {
            Ok(Value::Object(fields)) => Some(Self {
                kind: entry.kind,
                end_unix_ns: entry.time_unix_ns,
                fields,
            }),
            _ => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.fields.get(name)?.as_f64()
    }

    /// A field of milliseconds, in nanoseconds.
    pub(super) fn ms(&self, name: &str) -> Option<u64> {
        self.number(name).map(|ms| (ms * 1e6).round() as u64)
    }

    pub(super) fn trace_id(&self) -> Option<TraceId> {
        Some(TraceId(hex(self.text("trace_id")?)?))
    }

    pub(super) fn span_id(&self, name: &str) -> Option<SpanId> {
        Some(SpanId(hex(self.text(name)?)?))
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        return None;
    }
    let digit = |at: usize| char::from(bytes[at]).to_digit(16).map(|digit| digit as u8);
    let mut out = [0; N];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = digit(2 * at)? << 4 | digit(2 * at + 1)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = TraceId([0xab; 16]);
        let text = String::from_utf8(id.hex().to_vec()).unwrap();
        assert_eq!(hex(&text), Some(id.0));
        assert_eq!(hex::<8>(&text), None);
        assert_eq!(hex::<1>("0g"), None);
    }
}
