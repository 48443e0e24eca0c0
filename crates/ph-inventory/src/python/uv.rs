//! `uv.lock`.

use crate::draft::Draft;
use crate::packages::ByName;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::{Node, toml};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of uv. The project itself, members of its workspace and folders are not components.
///
/// - errors: not TOML, or a package without a name.
pub(crate) fn uv(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = toml::read(source)?;
    if root.get("version").is_none() {
        return Err(source.error(0, "no lockfile of uv: `version` is missing"));
    }
    let mut draft = Draft::new(source);
    let mut by_name = ByName::new(Ecosystem::PyPi);
    let packages = root.get("package").map_or(&[][..], Node::items);
    let mut indices = Vec::with_capacity(packages.len());
    for package in packages {
        let name = package
            .text_of("name")
            .ok_or_else(|| source.error(package.at, "a package without a name"))?;
        if is_own(package) {
            indices.push(None);
            continue;
        }
        let version = package.text_of("version");
        let index = draft.add(
            package.at,
            Component {
                version: version.map(str::to_owned),
                ..Component::new(Ecosystem::PyPi, name)
            },
        )?;
        by_name.insert(name, version.unwrap_or_default(), index);
        indices.push(Some(index));
    }
    for (package, one) in packages.iter().zip(indices) {
        let needs = package.get("dependencies").into_iter();
        let extras = groups(package, "optional-dependencies");
        for need in needs.chain(extras).flat_map(Node::items) {
            for other in found(need, &by_name) {
                match one {
                    Some(one) => draft.needs(one, other)?,
                    None => draft.root(other)?,
                }
            }
        }
        if one.is_none() {
            let dev = groups(package, "dev-dependencies").flat_map(Node::items);
            for other in dev.flat_map(|need| found(need, &by_name)) {
                draft.dev_root(other)?;
            }
        }
    }
    draft.mark_direct();
    draft.mark_dev();
    Ok(draft.finish())
}

/// Whether it is the project's own code, not somebody's package.
fn is_own(package: &Node<'_>) -> bool {
    let source = package.get("source");
    source.is_some_and(|source| {
        ["virtual", "editable", "directory"]
            .iter()
            .any(|kind| source.get(kind).is_some())
    })
}

/// The lists of a table of groups.
fn groups<'n, 't>(package: &'n Node<'t>, field: &str) -> impl Iterator<Item = &'n Node<'t>> {
    let groups = package.get(field).map_or(&[][..], Node::entries);
    groups.iter().map(|(_, list)| list)
}

fn found<'n>(need: &'n Node<'_>, by_name: &'n ByName) -> impl Iterator<Item = usize> + 'n {
    let name = need.text_of("name").unwrap_or_default();
    by_name.find(name, need.text_of("version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_groups_and_extras() {
        let text = r#"
version = 1
[[package]]
name = "own"
source = { virtual = "." }
dependencies = [{ name = "a" }]
[package.optional-dependencies]
x = [{ name = "b", version = "2.0" }]
[package.dev-dependencies]
dev = [{ name = "t" }]
[[package]]
name = "a"
version = "1.0"
source = { registry = "https://registry.example/simple" }
dependencies = [{ name = "b", version = "1.0", marker = "python_full_version < '3.13'" }]
[[package]]
name = "b"
version = "1.0"
source = { registry = "https://registry.example/simple" }
[[package]]
name = "b"
version = "2.0"
source = { git = "https://host.example/b?rev=1#1" }
[[package]]
name = "t"
version = "3.0"
source = { registry = "https://registry.example/simple" }
dependencies = [{ name = "u" }, { name = "a" }]
[[package]]
name = "u"
version = "4.0"
source = { registry = "https://registry.example/simple" }
"#;
        let file = "uv.lock";
        let inventory = uv(Source { file, text }).unwrap();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|c| {
                (
                    c.name.as_str(),
                    c.version.as_deref().unwrap(),
                    c.is_direct,
                    c.is_dev,
                    c.needed_by.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a", "1.0", true, false, [3].as_slice()),
                ("b", "1.0", false, false, &[0]),
                ("b", "2.0", true, false, &[]),
                ("t", "3.0", true, true, &[]),
                ("u", "4.0", false, true, &[3]),
            ]
        );
    }

    #[test]
    fn what_is_no_lockfile_is_refused() {
        let read = |text| {
            uv(Source {
                file: "uv.lock",
                text,
            })
            .unwrap_err()
            .to_string()
        };
        assert_eq!(
            read("a = \n"),
            "uv.lock:1:5: string values must be quoted, expected literal string"
        );
        assert_eq!(
            read("a = 1"),
            "uv.lock:1:1: no lockfile of uv: `version` is missing"
        );
        assert_eq!(
            read("version = 1\n[[package]]\nversion = '1'"),
            "uv.lock:2:1: a package without a name"
        );
    }
}
