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

    /// What a key written as `text` means here.
    fn key_of(self, text: &[u8]) -> Key {
        if self == Self::Elsewhere || text.len() > KEY_BYTES_MAX {
            return Key::Unknown;
        }
        if !text.contains(&b'\\') {
            return self.key(text);
        }
        let text = std::str::from_utf8(text);
        text.map_or(Key::Unknown, |t| self.key(unquote(t).as_bytes()))
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
                b'"' => {
                    let end = string_end(chunk, i + 1);
                    if end < chunk.len() {
                        self.whole_string(&chunk[i + 1..end], self.at + i);
                        i = end;
                    } else {
                        self.string_begins(self.at + i);
                    }
                }
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

    /// A string that does not go beyond its chunk, as nearly all do: the text between its quotes,
    /// the first of which stands at `at`.
    fn whole_string(&mut self, text: &[u8], at: usize) {
        self.keeping = false;
        let Some(open) = self.top() else { return };
        if open.at_key {
            open.at_key = false;
            open.key = open.place.key_of(text);
        } else if open.key != Key::Unknown {
            let range = at..at + text.len() + 2;
            let mut raw = String::new();
            if range.len() <= CAPTURE_BYTES_MAX {
                raw.reserve(range.len());
                raw.push('"');
                raw.push_str(&String::from_utf8_lossy(text));
                raw.push('"');
            }
            self.captured(Captured { range, raw });
        }
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
            if let Some(open) = self.top() {
                open.at_key = false;
                open.key = open.place.key_of(&kept);
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
        let range = self.kept_from..end;
        let raw = if self.kept.len() > CAPTURE_BYTES_MAX {
            String::new()
        } else {
            String::from_utf8_lossy(&self.kept).into_owned()
        };
        self.captured(Captured { range, raw });
    }

    fn captured(&mut self, captured: Captured) {
        let Some(&mut Open { key, .. }) = self.top() else {
            return;
        };
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
mod tests;
