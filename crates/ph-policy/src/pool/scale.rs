//! How many replicas are wanted.
//!
//! Each look gives a number that would do for the load of that moment. There are more replicas when
//! every look of the last `up_after` asked for more, and fewer when every look of the last `down_after`
//! was content with fewer: a burst does not start processes, and a lull does not stop them.
//!
//! That is what the autoscaler of Kubernetes does with an `averageValue` and two windows, and it is the same code; without
//! tolerance, since a child is cheap.

use ph_cost::hpa::{Tolerance, held_back, total_average};
use std::collections::VecDeque;
use std::time::Duration;

/// When there are more replicas, and when fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleRules {
    /// Fewest; 0 when the first call may start one.
    pub min: u16,
    /// Most; not below `min`.
    pub max: u16,
    /// Calls at the same time that one replica is to have; at least 1.
    pub target_in_flight: u32,
    /// Mean time of a call above which one more is wanted.
    pub target_latency: Option<Duration>,
    /// How long there must be a need for more.
    pub up_after: Duration,
    /// How long fewer must be enough.
    pub down_after: Duration,
}

/// What there is to do at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Calls that replicas have.
    pub in_flight: u32,
    /// Calls that wait for one.
    pub waiting: u32,
    /// Mean time of the calls that ended since the number of replicas changed, once it means something.
    pub latency: Option<Duration>,
}

/// Remembers what was enough, and for how long.
#[derive(Clone, Debug)]
pub struct Scaler {
    rules: ScaleRules,
    wanted: u16,
    /// Over `up_after`: the smallest number at the front.
    least: Window,
    /// Over `down_after`: the greatest number at the front.
    most: Window,
}

impl ScaleRules {
    /// The number that would do for `load`, beside `wanted` replicas.
    fn enough_for(&self, load: Load, wanted: u16) -> u16 {
        let calls = load.in_flight.saturating_add(load.waiting);
        let by_calls = self.enough_for_calls(calls, wanted);
        let is_slow =
            matches!((load.latency, self.target_latency), (Some(is), Some(max)) if is > max);
        // Where every replica has at most one call, another one would make none of them faster.
        let by_latency = if is_slow && calls > u32::from(wanted) {
            wanted.saturating_add(1)
        } else {
            0
        };
        let enough = by_calls.max(by_latency);
        enough.clamp(self.min, self.max.max(self.min))
    }

    /// As an autoscaler with the calls of all as its metric, and the target as its `averageValue`.
    fn enough_for_calls(&self, calls: u32, wanted: u16) -> u16 {
        let milli = |calls: u32| i64::from(calls) * 1_000;
        let exactly = Tolerance { up: 0.0, down: 0.0 };
        let target = milli(self.target_in_flight.max(1));
        let proposal = total_average(i64::from(wanted), milli(calls), target, exactly);
        // Only a target of 0 has no proposal.
        proposal.map_or(wanted, |proposal| {
            u16::try_from(proposal.replicas).unwrap_or(u16::MAX)
        })
    }
}

impl Scaler {
    /// Begins with `wanted` replicas.
    pub fn new(rules: ScaleRules, wanted: u16, now: Duration) -> Self {
        let (mut least, mut most) = (Window::default(), Window::default());
        least.push(now, wanted, |old, new| old < new);
        most.push(now, wanted, |old, new| old > new);
        Self {
            rules,
            wanted,
            least,
            most,
        }
    }

    /// The rules that it goes by.
    pub fn rules(&self) -> &ScaleRules {
        &self.rules
    }

    /// One look: how many replicas are wanted from `now` on.
    pub fn look(&mut self, now: Duration, load: Load) -> u16 {
        let enough = self.rules.enough_for(load, self.wanted);
        self.least.push(now, enough, |old, new| old < new);
        self.most.push(now, enough, |old, new| old > new);
        let least = self.least.front(now, self.rules.up_after, enough);
        let most = self.most.front(now, self.rules.down_after, enough);
        if self.wanted == 0 && enough > 0 {
            // Somebody waits, and nobody is there: no time to lose.
            self.wanted = enough;
        } else {
            let held = held_back(self.wanted.into(), least.into(), most.into());
            self.wanted = u16::try_from(held).unwrap_or(self.wanted);
        }
        self.wanted = self
            .wanted
            .clamp(self.rules.min, self.rules.max.max(self.rules.min));
        self.wanted
    }
}

/// The numbers of the last looks, of which only those are kept that can still become the extreme. They
/// are all different, so there are at most as many as there are numbers of replicas.
#[derive(Clone, Debug, Default)]
struct Window(VecDeque<(Duration, u16)>);

