//! All components of one subject, and what could not be looked at.

use crate::Component;

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
