//! The certificate that a listener shows: read from files, checked, and when it ends.

use super::validity;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file of certificates, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where the certificate of a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate and what leads from it to an authority, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Authorities one of which has to have signed the client's certificate, PEM; `None`: no certificate is asked for.
    pub client_ca: Option<PathBuf>,
}

/// What is in these files.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityText {
    files: IdentityFiles,
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl fmt::Debug for IdentityText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdentityText").field(&self.files).finish()
    }
}

/// What a listener shows.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For [`crate::listener::Door::set_tls`].
    pub config: Arc<ServerConfig>,
    /// When the certificate ends, in Unix seconds.
    pub expires_unix_s: i64,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is too large to be one of certificates.
    #[error("`{}` is larger than 1 MiB: that is no file of certificates", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There is no certificate in it, or none that can be used.
    #[error("`{}` has no certificate in PEM (`-----BEGIN CERTIFICATE-----`) that can be used", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is no key in it.
    #[error("`{}` has no private key in PEM (`-----BEGIN PRIVATE KEY-----`) that can be used", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Two that do not belong together.
    #[error("the key in `{}` is not that of the certificate in `{}`", key.display(), cert.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        cert: PathBuf,
    },
    /// TLS cannot be set up with it.
    #[error("TLS cannot be set up with `{}`", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl IdentityFiles {
    /// Reads them.
    ///
    /// # Errors
    /// [`IdentityError::Unreadable`], [`IdentityError::TooLarge`].
    pub fn read(&self) -> Result<IdentityText, IdentityError> {
        Ok(IdentityText {
            cert: read(&self.cert)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_deref().map(read).transpose()?,
            files: self.clone(),
        })
    }
}

impl IdentityText {
    /// Checks that it can be shown: that there is a certificate, and that the key is its own.
    ///
    /// # Errors
    /// [`IdentityError`], which names the file.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        let files = &self.files;
        let chain = certificates(&files.cert, &self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| IdentityError::NoKey {
            path: files.key.clone(),
        })?;
        let expires_unix_s = chain.first().and_then(|own| validity::not_after(own));
        let expires_unix_s = expires_unix_s.ok_or_else(|| IdentityError::NoCertificate {
            path: files.cert.clone(),
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pair = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => IdentityError::Mismatch {
                key: files.key.clone(),
                cert: files.cert.clone(),
            },
            rustls::Error::InvalidCertificate(_) => IdentityError::NoCertificate {
                path: files.cert.clone(),
            },
            _ => IdentityError::NoKey {
                path: files.key.clone(),
            },
        })?;
        let unusable = |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| {
            IdentityError::Unusable {
                path: path.to_owned(),
                source,
            }
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|source| unusable(&files.cert, source.into()))?;
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(text)) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path, text)? {
                    let added = roots.add(root);
                    added.map_err(|source| unusable(path, source.into()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier = verifier.map_err(|source| unusable(path, source.into()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let pair = rustls::sign::SingleCertAndKey::from(pair);
        let mut config = builder.with_cert_resolver(Arc::new(pair));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Identity {
            config: Arc::new(config),
            expires_unix_s,
        })
    }
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let all = all.ok().filter(|all| !all.is_empty());
    all.ok_or_else(|| IdentityError::NoCertificate {
        path: path.to_owned(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text));
    let length = read.map_err(|source| IdentityError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(IdentityError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn text(cert: &str, key: &str, client_ca: Option<&str>) -> IdentityText {
        IdentityText {
            files: IdentityFiles {
                cert: "c.pem".into(),
                key: "k.pem".into(),
                client_ca: client_ca.map(|_| "ca.pem".into()),
            },
            cert: cert.into(),
            key: key.into(),
            client_ca: client_ca.map(Into::into),
        }
    }

    #[track_caller]
    fn refused(text: &IdentityText) -> String {
        text.identity().unwrap_err().to_string()
    }

    #[test]
    fn a_pair_is_taken_and_says_when_it_ends() {
        let (cert, key) = pair();
        let identity = text(&cert, &key, None).identity().unwrap();
        // What rcgen writes when it is not told otherwise: 4096-01-01.
        assert_eq!(identity.expires_unix_s, 67_090_118_400);
        assert!(text(&cert, &key, Some(&cert)).identity().is_ok());
    }

    #[test]
    fn what_is_no_pair_is_refused_by_the_name_of_its_file() {
        let ((cert, key), (other, _)) = (pair(), pair());
        assert_eq!(
            refused(&text(&other, &key, None)),
            "the key in `k.pem` is not that of the certificate in `c.pem`"
        );
        assert!(refused(&text("", &key, None)).starts_with("`c.pem` has no certificate"));
        assert!(refused(&text(&cert, &cert, None)).starts_with("`k.pem` has no private key"));
        assert!(refused(&text(&cert, &key, Some(""))).starts_with("`ca.pem` has no certificate"));
        let half = &cert[..cert.len() / 2];
        assert!(refused(&text(half, &key, None)).starts_with("`c.pem` has no certificate"));
    }
}
