//! Those that are remembered: so many, and the one that was not seen for longest makes room.
//!
//! Those that come new are a list of their own and make room first, so that a flood of them pushes out nobody
//! who is known.

use std::collections::HashMap;
use std::hash::Hash;

/// Entries by key, in two lists by when they were used last.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    by_key: HashMap<K, u32>,
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    lists: [List; 2],
    /// Most entries, and most of them that are known.
    max: [usize; 2],
}

#[derive(Debug)]
struct Node<K, V> {
    /// `None`: nobody has it.
    entry: Option<(K, V)>,
    is_known: bool,
    newer: u32,
    older: u32,
}

#[derive(Debug)]
struct List {
    newest: u32,
    oldest: u32,
    len: usize,
}

const NONE: u32 = u32::MAX;

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    /// - `max`: most entries.
    /// - `known_max`: most of them that are known, fewer than `max`.
    pub(super) fn new(max: usize, known_max: usize) -> Self {
        let list = || List {
            newest: NONE,
            oldest: NONE,
            len: 0,
        };
        Self {
            by_key: HashMap::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            lists: [list(), list()],
            max: [max, known_max],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Bytes that it takes, about: texts of keys come to it.
    pub(super) fn bytes(&self) -> usize {
        let node = size_of::<Node<K, V>>();
        // A map grows to at most twice what it holds, with a byte for each place.
        node * self.nodes.capacity() + (size_of::<(K, u32)>() + 1) * self.by_key.capacity()
    }

    /// The entry of `key`, made if it is new; it was used now.
    pub(super) fn of(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.by_key.get(key) {
            Some(at) => {
                let at = *at;
                self.unlink(at);
                at
            }
            None => self.insert(key.clone(), make()),
        };
        self.link(at);
        let entry = self.nodes[at as usize].entry.as_mut();
        &mut entry.expect("an entry that is found by its key is there").1
    }

    /// It is known from now on.
    pub(super) fn know(&mut self, key: &K) {
        let Some(at) = self.by_key.get(key).copied() else {
            return;
        };
        if self.nodes[at as usize].is_known {
            return;
        }
        self.unlink(at);
        if self.lists[1].len >= self.max[1] {
            self.remove(self.lists[1].oldest);
        }
        self.nodes[at as usize].is_known = true;
        self.link(at);
    }

    /// Forgets from the oldest on, of each list, while `is_over` says so: entry, and whether it is known.
    pub(super) fn forget(&mut self, is_over: impl Fn(&V, bool) -> bool) {
        for list in 0..2 {
            while let Some(node) = self.nodes.get(self.lists[list].oldest as usize)
                && let Some((_, value)) = &node.entry
                && is_over(value, list == 1)
            {
                self.remove(self.lists[list].oldest);
            }
        }
    }

    fn insert(&mut self, key: K, value: V) -> u32 {
        if self.len() >= self.max[0] {
            self.remove(self.lists[0].oldest);
        }
        let node = Node {
            entry: Some((key.clone(), value)),
            is_known: false,
            newer: NONE,
            older: NONE,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
            }
        };
        self.by_key.insert(key, at);
        at
    }

    fn remove(&mut self, at: u32) {
        if at == NONE {
            return;
        }
        self.unlink(at);
        if let Some((key, _)) = self.nodes[at as usize].entry.take() {
            self.by_key.remove(&key);
        }
        self.free.push(at);
    }

    fn link(&mut self, at: u32) {
        let list = usize::from(self.nodes[at as usize].is_known);
        let newest = self.lists[list].newest;
        (self.nodes[at as usize].older, self.nodes[at as usize].newer) = (newest, NONE);
        match self.nodes.get_mut(newest as usize) {
            Some(node) => node.newer = at,
            None => self.lists[list].oldest = at,
        }
        self.lists[list].newest = at;
        self.lists[list].len += 1;
    }

    fn unlink(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let (newer, older, list) = (node.newer, node.older, usize::from(node.is_known));
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.lists[list].newest = older,
        }
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.lists[list].oldest = newer,
        }
        self.lists[list].len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_flood_of_new_ones_pushes_out_nobody_who_is_known() {
        let mut lru = Lru::new(30, 20);
        for key in 0..20_u32 {
            *lru.of(&key, || 0) += 1;
            lru.know(&key);
        }
        for key in 100..10_000 {
            lru.of(&key, || 0);
        }
        assert_eq!(lru.len(), 30);
        assert!((0..20).all(|key| *lru.of(&key, || 0) == 1));
        lru.of(&50, || 0);
        lru.know(&50);
        // The known one that was not seen for longest made room.
        assert_eq!(*lru.of(&0, || 0), 0);
        assert_eq!(*lru.of(&19, || 0), 1);
    }

    proptest! {
        /// Whatever is done, it is what a list that is looked through from end to end gives.
        #[test]
        fn it_is_what_two_plain_lists_are(steps in prop::collection::vec((0..3_u8, 0..12_u32), 1..200)) {
            let mut lru = Lru::new(7, 4);
            let mut model: [Vec<u32>; 2] = Default::default();
            for (what, key) in steps {
                let list = model.iter().position(|list| list.contains(&key));
                match (what, list) {
                    (0 | 1, _) => {
                        lru.of(&key, || key);
                        let at = list.unwrap_or(0);
                        model[at].retain(|k| *k != key);
                        if list.is_none() && model[0].len() + model[1].len() == 7 {
                            model[0].remove(0);
                        }
                        model[at].push(key);
                    }
                    (_, Some(0)) => {
                        lru.know(&key);
                        model[0].retain(|k| *k != key);
                        if model[1].len() == 4 {
                            model[1].remove(0);
                        }
                        model[1].push(key);
                    }
                    _ => lru.know(&key),
                }
                let want: HashSet<_> = model.iter().flatten().copied().collect();
                let has: HashSet<_> = lru.by_key.keys().copied().collect();
                prop_assert_eq!(has, want);
                prop_assert_eq!([lru.lists[0].len, lru.lists[1].len], [model[0].len(), model[1].len()]);
            }
            lru.forget(|_, _| true);
            prop_assert_eq!(lru.len(), 0);
        }
    }
}
