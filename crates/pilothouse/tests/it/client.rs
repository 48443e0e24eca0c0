//! MCP clients of both eras, down to the bytes.

use crate::http1::{Answer, Wire};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// The era a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

static IDS: AtomicU64 = AtomicU64::new(1);

/// An id that no other call of this test binary has.
pub(crate) fn fresh_id() -> u64 {
    IDS.fetch_add(1, Ordering::Relaxed)
}

/// A client of one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) era: Era,
    pub(crate) version: String,
    pub(crate) session: Option<String>,
}

impl Client {
    pub(crate) fn modern(address: SocketAddr, server: &str) -> Self {
        Self {
            address,
            path: format!("/{server}/mcp"),
            era: Era::Modern,
            version: "2026-07-28".into(),
            session: None,
        }
    }

    /// A legacy client that has no session yet.
    pub(crate) fn stranger(address: SocketAddr, server: &str) -> Self {
        Self {
            era: Era::Legacy,
            version: "2025-11-25".into(),
            ..Self::modern(address, server)
        }
    }

    /// Opens a session, which is one call; its answer and its id come back.
    pub(crate) fn initialize(&mut self, id: u64) -> Answer {
        let params = json!({"protocolVersion": self.version, "capabilities": {"sampling": {}},
            "clientInfo": {"name": "matrix", "version": "1"}});
        let answer = Wire::open(self.address, &self.call(id, "initialize", params)).answer();
        self.session = answer.head.header("mcp-session-id").map(str::to_owned);
        answer
    }

    /// A request's bytes.
    pub(crate) fn call(&self, id: u64, method: &str, params: Value) -> Vec<u8> {
        self.post(&self.message(id, method, params).to_string())
    }

    pub(crate) fn tool(&self, id: u64, name: &str, arguments: &Value) -> Vec<u8> {
        self.call(
            id,
            "tools/call",
            json!({"name": name, "arguments": arguments}),
        )
    }

    /// A request as a value.
    pub(crate) fn message(&self, id: u64, method: &str, mut params: Value) -> Value {
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.version,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    /// The bytes of a POST of `body`, with all the headers that its era wants.
    pub(crate) fn post(&self, body: &str) -> Vec<u8> {
        self.http("POST", &[], body.as_bytes())
    }

    pub(crate) fn http(&self, method: &str, more: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n",
            self.path,
            self.address,
            body.len()
        );
        if method == "POST" {
            head.push_str("Content-Type: application/json\r\n");
        }
        let mut header = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if let Some(session) = &self.session {
            header("Mcp-Session-Id", session);
        }
        if self.session.is_some() || self.era == Era::Modern {
            header("MCP-Protocol-Version", &self.version);
        }
        if self.era == Era::Modern {
            let message: Value = serde_json::from_slice(body).unwrap_or_default();
            header("Mcp-Method", message["method"].as_str().unwrap_or("none"));
            if let Some(name) = message["params"]["name"].as_str() {
                header("Mcp-Name", name);
            }
        }
        more.iter().for_each(|(name, value)| header(name, value));
        [head.as_bytes(), b"\r\n", body].concat()
    }

    /// Sends a notification, which is no call.
    pub(crate) fn notify(&self, method: &str, params: &Value) -> Answer {
        let body = json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string();
        Wire::open(self.address, &self.post(&body)).answer()
    }
}
