//! `pdm.lock`.

use std::collections::HashMap;

use crate::draft::Draft;
use crate::installed::required;
use crate::packages::ByName;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::{Node, toml};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of PDM. What the project itself names is not in it; folders are its own code.
///
/// - errors: not TOML, no `metadata`, or a package without a name.
pub(crate) fn pdm(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = toml::read(source)?;
    if root.get("metadata").is_none() {
        return Err(source.error(0, "no lockfile of PDM: `metadata` is missing"));
    }
    let mut draft = Draft::new(source);
    let mut by_name = ByName::new(Ecosystem::PyPi);
    let packages = root.get("package").map_or(&[][..], Node::items);
    // A package stands once more for each choice of its extras.
    let mut known: HashMap<(String, &str), usize> = HashMap::new();
    let mut indices = Vec::with_capacity(packages.len());
    for package in packages {
        let name = package
            .text_of("name")
            .ok_or_else(|| source.error(package.at, "a package without a name"))?;
        if package.text_of("path").is_some_and(is_folder) {
            indices.push(None);
            continue;
        }
        let version = package.text_of("version");
        let key = (
            Ecosystem::PyPi.normal_name(name),
            version.unwrap_or_default(),
        );
        let index = match known.get(&key) {
            Some(index) => *index,
            None => {
                let component = Component {
                    version: version.map(str::to_owned),
                    is_dev: true,
                    ..Component::new(Ecosystem::PyPi, name)
                };
                let index = draft.add(package.at, component)?;
                by_name.insert(name, version.unwrap_or_default(), index);
                known.insert(key, index);
                index
            }
        };
        draft.components()[index].is_dev &= is_dev(package);
        indices.push(Some(index));
    }
    for (package, one) in packages.iter().zip(indices) {
        let Some(one) = one else { continue };
        let needs = package.get("dependencies").map_or(&[][..], Node::items);
        for name in needs.iter().filter_map(Node::text).filter_map(required) {
            for other in by_name.find(&name, None) {
                draft.needs(one, other)?;
            }
        }
    }
    Ok(draft.finish())
}

/// A path is a folder of the project, or a file that somebody built.
fn is_folder(path: &str) -> bool {
    ![".whl", ".tar.gz", ".zip"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Groups of developers and extras that run are not told apart here; `dev` is what PDM calls the first of the former.
fn is_dev(package: &Node<'_>) -> bool {
    let groups = package.get("groups").map_or(&[][..], Node::items);
    !groups.is_empty() && groups.iter().all(|group| group.text() == Some("dev"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Inventory, ReadError> {
        pdm(Source {
            file: "pdm.lock",
            text,
        })
    }

    #[test]
    fn a_package_with_extras_is_one_and_folders_are_none() {
        let inventory = read(
            r#"
[metadata]
lock_version = "4.5.0"
[[package]]
name = "own"
version = "1.0"
path = "./own"
groups = ["default"]
dependencies = ["a"]
[[package]]
name = "a"
version = "1.0"
groups = ["dev"]
dependencies = ["B.b>=1; python_version < \"3.13\"", "c; extra == \"x\"", "gone"]
[[package]]
name = "a"
version = "1.0"
extras = ["crypto"]
groups = ["default", "dev"]
dependencies = ["a==1.0", "c"]
[[package]]
name = "b_b"
version = "2.0"
groups = ["dev"]
[[package]]
name = "c"
version = "3.0"
path = "./c-3.0-py3-none-any.whl"
"#,
        )
        .unwrap();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|c| (c.name.as_str(), c.is_dev, c.needed_by.as_slice()))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", false, &[][..]),
                ("b_b", true, &[0]),
                ("c", false, &[0])
            ]
        );
    }

    #[test]
    fn what_is_no_lockfile_is_refused() {
        let error = |text| read(text).unwrap_err().to_string();
        assert_eq!(
            error("a = 1"),
            "pdm.lock:1:1: no lockfile of PDM: `metadata` is missing"
        );
        assert_eq!(
            error("[metadata]\n[[package]]\nversion = '1'"),
            "pdm.lock:2:1: a package without a name"
        );
    }
}
