//! How many replicas serve a server's calls, and when one of them is left out.

use std::time::Duration;

use crate::plan::{hours, minutes, ms, secs};
use crate::section::section;

section! {
    /// How many children serve stateless calls, or sessions that share them (`isolation`).
    /// Children of single sessions are not counted.
    pub struct Replicas {
        /// Fewest children; with 0 the server is stopped when it is idle, and the next call starts it.
        min: u32 = 1, in 0..=64;
        /// Most children; absent: as many as `min`, and at least one.
        max: Option<u32> = None, in 1..=64;
        /// Calls at the same time that one child is to have; for more there is another child.
        target_in_flight: u32 = 8, in 1..=10_000;
        /// Calls at the same time that one child is given at most; further ones wait. Absent: four times
        /// `target_in_flight` where there can be more than one child, else without bound.
        in_flight_max: Option<u32> = None, in 1..=1_000_000;
        /// Mean time of a call above which there is another child, even where `target_in_flight` is kept.
        target_latency: Option<Duration> = None, in ms(1)..=hours(1);
        /// Longest wait for a child that has room; then 503. At most `limits.queue_max` calls wait.
        queue_time: Duration = secs(30), in ms(1)..=hours(1);
        /// How long there must be a need for more children before one is started.
        scale_up_after: Duration = secs(1), in Duration::ZERO..=minutes(10);
        /// How long fewer children must be enough before one is stopped.
        scale_down_after: Duration = minutes(5), in secs(1)..=hours(24);
        /// Children that run beside those that are wanted and get no calls, so that one more, or one in
        /// the place of another that ended, is there at once. None while no child is wanted.
        prewarm: u32 = 0, in 0..=16;
        /// Time that a child which is to stop has for the calls that it was given.
        drain: Duration = secs(30), in Duration::ZERO..=hours(1);
    }
}

section! {
    /// When a replica gets no more calls, and when it is asked whether it is well again.
    pub struct Eject {
        /// Calls in a row that fail (no connection, no answer in time, the end of the server, 502 to
        /// 504); half of the last 16 to 32 calls count as well. Absent: 5 where there are several
        /// replicas, else none is left out.
        failures: Option<u32> = None, in 1..=1_000;
        /// Pause before it is asked; doubled each time that it does not answer.
        pause: Duration = secs(5), in ms(10)..=hours(1);
        /// Longest pause.
        pause_max: Duration = minutes(2), in ms(10)..=hours(24);
    }
}

impl Replicas {
    /// Most children there can be.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.max.unwrap_or(self.min.max(1))
    }
}
