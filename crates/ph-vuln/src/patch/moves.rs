//! What moved between two looks at the same server.

use std::collections::BTreeMap;

use ph_inventory::{Component, Inventory};

/// A package that is at other versions than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The ecosystem's OSV name and the package's compared name.
    pub package: String,
    /// The versions before, each once; empty: it was not there.
    pub from: Vec<String>,
    /// The versions after; empty: it is gone.
    pub to: Vec<String>,
}

/// All packages whose versions differ, by name.
#[must_use]
pub fn moves(before: &Inventory, after: &Inventory) -> Vec<Move> {
    let (before, mut after) = (versions(before), versions(after));
    let mut moves = Vec::new();
    for (package, from) in before {
        let to = after.remove(&package).unwrap_or_default();
        if from != to {
            moves.push(Move { package, from, to });
        }
    }
    moves.extend(after.into_iter().map(|(package, to)| Move {
        package,
        from: Vec::new(),
        to,
    }));
    moves.sort_by(|a, b| a.package.cmp(&b.package));
    moves
}

fn versions(inventory: &Inventory) -> BTreeMap<String, Vec<String>> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for component in &inventory.components {
        let of = versions
            .entry(crate::finding::package(component))
            .or_default();
        of.extend(version(component));
        of.sort();
        of.dedup();
    }
    versions
}

fn version(component: &Component) -> Option<String> {
    component.advisory_version().map(str::to_owned)
}
