//! `Cargo.lock`.

use crate::draft::Draft;
use crate::packages::ByName;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::{Node, toml};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of Cargo. Packages without a source are the workspace's own and no components.
///
/// - errors: not TOML, or a package without a name.
pub(crate) fn cargo_lock(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = toml::read(source)?;
    let mut draft = Draft::new(source);
    let mut by_name = ByName::new(Ecosystem::CratesIo);
    let packages = root.get("package").map_or(&[][..], Node::items);
    let mut indices = Vec::with_capacity(packages.len());
    for package in packages {
        let name = package
            .text_of("name")
            .ok_or_else(|| source.error(package.at, "a package without a name"))?;
        if package.get("source").is_none() {
            indices.push(None);
            continue;
        }
        let version = package.text_of("version");
        let index = draft.add(
            package.at,
            Component {
                version: version.map(str::to_owned),
                ..Component::new(Ecosystem::CratesIo, name)
            },
        )?;
        by_name.insert(name, version.unwrap_or_default(), index);
        indices.push(Some(index));
    }
    for (package, one) in packages.iter().zip(indices) {
        for need in package
            .get("dependencies")
            .into_iter()
            .flat_map(Node::names)
        {
            // `name`, `name version` or `name version (source)`: as much as is needed to be one package.
            let mut words = need.split(' ');
            let name = words.next().unwrap_or_default();
            for other in by_name.find(name, words.next()) {
                match one {
                    Some(one) => draft.needs(one, other)?,
                    None => draft.root(other)?,
                }
            }
        }
    }
    draft.mark_direct();
    Ok(draft.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_with_a_source_are_components() {
        let text = r#"
version = 4
[[package]]
name = "own"
version = "0.1.0"
dependencies = ["a", "b 2.0.0"]
[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://registry.example/index"
dependencies = ["b 1.0.0", "b 2.0.0 (git+https://host.example/b#1)"]
[[package]]
name = "b"
version = "1.0.0"
source = "registry+https://registry.example/index"
[[package]]
name = "b"
version = "2.0.0"
source = "git+https://host.example/b#1"
"#;
        let file = "Cargo.lock";
        let inventory = cargo_lock(Source { file, text }).unwrap();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|c| {
                (
                    c.name.as_str(),
                    c.version.as_deref().unwrap(),
                    c.is_direct,
                    c.needed_by.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a", "1.0.0", true, [].as_slice()),
                ("b", "1.0.0", false, &[0]),
                ("b", "2.0.0", true, &[0]),
            ]
        );
    }
}
