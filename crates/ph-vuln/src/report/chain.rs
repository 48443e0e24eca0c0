//! Who needs a package: the shortest way from what the server names to it.

use std::collections::VecDeque;

use ph_inventory::{Component, Inventory};

/// The names from a component that the server itself names (or nobody needs) down to `component`, the shortest way; of two as
/// short the one that comes first in the file. A component that the inventory does not hold, and one in a circle that
/// nobody leads into, is its own chain.
#[must_use]
pub fn chain(inventory: &Inventory, component: &Component) -> Vec<String> {
    let all = &inventory.components;
    let Some(start) = all.iter().position(|one| one == component) else {
        return vec![component.name.clone()];
    };
    // Breadth first, upwards: `below[i]` is the component that was reached before `i`.
    let mut below = vec![None; all.len()];
    let mut seen = vec![false; all.len()];
    let mut queue = VecDeque::from([start]);
    seen[start] = true;
    while let Some(at) = queue.pop_front() {
        let needed_by = &all[at].needed_by;
        if all[at].is_direct || needed_by.is_empty() {
            return names_down(inventory, &below, at);
        }
        for &above in needed_by {
            if above < all.len() && !seen[above] {
                seen[above] = true;
                below[above] = Some(at);
                queue.push_back(above);
            }
        }
    }
    vec![component.name.clone()]
}

fn names_down(inventory: &Inventory, below: &[Option<usize>], top: usize) -> Vec<String> {
    let next = |at: &usize| below.get(*at).copied().flatten();
    std::iter::successors(Some(top), next)
        .filter_map(|at| inventory.components.get(at))
        .map(|one| one.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::component;

    fn tree(edges: &[(&str, &[usize])]) -> Inventory {
        let components = edges.iter().map(|(name, needed_by)| Component {
            needed_by: needed_by.to_vec(),
            ..component(name, "1.0.0")
        });
        Inventory {
            components: components.collect(),
            ..Inventory::default()
        }
    }

    fn of(inventory: &Inventory, at: usize) -> Vec<String> {
        chain(inventory, &inventory.components[at])
    }

    #[test]
    fn the_shortest_way_is_taken() {
        // root names a and d; a needs b, b and d need c.
        let inventory = tree(&[("a", &[]), ("b", &[0]), ("c", &[1, 3]), ("d", &[])]);
        assert_eq!(of(&inventory, 2), ["d", "c"]);
        assert_eq!(of(&inventory, 1), ["a", "b"]);
        assert_eq!(of(&inventory, 0), ["a"]);
    }

    #[test]
    fn what_the_server_names_is_its_own_chain_whoever_else_needs_it() {
        let mut inventory = tree(&[("a", &[]), ("b", &[0]), ("c", &[1])]);
        inventory.components[1].is_direct = true;
        assert_eq!(of(&inventory, 1), ["b"]);
        assert_eq!(of(&inventory, 2), ["b", "c"]);
    }

    #[test]
    fn circles_and_indices_that_are_none_end() {
        let inventory = tree(&[("a", &[1]), ("b", &[0, 99])]);
        assert_eq!(of(&inventory, 0), ["a"]);
        assert_eq!(chain(&inventory, &component("z", "1")), ["z"]);
    }
}
