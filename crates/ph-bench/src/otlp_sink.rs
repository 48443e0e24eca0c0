//! A collector that takes OTLP over HTTP and only counts.
//!
//! `POST /v1/{traces,metrics,logs}` is accepted (protobuf, not compressed);
//! `GET /count` answers what arrived so far as JSON.

use crate::http1;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Serves until the task is dropped. Run it on a current-thread runtime.
///
/// # Errors
/// When a connection cannot be accepted.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let counts = Rc::new(RefCell::new(Counts::default()));
    LocalSet::new()
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                let counts = Rc::clone(&counts);
                // A peer that resets its connection ends only that connection.
                tokio::task::spawn_local(async move { converse(stream, &counts).await.ok() });
            }
        })
        .await
}

#[derive(Default)]
struct Counts {
    spans: u64,
    trace_exports: u64,
    other_exports: u64,
    refused: u64,
    bytes: usize,
}

async fn converse(mut stream: TcpStream, counts: &RefCell<Counts>) -> io::Result<()> {
    let mut received = Vec::with_capacity(64 * 1024);
    let mut out = Vec::new();
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        let mut used = 0;
        while let Some(bytes) = exchange(&received[used..], &mut counts.borrow_mut(), &mut out)? {
            used += bytes;
        }
        received.drain(..used);
        stream.write_all(&out).await?;
        out.clear();
    }
}

fn exchange(received: &[u8], counts: &mut Counts, out: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let bad = |http1::Malformed| io::Error::from(io::ErrorKind::InvalidData);
    let Some(head) = http1::head(received).map_err(bad)? else {
        return Ok(None);
    };
    let Some((body, bytes)) = http1::body(&received[head.bytes..], head.framing).map_err(bad)?
    else {
        return Ok(None);
    };
    counts.bytes += bytes;
    if head.start_line.starts_with(b"POST /v1/traces ") {
        match span_count(&body) {
            Some(spans) => {
                counts.spans += spans;
                counts.trace_exports += 1;
                respond(out, "200 OK", "application/x-protobuf", "");
            }
            None => {
                counts.refused += 1;
                respond(
                    out,
                    "400 Bad Request",
                    "text/plain",
                    "not an uncompressed trace export",
                );
            }
        }
    } else if head.start_line.starts_with(b"POST /v1/") {
        counts.other_exports += 1;
        respond(out, "200 OK", "application/x-protobuf", "");
    } else if head.start_line.starts_with(b"GET /count ") {
        respond(out, "200 OK", "application/json", &counts.json());
    } else {
        respond(out, "404 Not Found", "text/plain", "");
    }
    Ok(Some(head.bytes + bytes))
}

impl Counts {
    fn json(&self) -> String {
        serde_json::json!({
            "spans": self.spans,
            "trace_exports": self.trace_exports,
            "other_exports": self.other_exports,
            "refused": self.refused,
            "bytes": self.bytes,
        })
        .to_string()
    }
}

fn respond(out: &mut Vec<u8>, status: &str, kind: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    out.extend_from_slice(head.as_bytes());
}

/// Spans in an `ExportTraceServiceRequest`: field 1 (resource spans), in it
/// field 2 (scope spans), in it field 2 (spans). `None` if it is not protobuf.
fn span_count(export: &[u8]) -> Option<u64> {
    let mut spans = 0;
    for resource in fields(export, 1)? {
        for scope in fields(resource, 2)? {
            spans += fields(scope, 2)?.len() as u64;
        }
    }
    Some(spans)
}

/// All length-delimited fields of a message that carry `number`.
fn fields(mut message: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (field, rest) = message.split_at_checked(length)?;
                if tag >> 3 == number {
                    found.push(field);
                }
                message = rest;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(found)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short in this test");
        [&[number << 3 | 2, length], content].concat()
    }

    #[test]
    fn spans_are_counted_at_their_depth() {
        let span = field(2, &field(5, b"name"));
        let scope = field(2, &[field(1, b"scope"), span.clone(), span].concat());
        let resource = field(1, &[field(1, b"resource"), scope.clone(), scope].concat());
        assert_eq!(span_count(&resource), Some(4));
        assert_eq!(span_count(b""), Some(0));
        assert_eq!(span_count(&resource[..resource.len() - 1]), None);
        assert_eq!(span_count(&[0x1f, 0x8b, 8, 0]), None, "gzip");
    }
}
