//! What the controller remembers: proposals, and the changes that it made. In memory: a new controller knows nothing.

use serde::{Deserialize, Serialize};

/// What was proposed, before anything held it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Replicas.
    pub replicas: i64,
    /// When.
    pub at_s: i64,
}

/// Proposals, as long as a window looks back: one that is older is overwritten, so there are never more than looks within
/// the longest window, and one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendations(pub Vec<Recommendation>);

impl Recommendations {
    /// Those that are younger than a window.
    pub fn within(&self, now_s: i64, window_s: i64) -> impl Iterator<Item = i64> {
        let young = self.0.iter().filter(move |r| r.at_s > now_s - window_s);
        young.map(|recommendation| recommendation.replicas)
    }

    /// Those that are no older than a window: the older rule has the edge inside.
    pub fn until(&self, now_s: i64, window_s: i64) -> impl Iterator<Item = i64> {
        let young = self.0.iter().filter(move |r| r.at_s >= now_s - window_s);
        young.map(|recommendation| recommendation.replicas)
    }

    /// Remembers one in the place of the last that is older than the longest window.
    pub fn remember(&mut self, replicas: i64, now_s: i64, longest_s: i64) {
        self.put(replicas, now_s, |at_s| at_s < now_s - longest_s);
    }

    /// The same by the older rule.
    pub fn remember_legacy(&mut self, replicas: i64, now_s: i64, window_s: i64) {
        self.put(replicas, now_s, |at_s| at_s < now_s - window_s);
    }

    fn put(&mut self, replicas: i64, at_s: i64, is_old: impl Fn(i64) -> bool) {
        let new = Recommendation { replicas, at_s };
        match self.0.iter_mut().rev().find(|r| is_old(r.at_s)) {
            Some(old) => *old = new,
            None => self.0.push(new),
        }
    }
}

/// A change of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// By so many: positive in both directions.
    pub replicas: i64,
    /// When.
    pub at_s: i64,
}

/// Changes, as long as a policy looks back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Replicas that were added.
    pub up: Vec<Change>,
    /// Replicas that were taken away.
    pub down: Vec<Change>,
}

impl Changes {
    /// How many replicas there were when a period began that ends now.
    #[must_use]
    pub fn begin(&self, current: i64, now_s: i64, period_s: i64) -> i64 {
        let sum = |changes: &[Change]| {
            let young = changes.iter().filter(|c| c.at_s > now_s - period_s);
            young.map(|change| change.replicas).sum::<i64>()
        };
        current - sum(&self.up) + sum(&self.down)
    }

    pub(super) fn remember_up(&mut self, change: Change, longest_s: i64) {
        put(&mut self.up, change, longest_s);
    }

    pub(super) fn remember_down(&mut self, change: Change, longest_s: i64) {
        put(&mut self.down, change, longest_s);
    }
}

fn put(changes: &mut Vec<Change>, change: Change, longest_s: i64) {
    changes.retain(|old| old.at_s > change.at_s - longest_s);
    changes.push(change);
}
