//! One connection to a collector, opened when it is needed and kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, RETRY_AFTER, TE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::settings::{Protocol, Settings};
use crate::{encode, grpc};

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection, or no TLS on it.
    #[error("cannot connect to the collector at `{authority}`")]
    Connect {
        /// Host and port of the endpoint.
        authority: String,
        /// What the system or the TLS layer said.
        source: io::Error,
    },
    /// The connection broke in the middle of the exchange.
    #[error("the exchange with the collector broke off")]
    Exchange(#[source] hyper::Error),
    /// The reply could not be read to its end, or is larger than a reply can be.
    #[error("the collector's reply cannot be read")]
    Reply(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An HTTP status other than 2xx.
    #[error("the collector answered HTTP {status}")]
    Status {
        /// That status.
        status: StatusCode,
        /// Its `Retry-After`, when given in seconds.
        retry_after: Option<Duration>,
    },
    /// A gRPC status other than OK.
    #[error("the collector answered gRPC status {code}: {message}")]
    Grpc {
        /// That status, `-` when the reply has none.
        code: GrpcCode,
        /// Its message.
        message: String,
    },
    /// No answer in time.
    #[error("the collector did not answer within {0:?}")]
    Timeout(Duration),
    /// A batch too large for its transport.
    #[error("the batch is too large for one message")]
    TooLarge,
}

/// A gRPC status code, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcCode(pub Option<u32>);

impl std::fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(code) => write!(f, "{code}"),
            None => f.write_str("-"),
        }
    }
}

impl SendError {
    /// `true` when the same batch may be taken later. It may arrive twice then:
    /// receivers tell spans apart by their ids.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Exchange(_) | Self::Reply(_) | Self::Timeout(_) => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc { code, .. } => code.0.is_some_and(grpc::is_retryable),
            Self::TooLarge => false,
        }
    }

    /// How long the collector asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What was not taken of a batch that was accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Number of its items that the collector will never take.
    pub rejected: u64,
    /// Why.
    pub message: String,
}

/// A collector as we see it: settings and at most one open connection.
pub struct Collector {
    settings: Settings,
    tls: Option<TlsConnector>,
    open: Option<Open>,
}

