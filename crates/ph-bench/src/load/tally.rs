//! What was sent, what came back, and how long it took.

use super::check::Failure;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest latency told apart, nanoseconds; slower calls count as this long.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Digits that are kept of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Requests that were written, by kind, in all phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// `initialize` requests.
    pub initialize: u64,
    /// Notifications.
    pub notifications: u64,
    /// `tools/call` requests.
    pub calls: u64,
    /// Sessions ended by DELETE.
    pub deletes: u64,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// Requests of all phases.
    pub sent: Sent,
    /// Latencies of the measured phase, nanoseconds, of good answers only.
    times: Histogram<u64>,
    failures: BTreeMap<Failure, u64>,
    /// Length of the measured phase, first call to last answer.
    elapsed: Duration,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            sent: Sent::default(),
            times: Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS)
                .expect("the two constants above are in range"),
            failures: BTreeMap::new(),
            elapsed: Duration::ZERO,
        }
    }
}

impl Report {
    /// Calls that got the right answer in the measured phase.
    pub fn calls(&self) -> u64 {
        self.times.len()
    }

    /// Calls that did not, in all phases.
    pub fn errors(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Good answers per second of the measured phase.
    pub fn calls_per_second(&self) -> f64 {
        if self.elapsed.is_zero() {
            return 0.0;
        }
        self.calls() as f64 / self.elapsed.as_secs_f64()
    }

    /// Errors by kind.
    pub fn errors_by_kind(&self) -> BTreeMap<String, u64> {
        let named = |(failure, count): (&Failure, &u64)| (failure.label().into_owned(), *count);
        self.failures.iter().map(named).collect()
    }

    /// The report as one JSON object; latencies in microseconds.
    pub fn to_json(&self) -> Value {
        let us = |quantile| self.times.value_at_quantile(quantile) as f64 / 1000.0;
        json!({
            "calls": self.calls(),
            "errors": self.errors(),
            "errors_by_kind": self.errors_by_kind(),
            "seconds": self.elapsed.as_secs_f64(),
            "calls_per_second": self.calls_per_second(),
            "latency_us": {
                "p50": us(0.5),
                "p90": us(0.9),
                "p99": us(0.99),
                "p99.9": us(0.999),
                "max": self.times.max() as f64 / 1000.0,
            },
            "sent": {
                "initialize": self.sent.initialize,
                "notifications": self.sent.notifications,
                "tools/call": self.sent.calls,
                "delete": self.sent.deletes,
            },
        })
    }

    pub(super) fn note(&mut self, verdict: Result<(), Failure>, latency: Duration) {
        match verdict {
            Ok(()) => {
                let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                self.times.saturating_record(ns.clamp(1, LATENCY_NS_MAX));
            }
            Err(failure) => self.fail(failure),
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }

    /// Forgets the times of a warm-up; what was sent and what failed stays.
    pub(super) fn forget_times(&mut self) {
        self.times.reset();
        self.elapsed = Duration::ZERO;
    }

    pub(super) fn lasted(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// Adds the calls of one connection.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.sent.calls += other.sent.calls;
        self.times += &other.times;
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
    }
}
