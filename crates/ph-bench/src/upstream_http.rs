//! The MCP server of [`mcp_server`](crate::mcp_server) over Streamable HTTP.
//!
//! One thread, one task per connection, one read and one write per call. A
//! session must have been opened here before it is used: a gateway that loses
//! or invents session ids is answered 404, not measured.

use crate::http1::{self, Framing, Head};
use crate::mcp_server::{self, Answer, Eras, Message};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Sessions held at once; the next `initialize` is answered 503.
const SESSIONS_MAX: usize = 100_000;

/// Serves until the task is dropped. Run it on a current-thread runtime.
///
/// # Errors
/// When a connection cannot be accepted.
pub async fn serve(listener: TcpListener, eras: Eras) -> io::Result<()> {
    let server = Rc::new(Server {
        eras,
        sessions: RefCell::default(),
    });
    let local = LocalSet::new();
    local
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let server = Rc::clone(&server);
                // A peer that resets its connection ends only that connection.
                tokio::task::spawn_local(async move { server.converse(stream).await.ok() });
            }
        })
        .await
}

struct Server {
    eras: Eras,
    sessions: RefCell<Sessions>,
}

#[derive(Default)]
struct Sessions {
    opened: u64,
    live: HashSet<u64>,
}

impl Server {
    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut received = Vec::with_capacity(16 * 1024);
        let mut out = Vec::with_capacity(16 * 1024);
        let mut answer = Vec::with_capacity(16 * 1024);
        loop {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            let mut used = 0;
            let closing = loop {
                match self.exchange(&received[used..], &mut answer, &mut out) {
                    Ok(Some((bytes, false))) => used += bytes,
                    Ok(None) => break false,
                    Ok(Some((_, true))) => break true,
                    Err(http1::Malformed) => {
                        respond(&mut out, 400, None, b"");
                        break true;
                    }
                }
            };
            stream.write_all(&out).await?;
            if closing {
                return stream.shutdown().await;
            }
            out.clear();
            received.drain(..used);
        }
    }

    /// Answers the first request in `received`: its length on the wire, and
    /// whether the connection ends with it.
    fn exchange(
        &self,
        received: &[u8],
        answer: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<(usize, bool)>, http1::Malformed> {
        let Some(head) = http1::head(received)? else {
            return Ok(None);
        };
        let Some((body, body_bytes)) = http1::body(&received[head.bytes..], head.framing)? else {
            return Ok(None);
        };
        match method_and_path(head.start_line) {
            (b"POST", b"/mcp") => self.post(&head, &body, answer, out),
            (b"DELETE", b"/mcp") => self.delete(&head, out),
            (_, b"/mcp") => respond(out, 405, None, b""),
            _ => respond(out, 404, None, b""),
        }
        Ok(Some((head.bytes + body_bytes, head.close)))
    }

    fn post(&self, head: &Head<'_>, body: &[u8], answer: &mut Vec<u8>, out: &mut Vec<u8>) {
        answer.clear();
        let Some(message) = Message::parse(body).filter(|_| head.framing != Framing::Absent) else {
            mcp_server::error(b"null", -32700, "not a message", answer);
            return respond(out, 400, None, answer);
        };
        if let Some(status) = self.refusal(head, &message) {
            mcp_server::error(
                b"null",
                -32020,
                "the header does not fit the message",
                answer,
            );
            return respond(out, status, None, answer);
        }
        match message.answer(self.eras, answer) {
            Answer::Response(status) => respond(out, status, None, answer),
            Answer::Taken => respond(out, 202, None, b""),
            Answer::Opened => match self.sessions.borrow_mut().open() {
                Some(session) => respond(out, 200, Some(&session), answer),
                None => respond(out, 503, None, b""),
            },
        }
    }

    fn refusal(&self, head: &Head<'_>, message: &Message<'_>) -> Option<u16> {
        if message.modern {
            let fits = message.is_named(head.method_name)
                && head.protocol_version == Some(mcp_server::MODERN.as_bytes());
            return (!fits).then_some(400);
        }
        match head.session {
            _ if message.opens_session() => None,
            None => Some(400),
            Some(session) => (!self.sessions.borrow().holds(session)).then_some(404),
        }
    }

    fn delete(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let ended = head
            .session
            .is_some_and(|id| self.sessions.borrow_mut().close(id));
        respond(out, if ended { 204 } else { 404 }, None, b"");
    }
}

impl Sessions {
    fn open(&mut self) -> Option<String> {
        if self.live.len() >= SESSIONS_MAX {
            return None;
        }
        self.opened += 1;
        self.live.insert(self.opened);
        Some(format!("{:016x}", self.opened))
    }

    fn holds(&self, id: &[u8]) -> bool {
        session_number(id).is_some_and(|n| self.live.contains(&n))
    }

    fn close(&mut self, id: &[u8]) -> bool {
        session_number(id).is_some_and(|n| self.live.remove(&n))
    }
}

fn session_number(id: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(id).ok()?, 16).ok()
}

fn method_and_path(request_line: &[u8]) -> (&[u8], &[u8]) {
    let mut words = request_line.split(|b| *b == b' ');
    (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    )
}

fn respond(out: &mut Vec<u8>, status: u16, session: Option<&str>, body: &[u8]) {
    out.extend_from_slice(match status {
        200 => b"HTTP/1.1 200 OK\r\n",
        202 => b"HTTP/1.1 202 Accepted\r\n",
        204 => b"HTTP/1.1 204 No Content\r\n",
        400 => b"HTTP/1.1 400 Bad Request\r\n",
        405 => b"HTTP/1.1 405 Method Not Allowed\r\n",
        503 => b"HTTP/1.1 503 Service Unavailable\r\n",
        _ => b"HTTP/1.1 404 Not Found\r\n",
    });
    if let Some(session) = session {
        out.extend_from_slice(b"Mcp-Session-Id: ");
        out.extend_from_slice(session.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if status == 204 {
        return out.extend_from_slice(b"\r\n");
    }
    if !body.is_empty() {
        out.extend_from_slice(b"Content-Type: application/json\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}
