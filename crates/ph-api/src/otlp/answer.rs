//! What a sender of OTLP is answered, in the encoding it sent.

use super::{Encoding, Signal};
use crate::reply;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

/// Codes of `google.rpc.Code` that are used here.
const INVALID_ARGUMENT: u64 = 3;
const UNIMPLEMENTED: u64 = 12;
const UNAVAILABLE: u64 = 14;

impl Encoding {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// Everything was taken, or all but `rejected`, which must not be sent again.
    pub(crate) fn taken(self, signal: Signal, rejected: u64, why: &str) -> Response {
        let body = match self {
            Self::Json if rejected == 0 => b"{}".to_vec(),
            Self::Json => {
                let name = match signal {
                    Signal::Traces => "rejectedSpans",
                    Signal::Logs => "rejectedLogRecords",
                };
                // A 64-bit number is text in protobuf's JSON.
                let partial = serde_json::json!({
                    "partialSuccess": { name: rejected.to_string(), "errorMessage": why }
                });
                partial.to_string().into_bytes()
            }
            Self::Protobuf if rejected == 0 => Vec::new(),
            Self::Protobuf => {
                let mut partial = Vec::new();
                put_varint(&mut partial, 1, rejected);
                put_bytes(&mut partial, 2, why.as_bytes());
                let mut out = Vec::new();
                put_bytes(&mut out, 1, &partial);
                out
            }
        };
        reply::typed(StatusCode::OK, self.media_type(), body)
    }

    /// Nothing was taken: a `google.rpc.Status`.
    pub(crate) fn refused(self, status: StatusCode, why: &str) -> Response {
        let code = match status {
            StatusCode::NOT_FOUND => UNIMPLEMENTED,
            StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
            _ => INVALID_ARGUMENT,
        };
        let body = match self {
            Self::Json => serde_json::json!({ "code": code, "message": why })
                .to_string()
                .into_bytes(),
            Self::Protobuf => {
                let mut out = Vec::new();
                put_varint(&mut out, 1, code);
                put_bytes(&mut out, 2, why.as_bytes());
                out
            }
        };
        let mut response = reply::typed(status, self.media_type(), body);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn put_varint(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
