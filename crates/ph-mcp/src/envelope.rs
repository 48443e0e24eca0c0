//! What a client sent: the envelope, read once and strictly; params stay raw bytes.

use crate::json::{Cursor, Fault, Value, ValueKind, unquote};
use crate::message_id::MessageId;
use ph_base::{Era, Method};
use std::borrow::Cow;
use std::ops::Range;

/// Request, notification or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has `method` and `id`.
    Request,
    /// Has `method` and no `id`.
    Notification,
    /// Has `id` and `result` or `error`.
    Response,
}

/// One message of a client. All ranges are byte ranges of the text it was read from.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where the id stands, quotes included.
    pub id: Option<Range<usize>>,
    /// The method as a label.
    pub method: Method,
    /// The method as sent.
    pub method_text: Cow<'a, str>,
    /// Where `params` stands, brackets included.
    pub params: Option<Range<usize>>,
    /// Where `params._meta` stands, brackets included.
    pub meta: Option<Range<usize>>,
    /// `params.name`, `.uri` or `.taskId`, whichever the method is about.
    pub target: Option<Cow<'a, str>>,
    /// Where the value of `params._meta.traceparent` stands, quotes included.
    pub traceparent: Option<Range<usize>>,
    /// Where the value of `params._meta.tracestate` stands, quotes included.
    pub tracestate: Option<Range<usize>>,
    /// Where the value of `params._meta.progressToken` stands.
    pub progress_token: Option<Range<usize>>,
    /// Where `params.requestId` stands (of `notifications/cancelled`).
    pub cancelled_id: Option<Range<usize>>,
    /// Where `params.arguments` stands.
    pub arguments: Option<Range<usize>>,
    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`.
    pub meta_version: Option<Cow<'a, str>>,
    /// Where `clientInfo` stands: in `params` of initialize, else in `params._meta`.
    pub client_info: Option<Range<usize>>,
    /// `params._meta` has an object of client capabilities.
    pub has_client_capabilities: bool,
    /// `params._meta["io.modelcontextprotocol/logLevel"]` is there.
    pub has_log_level: bool,
    /// `params.protocolVersion` of `initialize`.
    pub initialize_version: Option<Cow<'a, str>>,
}

/// Why a body is not one JSON-RPC message; every variant is HTTP 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not UTF-8 text.
    #[error("the body is not UTF-8 (byte {at})")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Not JSON.
    #[error("the body is not JSON: {what} at byte {at}")]
    NotJson {
        /// Offset of the fault.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// JSON, but no JSON-RPC message.
    #[error("the body is not a JSON-RPC message: {0}")]
    NotRpc(&'static str),
    /// A key that decides what the message means stands there twice.
    #[error("`{0}` stands in the message twice")]
    Duplicate(&'static str),
    /// A batch with more messages than are read.
    #[error("a batch may hold at most {BATCH_MAX} messages")]
    BatchTooLong,
}

/// Most messages in a batch.
pub const BATCH_MAX: usize = 64;

impl EnvelopeError {
    /// The JSON-RPC error code: -32700 when it is not JSON, -32600 otherwise.
    pub fn code(&self) -> i64 {
        match self {
            Self::NotUtf8 { .. } | Self::NotJson { .. } => -32700,
            Self::NotRpc(_) | Self::Duplicate(_) | Self::BatchTooLong => -32600,
        }
    }
}

impl From<Fault> for EnvelopeError {
    fn from(f: Fault) -> Self {
        Self::NotJson {
            at: f.at,
            what: f.what,
        }
    }
}

/// A body: one message, or a batch (2025-03-26 only).
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// One message.
    One(Box<Envelope<'a>>),
    /// A batch: each message with its place in the body.
    Batch(Vec<(Range<usize>, Envelope<'a>)>),
}

/// Reads a whole body.
///
/// # Errors
/// [`EnvelopeError`], when it is not one message or a batch of messages.
pub fn read_body(bytes: &[u8]) -> Result<Body<'_>, EnvelopeError> {
    let text = utf8(bytes)?;
    let mut cursor = Cursor::new(text);
    if cursor.peek() != Some(b'[') {
        return Ok(Body::One(Box::new(Envelope::read(text)?)));
    }
    let mut ranges = Vec::new();
    cursor.array(|v| {
        ranges.push(v);
        Ok(())
    })?;
    cursor.end()?;
    if ranges.is_empty() {
        return Err(EnvelopeError::NotRpc("a batch must not be empty"));
    }
    if ranges.len() > BATCH_MAX {
        return Err(EnvelopeError::BatchTooLong);
    }
    let messages = ranges
        .into_iter()
        .map(|v| Ok((v.range.clone(), Envelope::at(text, &v)?)));
    messages
        .collect::<Result<_, EnvelopeError>>()
        .map(Body::Batch)
}

fn utf8(bytes: &[u8]) -> Result<&str, EnvelopeError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map_or(Ok(bytes), |_| {
        Err(EnvelopeError::NotJson {
            at: 0,
            what: "a byte order mark",
        })
    })?;
    std::str::from_utf8(bytes).map_err(|e| EnvelopeError::NotUtf8 {
        at: e.valid_up_to(),
    })
}

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
const CLIENT_INFO_KEY: &str = "io.modelcontextprotocol/clientInfo";

impl<'a> Envelope<'a> {
    /// Reads `text` as exactly one message.
    ///
    /// # Errors
    /// [`EnvelopeError`], never `BatchTooLong`.
    pub fn read(text: &'a str) -> Result<Self, EnvelopeError> {
        let mut cursor = Cursor::new(text);
        if cursor.peek() != Some(b'{') {
            cursor.value()?;
            cursor.end()?;
            return Err(EnvelopeError::NotRpc("an object is expected"));
        }
        let root = Root::read(&mut cursor);
        // What is not JSON at all is that first.
        if !matches!(root, Err(EnvelopeError::NotJson { .. })) {
            cursor.end()?;
        }
        Self::of(text, &root?)
    }

    /// Reads the element `value` of a batch.
    fn at(text: &'a str, value: &Value) -> Result<Self, EnvelopeError> {
        if value.kind != ValueKind::Object {
            return Err(EnvelopeError::NotRpc("an object is expected"));
        }
        Self::of(text, &Root::read(&mut Cursor::within(text, &value.range))?)
    }

    fn of(text: &'a str, root: &Root) -> Result<Self, EnvelopeError> {
        let mut envelope = root.classify(text)?;
        if let Some(params) = root.params.as_ref().filter(|p| p.kind == ValueKind::Object) {
            envelope.read_params(text, params)?;
        }
        Ok(envelope)
    }

    fn read_params(&mut self, text: &'a str, params: &Value) -> Result<(), EnvelopeError> {
        let (mut target, mut meta, mut cancelled, mut arguments, mut info, mut version) =
            (None, None, None, None, None, None);
        let mut twice = None;
        let wanted = target_key(&self.method_text);
        let (is_cancel, is_init) = (
            self.method_text == "notifications/cancelled",
            self.method == Method::Initialize,
        );
        Cursor::within(text, &params.range).object(|key, v| {
            let slot = match &*key {
                "_meta" => &mut meta,
                "arguments" => &mut arguments,
                "requestId" if is_cancel => &mut cancelled,
                "clientInfo" if is_init => &mut info,
                "protocolVersion" if is_init => &mut version,
                k if Some(k) == wanted => &mut target,
                _ => return Ok(()),
            };
            keep(slot, v, &key, &mut twice);
            Ok(())
        })?;
        if let Some(key) = twice {
            return Err(EnvelopeError::Duplicate(key));
        }
        self.target = target.and_then(|v| text_of(text, &v));
        self.cancelled_id = cancelled.map(|v| v.range);
        self.arguments = arguments.map(|v| v.range);
        self.initialize_version = version.and_then(|v| text_of(text, &v));
        self.client_info = info
            .filter(|v| v.kind == ValueKind::Object)
            .map(|v| v.range);
        if let Some(meta) = meta.filter(|m| m.kind == ValueKind::Object) {
            self.read_meta(text, &meta)?;
        }
        Ok(())
    }

    fn read_meta(&mut self, text: &'a str, meta: &Value) -> Result<(), EnvelopeError> {
        let (mut parent, mut state, mut token, mut version, mut capabilities, mut info, mut level) =
            (None, None, None, None, None, None, None);
        let mut twice = None;
        Cursor::within(text, &meta.range).object(|key, v| {
            let slot = match &*key {
                "traceparent" => &mut parent,
                "tracestate" => &mut state,
                "progressToken" => &mut token,
                VERSION_KEY => &mut version,
                CAPABILITIES_KEY => &mut capabilities,
                CLIENT_INFO_KEY => &mut info,
                LOG_LEVEL_KEY => &mut level,
                _ => return Ok(()),
            };
            keep(slot, v, &key, &mut twice);
            Ok(())
        })?;
        if let Some(key) = twice {
            return Err(EnvelopeError::Duplicate(key));
        }
        let string = |v: Option<Value>| v.filter(|v| v.kind == ValueKind::String).map(|v| v.range);
        self.meta = Some(meta.range.clone());
        self.traceparent = string(parent);
        self.tracestate = string(state);
        self.progress_token = token.map(|v| v.range);
        self.has_log_level = level.is_some();
        self.meta_version = version.and_then(|v| text_of(text, &v));
        self.has_client_capabilities = capabilities.is_some_and(|v| v.kind == ValueKind::Object);
        if let Some(info) = info.filter(|v| v.kind == ValueKind::Object) {
            self.client_info = Some(info.range);
        }
        Ok(())
    }

    /// The era this message speaks, from its body alone; `None` when the body does not say.
    ///
    /// Only modern messages carry a version in `_meta`, be it one that nobody knows.
    pub fn era(&self) -> Option<Era> {
        match (&self.meta_version, self.method) {
            (Some(_), _) => Some(Era::Modern),
            (_, Method::Initialize) => Some(Era::Legacy),
            _ => None,
        }
    }

    /// The id, in a form that can be compared.
    pub fn message_id(&self, text: &str) -> Option<MessageId> {
        self.id.clone().map(|r| MessageId::canonical(&text[r]))
    }

    /// `clientInfo` as `name/version`, if it is there.
    pub fn client(&self, text: &str) -> Option<String> {
        let range = self.client_info.clone()?;
        let (mut name, mut version) = (None, None);
        let visit = Cursor::within(text, &range).object(|key, v| {
            match &*key {
                "name" => name = text_of(text, &v),
                "version" => version = text_of(text, &v),
                _ => {}
            }
            Ok(())
        });
        visit.ok()?;
        Some(match (name?, version) {
            (n, Some(v)) => format!("{n}/{v}"),
            (n, None) => n.into_owned(),
        })
    }
}

/// Which member of `params` names what a method is about.
fn target_key(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some("uri"),
        "tasks/get" | "tasks/result" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// Fills `slot`, or notes in `twice` which key came again.
fn keep(slot: &mut Option<Value>, value: Value, key: &str, twice: &mut Option<&'static str>) {
    if slot.replace(value).is_some() {
        const KEYS: [&str; 17] = [
            "jsonrpc",
            "id",
            "method",
            "params",
            "result",
            "error",
            "name",
            "uri",
            "taskId",
            "_meta",
            "arguments",
            "traceparent",
            "tracestate",
            "progressToken",
            VERSION_KEY,
            CAPABILITIES_KEY,
            CLIENT_INFO_KEY,
        ];
        *twice = Some(KEYS.into_iter().find(|k| *k == key).unwrap_or("a key"));
    }
}

fn text_of<'a>(text: &'a str, value: &Value) -> Option<Cow<'a, str>> {
    (value.kind == ValueKind::String)
        .then(|| unquote(&text[value.range.start + 1..value.range.end - 1]))
}

#[derive(Default)]
struct Root {
    jsonrpc: Option<Value>,
    id: Option<Value>,
    method: Option<Value>,
    params: Option<Value>,
    result: Option<Value>,
    error: Option<Value>,
}

impl Root {
    /// The members that say what a message is; each at most once.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, EnvelopeError> {
        let mut root = Self::default();
        let mut twice = None;
        cursor.object(|key, v| {
            let slot = match &*key {
                "jsonrpc" => &mut root.jsonrpc,
                "id" => &mut root.id,
                "method" => &mut root.method,
                "params" => &mut root.params,
                "result" => &mut root.result,
                "error" => &mut root.error,
                _ => return Ok(()),
            };
            keep(slot, v, &key, &mut twice);
            Ok(())
        })?;
        twice.map_or(Ok(root), |key| Err(EnvelopeError::Duplicate(key)))
    }

    fn classify<'a>(&self, text: &'a str) -> Result<Envelope<'a>, EnvelopeError> {
        let not = |what| Err(EnvelopeError::NotRpc(what));
        match &self.jsonrpc {
            Some(v) if &text[v.range.clone()] == "\"2.0\"" => {}
            _ => return not("`jsonrpc` must be \"2.0\""),
        }
        if let Some(id) = &self.id {
            // A response to a message that could not be read has a null id.
            let null_answer = id.kind == ValueKind::Null && self.error.is_some();
            if !matches!(id.kind, ValueKind::String | ValueKind::Number) && !null_answer {
                return not("`id` must be a string or a number");
            }
        }
        let kind = match (
            &self.method,
            &self.id,
            self.result.is_some() || self.error.is_some(),
        ) {
            (Some(_), _, true) => return not("`method` and an answer exclude each other"),
            (Some(_), Some(_), false) => Kind::Request,
            (Some(_), None, false) => Kind::Notification,
            (None, Some(_), true) => Kind::Response,
            (None, None, true) => Kind::Response,
            (None, _, false) => return not("`method`, `result` or `error` is missing"),
        };
        let method_text = match &self.method {
            Some(v) => match text_of(text, v) {
                Some(t) => t,
                None => return not("`method` must be a string"),
            },
            None => Cow::Borrowed(""),
        };
        if let Some(p) = &self.params
            && !matches!(p.kind, ValueKind::Object | ValueKind::Array)
        {
            return not("`params` must be an object");
        }
        Ok(Envelope {
            kind,
            id: self.id.as_ref().map(|v| v.range.clone()),
            method: Method::parse(&method_text),
            method_text,
            params: self.params.as_ref().map(|v| v.range.clone()),
            meta: None,
            target: None,
            traceparent: None,
            tracestate: None,
            progress_token: None,
            cancelled_id: None,
            arguments: None,
            meta_version: None,
            client_info: None,
            has_client_capabilities: false,
            has_log_level: false,
            initialize_version: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modern_tool_call() {
        let text = r#"{"jsonrpc":"2.0","id":"a\/1","method":"tools\/call","params":{"name":"search","arguments":{"x":[1,{"name":"no"}]},
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},
            "io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"progressToken":7,"traceparent":"00-x"}}}"#;
        let e = Envelope::read(text).unwrap();
        assert_eq!(
            (e.kind, e.method, e.era()),
            (Kind::Request, Method::ToolsCall, Some(Era::Modern))
        );
        assert_eq!(e.target.as_deref(), Some("search"));
        assert_eq!(&text[e.progress_token.clone().unwrap()], "7");
        assert_eq!(&text[e.traceparent.clone().unwrap()], "\"00-x\"");
        assert_eq!(e.client(text).as_deref(), Some("c/1"));
        assert_eq!(e.message_id(text), Some(MessageId::canonical("\"a/1\"")));
        assert!(e.has_client_capabilities);
    }

    #[track_caller]
    fn refused(text: &str, want: &EnvelopeError) {
        assert_eq!(Envelope::read(text).unwrap_err(), *want, "input {text}");
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        refused(
            r#"{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}"#,
            &EnvelopeError::Duplicate("method"),
        );
        refused(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            &EnvelopeError::Duplicate("name"),
        );
        refused(
            r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#,
            &EnvelopeError::NotRpc("`id` must be a string or a number"),
        );
        refused(
            r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            &EnvelopeError::NotRpc("`jsonrpc` must be \"2.0\""),
        );
        refused(r#"[]"#, &EnvelopeError::NotRpc("an object is expected"));
        assert!(matches!(
            Envelope::read("{"),
            Err(EnvelopeError::NotJson { .. })
        ));
        assert!(matches!(
            read_body(b"\xef\xbb\xbf{}"),
            Err(EnvelopeError::NotJson { at: 0, .. })
        ));
        assert!(matches!(read_body(b"[]"), Err(EnvelopeError::NotRpc(_))));
    }

    #[test]
    fn kinds() {
        let kind = |t| Envelope::read(t).unwrap().kind;
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            Kind::Notification
        );
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            Kind::Response
        );
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#),
            Kind::Response
        );
    }

    #[test]
    fn a_batch_keeps_the_places_of_its_messages() {
        let text =
            r#" [{"jsonrpc":"2.0","id":1,"method":"ping"} , {"jsonrpc":"2.0","method":"n"}]"#;
        let Body::Batch(messages) = read_body(text.as_bytes()).unwrap() else {
            panic!("a batch")
        };
        assert_eq!(messages.len(), 2);
        assert_eq!(
            &text[messages[1].0.clone()],
            r#"{"jsonrpc":"2.0","method":"n"}"#
        );
        assert_eq!(&text[messages[0].1.id.clone().unwrap()], "1");
    }
}
