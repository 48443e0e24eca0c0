//! How fast replicas may change: `behavior`, and the older rule that holds without it.

use super::history::{Change, Changes, Recommendations};
use super::metric::Tolerance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of several policies holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Select {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest.
    Min,
    /// This direction is off.
    Disabled,
}

/// So much change in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// Replicas.
    Pods {
        /// So many.
        value: i64,
        /// In so many seconds.
        period_s: i64,
    },
    /// Percent of the replicas at the beginning of the period.
    Percent {
        /// So many.
        value: i64,
        /// In so many seconds.
        period_s: i64,
    },
}

/// One direction of a `behavior`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Of the proposals within so long the one that changes least holds.
    pub window_s: i64,
    /// Which policy holds.
    pub select: Select,
    /// At least one; none allows nothing.
    pub policies: Vec<Policy>,
    /// Of this direction alone; `None` is that of the controller.
    pub tolerance: Option<f64>,
}

/// Both directions, with the parts filled in that a manifest left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behavior {
    /// More replicas.
    pub up: Rules,
    /// Fewer.
    pub down: Rules,
}

/// What a number of replicas was limited by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    /// By nothing.
    DesiredWithinRange,
    /// By `maxReplicas`.
    TooManyReplicas,
    /// By `minReplicas`.
    TooFewReplicas,
    /// By how fast it may grow.
    ScaleUpLimit,
    /// By how fast it may shrink.
    ScaleDownLimit,
}

/// A number of replicas, and what limited it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// Replicas.
    pub replicas: i64,
    /// Why not those that were wanted.
    pub reason: Reason,
}

/// `minReplicas` and `maxReplicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// At least.
    pub min: i64,
    /// At most.
    pub max: i64,
}

impl Policy {
    /// So many replicas in so many seconds.
    #[must_use]
    pub fn pods(value: i64, period_s: i64) -> Self {
        Self::Pods { value, period_s }
    }

    /// So many percent in so many seconds.
    #[must_use]
    pub fn percent(value: i64, period_s: i64) -> Self {
        Self::Percent { value, period_s }
    }

    /// The time within which changes count.
    #[must_use]
    pub fn period_s(self) -> i64 {
        match self {
            Self::Pods { period_s, .. } | Self::Percent { period_s, .. } => period_s,
        }
    }
}

impl Rules {
    /// Scaling up where a manifest says nothing of it, but something of `behavior`.
    #[must_use]
    pub fn up() -> Self {
        Self {
            window_s: 0,
            select: Select::Max,
            policies: vec![Policy::pods(4, 15), Policy::percent(100, 15)],
            tolerance: None,
        }
    }

    /// Scaling down, likewise.
    #[must_use]
    pub fn down() -> Self {
        Self {
            window_s: super::DOWNSCALE_WINDOW_S,
            select: Select::Max,
            policies: vec![Policy::percent(100, 15)],
            tolerance: None,
        }
    }

    fn longest_s(&self) -> i64 {
        let periods = self.policies.iter().map(|policy| policy.period_s());
        periods.max().unwrap_or(0)
    }
}

impl Default for Behavior {
    /// What `behavior: {}` means, which is not what leaving it out means.
    fn default() -> Self {
        Self {
            up: Rules::up(),
            down: Rules::down(),
        }
    }
}

impl Behavior {
    /// The tolerance of each direction.
    #[must_use]
    pub fn tolerance(&self, of_controller: Tolerance) -> Tolerance {
        Tolerance {
            up: self.up.tolerance.unwrap_or(of_controller.up),
            down: self.down.tolerance.unwrap_or(of_controller.down),
        }
    }

    /// Keeps to what was proposed within both windows, and remembers what is proposed now.
    pub fn stabilise(
        &self,
        history: &mut Recommendations,
        current: i64,
        desired: i64,
        now_s: i64,
    ) -> i64 {
        let within = |window_s: i64| history.within(now_s, window_s);
        let least = within(self.up.window_s).fold(desired, i64::min);
        let most = within(self.down.window_s).fold(desired, i64::max);
        let stable = held_back(current, least, most);
        history.remember(desired, now_s, self.up.window_s.max(self.down.window_s));
        stable
    }

    /// Limits a number of replicas to what the policies allow after the changes that were.
    #[must_use]
    pub fn limit(
        &self,
        changes: &Changes,
        current: i64,
        desired: i64,
        bounds: Bounds,
        now_s: i64,
    ) -> Limited {
        if desired > current {
            let allowed = self.allowed_up(changes, current, now_s).max(current);
            let (most, reason) = if bounds.max > allowed {
                (allowed, Reason::ScaleUpLimit)
            } else {
                (bounds.max, Reason::TooManyReplicas)
            };
            if desired > most {
                return Limited {
                    replicas: most,
                    reason,
                };
            }
        } else if desired < current {
            let allowed = self.allowed_down(changes, current, now_s).min(current);
            let (least, reason) = if bounds.min < allowed {
                (allowed, Reason::ScaleDownLimit)
            } else {
                (bounds.min, Reason::TooFewReplicas)
            };
            if desired < least {
                return Limited {
                    replicas: least,
                    reason,
                };
            }
        }
        Limited {
            replicas: desired,
            reason: Reason::DesiredWithinRange,
        }
    }

    /// Remembers a change that was made, for as long as a policy looks back.
    pub fn remember(&self, changes: &mut Changes, from: i64, to: i64, now_s: i64) {
        let change = Change {
            replicas: (to - from).abs(),
            at_s: now_s,
        };
        if to > from {
            changes.remember_up(change, self.up.longest_s());
        } else if to < from {
            changes.remember_down(change, self.down.longest_s());
        }
    }

