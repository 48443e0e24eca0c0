//! TLS: rustls with one provider (ring). Towards upstreams with the system's roots or the operator's, towards clients
//! with a certificate from files.

mod identity;
mod validity;

pub use identity::{Identity, IdentityError, IdentityFiles, IdentityText};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of further roots cannot be read.
    #[error("`{}` holds no readable PEM certificates", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate cannot be used as a root.
    #[error("a certificate of `{}` cannot be used", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// No provider for the protocol versions.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// A client configuration that trusts the authorities in `ca_file`, or without one the system's.
///
/// # Errors
/// [`TlsError`] when `ca_file` is unusable.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return trusting(roots);
    };
    let at = || path.to_path_buf();
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|source| TlsError::Roots { path: at(), source })?;
    for certificate in certificates {
        let certificate = certificate.map_err(|source| TlsError::Roots { path: at(), source })?;
        roots
            .add(certificate)
            .map_err(|source| TlsError::Root { path: at(), source })?;
    }
    trusting(roots)
}

/// How many authorities of the system there are.
#[must_use]
pub fn system_roots() -> usize {
    rustls_native_certs::load_native_certs().certs.len()
}

fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
