//! `package-lock.json` and `npm-shrinkwrap.json`, versions 1 to 3.

use std::collections::HashMap;

use crate::draft::Draft;
use crate::npm::{Walk, alias_target, name_and_range};
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;
use crate::text::json::{self, Dialect};
use crate::{Component, Ecosystem, Inventory, limits};

/// The fields by which a package names others.
const NEEDS: &[&str] = &["dependencies", "optionalDependencies", "peerDependencies"];

/// Reads a lockfile of npm. Version 2 holds its packages twice; the newer half is taken.
///
/// - errors: not JSON, or neither `packages` nor `dependencies` where a version says they are.
pub(crate) fn package_lock(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = json::read(source, Dialect::Json)?;
    if !root.is_map() || root.get("lockfileVersion").is_none() {
        return Err(source.error(root.at, "no lockfile of npm: `lockfileVersion` is missing"));
    }
    let mut draft = Draft::new(source);
    match root.get("packages") {
        Some(packages) if packages.is_map() => newer(packages, &mut draft)?,
        Some(packages) => return Err(source.error(packages.at, "`packages` has to be a map")),
        None => {
            let mut places = HashMap::new();
            if let Some(dependencies) = root.get("dependencies") {
                older(dependencies, "", &mut places, &mut draft)?;
                older_edges(dependencies, "", &places, &mut draft)?;
            }
        }
    }
    Ok(draft.finish())
}

/// Versions 2 and 3: one entry per folder.
fn newer(packages: &Node<'_>, draft: &mut Draft<'_>) -> Result<(), ReadError> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (path, entry) in packages.entries() {
        if let Some(component) = newer_component(path, entry) {
            places.insert(path, draft.add(entry.at, component)?);
        }
    }
    // A link stands for the folder that it points to.
    for (path, entry) in packages.entries() {
        if entry.is_true("link") {
            let target = entry.text_of("resolved").and_then(|to| places.get(to));
            if let Some(target) = target.copied() {
                places.insert(path, target);
            }
        }
    }
    let mut walk = Walk::default();
    for (path, entry) in packages.entries() {
        let needs = NEEDS.iter().filter_map(|field| entry.get(field));
        let is_own = !path.contains("node_modules/");
        let dev = is_own.then(|| entry.get("devDependencies")).flatten();
        for name in needs.chain(dev).flat_map(Node::names) {
            let Some(other) = resolve(path, name, &places, &mut walk) else {
                continue;
            };
            match places.get(path.as_ref()) {
                Some(one) => draft.needs(*one, other)?,
                None => draft.root(other)?,
            }
            if is_own {
                draft.root(other)?;
            }
        }
    }
    walk.check(draft.source())?;
    draft.mark_direct();
    Ok(())
}

fn newer_component(path: &str, entry: &Node<'_>) -> Option<Component> {
    let version = entry.text_of("version");
    let is_installed = path.contains("node_modules/");
    // The root, links, and folders of the project that are no package.
    if path.is_empty() || entry.is_true("link") || (!is_installed && version.is_none()) {
        return None;
    }
    let name = entry.text_of("name").unwrap_or_else(|| last_name(path));
    Some(Component {
        version: version.map(str::to_owned),
        path: path.to_owned(),
        is_dev: entry.is_true("dev"),
        is_optional: entry.is_true("optional"),
        ..Component::new(Ecosystem::Npm, name)
    })
}

/// The package's name in a path: what follows the last `node_modules/`.
fn last_name(path: &str) -> &str {
    path.rsplit("node_modules/").next().unwrap_or(path)
}

/// Where Node finds `name` from a folder: in its own `node_modules`, then in those above.
pub(crate) fn resolve(
    from: &str,
    name: &str,
    places: &HashMap<&str, usize>,
    walk: &mut Walk,
) -> Option<usize> {
    let mut folder = from;
    loop {
        let candidate = match folder {
            "" => format!("node_modules/{name}"),
            _ => format!("{folder}/node_modules/{name}"),
        };
        if let Some(index) = places.get(candidate.as_str()) {
            return Some(*index);
        }
        if !walk.pay(candidate.len()) {
            return None;
        }
        folder = match folder {
            "" => return None,
            _ => parent(folder),
        };
    }
}

/// The folder whose `node_modules` comes next: of `node_modules/a/node_modules/b` that is `node_modules/a`, of
/// `packages/a` it is the root.
fn parent(folder: &str) -> &str {
    match folder.rfind("node_modules/") {
        Some(at) => folder[..at].trim_end_matches('/'),
        None => "",
    }
}

/// Version 1: packages in one another, as deep as the folders are.
fn older(
    dependencies: &Node<'_>,
    above: &str,
    places: &mut HashMap<String, usize>,
    draft: &mut Draft<'_>,
) -> Result<(), ReadError> {
    for (name, entry) in dependencies.entries() {
        let path = below(above, name);
        if path.len() > limits::PATH_BYTES {
            let text = "a name or place that is too long";
            return Err(draft.source().error(entry.at, text));
        }
        let version = entry.text_of("version");
        if let Some(folder) = version.and_then(|version| version.strip_prefix("file:")) {
            draft.unchecked(&path, format!("a local file or folder: {folder}"));
        } else {
            let (name, version) = match version.and_then(|v| Some((alias_target(v)?, v))) {
                Some((real, alias)) => {
                    let version = alias.strip_prefix("npm:").and_then(name_and_range);
                    (real, version.map(|(_, version)| version))
                }
                None => (name.as_ref(), version),
            };
            let component = Component {
                version: version.map(str::to_owned),
                path: path.clone(),
                is_dev: entry.is_true("dev"),
                is_optional: entry.is_true("optional"),
                ..Component::new(Ecosystem::Npm, name)
            };
            places.insert(path.clone(), draft.add(entry.at, component)?);
        }
        if let Some(inner) = entry.get("dependencies") {
            older(inner, &path, places, draft)?;
        }
    }
    Ok(())
}

