//! How long things take: the rules of production, made shorter.

use std::time::Duration;

/// The times of one demonstration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What the rule looks back over; 5 minutes in production.
    pub window: Duration,
    /// How long the rule waits until it fires; 10 minutes in production.
    pub hold: Duration,
    /// How long everything is well at the beginning.
    pub calm: Duration,
    /// A look at what one can read; nothing is waited for.
    pub pause: Duration,
    /// Longest wait for something that has to come.
    pub patience: Duration,
}

impl Pace {
    pub(super) fn of(fast: bool) -> Self {
        let seconds = Duration::from_secs;
        if fast {
            Self {
                window: seconds(6),
                hold: seconds(3),
                calm: seconds(7),
                pause: Duration::ZERO,
                patience: seconds(60),
            }
        } else {
            Self {
                window: seconds(20),
                hold: seconds(15),
                calm: seconds(25),
                pause: seconds(3),
                patience: seconds(120),
            }
        }
    }
}
