//! The part of HTTP/1.1 that both ends of a benchmark need: one head, one body.

use memchr::{memchr, memmem};
use std::borrow::Cow;

/// Longest head accepted, bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Longest body accepted, bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What arrived is not HTTP/1.1 as a benchmark speaks it, or is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The lines of a head that a benchmark looks at.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// Request line or status line, without its line end.
    pub(crate) start_line: &'a [u8],
    /// Length of the head with its empty line, bytes.
    pub(crate) bytes: usize,
    pub(crate) framing: Framing,
    /// The sender closes the connection after this message.
    pub(crate) close: bool,
    pub(crate) event_stream: bool,
    pub(crate) session: Option<&'a [u8]>,
    pub(crate) protocol_version: Option<&'a [u8]>,
    pub(crate) method_name: Option<&'a [u8]>,
}

/// How the end of the body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No length was given: a request has no body then.
    Absent,
    Length(usize),
    Chunked,
}

/// The head at the start of `buffer`; `None` while its end has not arrived.
pub(crate) fn head(buffer: &[u8]) -> Result<Option<Head<'_>>, Malformed> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else {
        return if buffer.len() > HEAD_BYTES_MAX {
            Err(Malformed)
        } else {
            Ok(None)
        };
    };
    let (start_line, mut rest) = split_line(&buffer[..end]);
    let mut head = Head {
        start_line,
        bytes: end + 4,
        framing: Framing::Absent,
        close: false,
        event_stream: false,
        session: None,
        protocol_version: None,
        method_name: None,
    };
    while !rest.is_empty() {
        let (line, next) = split_line(rest);
        let colon = memchr(b':', line).ok_or(Malformed)?;
        head.note(&line[..colon], line[colon + 1..].trim_ascii())?;
        rest = next;
    }
    Ok(Some(head))
}

impl<'a> Head<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Malformed> {
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value).filter(|n| *n <= BODY_BYTES_MAX);
            self.framing = Framing::Length(length.ok_or(Malformed)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed);
            }
            self.framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.close = value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.event_stream = value.starts_with(b"text/event-stream");
        } else if name.eq_ignore_ascii_case(b"mcp-session-id") {
            self.session = Some(value);
        } else if name.eq_ignore_ascii_case(b"mcp-protocol-version") {
            self.protocol_version = Some(value);
        } else if name.eq_ignore_ascii_case(b"mcp-method") {
            self.method_name = Some(value);
        }
        Ok(())
    }

    /// Status of a response.
    pub(crate) fn status(&self) -> Result<u16, Malformed> {
        let digits = self
            .start_line
            .strip_prefix(b"HTTP/1.")
            .and_then(|l| l.get(2..5));
        let status = number(digits.ok_or(Malformed)?).ok_or(Malformed)?;
        u16::try_from(status).map_err(|_| Malformed)
    }
}

/// A body and its length on the wire, bytes.
pub(crate) type Body<'a> = (Cow<'a, [u8]>, usize);

/// The body at the start of `buffer` and its length on the wire; `None` while
/// its end has not arrived. A chunked body in one chunk is not copied.
pub(crate) fn body(buffer: &[u8], framing: Framing) -> Result<Option<Body<'_>>, Malformed> {
    match framing {
        Framing::Absent => Ok(Some((Cow::Borrowed(&[]), 0))),
        Framing::Length(n) => Ok(buffer.get(..n).map(|body| (Cow::Borrowed(body), n))),
        Framing::Chunked => chunks(buffer),
    }
}

fn chunks(buffer: &[u8]) -> Result<Option<Body<'_>>, Malformed> {
    let mut body: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut at = 0;
    loop {
        let Some(line_end) = memmem::find(&buffer[at..], b"\r\n") else {
            return Ok(None);
        };
        let size = hex(&buffer[at..at + line_end]).filter(|n| body.len() + n <= BODY_BYTES_MAX);
        let size = size.ok_or(Malformed)?;
        let start = at + line_end + 2;
        // Trailers are not spoken here: after the last chunk comes the empty line.
        let Some(end) = buffer.get(start + size..start + size + 2) else {
            return Ok(None);
        };
        if end != b"\r\n" {
            return Err(Malformed);
        }
        let chunk = &buffer[start..start + size];
        at = start + size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
        if body.is_empty() {
            body = Cow::Borrowed(chunk);
        } else {
            body.to_mut().extend_from_slice(chunk);
        }
    }
}

fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', text) {
        Some(at) => (text[..at].trim_ascii_end(), &text[at + 1..]),
        None => (text, &[]),
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn hex(line: &[u8]) -> Option<usize> {
    let digits = line.split(|b| *b == b';').next()?.trim_ascii();
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"POST /mcp HTTP/1.1\r\nhost: x\r\nContent-Length: 12\r\nMCP-Session-ID: ab \r\n\r\nrest";
        for cut in 0..text.len() - 4 {
            assert!(
                head(&text[..cut]).expect("so far well formed").is_none(),
                "cut at {cut}"
            );
        }
        let head = head(text).expect("well formed").expect("whole");
        assert_eq!(head.start_line, b"POST /mcp HTTP/1.1");
        assert_eq!(head.framing, Framing::Length(12));
        assert_eq!(head.session, Some(&b"ab"[..]));
        assert_eq!(&text[head.bytes..], b"rest");
    }

    #[test]
    fn status_line() {
        let ok = head(b"HTTP/1.1 202 Accepted\r\n\r\n")
            .expect("well formed")
            .expect("whole");
        assert_eq!(ok.status(), Ok(202));
        let odd = head(b"HTTP/2 202\r\n\r\n")
            .expect("well formed")
            .expect("whole");
        assert_eq!(odd.status(), Err(Malformed));
    }

    #[test]
    fn chunks_are_joined() {
        let text = b"5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\nnext";
        for cut in 0..text.len() - 4 {
            assert_eq!(
                body(&text[..cut], Framing::Chunked),
                Ok(None),
                "cut at {cut}"
            );
        }
        let (joined, used) = body(text, Framing::Chunked)
            .expect("well formed")
            .expect("whole");
        assert_eq!(
            (&*joined, &text[used..]),
            (&b"hello, world"[..], &b"next"[..])
        );
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(head(b"GET / HTTP/1.1\r\nno colon\r\n\r\n").is_err());
        assert!(head(b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n").is_err());
        assert!(head(&vec![b'a'; HEAD_BYTES_MAX + 1]).is_err());
        assert_eq!(body(b"zz\r\n", Framing::Chunked), Err(Malformed));
        assert_eq!(body(b"1\r\nabc\r\n", Framing::Chunked), Err(Malformed));
    }
}
