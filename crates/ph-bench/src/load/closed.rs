//! Closed loop: all connections on one thread, each with one call under way.

use super::check::Failure;
use super::client::{self, Answered, Client, READ_BYTES};
use super::tally::Report;
use super::{Ids, Length, PATIENCE};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::timeout_at;

/// Failed calls in a row after which a connection gives up.
const FAILURES_IN_A_ROW_MAX: u32 = 20;

/// Calls until `length` is over and returns the clients for the next phase.
/// A client whose last call was not answered in time is not among them.
pub(super) fn phase(
    clients: Vec<Client>,
    length: Length,
    ids: &Arc<Ids>,
    report: &mut Report,
) -> anyhow::Result<Vec<Client>> {
    let start = Instant::now();
    let round = Rc::new(Round {
        deadline: start + length.time,
        calls_left: Cell::new(length.calls_max),
        ids: Arc::clone(ids),
        last_answer: Cell::new(start),
        part: RefCell::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let clients = LocalSet::new().block_on(&runtime, all(clients, &round))?;
    report.absorb(&round.part.borrow());
    report.lasted(round.last_answer.get() - start);
    Ok(clients)
}

async fn all(clients: Vec<Client>, round: &Rc<Round>) -> io::Result<Vec<Client>> {
    let started: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::task::spawn_local(Rc::clone(round).calls(client)))
        .collect();
    let mut back = Vec::with_capacity(started.len());
    for task in started {
        match timeout_at((round.deadline + PATIENCE).into(), task).await {
            Ok(ended) => back.push(ended??),
            Err(_) => round.part.borrow_mut().fail(Failure::Timeout),
        }
    }
    Ok(back)
}

/// What the connections of one phase share.
struct Round {
    deadline: Instant,
    calls_left: Cell<u64>,
    ids: Arc<Ids>,
    last_answer: Cell<Instant>,
    part: RefCell<Report>,
}

impl Round {
    async fn calls(self: Rc<Self>, mut client: Client) -> io::Result<Client> {
        client.stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(client.stream.try_clone()?)?;
        let mut failures = 0;
        while self.takes_another() && failures < FAILURES_IN_A_ROW_MAX {
            client.call.stamp(self.ids.next());
            self.part.borrow_mut().sent.calls += 1;
            let start = Instant::now();
            let called = call(&mut client, &mut stream).await;
            let end = Instant::now();
            let verdict = called.and_then(|answered| answered.verdict);
            self.last_answer.set(end);
            self.part.borrow_mut().note(verdict, end - start);
            failures = if verdict.is_ok() { 0 } else { failures + 1 };
            // After a broken exchange the next response could not be told from a late one.
            let ended = called.map_or(true, |answered| answered.close);
            if ended && client.reconnect().is_ok() {
                client.stream.set_nonblocking(true)?;
                stream = TcpStream::from_std(client.stream.try_clone()?)?;
            }
        }
        client.stream.set_nonblocking(false)?;
        Ok(client)
    }

    fn takes_another(&self) -> bool {
        let left = self.calls_left.get();
        self.calls_left.set(left.saturating_sub(1));
        left > 0 && Instant::now() < self.deadline
    }
}

/// Sends the stamped call and judges its answer.
async fn call(client: &mut Client, stream: &mut TcpStream) -> Result<Answered, Failure> {
    let lost = |error: io::Error| client::io_failure(&error);
    stream.write_all(&client.call.bytes).await.map_err(lost)?;
    loop {
        client.received.reserve(READ_BYTES);
        if stream.read_buf(&mut client.received).await.map_err(lost)? == 0 {
            return Err(Failure::ConnectionLost);
        }
        if let Some(answered) = client.take_answer()? {
            return Ok(answered);
        }
    }
}
