//! When a group is due.

/// Times at multiples of an interval, shifted by a hash, so that groups do not come all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    interval_ms: i64,
    shift_ms: i64,
}

/// What follows a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) due_ms: i64,
    /// Times that are left out, since the last evaluation took so long or nobody was awake.
    pub(crate) missed: u64,
}

impl Schedule {
    /// - `key`: the same text for the same group, for ever.
    pub(crate) fn of(key: &str, interval_ms: i64) -> Self {
        let interval_ms = interval_ms.max(1);
        // FNV-1a: the same on every machine and in every version.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let shift = (hash >> 1) % u64::try_from(interval_ms).unwrap_or(1);
        Self {
            interval_ms,
            shift_ms: i64::try_from(shift).unwrap_or(0),
        }
    }

    /// The first time after `now_ms`.
    pub(crate) fn first(&self, now_ms: i64) -> i64 {
        let since = now_ms.saturating_sub(self.shift_ms);
        (since.div_euclid(self.interval_ms) + 1)
            .saturating_mul(self.interval_ms)
            .saturating_add(self.shift_ms)
    }

    /// What follows the evaluation of `last_ms`, which ended at `now_ms`. Of the times that are past already the
    /// last is taken up at once, as Prometheus does, and the others are missed.
    pub(crate) fn next(&self, last_ms: i64, now_ms: i64) -> Next {
        // A clock that was set back far would make it wait as long.
        if last_ms.saturating_sub(now_ms) > 2 * self.interval_ms {
            return Next {
                due_ms: self.first(now_ms),
                missed: 0,
            };
        }
        let missed = (now_ms.saturating_sub(last_ms) / self.interval_ms - 1).max(0);
        Next {
            due_ms: last_ms.saturating_add(self.interval_ms.saturating_mul(missed + 1)),
            missed: u64::try_from(missed).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_multiples_of_the_interval_shifted_by_the_group() {
        let schedule = Schedule::of("a;b", 15_000);
        let first = schedule.first(1_000_000);
        assert!((1_000_001..=1_015_000).contains(&first));
        assert_eq!((first - schedule.shift_ms) % 15_000, 0);
        assert_eq!(schedule.first(first), first + 15_000);
        assert_eq!(schedule.first(first - 1), first);
        let shifts: std::collections::BTreeSet<i64> = (0..50)
            .map(|n| Schedule::of(&format!("file;{n}"), 15_000).shift_ms)
            .collect();
        assert!(shifts.len() > 45 && shifts.iter().all(|s| (0..15_000).contains(s)));
    }

    #[test]
    fn what_is_late_is_left_out_and_counted() {
        let schedule = Schedule::of("a;b", 10_000);
        let next = |took: i64| schedule.next(100_000, 100_000 + took);
        let want = |due_ms, missed| Next { due_ms, missed };
        assert_eq!(next(3), want(110_000, 0));
        // Late, but no time is lost: it is due at once.
        assert_eq!(next(10_500), want(110_000, 0));
        assert_eq!(next(19_999), want(110_000, 0));
        assert_eq!(next(20_000), want(120_000, 1));
        assert_eq!(next(47_000), want(140_000, 3));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let schedule = Schedule::of("a;b", 10_000);
        let next = schedule.next(9_000_000, 100_000);
        assert_eq!(next.missed, 0);
        assert!((100_001..=110_000).contains(&next.due_ms));
        // A little is waited out: no time is evaluated twice.
        assert_eq!(schedule.next(110_000, 100_000).due_ms, 120_000);
    }
}
