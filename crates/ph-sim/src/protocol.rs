//! The messages of both eras, as far as a fake server needs them.

use ph_base::Revision;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// The tools every fake server lists. Some work over one transport only, and are an error (`-32602`)
/// over the other, as every tool not listed here is.
pub const TOOLS: &[&str] = &[
    "echo",
    "annotated",
    "fail",
    "error",
    "input_required",
    "slow",
    "hang",
    "big",
    "notify",
    "ask",
    "list_changed",
    "malformed",
    "wrong_id",
    "hang_body",
    "reset_early",
    "reset_late",
    "status",
    "html",
    "mislabelled",
    "sse",
    "cut",
    "stderr",
    "crash",
    "crash_partial",
    "close_stdout",
    "ignore_eof",
    "ignore_term",
    "spawn_grandchild",
    "allocate",
    "environment",
    "redefine",
    "touch",
    "subscribed",
    "log",
    "told",
];

/// The `_meta` key by which a request says that it is of the modern era.
pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Which eras a fake server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Eras {
    /// `initialize` only; `server/discover` is an unknown method.
    Legacy,
    /// `server/discover` only; `initialize` is an unknown method.
    Modern,
    /// Whatever the client opens with.
    #[default]
    Both,
}

impl Eras {
    /// Reads `legacy`, `modern` or `both`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "legacy" => Some(Self::Legacy),
            "modern" => Some(Self::Modern),
            "both" => Some(Self::Both),
            _ => None,
        }
    }
}

/// A request as a fake server sees it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) params: Value,
}

/// A message, told apart.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Request(Request),
    Notification {
        method: String,
        params: Value,
    },
    /// The answer to a request of ours: its id, and an object with its `result` or `error`.
    Answer {
        id: Value,
        body: Value,
    },
    /// No JSON-RPC.
    Garbage,
}

impl Message {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let Ok(Value::Object(mut message)) = serde_json::from_slice(bytes) else {
            return Self::Garbage;
        };
        message.remove("jsonrpc");
        let id = message.remove("id");
        let method = message.remove("method");
        let params = message.remove("params").unwrap_or_else(|| json!({}));
        match (id, method) {
            (Some(id), Some(Value::String(method))) => {
                Self::Request(Request { id, method, params })
            }
            (None, Some(Value::String(method))) => Self::Notification { method, params },
            (Some(id), None) => Self::Answer {
                id,
                body: Value::Object(message),
            },
            _ => Self::Garbage,
        }
    }
}

impl Request {
    pub(crate) fn is_modern(&self) -> bool {
        self.params["_meta"][META_VERSION].is_string()
    }