enum Open {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// More than any reply to an export has.
const REPLY_BYTES_MAX: usize = 64 << 10;

impl Collector {
    /// - errors: `https://` and the certificates to trust cannot be read.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let tls = if settings.target.tls {
            Some(connector(&settings)?)
        } else {
            None
        };
        Ok(Self {
            settings,
            tls,
            open: None,
        })
    }

    /// Sends one export request of the settings' signal, bounded by their timeout.
    ///
    /// # Errors
    /// [`SendError`]: nothing of it is known to be taken.
    pub async fn send(&mut self, request: &[u8]) -> Result<Accepted, SendError> {
        let limit = self.settings.timeout;
        let body = match self.settings.protocol {
            Protocol::HttpProtobuf => Bytes::copy_from_slice(request),
            Protocol::Grpc => grpc::frame(request).ok_or(SendError::TooLarge)?,
        };
        let sent = tokio::time::timeout(limit, self.exchange(body)).await;
        let result = sent.unwrap_or(Err(SendError::Timeout(limit)));
        if result.is_err() {
            // After any failure the connection's state is in doubt; a new one is cheap.
            self.open = None;
        }
        result
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Accepted, SendError> {
        let request = self.request(body);
        let response = match self.ready().await? {
            Open::Http1(connection) => connection.send_request(request).await,
            Open::Http2(connection) => connection.send_request(request).await,
        };
        self.read(response.map_err(SendError::Exchange)?).await
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Accepted, SendError> {
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let seconds = head
                .headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(SendError::Status {
                status: head.status,
                retry_after: seconds.map(Duration::from_secs),
            });
        }
        let body = Limited::new(body, REPLY_BYTES_MAX)
            .collect()
            .await
            .map_err(SendError::Reply)?;
        let trailers = body.trailers().cloned();
        let bytes = body.to_bytes();
        let message = match self.settings.protocol {
            Protocol::HttpProtobuf => &bytes[..],
            Protocol::Grpc => {
                grpc::verdict(&head.headers, trailers.as_ref()).map_err(|failure| {
                    SendError::Grpc {
                        code: GrpcCode(failure.code),
                        message: failure.message,
                    }
                })?;
                grpc::message(&bytes)
            }
        };
        let (rejected, message) = encode::rejected(message);
        Ok(Accepted { rejected, message })
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let Settings {
            protocol,
            target,
            headers,
            ..
        } = &self.settings;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        request.headers_mut().clone_from(headers);
        let fields = request.headers_mut();
        fields.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("pilothouse-otlp/", env!("CARGO_PKG_VERSION"))),
        );
        match protocol {
            Protocol::HttpProtobuf => {
                fields.insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/x-protobuf"),
                );
                fields.insert(ACCEPT, HeaderValue::from_static("application/x-protobuf"));
                if let Ok(host) = HeaderValue::from_str(target.authority.as_str()) {
                    fields.insert(HOST, host);
                }
                if let Ok(path) = target.path.parse() {
                    *request.uri_mut() = path;
                }
            }
            Protocol::Grpc => {
                fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                fields.insert(TE, HeaderValue::from_static("trailers"));
                *request.version_mut() = Version::HTTP_2;
                if let Ok(url) = self.settings.url().parse::<Uri>() {
                    *request.uri_mut() = url;
                }
            }
        }
        request
    }

    /// The open connection, or a new one.
    async fn ready(&mut self) -> Result<&mut Open, SendError> {
        let usable = match &mut self.open {
            Some(Open::Http1(connection)) => connection.ready().await.is_ok(),
            Some(Open::Http2(connection)) => connection.ready().await.is_ok(),
            None => false,
        };
        let open = match self.open.take() {
            Some(open) if usable => open,
            // Boxed: the TLS handshake would make every export's future large.
            _ => Box::pin(self.connect()).await?,
        };
        Ok(self.open.insert(open))
    }

    async fn connect(&self) -> Result<Open, SendError> {
        let target = &self.settings.target;
        let failed = |source| SendError::Connect {
            authority: target.authority.to_string(),
            source,
        };
        let tcp = TcpStream::connect((target.host.as_str(), target.port))
            .await
            .map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        match &self.tls {
            None => self.handshake(TokioIo::new(tcp)).await,
            Some(tls) => {
                let name = ServerName::try_from(target.host.clone())
                    .map_err(|e| failed(io::Error::other(e)))?;
                let stream = tls.connect(name, tcp).await.map_err(failed)?;
                self.handshake(TokioIo::new(stream)).await
            }
        }
    }

    /// The driver task ends when the collector closes or `Open` is dropped.
    async fn handshake(
        &self,
        io: impl Read + Write + Unpin + Send + 'static,
    ) -> Result<Open, SendError> {
        match self.settings.protocol {
            Protocol::HttpProtobuf => {
                let (sender, driver) = http1::handshake(io).await.map_err(SendError::Exchange)?;
                tokio::spawn(driver);
                Ok(Open::Http1(sender))
            }
            Protocol::Grpc => {
                let (sender, driver) = http2::handshake(TokioExecutor::new(), io)
                    .await
                    .map_err(SendError::Exchange)?;
                tokio::spawn(driver);
                Ok(Open::Http2(sender))
            }
        }
    }
}

fn connector(settings: &Settings) -> io::Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    match &settings.certificate_file {
        Some(path) => {
            let named = |e| io::Error::other(format!("`{path}`: {e}"));
            for certificate in
                CertificateDer::pem_file_iter(path).map_err(|e| named(e.to_string()))?
            {
                let certificate = certificate.map_err(|e| named(e.to_string()))?;
                roots.add(certificate).map_err(|e| named(e.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(io::Error::other(
            "no certificate to trust was found on this system",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match settings.protocol {
        Protocol::HttpProtobuf => vec![b"http/1.1".to_vec()],
        Protocol::Grpc => vec![b"h2".to_vec()],
    };
    Ok(TlsConnector::from(Arc::new(config)))
}
