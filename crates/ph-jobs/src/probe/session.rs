//! A client of one server, as small as it can be: one call at a time. A server that knows no sessions is told all with
//! each request.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ph_vuln::probe::Tool;
use ph_wire::child::{self, Child, SpawnError};
use ph_wire::lines::Frame;
use ph_wire::reaper::Reaper;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::Instance;
use super::http::Http;

/// The revision that is asked for; every server of the session era knows it.
const REVISION: &str = "2025-06-18";
/// The revision without sessions.
const MODERN: &str = "2026-07-28";
/// A server may take so long to start: `npx` may have to unpack it.
const START: Duration = Duration::from_secs(60);
const LIST: Duration = Duration::from_secs(20);
const GRACE: Duration = Duration::from_millis(300);
/// So many pages of tools are read, so many tools kept.
const PAGES_MAX: usize = 20;
const TOOLS_MAX: usize = 256;
/// So much of an answer is looked at.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const MARKS_MAX: usize = 1_000;
const POLLUTED: &str = "pilothouse-probe polluted ";

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The program cannot be started.
    #[error("the test instance cannot be started: {0}")]
    Spawn(#[from] SpawnError),
    /// It ended before it answered.
    #[error("the test instance ended before it answered `{method}`{}", said(.stderr))]
    Ended {
        /// What it was asked.
        method: &'static str,
        /// The last of its standard error.
        stderr: String,
    },
    /// It did not answer in time.
    #[error("the test instance did not answer `{method}` within {seconds} s")]
    Late {
        /// What it was asked.
        method: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// It answered with an error.
    #[error("the test instance answered `{method}` with an error: {message}")]
    Refused {
        /// What it was asked.
        method: &'static str,
        /// Its message.
        message: String,
    },
    /// The address is none.
    #[error("`{0}` is no address of an HTTP server")]
    Url(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The tester's own files or address cannot be made.
    #[error("the tester's own files cannot be made: {0}")]
    Files(#[source] io::Error),
}

fn said(stderr: &str) -> String {
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    last.map(|line| format!("; it said last: {line}"))
        .unwrap_or_default()
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answer {
    Result { text: String, is_error: bool },
    Late,
    Ended,
}

/// One running instance.
pub(super) struct Session {
    way: Way,
    is_modern: bool,
    next_id: u64,
    marks: Arc<Mutex<BTreeSet<String>>>,
}

enum Way {
    Child(Box<Child>),
    Http(Box<Http>),
}

impl Session {
    pub(super) async fn start(instance: &Instance) -> Result<Self, Trouble> {
        let marks = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = Arc::clone(&marks);
        let on_stderr = Arc::new(move |line: &str| {
            if let Some(mark) = line.trim().strip_prefix(POLLUTED) {
                let mut marks = noted.lock().unwrap_or_else(PoisonError::into_inner);
                if marks.len() < MARKS_MAX {
                    marks.insert(mark.to_owned());
                }
            }
        });
        let way = match instance {
            Instance::Command(spec) => {
                let child = child::spawn(spec, &Reaper::none(), on_stderr)?;
                Way::Child(Box::new(child))
            }
            Instance::Address(endpoint) => Way::Http(Box::new(Http::to(endpoint)?)),
        };
        let mut session = Self {
            way,
            is_modern: false,
            next_id: 1,
            marks,
        };
        let params = json!({
            "protocolVersion": REVISION,
            "capabilities": {},
            "clientInfo": { "name": "pilothouse-vuln-test", "version": env!("CARGO_PKG_VERSION") },
        });
        match session.ask("initialize", params, START).await {
            Ok(_) => {}
            Err(refused @ Trouble::Refused { .. }) => return session.without(refused).await,
            Err(trouble) => return Err(trouble),
        }
        session.agree(REVISION);
        session
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        Ok(session)
    }

    /// One that refuses a session may be one that knows none.
    async fn without(mut self, refused: Trouble) -> Result<Self, Trouble> {
        self.is_modern = true;
        self.agree(MODERN);
        match self.ask("server/discover", json!({}), START).await {
            Ok(_) => Ok(self),
            Err(_) => Err(refused),
        }
    }

    fn agree(&mut self, revision: &'static str) {
        if let Way::Http(http) = &mut self.way {
            http.version = Some(revision);
        }
    }

    /// All tools that the server lists.
    pub(super) async fn tools(&mut self) -> Result<Vec<Tool>, Trouble> {
        let mut tools = Vec::new();
        let mut cursor = Value::Null;
        for _ in 0..PAGES_MAX {
            let params = if cursor.is_null() {
                json!({})
            } else {
                json!({ "cursor": cursor })
            };
            let result = self.ask("tools/list", params, LIST).await?;
            for tool in result["tools"].as_array().into_iter().flatten() {
                if let Some(name) = tool["name"].as_str().filter(|_| tools.len() < TOOLS_MAX) {
                    tools.push(Tool {
                        name: name.to_owned(),
                        schema: tool["inputSchema"].clone(),
                    });
                }
            }
            cursor = result["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        Ok(tools)
    }

    /// Calls a tool.
    pub(super) async fn call(
        &mut self,
        tool: &str,
        arguments: Map<String, Value>,
        bound: Duration,
    ) -> Answer {
        let params = json!({ "name": tool, "arguments": arguments });
        match self.request("tools/call", params, bound).await {
            Reply::Message(message) => {
                let is_error =
                    message.get("error").is_some() || message["result"]["isError"] == true;
                let mut text = message.to_string();
                // What JSON escapes is looked at as it was meant.
                for content in message["result"]["content"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    text.push('\n');
                    text.push_str(content["text"].as_str().unwrap_or_default());
                }
                if text.len() > ANSWER_BYTES_MAX {
                    let cut = (0..=ANSWER_BYTES_MAX)
                        .rev()
                        .find(|&at| text.is_char_boundary(at));
                    text.truncate(cut.unwrap_or(0));
                }
                Answer::Result { text, is_error }
            }
            Reply::Late => Answer::Late,
            Reply::Ended => Answer::Ended,
        }
    }

    /// Reads what comes meanwhile, so that nothing of it is taken for an answer later.
    pub(super) async fn listen(&mut self, time: Duration) {
        let until = Instant::now() + time;
        let mut frames = Vec::new();
        if let Way::Child(child) = &mut self.way {
            while let Ok(Ok(())) = timeout_at(until, child.next_frames(&mut frames)).await {
                frames.clear();
            }
        }
        tokio::time::sleep_until(until).await;
    }

    /// The marks that are or were on the prototype of all objects.
    pub(super) fn polluted(&self) -> Vec<String> {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.iter().cloned().collect()
    }

    pub(super) async fn stop(&mut self) {
        if let Way::Child(child) = &mut self.way {
            child.stop(GRACE, GRACE).await;
        }
    }

    async fn ask(
        &mut self,
        method: &'static str,
        params: Value,
        bound: Duration,
    ) -> Result<Value, Trouble> {
        match self.request(method, params, bound).await {
            Reply::Message(mut message) => match message.get("error") {
                Some(error) => Err(Trouble::Refused {
                    method,
                    message: error["message"].as_str().unwrap_or("no message").to_owned(),
                }),
                None => Ok(message["result"].take()),
            },
            Reply::Late => Err(Trouble::Late {
                method,
                seconds: bound.as_secs(),
            }),
            Reply::Ended => Err(Trouble::Ended {
                method,
                stderr: match &self.way {
                    Way::Child(child) => child.stderr_tail(),
                    Way::Http(_) => String::new(),
                },
            }),
        }
    }

    async fn request(&mut self, method: &str, mut params: Value, bound: Duration) -> Reply {
        let id = self.next_id;
        self.next_id += 1;
        let until = Instant::now() + bound;
        if self.is_modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "pilothouse-vuln-test", "version": env!("CARGO_PKG_VERSION") },
            });
        }
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        if let Way::Http(http) = &mut self.way {
            let answer = http.post(&request, Some(id), self.is_modern);
            return match timeout_at(until, answer).await {
                Err(_) => Reply::Late,
                Ok(None) => Reply::Ended,
                Ok(Some(message)) => Reply::Message(message),
            };
        }
        self.send(&request).await;
        let mut frames = Vec::new();
        loop {
            let Way::Child(child) = &mut self.way else {
                return Reply::Ended;
            };
            match timeout_at(until, child.next_frames(&mut frames)).await {
                Err(_) => return Reply::Late,
                Ok(Err(_)) => return Reply::Ended,
                Ok(Ok(())) => {}
            }
            for frame in frames.drain(..) {
                let Frame::Line(line) = frame else {
                    continue;
                };
                let Ok(message) = serde_json::from_slice::<Value>(&line) else {
                    continue;
                };
                if message["id"] == id && message.get("method").is_none() {
                    return Reply::Message(message);
                }
                self.refuse(&message).await;
            }
        }
    }

    /// What the server asks of its client: nothing is offered here.
    async fn refuse(&mut self, message: &Value) {
        if let (Some(_), Some(id)) = (message.get("method"), message.get("id")) {
            let answer = if message["method"] == "ping" {
                json!({ "jsonrpc": "2.0", "id": id, "result": {} })
            } else {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "not offered" } })
            };
            self.send(&answer).await;
        }
    }

    /// That nobody reads any more shows itself in what is read.
    async fn send(&mut self, message: &Value) {
        match &mut self.way {
            Way::Child(child) => {
                let _ = child.writer().send(Bytes::from(message.to_string())).await;
            }
            Way::Http(http) => {
                let told = http.post(message, None, self.is_modern);
                let _ = tokio::time::timeout(LIST, told).await;
            }
        }
    }
}

enum Reply {
    Message(Value),
    Late,
    Ended,
}
