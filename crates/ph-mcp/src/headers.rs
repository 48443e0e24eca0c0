//! The headers of a modern request that repeat its body, and whether they agree.
//!
//! Source: 2026-07-28 `basic/transports/streamable-http`, SEP-2243.

use crate::envelope::{Envelope, Kind};
use crate::params::Field;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ph_base::Revision;
use std::borrow::Cow;

/// `MCP-Protocol-Version`.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// `Mcp-Method`.
pub const METHOD: &str = "mcp-method";
/// `Mcp-Name`.
pub const NAME: &str = "mcp-name";
/// `Mcp-Session-Id`.
pub const SESSION_ID: &str = "mcp-session-id";
/// `Last-Event-ID`.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Why a modern request is refused; all are HTTP 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModernFault {
    /// A required header is missing.
    #[error("header `{header}` is missing; it must repeat the body's value")]
    Missing {
        /// Its name.
        header: Cow<'static, str>,
    },
    /// A header cannot be decoded.
    #[error("header `{header}` cannot be decoded")]
    Undecodable {
        /// Its name.
        header: Cow<'static, str>,
    },
    /// A header says something else than the body.
    #[error("header `{header}` does not match the body")]
    Mismatch {
        /// Its name.
        header: Cow<'static, str>,
    },
    /// The revision is not one that is spoken here.
    #[error("unsupported protocol version")]
    Version {
        /// What was asked for; capped.
        requested: String,
    },
    /// A required member of `params._meta` is missing.
    #[error("`params._meta` lacks `{member}`")]
    Meta {
        /// The member.
        member: &'static str,
    },
}

impl ModernFault {
    /// The JSON-RPC error code.
    pub fn code(&self) -> i64 {
        match self {
            Self::Missing { .. } | Self::Undecodable { .. } | Self::Mismatch { .. } => -32020,
            Self::Version { .. } => -32022,
            Self::Meta { .. } => -32602,
        }
    }

    /// The `data` member of the error, as JSON text.
    pub fn data(&self) -> Option<String> {
        let Self::Version { requested } = self else {
            return None;
        };
        let mut out = format!(
            "{{\"supported\":[\"{}\"],\"requested\":",
            Revision::V2026_07_28.as_str()
        );
        crate::error::quote(requested, &mut out);
        out.push('}');
        Some(out)
    }
}

/// Checks a modern message against its headers, as a server that reads the body must.
///
/// - `header`: looks a header up by its lower-case name.
///
/// # Errors
/// [`ModernFault`]: the first disagreement.
pub fn check_modern<'h>(
    envelope: &Envelope<'_>,
    header: impl Fn(&str) -> Option<&'h str>,
) -> Result<(), ModernFault> {
    if envelope.kind == Kind::Request {
        check_meta(envelope)?;
    }
    let version = header(PROTOCOL_VERSION).map(str::trim);
    match (version, &envelope.meta_version) {
        (None, _) => {
            return Err(ModernFault::Missing {
                header: "MCP-Protocol-Version".into(),
            });
        }
        (Some(h), Some(b)) if h != b => {
            return Err(ModernFault::Mismatch {
                header: "MCP-Protocol-Version".into(),
            });
        }
        (Some(h), _) => supported(h)?,
    }
    matches_body(header(METHOD), Some(&envelope.method_text), "Mcp-Method")?;
    if envelope.target.is_some() && has_name(&envelope.method_text) {
        matches_body(header(NAME), envelope.target.as_deref(), "Mcp-Name")?;
    }
    Ok(())
}

/// Checks that what the head repeats of a message is what the body says, as far as it repeats anything: whoever
/// decides by the body must not be followed by one who goes by the head.
///
/// - `header`: looks a header up by its lower-case name.
///
/// # Errors
/// [`ModernFault`]: the first disagreement.
pub fn check_repeated<'h>(
    envelope: &Envelope<'_>,
    header: impl Fn(&str) -> Field<'h>,
) -> Result<(), ModernFault> {
    let target = envelope.target.as_deref();
    let repeated = [
        (METHOD, "Mcp-Method", true, Some(&*envelope.method_text)),
        (NAME, "Mcp-Name", has_name(&envelope.method_text), target),
    ];
    for (name, shown, is_repeated, body) in repeated {
        match header(name) {
            Field::Absent => {}
            Field::Text(value) if is_repeated => matches_body(Some(value), body, shown)?,
            Field::Text(_) => {}
            Field::Unclear => {
                let header = shown.into();
                return Err(ModernFault::Mismatch { header });
            }
        }
    }
    Ok(())
}

