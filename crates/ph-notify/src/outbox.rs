//! Notifications that wait for their receiver: a queue for each way out. Pure.

use crate::saved::Saved;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Notifications of one lane, at most; the oldest give way.
pub(crate) const LANE_ENTRIES_MAX: usize = 1_000;
/// How long a notification is tried, in milliseconds.
const GIVE_UP_MS: i64 = 24 * 3_600_000;
/// The first pause after a failure and the longest, in milliseconds.
const PAUSE_FIRST_MS: i64 = 1_000;
const PAUSE_LAST_MS: i64 = 60_000;
/// The longest `Retry-After` that is obeyed.
const ASKED_MAX: Duration = Duration::from_secs(600);

/// One way out: a receiver, and which of its hooks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub(crate) receiver: String,
    pub(crate) way: Way,
}

/// Which of a receiver's hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Webhook,
    Slack,
}

/// A notification that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) saved: Arc<Saved>,
    next_ms: i64,
    tries: u32,
}

/// What a lane has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Send this, and say what came of it.
    Send(u64, Arc<Saved>),
    /// Nothing before this time.
    WaitUntil(i64),
    /// Nothing.
    Idle,
}

#[derive(Debug, Default)]
struct Queue {
    /// Ascending by id.
    entries: VecDeque<Entry>,
    in_flight: Option<u64>,
    paused_until_ms: i64,
    /// In a row.
    failures: u32,
}

/// All lanes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: BTreeMap<Lane, Queue>,
    newest_id: u64,
}

impl Outbox {
    /// Lets there be these lanes and no other. Gives the ids of what waited in those that are gone.
    pub(crate) fn set_lanes(&mut self, lanes: &BTreeSet<Lane>) -> Vec<(Lane, u64)> {
        let mut lost = Vec::new();
        self.lanes.retain(|lane, queue| {
            let stays = lanes.contains(lane);
            if !stays {
                lost.extend(queue.entries.iter().map(|entry| (lane.clone(), entry.id)));
            }
            stays
        });
        for lane in lanes {
            self.lanes.entry(lane.clone()).or_default();
        }
        lost
    }

    /// Puts back what an earlier process has left. False when there is no such lane.
    pub(crate) fn put_back(&mut self, lane: &Lane, id: u64, saved: Saved) -> bool {
        self.newest_id = self.newest_id.max(id);
        let Some(queue) = self.lanes.get_mut(lane) else {
            return false;
        };
        queue.entries.push_back(Entry {
            id,
            saved: Arc::new(saved),
            next_ms: 0,
            tries: 0,
        });
        true
    }

    /// Whether something about this group waits.
    pub(crate) fn waits(&self, lane: &Lane, group_key: &str) -> bool {
        self.lanes.get(lane).is_some_and(|queue| {
            let mut entries = queue.entries.iter();
            entries.any(|entry| entry.saved.group_key == group_key)
        })
    }

    /// Queues a notification. Gives its id, and that of an older one that had to give way.
    pub(crate) fn push(&mut self, lane: &Lane, saved: Arc<Saved>) -> Option<(u64, Option<u64>)> {
        let queue = self.lanes.get_mut(lane)?;
        let displaced = (queue.entries.len() >= LANE_ENTRIES_MAX)
            .then(|| {
                let in_flight = queue.in_flight;
                let mut entries = queue.entries.iter();
                let at = entries.position(|entry| Some(entry.id) != in_flight)?;
                queue.entries.remove(at).map(|entry| entry.id)
            })
            .flatten();
        self.newest_id += 1;
        queue.entries.push_back(Entry {
            id: self.newest_id,
            saved,
            next_ms: 0,
            tries: 0,
        });
        Some((self.newest_id, displaced))
    }

    /// What a lane has to do now. Of one group the older goes first; groups do not wait for each other.
    pub(crate) fn take(&mut self, lane: &Lane, now_ms: i64) -> Task {
        let Some(queue) = self.lanes.get_mut(lane) else {
            return Task::Idle;
        };
        // The lane has one sender: what it asked for before, it has let go.
        queue.in_flight = None;
        if queue.entries.is_empty() {
            return Task::Idle;
        }
        if queue.paused_until_ms > now_ms {
            return Task::WaitUntil(queue.paused_until_ms);
        }
        let mut groups = BTreeSet::new();
        let mut next_ms = i64::MAX;
        for entry in &queue.entries {
            if !groups.insert(entry.saved.group_key.as_str()) {
                continue;
            }
            if entry.next_ms <= now_ms {
                queue.in_flight = Some(entry.id);
                return Task::Send(entry.id, Arc::clone(&entry.saved));
            }
            next_ms = next_ms.min(entry.next_ms);
        }
        Task::WaitUntil(next_ms)
    }

