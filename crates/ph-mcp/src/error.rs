//! JSON-RPC errors that Pilothouse itself answers with, and what a server's code means over HTTP.

use std::fmt::Write;

/// Codes of our own. They lie outside -32768..-32000, which belongs to JSON-RPC and MCP.
pub mod code {
    /// The server could not be reached, or died with the call in flight.
    pub const UNAVAILABLE: i64 = 50_200;
    /// Too much at once.
    pub const OVERLOAD: i64 = 50_300;
    /// A deadline passed.
    pub const TIMEOUT: i64 = 50_400;
    /// A limit on calls.
    pub const LIMITED: i64 = 42_900;
    /// It is not shown who asks.
    pub const UNAUTHENTICATED: i64 = 40_100;
    /// Who asks may not have this.
    pub const FORBIDDEN: i64 = 40_300;
    /// A tool that is no longer what an operator approved.
    pub const TOOL_CHANGED: i64 = 40_301;
    /// Refused for what the HTTP request was (host, origin, size, media type, path).
    pub const REFUSED: i64 = 40_000;
    /// Standard: not JSON.
    pub const PARSE: i64 = -32700;
    /// Standard: not JSON-RPC.
    pub const INVALID_REQUEST: i64 = -32600;
    /// MCP 2026-07-28: a header says something else than the body.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// MCP 2026-07-28: unknown revision.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// What SDKs answer for an unknown session.
    pub const SESSION_NOT_FOUND: i64 = -32001;
    /// What SDKs answer for a bad legacy request; carries no modern meaning.
    pub const BAD_REQUEST: i64 = -32000;
}

/// A JSON-RPC error response.
///
/// - `id`: JSON text of the request's id; `None` writes `null`.
/// - `data`: JSON text, put in as it is.
pub fn body(id: Option<&str>, code: i64, message: &str, data: Option<&str>) -> String {
    let mut out = String::with_capacity(96 + message.len());
    out.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
    out.push_str(id.unwrap_or("null"));
    // Writing to a string cannot fail.
    let _ = write!(out, ",\"error\":{{\"code\":{code},\"message\":");
    quote(message, &mut out);
    if let Some(data) = data {
        out.push_str(",\"data\":");
        out.push_str(data);
    }
    out.push_str("}}");
    out
}

/// Appends `text` as a JSON string.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// HTTP status with which a modern Streamable HTTP server sends a JSON-RPC error.
///
/// - source: 2026-07-28 `basic/transports/streamable-http` (404 for an unknown
///   method, 400 for header, capability, version and parameter errors).
pub fn modern_http_status(code: i64) -> u16 {
    match code {
        -32601 => 404,
        -32700 | -32600 | -32602 | -32022..=-32020 => 400,
        _ => 200,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json() {
        let text = body(
            Some("\"a\""),
            code::TIMEOUT,
            "line\n\"quoted\" \u{1}",
            Some("{\"limit\":1}"),
        );
        let v: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(v["id"], "a");
        assert_eq!(v["error"]["message"], "line\n\"quoted\" \u{1}");
        assert_eq!(v["error"]["data"]["limit"], 1);
    }

    #[test]
    fn own_codes_are_outside_the_reserved_range() {
        for c in [
            code::UNAVAILABLE,
            code::OVERLOAD,
            code::TIMEOUT,
            code::REFUSED,
            code::LIMITED,
            code::FORBIDDEN,
            code::TOOL_CHANGED,
            code::UNAUTHENTICATED,
        ] {
            assert!(!(-32768..=-32000).contains(&c));
        }
    }
}
