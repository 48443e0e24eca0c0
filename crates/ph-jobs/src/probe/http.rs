//! An instance behind an address: one POST for each message.

use super::session::Trouble;
use crate::target::Place;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use ph_wire::upstream::{Address, Answer, Outgoing, Upstream};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Longest answer, in bytes; what is longer is as if it had broken off.
const BODY_BYTES_MAX: usize = 4 << 20;
const CONNECT: Duration = Duration::from_secs(10);
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Where an instance is.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its endpoint, `http` or `https`.
    pub url: String,
    /// Added to each request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// PEM file of the certificate authorities trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// The way to it.
pub(super) struct Http {
    upstream: Upstream,
    place: Place,
    headers: Vec<(HeaderName, HeaderValue)>,
    session: Option<HeaderValue>,
    /// The revision that was agreed on.
    pub(super) version: Option<&'static str>,
}

impl Http {
    pub(super) fn to(endpoint: &Endpoint) -> Result<Self, Trouble> {
        let place = Place::of(&endpoint.url).map_err(|_| Trouble::Url(endpoint.url.clone()))?;
        let tls = match place.is_tls {
            true => {
                let config = ph_wire::tls::client_config(endpoint.ca_file.as_deref());
                Some(config.map_err(|error| Trouble::Tls(error.to_string()))?)
            }
            false => None,
        };
        let address = Address {
            host: place.host.clone(),
            port: place.port,
            tls,
        };
        Ok(Self {
            upstream: Upstream::new(address, 1),
            place,
            headers: endpoint.headers.clone(),
            session: None,
            version: None,
        })
    }

    /// Sends a message; gives the answer to the request `id`, and none where there is none to be had.
    ///
    /// - `is_modern`: head and body say the same twice.
    pub(super) async fn post(
        &mut self,
        message: &Value,
        id: Option<u64>,
        is_modern: bool,
    ) -> Option<Value> {
        let mut request = Outgoing::new(&Method::POST, &self.place.uri, &self.place.authority);
        let both = HeaderValue::from_static("application/json, text/event-stream");
        request.header(&ACCEPT, &both);
        request.header(&CONTENT_TYPE, &HeaderValue::from_static("application/json"));
        for (name, value) in &self.headers {
            request.header(name, value);
        }
        if let Some(session) = &self.session {
            request.header(&SESSION, session);
        }
        if let Some(version) = self.version {
            request.header(&VERSION, &HeaderValue::from_static(version));
        }
        if is_modern {
            let names = [
                (METHOD, &message["method"]),
                (NAME, &message["params"]["name"]),
            ];
            for (header, value) in names {
                let value = value
                    .as_str()
                    .and_then(|text| HeaderValue::from_str(text).ok());
                if let Some(value) = value {
                    request.header(&header, &value);
                }
            }
        }
        let request = request.with_body(Bytes::from(message.to_string()));
        // Boxed: a TLS handshake would make the future large.
        let mut answer = Box::pin(self.upstream.send(request, CONNECT)).await.ok()?;
        if let Some(session) = answer.headers.get(&SESSION) {
            self.session = Some(session.clone());
        }
        let id = id?;
        let said = read(&mut answer, id).await;
        let status = answer.status;
        said.or_else(|| {
            // What is refused by its status alone is an answer, too.
            let text = format!("HTTP status {status}");
            let error = serde_json::json!({"code": 0, "message": text});
            status
                .is_client_error()
                .then(|| serde_json::json!({"id": id, "error": error}))
        })
    }
}

/// The answer to `id`, as JSON or as an event of a stream.
async fn read(answer: &mut Answer, id: u64) -> Option<Value> {
    let is_stream = is_stream(&answer.headers);
    let (mut body, mut begin) = (Vec::new(), 0);
    loop {
        let more = answer.body.append(&mut body).await.unwrap_or(0);
        if is_stream {
            while let Some(end) = end_of_event(&body[begin..]) {
                let event = &body[begin..begin + end];
                begin += end;
                if let Some(found) = message(&data(event), id) {
                    return Some(found);
                }
            }
        }
        if more == 0 || body.len() > BODY_BYTES_MAX {
            return message(if is_stream { &[] } else { &body }, id);
        }
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"))
}

/// Where an event ends, behind its empty line.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 2] = [b"\n\n", b"\r\n\r\n"];
    let at = |end: &[u8]| {
        let at = bytes.windows(end.len()).position(|window| window == end)?;
        Some(at + end.len())
    };
    ends.into_iter().filter_map(at).min()
}

/// The lines of data of an event, as one text.
fn data(event: &[u8]) -> Vec<u8> {
    let lines = event.split(|byte| *byte == b'\n');
    let data = lines.filter_map(|line| line.strip_prefix(b"data:"));
    data.collect::<Vec<_>>().join(&b'\n')
}

fn message(bytes: &[u8], id: u64) -> Option<Value> {
    let message: Value = serde_json::from_slice(bytes).ok()?;
    let is_it = message["id"] == id || message["id"].is_null() && message.get("error").is_some();
    (is_it && message.get("method").is_none()).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_its_event() {
        let stream = b"id: 1\ndata: {\"method\": \"x\"}\n\ndata: {\"id\":\ndata: 7}\n\nrest";
        let first = end_of_event(stream).unwrap();
        assert_eq!(message(&data(&stream[..first]), 7), None);
        let second = first + end_of_event(&stream[first..]).unwrap();
        assert!(message(&data(&stream[first..second]), 7).is_some());
        assert_eq!(end_of_event(&stream[second..]), None);
        assert_eq!(message(b"{\"id\": 8}", 7), None);
    }
}
