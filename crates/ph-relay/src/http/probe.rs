//! Health checks of an HTTP upstream, in a session of our own.

use super::HttpServer;
use super::replica::Replica;
use crate::health::Finding;
use bytes::Bytes;
use http::Method as HttpMethod;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use ph_base::Chain;
use ph_mcp::{AnswerScan, ServerMessage, headers};
use ph_record::HealthResult;
use ph_wire::upstream::{Answer, SendError};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// How the upstream is asked. Learned from what it answers, and learned again when that changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Not known yet.
    #[default]
    Unknown,
    /// `server/discover`.
    Modern,
    /// `ping` in a session of ours; servers without sessions have no id.
    Legacy {
        session: Option<HeaderValue>,
        version: String,
    },
}

const ANSWER_BYTES_MAX: usize = 1 << 20;

const DISCOVER: &str = r#"{"jsonrpc":"2.0","id":"pilothouse-health","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"pilothouse-health","version":"1"}}}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":"pilothouse-health","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"pilothouse-health","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":"pilothouse-health","method":"ping"}"#;

/// What came back.
struct Seen {
    status: u16,
    session: Option<HeaderValue>,
    message: Option<ServerMessage>,
}

impl HttpServer {
    /// One health check of one replica, bounded by `limit`.
    pub(super) async fn check_one(&self, replica: &Replica, limit: Duration) -> Finding {
        match tokio::time::timeout(limit, self.ask_for_life(replica)).await {
            Ok(Ok(())) => (HealthResult::Ok, None),
            Ok(Err(finding)) => finding,
            Err(_) => (
                HealthResult::Timeout,
                Some(format!("no answer within {limit:?}")),
            ),
        }
    }

    async fn ask_for_life(&self, replica: &Replica) -> Result<(), Finding> {
        let manner = replica.manner().clone();
        match manner {
            Manner::Modern => {
                let seen = self
                    .probe(
                        replica,
                        DISCOVER,
                        None,
                        "2026-07-28",
                        Some("server/discover"),
                    )
                    .await?;
                if seen.message.is_none() {
                    replica.learn_manner(Manner::Unknown);
                }
                alive(&seen)
            }
            Manner::Legacy { session, version } => {
                let seen = self.probe(replica, PING, session, &version, None).await?;
                if seen.status == 404 || seen.status == 400 {
                    // The session is gone with the server's last restart: begin anew.
                    replica.learn_manner(Manner::Unknown);
                    return self.first(replica).await;
                }
                alive(&seen)
            }
            Manner::Unknown => self.first(replica).await,
        }
    }

    /// Finds out how to ask: the modern way first, as clients do.
    async fn first(&self, replica: &Replica) -> Result<(), Finding> {
        let seen = self
            .probe(
                replica,
                DISCOVER,
                None,
                "2026-07-28",
                Some("server/discover"),
            )
            .await?;
        let is_modern = seen
            .message
            .as_ref()
            .is_some_and(|m| m.has_result || matches!(m.error_code, Some(-32022..=-32020)));
        if is_modern {
            replica.learn_manner(Manner::Modern);
            return alive(&seen);
        }
        if matches!(seen.status, 401 | 403) || seen.status >= 500 {
            return alive(&seen);
        }
        let seen = self
            .probe(replica, INITIALIZE, None, "2025-11-25", None)
            .await?;
        alive(&seen)?;
        let version = seen
            .message
            .and_then(|m| m.protocol_version)
            .unwrap_or_else(|| "2025-11-25".into());
        self.probe(replica, INITIALIZED, seen.session.clone(), &version, None)
            .await?;
        replica.learn_manner(Manner::Legacy {
            session: seen.session,
            version,
        });
        Ok(())
    }

    /// How a replica is spoken to; found out first, where that is not known. `None`: it cannot be asked.
    pub(super) async fn known_manner(&self, replica: &Replica) -> Option<Manner> {
        if *replica.manner() == Manner::Unknown {
            self.first(replica).await.ok()?;
        }
        let manner = replica.manner().clone();
        Some(manner).filter(|manner| *manner != Manner::Unknown)
    }

    /// Posts a message of our own.
    pub(super) async fn send_own(
        &self,
        replica: &Replica,
        body: Bytes,
        session: Option<HeaderValue>,
        version: &str,
        method: Option<&'static str>,
    ) -> Result<Answer, SendError> {
        let mut head = HeaderMap::new();
        head.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(version) = HeaderValue::from_str(version) {
            head.insert(headers::PROTOCOL_VERSION, version);
        }
        if let Some(method) = method {
            head.insert(headers::METHOD, HeaderValue::from_static(method));
        }
        if let Some(session) = session {
            head.insert(headers::SESSION_ID, session);
        }
        let target = &replica.target;
        let request = target.request(&HttpMethod::POST, &head, body, None);
        let connect_max = self.tuning.load().timeouts.connect;
        replica.upstream.send(request, connect_max).await
    }

    async fn probe(
        &self,
        replica: &Replica,
        body: &'static str,
        session: Option<HeaderValue>,
        version: &str,
        method: Option<&'static str>,
    ) -> Result<Seen, Finding> {
        let body = Bytes::from_static(body.as_bytes());
        let sent = self.send_own(replica, body, session, version, method).await;
        let answer = sent.map_err(|e| {
            let result = match e {
                SendError::ConnectTimeout { .. } => HealthResult::Timeout,
                SendError::NotHttp(_) => HealthResult::Error,
                _ => HealthResult::Unreachable,
            };
            (result, Some(Chain(&e).to_string()))
        })?;
        let session = answer.headers.get(headers::SESSION_ID).cloned();
        let status = answer.status.as_u16();
        let mut message = None;
        let mut body = answer.body;
        let mut length = 0;
        let mut tee = crate::heard::Tee::new();
        let mut scan = AnswerScan::default();
        // An event stream may stay open after its answer: the first answer is enough.
        while let Ok(Some(data)) = body.piece().await {
            length += data.len();
            if length > ANSWER_BYTES_MAX {
                break;
            }
            scan.push(&data);
            message = tee
                .push(&data)
                .into_iter()
                .map(|h| h.message)
                .find(|m| m.has_result || m.has_error);
            if message.is_some() {
                return Ok(Seen {
                    status,
                    session,
                    message,
                });
            }
        }
        let whole = scan
            .finish()
            .into_iter()
            .find(|m| m.has_result || m.has_error);
        replica.upstream.keep(body);
        Ok(Seen {
            status,
            session,
            message: message.or(whole),
        })
    }
}

impl Replica {
    pub(super) fn manner(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn_manner(&self, manner: Manner) {
        *self.manner() = manner;
    }
}

/// A JSON-RPC answer of any kind, or a refusal for want of credentials, is life.
fn alive(seen: &Seen) -> Result<(), Finding> {
    match (&seen.message, seen.status) {
        (Some(_), status) if status < 500 => Ok(()),
        (_, 401 | 403 | 405 | 200..=299) => Ok(()),
        (_, status) => Err((HealthResult::Error, Some(format!("HTTP status {status}")))),
    }
}
