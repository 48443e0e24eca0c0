//! One package in one place.

use crate::Ecosystem;

/// A package that a server holds. The same package in two places (two copies in `node_modules`) is two components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Where the package comes from.
    pub ecosystem: Ecosystem,
    /// Its name, as its ecosystem writes it. For Debian and Alpine the binary package's.
    pub name: String,
    /// The source package that advisories name instead (Debian's `Source`, Alpine's `origin`).
    pub source_name: Option<String>,
    /// Its version as written; none where the file gives none.
    pub version: Option<String>,
    /// Where in the file or tree: an npm lockfile's key (`node_modules/a/node_modules/b`), a yarn heading, a file of
    /// an image; empty where the file has one entry per package.
    pub path: String,
    /// The file it was read from, relative to what was scanned.
    pub file: String,
    /// Only needed to build or test, by what the lockfile says.
    pub is_dev: bool,
    /// The components of the same file that need it, by their index in [`crate::Inventory::components`]; empty where
    /// the file does not say, or for what the server itself names.
    pub needed_by: Vec<usize>,
}

impl Component {
    /// The name that advisories use, in the form in which names are compared.
    #[must_use]
    pub fn advisory_name(&self) -> String {
        self.ecosystem
            .normal_name(self.source_name.as_deref().unwrap_or(&self.name))
    }
}
