//! `pylock.toml` (PEP 751).

use crate::draft::Draft;
use crate::packages::ByName;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::{Node, toml};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of PEP 751. Folders are the project's own code.
///
/// - errors: not TOML, no `lock-version`, or a package without a name.
pub(crate) fn pylock(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = toml::read(source)?;
    if root.get("lock-version").is_none() {
        return Err(source.error(0, "no lockfile of PEP 751: `lock-version` is missing"));
    }
    let mut draft = Draft::new(source);
    let mut by_name = ByName::new(Ecosystem::PyPi);
    let packages = root.get("packages").map_or(&[][..], Node::items);
    let mut indices = Vec::with_capacity(packages.len());
    for package in packages {
        let name = package
            .text_of("name")
            .ok_or_else(|| source.error(package.at, "a package without a name"))?;
        if package.get("directory").is_some() {
            indices.push(None);
            continue;
        }
        let version = package.text_of("version");
        let component = Component {
            version: version.map(str::to_owned),
            ..Component::new(Ecosystem::PyPi, name)
        };
        let index = draft.add(package.at, component)?;
        by_name.insert(name, version.unwrap_or_default(), index);
        indices.push(Some(index));
    }
    for (package, one) in packages.iter().zip(indices) {
        let Some(one) = one else { continue };
        for need in package.get("dependencies").map_or(&[][..], Node::items) {
            let name = need.text_of("name").unwrap_or_default();
            for other in by_name.find(name, need.text_of("version")) {
                draft.needs(one, other)?;
            }
        }
    }
    Ok(draft.finish())
}
