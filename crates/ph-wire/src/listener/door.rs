//! What a listener asks of whoever comes, which can change while it is open, and whom it turned away.

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::ServerConfig;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Bounds of a listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest request head, in bytes; longer ones are answered 431.
    pub head_bytes_max: usize,
    /// Most headers of a request; more are answered 431.
    pub headers_max: usize,
    /// Longest time for a TLS handshake, and for a request head to arrive. An HTTP/2 connection without any request
    /// is closed after this time or up to twice it.
    pub head_timeout: Duration,
    /// Longest time in which a client takes nothing of what it is sent.
    pub write_timeout: Duration,
    /// Most requests at the same time on one connection of HTTP/2.
    pub streams_max: u32,
    /// Most open connections; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// Most open connections of one address (of one /64 network of IPv6); further ones are closed at once.
    pub per_peer_max: usize,
    /// Addresses without that bound: proxies, whose connections are many people's.
    pub trusted: Trusted,
}

impl Limits {
    /// Most open connections of one address, when nothing else is said.
    pub const PER_PEER_MAX: usize = 1024;
}

/// Which addresses may have as many connections as there are.
#[derive(Clone)]
pub struct Trusted(pub Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Trusted {
    /// None.
    pub fn nobody() -> Self {
        Self(Arc::new(|_| false))
    }
}

impl fmt::Debug for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trusted")
    }
}

/// Why a connection was not taken, or was ended before its client wanted it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// Its address has too many.
    Crowd,
    /// No TLS, none that both sides speak, no certificate that is asked for, or too slow.
    Handshake,
    /// Its first head did not come in time.
    SlowHead,
    /// No further request came in time, or not the whole of its head.
    Idle,
    /// What came is no HTTP, or not as it has to be.
    BadHead,
    /// The head is too long, or has too many headers.
    LongHead,
    /// It did not take what it was sent.
    SlowReader,
    /// HTTP/2 broken or misused: frames that may not be, streams opened and reset over and over.
    Protocol,
}

impl TurnedAway {
    /// All of them, as they are counted.
    pub const ALL: [Self; 8] = [
        Self::Crowd,
        Self::Handshake,
        Self::SlowHead,
        Self::Idle,
        Self::BadHead,
        Self::LongHead,
        Self::SlowReader,
        Self::Protocol,
    ];

    /// The word in metrics.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Crowd => "crowd",
            Self::Handshake => "handshake",
            Self::SlowHead => "slow_head",
            Self::Idle => "idle",
            Self::BadHead => "bad_head",
            Self::LongHead => "long_head",
            Self::SlowReader => "slow_reader",
            Self::Protocol => "protocol",
        }
    }
}

/// What a listener asks of whoever comes. What is changed holds for the connections that come next.
#[derive(Debug)]
pub struct Door {
    limits: ArcSwap<Limits>,
    tls: ArcSwapOption<ServerConfig>,
    turned_away: [AtomicU64; TurnedAway::ALL.len()],
}

impl Door {
    /// A door with `limits`, and without TLS.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits: ArcSwap::from_pointee(limits),
            tls: ArcSwapOption::empty(),
            turned_away: Default::default(),
        })
    }

    /// The bounds for connections to come.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// TLS for connections to come: with this certificate, or none.
    pub fn set_tls(&self, config: Option<Arc<ServerConfig>>) {
        self.tls.store(config);
    }

    /// How many were turned away for this reason.
    pub fn turned_away(&self, why: TurnedAway) -> u64 {
        self.turned_away[why as usize].load(Relaxed)
    }

    pub(super) fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }

    pub(super) fn turn_away(&self, why: TurnedAway) {
        self.turned_away[why as usize].fetch_add(1, Relaxed);
    }
}
