//! What a server said, read as it passes: incremental, lenient, bounded.
//!
//! Only telemetry and routing rest on this reader, so it never refuses: it looks
//! for the few members it knows at the places where they stand, skips strings
//! with `memchr`, and forgets everything else. A text that is no JSON simply
//! yields nothing. Any chunking of the same bytes yields the same messages.

use crate::envelope::Kind;
use crate::json::unquote;
use crate::message_id::MessageId;
use ph_base::Method;
use std::ops::Range;

/// A value as it stood in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Byte range in the text, quotes included.
    pub range: Range<usize>,
    /// The JSON text; empty when it was longer than [`CAPTURE_BYTES_MAX`].
    pub raw: String,
}

impl Captured {
    /// The text of a string, or the JSON text of anything else.
    pub fn text(&self) -> String {
        match self.raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')) {
            Some(inner) => unquote(inner).into_owned(),
            None => self.raw.clone(),
        }
    }
}

/// Longest value that is kept, in bytes.
pub const CAPTURE_BYTES_MAX: usize = 1024;
/// Most tool names that are kept of one answer.
pub const TOOLS_MAX: usize = 512;
/// Most messages of one batch that are kept.
pub const MESSAGES_MAX: usize = crate::envelope::BATCH_MAX;

/// One message of a server, as far as a proxy cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMessage {
    /// Its id.
    pub id: Option<Captured>,
    /// Its method.
    pub method: Option<String>,
    /// It has a `result`.
    pub has_result: bool,
    /// It has an `error`.
    pub has_error: bool,
    /// `result.isError` is true.
    pub is_error: bool,
    /// `result.resultType`.
    pub result_type: Option<String>,
    /// `result.task` is there (2025-11-25 tasks).
    pub has_task: bool,
    /// `result.protocolVersion` (of an initialize result).
    pub protocol_version: Option<String>,
    /// `error.code`.
    pub error_code: Option<i64>,
    /// `error.message`.
    pub error_message: Option<String>,
    /// `params.progressToken`.
    pub progress_token: Option<Captured>,
    /// `params.requestId` (of `notifications/cancelled`).
    pub cancelled_id: Option<Captured>,
    /// `_meta["io.modelcontextprotocol/subscriptionId"]` of params or result.
    pub subscription_id: Option<Captured>,
    /// `result.tools[].name`.
    pub tools: Vec<String>,
}

impl ServerMessage {
    /// What it is; `None` when it is no JSON-RPC message.
    pub fn kind(&self) -> Option<Kind> {
        match (&self.method, &self.id, self.has_result || self.has_error) {
            (Some(_), Some(_), _) => Some(Kind::Request),
            (Some(_), None, _) => Some(Kind::Notification),
            (None, _, true) => Some(Kind::Response),
            (None, _, false) => None,
        }
    }

    /// Its id in a form that can be compared.
    pub fn message_id(&self) -> Option<MessageId> {
        self.id
            .as_ref()
            .filter(|c| !c.raw.is_empty() && c.raw != "null")
            .map(|c| MessageId::canonical(&c.raw))
    }

    /// Its method as a label.
    pub fn method_label(&self) -> Method {
        self.method.as_deref().map_or(Method::Other, Method::parse)
    }
}

/// What the member named by a key means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Unknown,
    Id,
    Method,
    Result,
    Error,
    Params,
    Meta,
    IsError,
    ResultType,
    Task,
    ProtocolVersion,
    Tools,
    ToolName,
    Code,
    Message,
    ProgressToken,
    RequestId,
    SubscriptionId,
}

/// Where in a message an open container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Batch,
    Root,
    Result,
    Error,
    Params,
    Meta,
    Tools,
    Tool,
    Elsewhere,
}

impl Place {
    fn key(self, text: &[u8]) -> Key {
        match (self, text) {
            (Self::Root, b"id") => Key::Id,
            (Self::Root, b"method") => Key::Method,
            (Self::Root, b"result") => Key::Result,
            (Self::Root, b"error") => Key::Error,
            (Self::Root, b"params") => Key::Params,
            (Self::Result, b"isError") => Key::IsError,
            (Self::Result, b"resultType") => Key::ResultType,
            (Self::Result, b"task") => Key::Task,
            (Self::Result, b"protocolVersion") => Key::ProtocolVersion,
            (Self::Result, b"tools") => Key::Tools,
            (Self::Result | Self::Params, b"_meta") => Key::Meta,
            (Self::Params, b"progressToken") => Key::ProgressToken,
            (Self::Params, b"requestId") => Key::RequestId,
            (Self::Meta, b"io.modelcontextprotocol/subscriptionId") => Key::SubscriptionId,
            (Self::Error, b"code") => Key::Code,
            (Self::Error, b"message") => Key::Message,
            (Self::Tool, b"name") => Key::ToolName,
            _ => Key::Unknown,
        }
    }

