//! Where spans go, by the OpenTelemetry environment rules or by a configured endpoint.
//!
//! Source: opentelemetry.io, "OTLP exporter configuration" and "General SDK
//! configuration". An empty variable counts as not set.

use std::fmt;
use std::time::Duration;

use crate::signal::Signal;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Uri};

/// How an export is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One POST per batch, protobuf body. The default.
    HttpProtobuf,
    /// One unary call per batch on HTTP/2.
    Grpc,
}

impl Protocol {
    /// The name in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }

    /// Reads such a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::HttpProtobuf, Self::Grpc]
            .into_iter()
            .find(|it| it.as_label() == text)
    }
}

/// Everything needed to reach a collector. `Debug` does not show header values:
/// they hold credentials.
#[derive(Clone)]
pub struct Settings {
    pub(crate) protocol: Protocol,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) certificate_file: Option<String>,
    pub(crate) service_name: Option<String>,
    pub(crate) resource: Vec<(String, String)>,
}

/// The address of one export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) authority: Authority,
    /// Host without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query of the POST.
    pub(crate) path: String,
}

/// What is wrong with the settings; each names the setting.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The endpoint is no `http://` or `https://` URL with a host.
    #[error("`{setting}` is `{value}`: expected a URL like `http://127.0.0.1:4318`")]
    Endpoint {
        /// Variable or key.
        setting: String,
        /// What it held.
        value: String,
    },
    /// The protocol is not one we speak.
    #[error("`{setting}` is `{value}`: expected `http/protobuf` or `grpc`")]
    Protocol {
        /// Variable or key.
        setting: String,
        /// What it held.
        value: String,
    },
    /// A `key=value` list could not be read. The value is not shown: it may be a secret.
    #[error(
        "entry {entry} of `{setting}` is not `key=value`, percent-encoded, with a valid header name"
    )]
    List {
        /// Variable or key.
        setting: String,
        /// Which entry, from 1.
        entry: usize,
    },
    /// The timeout is no whole number of milliseconds.
    #[error("`{setting}` is `{value}`: expected milliseconds, at least 1")]
    Timeout {
        /// Variable or key.
        setting: String,
        /// What it held.
        value: String,
    },
}

/// The bound of one export attempt when nothing else is said.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

impl Settings {
    /// An endpoint from a configuration file. With `http/protobuf`, `/v1/traces`
    /// is appended to its path.
    ///
    /// - errors: [`SettingsError::Endpoint`], with `setting` as the name in it.
    pub fn at(setting: &str, endpoint: &str, protocol: Protocol) -> Result<Self, SettingsError> {
        Ok(Self::with_target(
            protocol,
            Target::from_base(setting, endpoint, protocol)?,
        ))
    }

    /// Reads the `OTEL_*` variables.
    ///
    /// - `lookup`: the value of a variable; the binary passes the environment.
    /// - returns: `None` when no endpoint is set or traces are switched off
    ///   (`OTEL_SDK_DISABLED=true`, `OTEL_TRACES_EXPORTER` without `otlp`).
    ///   There is no default endpoint: nothing is sent that nobody asked for.
    /// - a `_TRACES_` variable wins over the general one.
    pub fn from_env(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let env = Env(&lookup);
        let exporters = env.get("OTEL_TRACES_EXPORTER");
        let off = exporters
            .is_some_and(|(_, list)| !list.split(',').any(|name| name.trim() == "otlp"))
            || env
                .get("OTEL_SDK_DISABLED")
                .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"));
        if off {
            return Ok(None);
        }
        let protocol = match env.signal("PROTOCOL") {
            None => Protocol::HttpProtobuf,
            Some((setting, value)) => {
                Protocol::parse(&value).ok_or(SettingsError::Protocol { setting, value })?
            }
        };
        let exact = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT");
        let target = match (exact, base) {
            (Some((setting, url)), _) => Target::exact(&setting, &url, protocol)?,
            (None, Some((setting, url))) => Target::from_base(&setting, &url, protocol)?,
            (None, None) => return Ok(None),
        };
        let mut settings = Self::with_target(protocol, target);
        if let Some((setting, list)) = env.signal("HEADERS") {
            settings.headers = headers(&setting, &list)?;
        }
        if let Some((setting, value)) = env.signal("TIMEOUT") {
            let ms = value.parse().ok().filter(|ms| *ms > 0);
            settings.timeout =
                Duration::from_millis(ms.ok_or(SettingsError::Timeout { setting, value })?);
        }
        settings.certificate_file = env.signal("CERTIFICATE").map(|(_, path)| path);
        if let Some((setting, list)) = env.get("OTEL_RESOURCE_ATTRIBUTES") {
            settings.resource = pairs(&setting, &list)?;
        }
        let from_resource = settings
            .resource
            .iter()
            .find(|(key, _)| key == "service.name");
        settings.service_name = env
            .get("OTEL_SERVICE_NAME")
            .map(|(_, name)| name)
            .or_else(|| from_resource.map(|(_, name)| name.clone()));
        Ok(Some(settings))
    }

    /// The same with another bound of one export attempt.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same with this `service.name`.
    #[must_use]
    pub fn with_service_name(mut self, name: &str) -> Self {
        self.service_name = Some(name.to_owned());
        self
    }

