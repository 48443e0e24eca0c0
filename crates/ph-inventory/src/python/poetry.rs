//! `poetry.lock`.

use crate::draft::Draft;
use crate::packages::ByName;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::{Node, toml};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of Poetry. What the project itself names is not in it; folders are its own code.
///
/// - errors: not TOML, or a package without a name.
pub(crate) fn poetry(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = toml::read(source)?;
    if root.get("metadata").is_none() {
        return Err(source.error(0, "no lockfile of Poetry: `metadata` is missing"));
    }
    let mut draft = Draft::new(source);
    let mut by_name = ByName::new(Ecosystem::PyPi);
    let packages = root.get("package").map_or(&[][..], Node::items);
    let mut indices = Vec::with_capacity(packages.len());
    for package in packages {
        let name = package
            .text_of("name")
            .ok_or_else(|| source.error(package.at, "a package without a name"))?;
        let from = package.get("source").and_then(|from| from.text_of("type"));
        if from == Some("directory") {
            indices.push(None);
            continue;
        }
        let version = package.text_of("version");
        let component = Component {
            version: version.map(str::to_owned),
            is_dev: is_dev(package),
            ..Component::new(Ecosystem::PyPi, name)
        };
        let index = draft.add(package.at, component)?;
        by_name.insert(name, version.unwrap_or_default(), index);
        indices.push(Some(index));
    }
    for (package, one) in packages.iter().zip(indices) {
        let Some(one) = one else { continue };
        for name in package
            .get("dependencies")
            .into_iter()
            .flat_map(Node::names)
        {
            for other in by_name.find(name, None) {
                draft.needs(one, other)?;
            }
        }
    }
    Ok(draft.finish())
}

/// Before version 2 a package has a category, since then the groups that need it.
fn is_dev(package: &Node<'_>) -> bool {
    let groups = package.get("groups").map_or(&[][..], Node::items);
    let is_main = groups.iter().any(|group| group.text() == Some("main"));
    package.text_of("category") == Some("dev") || (!groups.is_empty() && !is_main)
}
