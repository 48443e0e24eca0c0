//! HTTP/1.1 connections to one upstream, kept open per worker.
//!
//! A request is written to a connection once. Only when no byte of it can have
//! reached the upstream (a kept connection that turned out closed before the
//! write) is another connection tried: tool calls are not idempotent.

use crate::workers;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where an upstream is.
#[derive(Clone, Debug)]
pub struct Address {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `Some` for https.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Why a request got no head back.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The name cannot be resolved, or nobody listens: no byte was sent.
    #[error("cannot connect to `{address}`")]
    Connect {
        /// `host:port`.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// Connecting took longer than `limit`: no byte was sent.
    #[error("`{address}` did not accept a connection within {limit:?}")]
    ConnectTimeout {
        /// `host:port`.
        address: String,
        /// The limit.
        limit: Duration,
    },
    /// The host name cannot stand in a certificate: no byte was sent.
    #[error("`{0}` is no name for a certificate")]
    CertificateName(String),
    /// The connection broke; bytes may have reached the upstream.
    #[error("the connection broke before an answer came")]
    Broken(#[source] hyper::Error),
    /// What came back is no HTTP.
    #[error("the answer is not HTTP/1.1")]
    NotHttp(#[source] hyper::Error),
}

impl SendError {
    /// `true` only when no byte can have reached the upstream.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::CertificateName(_) => true,
            Self::Broken(_) | Self::NotHttp(_) => false,
        }
    }
}

/// Kept connections per worker, at most.
const IDLE_MAX: usize = 256;
/// How long a connection is kept when the upstream does not say: Node closes after 5 s.
const IDLE_DEFAULT: Duration = Duration::from_secs(4);
/// How long a connection is kept at most.
const IDLE_LONGEST: Duration = Duration::from_secs(60);
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

type Sender = SendRequest<Full<Bytes>>;

struct Idle {
    sender: Sender,
    until: Instant,
}

/// The connections to one upstream.
pub struct Upstream {
    address: Address,
    idle: Box<[Mutex<Vec<Idle>>]>,
}

/// An answer's head, its body, and the connection it came on.
pub struct Answer {
    /// The head.
    pub head: http::response::Parts,
    /// The body.
    pub body: Incoming,
    /// Give it back with [`Upstream::keep`] when the body has been read to its end.
    pub connection: Used,
}

/// A connection in use; dropping it closes it.
pub struct Used {
    sender: Sender,
    idle_for: Duration,
}

impl Upstream {
    /// Connections to `address`, with an own set for each of `worker_count` workers.
    pub fn new(address: Address, worker_count: usize) -> Self {
        Self {
            address,
            idle: (0..worker_count.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    /// Sends one request and waits for the answer's head.
    ///
    /// The request's URI must be in origin form and `Host` set. `connect_timeout`: for a new
    /// connection, TLS included; the wait for the head has no limit here.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::is_unsent`] tells whether it may be tried elsewhere.
    pub async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        connect_timeout: Duration,
    ) -> Result<Answer, SendError> {
        while let Some(mut sender) = self.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(Answer::new(response, sender)),
                Err(mut failed) => match failed.take_message() {
                    // The connection closed before the first byte was written.
                    Some(unsent) => request = unsent,
                    None => return Err(SendError::after_sending(failed.into_error())),
                },
            }
        }
        let mut sender = self.connect(connect_timeout).await?;
        sender.ready().await.map_err(SendError::Broken)?;
        match sender.send_request(request).await {
            Ok(response) => Ok(Answer::new(response, sender)),
            Err(e) => Err(SendError::after_sending(e)),
        }
    }

    /// Keeps a connection whose last answer has been read to its end.
    pub fn keep(&self, used: Used) {
        // A connection made outside of the workers lives on another thread: using it
        // from here would cost two wake-ups a call.
        let Some(shard) = self
            .shard()
            .filter(|_| !used.sender.is_closed() && !used.idle_for.is_zero())
        else {
            return;
        };
        let mut idle = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(Idle {
                sender: used.sender,
                until: Instant::now() + used.idle_for,
            });
        }
    }

    fn shard(&self) -> Option<&Mutex<Vec<Idle>>> {
        self.idle.get(workers::index()?)
    }

    /// The connection used last, so that surplus ones grow old and go.
    fn take(&self) -> Option<Sender> {
        let mut idle = self.shard()?.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some(last) = idle.pop() {
            if last.until > now && !last.sender.is_closed() {
                return Some(last.sender);
            }
            if last.until <= now {
                // Those below were used even earlier.
                idle.clear();
            }
        }
        None
    }

    async fn connect(&self, limit: Duration) -> Result<Sender, SendError> {
        let attempt = tokio::time::timeout(limit, self.connect_now());
        attempt.await.unwrap_or_else(|_| {
            Err(SendError::ConnectTimeout {
                address: self.name(),
                limit,
            })
        })
    }

    async fn connect_now(&self) -> Result<Sender, SendError> {
        let failed = |source| SendError::Connect {
            address: self.name(),
            source,
        };
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port))
            .await
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        match &self.address.tls {
            None => handshake(TokioIo::new(stream)).await,
            Some(config) => {
                let host = self.address.host.clone();
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| SendError::CertificateName(host))?;
                let connector = TlsConnector::from(Arc::clone(config));
                handshake(TokioIo::new(
                    connector.connect(name, stream).await.map_err(failed)?,
                ))
                .await
            }
        }
    }

    fn name(&self) -> String {
        format!("{}:{}", self.address.host, self.address.port)
    }
}

async fn handshake<T>(io: T) -> Result<Sender, SendError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .handshake(io)
        .await
        .map_err(SendError::Broken)?;
    // Ends when the sender is dropped or the upstream closes; its error also reaches the sender.
    tokio::spawn(connection);
    Ok(sender)
}

impl SendError {
    fn after_sending(error: hyper::Error) -> Self {
        if error.is_parse() {
            Self::NotHttp(error)
        } else {
            Self::Broken(error)
        }
    }
}

impl Answer {
    fn new(response: Response<Incoming>, sender: Sender) -> Self {
        let (head, body) = response.into_parts();
        let idle_for = idle_time(&head.headers);
        Self {
            head,
            body,
            connection: Used { sender, idle_for },
        }
    }
}

/// How long the upstream keeps a quiet connection, less a second for the way there.
///
/// `Keep-Alive: timeout=N` says so; N of 1 or 0 means: do not keep it.
fn idle_time(headers: &HeaderMap) -> Duration {
    let Some(value) = headers.get(KEEP_ALIVE).and_then(|v| v.to_str().ok()) else {
        return IDLE_DEFAULT;
    };
    let seconds = value
        .split(',')
        .find_map(|p| p.trim().strip_prefix("timeout=")?.parse::<u64>().ok());
    seconds.map_or(IDLE_DEFAULT, |s| {
        Duration::from_secs(s.saturating_sub(1)).min(IDLE_LONGEST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keep_alive: Option<&str>, want: u64) {
        let mut headers = HeaderMap::new();
        if let Some(v) = keep_alive {
            headers.insert(KEEP_ALIVE, v.parse().unwrap());
        }
        assert_eq!(
            idle_time(&headers),
            Duration::from_secs(want),
            "{keep_alive:?}"
        );
    }

    #[test]
    fn connections_are_kept_shorter_than_the_upstream_does() {
        check(None, 4);
        check(Some("timeout=5"), 4);
        check(Some("timeout=5, max=100"), 4);
        check(Some("timeout=1"), 0);
        check(Some("timeout=9999"), 60);
        check(Some("max=3"), 4);
    }
}
