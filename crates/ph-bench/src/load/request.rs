//! Requests as ready bytes, in which a call only stamps its number.

use super::Era;
use crate::mcp_server::{MODERN, RECORD};
use std::net::SocketAddr;

/// Digits of a request id.
const ID_DIGITS: usize = 10;
/// Where the number goes, in the id and at the start of an echo's text.
const BLANK: &str = "0000000000";
const LEGACY: &str = "2025-06-18";

/// The tool that is called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tool {
    Echo { bytes: usize },
    Blob { bytes: usize },
    Records { bytes: usize },
}

/// Everything that all clients of one run have in common.
pub(super) struct Plan {
    pub(super) address: SocketAddr,
    path: String,
    pub(super) era: Era,
    tool: Tool,
    /// Lines of further headers.
    more: String,
}

impl Plan {
    pub(super) fn new(address: SocketAddr, path: &str, era: Era, tool: Tool, more: String) -> Self {
        Self {
            address,
            path: path.to_owned(),
            era,
            tool,
            more,
        }
    }

    pub(super) fn initialize(&self) -> Vec<u8> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{BLANK_ID},"method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{{}},"clientInfo":{{"name":"ph-bench","version":"{}"}}}}}}"#,
            env!("CARGO_PKG_VERSION"),
            BLANK_ID = 0,
        );
        self.http("POST", "", &body)
    }

    pub(super) fn initialized(&self, session: Option<&str>) -> Vec<u8> {
        let headers = legacy_headers(session);
        self.http(
            "POST",
            &headers,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        )
    }

    pub(super) fn delete(&self, session: &str) -> Vec<u8> {
        self.http("DELETE", &legacy_headers(Some(session)), "")
    }

    pub(super) fn call(&self, session: Option<&str>) -> Call {
        let (name, arguments, expected) = match self.tool {
            Tool::Echo { bytes } => {
                let text = format!("{BLANK}{}", filler(bytes.saturating_sub(ID_DIGITS)));
                ("echo", format!(r#"{{"text":"{text}"}}"#), text.into_bytes())
            }
            Tool::Blob { bytes } => ("blob", format!(r#"{{"bytes":{bytes}}}"#), vec![b'x'; bytes]),
            Tool::Records { bytes } => (
                "records",
                format!(r#"{{"bytes":{bytes}}}"#),
                RECORD.repeat(bytes / RECORD.len()).into_bytes(),
            ),
        };
        let (headers, meta) = match self.era {
            Era::Legacy => (legacy_headers(session), String::new()),
            Era::Modern => (
                format!(
                    "MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n"
                ),
                format!(
                    r#","_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"ph-bench","version":"{}"}}}}"#,
                    env!("CARGO_PKG_VERSION")
                ),
            ),
        };
        let before_id = r#"{"jsonrpc":"2.0","id":"#;
        let before_text =
            format!(r#","method":"tools/call","params":{{"name":"{name}","arguments":"#);
        let body = format!("{before_id}{BLANK}{before_text}{arguments}{meta}}}}}");
        let bytes = self.http("POST", &headers, &body);
        let id_at = bytes.len() - body.len() + before_id.len();
        let text_at = id_at + ID_DIGITS + before_text.len() + r#"{"text":""#.len();
        Call {
            stamps_text: matches!(self.tool, Tool::Echo { .. }),
            era: self.era,
            bytes,
            id_at,
            text_at,
            expected,
        }
    }

    fn http(&self, method: &str, headers: &str, body: &str) -> Vec<u8> {
        format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: ph-bench\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{headers}{}Content-Length: {}\r\n\r\n{body}",
            self.path,
            self.address,
            self.more,
            body.len()
        )
        .into_bytes()
    }
}

fn legacy_headers(session: Option<&str>) -> String {
    let version = format!("MCP-Protocol-Version: {LEGACY}\r\n");
    match session {
        Some(session) => format!("{version}Mcp-Session-Id: {session}\r\n"),
        None => version,
    }
}

/// Letters and spaces, as a sentence would have them.
fn filler(bytes: usize) -> String {
    "the quick brown fox jumps over the lazy dog "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

/// One call, sent many times under changing numbers.
pub(super) struct Call {
    pub(super) bytes: Vec<u8>,
    /// The text that the answer must have, escaped as in JSON.
    pub(super) expected: Vec<u8>,
    pub(super) era: Era,
    id_at: usize,
    text_at: usize,
    stamps_text: bool,
}

impl Call {
    /// Writes `number` (of ten digits) into the id and the echoed text.
    pub(super) fn stamp(&mut self, number: u64) {
        let digits = digits(number);
        self.bytes[self.id_at..][..ID_DIGITS].copy_from_slice(&digits);
        if self.stamps_text {
            self.bytes[self.text_at..][..ID_DIGITS].copy_from_slice(&digits);
            self.expected[..ID_DIGITS].copy_from_slice(&digits);
        }
    }

    /// The id as it was stamped.
    pub(super) fn id(&self) -> &[u8] {
        &self.bytes[self.id_at..][..ID_DIGITS]
    }
}

fn digits(mut number: u64) -> [u8; ID_DIGITS] {
    let mut text = [b'0'; ID_DIGITS];
    for digit in text.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn body(call: &Call) -> Value {
        let text = std::str::from_utf8(&call.bytes).expect("requests are text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
        serde_json::from_str(body).expect("bodies are JSON")
    }

    #[test]
    fn a_stamped_call_is_a_whole_request() {
        let address = "127.0.0.1:1".parse().expect("an address");
        for era in [Era::Legacy, Era::Modern] {
            let plan = Plan::new(
                address,
                "/mcp",
                era,
                Tool::Echo { bytes: 100 },
                String::new(),
            );
            let mut call = plan.call(Some("s"));
            call.stamp(1_234_567_890);
            let body = body(&call);
            assert_eq!(body["id"], 1_234_567_890);
            let text = body["params"]["arguments"]["text"]
                .as_str()
                .expect("a text");
            assert_eq!((text.len(), text.as_bytes()), (100, &*call.expected));
            assert!(text.starts_with("1234567890the quick"));
            assert_eq!(body["params"].get("_meta").is_some(), era == Era::Modern);
        }
    }

    #[test]
    fn a_blob_call_stamps_only_its_id() {
        let address = "127.0.0.1:1".parse().expect("an address");
        let plan = Plan::new(
            address,
            "/mcp",
            Era::Legacy,
            Tool::Blob { bytes: 3 },
            String::new(),
        );
        let mut call = plan.call(None);
        call.stamp(1_000_000_007);
        assert_eq!(body(&call)["params"]["arguments"]["bytes"], 3);
        assert_eq!(
            (call.id(), &*call.expected),
            (&b"1000000007"[..], &b"xxx"[..])
        );
    }
}
