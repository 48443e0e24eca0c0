//! Lockfiles that are a list of packages with a name, a version and the names of what they need.

use std::collections::HashMap;

use crate::Ecosystem;

/// Finds the packages of one file by their names, and by versions where a name is there more than once.
#[derive(Debug)]
pub(crate) struct ByName {
    ecosystem: Ecosystem,
    indices: HashMap<String, Vec<(String, usize)>>,
}

impl ByName {
    pub(crate) fn new(ecosystem: Ecosystem) -> Self {
        Self {
            ecosystem,
            indices: HashMap::new(),
        }
    }

    pub(crate) fn insert(&mut self, name: &str, version: &str, index: usize) {
        let name = self.ecosystem.normal_name(name);
        let versions = self.indices.entry(name).or_default();
        versions.push((version.to_owned(), index));
    }

    /// The packages of a name; with a version only those of that version.
    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> impl Iterator<Item = usize> {
        let name = self.ecosystem.normal_name(name);
        let of_name = self.indices.get(&name).map_or(&[][..], Vec::as_slice);
        let is_meant = move |known: &str| version.is_none_or(|version| version == known);
        of_name
            .iter()
            .filter_map(move |(known, index)| is_meant(known).then_some(*index))
    }
}
