//! A new version of a server beside the old one: which share of what begins goes to it, and when that
//! share grows.
//!
//! Nothing here starts, asks or ends anything: whoever does gives the time, and whether the new version
//! answers. Times are spans since any fixed moment, and never go back.

mod spread;

pub use spread::goes_to_new;
use std::time::Duration;

/// The shares of a replacement, in percent: they rise, and the last is 100.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps(Box<[u8]>);

/// Why shares are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// Too many.
    #[error("at most {} steps", Steps::MAX)]
    TooMany,
    /// One is not from 1 to 100, or none is more than the one before.
    #[error("steps are percents from 1 to 100, each more than the one before")]
    NotRising,
    /// The last is not everything.
    #[error("the last step has to be 100")]
    NotAll,
}

impl Steps {
    /// Most of them.
    pub const MAX: usize = 20;

    /// Takes shares in percent.
    ///
    /// # Errors
    /// [`StepsError`].
    pub fn new(percents: &[u8]) -> Result<Self, StepsError> {
        if percents.len() > Self::MAX {
            return Err(StepsError::TooMany);
        }
        let rise = percents.windows(2).all(|pair| pair[0] < pair[1]);
        let are_shares = percents.iter().all(|share| (1..=100).contains(share));
        if !rise || !are_shares {
            return Err(StepsError::NotRising);
        }
        if percents.last() != Some(&100) {
            return Err(StepsError::NotAll);
        }
        Ok(Self(percents.into()))
    }

    /// The shares, in percent.
    pub fn percents(&self) -> &[u8] {
        &self.0
    }
}

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The next step comes when it is time.
    Going,
    /// It stays at its step until somebody resumes it.
    Paused,
    /// The new version has everything; the old one has what it began with.
    Draining,
    /// The old version has everything again; the new one has what it began with.
    Undoing,
}

/// One replacement.
#[derive(Clone, Debug)]
pub struct Replacement {
    steps: Steps,
    /// How long a step lasts; none: until somebody resumes.
    every: Option<Duration>,
    at: usize,
    phase: Phase,
    /// For how long the new version has answered within this step, pauses apart.
    well_for: Duration,
    /// The last look, if the new version answered then and the time counts.
    looked: Option<Duration>,
}

impl Replacement {
    /// One that begins with the first step.
    ///
    /// - `every`: how long a step lasts; none: until somebody resumes.
    pub fn new(steps: Steps, every: Option<Duration>) -> Self {
        Self {
            steps,
            every,
            at: 0,
            phase: Phase::Going,
            well_for: Duration::ZERO,
            looked: None,
        }
    }

    /// What is seen at `now`.
    ///
    /// - `is_well`: the new version answers. While it does not, no step is taken and no time counts.
    ///
    /// Returns whether something has changed.
    pub fn look(&mut self, now: Duration, is_well: bool) -> bool {
        let counts = is_well && self.phase == Phase::Going;
        let since = self.looked.take();
        if !counts {
            return false;
        }
        self.looked = Some(now);
        if let Some(since) = since {
            self.well_for += now.saturating_sub(since);
        }
        if self.weight() == 100 {
            self.phase = Phase::Draining;
            return true;
        }
        match self.every {
            // Never more than one step at a look: each is in force for a while.
            Some(every) if self.well_for >= every => self.step(),
            Some(_) => return false,
            None => self.phase = Phase::Paused,
        }
        true
    }

    /// It stays where it is. `false` when there is nothing left to pause.
    pub fn pause(&mut self) -> bool {
        self.looked = None;
        if self.phase == Phase::Going {
            self.phase = Phase::Paused;
        }
        self.phase == Phase::Paused
    }

    /// It goes on: with the next step where steps are taken by hand, else with what is left of this one.
    /// `false` when it is not paused.
    pub fn resume(&mut self) -> bool {
        if self.phase != Phase::Paused {
            return false;
        }
        self.phase = Phase::Going;
        if self.every.is_none() {
            self.step();
        }
        true
    }

    /// Everything that begins goes to the old version again, for good.
    pub fn undo(&mut self) {
        self.phase = Phase::Undoing;
    }

    fn step(&mut self) {
        self.at = (self.at + 1).min(self.steps.0.len() - 1);
        self.well_for = Duration::ZERO;
    }

    /// The share of what begins that the new version gets, in percent.
    pub fn weight(&self) -> u8 {
        match self.phase {
            Phase::Undoing => 0,
            Phase::Going | Phase::Paused | Phase::Draining => self.steps.0[self.at],
        }
    }

