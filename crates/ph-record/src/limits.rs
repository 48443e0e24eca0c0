//! The limits that label sets are made of, and how many subjects they remember.

use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

/// Index of a limit in the [`LimitTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitIdx(pub u8);

/// A limit as telemetry knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitLabel {
    /// Its index, for counting.
    pub idx: LimitIdx,
    /// Its name in the plan.
    pub name: Arc<str>,
}

/// What limits had to say about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limited {
    /// The one that refused it.
    pub by: Option<LimitLabel>,
    /// Those on trial that would have.
    pub dry_run: Vec<LimitLabel>,
}

/// Every limit that was ever configured in this process, at most [`LimitTable::MAX`] with a label of their
/// own; the rest is `other`. Reading takes no lock.
#[derive(Debug, Default)]
pub struct LimitTable {
    names: ArcSwap<Vec<Arc<str>>>,
    /// Serialises adding; readers never take it.
    add: Mutex<()>,
    /// Subjects (clients, tools, …) that are remembered now; written by the relay.
    pub subjects: AtomicI64,
    /// Charges that were taken from a limit's common subject, for want of room to remember one more.
    pub overflowed: AtomicU64,
}

impl LimitTable {
    /// Most limits with a label of their own.
    pub const MAX: usize = 64;
    /// Indices that exist: one more, for the rest.
    pub const COUNT: usize = Self::MAX + 1;

    /// The label of `name`, which the plan vouches for.
    pub fn intern(&self, name: &str) -> LimitLabel {
        let _guard = self.add.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.names.load_full();
        let known = now.iter().position(|n| **n == *name);
        let at = known.unwrap_or(now.len()).min(Self::MAX);
        let name: Arc<str> = match known {
            Some(at) => Arc::clone(&now[at]),
            None => name.into(),
        };
        if known.is_none() && at < Self::MAX {
            let mut next = (*now).clone();
            next.push(Arc::clone(&name));
            self.names.store(Arc::new(next));
        }
        LimitLabel {
            idx: LimitIdx(u8::try_from(at).unwrap_or(u8::MAX)),
            name,
        }
    }

    /// The label value of `idx`.
    pub fn label(&self, idx: LimitIdx) -> Arc<str> {
        let names = self.names.load();
        names
            .get(usize::from(idx.0))
            .map_or_else(|| "other".into(), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_keep_their_label_and_are_bounded() {
        let table = LimitTable::default();
        let a = table.intern("a");
        assert_eq!(table.intern("a"), a);
        assert_eq!(&*table.label(a.idx), "a");
        for i in 0..100 {
            table.intern(&format!("l{i}"));
        }
        assert_eq!(table.intern("a"), a);
        let late = table.intern("late");
        assert_eq!(usize::from(late.idx.0), LimitTable::MAX);
        assert_eq!((&*table.label(late.idx), &*late.name), ("other", "late"));
    }
}
