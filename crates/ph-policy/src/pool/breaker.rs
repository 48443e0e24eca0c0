//! When a replica is left out, and when it is tried again.
//!
//! A replica is out after so many failures in a row, or when half of its last calls failed. Out, it
//! gets no call. After a pause it is *asked*: by a question of our own, so that no client's call is the
//! one to find out. If it answers it is in again, else the pause doubles.

use std::time::Duration;

/// When a replica is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row; at least 1.
    pub failures: u32,
    /// Pause before it is asked for the first time.
    pub pause: Duration,
    /// Longest pause.
    pub pause_max: Duration,
}

/// What one replica is to its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gets calls.
    In,
    /// It gets none, and is asked at this time.
    Out {
        /// When.
        until: Duration,
    },
    /// It gets none, and is being asked.
    Asked,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is out, or stays out, until it is asked after this pause.
    Out(Duration),
    /// It is in again.
    In,
}

/// The standing of one replica.
#[derive(Clone, Debug)]
pub struct Breaker {
    rules: BreakerRules,
    standing: Standing,
    in_a_row: u32,
    /// The last calls, the newest lowest: a set bit has failed.
    last: u32,
    seen: u32,
    pause: Duration,
    unanswered: u32,
}

/// Calls among which half must not fail.
const LAST: u32 = u32::BITS;
/// Fewest calls of which half says something.
const SEEN_MIN: u32 = 16;

impl Breaker {
    /// A replica of which nothing bad is known.
    pub fn new(rules: BreakerRules) -> Self {
        Self {
            pause: rules.pause,
            rules,
            standing: Standing::In,
            in_a_row: 0,
            last: 0,
            seen: 0,
            unanswered: 0,
        }
    }

    /// The rules that it goes by.
    pub fn rules(&self) -> &BreakerRules {
        &self.rules
    }

    /// What it is to its callers.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it gets calls.
    pub fn is_in(&self) -> bool {
        self.standing == Standing::In
    }

    /// Questions in a row that it did not answer.
    pub fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// A call on it has ended. What was begun before it was out says nothing more.
    pub fn ended(&mut self, now: Duration, failed: bool) -> Option<Turn> {
        if !self.is_in() {
            return None;
        }
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        self.last = self.last << 1 | u32::from(failed);
        self.seen = (self.seen + 1).min(LAST);
        let is_outlier = self.seen >= SEEN_MIN && self.last.count_ones() * 2 >= self.seen;
        (self.in_a_row >= self.rules.failures.max(1) || failed && is_outlier)
            .then(|| self.put_out(now))
    }

    /// Leaves it out for another reason, if it is in.
    pub fn suspect(&mut self, now: Duration) -> Option<Turn> {
        self.is_in().then(|| self.put_out(now))
    }

    /// Whether it is to be asked now; then it is counted as being asked.
    pub fn ask(&mut self, now: Duration) -> bool {
        let due = matches!(self.standing, Standing::Out { until } if until <= now);
        if due {
            self.standing = Standing::Asked;
        }
        due
    }

