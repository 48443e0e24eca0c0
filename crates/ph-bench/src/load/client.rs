//! One connection and its session.
//!
//! Sessions are opened and closed by blocking I/O, one after the other; only
//! the calls between are driven by the loops.

use super::check::{self, Failure};
use super::request::{Call, Plan};
use super::tally::{Report, Sent};
use super::{Era, PATIENCE};
use crate::http1::{self, Framing, Head};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// Room made before each read, bytes.
pub(super) const READ_BYTES: usize = 64 * 1024;

pub(super) struct Client {
    plan: Arc<Plan>,
    session: Option<String>,
    pub(super) call: Call,
    pub(super) stream: TcpStream,
    pub(super) received: Vec<u8>,
}

impl Client {
    /// Connects, and opens a session where the era has them.
    pub(super) fn open(plan: &Arc<Plan>, sent: &mut Sent) -> Result<Self, Failure> {
        let mut client = Self {
            stream: connect(plan)?,
            session: None,
            call: plan.call(None),
            received: Vec::with_capacity(READ_BYTES),
            plan: Arc::clone(plan),
        };
        if plan.era == Era::Legacy {
            client.initialize(sent)?;
        }
        Ok(client)
    }

    fn initialize(&mut self, sent: &mut Sent) -> Result<(), Failure> {
        sent.initialize += 1;
        let request = self.plan.initialize();
        self.session = self.exchange(&request, |head| {
            expect_status(head, 200)?;
            let session = head
                .session
                .map(|s| String::from_utf8_lossy(s).into_owned());
            Ok(session)
        })?;
        sent.notifications += 1;
        let request = self.plan.initialized(self.session.as_deref());
        self.exchange(&request, |head| expect_status(head, 202))?;
        self.call = self.plan.call(self.session.as_deref());
        Ok(())
    }

    /// Ends the session, if there is one.
    pub(super) fn close(mut self, report: &mut Report) {
        let Some(session) = self.session.take() else {
            return;
        };
        report.sent.deletes += 1;
        let request = self.plan.delete(&session);
        let ended = self.exchange(&request, |head| match status(head)? {
            // A server may refuse to end sessions (405).
            200 | 202 | 204 | 405 => Ok(()),
            other => Err(Failure::Status(other)),
        });
        if let Err(failure) = ended {
            report.fail(failure);
        }
    }

    /// Sends the stamped call and judges its answer, blocking. Leaves a fresh
    /// connection behind where the old one ended.
    pub(super) fn call_blocking(&mut self) -> Result<(), Failure> {
        let called = self.send_blocking();
        if called.map_or(true, |answered| answered.close) {
            self.reconnect()?;
        }
        called?.verdict
    }

    fn send_blocking(&mut self) -> Result<Answered, Failure> {
        self.stream
            .write_all(&self.call.bytes)
            .map_err(|e| io_failure(&e))?;
        loop {
            read_some(&mut self.stream, &mut self.received)?;
            if let Some(answered) = self.take_answer()? {
                return Ok(answered);
            }
        }
    }

    /// Takes the answer to the stamped call out of what was received; `None`
    /// while it is not whole.
    pub(super) fn take_answer(&mut self) -> Result<Option<Answered>, Failure> {
        let Self { received, call, .. } = self;
        take_response(received, |head, body| Answered {
            verdict: check::answer(head, body, call),
            close: head.close,
        })
    }

    /// Replaces a connection that ended; the session stays.
    pub(super) fn reconnect(&mut self) -> Result<(), Failure> {
        self.received.clear();
        self.stream = connect(&self.plan)?;
        Ok(())
    }

    fn exchange<T>(
        &mut self,
        request: &[u8],
        judge: impl Fn(&Head<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.stream.write_all(request).map_err(|e| io_failure(&e))?;
        loop {
            read_some(&mut self.stream, &mut self.received)?;
            let judged = take_response(&mut self.received, |head, _| (judge(head), head.close))?;
            if let Some((verdict, close)) = judged {
                if close {
                    self.reconnect()?;
                }
                return verdict;
            }
        }
    }
}

/// A call that got a response.
#[derive(Clone, Copy)]
pub(super) struct Answered {
    pub(super) verdict: Result<(), Failure>,
    /// The server ends the connection with it.
    pub(super) close: bool,
}

/// Takes the first response out of `received` and judges it; `None` while it is
/// not whole.
fn take_response<T>(
    received: &mut Vec<u8>,
    judge: impl FnOnce(&Head<'_>, &[u8]) -> T,
) -> Result<Option<T>, Failure> {
    let bad = |http1::Malformed| Failure::NotHttp;
    let Some(head) = http1::head(received).map_err(bad)? else {
        return Ok(None);
    };
    let bodyless = matches!(status(&head)?, 202 | 204 | 304);
    if head.framing == Framing::Absent && !bodyless {
        return Err(Failure::NotHttp);
    }
    let body = http1::body(&received[head.bytes..], head.framing).map_err(bad)?;
    let Some((body, bytes)) = body else {
        return Ok(None);
    };
    let used = head.bytes + bytes;
    let judged = judge(&head, &body);
    received.drain(..used);
    Ok(Some(judged))
}

/// What an I/O error means for the call that met it.
pub(super) fn io_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::Timeout,
        _ => Failure::ConnectionLost,
    }
}

fn read_some(stream: &mut TcpStream, received: &mut Vec<u8>) -> Result<(), Failure> {
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk).map_err(|e| io_failure(&e))? {
        0 => Err(Failure::ConnectionLost),
        bytes => {
            received.extend_from_slice(&chunk[..bytes]);
            Ok(())
        }
    }
}

fn connect(plan: &Plan) -> Result<TcpStream, Failure> {
    let stream =
        TcpStream::connect_timeout(&plan.address, PATIENCE).map_err(|_| Failure::Connect)?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .map_err(|_| Failure::Connect)?;
    Ok(stream)
}

fn status(head: &Head<'_>) -> Result<u16, Failure> {
    head.status().map_err(|http1::Malformed| Failure::NotHttp)
}

fn expect_status(head: &Head<'_>, want: u16) -> Result<(), Failure> {
    match status(head)? {
        got if got == want => Ok(()),
        got => Err(Failure::Status(got)),
    }
}
