//! An inventory while one file is read into it.

use std::collections::HashSet;

use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Component, Inventory, Unchecked, limits};

/// Collects the components of one file, within the bounds.
pub(crate) struct Draft<'t> {
    source: Source<'t>,
    inventory: Inventory,
    edges: HashSet<(usize, usize)>,
    /// What the server itself names, to run and only to be built or tested.
    roots: Vec<usize>,
    dev_roots: Vec<usize>,
    /// How often somebody said that something is needed.
    said: usize,
    more_unchecked: usize,
}

impl<'t> Draft<'t> {
    pub(crate) fn new(source: Source<'t>) -> Self {
        Self {
            source,
            inventory: Inventory {
                files: vec![source.file.to_owned()],
                ..Inventory::default()
            },
            edges: HashSet::new(),
            roots: Vec::new(),
            dev_roots: Vec::new(),
            said: 0,
            more_unchecked: 0,
        }
    }

    pub(crate) fn source(&self) -> Source<'t> {
        self.source
    }

    /// Adds a component and gives its index. `at` is its place, for the error.
    pub(crate) fn add(&mut self, at: usize, mut component: Component) -> Result<usize, ReadError> {
        let longest = component.name.len().max(
            component
                .version
                .as_ref()
                .map_or(0, |version| version.len()),
        );
        if component.name.is_empty() {
            return Err(self.source.error(at, "a package without a name"));
        }
        if longest > limits::NAME_BYTES || component.path.len() > limits::PATH_BYTES {
            return Err(self
                .source
                .error(at, "a name, version or place that is too long"));
        }
        if self.inventory.components.len() == limits::COMPONENTS {
            let max = limits::COMPONENTS;
            return Err(self.source.error(at, format!("more than {max} packages")));
        }
        self.source.file.clone_into(&mut component.file);
        self.inventory.components.push(component);
        Ok(self.inventory.components.len() - 1)
    }

    /// Says that one component needs another.
    pub(crate) fn needs(&mut self, one: usize, other: usize) -> Result<(), ReadError> {
        self.say()?;
        if one != other && self.edges.insert((one, other)) {
            self.inventory.components[other].needed_by.push(one);
        }
        Ok(())
    }

    /// Says that the server itself needs a component.
    pub(crate) fn root(&mut self, other: usize) -> Result<(), ReadError> {
        self.say()?;
        self.roots.push(other);
        Ok(())
    }

    /// Says that the server itself needs a component to be built or tested.
    pub(crate) fn dev_root(&mut self, other: usize) -> Result<(), ReadError> {
        self.say()?;
        self.dev_roots.push(other);
        Ok(())
    }

    /// Counts what is said, also what was said before: a name that stands for many packages, many times, is much work.
    fn say(&mut self) -> Result<(), ReadError> {
        self.said += 1;
        if self.said <= limits::EDGES {
            return Ok(());
        }
        let max = limits::EDGES;
        let text = format!("more than {max} dependencies between packages");
        Err(ReadError::whole(self.source.file, text))
    }

    /// Notes what was seen and not looked at.
    pub(crate) fn unchecked(&mut self, what: impl Into<String>, why: impl Into<String>) {
        if self.inventory.unchecked.len() + 1 >= limits::UNCHECKED {
            self.more_unchecked += 1;
            return;
        }
        self.inventory.unchecked.push(Unchecked {
            what: what.into(),
            why: why.into(),
        });
    }

    pub(crate) fn components(&mut self) -> &mut [Component] {
        &mut self.inventory.components
    }

    /// Marks what the server names itself as direct.
    pub(crate) fn mark_direct(&mut self) {
        for index in self.roots.iter().chain(&self.dev_roots) {
            self.inventory.components[*index].is_direct = true;
        }
    }

    /// Marks as needed for development only what is reached from there and not otherwise.
    pub(crate) fn mark_dev(&mut self) {
        let mut needs = vec![Vec::new(); self.inventory.components.len()];
        for (one, other) in &self.edges {
            needs[*one].push(*other);
        }
        let reached = |from: &[usize]| {
            let mut is_reached = vec![false; needs.len()];
            let mut waiting = from.to_vec();
            while let Some(index) = waiting.pop() {
                if !std::mem::replace(&mut is_reached[index], true) {
                    waiting.extend(&needs[index]);
                }
            }
            is_reached
        };
        let prod = reached(&self.roots);
        let dev = reached(&self.dev_roots);
        for (index, component) in self.inventory.components.iter_mut().enumerate() {
            component.is_dev = dev[index] && !prod[index];
        }
    }

    pub(crate) fn finish(mut self) -> Inventory {
        if self.more_unchecked > 0 {
            self.inventory.unchecked.push(Unchecked {
                what: self.source.file.to_owned(),
                why: format!("{} more places like these", self.more_unchecked),
            });
        }
        for component in &mut self.inventory.components {
            component.needed_by.sort_unstable();
        }
        self.inventory
    }
}
