//! What is scraped.

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Uri};
use std::path::PathBuf;
use std::time::Duration;

/// A page of metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The label `job`.
    pub job: String,
    /// `http://` or `https://`, no credentials. Its host and port become the label `instance`.
    pub url: String,
    /// Time between two scrapes; not zero.
    pub interval: Duration,
    /// Time for one scrape, connecting included.
    pub timeout: Duration,
    /// Labels that every series gets.
    pub labels: Vec<(String, String)>,
    /// Headers of every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// PEM file of the authorities that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Samples of one page; a page with more counts as a failure.
    pub samples_max: usize,
}

/// A target that cannot be scraped.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no `http://` or `https://` URL with a host and without a password.
    #[error("`{0}` is no URL like `http://host:9100/metrics`")]
    Url(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] ph_wire::tls::TlsError),
}

/// Where a URL leads.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) uri: Uri,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    /// As in the header `Host`.
    pub(crate) authority: HeaderValue,
}

impl Target {
    pub(crate) fn place(&self) -> Result<Place, TargetError> {
        Place::of(&self.url)
    }

    /// The same text for the same target, for ever.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.job, self.url)
    }

    /// By how much its scrapes come after the multiples of its interval, milliseconds.
    pub(crate) fn shift_ms(&self) -> i64 {
        let interval = self.interval_ms();
        // FNV-1a: the same on every machine and in every version.
        let hash = self
            .key()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        (hash >> 1) as i64 % interval
    }

    pub(crate) fn interval_ms(&self) -> i64 {
        i64::try_from(self.interval.as_millis()).map_or(i64::MAX / 2, |ms| ms.max(1))
    }
}

impl Place {
    pub(crate) fn of(url: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(wrong()),
        };
        let authority: &Authority = uri.authority().ok_or_else(wrong)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_tls { 443 } else { 80 }),
            is_tls,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?,
            uri,
        })
    }

    /// The label `instance`.
    pub(crate) fn instance(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target {
            job: "node".to_owned(),
            url: url.to_owned(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            labels: Vec::new(),
            headers: Vec::new(),
            ca_file: None,
            samples_max: 10,
        }
    }

    #[test]
    fn the_instance_has_a_port() {
        let instance = |url| target(url).place().unwrap().instance();
        assert_eq!(instance("http://localhost/metrics"), "localhost:80");
        assert_eq!(instance("https://example.org/m?x=1"), "example.org:443");
        assert_eq!(instance("http://[::1]:9100/metrics"), "[::1]:9100");
        for wrong in ["", "/metrics", "ftp://a/", "http://a:b@c/", "http://"] {
            assert!(target(wrong).place().is_err(), "{wrong}");
        }
    }

    #[test]
    fn shifts_are_spread_and_stay() {
        let shifts: std::collections::BTreeSet<i64> = (0..50)
            .map(|n| target(&format!("http://host-{n}:9100/metrics")).shift_ms())
            .collect();
        assert!(shifts.len() > 45);
        assert!(shifts.iter().all(|shift| (0..15_000).contains(shift)));
    }
}
