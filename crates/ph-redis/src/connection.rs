//! One connection to Redis, ready to be asked.

use crate::resp::{self, Reply, ReplyError};
use crate::script::TAKE;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where Redis is, and how it is asked.
#[derive(Clone)]
pub struct Settings {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS, if there is any.
    pub tls: Option<Arc<ClientConfig>>,
    /// User, for access control lists; without it the default one.
    pub username: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Number of the database.
    pub database: u32,
    /// What all keys begin with.
    pub prefix: String,
    /// The longest that a call waits for an answer.
    pub timeout: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis at {}", self.address())
    }
}

impl Settings {
    /// Host and port, for people.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Why Redis cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("`{0}` is no name that a certificate can have")]
    Name(String),
    #[error("did not answer within {} ms", .0.as_millis())]
    Slow(Duration),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("the connection was closed")]
    Closed,
    #[error(transparent)]
    Reply(#[from] ReplyError),
    #[error("it says `{0}`")]
    Said(Box<str>),
}

/// The longest that connecting may take, all of it.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(1);

/// Bytes that were read and are no whole reply yet, at most.
const UNREAD_BYTES_MAX: usize = 1 << 20;

/// A connection whose script is loaded.
pub(crate) struct Connection {
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    /// What was read and is no whole reply yet.
    unread: Vec<u8>,
    /// Encryption may hold something back.
    is_unflushed: bool,
    /// Of [`TAKE`], as Redis names it.
    pub(crate) digest: Box<str>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    pub(crate) async fn open(settings: &Settings) -> Result<Self, Fault> {
        let opened = tokio::time::timeout(CONNECT_MAX, Self::open_now(settings)).await;
        opened.unwrap_or(Err(Fault::Slow(CONNECT_MAX)))
    }

    async fn open_now(settings: &Settings) -> Result<Self, Fault> {
        let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await;
        let stream = stream.map_err(Fault::Connect)?;
        stream.set_nodelay(true).map_err(Fault::Connect)?;
        let stream: Box<dyn Stream> = match &settings.tls {
            None => Box::new(stream),
            Some(config) => {
                let host = settings.host.clone();
                let name = ServerName::try_from(host.clone()).map_err(|_| Fault::Name(host))?;
                let connector = TlsConnector::from(Arc::clone(config));
                Box::new(
                    connector
                        .connect(name, stream)
                        .await
                        .map_err(Fault::Connect)?,
                )
            }
        };
        let (read, write) = tokio::io::split(stream);
        let mut connection = Self {
            read,
            write,
            unread: Vec::new(),
            is_unflushed: false,
            digest: "".into(),
        };
        connection.greet(settings).await?;
        Ok(connection)
    }

    /// Says who we are, chooses the database and loads the script.
    async fn greet(&mut self, settings: &Settings) -> Result<(), Fault> {
        if let Some(password) = &settings.password {
            match &settings.username {
                Some(username) => self.ask(&["AUTH", username, password]).await?,
                None => self.ask(&["AUTH", password]).await?,
            };
        }
        if settings.database != 0 {
            self.ask(&["SELECT", &settings.database.to_string()])
                .await?;
        }
        match self.ask(&["SCRIPT", "LOAD", TAKE]).await? {
            Reply::Bulk(Some(digest)) => {
                self.digest = String::from_utf8_lossy(&digest).into();
                Ok(())
            }
            _ => Err(Fault::Reply(ReplyError)),
        }
    }

    async fn ask(&mut self, command: &[&str]) -> Result<Reply, Fault> {
        let mut out = Vec::new();
        resp::command(command, &mut out);
        loop {
            if let Some(reply) = self.next_reply()? {
                return match reply {
                    Reply::Error(text) => Err(Fault::Said(text)),
                    reply => Ok(reply),
                };
            }
            self.read_or_write(&mut out).await?;
        }
    }

    /// The next reply of those that were read.
    pub(crate) fn next_reply(&mut self) -> Result<Option<Reply>, Fault> {
        let Some((reply, length)) = resp::read(&self.unread)? else {
            return Ok(None);
        };
        self.unread.drain(..length);
        Ok(Some(reply))
    }

    /// Reads something, or writes a part of `out` and takes it away there, whichever is possible first.
    /// Nothing is lost when it is dropped.
    pub(crate) async fn read_or_write(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.unread.len() > UNREAD_BYTES_MAX {
            return Err(Fault::Reply(ReplyError));
        }
        let has_more = !out.is_empty();
        let write = async {
            if has_more {
                self.write.write(out).await
            } else {
                self.write.flush().await.map(|()| 0)
            }
        };
        tokio::select! {
            length = self.read.read_buf(&mut self.unread) => match length? {
                0 => Err(Fault::Closed),
                _ => Ok(()),
            },
            length = write, if has_more || self.is_unflushed => {
                out.drain(..length?);
                self.is_unflushed = has_more;
                Ok(())
            }
        }
    }
}