    /// What came of asking.
    pub fn answered(&mut self, now: Duration, is_well: bool) -> Option<Turn> {
        if self.standing != Standing::Asked {
            return None;
        }
        if is_well {
            *self = Self::new(self.rules);
            return Some(Turn::In);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.pause = self
            .pause
            .saturating_mul(2)
            .min(self.rules.pause_max.max(self.rules.pause));
        Some(self.put_out(now))
    }

    fn put_out(&mut self, now: Duration) -> Turn {
        let until = now.saturating_add(self.pause);
        self.standing = Standing::Out { until };
        (self.in_a_row, self.last, self.seen) = (0, 0, 0);
        Turn::Out(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: BreakerRules = BreakerRules {
        failures: 3,
        pause: Duration::from_secs(10),
        pause_max: Duration::from_secs(35),
    };

    const fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn the_pause_doubles_until_it_answers() {
        let mut b = Breaker::new(RULES);
        assert_eq!(b.ended(secs(1), true), None);
        assert_eq!(b.ended(secs(1), true), None);
        assert_eq!(b.ended(secs(1), true), Some(Turn::Out(secs(10))));
        assert_eq!(b.ended(secs(2), true), None, "a call of before");
        assert!(!b.ask(secs(10)));
        assert!(b.ask(secs(11)));
        assert!(!b.ask(secs(11)), "one question at a time");
        assert_eq!(b.answered(secs(12), false), Some(Turn::Out(secs(20))));
        assert!(b.ask(secs(32)));
        assert_eq!(b.answered(secs(32), false), Some(Turn::Out(secs(35))));
        assert_eq!(b.unanswered(), 2);
        assert!(b.ask(secs(67)));
        assert_eq!(b.answered(secs(67), true), Some(Turn::In));
        assert_eq!(b.suspect(secs(68)), Some(Turn::Out(secs(10))));
    }

    #[test]
    fn every_second_failure_is_too_many() {
        let mut b = Breaker::new(RULES);
        let turns: Vec<_> = (0..16_u64).map(|n| b.ended(secs(n), n % 2 == 1)).collect();
        assert!(turns[..15].iter().all(Option::is_none));
        assert_eq!(turns[15], Some(Turn::Out(secs(10))));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ended(bool),
        Suspect,
        Ask,
        Answered(bool),
    }

    fn step() -> impl Strategy<Value = (u64, Step)> {
        let what = prop_oneof![
            6 => any::<bool>().prop_map(Step::Ended),
            1 => Just(Step::Suspect),
            3 => Just(Step::Ask),
            3 => any::<bool>().prop_map(Step::Answered),
        ];
        (0_u64..15, what)
    }

    /// The standing as a state machine of three words, with the list of calls since it came in.
    #[derive(Debug)]
    struct Model {
        state: Standing,
        calls: Vec<bool>,
        pause: u64,
    }

    impl Model {
        fn out(&mut self, now: u64) {
            self.state = Standing::Out {
                until: secs(now + self.pause),
            };
            self.calls.clear();
        }

        fn is_too_bad(&self) -> bool {
            let row = self
                .calls
                .iter()
                .rev()
                .take_while(|failed| **failed)
                .count();
            let last: Vec<_> = self.calls.iter().rev().take(32).collect();
            let failed = last.iter().filter(|failed| ***failed).count();
            row >= 3 || last.len() >= 16 && *last[0] && failed * 2 >= last.len()
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_model_says(steps in prop::collection::vec(step(), 0..300)) {
            let mut breaker = Breaker::new(RULES);
            let mut model = Model { state: Standing::In, calls: Vec::new(), pause: 10 };
            let mut now = 0;
            for (pause, step) in steps {
                now += pause;
                match (step, model.state) {
                    (Step::Ended(failed), state) => {
                        let turn = breaker.ended(secs(now), failed);
                        if state == Standing::In {
                            model.calls.push(failed);
                            if model.is_too_bad() {
                                model.out(now);
                            }
                        }
                        prop_assert_eq!(turn.is_some(), state != model.state);
                    }
                    (Step::Suspect, state) => {
                        breaker.suspect(secs(now));
                        if state == Standing::In {
                            model.out(now);
                        }
                    }
                    (Step::Ask, Standing::Out { until }) if until <= secs(now) => {
                        prop_assert!(breaker.ask(secs(now)));
                        model.state = Standing::Asked;
                    }
                    (Step::Ask, _) => prop_assert!(!breaker.ask(secs(now))),
                    (Step::Answered(true), Standing::Asked) => {
                        prop_assert_eq!(breaker.answered(secs(now), true), Some(Turn::In));
                        (model.state, model.pause) = (Standing::In, 10);
                    }
                    (Step::Answered(false), Standing::Asked) => {
                        breaker.answered(secs(now), false);
                        model.pause = (model.pause * 2).min(35);
                        model.out(now);
                    }
                    (Step::Answered(well), _) => prop_assert_eq!(breaker.answered(secs(now), well), None),
                }
                prop_assert_eq!(breaker.standing(), model.state);
            }
        }
    }
}
