//! All components of one subject, and what could not be looked at.

use crate::{Component, go};

/// What was found in one server, folder, SBOM or image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// In the order of the files and of their entries.
    pub components: Vec<Component>,
    /// What was seen and could not be read as components: never silently clean.
    pub unchecked: Vec<Unchecked>,
    /// The files that were read, relative to what was scanned.
    pub files: Vec<String>,
}

/// Something that may hold packages and was not looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// What: a file, an entry, a server.
    pub what: String,
    /// Why, in words for the operator.
    pub why: String,
}

impl Inventory {
    /// A file that was seen and that nobody here can read.
    pub(crate) fn only_unchecked(file: &str, why: impl Into<String>) -> Self {
        Self {
            unchecked: vec![Unchecked {
                what: file.to_owned(),
                why: why.into(),
            }],
            files: vec![file.to_owned()],
            ..Self::default()
        }
    }

    /// All parts as one, in their order. What a `go.sum` says counts only where the `go.mod` beside it leaves it out.
    #[must_use]
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut parts: Vec<Self> = parts.into_iter().collect();
        go::settle_sums(&mut parts);
        let mut whole = Self::default();
        for mut part in parts {
            let offset = whole.components.len();
            for component in &mut part.components {
                for index in &mut component.needed_by {
                    *index += offset;
                }
            }
            whole.components.append(&mut part.components);
            whole.unchecked.append(&mut part.unchecked);
            whole.files.append(&mut part.files);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ecosystem;

    #[test]
    fn joined_parts_keep_who_needs_whom() {
        let part = |file: &str| Inventory {
            components: vec![
                Component::new(Ecosystem::Npm, "a"),
                Component {
                    needed_by: vec![0],
                    ..Component::new(Ecosystem::Npm, "b")
                },
            ],
            files: vec![file.to_owned()],
            ..Inventory::default()
        };
        let whole = Inventory::join([part("x"), part("y")]);
        assert_eq!(whole.components[3].needed_by, [2]);
        assert_eq!(whole.files, ["x", "y"]);
    }
}
