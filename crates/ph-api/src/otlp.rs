//! OTLP/HTTP in: spans and log records of servers that trace themselves join the store.
//!
//! Source: OTLP specification 1.x, "OTLP/HTTP". Both encodings are read one record at a time.

mod answer;
mod entry;
mod json;
mod message;
mod protobuf;
mod receive;
mod span_metrics;
mod value;
mod wire;

pub use entry::{Ingested, IngestedKind};
pub(crate) use entry::{Invalid, kind_label, name};
pub(crate) use message::Record;
pub(crate) use receive::{logs, metrics, traces};
pub use span_metrics::SpanMetrics;

use ph_record::Redactor;

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `ExportTraceServiceRequest`.
    Traces,
    /// `ExportLogsServiceRequest`.
    Logs,
}

/// How a request is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

/// A request that is no OTLP.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The protobuf breaks the wire format or its schema.
    #[error("the protobuf message is malformed")]
    Protobuf,
    /// The JSON is none, or not that of OTLP.
    #[error("the JSON is not that of OTLP")]
    Json(#[source] serde_json::Error),
}

/// Reads `body` and hands the line of every record that can be kept to `take`; says how many
/// records there were, and how many could not be kept.
///
/// Memory is bounded by the body and one record. `now_unix_ns` stands for the time of a log record
/// that has none.
///
/// # Errors
/// [`DecodeError`]; what came before the error has been handed on.
pub fn read_lines(
    signal: Signal,
    encoding: Encoding,
    body: &[u8],
    now_unix_ns: u64,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(u64, u64), DecodeError> {
    let (mut all, mut refused) = (0, 0);
    let redactor = Redactor::default();
    let mut take = |_: &Record<'_>, record: Result<Ingested, Invalid>| {
        all += 1;
        match record {
            Ok(rendered) => take(&rendered.json),
            Err(_) => refused += 1,
        }
    };
    read(signal, encoding, body, &redactor, now_unix_ns, &mut take)?;
    Ok((all, refused))
}

/// Reads `body` record by record.
pub(crate) fn read(
    signal: Signal,
    encoding: Encoding,
    body: &[u8],
    redactor: &Redactor,
    now_unix_ns: u64,
    take: &mut dyn FnMut(&Record<'_>, Result<Ingested, Invalid>),
) -> Result<(), DecodeError> {
    let mut each = |origin: &message::Origin<'_>, record: Record<'_>| {
        let rendered = entry::render(redactor, origin, &record, now_unix_ns);
        take(&record, rendered);
    };
    match encoding {
        Encoding::Protobuf => {
            protobuf::read(signal, body, &mut each).map_err(|_| DecodeError::Protobuf)
        }
        Encoding::Json => json::read(signal, body, &mut each).map_err(DecodeError::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_370_400_000_000_000;

    /// A message of a few fields, so that something is inside more often than in random bytes.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            Just(vec![0x4b; 16]),
            Just(vec![1; 8]),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            proptest::collection::vec((1_u8..16, inner), 0..5).prop_map(|fields| {
                let mut out = Vec::new();
                for (number, bytes) in fields {
                    let length = u8::try_from(bytes.len() & 0x7f).unwrap_or(0);
                    out.extend_from_slice(&[number << 3 | 2, length]);
                    out.extend_from_slice(&bytes[..usize::from(length)]);
                }
                out
            })
        })
    }

    proptest! {
        /// Nothing panics, and every line is one JSON object.
        #[test]
        fn any_bytes(body in prop_oneof![message(), proptest::collection::vec(any::<u8>(), 0..200)]) {
            for signal in [Signal::Traces, Signal::Logs] {
                for encoding in [Encoding::Protobuf, Encoding::Json] {
                    let mut lines = Vec::new();
                    let _ = read_lines(signal, encoding, &body, NOW, &mut |line| lines.push(line.to_vec()));
                    for line in lines {
                        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
                        prop_assert!(value.is_object());
                    }
                }
            }
        }
    }
}
