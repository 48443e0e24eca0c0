//! What a workbench is started with.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Where the workbench may reach, and where it reports to.
pub struct Options {
    /// Files below this directory can be listed and read. Default: `.`.
    pub root: PathBuf,
    /// The SQLite file for `query`; `None` serves a small demonstration database.
    pub database: Option<PathBuf>,
    /// Hosts that `httpGet` may ask, as `host` (any port) or `host:port`.
    /// Default: `localhost`, `127.0.0.1` and `[::1]`.
    pub allow_hosts: Vec<String>,
    /// How long it takes to look at a file, one at a time, as on a network disk. Default: no longer
    /// than it does.
    pub stat_delay: Duration,
    /// Where spans go; `None` makes no exports. See `ph_otlp::Settings::from_env`.
    pub otlp: Option<ph_otlp::Settings>,
    /// Gets one line for each call; the binary passes standard error. Default: nowhere.
    pub access: Box<dyn io::Write + Send>,
    /// Cancelling it stops the server: no new calls, open ones end within 2 s.
    pub stop: CancellationToken,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: PathBuf::from("."),
            database: None,
            allow_hosts: ["localhost", "127.0.0.1", "[::1]"]
                .map(str::to_owned)
                .to_vec(),
            stat_delay: Duration::ZERO,
            otlp: None,
            access: Box::new(io::sink()),
            stop: CancellationToken::new(),
        }
    }
}

/// The workbench cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The root is no directory that can be read.
    #[error("cannot serve files below `{path}`")]
    Root {
        /// The root as given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database cannot be opened for reading.
    #[error("cannot open the database `{path}`")]
    Database {
        /// The file as given, `:memory:` for the demonstration.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Spans cannot be exported as asked.
    #[error(transparent)]
    Export(#[from] ph_otlp::StartError),
    /// The system gives no random numbers for trace ids.
    #[error("no random numbers for trace ids")]
    Random(#[source] getrandom::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address as given.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The client on standard input did not open a session.
    #[error("the client on standard input did not begin as an MCP client does")]
    Handshake(#[source] Box<rmcp::service::ServerInitializeError>),
}
