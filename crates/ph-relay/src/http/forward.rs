//! Which headers go on, and where to.

use crate::reply::OwnError;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
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
    let tls = if http.url.is_tls() {
        Some(client_config(ca_file)?)
    } else {
        None
    };
    let host = http
        .url
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok(Address {
        host,
        port: http.url.port(),
        tls,
    })
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
    pub(crate) fn request(
        &self,
        method: Method,
        from: HeaderMap,
        body: Bytes,
        traceparent: Option<&str>,
    ) -> Request<Full<Bytes>> {
        let mut headers = end_to_end(from);
        // A compressed answer could not be read.
        headers.remove(ACCEPT_ENCODING);
        headers.insert(HOST, self.host.clone());
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

/// `headers` without those that end at the next hop (RFC 9110 §7.6.1), and
/// without the length, which is set anew.
pub(crate) fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for named in connection_names(&headers) {
        headers.remove(named);
    }
    while let Some(name) = headers.keys().find(|n| OF_HOP.contains(n)).cloned() {
        headers.remove(name);
    }
    headers
}

static OF_HOP: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    TE,
    TRAILER,
    UPGRADE,
    EXPECT,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// The headers that `Connection` names; almost always none.
fn connection_names(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok());
    let tokens = values.flat_map(|v| v.split(',')).map(str::trim);
    tokens
        .filter(|t| !t.eq_ignore_ascii_case("keep-alive") && !t.eq_ignore_ascii_case("close"))
        .filter_map(|t| t.parse().ok())
        .collect()
}

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
