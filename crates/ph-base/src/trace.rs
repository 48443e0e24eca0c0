//! W3C trace context: ids, `traceparent`, and what a call carries of it.
//!
//! Source: W3C Trace Context level 2, sections 3.2 (traceparent) and 3.3 (tracestate).

use std::fmt;

/// 16 bytes, never all zero in a valid context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes, never all zero in a valid context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// Length of a version-00 `traceparent`, in bytes.
pub const TRACEPARENT_LEN: usize = 55;

/// A remote parent as a client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteParent {
    /// The trace the call belongs to.
    pub trace_id: TraceId,
    /// The span that made the call.
    pub span_id: SpanId,
    /// Bit 0: the caller records this trace.
    pub flags: u8,
}

impl RemoteParent {
    /// Reads a `traceparent`; `None` when it is not valid.
    ///
    /// A later version is read by the rules of version 00, as the
    /// recommendation says; upper-case hex and zero ids are invalid.
    pub fn parse(text: &str) -> Option<Self> {
        let b = text.trim_matches([' ', '\t']).as_bytes();
        if b.len() < TRACEPARENT_LEN || b[2] != b'-' || b[35] != b'-' || b[52] != b'-' {
            return None;
        }
        let mut version = [0; 1];
        read_hex(&b[..2], &mut version)?;
        match version[0] {
            0xff => return None,
            0 if b.len() != TRACEPARENT_LEN => return None,
            _ if b.len() > TRACEPARENT_LEN && b[TRACEPARENT_LEN] != b'-' => return None,
            _ => {}
        }
        let (mut trace, mut span, mut flags) = ([0; 16], [0; 8], [0; 1]);
        read_hex(&b[3..35], &mut trace)?;
        read_hex(&b[36..52], &mut span)?;
        read_hex(&b[53..55], &mut flags)?;
        if trace == [0; 16] || span == [0; 8] {
            return None;
        }
        Some(Self {
            trace_id: TraceId(trace),
            span_id: SpanId(span),
            flags: flags[0],
        })
    }

    /// `true` when the caller says that it records this trace.
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }
}

/// Writes a version-00 `traceparent`.
pub fn traceparent(trace_id: TraceId, span_id: SpanId, flags: u8) -> [u8; TRACEPARENT_LEN] {
    let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(&trace_id.0, &mut out[3..35]);
    write_hex(&span_id.0, &mut out[36..52]);
    write_hex(&[flags], &mut out[53..55]);
    out
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn write_hex(bytes: &[u8], out: &mut [u8]) {
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

fn read_hex(text: &[u8], out: &mut [u8]) -> Option<()> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

impl TraceId {
    /// 32 lower-case hex digits.
    pub fn hex(self) -> [u8; 32] {
        let mut out = [0; 32];
        write_hex(&self.0, &mut out);
        out
    }

    /// Reads 32 lower-case hex digits; `None` otherwise, or when all are zero.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        (text.len() == 32).then(|| read_hex(text.as_bytes(), &mut id))??;
        (id != [0; 16]).then_some(Self(id))
    }
}

impl SpanId {
    /// 16 lower-case hex digits.
    pub fn hex(self) -> [u8; 16] {
        let mut out = [0; 16];
        write_hex(&self.0, &mut out);
        out
    }
}

macro_rules! hex_format {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
hex_format!(TraceId, SpanId);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, valid: bool) {
        assert_eq!(RemoteParent::parse(text).is_some(), valid, "input {text:?}");
    }

    #[test]
    fn traceparents() {
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            true,
        );
        check(
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
            true,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
            false,
        );
        check(
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            false,
        );
        check(
            "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            false,
        );
        check("", false);
    }

    #[test]
    fn written_is_read_back() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let p = RemoteParent::parse(text).unwrap();
        assert!(p.is_sampled());
        assert_eq!(
            &traceparent(p.trace_id, p.span_id, p.flags),
            text.as_bytes()
        );
        assert_eq!(
            TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736"),
            Some(p.trace_id)
        );
    }
}