impl Window {
    /// - `outlasts`: whether an old number stays in front of a new one.
    fn push(&mut self, now: Duration, number: u16, outlasts: fn(u16, u16) -> bool) {
        while self
            .0
            .back()
            .is_some_and(|(_, old)| !outlasts(*old, number))
        {
            self.0.pop_back();
        }
        self.0.push_back((now, number));
    }

    /// The extreme of the last `span`.
    fn front(&mut self, now: Duration, span: Duration, newest: u16) -> u16 {
        let since = now.saturating_sub(span);
        // What was pushed at the very beginning of the span still counts.
        while self.0.len() > 1 && self.0.front().is_some_and(|(at, _)| *at < since) {
            self.0.pop_front();
        }
        self.0.front().map_or(newest, |(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn rules(min: u16, max: u16) -> ScaleRules {
        ScaleRules {
            min,
            max,
            target_in_flight: 4,
            target_latency: None,
            up_after: secs(2),
            down_after: secs(60),
        }
    }

    fn calls(in_flight: u32) -> Load {
        Load {
            in_flight,
            ..Load::default()
        }
    }

    #[test]
    fn a_burst_starts_nothing_and_a_lull_stops_nothing() {
        let mut s = Scaler::new(rules(1, 5), 1, secs(0));
        let mut each_second = |from: u64, to: u64, in_flight: u32| {
            let looks = (from..to).map(|t| s.look(secs(t), calls(in_flight)));
            looks.last().unwrap_or(0)
        };
        assert_eq!(each_second(1, 10, 0), 1);
        assert_eq!(each_second(10, 12, 40), 1);
        assert_eq!(each_second(12, 20, 0), 1);
        assert_eq!(each_second(20, 21, 40), 1);
        assert_eq!(each_second(21, 22, 9), 1);
        // For 2 s at least 9 calls: 3 replicas would have done all the time.
        assert_eq!(each_second(22, 23, 40), 3);
        assert_eq!(each_second(23, 25, 40), 5);
        assert_eq!(each_second(25, 85, 5), 5);
        assert_eq!(each_second(85, 86, 5), 2);
    }

    #[test]
    fn a_sleeping_server_is_woken_at_once() {
        let mut s = Scaler::new(rules(0, 3), 0, secs(0));
        assert_eq!(s.look(secs(100), calls(0)), 0);
        let one = Load {
            waiting: 1,
            ..Load::default()
        };
        assert_eq!(s.look(secs(101), one), 1);
        assert_eq!(s.look(secs(150), calls(0)), 1);
        assert_eq!(s.look(secs(162), calls(0)), 0);
    }

    #[test]
    fn slow_calls_want_one_more_where_it_can_help() {
        let with_latency = ScaleRules {
            target_latency: Some(secs(1)),
            up_after: secs(0),
            ..rules(1, 5)
        };
        let slow = |in_flight| Load {
            in_flight,
            latency: Some(secs(3)),
            waiting: 0,
        };
        let mut s = Scaler::new(with_latency, 2, secs(0));
        assert_eq!(s.look(secs(1), slow(2)), 2);
        assert_eq!(s.look(secs(2), slow(3)), 3);
    }

    proptest! {
        /// The model keeps every look and reads all of them each time.
        #[test]
        fn it_is_what_a_list_of_all_looks_would_say(
            looks in prop::collection::vec((0_u64..40, 0_u32..60), 1..200),
            min in 0_u16..3,
            more in 0_u16..10,
            up in 0_u64..30,
            down in 0_u64..90,
        ) {
            let rules = ScaleRules { up_after: secs(up), down_after: secs(down), ..rules(min, min + more) };
            let begin = min.max(1).min(rules.max);
            let mut scaler = Scaler::new(rules, begin, secs(0));
            let mut all = vec![(0_u64, begin)];
            let (mut now, mut wanted) = (0, begin);
            for (pause, in_flight) in looks {
                now += pause;
                let enough = u16::try_from(in_flight.div_ceil(4)).unwrap_or(0).clamp(rules.min, rules.max);
                all.push((now, enough));
                let over = |span: u64| {
                    let since = now.saturating_sub(span);
                    all.iter().filter(move |(at, _)| *at >= since).map(|(_, n)| *n)
                };
                let (least, most) = (over(up).min().unwrap_or(0), over(down).max().unwrap_or(0));
                if wanted == 0 && enough > 0 {
                    wanted = enough;
                } else if least > wanted {
                    wanted = least;
                } else if most < wanted {
                    wanted = most;
                }
                prop_assert_eq!(scaler.look(secs(now), calls(in_flight)), wanted);
                prop_assert!((rules.min..=rules.max).contains(&wanted));
                prop_assert!(scaler.least.0.len() <= usize::from(rules.max) + 2);
                prop_assert!(scaler.most.0.len() <= usize::from(rules.max) + 2);
            }
        }
    }
}
