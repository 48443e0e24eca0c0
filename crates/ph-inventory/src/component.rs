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
    /// Its version as written (Go: without the `v`); none where the file gives none.
    pub version: Option<String>,
    /// The version of the source package, where it is another one (`Source: bash (5.2-1)`).
    pub source_version: Option<String>,
    /// Where in the file or tree: an npm lockfile's key (`node_modules/a/node_modules/b`), a yarn heading, a file of
    /// an image; empty where the file has one entry per package.
    pub path: String,
    /// The file it was read from, relative to what was scanned.
    pub file: String,
    /// Only needed to build or test, by what the lockfile says.
    pub is_dev: bool,
    /// Not installed everywhere, by what the lockfile says: for another platform, or left out where it does not build.
    pub is_optional: bool,
    /// Named by the server itself, not only by another package; false where the file does not say.
    pub is_direct: bool,
    /// The components of the same file that need it, by their index in [`crate::Inventory::components`]; empty where
    /// the file does not say, or for what the server itself names.
    pub needed_by: Vec<usize>,
}

/// What a global `node_modules` holds beside servers, each with modules of its own.
const TOOLS_OF_NODE: &[&str] = &["npm", "corepack", "yarn", "pnpm"];

impl Component {
    /// A component of which only the name is known, to be filled in.
    #[must_use]
    pub fn new(ecosystem: Ecosystem, name: impl Into<String>) -> Self {
        Self {
            ecosystem,
            name: name.into(),
            source_name: None,
            version: None,
            source_version: None,
            path: String::new(),
            file: String::new(),
            is_dev: false,
            is_optional: false,
            is_direct: false,
            needed_by: Vec::new(),
        }
    }

    /// The version that advisories are about: the source package's where there is one.
    #[must_use]
    pub fn advisory_version(&self) -> Option<&str> {
        self.source_version.as_deref().or(self.version.as_deref())
    }

    /// The name that advisories use, in the form in which names are compared.
    #[must_use]
    pub fn advisory_name(&self) -> String {
        self.ecosystem
            .normal_name(self.source_name.as_deref().unwrap_or(&self.name))
    }

    /// The tool that brings this package along for itself, by its path: npm's own modules in an image of Node
    /// (`usr/local/lib/node_modules/npm/node_modules/…`), what setuptools or pip vendor. Such a package is there, and is
    /// none of the server's.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let bundled = |start: &str, end: &str| {
            let at = self.path.find(start)? + start.len();
            let rest = &self.path[at..];
            Some(&rest[..rest.find(end)?])
        };
        bundled("lib/node_modules/", "/node_modules/")
            .filter(|owner| TOOLS_OF_NODE.contains(owner))
            .or_else(|| bundled("-packages/", "/_vendor/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_packages_have_an_owner() {
        for (path, owner) in [
            (
                "usr/local/lib/node_modules/npm/node_modules/tar",
                Some("npm"),
            ),
            (
                "usr/local/lib/node_modules/@s/server/node_modules/tar",
                None,
            ),
            (
                "lib/python3.11/site-packages/setuptools/_vendor/wheel-0.4.dist-info",
                Some("setuptools"),
            ),
            ("app/node_modules/a/node_modules/b", None),
            ("usr/local/lib/node_modules/npm", None),
        ] {
            let component = Component {
                path: path.to_owned(),
                ..Component::new(Ecosystem::Npm, "x")
            };
            assert_eq!(component.owner(), owner, "{path}");
        }
    }
}
