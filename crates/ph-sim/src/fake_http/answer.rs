//! What the fake upstream answers to each request.

use super::body::{Part, Script, event};
use super::{Received, Reset, Shared};
use crate::protocol::{Message, Request, notification, sampling_request};
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;

const SESSION: &str = "mcp-session-id";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const LIST_CHANGED: &str = "notifications/tools/list_changed";

/// Answers, or fails to end the connection.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    received: &Received,
    reset: Reset,
) -> io::Result<Response<Script>> {
    let reply = Reply { shared };
    match received.http_method {
        Method::POST => reply.post(received, reset).await,
        Method::GET => Ok(reply.get(&received.headers)),
        Method::DELETE => Ok(reply.delete(&received.headers)),
        _ => Ok(reply.text(StatusCode::METHOD_NOT_ALLOWED, "no")),
    }
}

struct Reply<'a> {
    shared: &'a Arc<Shared>,
}

impl Reply<'_> {
    async fn post(&self, received: &Received, reset: Reset) -> io::Result<Response<Script>> {
        let headers = &received.headers;
        match Message::parse(&received.body) {
            Message::Request(request) if request.is_modern() => {
                if header_text(headers, "mcp-method") != Some(&request.method) {
                    let error = request.error(-32020, "`Mcp-Method` does not match the body");
                    return Ok(self.json(StatusCode::BAD_REQUEST, &error));
                }
                self.request(request, reset).await
            }
            Message::Request(request) if request.method == "initialize" => {
                let mut response = self.request(request, reset).await?;
                let session = self.shared.sessions().make();
                let session = session.try_into().map_err(io::Error::other)?;
                response.headers_mut().insert(SESSION, session);
                Ok(response)
            }
            Message::Request(request) => match self.refuse_session(headers) {
                Some(refusal) => Ok(refusal),
                None => self.request(request, reset).await,
            },
            Message::Answer { id, body } => {
                self.shared.sessions().told(&id, body);
                Ok(self.accepted())
            }
            Message::Notification { .. } => Ok(self.accepted()),
            Message::Garbage => {
                let error = json!({"code": -32700, "message": "no message"});
                let body = json!({"jsonrpc": "2.0", "id": null, "error": error});
                Ok(self.json(StatusCode::BAD_REQUEST, &body))
            }
        }
    }

    async fn request(&self, request: Request, reset: Reset) -> io::Result<Response<Script>> {
        let redefined = request.redefined(&self.shared.tools);
        if let Some(answer) = redefined.or_else(|| request.plain_answer(self.shared.eras)) {
            let is_unknown = request.is_modern() && answer["error"]["code"] == json!(-32601);
            let status = if is_unknown {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            return Ok(self.json(status, &answer));
        }
        if request.method == "subscriptions/listen" {
            let stream = self.shared.sessions().stream();
            let acknowledged = event(None, &request.acknowledged());
            return Ok(self.events([Part::Bytes(acknowledged.into()), Part::Stream(stream)]));
        }
        self.tool(request, reset).await
    }

    async fn tool(&self, request: Request, reset: Reset) -> io::Result<Response<Script>> {
        let done = request.said("done");
        Ok(match request.tool().unwrap_or_default() {
            "slow" => {
                let guard = Script::new(self.shared, [Part::Hang]);
                tokio::time::sleep(Duration::from_millis(request.number("ms", 100))).await;
                guard.finish();
                self.json(StatusCode::OK, &done)
            }
            "hang" => {
                let _guard = Script::new(self.shared, [Part::Hang]);
                std::future::pending().await
            }
            "hang_body" => self.response(StatusCode::OK, JSON, [Part::Hang]),
            "reset_early" => return Err(reset.now()),
            "reset_late" => {
                let first = notification(
                    "notifications/message",
                    &json!({"level": "info", "data": "soon"}),
                );
                self.events([
                    Part::Bytes(event(None, &first).into()),
                    Part::Break(reset.now()),
                ])
            }
            "status" => {
                let status = u16::try_from(request.number("code", 500)).unwrap_or(500);
                let status =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                self.text(status, "it was told to")
            }
            "html" => {
                let page = "<!doctype html><title>not what you wanted</title>";
                self.response(StatusCode::OK, "text/html", [Part::Bytes(page.into())])
            }
            "malformed" => {
                self.response(StatusCode::OK, JSON, [Part::Bytes("{\"jsonrpc\":".into())])
            }
            "mislabelled" => self.events([Part::Bytes(done.to_string().into())]),
            "sse" => self.events([Part::Bytes(event(Some("only-1"), &done).into())]),
            "notify" => {
                let progress = (1..=request.number("n", 1)).filter_map(|n| request.progress(n));
                let messages = progress.chain([done]);
                self.events(messages.map(|message| Part::Bytes(event(None, &message).into())))
            }
            "cut" => {
                let first = request
                    .progress(1)
                    .unwrap_or_else(|| notification("notifications/message", &json!({})));
                let is_owed = request.argument("resume") == &json!(true);
                let id = is_owed.then(|| self.shared.sessions().owe(done));
                self.events([Part::Bytes(event(id.as_deref(), &first).into())])
            }
            "ask" => self.ask(request),
            "list_changed" => {
                self.shared
                    .sessions()
                    .broadcast(&notification(LIST_CHANGED, &json!({})));
                self.json(StatusCode::OK, &done)
            }
            _ => self.json(StatusCode::OK, &request.error(-32602, "no such tool")),
        })
    }

    fn ask(&self, request: Request) -> Response<Script> {
        let id = format!("ask-{}", request.id);
        let told = self.shared.sessions().ask(&id);
        let question = event(None, &sampling_request(&id));
        let answer = async move {
            match told.await {
                Ok(body) => request.said(&body.to_string()),
                Err(_) => request.error(-32603, "nobody answered"),
            }
        };
        self.events([Part::Bytes(question.into()), Part::Later(Box::pin(answer))])
    }

    fn get(&self, headers: &HeaderMap) -> Response<Script> {
        if let Some(refusal) = self.refuse_session(headers) {
            return refusal;
        }
        match header_text(headers, "last-event-id") {
            None => {
                let stream = self.shared.sessions().stream();
                self.events([Part::Stream(stream)])
            }
            Some(id) => {
                let owed = self.shared.sessions().pay(id);
                let event = owed.map(|answer| event(Some(&format!("{id}-rest")), &answer));
                self.events([Part::Bytes(event.unwrap_or_default().into())])
            }
        }
    }

    fn delete(&self, headers: &HeaderMap) -> Response<Script> {
        let is_ended =
            header_text(headers, SESSION).is_some_and(|id| self.shared.sessions().end(id));
        self.text(
            if is_ended {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            },
            "",
        )
    }

    /// What a request with this session, or none, is refused with.
    fn refuse_session(&self, headers: &HeaderMap) -> Option<Response<Script>> {
        let Some(session) = header_text(headers, SESSION) else {
            return Some(self.text(StatusCode::BAD_REQUEST, "no session"));
        };
        let is_alive = self.shared.sessions().is_alive(session);
        (!is_alive).then(|| {
            let error = json!({"code": -32001, "message": "session not found"});
            self.json(
                StatusCode::NOT_FOUND,
                &json!({"jsonrpc": "2.0", "id": null, "error": error}),
            )
        })
    }

    fn json(&self, status: StatusCode, message: &Value) -> Response<Script> {
        self.response(status, JSON, [Part::Bytes(message.to_string().into())])
    }

    fn text(&self, status: StatusCode, text: &'static str) -> Response<Script> {
        self.response(status, "text/plain", [Part::Bytes(text.into())])
    }

    fn events(&self, parts: impl IntoIterator<Item = Part>) -> Response<Script> {
        self.response(StatusCode::OK, EVENTS, parts)
            .map(Script::into_stream)
    }

    fn accepted(&self) -> Response<Script> {
        let mut response = Response::new(Script::new(self.shared, []));
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }

    fn response(
        &self,
        status: StatusCode,
        content_type: &'static str,
        parts: impl IntoIterator<Item = Part>,
    ) -> Response<Script> {
        let mut response = Response::new(Script::new(self.shared, parts));
        *response.status_mut() = status;
        let value = header::HeaderValue::from_static(content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, value);
        response
    }
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
