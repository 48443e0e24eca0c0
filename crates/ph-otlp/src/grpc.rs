//! The one unary gRPC call that an export is.
//!
//! Source: grpc.io, "gRPC over HTTP2". A message is framed by one byte
//! (0 = not compressed) and its length in four, big endian. The verdict is in
//! the trailers, or in the head when there is no body ("trailers-only").

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;

use crate::settings::percent_decode;

/// Puts the frame head before a message; `None` for one of 4 GiB and more.
pub(crate) fn frame(message: &[u8]) -> Option<Bytes> {
    let mut framed = BytesMut::with_capacity(message.len() + FRAME_HEAD_BYTES);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).ok()?);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// Takes the frame head off a reply. Empty when there is no whole uncompressed message.
pub(crate) fn message(framed: &[u8]) -> &[u8] {
    match framed {
        [0, a, b, c, d, rest @ ..] => rest
            .get(..u32::from_be_bytes([*a, *b, *c, *d]) as usize)
            .unwrap_or(&[]),
        _ => &[],
    }
}

const FRAME_HEAD_BYTES: usize = 5;

/// A status that is not OK.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// gRPC status code; `None` when the reply carries none.
    pub(crate) code: Option<u32>,
    pub(crate) message: String,
}

/// Reads `grpc-status` from the trailers, else from the head.
pub(crate) fn verdict(head: &HeaderMap, trailers: Option<&HeaderMap>) -> Result<(), Failure> {
    let fields = trailers
        .filter(|it| it.contains_key("grpc-status"))
        .unwrap_or(head);
    let text = |name| fields.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse().ok());
    if code == Some(0) {
        return Ok(());
    }
    let message = text("grpc-message")
        .and_then(percent_decode)
        .unwrap_or_default();
    Err(Failure { code, message })
}

/// Codes that the OTLP specification lets an exporter retry. `RESOURCE_EXHAUSTED`
/// is not among them unless the reply says when, which we do not read.
pub(crate) fn is_retryable(code: u32) -> bool {
    const CANCELLED: u32 = 1;
    const DEADLINE_EXCEEDED: u32 = 4;
    const ABORTED: u32 = 10;
    const OUT_OF_RANGE: u32 = 11;
    const UNAVAILABLE: u32 = 14;
    const DATA_LOSS: u32 = 15;
    [
        CANCELLED,
        DEADLINE_EXCEEDED,
        ABORTED,
        OUT_OF_RANGE,
        UNAVAILABLE,
        DATA_LOSS,
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        assert_eq!(&frame(b"abc").unwrap()[..], b"\0\0\0\0\x03abc");
        assert_eq!(message(b"\0\0\0\0\x03abc"), b"abc");
        for cut in [
            &b""[..],
            b"\0\0\0",
            b"\0\0\0\0\x04abc",
            b"\x01\0\0\0\x03abc",
        ] {
            assert_eq!(message(cut), b"", "input {cut:?}");
        }
    }

    #[test]
    fn verdicts() {
        let fields = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        let (none, ok) = (fields(&[]), fields(&[("grpc-status", "0")]));
        let down = fields(&[("grpc-status", "14"), ("grpc-message", "not%20now")]);
        assert_eq!(verdict(&none, Some(&ok)), Ok(()));
        assert_eq!(verdict(&ok, None), Ok(()));
        assert_eq!(
            verdict(&none, None),
            Err(Failure {
                code: None,
                message: String::new()
            })
        );
        let want = Failure {
            code: Some(14),
            message: "not now".to_owned(),
        };
        assert_eq!(verdict(&ok, Some(&down)), Err(want));
    }
}
