//! The arithmetic of limits: what a call costs, and whether there is that much left.
//!
//! One number of 64 bits is all that is remembered of each subject, and 0 stands for one that has not been
//! seen, so that what has become 0 again can be forgotten.

use std::time::Duration;

/// The moment at which a call is decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds since some start, on a clock that never goes back.
    pub ns: u64,
    /// Unix time in seconds, for days.
    pub unix_s: u64,
}

/// What is allowed to one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allowance {
    /// One call each `interval_ns`, and `burst` of them at once.
    Rate {
        /// Nanoseconds between two calls, at least 1.
        interval_ns: u64,
        /// Calls at once, at least 1.
        burst: u32,
    },
    /// So many calls in a day of UTC.
    Daily(u32),
    /// So many calls at the same time. They are given back with [`Allowance::give_back`].
    Concurrent(u32),
}

/// There is nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// After which time there is something again, if nobody else takes it; for calls at the same time
    /// nobody knows, and a second is said.
    pub wait: Duration,
}

const S_PER_DAY: u64 = 86_400;

impl Allowance {
    /// `calls` in `every`, rounded so that never more pass.
    pub fn rate(calls: u32, every: Duration, burst: u32) -> Self {
        let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        Self::Rate {
            interval_ns: every.div_ceil(u64::from(calls.max(1))).max(1),
            burst: burst.max(1),
        }
    }

    /// What is to be remembered after one call more.
    ///
    /// - `state`: what is remembered so far; 0 of what was never seen.
    ///
    /// # Errors
    /// [`Spent`] when nothing is left; then `state` stays what it is.
    pub fn charge(self, state: u64, now: Now) -> Result<u64, Spent> {
        match self {
            Self::Rate { interval_ns, burst } => gcra(state, now.ns, interval_ns, burst),
            Self::Daily(quota) => {
                let (day, used) = (day(now), used_on(state, day(now)));
                if used >= quota {
                    let wait = Duration::from_secs(S_PER_DAY - now.unix_s % S_PER_DAY);
                    return Err(Spent { wait });
                }
                Ok(u64::from(day) << 32 | u64::from(used + 1))
            }
            Self::Concurrent(most) if state >= u64::from(most) => Err(Spent {
                wait: Duration::from_secs(1),
            }),
            Self::Concurrent(_) => Ok(state + 1),
        }
    }

    /// What is to be remembered when a call is over.
    pub fn give_back(self, state: u64) -> u64 {
        match self {
            Self::Concurrent(_) => state.saturating_sub(1),
            Self::Rate { .. } | Self::Daily(_) => state,
        }
    }

    /// Which of the three it is.
    pub fn kind(self) -> Kind {
        match self {
            Self::Rate { .. } => Kind::Rate,
            Self::Daily(_) => Kind::Daily,
            Self::Concurrent(_) => Kind::Concurrent,
        }
    }
}

/// The kinds of allowances: what a remembered number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The time at which all would be free again, in nanoseconds.
    Rate = 1,
    /// A day and the calls of it.
    Daily = 2,
    /// Calls at this moment.
    Concurrent = 3,
}

impl Kind {
    /// Whether `state` is as good as 0 from now on, so that it can be forgotten.
    pub fn is_idle(self, state: u64, now: Now) -> bool {
        match self {
            Self::Rate => state <= now.ns,
            Self::Daily => used_on(state, day(now)) == 0,
            Self::Concurrent => state == 0,
        }
    }
}

/// The generic cell rate algorithm. `free_at` is the time at which the subject would have all of its burst
/// again; each call moves it on by `interval_ns`, and it may not lie further off than the burst.
///
/// Of the calls in any stretch of time, the first moved it to at least one interval after itself and the last
/// left it at most a burst after itself, so there are at most `time / interval_ns + burst`.
///
/// A state that lies further off is of a clock that was set back, or of a limit that was wider: it counts as
/// a burst that is used up, so that nobody waits longer than an interval.
fn gcra(free_at: u64, now: u64, interval_ns: u64, burst: u32) -> Result<u64, Spent> {
    let most = now.saturating_add(interval_ns.saturating_mul(u64::from(burst)));
    let next = free_at.clamp(now, most).saturating_add(interval_ns);
    if next <= most {
        return Ok(next);
    }
    Err(Spent {
        wait: Duration::from_nanos(next - most),
    })
}

fn day(now: Now) -> u32 {
    u32::try_from(now.unix_s / S_PER_DAY).unwrap_or(u32::MAX)
}

