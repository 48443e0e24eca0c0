//! Asking the server for its tools, in the session of our health checks.

use super::HttpServer;
use super::probe::Manner;
use crate::pins::PAGE_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use ph_mcp::AnswerScan;
use ph_wire::sse::{SseItem, SseParser};

/// What a server of 2026-07-28 wants to know of who asks.
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"pilothouse","version":"1"}}"#;

impl HttpServer {
    /// One page of the server's tools, as it answers it; `None` when it cannot be asked now.
    ///
    /// - `cursor`: JSON text.
    pub(crate) async fn tools(&self, cursor: Option<&str>) -> Option<Bytes> {
        // Pages go on where they began: the first replica that is well.
        let replica = self.replicas.one();
        let manner = self.known_manner(replica).await?;
        let cursor = cursor.map(|cursor| format!("\"cursor\":{cursor}"));
        let (session, version, meta, method) = match manner {
            Manner::Modern => (
                None,
                "2026-07-28".to_owned(),
                Some(META),
                Some("tools/list"),
            ),
            Manner::Legacy { session, version } => (session, version, None, None),
            Manner::Unknown => return None,
        };
        let members: Vec<&str> = meta.into_iter().chain(cursor.as_deref()).collect();
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"pilothouse-tools\",\"method\":\"tools/list\",\"params\":{{{}}}}}",
            members.join(",")
        );
        let sent = self.send_own(replica, body.into(), session, &version, method);
        let sent = sent.await;
        let answer = sent.ok()?;
        if matches!(answer.status.as_u16(), 400 | 404) {
            // Our session is gone with the server's last restart.
            replica.learn_manner(Manner::Unknown);
            return None;
        }
        let kind = answer.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let is_stream = kind.starts_with("text/event-stream");
        let mut body = answer.body;
        let mut events = Events::default();
        let mut whole = BytesMut::new();
        while let Ok(Some(data)) = body.piece().await {
            whole.extend_from_slice(&data);
            if whole.len() > 2 * PAGE_BYTES_MAX {
                return None;
            }
            // The stream may stay open after its answer.
            if is_stream && let Some(answer) = events.push(&data) {
                return Some(answer);
            }
        }
        replica.upstream.keep(body);
        (!is_stream).then(|| whole.freeze())
    }
}

/// Looks for the answer on an event stream.
struct Events(SseParser);

impl Default for Events {
    fn default() -> Self {
        Self(SseParser::new(PAGE_BYTES_MAX))
    }
}

impl Events {
    fn push(&mut self, data: &[u8]) -> Option<Bytes> {
        let mut found = None;
        self.0.push(data, &mut |item| {
            let SseItem::Event(event) = item else { return };
            let messages = AnswerScan::read(event.data);
            let is_answer = messages.iter().any(|m| m.has_result || m.has_error);
            if is_answer && found.is_none() {
                found = Some(Bytes::copy_from_slice(event.data));
            }
        });
        found
    }
}