    /// The tool's name, when this is a tool call.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.params["name"]
            .as_str()
            .filter(|_| self.method == "tools/call")
    }

    pub(crate) fn argument(&self, name: &str) -> &Value {
        &self.params["arguments"][name]
    }

    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.argument(name).as_u64().unwrap_or(default)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.argument(name).as_str().unwrap_or("")
    }

    /// The answer with `result`, which the modern era marks as complete.
    pub(crate) fn ok(&self, mut result: Value) -> Value {
        if self.is_modern() && result["resultType"].is_null() {
            result["resultType"] = "complete".into();
        }
        json!({"jsonrpc": "2.0", "id": self.id, "result": result})
    }

    pub(crate) fn error(&self, code: i64, message: &str) -> Value {
        json!({"jsonrpc": "2.0", "id": self.id, "error": {"code": code, "message": message}})
    }

    /// A tool's result of one text.
    pub(crate) fn said(&self, text: &str) -> Value {
        self.ok(json!({"content": [{"type": "text", "text": text}], "isError": false}))
    }

    /// The progress notification number `n`, if the caller asked for progress.
    pub(crate) fn progress(&self, n: u64) -> Option<Value> {
        let token = &self.params["_meta"]["progressToken"];
        let params = json!({"progressToken": token, "progress": n});
        (!token.is_null()).then(|| notification("notifications/progress", &params))
    }

    /// The first message on a `subscriptions/listen` stream.
    pub(crate) fn acknowledged(&self) -> Value {
        self.subscribed("notifications/subscriptions/acknowledged")
    }

    /// A notification to this `subscriptions/listen` request.
    pub(crate) fn subscribed(&self, method: &str) -> Value {
        notification(method, &json!({"_meta": {META_SUBSCRIPTION: self.id}}))
    }

    /// The answer to `redefine {tools}`, by which later lists are these, and to such a list.
    pub(crate) fn redefined(&self, tools: &Mutex<Option<Value>>) -> Option<Value> {
        let mut tools = tools.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tool() == Some("redefine") {
            *tools = Some(self.argument("tools").clone());
            return Some(self.said("redefined"));
        }
        let tools = tools.clone().filter(|_| self.method == "tools/list")?;
        Some(self.ok(json!({"tools": tools, "ttlMs": 0, "cacheScope": "public"})))
    }

    /// The answer when it takes no more than the request to know it: every method but tool calls
    /// that do something, and `subscriptions/listen`.
    pub(crate) fn plain_answer(&self, eras: Eras) -> Option<Value> {
        let answer = match (self.method.as_str(), eras) {
            ("initialize", Eras::Legacy | Eras::Both) => self.initialized(),
            ("server/discover", Eras::Modern | Eras::Both) => self.discovered(),
            ("ping", Eras::Legacy | Eras::Both) => self.ok(json!({})),
            ("tools/list", _) => self.ok(json!({
                "tools": TOOLS
                    .iter()
                    .map(|name| json!({"name": name, "inputSchema": input_schema(name)}))
                    .collect::<Vec<_>>(),
                "ttlMs": 0,
                "cacheScope": "public",
            })),
            ("tools/call", _) => return self.plain_tool(),
            ("subscriptions/listen", Eras::Modern | Eras::Both) => return None,
            _ => self.error(-32601, "no such method"),
        };
        Some(answer)
    }

    /// `echo`, `annotated`, `fail`, `error`, `input_required`, `big` and `wrong_id` are the same everywhere.
    fn plain_tool(&self) -> Option<Value> {
        let answer = match self.tool()? {
            "echo" => self.said(self.text("text")),
            "annotated" => self.said(self.text("region")),
            "fail" => self.ok(json!({"content": [{"type": "text", "text": "it failed"}], "isError": true})),
            "error" => {
                let code = self.argument("code").as_i64().unwrap_or(-32603);
                self.error(code, "it was told to")
            }
            "input_required" => self.ok(json!({
                "resultType": "input_required",
                "inputRequests": {"name": {"method": "elicitation/create", "params": {"message": "name?"}}},
                "requestState": "state-1",
            })),
            "big" => self.said(&"x".repeat(usize::try_from(self.number("bytes", 100_000)).ok()?)),
            "wrong_id" => json!({"jsonrpc": "2.0", "id": "nobody asked", "result": {"content": []}}),
            _ => return None,
        };
        Some(answer)
    }

    fn initialized(&self) -> Value {
        let asked = self.params["protocolVersion"]
            .as_str()
            .and_then(Revision::parse);
        let version = asked.filter(|version| version.era() == ph_base::Era::Legacy);
        let version = version.unwrap_or(Revision::V2025_11_25);
        self.ok(json!({
            "protocolVersion": version.as_str(),
            "capabilities": {"tools": {"listChanged": true}},
            "serverInfo": {"name": "fake", "version": "1"},
        }))
    }

    fn discovered(&self) -> Value {
        self.ok(json!({
            "supportedVersions": [Revision::V2026_07_28.as_str()],
            "capabilities": {"tools": {"listChanged": true}},
            "serverInfo": {"name": "fake", "version": "1"},
            "ttlMs": 0,
            "cacheScope": "public",
        }))
    }
}

/// `annotated` wants its argument repeated in the header `Mcp-Param-Region`.
fn input_schema(tool: &str) -> Value {
    let mut schema = json!({"type": "object"});
    if tool == "annotated" {
        schema["properties"] = json!({"region": {"type": "string", "x-mcp-header": "Region"}});
    }
    schema
}

pub(crate) fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// A request of the server's own.
pub(crate) fn sampling_request(id: &str) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "method": "sampling/createMessage",
        "params": {"messages": [{"role": "user", "content": {"type": "text", "text": "say it"}}], "maxTokens": 8},
    })
}
