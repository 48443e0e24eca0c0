//! A request as the bytes that are written.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};

/// Bodies up to this size are written in one piece with the head.
const JOINED_BYTES_MAX: usize = 4096;

/// A request on its way out. Names and values were checked when they became
/// [`HeaderName`] and [`HeaderValue`]: none can end a line.
pub struct Outgoing {
    /// Head, and a short body.
    pub(super) head: Vec<u8>,
    /// A body that is too long to be copied.
    pub(super) body: Bytes,
    /// The answer has no body, whatever its head says.
    pub(super) is_head: bool,
    has_length: bool,
}

impl Outgoing {
    /// Begins a request for the path and query of `uri`.
    pub fn new(method: &Method, uri: &Uri, host: &HeaderValue) -> Self {
        let mut head = Vec::with_capacity(1024);
        head.extend_from_slice(method.as_str().as_bytes());
        head.push(b' ');
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        head.extend_from_slice(path.as_bytes());
        head.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        head.extend_from_slice(host.as_bytes());
        head.extend_from_slice(b"\r\n");
        Self {
            head,
            body: Bytes::new(),
            is_head: *method == Method::HEAD,
            has_length: *method == Method::POST,
        }
    }

    /// Adds a header. Those that frame the message are added by [`Outgoing::with_body`] alone.
    pub fn header(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.head.extend_from_slice(name.as_str().as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_bytes());
        self.head.extend_from_slice(b"\r\n");
    }

    /// Bytes of it.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Ends the head, and adds the body.
    #[must_use]
    pub fn with_body(mut self, body: Bytes) -> Self {
        if self.has_length || !body.is_empty() {
            self.head.extend_from_slice(b"content-length: ");
            let mut digits = [0; 20];
            self.head
                .extend_from_slice(decimal(body.len(), &mut digits));
            self.head.extend_from_slice(b"\r\n");
        }
        self.head.extend_from_slice(b"\r\n");
        if body.len() <= JOINED_BYTES_MAX {
            self.head.extend_from_slice(&body);
        } else {
            self.body = body;
        }
        self
    }
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT;

    #[track_caller]
    fn check(method: &Method, body: &'static [u8], want: &str) {
        let host = HeaderValue::from_static("h:1");
        let mut request = Outgoing::new(method, &"/mcp?x=1".parse().unwrap(), &host);
        request.header(&ACCEPT, &HeaderValue::from_static("a/b"));
        let request = request.with_body(Bytes::from_static(body));
        let written = [&request.head[..], &request.body].concat();
        assert_eq!(String::from_utf8(written).unwrap(), want);
    }

    #[test]
    fn written_as_http_wants_it() {
        check(
            &Method::POST,
            b"{}",
            "POST /mcp?x=1 HTTP/1.1\r\nhost: h:1\r\naccept: a/b\r\ncontent-length: 2\r\n\r\n{}",
        );
        check(
            &Method::POST,
            b"",
            "POST /mcp?x=1 HTTP/1.1\r\nhost: h:1\r\naccept: a/b\r\ncontent-length: 0\r\n\r\n",
        );
        check(
            &Method::GET,
            b"",
            "GET /mcp?x=1 HTTP/1.1\r\nhost: h:1\r\naccept: a/b\r\n\r\n",
        );
    }

    #[test]
    fn a_long_body_is_not_copied() {
        let body = Bytes::from(vec![b'x'; JOINED_BYTES_MAX + 1]);
        let host = HeaderValue::from_static("h");
        let request = Outgoing::new(&Method::POST, &Uri::default(), &host).with_body(body.clone());
        assert_eq!(request.body.as_ptr(), body.as_ptr());
        assert!(request.head.ends_with(b"content-length: 4097\r\n\r\n"));
    }
}