fn check_meta(envelope: &Envelope<'_>) -> Result<(), ModernFault> {
    if envelope.meta_version.is_none() {
        return Err(ModernFault::Meta {
            member: "io.modelcontextprotocol/protocolVersion",
        });
    }
    if !envelope.has_client_capabilities {
        return Err(ModernFault::Meta {
            member: "io.modelcontextprotocol/clientCapabilities",
        });
    }
    Ok(())
}

fn supported(version: &str) -> Result<(), ModernFault> {
    if version == Revision::V2026_07_28.as_str() {
        return Ok(());
    }
    Err(ModernFault::Version {
        requested: version.chars().take(64).collect(),
    })
}

/// Methods whose target is repeated in `Mcp-Name`.
fn has_name(method: &str) -> bool {
    matches!(
        method,
        "tools/call"
            | "prompts/get"
            | "resources/read"
            | "tasks/get"
            | "tasks/update"
            | "tasks/cancel"
    )
}

fn matches_body(
    header: Option<&str>,
    body: Option<&str>,
    name: &'static str,
) -> Result<(), ModernFault> {
    let Some(value) = header else {
        return Err(ModernFault::Missing {
            header: name.into(),
        });
    };
    let Some(value) = decode(value) else {
        return Err(ModernFault::Undecodable {
            header: name.into(),
        });
    };
    if Some(&*value) == body {
        Ok(())
    } else {
        Err(ModernFault::Mismatch {
            header: name.into(),
        })
    }
}

/// A header value as text: plain, or `=?base64?…?=`.
pub fn decode(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim_matches([' ', '\t']);
    match value
        .strip_prefix("=?base64?")
        .and_then(|v| v.strip_suffix("?="))
    {
        None => Some(Cow::Borrowed(value)),
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?)
            .ok()
            .map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn repeated(body: &str, headers: &[(&str, &str)], want: Result<(), i64>) {
        let envelope = Envelope::read(body).unwrap();
        let got = check_repeated(&envelope, |name| {
            let mut all = headers.iter().filter(|(n, _)| *n == name);
            match (all.next(), all.next()) {
                (None, _) => Field::Absent,
                (Some((_, value)), None) => Field::Text(value),
                _ => Field::Unclear,
            }
        });
        assert_eq!(got.map_err(|f| f.code()), want, "{body} {headers:?}");
    }

    #[test]
    fn what_the_head_repeats_is_what_the_body_says() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let nameless = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let differs = Err(-32020);
        repeated(call, &[], Ok(()));
        repeated(call, &[(NAME, "a"), (METHOD, "tools/call")], Ok(()));
        repeated(call, &[(NAME, "=?base64?YQ==?=")], Ok(()));
        repeated(call, &[(NAME, "b")], differs);
        repeated(call, &[(METHOD, "ping")], differs);
        repeated(call, &[(NAME, "a"), (NAME, "b")], differs);
        repeated(nameless, &[(NAME, "a")], differs);
        repeated(ping, &[(NAME, "a")], Ok(()));
    }

    const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"añb","_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

    #[track_caller]
    fn check(headers: &[(&str, &str)], want: Result<(), i64>) {
        let e = Envelope::read(BODY).unwrap();
        let got = check_modern(&e, |n| {
            headers.iter().find(|(k, _)| *k == n).map(|(_, v)| *v)
        });
        assert_eq!(got.map_err(|f| f.code()), want, "{headers:?}");
    }

    #[test]
    fn headers_must_repeat_the_body() {
        let version = (PROTOCOL_VERSION, "2026-07-28");
        let method = (METHOD, "tools/call");
        check(&[version, method, (NAME, "=?base64?YcOxYg==?=")], Ok(()));
        check(&[version, method, (NAME, " añb ")], Ok(()));
        check(&[version, method, (NAME, "=?base64?%%?=")], Err(-32020));
        check(&[version, method], Err(-32020));
        check(
            &[version, (METHOD, "tools/list"), (NAME, "añb")],
            Err(-32020),
        );
        check(&[method], Err(-32020));
        check(&[(PROTOCOL_VERSION, "2025-11-25"), method], Err(-32020));
    }

    #[test]
    fn an_unknown_version_names_the_known_ones() {
        let body = BODY.replace("2026-07-28", "2099-01-01");
        let e = Envelope::read(&body).unwrap();
        let fault =
            check_modern(&e, |n| (n == PROTOCOL_VERSION).then_some("2099-01-01")).unwrap_err();
        assert_eq!(fault.code(), -32022);
        assert_eq!(
            fault.data().unwrap(),
            r#"{"supported":["2026-07-28"],"requested":"2099-01-01"}"#
        );
    }

    #[test]
    fn missing_metadata_is_a_parameter_error() {
        let e = Envelope::read(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#)
            .unwrap();
        assert_eq!(
            check_modern(&e, |_| Some("2026-07-28")).unwrap_err().code(),
            -32602
        );
    }
}