fn older_edges(
    dependencies: &Node<'_>,
    above: &str,
    places: &HashMap<String, usize>,
    draft: &mut Draft<'_>,
) -> Result<(), ReadError> {
    let borrowed = places
        .iter()
        .map(|(path, index)| (path.as_str(), *index))
        .collect();
    let mut walk = Walk::default();
    edges_below(dependencies, above, &borrowed, &mut walk, draft)?;
    walk.check(draft.source())
}

fn edges_below(
    dependencies: &Node<'_>,
    above: &str,
    places: &HashMap<&str, usize>,
    walk: &mut Walk,
    draft: &mut Draft<'_>,
) -> Result<(), ReadError> {
    for (name, entry) in dependencies.entries() {
        let path = below(above, name);
        let one = places.get(path.as_str()).copied();
        for needed in entry.get("requires").into_iter().flat_map(Node::names) {
            if let (Some(one), Some(other)) = (one, resolve(&path, needed, places, walk)) {
                draft.needs(one, other)?;
            }
        }
        if let Some(inner) = entry.get("dependencies") {
            edges_below(inner, &path, places, walk, draft)?;
        }
    }
    Ok(())
}

fn below(above: &str, name: &str) -> String {
    match above {
        "" => format!("node_modules/{name}"),
        _ => format!("{above}/node_modules/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Inventory, ReadError> {
        package_lock(Source {
            file: "package-lock.json",
            text,
        })
    }

    fn shown(inventory: &Inventory) -> Vec<String> {
        let one = |component: &Component| {
            let version = component.version.as_deref().unwrap_or("?");
            let dev = if component.is_dev { " dev" } else { "" };
            let direct = if component.is_direct { " direct" } else { "" };
            let by = &component.needed_by;
            format!(
                "{} {version} {}{dev}{direct} {by:?}",
                component.name, component.path
            )
        };
        inventory.components.iter().map(one).collect()
    }

    #[test]
    fn folders_aliases_links_and_workspaces() {
        let text = r#"{"lockfileVersion": 3, "packages": {
          "": {"name": "root", "version": "1.0.0", "workspaces": ["packages/*"],
               "dependencies": {"a": "^1"}, "devDependencies": {"t": "*"}},
          "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "^1", "old": "*"}},
          "node_modules/a/node_modules/b": {"version": "1.5.0", "inBundle": true},
          "node_modules/b": {"version": "2.0.0", "peerDependencies": {"gone": "*"}},
          "node_modules/old": {"name": "@scope/real", "version": "0.1.0"},
          "node_modules/t": {"version": "3.0.0", "dev": true, "dependencies": {"b": "2"}},
          "node_modules/ws": {"resolved": "packages/ws", "link": true},
          "packages/ws": {"name": "@own/ws", "version": "0.0.1", "dependencies": {"b": "2"}},
          "packages/plain": {"license": "MIT"}
        }}"#;
        assert_eq!(
            shown(&read(text).unwrap()),
            [
                "a 1.0.0 node_modules/a direct []",
                "b 1.5.0 node_modules/a/node_modules/b [0]",
                "b 2.0.0 node_modules/b direct [4, 5]",
                "@scope/real 0.1.0 node_modules/old [0]",
                "t 3.0.0 node_modules/t dev direct []",
                "@own/ws 0.0.1 packages/ws []",
            ]
        );
    }

    #[test]
    fn the_oldest_version_nests() {
        let text = r#"{"lockfileVersion": 1, "dependencies": {
          "a": {"version": "1.0.0", "requires": {"b": "^1"},
                "dependencies": {"b": {"version": "1.5.0", "bundled": true}}},
          "b": {"version": "2.0.0", "dev": true},
          "c": {"version": "npm:@scope/real@0.1.0", "requires": {"b": "2"}},
          "d": {"version": "file:packages/d", "requires": {"b": "2"}},
          "e": {"version": "git+ssh://git@host.example/e.git#abc"}
        }}"#;
        let inventory = read(text).unwrap();
        assert_eq!(
            shown(&inventory),
            [
                "a 1.0.0 node_modules/a []",
                "b 1.5.0 node_modules/a/node_modules/b [0]",
                "b 2.0.0 node_modules/b dev [3]",
                "@scope/real 0.1.0 node_modules/c []",
                "e git+ssh://git@host.example/e.git#abc node_modules/e []",
            ]
        );
        assert_eq!(inventory.unchecked[0].what, "node_modules/d");
    }

    #[test]
    fn what_is_no_lockfile_is_refused() {
        for (text, expected) in [
            (
                "[]",
                "package-lock.json:1:1: no lockfile of npm: `lockfileVersion` is missing",
            ),
            (
                "{\"lockfileVersion\": 3,\n \"packages\": []}",
                "package-lock.json:2:14: `packages` has to be a map",
            ),
            (
                "{\"lockfileVersion\": 3, \"packages\": {\"node_modules/\": {}}}",
                "package-lock.json:1:54: a package without a name",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), expected);
        }
    }
}