    fn allowed_up(&self, changes: &Changes, current: i64, now_s: i64) -> i64 {
        let proposals = self.up.policies.iter().map(|policy| {
            let begin = changes.begin(current, now_s, policy.period_s());
            match *policy {
                Policy::Pods { value, .. } => begin + value,
                // Up: a change that rounds to none would never come.
                Policy::Percent { value, .. } => {
                    (begin as f64 * (1.0 + value as f64 / 100.0)).ceil() as i64
                }
            }
        });
        let allowed = match self.up.select {
            Select::Max => proposals.max(),
            Select::Min => proposals.min(),
            Select::Disabled => None,
        };
        allowed.unwrap_or(current)
    }

    fn allowed_down(&self, changes: &Changes, current: i64, now_s: i64) -> i64 {
        let proposals = self.down.policies.iter().map(|policy| {
            let begin = changes.begin(current, now_s, policy.period_s());
            match *policy {
                Policy::Pods { value, .. } => begin - value,
                Policy::Percent { value, .. } => {
                    (begin as f64 * (1.0 - value as f64 / 100.0)) as i64
                }
            }
        });
        // The largest change leaves the fewest.
        let allowed = match self.down.select {
            Select::Max => proposals.min(),
            Select::Min => proposals.max(),
            Select::Disabled => None,
        };
        allowed.unwrap_or(current)
    }
}

/// The number that changes least among what was proposed of late: more only if all of the one window asked for more, fewer
/// only if all of the other were content with fewer.
///
/// - `least`: of the window for scaling up.
/// - `most`: of the window for scaling down.
#[must_use]
pub fn held_back(current: i64, least: i64, most: i64) -> i64 {
    // In this order: where both hold, the one for scaling down has the last word.
    current.max(least).min(most)
}

/// Without `behavior`: the most of what was proposed within the controller's window, and remembers what is proposed now.
pub fn stabilise_legacy(
    history: &mut Recommendations,
    desired: i64,
    window_s: i64,
    now_s: i64,
) -> i64 {
    let most = history.until(now_s, window_s).fold(desired, i64::max);
    history.remember_legacy(desired, now_s, window_s);
    most
}

/// Without `behavior`: at one look no more than twice as many, or 4.
#[must_use]
pub fn limit_legacy(current: i64, desired: i64, bounds: Bounds) -> Limited {
    let limit = (2 * current).max(4);
    let (most, reason) = if bounds.max > limit {
        (limit, Reason::ScaleUpLimit)
    } else {
        (bounds.max, Reason::TooManyReplicas)
    };
    if desired < bounds.min {
        Limited {
            replicas: bounds.min,
            reason: Reason::TooFewReplicas,
        }
    } else if desired > most {
        Limited {
            replicas: most,
            reason,
        }
    } else {
        Limited {
            replicas: desired,
            reason: Reason::DesiredWithinRange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { min: 1, max: 1_000 };

    #[test]
    fn policies_are_chosen_among() {
        #[track_caller]
        fn check(select: Select, want_up: i64, want_down: i64) {
            let rules = || Rules {
                window_s: 0,
                select,
                policies: vec![Policy::pods(3, 60), Policy::percent(10, 60)],
                tolerance: None,
            };
            let behavior = Behavior {
                up: rules(),
                down: rules(),
            };
            let limit = |desired| {
                behavior
                    .limit(&Changes::default(), 100, desired, BOUNDS, 0)
                    .replicas
            };
            assert_eq!((limit(900), limit(2)), (want_up, want_down));
        }
        // 100 x 1.1 is a little more than 110 in floats, and is rounded up.
        check(Select::Max, 111, 90);
        check(Select::Min, 103, 97);
        check(Select::Disabled, 100, 100);
    }

    #[test]
    fn changes_of_both_directions_count_until_they_are_as_old_as_the_period() {
        let behavior = Behavior {
            up: Rules {
                policies: vec![Policy::pods(4, 60)],
                ..Rules::up()
            },
            down: Rules::down(),
        };
        let mut changes = Changes::default();
        behavior.remember(&mut changes, 10, 14, 0);
        let limit = |changes: &Changes, current, now_s| {
            behavior.limit(changes, current, 50, BOUNDS, now_s).replicas
        };
        assert_eq!(limit(&changes, 14, 59), 14, "4 were added already");
        assert_eq!(limit(&changes, 14, 60), 18);
        behavior.remember(&mut changes, 14, 12, 30);
        assert_eq!(limit(&changes, 12, 40), 14, "and 2 were taken away");
    }

    #[test]
    fn both_windows_hold_a_number_back() {
        let behavior = Behavior {
            up: Rules {
                window_s: 60,
                ..Rules::up()
            },
            down: Rules {
                window_s: 120,
                ..Rules::down()
            },
        };
        let mut history = Recommendations::default();
        let mut ask =
            |current, desired, now_s| behavior.stabilise(&mut history, current, desired, now_s);
        assert_eq!(ask(5, 5, 0), 5);
        assert_eq!(ask(5, 9, 15), 5, "5 was enough a moment ago");
        assert_eq!(ask(5, 9, 59), 5);
        assert_eq!(ask(5, 9, 60), 9, "what is as old as the window is over");
        assert_eq!(ask(9, 3, 75), 9);
        assert_eq!(ask(9, 3, 179), 9);
        assert_eq!(ask(9, 3, 180), 3);
    }

    #[test]
    fn without_behavior_two_become_four_and_with_it_six() {
        assert_eq!(limit_legacy(2, 50, BOUNDS).replicas, 4);
        let filled = Behavior::default();
        let got = filled.limit(&Changes::default(), 2, 50, BOUNDS, 0);
        assert_eq!(got.replicas, 6);
    }
}
