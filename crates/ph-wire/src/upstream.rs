//! HTTP/1.1 connections to one upstream, kept open per worker.
//!
//! A request is written to a connection once. Only when no byte of it can have
//! reached the upstream (a kept connection that turned out closed before the
//! write) is another connection tried: tool calls are not idempotent.
//!
//! The client is our own: a general one costs a task, two channels and two maps of
//! headers for each call (ARCHITECTURE.md, "Threads").

mod chunks;
mod connection;
mod hop;
pub mod reader;
mod request;
mod stream;

use crate::workers;
use bytes::Bytes;
use connection::Connection;
use http::StatusCode;
use http::header::HeaderMap;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stream::Stream;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use connection::AnswerError;
pub use hop::{is_of_hop, named_by_connection};
pub use request::Outgoing;

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
    Broken(#[source] io::Error),
    /// What came back is no HTTP.
    #[error("the answer is not HTTP/1.1")]
    NotHttp(#[source] reader::Fault),
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

struct Idle {
    connection: Box<Connection>,
    until: Instant,
}

/// The connections to one upstream.
pub struct Upstream {
    address: Address,
    idle: Box<[Mutex<Vec<Idle>>]>,
}

/// An answer: its head, and the body that follows.
pub struct Answer {
    /// Its status; never 1xx.
    pub status: StatusCode,
    /// Its headers, but those of the connection and the length.
    pub headers: HeaderMap,
    /// How long the body is, when the head says so.
    pub length: Option<u64>,
    /// The body.
    pub body: AnswerBody,
}

/// The body of an answer, and the connection that it comes on: dropping it closes that.
pub struct AnswerBody {
    connection: Box<Connection>,
}

impl AnswerBody {
    /// The next bytes as they come; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// [`AnswerError`], when the body ends before it is complete.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, AnswerError> {
        poll_fn(|cx| self.connection.poll_piece(cx)).await
    }

    /// Appends the next bytes to `out`, and says how many; 0 at the end. Cancel safe.
    ///
    /// # Errors
    /// [`AnswerError`], when the body ends before it is complete.
    pub async fn append(&mut self, out: &mut Vec<u8>) -> Result<usize, AnswerError> {
        poll_fn(|cx| self.connection.poll_more(cx, out)).await
    }

    /// There is nothing more to come.
    pub fn is_complete(&self) -> bool {
        self.connection.is_complete()
    }
}

impl Upstream {
    /// Connections to `address`, with an own set for each of `worker_count` workers.
    pub fn new(address: Address, worker_count: usize) -> Self {
        Self {
            address,
            idle: (0..worker_count.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one request and waits for the answer's head.
    ///
    /// `connect_timeout`: for a new connection, TLS included; the wait for the head has no limit here.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::is_unsent`] tells whether it may be tried elsewhere.
    pub async fn send(
        &self,
        mut request: Outgoing,
        connect_timeout: Duration,
    ) -> Result<Answer, SendError> {
        while let Some(mut connection) = self.take() {
            connection.begin(request);
            match connection.head().await {
                // It was closed before the first byte was written.
                Err(_) if connection.is_unsent() => request = connection.into_request(),
                head => return Ok(Answer::new(head?, connection)),
            }
        }
        let stream = self.connect(connect_timeout).await?;
        let mut connection = Box::new(Connection::new(stream, request));
        Ok(Answer::new(connection.head().await?, connection))
    }

    /// Keeps the connection of an answer that has been read to its end; any other is closed.
    pub fn keep(&self, body: AnswerBody) {
        // A connection made outside of the workers lives on another thread: using it
        // from here would cost two wake-ups a call.
        let (Some(shard), Some(keep_for)) = (self.shard(), body.connection.keep_for()) else {
            return;
        };
        let mut idle = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(Idle {
                connection: body.connection,
                until: Instant::now() + keep_for,
            });
        }
    }

    /// Closes kept connections that are too old, or that the upstream has closed.
    pub fn sweep(&self) {
        let now = Instant::now();
        for shard in &self.idle {
            let mut idle = shard.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain_mut(|i| i.until > now && i.connection.is_quiet());
        }
    }

    fn shard(&self) -> Option<&Mutex<Vec<Idle>>> {
        self.idle.get(workers::index()?)
    }

    /// The connection used last, so that surplus ones grow old and go.
    fn take(&self) -> Option<Box<Connection>> {
        let mut idle = self.shard()?.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some(mut last) = idle.pop() {
            if last.until > now && last.connection.is_quiet() {
                return Some(last.connection);
            }
            if last.until <= now {
                // Those below were used even earlier.
                idle.clear();
            }
        }
        None
    }

    async fn connect(&self, limit: Duration) -> Result<Stream, SendError> {
        let attempt = tokio::time::timeout(limit, self.connect_now());
        attempt.await.unwrap_or_else(|_| {
            Err(SendError::ConnectTimeout {
                address: self.name(),
                limit,
            })
        })
    }

    async fn connect_now(&self) -> Result<Stream, SendError> {
        let failed = |source| SendError::Connect {
            address: self.name(),
            source,
        };
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port))
            .await
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let Some(config) = &self.address.tls else {
            return Ok(Stream::Plain(stream));
        };
        let host = self.address.host.clone();
        let name =
            ServerName::try_from(host.clone()).map_err(|_| SendError::CertificateName(host))?;
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    fn name(&self) -> String {
        format!("{}:{}", self.address.host, self.address.port)
    }
}

impl Answer {
    fn new(head: reader::Head, connection: Box<Connection>) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            length: head.length,
            body: AnswerBody { connection },
        }
    }
}
