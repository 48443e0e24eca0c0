//! An MCP server of three tools, as a function from one message to its answer.
//!
//! - `echo {text}` answers the same text;
//! - `blob {bytes}` answers a text of that many bytes, all of them `x`;
//! - `records {bytes}` answers JSON lines in a text, of at most that many bytes as
//!   it is escaped: what tools that list things answer, and dearer to read.
//!
//! Both eras: a message whose `_meta` names its protocol version is answered
//! statelessly, with `resultType`; all others as a session server would.

use crate::json;
use std::ops::RangeInclusive;

/// One line of `records`, as it stands in JSON.
pub(crate) const RECORD: &str = r#"{\"path\": \"src/relay/session.rs\", \"line\": 128}\n"#;
/// Lengths that the tools `blob` and `records` serve, bytes.
const BLOB_BYTES: RangeInclusive<usize> = 0..=16 * 1024 * 1024;
/// Newest revision with sessions, answered to an unknown one.
const LEGACY_LATEST: &str = "2025-11-25";
const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY_LATEST];
/// The stateless revision.
pub(crate) const MODERN: &str = "2026-07-28";
const VERSION_KEY: &[u8] = b"io.modelcontextprotocol/protocolVersion";

/// Which eras the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Eras {
    /// Sessions only: `server/discover` is an unknown method.
    Legacy,
    /// Stateless only: `initialize` is an unknown method.
    Modern,
    /// Both at once.
    Both,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A response was appended, to be sent with this HTTP status.
    Response(u16),
    /// A response to `initialize` was appended: a session begins.
    Opened,
    /// The message wants no response, and none was appended.
    Taken,
}

/// The outline of a message.
pub(crate) struct Message<'a> {
    id: Option<&'a [u8]>,
    method: &'a [u8],
    params: &'a [u8],
    /// Its `_meta` names a protocol version.
    pub(crate) modern: bool,
}

impl<'a> Message<'a> {
    /// Reads the outline; `None` if `text` is not one JSON-RPC message.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut message = Self {
            id: None,
            method: b"",
            params: b"{}",
            modern: false,
        };
        for entry in json::members(text) {
            match entry.ok()? {
                (b"id", value) => message.id = Some(value),
                (b"method", value) => message.method = json::unquoted(value)?,
                (b"params", value) => message.params = value,
                _ => {}
            }
        }
        let meta = json::member(message.params, "_meta");
        message.modern = meta.is_some_and(|meta| {
            let mut names = json::members(meta).map_while(Result::ok);
            names.any(|(name, _)| name == VERSION_KEY)
        });
        Some(message)
    }

    /// Whether a `Mcp-Method` header repeats this message's method.
    pub(crate) fn is_named(&self, header: Option<&[u8]>) -> bool {
        header == Some(self.method)
    }

    pub(crate) fn opens_session(&self) -> bool {
        self.method == b"initialize"
    }

    /// Appends the response to `out`, without a line end.
    pub(crate) fn answer(&self, eras: Eras, out: &mut Vec<u8>) -> Answer {
        let Some(id) = self.id else {
            return Answer::Taken;
        };
        match (self.method, self.modern, eras) {
            (b"tools/call", ..) => self.call(id, out),
            (b"initialize", false, Eras::Legacy | Eras::Both) => {
                self.initialize(id, out);
                Answer::Opened
            }
            (b"ping", false, Eras::Legacy | Eras::Both) => result(id, out, b"{}"),
            (b"tools/list", modern, _) => result(id, out, tools(modern).as_bytes()),
            (b"server/discover", _, Eras::Modern | Eras::Both) => {
                result(id, out, discovery(eras).as_bytes())
            }
            _ => self.refuse(id, -32601, "method not found", out),
        }
    }

    fn call(&self, id: &[u8], out: &mut Vec<u8>) -> Answer {
        let name = json::member(self.params, "name").and_then(json::unquoted);
        let arguments = json::member(self.params, "arguments").unwrap_or(b"{}");
        match name {
            Some(b"echo") => match json::member(arguments, "text").and_then(json::unquoted) {
                Some(text) => self.text(id, text.len(), out, |out| out.extend_from_slice(text)),
                None => self.refuse(id, -32602, "`text` is not a string", out),
            },
            Some(b"blob") => match blob_bytes(arguments) {
                Some(n) => self.text(id, n, out, |out| out.resize(out.len() + n, b'x')),
                None => self.refuse(id, -32602, "`bytes` is not a length", out),
            },
            Some(b"records") => match blob_bytes(arguments) {
                Some(n) => self.text(id, n, out, |out| {
                    repeat(RECORD.as_bytes(), n / RECORD.len(), out);
                }),
                None => self.refuse(id, -32602, "`bytes` is not a length", out),
            },
            _ => self.refuse(id, -32602, "unknown tool", out),
        }
    }

    fn text(
        &self,
        id: &[u8],
        bytes: usize,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Answer {
        out.reserve(bytes + id.len() + 160);
        open(id, out);
        out.extend_from_slice(if self.modern {
            br#""result":{"resultType":"complete","content":[{"type":"text","text":""#
        } else {
            br#""result":{"content":[{"type":"text","text":""#
        });
        write(out);
        out.extend_from_slice(br#""}]}}"#);
        Answer::Response(200)
    }

    fn initialize(&self, id: &[u8], out: &mut Vec<u8>) {
        let asked = json::member(self.params, "protocolVersion").and_then(json::unquoted);
        let known = LEGACY.iter().find(|v| Some(v.as_bytes()) == asked);
        let version = known.unwrap_or(&LEGACY_LATEST);
        let body = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"ph-bench","version":"{}"}}}}"#,
            env!("CARGO_PKG_VERSION")
        );
        result(id, out, body.as_bytes());
    }

    fn refuse(&self, id: &[u8], code: i32, reason: &str, out: &mut Vec<u8>) -> Answer {
        error(id, code, reason, out);
        match (self.modern, code) {
            (true, -32601) => Answer::Response(404),
            (true, _) => Answer::Response(400),
            (false, _) => Answer::Response(200),
        }
    }
}

