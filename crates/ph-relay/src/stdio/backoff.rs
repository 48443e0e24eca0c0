//! When a child that ended is started again. Pure: time is an argument.

use ph_plan::Restart;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What to do after an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start again after this time.
    Restart(Duration),
    /// Too many ends within the window: stay down for this time, then try once.
    CrashLoop(Duration),
}

/// Remembers the ends of one server's children.
#[derive(Debug)]
pub(crate) struct Backoff {
    settings: Restart,
    pause: Duration,
    ends: VecDeque<Instant>,
}

impl Backoff {
    pub(crate) fn new(settings: Restart) -> Self {
        Self {
            pause: settings.backoff_min,
            settings,
            ends: VecDeque::new(),
        }
    }

    /// A child ended unasked at `now`, after having lived for `uptime`.
    ///
    /// The pause doubles from one end to the next, and starts small again after
    /// a child that lived longer than the window.
    pub(crate) fn ended(&mut self, now: Instant, uptime: Duration) -> Next {
        let window = self.settings.crash_loop_window;
        if uptime >= window {
            self.pause = self.settings.backoff_min;
            self.ends.clear();
        }
        self.ends.push_back(now);
        while self
            .ends
            .front()
            .is_some_and(|t| now.saturating_duration_since(*t) > window)
        {
            self.ends.pop_front();
        }
        if self.ends.len() > self.settings.crash_loop_max as usize {
            return Next::CrashLoop(window);
        }
        let pause = self.pause;
        self.pause = (self.pause * 2).min(self.settings.backoff_max);
        Next::Restart(pause)
    }

    /// Ends within the window.
    pub(crate) fn recent(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_until_the_loop_is_called_one() {
        let settings = Restart {
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(3),
            crash_loop_max: 3,
            crash_loop_window: Duration::from_secs(100),
        };
        let mut b = Backoff::new(settings);
        let t = Instant::now();
        let short = Duration::from_millis(5);
        assert_eq!(b.ended(t, short), Next::Restart(Duration::from_secs(1)));
        assert_eq!(b.ended(t, short), Next::Restart(Duration::from_secs(2)));
        assert_eq!(b.ended(t, short), Next::Restart(Duration::from_secs(3)));
        assert_eq!(b.ended(t, short), Next::CrashLoop(Duration::from_secs(100)));
        assert_eq!(
            b.ended(t + Duration::from_secs(500), Duration::from_secs(400)),
            Next::Restart(Duration::from_secs(1))
        );
    }
}
