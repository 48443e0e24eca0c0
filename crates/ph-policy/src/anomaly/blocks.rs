//! Who is refused, and until when.

use ph_record::{AnomalyKind, Caller};
use std::collections::BTreeMap;

/// Callers that are refused.
#[derive(Clone, Debug, Default)]
pub struct Blocks(BTreeMap<Caller, Blocked>);

/// Why and until when a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// For what.
    pub kind: AnomalyKind,
    /// Unix time in milliseconds.
    pub until_ms: u64,
}

impl Blocks {
    /// Most callers that are refused at the same time; the one whose time is over first makes room.
    pub const MAX: usize = 4096;

    /// Whether anybody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Why a caller is refused now, if it is.
    pub fn of(&self, caller: &Caller, now_ms: u64) -> Option<Blocked> {
        let blocked = self.0.get(caller).copied();
        blocked.filter(|blocked| blocked.until_ms > now_ms)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Caller, &Blocked)> {
        self.0.iter()
    }

    /// Refuses a caller; a later end counts.
    pub fn add(&mut self, caller: Caller, blocked: Blocked) {
        if self.0.len() >= Self::MAX && !self.0.contains_key(&caller) {
            let first = self.0.iter().min_by_key(|(_, b)| b.until_ms);
            if let Some(first) = first.map(|(caller, _)| caller.clone()) {
                self.0.remove(&first);
            }
        }
        let has = self.0.entry(caller).or_insert(blocked);
        if has.until_ms < blocked.until_ms {
            *has = blocked;
        }
    }

    /// Lets everybody of this name in again, as [`Caller`] shows it; says how many there were.
    pub fn lift(&mut self, name: &str) -> usize {
        let before = self.0.len();
        self.0.retain(|caller, _| caller.to_string() != name);
        before - self.0.len()
    }

    /// Forgets those whose time is over; `false`: there were none.
    pub fn end(&mut self, now_ms: u64) -> bool {
        let before = self.0.len();
        self.0.retain(|_, blocked| blocked.until_ms > now_ms);
        self.0.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_lifted_by_the_name_that_is_shown() {
        let mut blocks = Blocks::default();
        let blocked = Blocked {
            kind: AnomalyKind::Enumeration,
            until_ms: 10,
        };
        let (name, address) = (Caller::Shown("bob".into()), Caller::V4(0x7f00_0001));
        for caller in [&name, &Caller::Named("bob".into()), &address] {
            blocks.add(caller.clone(), blocked);
        }
        assert_eq!(blocks.lift("nobody"), 0);
        assert_eq!(blocks.lift("bob"), 2, "whoever is shown as it");
        assert_eq!(blocks.of(&name, 0), None);
        assert_eq!(blocks.of(&address, 0), Some(blocked));
        assert_eq!(blocks.lift("127.0.0.1"), 1);
        assert!(blocks.is_empty());
    }

    #[test]
    fn blocks_end_and_are_bounded() {
        let mut blocks = Blocks::default();
        let blocked = |until_ms| Blocked {
            kind: AnomalyKind::Rate,
            until_ms,
        };
        blocks.add(Caller::V4(1), blocked(10));
        blocks.add(Caller::V4(1), blocked(5));
        assert_eq!(blocks.of(&Caller::V4(1), 9), Some(blocked(10)));
        assert_eq!(blocks.of(&Caller::V4(1), 10), None);
        assert_eq!(blocks.of(&Caller::V4(2), 0), None);
        for client in 2..10_000 {
            blocks.add(Caller::V4(client), blocked(u64::from(client)));
        }
        assert_eq!(blocks.len(), Blocks::MAX);
        assert_eq!(
            blocks.of(&Caller::V4(2), 0),
            None,
            "the first to end made room"
        );
        assert!(blocks.of(&Caller::V4(9_999), 0).is_some());
        assert!(blocks.end(20_000) && blocks.is_empty() && !blocks.end(20_000));
    }
}
