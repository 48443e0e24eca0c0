//! Names (server, method, tool, outcome) as small numbers.

use std::collections::HashMap;
use std::sync::Arc;

/// Number of a name within one file.
pub(crate) type NameId = u16;

/// Stands for every name that did not fit: the record's JSON says which.
pub(crate) const OTHER: NameId = u16::MAX;

/// Names that one file can number.
const NAMES_MAX: usize = 16_384;

/// The longest name that is numbered, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// The writer's side: name to number. Number 0 is the empty name.
#[derive(Debug)]
pub(crate) struct NameTable {
    ids: HashMap<Arc<str>, NameId>,
    list: Vec<Arc<str>>,
}

impl Default for NameTable {
    fn default() -> Self {
        let empty: Arc<str> = "".into();
        Self {
            ids: HashMap::from([(empty.clone(), 0)]),
            list: vec![empty],
        }
    }
}

impl NameTable {
    /// The number of a name; a new one when it is new.
    pub(crate) fn id(&mut self, name: &str) -> NameId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        if self.list.len() == NAMES_MAX || name.len() > NAME_BYTES_MAX {
            return OTHER;
        }
        let id = self.list.len() as NameId;
        let name: Arc<str> = name.into();
        self.list.push(name.clone());
        self.ids.insert(name, id);
        id
    }

    /// Names by number.
    pub(crate) fn list(&self) -> &[Arc<str>] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded() {
        let mut table = NameTable::default();
        assert_eq!(table.id(""), 0);
        assert_eq!(table.id("a"), 1);
        assert_eq!(table.id("a"), 1);
        assert_eq!(table.id(&"x".repeat(NAME_BYTES_MAX + 1)), OTHER);
        for i in 0..NAMES_MAX {
            table.id(&format!("n{i}"));
        }
        assert_eq!(table.list().len(), NAMES_MAX);
        assert_eq!(table.id("new"), OTHER);
        assert_eq!(table.id("a"), 1);
    }
}