    /// The same with one more header of every export; its value is never shown.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// The same collector, for another signal. Settings are for traces unless this says otherwise.
    #[must_use]
    pub fn for_signal(mut self, signal: Signal) -> Self {
        self.target.path = match self.protocol {
            Protocol::Grpc => signal.grpc_path().to_owned(),
            Protocol::HttpProtobuf => {
                let (path, query) = match self.target.path.split_once('?') {
                    Some((path, query)) => (path, format!("?{query}")),
                    None => (self.target.path.as_str(), String::new()),
                };
                let base = path
                    .strip_suffix(Signal::Traces.http_path())
                    .unwrap_or(path);
                format!("{base}{}{query}", signal.http_path())
            }
        };
        self
    }

    /// The same with authorities to trust, as the path of a PEM file, instead of the system's.
    #[must_use]
    pub fn with_certificate_file(mut self, path: &str) -> Self {
        self.certificate_file = Some(path.to_owned());
        self
    }

    /// The base address, as other processes are given it in `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn base(&self) -> String {
        let url = self.url();
        let path = match self.protocol {
            Protocol::HttpProtobuf => Signal::Traces.http_path(),
            Protocol::Grpc => Signal::Traces.grpc_path(),
        };
        url.strip_suffix(path).unwrap_or(&url).to_owned()
    }

    /// How exports are carried.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The address of an export, for a message to the operator.
    pub fn url(&self) -> String {
        let Target {
            tls,
            authority,
            path,
            ..
        } = &self.target;
        format!(
            "{}://{authority}{path}",
            if *tls { "https" } else { "http" }
        )
    }

    fn with_target(protocol: Protocol, target: Target) -> Self {
        Self {
            protocol,
            target,
            headers: HeaderMap::new(),
            timeout: TIMEOUT_DEFAULT,
            certificate_file: None,
            service_name: None,
            resource: Vec::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("protocol", &self.protocol)
            .field("url", &self.url())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

struct Env<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Env<'_> {
    /// `(name, value)` of a variable that is set and not empty.
    fn get(&self, name: &str) -> Option<(String, String)> {
        let value = (self.0)(name)?.trim().to_owned();
        (!value.is_empty()).then(|| (name.to_owned(), value))
    }

    fn signal(&self, suffix: &str) -> Option<(String, String)> {
        self.get(&format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}"))
            .or_else(|| self.get(&format!("OTEL_EXPORTER_OTLP_{suffix}")))
    }
}

impl Target {
    fn from_base(setting: &str, endpoint: &str, protocol: Protocol) -> Result<Self, SettingsError> {
        let mut target = Self::exact(setting, endpoint, protocol)?;
        if protocol == Protocol::HttpProtobuf {
            let (path, query) = target
                .path
                .split_once('?')
                .map_or((target.path.as_str(), None), |(p, q)| (p, Some(q)));
            let path = format!(
                "{}{}",
                path.trim_end_matches('/'),
                Signal::Traces.http_path()
            );
            target.path = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        }
        Ok(target)
    }

    fn exact(setting: &str, endpoint: &str, protocol: Protocol) -> Result<Self, SettingsError> {
        let wrong = || SettingsError::Endpoint {
            setting: setting.to_owned(),
            value: endpoint.to_owned(),
        };
        let uri: Uri = endpoint.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().cloned().ok_or_else(wrong)?;
        // A password in a URL would end up in messages; credentials belong into the headers.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let port_default = match (protocol, tls) {
            (_, true) => 443,
            (Protocol::HttpProtobuf, false) => 80,
            (Protocol::Grpc, false) => 4317,
        };
        let path = match protocol {
            Protocol::Grpc => Signal::Traces.grpc_path(),
            Protocol::HttpProtobuf => uri.path_and_query().map_or("/", |path| path.as_str()),
        };
        Ok(Self {
            tls,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port_default),
            path: path.to_owned(),
            authority,
        })
    }
}

fn headers(setting: &str, list: &str) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    for (at, (key, value)) in pairs(setting, list)?.into_iter().enumerate() {
        let wrong = || SettingsError::List {
            setting: setting.to_owned(),
            entry: at + 1,
        };
        let name = HeaderName::from_bytes(key.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// `a=b,c=d` in the form of W3C baggage: values are percent-decoded.
fn pairs(setting: &str, list: &str) -> Result<Vec<(String, String)>, SettingsError> {
    let entries = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .enumerate()
        .map(|(at, entry)| {
            let wrong = || SettingsError::List {
                setting: setting.to_owned(),
                entry: at + 1,
            };
            let (key, value) = entry.split_once('=').ok_or_else(wrong)?;
            let (key, value) = (key.trim(), percent_decode(value.trim()).ok_or_else(wrong)?);
            if key.is_empty() {
                Err(wrong())
            } else {
                Ok((key.to_owned(), value))
            }
        })
        .collect()
}

/// `None` when the result is not UTF-8; a `%` without two hex digits stays as it is.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    let digit = |at: usize| bytes.get(at).and_then(|c| char::from(*c).to_digit(16));
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests;
