//! Which statuses have a counter of their own.
//!
//! Ours are known in advance. An HTTP upstream may answer with any other: the first
//! [`RareStatuses::ROOM`] of a cell get a counter, the rest is counted as 400 or 500, so that a server
//! cannot make series without end.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

/// Statuses that Pilothouse itself gives, and the usual ones of servers.
pub(crate) const KNOWN: [u16; 19] = [
    200, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429, 431, 499, 500, 501, 502, 503, 504,
];

const FIRST: u16 = 400;
const NONE: u8 = u8::MAX;

/// Index in [`KNOWN`] of the statuses from 400 to 599.
static INDEX: [u8; 200] = {
    let mut index = [NONE; 200];
    let mut i = 1;
    while i < KNOWN.len() {
        index[(KNOWN[i] - FIRST) as usize] = i as u8;
        i += 1;
    }
    index
};

/// The place of `status` in [`KNOWN`].
pub(crate) fn known(status: u16) -> Option<usize> {
    if status == KNOWN[0] {
        return Some(0);
    }
    let at = *INDEX.get(usize::from(status.checked_sub(FIRST)?))?;
    (at != NONE).then_some(usize::from(at))
}

/// The known status that a rare one without room is counted as.
pub(crate) fn folded(status: u16) -> u16 {
    if status < 500 { 400 } else { 500 }
}

/// Counters of statuses outside [`KNOWN`]: a small open-addressed table that only fills.
#[derive(Debug, Default)]
pub(crate) struct RareStatuses([Slot; RareStatuses::ROOM]);

#[derive(Debug, Default)]
struct Slot {
    /// 0 while free; never changes afterwards.
    status: AtomicU16,
    count: AtomicU64,
}

impl RareStatuses {
    /// Most statuses of one cell beyond the known ones.
    pub(crate) const ROOM: usize = 8;

    /// Counts `status`; `false` when there is no room for it.
    pub(crate) fn add(&self, status: u16) -> bool {
        let start = usize::from(status) % Self::ROOM;
        let slots = self.0[start..].iter().chain(&self.0[..start]);
        for slot in slots {
            let taken = match slot.status.load(Relaxed) {
                0 => slot
                    .status
                    .compare_exchange(0, status, Relaxed, Relaxed)
                    .unwrap_or_else(|now| now),
                now => now,
            };
            // 0: the exchange succeeded, the slot is ours.
            if taken == 0 || taken == status {
                slot.count.fetch_add(1, Relaxed);
                return true;
            }
        }
        false
    }

    /// The statuses seen and their counts, in order of status.
    pub(crate) fn read(&self) -> Vec<(u16, u64)> {
        let slots = self
            .0
            .iter()
            .map(|s| (s.status.load(Relaxed), s.count.load(Relaxed)));
        let mut seen: Vec<_> = slots.filter(|(status, _)| *status != 0).collect();
        seen.sort_unstable();
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_statuses_find_their_place() {
        for (i, status) in KNOWN.into_iter().enumerate() {
            assert_eq!(known(status), Some(i));
        }
        for status in [0, 199, 201, 399, 402, 599, 600, u16::MAX] {
            assert_eq!(known(status), None);
        }
        assert!(known(folded(418)).is_some() && known(folded(599)).is_some());
    }

    #[test]
    fn rare_statuses_are_counted_while_there_is_room() {
        let rare = RareStatuses::default();
        for _ in 0..3 {
            for status in 416..424 {
                assert!(rare.add(status));
            }
            assert!(!rare.add(599));
        }
        assert_eq!(rare.read(), (416..424).map(|s| (s, 3)).collect::<Vec<_>>());
    }

    #[test]
    fn threads_agree_on_one_slot() {
        let rare = RareStatuses::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|i| assert!(rare.add(416 + i % 2))));
            }
        });
        assert_eq!(rare.read(), [(416, 2000), (417, 2000)]);
    }
}