    /// It has arrived, or never will: takes it off. False when it is gone already.
    pub(crate) fn remove(&mut self, lane: &Lane, id: u64, has_answered: bool) -> bool {
        let Some(queue) = self.lanes.get_mut(lane) else {
            return false;
        };
        if has_answered {
            queue.failures = 0;
            queue.paused_until_ms = 0;
        }
        let before = queue.entries.len();
        queue.entries.retain(|entry| entry.id != id);
        before > queue.entries.len()
    }

    /// It has not arrived this time. False when it is given up, and taken off.
    pub(crate) fn failed(
        &mut self,
        lane: &Lane,
        id: u64,
        asked: Option<Duration>,
        now_ms: i64,
    ) -> bool {
        let Some(queue) = self.lanes.get_mut(lane) else {
            return true;
        };
        queue.failures = queue.failures.saturating_add(1);
        let asked_ms = asked.map_or(0, |asked| {
            i64::try_from(asked.min(ASKED_MAX).as_millis()).unwrap_or(0)
        });
        queue.paused_until_ms = now_ms.saturating_add(pause_ms(queue.failures).max(asked_ms));
        let Some(at) = queue.entries.iter().position(|entry| entry.id == id) else {
            return true;
        };
        let entry = &mut queue.entries[at];
        entry.tries = entry.tries.saturating_add(1);
        entry.next_ms = now_ms.saturating_add(pause_ms(entry.tries));
        if now_ms.saturating_sub(entry.saved.at_ms) < GIVE_UP_MS {
            return true;
        }
        queue.entries.remove(at);
        false
    }

    /// How many wait, by receiver.
    pub(crate) fn queued(&self) -> BTreeMap<&str, usize> {
        let mut all = BTreeMap::new();
        for (lane, queue) in &self.lanes {
            *all.entry(lane.receiver.as_str()).or_default() += queue.entries.len();
        }
        all
    }
}

/// Doubles from a second to a minute.
fn pause_ms(failures: u32) -> i64 {
    let doubled = PAUSE_FIRST_MS << failures.saturating_sub(1).min(16);
    doubled.min(PAUSE_LAST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved::Pairs;

    fn lane() -> Lane {
        Lane {
            receiver: "r".to_owned(),
            way: Way::Webhook,
        }
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.set_lanes(&BTreeSet::from([lane()]));
        outbox
    }

    fn about(group: &str) -> Arc<Saved> {
        Arc::new(Saved {
            receiver: "r".to_owned(),
            group_key: group.to_owned(),
            group_labels: Pairs::new(),
            alerts: Vec::new(),
            at_ms: 0,
            dedupe_key: String::new(),
        })
    }

    fn sent(task: Task) -> u64 {
        match task {
            Task::Send(id, _) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn of_one_group_the_older_goes_first_and_groups_do_not_wait_for_each_other() {
        let mut outbox = outbox();
        let mut push = |group| outbox.push(&lane(), about(group)).unwrap().0;
        let (a1, a2, b1) = (push("a"), push("a"), push("b"));
        assert_eq!(sent(outbox.take(&lane(), 0)), a1);
        assert!(outbox.failed(&lane(), a1, None, 0));
        assert_eq!(outbox.take(&lane(), 0), Task::WaitUntil(1_000));
        // The lane's pause is over when the entry's is: make the entry's longer.
        assert_eq!(sent(outbox.take(&lane(), 1_000)), a1);
        assert!(outbox.failed(&lane(), a1, None, 1_000));
        assert!(!outbox.remove(&lane(), 999, true));
        assert_eq!(sent(outbox.take(&lane(), 1_000)), b1);
        assert!(outbox.remove(&lane(), b1, true));
        assert_eq!(outbox.take(&lane(), 1_000), Task::WaitUntil(3_000));
        assert_eq!(sent(outbox.take(&lane(), 3_000)), a1);
        assert!(outbox.remove(&lane(), a1, true));
        assert_eq!(sent(outbox.take(&lane(), 3_000)), a2);
    }

    #[test]
    fn what_is_too_much_or_too_old_gives_way() {
        let mut outbox = outbox();
        for n in 0..LANE_ENTRIES_MAX {
            assert_eq!(outbox.push(&lane(), about(&n.to_string())).unwrap().1, None);
        }
        let first = sent(outbox.take(&lane(), 0));
        let (_, displaced) = outbox.push(&lane(), about("x")).unwrap();
        assert_eq!(displaced, Some(first + 1), "not the one on its way");
        assert!(!outbox.failed(&lane(), first, None, GIVE_UP_MS));
        assert_eq!(outbox.queued()["r"], LANE_ENTRIES_MAX - 1);
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        assert_eq!(
            [pause_ms(1), pause_ms(2), pause_ms(3)],
            [1_000, 2_000, 4_000]
        );
        assert_eq!([pause_ms(7), pause_ms(u32::MAX)], [60_000, 60_000]);
    }
}