    /// What goes on.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The step it is at, from 1 on, and all steps.
    pub fn step_of(&self) -> (usize, &Steps) {
        (self.at + 1, &self.steps)
    }

    /// How long a step lasts; none: until somebody resumes.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn of(percents: &[u8], every: Option<Duration>) -> Replacement {
        Replacement::new(Steps::new(percents).unwrap(), every)
    }

    #[test]
    fn steps_rise_to_all() {
        assert!(Steps::new(&[10, 50, 100]).is_ok());
        assert_eq!(Steps::new(&[50]), Err(StepsError::NotAll));
        assert_eq!(Steps::new(&[]), Err(StepsError::NotAll));
        assert_eq!(Steps::new(&[0, 100]), Err(StepsError::NotRising));
        assert_eq!(Steps::new(&[50, 50, 100]), Err(StepsError::NotRising));
        assert_eq!(Steps::new(&[100, 101]), Err(StepsError::NotRising));
        let many: Vec<u8> = (80..=100).collect();
        assert_eq!(Steps::new(&many), Err(StepsError::TooMany));
    }

    #[test]
    fn by_hand_each_step_waits_for_somebody() {
        let mut one = of(&[10, 100], None);
        assert!(!one.look(SECOND, false), "it does not answer yet");
        assert!(one.look(SECOND, true));
        assert_eq!((one.phase(), one.weight()), (Phase::Paused, 10));
        assert!(!one.look(SECOND * 9999, true));
        assert!(one.resume() && one.look(SECOND * 9999, true));
        assert_eq!((one.phase(), one.weight()), (Phase::Draining, 100));
        assert!(!one.pause() && !one.resume());
        one.undo();
        assert!(!one.look(SECOND * 9999, true) && !one.pause() && !one.resume());
        assert_eq!((one.phase(), one.weight()), (Phase::Undoing, 0));
    }

    #[test]
    fn by_time_only_the_time_counts_in_which_it_answers_and_goes_on() {
        let mut one = of(&[10, 50, 100], Some(SECOND * 4));
        for second in 0..3 {
            assert!(!one.look(SECOND * second, true));
        }
        assert!(!one.look(SECOND * 100, false) && !one.look(SECOND * 200, true));
        assert!(one.pause() && !one.look(SECOND * 300, true) && one.resume());
        assert!(!one.look(SECOND * 400, true) && !one.look(SECOND * 401, true));
        assert_eq!(one.weight(), 10, "three seconds of four");
        assert!(one.look(SECOND * 402, true));
        assert_eq!(one.weight(), 50);
    }

    proptest! {
        /// Whatever is done in whatever order: the share never falls, rises by one step at a time, and only
        /// while the new version answers or by hand; and what has drained stays so.
        #[test]
        fn a_share_only_rises_step_by_step(
            acts in prop::collection::vec((0_u8..4, 0_u64..9), 1..80),
            every in prop::option::of(1_u64..9),
        ) {
            let percents = [5, 20, 60, 100];
            let mut one = of(&percents, every.map(|s| SECOND * u32::try_from(s).unwrap()));
            let mut now = Duration::ZERO;
            for (act, wait) in acts {
                let (step, phase) = (one.step_of().0, one.phase());
                now += SECOND * u32::try_from(wait).unwrap();
                let may_rise = match act {
                    0 => one.look(now, true),
                    1 => one.look(now, false),
                    2 => { one.pause(); false }
                    _ => one.resume(),
                };
                let risen = one.step_of().0 - step;
                prop_assert!(risen <= usize::from(may_rise));
                prop_assert_eq!(one.weight(), percents[one.step_of().0 - 1]);
                prop_assert!(phase != Phase::Draining || one.phase() == Phase::Draining);
                prop_assert!(one.phase() != Phase::Draining || one.weight() == 100);
            }
        }

        /// A version that answers gets everything after the time of all steps but the last.
        #[test]
        fn it_comes_to_an_end(every in 1_u32..60, looks_per_second in 1_u32..5) {
            let mut one = of(&[10, 50, 100], Some(SECOND * every));
            let mut looks = 0;
            while one.phase() != Phase::Draining {
                one.look(SECOND * looks / looks_per_second, true);
                looks += 1;
                prop_assert!(looks <= (2 * every + 4) * looks_per_second + 8);
            }
            prop_assert!(looks >= 2 * every * looks_per_second);
        }
    }
}
