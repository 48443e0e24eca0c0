//! Texts with a grammar of their own, checked once when they are read.

use core::net::IpAddr;
use std::fmt;
use std::path::Path;

use http::HeaderName;
use ph_base::ServerName;
use serde_json::{Value as Json, json};

use crate::interpolate::is_variable_name;
use crate::mapping::Key;
use crate::node::Node;
use crate::reader::Reader;
use crate::text::Text;
use crate::value::{STRING, Value, not_as_expected};

/// Declares a text type with its grammar, as it stands in a list.
macro_rules! checked {
    ($(#[doc = $about:literal])+ $name:ident, $parse:path, $expected:literal) => {
        $(#[doc = $about])+
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            value: String,
            /// As written, when there is a reference in it: what it resolves to is not shown.
            reference: Option<String>,
        }

        impl $name {
            /// Reads the text; `None` when it is outside the grammar.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let reference = None;
                $parse(text).map(|value| Self { value, reference })
            }

            /// The checked text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.value
            }

            fn shown(&self) -> &str {
                self.reference.as_ref().unwrap_or(&self.value)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.shown())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.shown()).finish()
            }
        }

        impl Value for $name {
            type Limits = ();
            const ANY: () = ();

            fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
                let resolved = reader.resolved(node, STRING)?;
                let text = &resolved.text;
                let reference = text.is_reference().then(|| text.written().to_owned());
                Self::parse(text.as_str())
                    .map(|checked| Self { reference, ..checked })
                    .or_else(|| not_as_expected(node, &resolved, $expected, reader))
            }

            fn schema(_limits: &()) -> Json {
                json!({"type": "string", "minLength": 1})
            }

            fn show(&self) -> Json {
                self.shown().into()
            }
        }
    };
}

checked!(
    /// A host name or IP address, without port, in lower case; IPv6 in brackets.
    HostName,
    parse_host,
    "a host name or address without port, such as `mcp.example.com`"
);

checked!(
    /// An origin as browsers send it: scheme, host and port if any, in lower case.
    Origin,
    parse_origin,
    "an origin such as `https://app.example.com`, without path"
);

checked!(
    /// A part of a key, in lower case: a value is redacted when its key contains it.
    KeyPart,
    parse_key_part,
    "a part of a key, not empty"
);

checked!(
    /// The name of a label by which alerts are put together, or `...` for all labels.
    GroupLabel,
    parse_group_label,
    "a label name: letters, digits and `_`, not beginning with a digit; or `...` for all labels"
);

checked!(
    /// A scope of OAuth.
    ScopeName,
    parse_scope,
    "a scope: visible ASCII without quotes and backslashes"
);

checked!(
    /// An ecosystem of packages by its OSV name, without release: a folder of the mirror.
    EcosystemName,
    parse_ecosystem,
    "an ecosystem's OSV name without release, such as `npm`, `PyPI`, `crates.io` or `Debian`"
);

impl EcosystemName {
    /// What most servers are made of.
    pub(crate) fn usual() -> Vec<Self> {
        ["npm", "PyPI"]
            .into_iter()
            .filter_map(Self::parse)
            .collect()
    }
}

/// It becomes a file's name and a part of an address, so it begins with a letter and has no `/` nor `:`.
fn parse_ecosystem(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_');
    let fits = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && text.chars().all(is_part);
    fits.then(|| text.to_owned())
}

fn parse_scope(text: &str) -> Option<String> {
    let is_scope = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    ((1..=128).contains(&text.len()) && text.bytes().all(is_scope)).then(|| text.to_owned())
}

fn parse_group_label(text: &str) -> Option<String> {
    (text == "..." || is_variable_name(text) && text.len() <= 128).then(|| text.to_owned())
}

