//! Which headers go on, and where to.

use crate::reply::OwnError;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use ph_mcp::error::code;
use ph_plan::{Endpoint, HttpUpstream};
use ph_wire::tls::{TlsError, client_config};
use ph_wire::upstream::{Address, Outgoing, SendError, is_of_hop, named_by_connection};

/// Where requests to one upstream go.
pub(crate) struct Target {
    uri: Uri,
    host: HeaderValue,
    /// Configured headers; they replace the client's.
    headers: HeaderMap,
}

/// The address of an upstream; reads its CA file.
pub(crate) fn address(http: &HttpUpstream, url: &Endpoint) -> Result<Address, TlsError> {
    let ca_file = http.ca_file.as_ref().map(ph_plan::FilePath::as_path);
    let tls = if url.is_tls() {
        Some(client_config(ca_file)?)
    } else {
        None
    };
    let host = url
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok(Address {
        host,
        port: url.port(),
        tls,
    })
}

impl Target {
    pub(crate) fn new(http: &HttpUpstream, url: &Endpoint) -> Self {
        let uri = url.uri();
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
    pub(crate) fn request(
        &self,
        method: &Method,
        from: &HeaderMap,
        body: Bytes,
        traceparent: Option<&str>,
    ) -> Outgoing {
        let mut request = Outgoing::new(method, &self.uri, &self.host);
        let dropped = named_by_connection(from);
        for (name, value) in from {
            // A compressed answer could not be read.
            let is_replaced = *name == HOST
                || *name == ACCEPT_ENCODING
                || is_of_hop(name.as_str())
                || traceparent.is_some() && *name == TRACEPARENT;
            if !is_replaced && !dropped.contains(name) && !self.headers.contains_key(name) {
                request.header(name, value);
            }
        }
        for (name, value) in &self.headers {
            if traceparent.is_none() || *name != TRACEPARENT {
                request.header(name, value);
            }
        }
        if let Some(value) = traceparent.and_then(|t| HeaderValue::from_str(t).ok()) {
            request.header(&TRACEPARENT, &value);
        }
        request.with_body(body)
    }
}

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a client is told when the upstream gave no answer.
pub(crate) fn upstream_failure(server: &str, error: &SendError) -> OwnError {
    match error {
        SendError::ConnectTimeout { .. } => OwnError::new(
            504,
            code::TIMEOUT,
            format!("server `{server}` could not be reached in time"),
        ),
        SendError::Connect { .. } | SendError::CertificateName(_) => OwnError::new(
            502,
            code::UNAVAILABLE,
            format!("server `{server}` cannot be reached"),
        )
        .retry_after(5),
        SendError::Broken(_) => OwnError::new(
            502,
            code::UNAVAILABLE,
            format!("server `{server}` closed the connection without an answer"),
        ),
        SendError::NotHttp(_) => OwnError::new(
            502,
            code::UNAVAILABLE,
            format!("server `{server}` answered what is no HTTP"),
        ),
    }
}