    /// The place that a container opened here, as the value of `key`, is.
    fn inner(self, key: Key, is_object: bool) -> Self {
        match (self, key, is_object) {
            (Self::Batch, _, true) => Self::Root,
            (Self::Root, Key::Result, true) => Self::Result,
            (Self::Root, Key::Error, true) => Self::Error,
            (Self::Root, Key::Params, true) => Self::Params,
            (Self::Result | Self::Params, Key::Meta, true) => Self::Meta,
            (Self::Result, Key::Tools, false) => Self::Tools,
            (Self::Tools, _, true) => Self::Tool,
            _ => Self::Elsewhere,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    place: Place,
    is_object: bool,
    /// In an object: the next string is a key.
    at_key: bool,
    key: Key,
}

/// Containers deeper than this hold nothing we look for; they are only counted.
const TRACKED: usize = 6;
const KEY_BYTES_MAX: usize = 64;

/// The scanner. One per body, per SSE event, or per line.
#[derive(Debug)]
pub struct AnswerScan {
    at: usize,
    depth: usize,
    open: [Open; TRACKED],
    in_string: bool,
    escaped: bool,
    in_scalar: bool,
    is_key: bool,
    keeping: bool,
    kept: Vec<u8>,
    kept_from: usize,
    message: ServerMessage,
    messages: Vec<ServerMessage>,
}

impl Default for AnswerScan {
    fn default() -> Self {
        let none = Open {
            place: Place::Elsewhere,
            is_object: false,
            at_key: false,
            key: Key::Unknown,
        };
        Self {
            at: 0,
            depth: 0,
            open: [none; TRACKED],
            in_string: false,
            escaped: false,
            in_scalar: false,
            is_key: false,
            keeping: false,
            // Room for any key and most values.
            kept: Vec::with_capacity(KEY_BYTES_MAX),
            kept_from: 0,
            message: ServerMessage::default(),
            messages: Vec::new(),
        }
    }
}

impl AnswerScan {
    /// Reads a whole text at once.
    pub fn read(text: &[u8]) -> Vec<ServerMessage> {
        let mut scan = Self::default();
        scan.push(text);
        scan.finish()
    }

    /// The messages seen; a message that is not closed yet is not among them.
    pub fn finish(self) -> Vec<ServerMessage> {
        self.messages
    }

    /// Reads on. Cost: one pass, strings at the speed of `memchr`.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut i = 0;
        while i < chunk.len() {
            if self.in_string {
                i = self.string(chunk, i);
                continue;
            }
            let byte = chunk[i];
            match byte {
                b'"' => self.string_begins(self.at + i),
                b'{' | b'[' => self.container_begins(byte == b'{'),
                b'}' | b']' => {
                    self.scalar_ends(self.at + i);
                    self.container_ends();
                }
                b',' => {
                    self.scalar_ends(self.at + i);
                    if let Some(open) = self.top() {
                        open.at_key = open.is_object;
                        open.key = Key::Unknown;
                    }
                }
                b':' | b' ' | b'\n' | b'\r' | b'\t' => self.scalar_ends(self.at + i),
                _ => self.scalar_byte(byte, self.at + i),
            }
            i += 1;
        }
        self.at += chunk.len();
    }

    /// The innermost open container, if it is tracked.
    fn top(&mut self) -> Option<&mut Open> {
        let depth = self.depth;
        (1..=TRACKED)
            .contains(&depth)
            .then(|| &mut self.open[depth - 1])
    }

    fn string_begins(&mut self, at: usize) {
        self.in_string = true;
        let (is_key, wanted) = match self.top() {
            Some(open) if open.at_key => (true, open.place != Place::Elsewhere),
            Some(open) => (false, open.key != Key::Unknown),
            None => (false, false),
        };
        self.is_key = is_key;
        self.keep(wanted, at);
        if self.keeping && !is_key {
            self.kept.push(b'"');
        }
    }

    /// Continues a string at `i`; returns where to go on.
    fn string(&mut self, chunk: &[u8], i: usize) -> usize {
        if self.escaped {
            self.escaped = false;
            self.keep_bytes(&chunk[i..=i]);
            return i + 1;
        }
        let end = string_end(chunk, i);
        match chunk.get(end) {
            Some(_) => {
                self.keep_bytes(&chunk[i..end]);
                self.string_ends(self.at + end + 1);
                end + 1
            }
            None => {
                self.keep_bytes(&chunk[i..]);
                // A backslash as the very last byte escapes what the next chunk begins with.
                self.escaped = end > chunk.len();
                chunk.len()
            }
        }
    }

    fn string_ends(&mut self, end: usize) {
        self.in_string = false;
        if self.is_key {
            let kept = std::mem::take(&mut self.kept);
            let known = self.keeping && kept.len() <= KEY_BYTES_MAX;
            if let Some(open) = self.top() {
                open.at_key = false;
                open.key = match (known, std::str::from_utf8(&kept)) {
                    (true, Ok(text)) => open.place.key(unquote(text).as_bytes()),
                    _ => Key::Unknown,
                };
            }
            self.kept = kept;
            self.keeping = false;
        } else if self.keeping {
            self.keep_bytes(b"\"");
            self.value_ends(end);
        }
    }

    fn scalar_byte(&mut self, byte: u8, at: usize) {
        if !self.in_scalar {
            self.in_scalar = true;
            let wanted = self
                .top()
                .is_some_and(|open| open.key != Key::Unknown && !open.at_key);
            self.keep(wanted, at);
        }
        if self.keeping {
            self.keep_bytes(&[byte]);
        }
    }

    fn scalar_ends(&mut self, end: usize) {
        if self.in_scalar {
            self.in_scalar = false;
            if self.keeping {
                self.value_ends(end);
            }
        }
    }

    fn keep(&mut self, wanted: bool, at: usize) {
        self.keeping = wanted;
        self.kept.clear();
        self.kept_from = at;
    }

    fn keep_bytes(&mut self, bytes: &[u8]) {
        if self.keeping {
            let room = (CAPTURE_BYTES_MAX + 1).saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn container_begins(&mut self, is_object: bool) {
        let place = match (self.depth, self.top()) {
            (0, _) if is_object => Place::Root,
            (0, _) => Place::Batch,
            (_, Some(open)) => {
                let (outer, key) = (open.place, open.key);
                let m = &mut self.message;
                match (outer, key) {
                    (Place::Root, Key::Result) => m.has_result = true,
                    (Place::Root, Key::Error) => m.has_error = true,
                    (Place::Result, Key::Task) => m.has_task = is_object,
                    _ => {}
                }
                outer.inner(key, is_object)
            }
            (_, None) => Place::Elsewhere,
        };
        self.depth += 1;
        if let Some(open) = self.top() {
            *open = Open {
                place,
                is_object,
                at_key: is_object,
                key: Key::Unknown,
            };
        }
    }

    fn container_ends(&mut self) {
        let place = self.top().map(|open| open.place);
        self.depth = self.depth.saturating_sub(1);
        if let Some(open) = self.top() {
            open.key = Key::Unknown;
        }
        if place == Some(Place::Root) {
            let message = std::mem::take(&mut self.message);
            if self.messages.len() < MESSAGES_MAX {
                self.messages.push(message);
            }
        }
    }

    /// A wanted value is complete.
    fn value_ends(&mut self, end: usize) {
        self.keeping = false;
        let Some(&mut Open { key, .. }) = self.top() else {
            return;
        };
        let range = self.kept_from..end;
        let raw = if self.kept.len() > CAPTURE_BYTES_MAX {
            String::new()
        } else {
            String::from_utf8_lossy(&self.kept).into_owned()
        };
        let captured = Captured { range, raw };
        let m = &mut self.message;
        match key {
            Key::Id => m.id = Some(captured),
            Key::Method => m.method = Some(captured.text()),
            Key::Result => m.has_result = true,
            Key::Error => m.has_error = true,
            Key::IsError => m.is_error = captured.raw == "true",
            Key::ResultType => m.result_type = Some(captured.text()),
            Key::ProtocolVersion => m.protocol_version = Some(captured.text()),
            Key::Code => m.error_code = captured.raw.parse().ok(),
            Key::Message => m.error_message = Some(captured.text()),
            Key::ProgressToken => m.progress_token = Some(captured),
            Key::RequestId => m.cancelled_id = Some(captured),
            Key::SubscriptionId => m.subscription_id = Some(captured),
            Key::ToolName if m.tools.len() < TOOLS_MAX => m.tools.push(captured.text()),
            Key::ToolName | Key::Unknown | Key::Params | Key::Meta | Key::Task | Key::Tools => {}
        }
        if let Some(open) = self.top() {
            open.key = Key::Unknown;
        }
    }
}

/// Where the string that `chunk[from]` is within ends: the index of its closing
/// quote, `chunk.len()` when it goes on, one more when it goes on after a backslash.
///
/// Text that is full of escapes (JSON within JSON) has one every few bytes: a
/// short way is gone by hand before `memchr` is worth its start.
fn string_end(chunk: &[u8], from: usize) -> usize {
    const BY_HAND: usize = 16;
    let mut i = from;
    while i < chunk.len() {
        let near = &chunk[i..chunk.len().min(i + BY_HAND)];
        let found = near.iter().position(|b| matches!(b, b'"' | b'\\'));
        let step = match found {
            Some(step) => step,
            None => match memchr::memchr2(b'"', b'\\', &chunk[i + near.len()..]) {
                Some(step) => near.len() + step,
                None => return chunk.len(),
            },
        };
        i += step;
        if chunk[i] == b'"' {
            return i;
        }
        i += 2;
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> ServerMessage {
        let mut all = AnswerScan::read(text.as_bytes());
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0)
    }

    #[test]
    fn a_tool_result() {
        let text = r#"{"result":{"content":[{"type":"text","text":"\"isError\":true}","name":"x"}],"isError":false,
            "resultType":"complete","structuredContent":{"isError":true}},"jsonrpc":"2.0","id": 12 }"#;
        let m = one(text);
        assert_eq!(m.kind(), Some(Kind::Response));
        assert_eq!(m.message_id(), Some(MessageId::canonical("12")));
        assert_eq!(&text[m.id.clone().unwrap().range], "12");
        assert!(!m.is_error && m.has_result && !m.has_error);
        assert_eq!(m.result_type.as_deref(), Some("complete"));
    }

    #[test]
    fn a_tool_error_and_an_rpc_error() {
        assert!(one(r#"{"id":"a","result":{"isError":true}}"#).is_error);
        let m =
            one(r#"{"id":"a","error":{"code":-32601,"message":"no \u00e9","data":{"code":1}}}"#);
        assert_eq!(
            (m.error_code, m.error_message.as_deref()),
            (Some(-32601), Some("no é"))
        );
        assert!(m.has_error);
        assert!(one(r#"{"id":1,"result":null}"#).has_result);
    }

    #[test]
    fn requests_and_notifications_of_servers() {
        let m = one(
            r#"{"jsonrpc":"2.0","id":0,"method":"sampling/createMessage","params":{"_meta":{"progressToken":1}}}"#,
        );
        assert_eq!(
            (m.kind(), m.method_label()),
            (Some(Kind::Request), Method::SamplingCreateMessage)
        );
        assert_eq!(m.progress_token, None);
        let text = r#"{"method":"notifications/progress","params":{"progressToken":"t","progress":1,
            "_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}"#;
        let m = one(text);
        assert_eq!(m.kind(), Some(Kind::Notification));
        assert_eq!(&text[m.progress_token.unwrap().range], "\"t\"");
        assert_eq!(&text[m.subscription_id.unwrap().range], "\"s\"");
    }

    #[test]
    fn tools_are_named_and_nested_names_are_not() {
        let m = one(
            r#"{"id":1,"result":{"tools":[{"name":"a","inputSchema":{"name":"no"}},{"x":[{"name":"no"}],"name":"b"}]}}"#,
        );
        assert_eq!(m.tools, ["a", "b"]);
    }

    #[test]
    fn batches_and_garbage() {
        let all = AnswerScan::read(br#"[{"id":1,"result":{}},{"id":2,"result":{}}]"#);
        assert_eq!(all.len(), 2);
        assert!(AnswerScan::read(b"<html>nothing here</html>").is_empty());
        assert!(AnswerScan::read(b"]]]}}}{").is_empty());
        assert_eq!(one(r#"{"a":1}"#).kind(), None);
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(cuts in prop::collection::vec(0_usize..200, 0..6)) {
            let text = br#"{"jsonrpc":"2.0","id":"i\"d","result":{"tools":[{"name":"a\\"}],"isError": true ,"_meta":{"io.modelcontextprotocol/subscriptionId":3}}}"#;
            let mut scan = AnswerScan::default();
            let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.sort_unstable();
            let mut from = 0;
            for c in cuts { scan.push(&text[from..c]); from = c; }
            scan.push(&text[from..]);
            prop_assert_eq!(scan.finish(), AnswerScan::read(text));
        }

        #[test]
        fn never_panics_on_any_bytes(bytes: Vec<u8>) {
            let _ = AnswerScan::read(&bytes);
        }
    }
}
