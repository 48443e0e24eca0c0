//! Values that may be written with `${NAME}` or `file:`, and how they are shown.
//!
//! The rule: what is shown is what the operator wrote, never what was put in for a reference.

use std::fmt;
use std::path::Path;

/// A string value after interpolation. `Debug` and `Display` show it as written, with `${NAME}`
/// unresolved, so that a token passed as an argument does not end up in a log.
#[derive(Clone)]
pub struct Text {
    value: String,
    /// As written; `None` when that is the value itself.
    written: Option<String>,
}

/// A value that is secret by its place: an environment variable of a child, a header.
/// `Debug` and `Display` print `***`.
#[derive(Clone)]
pub struct Secret {
    value: String,
    /// As written, with everything but its references masked.
    shown: String,
}

/// An `http` or `https` address with a host and without credentials. Shown as written.
#[derive(Clone)]
pub struct Endpoint {
    uri: http::Uri,
    written: Text,
}

/// An [`Endpoint`] that is a secret as a whole, as the addresses of webhooks are. Shown with
/// everything but its references masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUrl(Endpoint);

impl SecretUrl {
    /// - errors: what the text has to be.
    pub(crate) fn parse(secret: &Secret) -> Result<Self, &'static str> {
        Endpoint::parse(&Text::new(secret.value.clone(), &secret.shown)).map(Self)
    }

    /// The address, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &Endpoint {
        &self.0
    }
}

impl Text {
    pub(crate) fn new(value: String, written: &str) -> Self {
        let written = (value != written).then(|| written.to_owned());
        Self { value, written }
    }

    /// The value, to be used, not to be shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// The value as a path, to be used, not to be shown.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.value)
    }

    /// The value as written, with its references unresolved.
    #[must_use]
    pub fn written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.value)
    }

    /// Whether a reference was resolved to get the value.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.written.is_some()
    }
}

impl Secret {
    /// - `shown`: what may be seen of it.
    pub(crate) fn new(value: String, shown: String) -> Self {
        Self { value, shown }
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// For display: references as written (`${NAME}`, `file:PATH`), `***` for what stands in the
    /// configuration itself.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

pub(crate) const MASK: &str = "***";

impl Endpoint {
    /// An address that stands in the code; a test reads each of them.
    pub(crate) fn known(url: &'static str) -> Self {
        Self {
            uri: http::Uri::from_static(url),
            written: Text::from(url),
        }
    }

    /// Reads an absolute address.
    ///
    /// - errors: what the text has to be.
    pub(crate) fn parse(text: &Text) -> Result<Self, &'static str> {
        const ABSOLUTE: &str = "an absolute address such as `https://example.com/mcp`";
        let uri: http::Uri = text.as_str().parse().map_err(|_| ABSOLUTE)?;
        let authority = uri.authority().ok_or(ABSOLUTE)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_http || authority.host().is_empty() {
            return Err(ABSOLUTE);
        }
        if authority.as_str().contains('@') {
            return Err("an address without user and password; put them into `headers`");
        }
        if text.as_str().contains('#') {
            return Err("an address without `#fragment`");
        }
        Ok(Self {
            uri,
            written: text.clone(),
        })
    }

    /// The address as text, to be used, not to be shown: references are resolved.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.written.as_str()
    }

    /// The address, with scheme and host.
    #[must_use]
    pub fn uri(&self) -> &http::Uri {
        &self.uri
    }

    /// The host, without port; IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// The port, the scheme's own where none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.uri
            .port_u16()
            .unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.uri.scheme() == Some(&http::uri::Scheme::HTTPS)
    }
}

/// Two texts are equal when they mean the same, however they are written.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Text {}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Secret {}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.uri == other.uri
    }
}

impl Eq for Endpoint {}

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            written: None,
        }
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned(), MASK.to_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.written(), f)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}
