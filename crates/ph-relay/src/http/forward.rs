//! Which headers go on, and where to.

use crate::reply::OwnError;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Request, Uri};
use http_body_util::Full;
use ph_mcp::error::code;
use ph_plan::HttpUpstream;
use ph_wire::tls::{TlsError, client_config};
use ph_wire::upstream::{Address, SendError};

/// Where requests to one upstream go.
pub(crate) struct Target {
    uri: Uri,
    host: HeaderValue,
    /// Configured headers; they replace the client's.
    headers: HeaderMap,
}

/// The address of an upstream; reads its CA file.
pub(crate) fn address(http: &HttpUpstream) -> Result<Address, TlsError> {
    let ca_file = http.ca_file.as_ref().map(ph_plan::FilePath::as_path);
    let tls = if http.url.is_tls() { Some(client_config(ca_file)?) } else { None };
    let host = http.url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Address { host, port: http.url.port(), tls })
}

impl Target {
    pub(crate) fn new(http: &HttpUpstream) -> Self {
        let uri = http.url.uri();
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let mut headers = HeaderMap::new();
        for (name, value) in &http.headers {
            // A value that no header can have is refused when the plan is read.
            if let Ok(mut value) = HeaderValue::from_str(value.expose()) {
                value.set_sensitive(true);
                headers.insert(name.header_name().clone(), value);
            }
        }
        let authority = uri.authority().map_or("", |a| a.as_str());
        Self {
            uri: path.parse().unwrap_or_default(),
            host: HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("localhost")),
            headers,
        }
    }

    /// The request to send: the client's headers but those of its own hop, and ours.
    pub(crate) fn request(&self, method: Method, from: &HeaderMap, body: Bytes, traceparent: Option<&str>) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(from.len() + self.headers.len() + 2);
        headers.insert(HOST, self.host.clone());
        for (name, value) in from {
            if !is_of_hop(name, from) && *name != HOST && !self.headers.contains_key(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(value) = traceparent.and_then(|t| HeaderValue::from_str(t).ok()) {
            headers.insert(HeaderName::from_static("traceparent"), value);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request
    }
}

/// Headers that end at the next hop (RFC 9110 §7.6.1), and those that we set
/// anew. `Accept-Encoding` is one of them: an answer that is compressed cannot be read.
fn is_of_hop(name: &HeaderName, all: &HeaderMap) -> bool {
    let always = *name == CONNECTION
        || *name == CONTENT_LENGTH
        || *name == TRANSFER_ENCODING
        || *name == ACCEPT_ENCODING
        || *name == TE
        || *name == TRAILER
        || *name == UPGRADE
        || *name == EXPECT
        || name.as_str() == "keep-alive"
        || name.as_str().starts_with("proxy-");
    always || named_by_connection(name, all)
}

fn named_by_connection(name: &HeaderName, all: &HeaderMap) -> bool {
    let values = all.get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|token| token.trim().eq_ignore_ascii_case(name.as_str()))
}

/// The headers of an answer that go on to the client.
pub(crate) fn answer_headers(from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(from.len());
    for (name, value) in from {
        if !is_of_hop(name, from) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// What a client is told when the upstream gave no answer.
pub(crate) fn upstream_failure(server: &str, error: &SendError) -> OwnError {
    match error {
        SendError::ConnectTimeout { .. } => {
            OwnError::new(504, code::TIMEOUT, format!("server `{server}` could not be reached in time"))
        }
        SendError::Connect { .. } | SendError::CertificateName(_) => {
            OwnError::new(502, code::UNAVAILABLE, format!("server `{server}` cannot be reached")).retry_after(5)
        }
        SendError::Broken(_) => {
            OwnError::new(502, code::UNAVAILABLE, format!("server `{server}` closed the connection without an answer"))
        }
        SendError::NotHttp(_) => {
            OwnError::new(502, code::UNAVAILABLE, format!("server `{server}` answered what is no HTTP"))
        }
    }
}

/// `error` with its causes, for operators.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    text
}
