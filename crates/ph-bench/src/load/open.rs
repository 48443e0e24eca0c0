//! Open loop: calls are due at a fixed rate, whoever is free sends the next.
//!
//! Threads with blocking sockets, since a runtime's timers are too coarse: a
//! thread sleeps until its call is due, to within the kernel's 50 µs.

use super::Ids;
use super::Length;
use super::client::Client;
use super::tally::Report;
use anyhow::{Context as _, ensure};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Calls of one phase.
const CALLS_MAX: f64 = 1e8;

/// Sends every call that falls due within `length` and returns the clients.
pub(super) fn phase(
    clients: Vec<Client>,
    length: Length,
    per_second: f64,
    ids: &Ids,
    report: &mut Report,
) -> anyhow::Result<Vec<Client>> {
    let calls = (length.time.as_secs_f64() * per_second).floor();
    ensure!(
        (1.0..=CALLS_MAX).contains(&calls),
        "too few or too many calls at this rate"
    );
    let schedule = Schedule {
        start: Instant::now(),
        interval: Duration::from_secs_f64(1.0 / per_second),
        calls: calls as u64,
        next: AtomicU64::new(0),
        ids,
    };
    let mut back = Vec::with_capacity(clients.len());
    let mut last_answer = schedule.start;
    let ended = thread::scope(|scope| {
        let schedule = &schedule;
        let started: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(move || schedule.work(client)))
            .collect();
        started
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect::<Vec<_>>()
    });
    for worker in ended {
        let (client, part, at) = worker.ok().context("a sending thread died")?;
        report.absorb(&part);
        last_answer = last_answer.max(at);
        back.push(client);
    }
    report.lasted(last_answer - schedule.start);
    Ok(back)
}

struct Schedule<'a> {
    start: Instant,
    interval: Duration,
    calls: u64,
    next: AtomicU64,
    ids: &'a Ids,
}

impl Schedule<'_> {
    fn work(&self, mut client: Client) -> (Client, Report, Instant) {
        let mut report = Report::default();
        let mut last_answer = self.start;
        while let Some(due) = self.take() {
            wait_until(due);
            client.call.stamp(self.ids.next());
            report.sent.calls += 1;
            let verdict = client.call_blocking();
            last_answer = Instant::now();
            report.note(verdict, last_answer - due);
        }
        (client, report, last_answer)
    }

    /// When the next call is due; `None` after the last.
    fn take(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let since_start = self.interval.as_secs_f64() * number as f64;
        (number < self.calls).then(|| self.start + Duration::from_secs_f64(since_start))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this thread has nothing else to do, and a runtime's timer is 1 ms late"
)]
fn wait_until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
