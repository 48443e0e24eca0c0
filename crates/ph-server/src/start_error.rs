//! Why a daemon cannot start.

use crate::stores::OpenError;
use ph_recorder::RecorderError;
use ph_relay::ApplyError;
use ph_wire::tls::IdentityError;
use std::io;
use std::net::SocketAddr;

/// Why Pilothouse cannot start or take a plan.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The address of the admin listener is taken, or not ours.
    #[error(
        "cannot listen on `{address}` for the admin API; give another with `--admin`, or `admin.enabled: false`"
    )]
    ListenAdmin {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The certificate of a listener cannot be used.
    #[error("TLS of the {listener} listener")]
    Certificate {
        /// `data` or `admin`.
        listener: &'static str,
        /// Why.
        source: IdentityError,
    },
    /// The audit log cannot be written; what is not written there is not done.
    #[error("the audit log cannot be written")]
    Audit(#[source] io::Error),
    /// What is to be kept cannot be.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The API keys cannot be read.
    #[error(transparent)]
    Keys(#[from] ph_auth::KeyringError),
    /// The cases of vulnerabilities cannot be read.
    #[error("the cases of vulnerabilities")]
    Cases(#[from] ph_store::state::StateError),
    /// A sink cannot start.
    #[error(transparent)]
    Sink(#[from] ph_sinks::SinkError),
    /// The data directory cannot be written.
    #[error("the data directory cannot be written")]
    Home(#[source] io::Error),
    /// Whoever tells people of alerts cannot start.
    #[error(transparent)]
    Notify(#[from] ph_notify::NotifyError),
    /// A receiver of alerts cannot be used.
    #[error(transparent)]
    Receiver(#[from] ph_notify::SettingsError),
    /// The threads of rules cannot be started.
    #[error("the threads that evaluate rules cannot be started")]
    Rules(#[source] io::Error),
    /// The Prometheus that is to be asked cannot be.
    #[error("`metrics.query` cannot be asked")]
    Remote(#[from] ph_jobs::TargetError),
    /// Threads cannot be started.
    #[error("worker threads cannot be started")]
    Workers(#[source] io::Error),
    /// The process that kills orphans cannot be started.
    #[error("the reaper process cannot be started")]
    Reaper(#[source] io::Error),
    /// The recorder cannot start.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The collector of spans is not usable.
    #[error(transparent)]
    Collector(#[from] ph_otlp::SettingsError),
    /// TLS towards the Redis of limits cannot be set up.
    #[error("TLS towards `redis.url` cannot be set up")]
    RedisTls(#[source] ph_wire::tls::TlsError),
    /// A server of the plan cannot be prepared.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}
