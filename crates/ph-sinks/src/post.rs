//! One kept HTTP/1.1 connection to one address.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("cannot connect to `{authority}`: {source}")]
    Connect {
        authority: String,
        source: io::Error,
    },
    #[error("the exchange broke off: {0}")]
    Exchange(#[source] hyper::Error),
    #[error("the answer cannot be read: {0}")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no `http://` or `https://` URL with a host and without a password.
    #[error("`{0}` is no URL like `https://host:9200`; credentials have fields of their own")]
    Url(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] ph_wire::tls::TlsError),
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// The other side of a sink.
pub(crate) struct Peer {
    tls: Option<TlsConnector>,
    authority: Authority,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Path before every path, without a slash at its end.
    base: String,
    headers: HeaderMap,
    timeout: Duration,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Peer {
    /// - `url`: scheme, host, perhaps port and path.
    /// - `headers`: put on every request.
    /// - `timeout`: bound of one exchange, connecting included.
    pub(crate) fn new(
        url: &str,
        ca_file: Option<&Path>,
        headers: HeaderMap,
        timeout: Duration,
    ) -> Result<Self, AddressError> {
        let wrong = || AddressError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => None,
            Some(scheme) if *scheme == Scheme::HTTPS => {
                Some(TlsConnector::from(ph_wire::tls::client_config(ca_file)?))
            }
            _ => return Err(wrong()),
        };
        let authority = uri.authority().cloned().ok_or_else(wrong)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if tls.is_some() { 443 } else { 80 }),
            base: uri.path().trim_end_matches('/').to_owned(),
            tls,
            authority,
            headers,
            timeout,
            open: None,
        })
    }

    /// Sends one request and reads at most `answer_bytes_max` of its answer.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Bytes,
        answer_bytes_max: usize,
    ) -> Result<Answer, PostError> {
        let request = self.request(method, path, kind, body);
        let limit = self.timeout;
        let sent = tokio::time::timeout(limit, self.exchange(request, answer_bytes_max)).await;
        let result = sent.unwrap_or(Err(PostError::Timeout(limit)));
        if result.is_err() {
            // Its state is in doubt after any failure.
            self.open = None;
        }
        result
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        if let Ok(uri) = format!("{}{path}", self.base).parse() {
            *request.uri_mut() = uri;
        }
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION"))),
        );
        if let Ok(host) = HeaderValue::from_str(self.authority.as_str()) {
            headers.insert(HOST, host);
        }
        request
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        answer_bytes_max: usize,
    ) -> Result<Answer, PostError> {
        let connection = self.ready().await?;
        let response = connection
            .send_request(request)
            .await
            .map_err(PostError::Exchange)?;
        whole(response, answer_bytes_max).await
    }

    async fn ready(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, PostError> {
        let mut open = self.open.take();
        if let Some(kept) = &mut open
            && kept.ready().await.is_err()
        {
            open = None;
        }
        let open = match open {
            Some(open) => open,
            // Boxed: a TLS handshake would make every request's future large.
            None => Box::pin(self.connect()).await?,
        };
        Ok(self.open.insert(open))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, PostError> {
        let failed = |source| PostError::Connect {
            authority: self.authority.to_string(),
            source,
        };
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let Some(tls) = &self.tls else {
            return handshake(TokioIo::new(tcp)).await;
        };
        let name =
            ServerName::try_from(self.host.clone()).map_err(|e| failed(io::Error::other(e)))?;
        let stream = tls.connect(name, tcp).await.map_err(failed)?;
        handshake(TokioIo::new(stream)).await
    }
}

/// The driver task ends when the other side closes or the sender is dropped.
async fn handshake(
    io: impl Read + Write + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, PostError> {
    let (sender, driver) = http1::handshake(io).await.map_err(PostError::Exchange)?;
    tokio::spawn(driver);
    Ok(sender)
}

async fn whole(response: Response<Incoming>, bytes_max: usize) -> Result<Answer, PostError> {
    let (head, body) = response.into_parts();
    let seconds = head
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(body, bytes_max)
        .collect()
        .await
        .map_err(PostError::Answer)?;
    Ok(Answer {
        status: head.status,
        retry_after: seconds.map(Duration::from_secs),
        body: body.to_bytes(),
    })
}