fn parse_host(text: &str) -> Option<String> {
    if let Ok(ip) = text
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
    {
        return Some(match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }
    let is_name = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let fits =
        (1..=253).contains(&text.len()) && text.contains(|c: char| c.is_ascii_alphanumeric());
    (is_name && fits).then(|| text.to_ascii_lowercase())
}

/// Any scheme: desktop clients send `vscode-webview://…` and the like.
fn parse_origin(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (is_scheme && is_port && parse_host(host).is_some()).then(|| text.to_ascii_lowercase())
}

fn parse_key_part(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_lowercase())
}

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key for EnvName {
    const MAPPING: &'static str = "a mapping of variables by name";
    const EXPECTED: &'static str = "the name of an environment variable: letters, digits and `_`";
    const PATTERN: &'static str = "[A-Za-z_][A-Za-z0-9_]*";

    fn parse(text: &str) -> Option<Self> {
        is_variable_name(text).then(|| Self(text.to_owned()))
    }

    fn refuse_value(value: &str) -> Option<&'static str> {
        value.contains('\0').then_some("a value without NUL")
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a header that a configuration may set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderKey(HeaderName);

impl HeaderKey {
    /// Whether Pilothouse sets this header itself.
    pub(crate) fn is_own(name: &str) -> bool {
        OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str())
    }

    /// The header's name.
    #[must_use]
    pub fn header_name(&self) -> &HeaderName {
        &self.0
    }
}

impl PartialOrd for HeaderKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HeaderKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl Key for HeaderKey {
    const MAPPING: &'static str = "a mapping of headers by name";
    const EXPECTED: &'static str = "the name of a header that is not Pilothouse's own to set";
    const PATTERN: &'static str = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";

    fn parse(text: &str) -> Option<Self> {
        let name = HeaderName::from_bytes(text.as_bytes()).ok()?;
        (!Self::is_own(text)).then_some(Self(name))
    }

    fn refuse_value(value: &str) -> Option<&'static str> {
        let fits = http::HeaderValue::from_str(value).is_ok();
        (!fits).then_some("a header value: one line of visible ASCII")
    }

    fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Headers that frame a message or belong to the protocol: setting them would break calls.
const OWN_HEADERS: [&str; 16] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl Key for ServerName {
    const MAPPING: &'static str = "a mapping of servers by name";
    const EXPECTED: &'static str = "a server name: 1 to 64 letters, digits, `.`, `_` or `-`";
    const PATTERN: &'static str = r"[A-Za-z0-9._-]{1,64}";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn as_str(&self) -> &str {
        self.as_str()
    }
}

/// A path of a file or directory. Shown as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(Text);

impl FilePath {
    /// The path, relative ones as seen from the working directory of Pilothouse.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        self.0.as_str().as_ref()
    }
}

impl From<&str> for FilePath {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for FilePath {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, STRING)?;
        let path = resolved.text.as_str();
        // Only a shell knows whose home `~` is; a directory called `~` is never meant.
        if path.is_empty() || path.contains('\0') || path == "~" || path.starts_with("~/") {
            return not_as_expected(
                node,
                &resolved,
                "a path; write `${HOME}/…` for the home directory",
                reader,
            );
        }
        Some(Self(resolved.text))
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": ["string", "number", "boolean"], "minLength": 1})
    }

    fn show(&self) -> Json {
        self.0.show()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let parsed = |text| HostName::parse(text).map(|host| host.to_string());
        assert_eq!(
            parsed("MCP.Example.com"),
            Some("mcp.example.com".to_owned())
        );
        assert_eq!(parsed("10.0.0.1"), Some("10.0.0.1".to_owned()));
        assert_eq!(parsed("::1"), Some("[::1]".to_owned()));
        assert_eq!(parsed("[::1]"), Some("[::1]".to_owned()));
        for bad in [
            "",
            ".",
            "*.example.com",
            "example.com:443",
            "https://example.com",
            "a b",
            "a/b",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn origins() {
        let parsed = |text| Origin::parse(text).map(|origin| origin.to_string());
        assert_eq!(
            parsed("https://App.Example.com"),
            Some("https://app.example.com".to_owned())
        );
        assert_eq!(
            parsed("http://[::1]:8080"),
            Some("http://[::1]:8080".to_owned())
        );
        assert_eq!(parsed("http://[::1]"), Some("http://[::1]".to_owned()));
        assert_eq!(
            parsed("vscode-webview://abc"),
            Some("vscode-webview://abc".to_owned())
        );
        for bad in [
            "",
            "example.com",
            "https://",
            "https://a/",
            "https://a:0",
            "https://a:x",
            "null",
            "://a",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