/// Appends a JSON-RPC error; `id` is raw JSON.
pub(crate) fn error(id: &[u8], code: i32, reason: &str, out: &mut Vec<u8>) {
    open(id, out);
    out.extend_from_slice(
        format!(r#""error":{{"code":{code},"message":"{reason}"}}}}"#).as_bytes(),
    );
}

fn open(id: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    out.push(b',');
}

fn result(id: &[u8], out: &mut Vec<u8>, body: &[u8]) -> Answer {
    open(id, out);
    out.extend_from_slice(br#""result":"#);
    out.extend_from_slice(body);
    out.push(b'}');
    Answer::Response(200)
}

/// Appends `pattern` `times` times, by doubling what is already there.
fn repeat(pattern: &[u8], times: usize, out: &mut Vec<u8>) {
    let (start, bytes) = (out.len(), pattern.len() * times);
    if times > 0 {
        out.extend_from_slice(pattern);
    }
    while out.len() - start < bytes {
        let more = (out.len() - start).min(start + bytes - out.len());
        out.extend_from_within(start..start + more);
    }
}

fn blob_bytes(arguments: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(json::member(arguments, "bytes")?).ok()?;
    digits.parse().ok().filter(|n| BLOB_BYTES.contains(n))
}

/// What a stateless result has before its own members.
const CACHEABLE: &str = r#""resultType":"complete","ttlMs":60000,"cacheScope":"public","#;

fn tools(modern: bool) -> String {
    let cache = if modern { CACHEABLE } else { "" };
    format!(
        r#"{{{cache}"tools":[{{"name":"echo","description":"Answers its text.","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string"}}}},"required":["text"]}}}},{{"name":"blob","description":"Answers a text of the given length.","inputSchema":{{"type":"object","properties":{{"bytes":{{"type":"integer"}}}},"required":["bytes"]}}}},{{"name":"records","description":"Answers JSON lines of about the given length.","inputSchema":{{"type":"object","properties":{{"bytes":{{"type":"integer"}}}},"required":["bytes"]}}}}]}}"#
    )
}

fn discovery(eras: Eras) -> String {
    let legacy = match eras {
        Eras::Both => r#","2025-11-25","2025-06-18","2025-03-26""#,
        Eras::Legacy | Eras::Modern => "",
    };
    format!(
        r#"{{{CACHEABLE}"supportedVersions":["{MODERN}"{legacy}],"capabilities":{{"tools":{{}}}},"_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"ph-bench","version":"{}"}}}}}}"#,
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn ask(eras: Eras, message: &Value) -> (Answer, Value) {
        let text = message.to_string();
        let mut out = Vec::new();
        let answer = Message::parse(text.as_bytes())
            .expect("a message")
            .answer(eras, &mut out);
        let value = if out.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&out).expect("answers are JSON")
        };
        (answer, value)
    }

    fn call(id: &Value, name: &str, arguments: &Value, modern: bool) -> Value {
        let mut message = json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":{"name":name,"arguments":arguments}});
        if modern {
            message["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": MODERN});
        }
        message
    }

    #[test]
    fn echo_keeps_text_and_id() {
        let text = "a \"quoted\" line\n and \u{1f600}";
        for id in [json!(7), json!("seven"), json!(9_007_199_254_740_993_u64)] {
            let (answer, value) = ask(
                Eras::Both,
                &call(&id, "echo", &json!({"text": text}), false),
            );
            assert_eq!(answer, Answer::Response(200));
            assert_eq!(value["id"], id);
            assert_eq!(value["result"]["content"][0]["text"], text);
            assert!(value["result"].get("resultType").is_none());
        }
    }

    #[test]
    fn stateless_results_say_that_they_are_complete() {
        let (answer, value) = ask(
            Eras::Both,
            &call(&json!(1), "blob", &json!({"bytes": 5}), true),
        );
        assert_eq!(answer, Answer::Response(200));
        assert_eq!(value["result"]["resultType"], "complete");
        assert_eq!(value["result"]["content"][0]["text"], "xxxxx");
    }

    #[test]
    fn each_era_can_be_missing() {
        let discover = json!({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}});
        let initialize = json!({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}});
        assert_eq!(ask(Eras::Legacy, &discover).1["error"]["code"], -32601);
        assert_eq!(ask(Eras::Modern, &initialize).1["error"]["code"], -32601);
        let (opened, value) = ask(Eras::Both, &initialize);
        assert_eq!(opened, Answer::Opened);
        assert_eq!(value["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(
            ask(Eras::Both, &discover).1["result"]["supportedVersions"][0],
            MODERN
        );
    }

    #[test]
    fn bad_calls_are_errors_and_notifications_have_no_answer() {
        let huge = call(&json!(1), "blob", &json!({"bytes": 1_u64 << 40}), false);
        assert_eq!(ask(Eras::Both, &huge).1["error"]["code"], -32602);
        let unknown = call(&json!(1), "other", &json!({}), true);
        assert_eq!(ask(Eras::Both, &unknown).0, Answer::Response(400));
        let note = json!({"jsonrpc":"2.0","method":"notifications/initialized"});
        assert_eq!(ask(Eras::Both, &note), (Answer::Taken, Value::Null));
        assert!(Message::parse(b"[1]").is_none());
    }
}
