//! Where a URL leads. Its path and query may be secrets: errors and names show host and port alone.

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use ph_wire::upstream::{Address, Upstream};
use std::fmt;
use std::path::Path;

/// A URL that can be asked.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) uri: Uri,
    pub(crate) authority: HeaderValue,
    address: Address,
}

/// A URL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    /// It is no `http://` or `https://` URL with a host and without a password.
    #[error("no URL like `https://host/path`")]
    Url,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] ph_wire::tls::TlsError),
}

impl Place {
    /// - `below`: a path that is put behind that of the URL.
    pub(crate) fn new(url: &str, below: &str, ca_file: Option<&Path>) -> Result<Self, PlaceError> {
        let base: Uri = url.parse().map_err(|_| PlaceError::Url)?;
        let is_tls = match base.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(PlaceError::Url),
        };
        let authority = base.authority().ok_or(PlaceError::Url)?.clone();
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(PlaceError::Url);
        }
        let uri = if below.is_empty() {
            base
        } else {
            let path = base.path().trim_end_matches('/');
            format!("{path}{below}")
                .parse()
                .map_err(|_| PlaceError::Url)?
        };
        let tls = if is_tls {
            Some(ph_wire::tls::client_config(ca_file)?)
        } else {
            None
        };
        Ok(Self {
            uri,
            address: Address {
                host: authority.host().trim_matches(['[', ']']).to_owned(),
                port: authority
                    .port_u16()
                    .unwrap_or(if is_tls { 443 } else { 80 }),
                tls,
            },
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| PlaceError::Url)?,
        })
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::new(self.address.clone(), 1)
    }

    /// `http://host:9093`: the scheme and the authority, no secret.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.address.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.authority.to_str().unwrap_or_default())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/***", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_secrets_stay_out_of_what_is_shown() {
        let place = Place::new("http://h:9093/am/", "/api/v2/alerts", None).unwrap();
        assert_eq!(place.uri.path(), "/am/api/v2/alerts");
        let hook = Place::new(
            "http://hooks.example:8080/services/T0/s3cret?token=s3cret",
            "",
            None,
        )
        .unwrap();
        assert_eq!(
            hook.uri.path_and_query().unwrap(),
            "/services/T0/s3cret?token=s3cret"
        );
        assert_eq!(format!("{hook:?}"), "http://hooks.example:8080/***");
        for wrong in ["", "/x", "ftp://h/s3cret", "http://u:s3cret@h/"] {
            let error = Place::new(wrong, "", None).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