/// A clock that is set back does not give a day twice.
fn used_on(state: u64, today: u32) -> u32 {
    let day = u32::try_from(state >> 32).unwrap_or(u32::MAX);
    let used = u32::try_from(state & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    if day >= today { used } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ns: u64) -> Now {
        Now { ns, unix_s: 0 }
    }

    /// When each of the calls that passed did so.
    fn passed(allowance: Allowance, gaps: &[u64]) -> Vec<u64> {
        let (mut state, mut now, mut passed) = (0, 0, Vec::new());
        for gap in gaps {
            now += gap;
            if let Ok(next) = allowance.charge(state, at(now)) {
                state = next;
                passed.push(now);
            }
        }
        passed
    }

    /// Gaps that matter: none, tiny, around one interval, long.
    fn gaps(interval: u64) -> impl Strategy<Value = Vec<u64>> {
        let gap = prop_oneof![
            3 => Just(0),
            2 => 0..5_u64,
            4 => 0..=interval.saturating_mul(2),
            1 => 0..=interval.saturating_mul(50),
        ];
        proptest::collection::vec(gap, 0..400)
    }

    proptest! {
        /// The bound, over every window that begins and ends with a call: others hold fewer.
        #[test]
        fn no_window_has_more_than_its_rate_and_the_burst(
            (calls, every_ms, burst, gaps) in (1..2_000_u32, 1..100_000_u64, 1..50_u32)
                .prop_flat_map(|(c, e, b)| {
                    let interval = (e * 1_000_000).div_ceil(u64::from(c));
                    (Just(c), Just(e), Just(b), gaps(interval))
                })
        ) {
            let allowance = Allowance::rate(calls, Duration::from_millis(every_ms), burst);
            let passed = passed(allowance, &gaps);
            for (first, from) in passed.iter().enumerate() {
                for (count, to) in passed[first..].iter().enumerate() {
                    // calls in [from, to] <= window * rate + burst, in whole numbers.
                    let extra = (count as u128 + 1).saturating_sub(u128::from(burst));
                    let window = u128::from(to - from);
                    prop_assert!(extra * u128::from(every_ms) * 1_000_000 <= window * u128::from(calls));
                }
            }
        }

        /// It takes nothing away either: who stays within the rate is never refused, and after the time that
        /// a refusal names, and not before, the next call passes.
        #[test]
        fn the_wait_that_is_said_is_exact(interval in 1..1_000_000_u64, burst in 1..20_u32, gaps in gaps(1_000)) {
            let allowance = Allowance::Rate { interval_ns: interval, burst };
            let (mut state, mut now) = (0, 0);
            for gap in gaps {
                now += gap;
                match allowance.charge(state, at(now)) {
                    Ok(next) => state = next,
                    Err(Spent { wait }) => {
                        let wait = u64::try_from(wait.as_nanos()).unwrap();
                        prop_assert!(wait > 0 && wait <= interval);
                        prop_assert!(allowance.charge(state, at(now + wait - 1)).is_err());
                        prop_assert!(allowance.charge(state, at(now + wait)).is_ok());
                    }
                }
            }
            let steady = vec![interval; 100];
            prop_assert_eq!(passed(allowance, &steady).len(), 100);
        }

        /// Forgetting what is idle changes nothing.
        #[test]
        fn what_is_idle_can_be_forgotten(
            allowance in prop_oneof![
                (1..10_000_u64, 1..9_u32).prop_map(|(interval_ns, burst)| Allowance::Rate { interval_ns, burst }),
                (1..9_u32).prop_map(Allowance::Daily),
            ],
            gaps in gaps(10_000),
            s_per_ns in 1..30_u64,
        ) {
            let (mut kept, mut forgetting, mut now) = (0, 0, 0);
            for gap in gaps {
                now += gap;
                let now = Now { ns: now, unix_s: now * s_per_ns };
                if allowance.kind().is_idle(forgetting, now) {
                    forgetting = 0;
                }
                let (a, b) = (allowance.charge(kept, now), allowance.charge(forgetting, now));
                prop_assert_eq!(a, b);
                kept = a.unwrap_or(kept);
                forgetting = b.unwrap_or(forgetting);
            }
        }
    }

    #[test]
    fn a_day_has_its_quota_and_begins_at_midnight() {
        let daily = Allowance::Daily(2);
        let at = |unix_s| Now { ns: 0, unix_s };
        let noon = S_PER_DAY * 20_000 + S_PER_DAY / 2;
        let one = daily.charge(0, at(noon)).unwrap();
        let two = daily.charge(one, at(noon + 5)).unwrap();
        let spent = daily.charge(two, at(noon + 10)).unwrap_err();
        assert_eq!(spent.wait, Duration::from_secs(S_PER_DAY / 2 - 10));
        assert!(daily.charge(two, at(noon + S_PER_DAY / 2)).is_ok());
        // A clock that goes back gives no second quota.
        let next = daily.charge(two, at(noon + S_PER_DAY)).unwrap();
        let next = daily.charge(next, at(noon + S_PER_DAY)).unwrap();
        assert!(daily.charge(next, at(noon)).is_err());
    }

    #[test]
    fn nobody_waits_longer_than_an_interval() {
        let rate = |interval_ns| Allowance::Rate {
            interval_ns,
            burst: 3,
        };
        let state = (0..3).fold(0, |state, _| rate(100).charge(state, at(1_000)).unwrap());
        // The clock is set back, and the limit is made narrower.
        let spent = rate(100).charge(state, at(0)).unwrap_err();
        assert_eq!(spent.wait, Duration::from_nanos(100));
        let spent = rate(10).charge(state, at(1_000)).unwrap_err();
        assert_eq!(spent.wait, Duration::from_nanos(10));
    }

    #[test]
    fn so_many_at_once() {
        let two = Allowance::Concurrent(2);
        let state = two.charge(0, at(0)).unwrap();
        let state = two.charge(state, at(0)).unwrap();
        assert!(two.charge(state, at(0)).is_err());
        let state = two.give_back(state);
        assert!(two.charge(state, at(0)).is_ok());
        assert_eq!(two.give_back(0), 0);
    }
}
